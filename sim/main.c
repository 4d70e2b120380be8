/* main.c -- synod-sim: whole clusters in virtual time, one after the other, a seed each. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sim/check_command.h"
#include "sim/explore/explore.h"
#include "sim/farm.h"
#include "sim/portrait.h"
#include "sim/scenario.h"
#include "sim/settings.h"
#include "sim/shrink.h"
#include "sim/tally.h"

enum {
    MEMORY_KEPT = 1 << 30,
    MEMORY_STEP = 1 << 24
};

static void drop_line(const char *line, uint32_t size)
{
    (void)line;
    (void)size;
}

static void count_seed(void *context, uint64_t seed, const struct run_result *result)
{
    tally_add(context, seed, result);
}

static void dump(void *context, struct cluster *cluster, const struct swarm *swarm)
{
    char kinds[400];
    (void)context;
    swarm_describe(swarm->faults, kinds, sizeof kinds);
    printf("at %.3f ms; faults: %s\n", (double)run_now_us() / 1000, kinds);
    cluster_print(cluster, stdout);
}

static void run_one(const struct settings *settings, struct tally *tally)
{
    struct run_options options = settings->run;
    struct portrait *portrait = settings->picture == NULL ? NULL : portrait_new();
    struct run_result result;
    options.witness = portrait == NULL ? NULL : portrait_witness(portrait);
    run_seed(&options, &result);
    tally_add(tally, options.seed, &result);
    if (portrait != NULL && portrait_write(portrait, settings->picture, result.failure) != 0) {
        fprintf(stderr, "synod-sim: cannot write %s\n", settings->picture);
    }
    portrait_free(portrait);
}

static void run_seeds(const struct settings *settings, struct tally *tally)
{
    const struct farm_options options = {.run = settings->run,
                                         .seeds = settings->seeds,
                                         .seconds = settings->seconds,
                                         .jobs = (uint32_t)settings->jobs};
    if (settings->is_single) {
        run_one(settings, tally);
    } else if (farm_run(&options, count_seed, tally) != 0) {
        printf("synod-sim: not all seeds ran: a process is missing\n");
        tally->failures++;
    }
}

static void run_scenarios(struct settings *settings, struct tally *tally)
{
    for (uint32_t i = PARTITION_NONE + 1; i < PARTITION_END; i++) {
        settings->run.scenario = (enum partition_shape)i;
        if (scenario_is_sensible(settings->run.scenario, SCENARIO_NODES)) {
            run_seeds(settings, tally);
        }
    }
}

static void list_scenarios(void)
{
    for (uint32_t i = PARTITION_NONE + 1; i < PARTITION_END; i++) {
        const enum partition_shape shape = (enum partition_shape)i;
        if (scenario_is_sensible(shape, SCENARIO_NODES)) {
            printf("%-16s %s\n", partition_name(shape), partition_meaning(shape));
        }
    }
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct tally tally;
    if (argc > 1 && strcmp(argv[1], "check") == 0) {
        return check_command(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "explore") == 0) {
        return explore_main(argc - 1, argv + 1, argv[0]);
    }
    settings_parse(argc, argv, &settings);
    if (settings.has_list) {
        list_scenarios();
        return 0;
    }
    log_configure(&(struct log_options){.level = settings.has_log ? LOG_DEBUG : LOG_ERROR,
                                        .sink = settings.has_log ? NULL : drop_line,
                                        .clock_us = run_now_us});
    /* What a seed frees the next one needs: keep it, instead of giving it back each time. */
    (void)mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT);
    (void)mallopt(M_MMAP_THRESHOLD, MEMORY_KEPT);
    (void)mallopt(M_TOP_PAD, MEMORY_STEP);
    if (settings.has_shrink) {
        return shrink_seed(&settings);
    }
    settings.run.on_end = settings.has_dump ? dump : NULL;
    tally_init(&tally, &settings);
    if (settings.seconds != 0 && !settings.is_single) {
        printf("from seed %" PRIu64 "\n", settings.run.seed);
    }
    if (settings.has_scenarios) {
        run_scenarios(&settings, &tally);
    } else {
        run_seeds(&settings, &tally);
    }
    tally_print(&tally);
    if (tally.first.seed != 0 && !settings.is_single && !settings.has_no_shrink) {
        shrink_first(&tally.first, settings.picture);
    }
    tally_print_sum(&tally);
    return tally.failures == 0 ? 0 : 1;
}
