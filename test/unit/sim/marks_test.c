/* marks_test.c -- counting rare branches. */
#include "sim/marks.h"

#include "sim/run.h"
#include "test.h"

/* This program is linked with the objects that are released. */
TEST(marks, are_not_in_the_objects_that_are_released)
{
    const struct run_options options = {.seed = 1, .limits = {.operations = 50}};
    struct run_result result;
    run_seed(&options, &result);
    assert_string_equal(result.failure, "");
    assert_int_equal(marks_count(), 0);
}

TEST(run, gives_the_same_trace_for_the_same_seed)
{
    const struct run_options options = {.seed = 3, .limits = {.operations = 200}};
    struct run_result first;
    struct run_result second;
    run_seed(&options, &first);
    run_seed(&options, &second);
    assert_string_equal(first.failure, "");
    assert_int_equal(first.trace, second.trace);
    assert_int_equal(first.events, second.events);
}

TEST(run, stops_after_the_event_that_it_is_told_and_says_nothing_of_the_end)
{
    const struct run_options options = {.seed = 3, .event_limit = 5000};
    struct run_result result;
    run_seed(&options, &result);
    assert_string_equal(result.failure, "");
    assert_int_equal(result.events, 5000);
}
