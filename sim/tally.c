/* tally.c -- what came of all seeds.
 *
 * Speed is simulated time by processor time: how much faster than reality one core is. Simulated
 * time is that of the clients' work, the trial of liveness and the healing after it; a run ends
 * when these are done, and no quiet time is added. */
#include "sim/tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "sim/repeat.h"

enum {
    UNDECIDED_SHARE = 100 /* One history in so many may be undecided. */
};

static double now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double processor_seconds(void)
{
    double sum = 0;
    const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (size_t i = 0; i < 2; i++) {
        struct rusage usage;
        if (getrusage(whose[i], &usage) == 0) {
            sum += (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec;
            sum += (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
        }
    }
    return sum > 0 ? sum : 1e-6;
}

void tally_init(struct tally *tally, const struct settings *settings)
{
    *tally = (struct tally){.settings = settings, .began = now()};
}

/* -- While it lasts ------------------------------------------------------------------------- */

static void print_bar(const struct tally *tally)
{
    static const char FULL[] = "########################################";
    const struct settings *settings = tally->settings;
    const double elapsed = now() - tally->began;
    const double part = settings->seconds != 0 ? elapsed / (double)settings->seconds
                                               : (double)tally->done / (double)settings->seeds;
    const int width = (int)sizeof FULL - 1;
    const int filled = part >= 1 ? width : (int)(part * width);
    fprintf(stderr, "\r[%.*s%*s] %" PRIu64 " seeds, %" PRIu64 " failures, %.1f seeds/s ", filled,
            FULL, width - filled, "", tally->done, tally->failures,
            (double)tally->done / (elapsed > 0 ? elapsed : 1));
}

static struct run_options run_of(const struct tally *tally, uint64_t seed)
{
    struct run_options run = tally->settings->run;
    run.seed = seed;
    return run;
}

static void describe(uint64_t seed, const struct run_result *result)
{
    printf("seed %" PRIu64 ": trace %016" PRIx64 ", %.1f s simulated, %" PRIu64 " events, %" PRIu64
           " operations, %" PRIu64 " misfortunes, %" PRIu64 " kills, %" PRIu64
           " changes of leader, %" PRIu64 " snapshots loaded, progress within %.3f s\n",
           seed, result->trace, (double)result->simulated_us / 1e6, result->events,
           result->operations, run_misfortunes(result), result->kills, result->leaders,
           result->restores, (double)result->progress_us / 1e6);
}

void tally_add(struct tally *tally, uint64_t seed, const struct run_result *result)
{
    const struct run_options run = run_of(tally, seed);
    tally->done++;
    tally->traces ^= result->trace;
    tally->simulated_us += result->simulated_us;
    tally->operations += result->operations;
    tally->misfortunes += run_misfortunes(result);
    if (result->progress_us > tally->progress_us_max) {
        tally->progress_us_max = result->progress_us;
    }
    sight_add(&tally->sight, seed, result);
    if (result->failure[0] != 0) {
        tally->failures++;
        tally->first = tally->first.seed == 0 ? run : tally->first;
        printf("seed %" PRIu64 " failed: %s\n", seed, result->failure);
        repeat_write(stdout, &run, "");
    } else if (result->doubt[0] != 0) {
        tally->undecided++;
        printf("seed %" PRIu64 " undecided: %s\n", seed, result->doubt);
        repeat_write(stdout, &run, "");
    }
    if (tally->settings->is_single) {
        describe(seed, result);
    } else if (isatty(STDERR_FILENO)) {
        print_bar(tally);
    }
    fflush(stdout);
}

/* -- At the end ----------------------------------------------------------------------------- */

static void print_table(const struct tally *tally)
{
    const double seeds = (double)tally->done;
    printf(
        "each seed: %.0f operations, %.1f misfortunes, %.1f s; a healed quorum wrote again "
        "within %.3f s\n",
        (double)tally->operations / seeds, (double)tally->misfortunes / seeds,
        (double)tally->simulated_us / 1e6 / seeds, (double)tally->progress_us_max / 1e6);
    sight_print(&tally->sight, tally->settings->has_marks, stdout);
}

int tally_is_blind(const struct tally *tally)
{
    return tally->undecided * UNDECIDED_SHARE > tally->done;
}

static void print_blindness(struct tally *tally)
{
    if (tally_is_blind(tally)) {
        printf("blind: the judges gave up on %" PRIu64 " of %" PRIu64
               " histories; on one in %d they may\n",
               tally->undecided, tally->done, UNDECIDED_SHARE);
        tally->failures++;
    }
}

void tally_print(struct tally *tally)
{
    const struct settings *settings = tally->settings;
    if (!settings->is_single && isatty(STDERR_FILENO)) {
        fprintf(stderr, "\n");
    }
    if (!settings->is_single && settings->run.scenario == PARTITION_NONE && tally->done > 0) {
        print_table(tally);
        tally->failures += sight_judge(&tally->sight, &settings->run.limits, stdout);
        printf("traces: %016" PRIx64 "\n", tally->traces);
    }
    print_blindness(tally);
    tally->processor_s = processor_seconds();
}

void tally_print_sum(const struct tally *tally)
{
    printf("sim: %" PRIu64 " seeds, %" PRIu64 " failures, %" PRIu64
           " histories undecided, %.2f simulated hours, %.0f x real time per core\n",
           tally->done, tally->failures, tally->undecided, (double)tally->simulated_us / 3.6e9,
           (double)tally->simulated_us / 1e6 / tally->processor_s);
}
