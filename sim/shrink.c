/* shrink.c -- a run that fails, made smaller until nothing can be taken away from it.
 *
 * The search is greedy. In turn it takes away kinds of fault, misfortunes, members, clients and
 * operations, of each as much as it can while the run goes on failing, and begins anew until a
 * whole round has taken nothing. What comes late in a run is taken away for certain, as a limit on
 * operations or misfortunes leaves the run alike up to there. Anything else changes all chance
 * behind it, so it is another run, which may fail or not for no reason. So some variations are
 * tried of each size, that of the last failure first.
 *
 * A run that fails in another way than the first one does not count: by what stands before the
 * colon, as in "agreement: node 2 applied something else in slot 7". */
#include "sim/shrink.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "sim/farm.h"

/* -- The search ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *option;
    uint32_t least;
} NUMBERS[SHRINK_NUMBERS] = {
    [SHRINK_MISFORTUNES] = {"misfortunes", "--misfortunes", 0},
    [SHRINK_NODES] = {"members", "--nodes", 1},
    [SHRINK_CLIENTS] = {"clients", "--clients", 1},
    [SHRINK_OPERATIONS] = {"operations", "--operations", 1},
};

struct search {
    struct shrink_size *size; /* The smallest so far that fails. */
    shrink_judge judge;
    void *context;
    uint32_t tries;
};

/* Keep it if it still fails. */
static int try(struct search *search, struct shrink_size *smaller)
{
    search->tries++;
    if (!search->judge(search->context, smaller)) {
        return 0;
    }
    *search->size = *smaller;
    return 1;
}

/* Half of the kinds that are there, from one on or up to it; then a quarter of them ...; at last
 * one by one. */
static int take_faults(struct search *search)
{
    int has_taken = 0;
    for (uint32_t width = 32; width > 0; width /= 2) {
        for (uint32_t first = 0; first < FAULT_END; first += width) {
            struct shrink_size smaller = *search->size;
            smaller.faults &= ~((((uint64_t)1 << width) - 1) << first);
            has_taken |= smaller.faults != search->size->faults && try(search, &smaller);
        }
    }
    return has_taken;
}

/* Down by large steps while they succeed, then by smaller ones; at last by one. */
static int take_number(struct search *search, enum shrink_number which)
{
    const uint32_t before = search->size->numbers[which];
    for (uint32_t step = before - NUMBERS[which].least; step > 0; step /= 2) {
        struct shrink_size smaller = *search->size;
        while (smaller.numbers[which] >= NUMBERS[which].least + step) {
            smaller.numbers[which] -= step;
            if (!try(search, &smaller)) {
                break;
            }
        }
    }
    return search->size->numbers[which] < before;
}

uint32_t shrink_search(struct shrink_size *size, shrink_judge judge, void *context)
{
    struct search search = {.size = size, .judge = judge, .context = context};
    int has_taken = 1;
    while (has_taken) {
        has_taken = 0;
        for (uint32_t i = 0; i < SHRINK_NUMBERS; i++) {
            assert(size->numbers[i] >= NUMBERS[i].least);
            has_taken |= take_number(&search, (enum shrink_number)i);
        }
        has_taken |= take_faults(&search);
    }
    return search.tries;
}

struct swarm_limits shrink_limits(const struct shrink_size *size)
{
    return (struct swarm_limits){
        .nodes = size->numbers[SHRINK_NODES],
        .clients = size->numbers[SHRINK_CLIENTS],
        .operations = size->numbers[SHRINK_OPERATIONS],
        .misfortunes = size->numbers[SHRINK_MISFORTUNES],
        .is_spared = size->numbers[SHRINK_MISFORTUNES] == 0,
        .variation = size->variation,
        .without = ~size->faults,
    };
}

/* -- One seed ------------------------------------------------------------------------------- */

enum {
    VARIATIONS = 8
};

struct trial {
    const struct settings *settings;
    struct run_result result;                              /* Of the run made last. */
    char failure[sizeof((struct run_result *)0)->failure]; /* Of the smallest so far that fails. */
    uint32_t count;
};

static void keep_result(void *context, uint64_t seed, const struct run_result *result)
{
    struct trial *trial = context;
    (void)seed;
    trial->result = *result;
}

/* In a process of its own: a world that ends by an assertion leaves its memory behind. */
static void run(struct trial *trial, const struct swarm_limits *limits)
{
    struct farm_options options = {.run = trial->settings->run, .seeds = 1, .jobs = 1};
    options.run.limits = *limits;
    trial->result = (struct run_result){0};
    if (farm_run(&options, keep_result, trial) != 0) {
        snprintf(trial->result.failure, sizeof trial->result.failure, "crash: its process died");
    }
}

static int is_same_kind(const char *left, const char *right)
{
    const size_t length = strcspn(left, ":");
    return strcspn(right, ":") == length && memcmp(left, right, length) == 0;
}

