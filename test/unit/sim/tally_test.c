/* tally_test.c -- when many seeds together are a failure though each of them passed. */
#include "sim/tally.h"
#include "test.h"

/* The failures of so many seeds, on some of which a judge gave up. */
static uint64_t count_failures(uint64_t seeds, uint64_t undecided)
{
    const struct settings settings = {.run.scenario = 1, .jobs = 1};
    struct tally tally;
    tally_init(&tally, &settings);
    for (uint64_t i = 0; i < seeds; i++) {
        struct run_result result = {.simulated_us = 1};
        if (i < undecided) {
            snprintf(result.doubt, sizeof result.doubt, "the search gave up");
        }
        tally_add(&tally, i + 1, &result);
    }
    assert_int_equal(tally.undecided, undecided);
    tally_print(&tally);
    return tally.failures;
}

TEST(tally, fails_where_judges_gave_up_on_more_than_one_history_in_a_hundred)
{
    assert_int_equal(count_failures(200, 0), 0);
    assert_int_equal(count_failures(200, 2), 0);
    assert_int_equal(count_failures(200, 3), 1);
    assert_int_equal(count_failures(1, 1), 1);
}
