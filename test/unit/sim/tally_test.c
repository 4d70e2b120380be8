/* tally_test.c -- when many seeds together are a failure though each of them passed. */
#include "sim/tally.h"
#include "test.h"

static int is_blind(uint64_t seeds, uint64_t undecided)
{
    const struct tally tally = {.done = seeds, .undecided = undecided};
    return tally_is_blind(&tally);
}

TEST(tally, is_blind_where_judges_gave_up_on_more_than_one_history_in_a_hundred)
{
    assert_false(is_blind(0, 0));
    assert_false(is_blind(200, 0));
    assert_false(is_blind(200, 2));
    assert_true(is_blind(200, 3));
    assert_true(is_blind(1, 1));
}

TEST(tally, counts_what_no_judge_decided)
{
    const struct settings settings = {.jobs = 1};
    const struct run_result results[] = {{.simulated_us = 1},
                                         {.doubt = "the search gave up"},
                                         {.doubt = "the search gave up", .failure = "liveness"}};
    struct tally tally;
    tally_init(&tally, &settings);
    for (uint64_t i = 0; i < 3; i++) {
        tally_add(&tally, i, &results[i]);
    }
    assert_int_equal(tally.done, 3);
    assert_int_equal(tally.undecided, 1);
    assert_int_equal(tally.failures, 1);
}