static uint32_t count_kinds(uint64_t faults)
{
    return (uint32_t)__builtin_popcountll(faults);
}

static void show(const struct trial *trial, const struct shrink_size *size)
{
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr,
                "\rrun %" PRIu32 ": %" PRIu32 " members, %" PRIu32 " clients, %" PRIu32
                " operations, %" PRIu32 " misfortunes, %" PRIu32 " kinds of fault          ",
                trial->count, size->numbers[SHRINK_NODES], size->numbers[SHRINK_CLIENTS],
                size->numbers[SHRINK_OPERATIONS], size->numbers[SHRINK_MISFORTUNES],
                count_kinds(size->faults));
    }
}

static int fails_alike(struct trial *trial, const struct shrink_size *size)
{
    const struct swarm_limits limits = shrink_limits(size);
    trial->count++;
    show(trial, size);
    run(trial, &limits);
    if (trial->result.failure[0] == 0 || !is_same_kind(trial->result.failure, trial->failure)) {
        return 0;
    }
    memcpy(trial->failure, trial->result.failure, sizeof trial->failure);
    return 1;
}

static int still_fails(void *context, struct shrink_size *size)
{
    const uint32_t before = size->variation;
    int has_failed = fails_alike(context, size);
    for (uint32_t i = 0; i < VARIATIONS && !has_failed; i++) {
        size->variation = i;
        has_failed = i != before && fails_alike(context, size);
    }
    return has_failed;
}

/* As the seed says, and as far as it came: no more misfortunes than there were, if they were
 * counted. */
static struct shrink_size measure(const struct trial *trial)
{
    const struct run_options *options = &trial->settings->run;
    const uint64_t misfortunes = run_misfortunes(&trial->result);
    struct world world;
    struct swarm swarm;
    world_init(&world, options->seed, 0);
    swarm_draw(&swarm, &world, &options->limits);
    world_deinit(&world);
    struct shrink_size size = {.faults = swarm.faults, .variation = options->limits.variation};
    size.numbers[SHRINK_NODES] = swarm.cluster.nodes;
    size.numbers[SHRINK_CLIENTS] = swarm.workload.clients;
    size.numbers[SHRINK_OPERATIONS] = swarm.workload.operations;
    size.numbers[SHRINK_MISFORTUNES] = misfortunes == 0 ? swarm.misfortunes : (uint32_t)misfortunes;
    return size;
}

/* The line that repeats it. */
static void print_line(uint64_t seed, const struct shrink_size *size)
{
    char kinds[400];
    const uint64_t all = (fault_bit(FAULT_END) - 1) & ~fault_bit(FAULT_NONE);
    swarm_describe(all & ~size->faults, kinds, sizeof kinds);
    printf("    make sim");
#ifdef SYNOD_MUTATIONS
    if (mutant_selected != 0) {
        printf(" MUTATIONS=1 MUTANT=%d", mutant_selected);
    }
#endif
    printf(" SEED=%" PRIu64 " ARGS='", seed);
    for (uint32_t i = 0; i < SHRINK_NUMBERS; i++) {
        printf("%s %" PRIu32 " ", NUMBERS[i].option, size->numbers[i]);
    }
    printf("--variation %" PRIu32 "%s%s'\n", size->variation, kinds[0] == 0 ? "" : " --without ",
           kinds);
}

static void print_difference(const struct shrink_size *before, const struct shrink_size *after)
{
    char kinds[400];
    for (uint32_t i = 0; i < SHRINK_NUMBERS; i++) {
        printf("%" PRIu32 " of %" PRIu32 " %s, ", after->numbers[i], before->numbers[i],
               NUMBERS[i].name);
    }
    swarm_describe(after->faults, kinds, sizeof kinds);
    printf("%" PRIu32 " of %" PRIu32 " kinds of fault%s%s\n", count_kinds(after->faults),
           count_kinds(before->faults), kinds[0] == 0 ? "" : ": ", kinds);
}

int shrink_seed(const struct settings *settings)
{
    struct trial trial = {.settings = settings};
    const uint64_t seed = settings->run.seed;
    run(&trial, &settings->run.limits);
    if (trial.result.failure[0] == 0) {
        printf("seed %" PRIu64 " does not fail\n", seed);
        return 0;
    }
    printf("seed %" PRIu64 " fails: %s\n", seed, trial.result.failure);
    fflush(stdout);
    memcpy(trial.failure, trial.result.failure, sizeof trial.failure);
    const struct shrink_size before = measure(&trial);
    struct shrink_size after = before;
    (void)shrink_search(&after, still_fails, &trial);
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\n");
    }
    printf("smaller: %s\n", trial.failure);
    printf("after %" PRIu32 " runs: ", trial.count);
    print_difference(&before, &after);
    print_line(seed, &after);
    return 1;
}
