/* portrait_test.c -- what a run's diagram shows, and that to watch changes nothing. */
#include "sim/portrait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/run.h"
#include "test.h"

TEST(portrait, shows_the_last_messages_and_changes_nothing)
{
    char path[] = "/tmp/synod-portrait-XXXXXX";
    static char text[100000];
    const int made = mkstemp(path);
    assert_true(made >= 0);
    struct portrait *portrait = portrait_new();
    const struct run_options blind = {.seed = 3, .event_limit = 5000};
    struct run_options options = blind;
    struct run_result watched;
    struct run_result result;
    options.witness = portrait_witness(portrait);
    run_seed(&options, &watched);
    run_seed(&blind, &result);
    assert_int_equal(watched.trace, result.trace);
    assert_int_equal(portrait_write(portrait, path, "it went wrong"), 0);
    assert_true(read(made, text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, ": answer\n"));
    assert_non_null(strstr(text, "== it went wrong"));
    portrait_free(portrait);
    (void)close(made);
    (void)unlink(path);
}
