/* chronicle_test.c -- histories are kept, written and read again as they were. */
#include <stdlib.h>
#include <string.h>

#include "check/checker_replay.h"
#include "check/chronicle.h"
#include "sim/generate.h"
#include "test.h"

static void generate(uint64_t seed, struct chronicle *history)
{
    const struct generate_options options = {
        .seed = seed,
        .operations = 1000,
        .clients = 8,
        .members = 3,
        .requests.keys = 12,
        .requests.width = 6,
        .latency_us_max = 500,
        .unknown_ppm = 20000,
        .restart_ppm = 10000,
        .requests.txn_percent = 25,
        .requests.delete_percent = 10,
        .requests.compact_permille = 5,
        .requests.get_percent = 40,
    };
    const struct state_report reports[] = {
        {.at_us = 7, .revision = 3, .compacted = -1, .hash = ~UINT64_C(0), .member = 1},
        {.at_us = 9, .revision = 4, .compacted = 2, .hash = seed, .member = 2}};
    chronicle_init(history);
    generate_history(&options, history);
    chronicle_report(history, &reports[0]);
    chronicle_report(history, &reports[1]);
}

static char *text_of(const struct chronicle *history)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    assert_int_equal(chronicle_write(history, to), 0);
    assert_int_equal(fclose(to), 0);
    return text;
}

static int read_text(const char *text, struct chronicle *history, char *wrong, size_t size)
{
    FILE *from = fmemopen((void *)text, strlen(text), "r");
    assert_non_null(from);
    chronicle_init(history);
    const int outcome = chronicle_read(history, from, wrong, size);
    assert_int_equal(fclose(from), 0);
    return outcome;
}

TEST(chronicle, is_read_as_it_was_written)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct chronicle history;
        struct chronicle again;
        char wrong[200];
        generate(seed, &history);
        char *text = text_of(&history);
        assert_int_equal(read_text(text, &again, wrong, sizeof wrong), 0);
        char *text_again = text_of(&again);
        assert_string_equal(text, text_again);
        assert_int_equal(history.operation_count, again.operation_count);
        assert_int_equal(history.step_count, again.step_count);
        assert_int_equal(history.base, again.base);
        free(text);
        free(text_again);
        chronicle_deinit(&history);
        chronicle_deinit(&again);
    }
}

TEST(chronicle, says_which_line_is_wrong_and_why)
{
    static const char *const LINES[][2] = {
        {"1 2 c0 m0 done r2 put k1 = 5 now", "more than an operation"},
        {"1 2 c0 m0 done r2 put k1 5", "no relation"},
        {"1 2 c0 m0 done r2 put 1 = 5", "a number is missing"},
        {"1 2 c0 m0 done r2 put k9999999 = 5", "not a key"},
        {"1 2 c0 m0 done r2 fetch k1", "no kind of operation"},
        {"1 2 c0 m0 perhaps get k1", "no outcome"},
        {"1 2 c0 m99 done r2 get k1", "not a member"},
        {"1 x c0 m0 done r2 get k1", "a number is missing"},
        {"1 2 c0 m0 done r2 txn put k1 = 5", "no if, then or else"},
        {"1 2 c0 m0 done r2 txn then put k1 = 5 if mod k1 = 0", "a step where it cannot be"},
        {"1 2 c0 m0 done r2 txn else put k1 = 5 then get k1", "a step where it cannot be"},
        {"1 2 c0 m0 done r2 get k1 count 1 saw k1=5@2", "a number is missing"},
        {"state 1 m2 r3 hash 12", "no hash of 16 digits"},
        {"state 1 m2 r3 0000000000000012", "no hash"},
        {"state 1 m2 r3 hash 0000000000000012 now", "more than a state"},
        {"state 1 m64 r3 hash 0000000000000012", "not a member"},
        {"state 1 m2 r3 compacted hash 0000000000000012", "a number is missing"},
    };
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++) {
        struct chronicle history;
        char text[300];
        char wrong[200] = "";
        snprintf(text, sizeof text, "# a comment\n\n%s\n", LINES[i][0]);
        assert_int_equal(read_text(text, &history, wrong, sizeof wrong), -1);
        assert_non_null(strstr(wrong, "line 3: "));
        assert_non_null(strstr(wrong, LINES[i][1]));
        chronicle_deinit(&history);
    }
}

static int read_txn_of(size_t steps, char *wrong, size_t size)
{
    struct chronicle history;
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);
    assert_non_null(to);
    fputs("1 2 c0 m0 done r2 txn", to);
    for (size_t i = 0; i < steps; i++) {
        fputs(" then put k1 = 5", to);
    }
    assert_int_equal(fclose(to), 0);
    const int outcome = read_text(text, &history, wrong, size);
    free(text);
    chronicle_deinit(&history);
    return outcome;
}

TEST(chronicle, has_as_many_steps_as_an_operation_may_have_and_refuses_more)
{
    char wrong[200] = "";
    assert_int_equal(read_txn_of(CHRONICLE_STEPS_MAX, wrong, sizeof wrong), 0);
    assert_int_equal(read_txn_of(CHRONICLE_STEPS_MAX + 1, wrong, sizeof wrong), -1);
    assert_non_null(strstr(wrong, "more steps than an operation may have"));
}

TEST(chronicle, is_copied_whole)
{
    struct chronicle history;
    struct chronicle copy;
    generate(3, &history);
    chronicle_copy(&copy, &history);
    char *text = text_of(&history);
    chronicle_deinit(&history);
    char *text_of_copy = text_of(&copy);
    assert_string_equal(text, text_of_copy);
    free(text);
    free(text_of_copy);
    chronicle_deinit(&copy);
}

/* By hand, so that it can be read here what a history looks like and what is said of it. */
TEST(chronicle, is_judged_from_a_file_and_the_verdict_names_the_operations)
{
    static const char TEXT[] =
        "# synod history, base 1\n"
        "10 20 c1 m0 done r2 put k5 = 17\n"
        "30 40 c2 m1 done r3 put k5 = 18\n"
        "50 60 c3 m2 done r3 get k5 count 1 saw k5=17@2/2/1\n";
    struct chronicle history;
    struct checker_verdict verdict;
    char wrong[200];
    assert_int_equal(read_text(TEXT, &history, wrong, sizeof wrong), 0);
    checker_replay(&history, &verdict);
    assert_int_equal(verdict.opinion, CHECKER_REJECTS);
    assert_string_equal(verdict.text,
                        "an old value of a key was seen after a newer one had been put: "
                        "line 4 [50 60 c3 m2 done r3 get k5 count 1 saw k5=17@2/2/1] and "
                        "line 3 [30 40 c2 m1 done r3 put k5 = 18]");
    chronicle_deinit(&history);
}
