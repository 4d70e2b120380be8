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
#include "sim/run.h"

static const char HELP[] =
    "synod-sim: simulate whole clusters, with faults, in virtual time\n"
    "\n"
    "usage: synod-sim [options]\n"
    "\n"
    "  --seeds N        run N seeds (default 100), beginning with --from\n"
    "  --from N         the first seed (default 1)\n"
    "  --seed N         run this one seed, and print what it was like\n"
    "  --trace          print everything that happens (with --seed)\n"
    "  --log            print what the replicas log (with --seed)\n"
    "  --operations N   client operations per seed (default: as the seed says)\n"
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
        {"seeds", required_argument, NULL, 'n'},
        {"from", required_argument, NULL, 'f'},
        {"seed", required_argument, NULL, 's'},
        {"trace", no_argument, NULL, 't'},
        {"log", no_argument, NULL, 'l'},
        {"operations", required_argument, NULL, 'o'},
        {"mutant", required_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
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
            settings->run.operations = (uint32_t)number("operations", optarg);
            break;
        case 'm':
            select_mutant(number("mutant", optarg));
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
           " operations, %" PRIu64 " faults, %" PRIu64 " kills, %" PRIu64
           " changes of leader, %" PRIu64 " snapshots loaded\n",
           seed, result->trace, (double)result->simulated_us / 1e6, result->events,
           result->operations, result->faults, result->kills, result->leaders, result->restores);
}

int main(int argc, char **argv)
{
    struct settings settings = {.from = 1, .seeds = 100};
    uint64_t failures = 0;
    uint64_t simulated_us = 0;
    parse(argc, argv, &settings);
    log_configure(&(struct log_options){.level = settings.has_log ? LOG_DEBUG : LOG_ERROR,
                                        .sink = settings.has_log ? NULL : drop_line});

    const double began = seconds();
    for (uint64_t i = 0; i < settings.seeds; i++) {
        struct run_result result;
        settings.run.seed = settings.from + i;
        run_seed(&settings.run, &result);
        simulated_us += result.simulated_us;
        if (result.failure[0] != 0) {
            failures++;
            printf("seed %" PRIu64 " failed: %s\n    make sim SEED=%" PRIu64 "\n",
                   settings.run.seed, result.failure, settings.run.seed);
            fflush(stdout);
        }
        if (settings.is_single) {
            describe(settings.run.seed, &result);
        } else {
            show_progress(i + 1, settings.seeds, failures);
        }
    }
    const double took = seconds() - began;
    printf("sim: %" PRIu64 " seeds, %" PRIu64 " failures, %.2f simulated hours, %.0f x real time\n",
           settings.seeds, failures, (double)simulated_us / 3.6e9,
           (double)simulated_us / 1e6 / (took > 0 ? took : 1e-9));
    return failures == 0 ? 0 : 1;
}
