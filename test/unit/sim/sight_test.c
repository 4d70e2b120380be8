/* sight_test.c -- what many seeds have to come by, or the simulator is blind. */
#include "sim/sight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

enum {
    ENOUGH = 1000
};

/* A seed that came by everything. */
static struct run_result everything(void)
{
    struct run_result result = {0};
    for (uint32_t i = 0; i < FAULT_END; i++) {
        result.faults.kinds[i] = 1;
    }
    for (uint32_t i = 0; i < PARTITION_END; i++) {
        result.faults.shapes[i] = 1;
    }
    for (uint32_t i = 0; i < FATE_END; i++) {
        result.faults.fates[i] = 1;
    }
    return result;
}

static uint32_t judge(const struct run_result *result, uint64_t seeds,
                      const struct swarm_limits *limits, char *text, size_t size)
{
    struct sight sight = {0};
    FILE *to = fmemopen(text, size, "w");
    assert_non_null(to);
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        sight_add(&sight, seed, result);
    }
    const uint32_t blind = sight_judge(&sight, limits, to);
    assert_int_equal(fclose(to), 0);
    return blind;
}

TEST(sight, is_whole_where_everything_was_come_by)
{
    const struct run_result result = everything();
    char text[1024];
    assert_int_equal(judge(&result, ENOUGH, &(struct swarm_limits){0}, text, sizeof text), 0);
    assert_null(strstr(text, "blind"));
}

TEST(sight, lacks_each_fault_partition_and_fate_that_no_seed_has_come_by)
{
    struct run_result result = everything();
    char text[1024];
    result.faults.kinds[FAULT_WIPE] = 0;
    result.faults.kinds[FAULT_LOSS] = 0;
    result.faults.shapes[PARTITION_CHAINED] = 0;
    result.faults.fates[FATE_DEAD] = 0;
    assert_int_equal(judge(&result, ENOUGH, &(struct swarm_limits){0}, text, sizeof text), 4);
    assert_non_null(strstr(text, "blind: no seed has come by this fault: wipe\n"));
    assert_non_null(strstr(text, "blind: no seed has come by this fault: loss\n"));
    assert_non_null(strstr(text, "blind: no seed has come by this partition: chained\n"));
    assert_non_null(
        strstr(text, "blind: no seed has come by this fate outside of a quorum: dead\n"));
}

TEST(sight, lacks_nothing_where_few_seeds_ran_or_something_was_taken_away_of_them)
{
    const struct run_result nothing = {0};
    char text[4096];
    assert_true(judge(&nothing, ENOUGH, &(struct swarm_limits){0}, text, sizeof text) > 40);
    assert_int_equal(judge(&nothing, ENOUGH - 1, &(struct swarm_limits){0}, text, sizeof text), 0);
    assert_non_null(strstr(text, "not judged, of so few seeds: faults and marks\n"));
    assert_int_equal(judge(&nothing, ENOUGH,
                           &(struct swarm_limits){.without = fault_bit(FAULT_CUT)}, text,
                           sizeof text),
                     0);
    assert_int_equal(
        judge(&nothing, ENOUGH, &(struct swarm_limits){.operations = 5}, text, sizeof text), 0);
}

/* One failed early; one had more than there is a place for; two had the fewest. */
TEST(sight, counts_the_misfortunes_of_those_that_were_not_spared)
{
    static const uint32_t NUMBERS[] = {30, 700, 20, 0, 20, 40, 5};
    struct sight sight = {0};
    for (uint64_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++) {
        struct run_result result = {.is_spared = NUMBERS[i] == 0};
        result.faults.kinds[FAULT_KILL] = NUMBERS[i];
        if (NUMBERS[i] == 5) {
            snprintf(result.failure, sizeof result.failure, "it was cut short");
        }
        sight_add(&sight, sizeof NUMBERS / sizeof *NUMBERS - i, &result);
    }
    assert_int_equal(sight.spared, 1);
    assert_int_equal(sight_least(&sight), 20);
    assert_int_equal(sight.least_seed, 3);
    assert_int_equal(sight_median(&sight), 30);
}
