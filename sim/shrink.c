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
 * colon, as in "agreement: node 2 applied something else in slot 7".
 *
 * At last the same run is stopped after fewer and fewer events: when it was still well is worth a
 * look. */
#include "sim/shrink.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "sim/farm.h"
#include "sim/portrait.h"
#include "sim/repeat.h"

/* -- The search ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t least;
} NUMBERS[SHRINK_NUMBERS] = {
    [SHRINK_MISFORTUNES] = {"misfortunes", 0},
    [SHRINK_NODES] = {"members", 1},
    [SHRINK_CLIENTS] = {"clients", 1},
    [SHRINK_OPERATIONS] = {"operations", 1},
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

/* -- The moment ----------------------------------------------------------------------------- */

enum {
    DOUBLINGS_MAX = 24
};

uint64_t shrink_moment(uint64_t guess, shrink_moment_judge judge, void *context)
{
    uint64_t before = 0;
    uint64_t after = guess == 0 ? 1 : guess;
    for (uint32_t i = 0; !judge(context, after); i++) {
        if (i == DOUBLINGS_MAX) {
            return 0;
        }
        before = after;
        after *= 2;
    }
    while (after - before > 1) {
        const uint64_t middle = before + (after - before) / 2;
        if (judge(context, middle)) {
            after = middle;
        } else {
            before = middle;
        }
    }
    return after;
}

/* -- One seed ------------------------------------------------------------------------------- */

enum {
    VARIATIONS = 8,
    FIRST_SECONDS = 45,  /* For the first of many that fails, ... */
    MOMENT_SECONDS = 15, /* ... and to see when it does. */
    EVENTS_GUESS = 1000, /* Where nobody has counted them. */
    THINGS_SHOWN = 40
};

struct trial {
    struct run_options run;                                /* The smallest so far that fails. */
    struct run_result result;                              /* Of the run made last. */
    char failure[sizeof((struct run_result *)0)->failure]; /* Of the smallest so far that fails. */
    uint64_t end_s;                                        /* No run is begun later; ... */
    uint32_t seconds_each;                                 /* ... and none takes longer. */
    uint32_t count;
};

static uint64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static int is_late(const struct trial *trial)
{
    return now_s() >= trial->end_s;
}

static void keep_result(void *context, uint64_t seed, const struct run_result *result)
{
    struct trial *trial = context;
    (void)seed;
    trial->result = *result;
}

/* In a process of its own: a world that ends by an assertion leaves its memory behind. */
static void run(struct trial *trial, const struct run_options *options)
{
    const struct farm_options farm = {
        .run = *options, .seeds = 1, .seconds_each = trial->seconds_each, .jobs = 1, .is_quiet = 1};
    trial->result = (struct run_result){0};
    if (farm_run(&farm, keep_result, trial) != 0) {
        snprintf(trial->result.failure, sizeof trial->result.failure, "crash: no process");
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

static int fails_alike(struct trial *trial, const struct run_options *options)
{
    if (is_late(trial)) {
        return 0;
    }
    trial->count++;
    run(trial, options);
    return trial->result.failure[0] != 0 && !is_late(trial) &&
           is_same_kind(trial->result.failure, trial->failure);
}

static int fails_so_small(struct trial *trial, const struct shrink_size *size)
{
    struct run_options options = trial->run;
    options.limits = shrink_limits(size);
    show(trial, size);
    if (!fails_alike(trial, &options)) {
        return 0;
    }
    trial->run = options;
    memcpy(trial->failure, trial->result.failure, sizeof trial->failure);
    return 1;
}

static int still_fails(void *context, struct shrink_size *size)
{
    const uint32_t before = size->variation;
    int has_failed = fails_so_small(context, size);
    for (uint32_t i = 0; i < VARIATIONS && !has_failed; i++) {
        size->variation = i;
        has_failed = i != before && fails_so_small(context, size);
    }
    return has_failed;
}

/* As the seed says, and as far as it came: no more misfortunes than there were, if they were
 * counted. */
static struct shrink_size measure(const struct trial *trial)
{
    const struct run_options *options = &trial->run;
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

static void make_smaller(struct trial *trial)
{
    const struct shrink_size before = measure(trial);
    struct shrink_size after = before;
    (void)shrink_search(&after, still_fails, trial);
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\n");
    }
    printf("smaller: %s\n", trial->failure);
    printf("after %" PRIu32 " runs%s: ", trial->count, is_late(trial) ? ", no time for more" : "");
    print_difference(&before, &after);
}

/* -- What is left of it --------------------------------------------------------------------- */

static int has_failed_by(void *context, uint64_t events)
{
    struct trial *trial = context;
    struct run_options options = trial->run;
    options.event_limit = events;
    return fails_alike(trial, &options);
}

/* Where everybody stands one event before it goes wrong. */
static void print_moment(struct trial *trial, uint64_t events)
{
    const uint64_t moment =
        shrink_moment(events == 0 ? EVENTS_GUESS : events, has_failed_by, trial);
    if (moment > 1 && !is_late(trial)) {
        struct run_options options = trial->run;
        options.event_limit = moment - 1;
        printf("one event before:\n");
        repeat_write(stdout, &options, "--dump");
    }
}

/* Run it once more, and draw how it ends. Returns how many events there were, if they were
 * counted. */
static uint64_t draw_run(struct trial *trial, const char *picture)
{
    struct portrait *portrait = portrait_new();
    struct run_options options = trial->run;
    options.witness = portrait_witness(portrait);
    run(trial, &options);
    portrait_print(portrait, stdout, THINGS_SHOWN, trial->result.failure);
    if (picture != NULL && portrait_write(portrait, picture, trial->result.failure) == 0) {
        printf("drawn in %s\n", picture);
    } else if (picture != NULL) {
        fprintf(stderr, "synod-sim: cannot write %s\n", picture);
    }
    portrait_free(portrait);
    return trial->result.events;
}

/* For so many seconds; 0: as long as it takes. */
static int shrink_run(const struct run_options *failed, const char *picture, uint32_t seconds)
{
    struct trial trial = {.run = *failed,
                          .end_s = seconds == 0 ? UINT64_MAX : now_s() + seconds,
                          .seconds_each = seconds};
    trial.run.is_verbose = 0;
    trial.run.history = NULL;
    trial.run.on_end = NULL;
    run(&trial, &trial.run);
    if (trial.result.failure[0] == 0) {
        printf("seed %" PRIu64 " does not fail\n", failed->seed);
        return 0;
    }
    printf("seed %" PRIu64 " fails: %s\n", failed->seed, trial.result.failure);
    fflush(stdout);
    memcpy(trial.failure, trial.result.failure, sizeof trial.failure);
    if (failed->scenario == PARTITION_NONE) {
        make_smaller(&trial);
    }
    const uint64_t events = draw_run(&trial, picture);
    repeat_write(stdout, &trial.run, "");
    trial.end_s = seconds == 0 ? UINT64_MAX : now_s() + MOMENT_SECONDS;
    if (failed->scenario == PARTITION_NONE) {
        print_moment(&trial, events);
    }
    fflush(stdout);
    return 1;
}

int shrink_seed(const struct settings *settings)
{
    return shrink_run(&settings->run, settings->picture, 0);
}

void shrink_first(const struct run_options *failed, const char *picture)
{
    (void)shrink_run(failed, picture, FIRST_SECONDS);
}
