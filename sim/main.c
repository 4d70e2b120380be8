/* main.c -- synod-sim: whole clusters in virtual time, one after the other, a seed each. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mutant.h"
#include "sim/check_command.h"
#include "sim/explore/explore.h"
#include "sim/farm.h"
#include "sim/run.h"

static const char HELP[] =
    "synod-sim: simulate whole clusters, with faults, in virtual time\n"
    "\n"
    "usage: synod-sim [options]\n"
    "       synod-sim explore [options]    every reachable state of small clusters\n"
    "       synod-sim check FILE ...       judge histories of what clients saw\n"
    "\n"
    "  --seeds N        run N seeds (default 100), beginning with --from\n"
    "  --from N         the first seed (default 1)\n"
    "  --seed N         run this one seed, and print what it was like\n"
    "  --trace          print everything that happens (with --seed)\n"
    "  --log            print what the replicas log (with --seed)\n"
    "  --operations N   client operations per seed (default: as the seed says)\n"
    "  --jobs N         that many at a time (default: the cores of the machine)\n"
    "  --mutant N       switch a seeded bug on (builds with MUTATIONS=1 only)\n"
    "  --help           this\n"
    "\n"
    "A seed is everything: the same seed gives the same run, and the same trace hash, on every\n"
    "machine. A seed that fails prints one line that repeats it:\n"
    "\n"
    "  make sim SEED=1234\n"
    "\n"
    "Checked are agreement (all replicas apply the same in every slot), recovery (what a node\n"
    "acknowledged is there after a crash), linearizability of all that clients saw, equal\n"
    "states at the end, and progress once everything is healed.\n";

struct settings {
    struct run_options run;
    uint64_t from;
    uint64_t seeds;
    uint64_t jobs;
    int is_single;
    int has_log;
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t number(const char *option, const char *text)
{
    char *end;
    const uint64_t value = strtoull(text, &end, 10);
    if (*text == 0 || *end != 0) {
        fprintf(stderr, "synod-sim: --%s wants a number, not '%s'\n", option, text);
        exit(2);
    }
    return value;
}

static void select_mutant(uint64_t row)
{
#ifdef SYNOD_MUTATIONS
    mutant_selected = (int)row;
#else
    (void)row;
    fprintf(stderr, "synod-sim: this build has no mutants: make MUTATIONS=1\n");
    exit(2);
#endif
}

static void parse(int argc, char **argv, struct settings *settings)
{
    static const struct option OPTIONS[] = {
        {"seeds", required_argument, NULL, 'n'},  {"from", required_argument, NULL, 'f'},
        {"seed", required_argument, NULL, 's'},   {"trace", no_argument, NULL, 't'},
        {"log", no_argument, NULL, 'l'},          {"operations", required_argument, NULL, 'o'},
        {"mutant", required_argument, NULL, 'm'}, {"help", no_argument, NULL, 'h'},
        {"jobs", required_argument, NULL, 'j'},   {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        switch (option) {
        case 'n':
            settings->seeds = number("seeds", optarg);
            break;
        case 'f':
            settings->from = number("from", optarg);
            break;
        case 's':
            settings->from = number("seed", optarg);
            settings->seeds = 1;
            settings->is_single = 1;
            break;
        case 't':
            settings->run.is_verbose = 1;
            break;
        case 'l':
            settings->has_log = 1;
            break;
        case 'o':
            settings->run.limits.operations = (uint32_t)number("operations", optarg);
            break;
        case 'm':
            select_mutant(number("mutant", optarg));
            break;
        case 'j':
            settings->jobs = number("jobs", optarg);
            break;
        case 'h':
            fputs(HELP, stdout);
            exit(0);
        default:
            fprintf(stderr, "synod-sim: try --help\n");
            exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "synod-sim: unexpected '%s'; try --help\n", argv[optind]);
        exit(2);
    }
}

static void drop_line(const char *line, uint32_t size)
{
    (void)line;
    (void)size;
}

static void show_progress(uint64_t done, uint64_t total, uint64_t failures)
{
    if (isatty(STDERR_FILENO)) {
        const int width = 40;
        const int filled = (int)((uint64_t)width * done / total);
        fprintf(stderr, "\r[%.*s%*s] %" PRIu64 "/%" PRIu64 " seeds, %" PRIu64 " failures ", filled,
                "########################################", width - filled, "", done, total,
                failures);
        if (done == total) {
            fputc('\n', stderr);
        }
    }
}

static void describe(uint64_t seed, const struct run_result *result)
{
    printf("seed %" PRIu64 ": trace %016" PRIx64 ", %.1f s simulated, %" PRIu64 " events, %" PRIu64
           " operations, %" PRIu64 " misfortunes, %" PRIu64 " kills, %" PRIu64
           " changes of leader, %" PRIu64 " snapshots loaded\n",
           seed, result->trace, (double)result->simulated_us / 1e6, result->events,
           result->operations, run_misfortunes(result), result->kills, result->leaders,
           result->restores);
}

/* What came of all seeds so far. */
struct tally {
    const struct settings *settings;
    uint64_t done;
    uint64_t failures;
    uint64_t simulated_us;
};

static void count_seed(void *context, uint64_t seed, const struct run_result *result)
{
    struct tally *tally = context;
    tally->done++;
    tally->simulated_us += result->simulated_us;
    if (result->failure[0] != 0) {
        tally->failures++;
        printf("seed %" PRIu64 " failed: %s\n    make sim SEED=%" PRIu64 "\n", seed,
               result->failure, seed);
        fflush(stdout);
    }
    if (tally->settings->is_single) {
        describe(seed, result);
    } else {
        show_progress(tally->done, tally->settings->seeds, tally->failures);
    }
}

static int run_all(struct settings *settings, struct tally *tally)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    settings->run.seed = settings->from;
    if (settings->jobs == 0) {
        settings->jobs = cores > 0 ? (uint64_t)cores : 1;
    }
    if (settings->is_single || settings->jobs == 1) {
        for (; settings->run.seed < settings->from + settings->seeds; settings->run.seed++) {
            struct run_result result;
            run_seed(&settings->run, &result);
            count_seed(tally, settings->run.seed, &result);
        }
        return 0;
    }
    return farm_run(&settings->run, settings->seeds, (uint32_t)settings->jobs, count_seed, tally);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "check") == 0) {
        return check_command(argc - 1, argv + 1);
    }
    struct settings settings = {.from = 1, .seeds = 100};
    struct tally tally = {.settings = &settings};
    if (argc > 1 && strcmp(argv[1], "explore") == 0) {
        return explore_main(argc - 1, argv + 1);
    }
    parse(argc, argv, &settings);
    log_configure(&(struct log_options){.level = settings.has_log ? LOG_DEBUG : LOG_ERROR,
                                        .sink = settings.has_log ? NULL : drop_line});

    const double began = seconds();
    if (run_all(&settings, &tally) != 0) {
        fprintf(stderr, "synod-sim: a process that ran seeds has died\n");
        tally.failures += settings.seeds - tally.done;
    }
    const double took = seconds() - began;
    printf("sim: %" PRIu64 " seeds, %" PRIu64 " failures, %.2f simulated hours, %.0f x real time\n",
           settings.seeds, tally.failures, (double)tally.simulated_us / 3.6e9,
           (double)tally.simulated_us / 1e6 / (took > 0 ? took : 1e-9));
    return tally.failures == 0 ? 0 : 1;
}
