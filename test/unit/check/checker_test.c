/* checker_test.c -- what each judge makes of histories written by hand. */
#include <stdlib.h>
#include <string.h>

#include "check/checker_replay.h"
#include "check/checker_states.h"
#include "check/checker_wgl.h"
#include "sim/generate.h"
#include "test.h"

static void read_lines(const char *lines, struct chronicle *history)
{
    char wrong[200] = "";
    FILE *from = fmemopen((void *)lines, strlen(lines), "r");
    assert_non_null(from);
    chronicle_init(history);
    if (chronicle_read(history, from, wrong, sizeof wrong) != 0) {
        fail_msg("%s", wrong);
    }
    assert_int_equal(fclose(from), 0);
}

/* The replay's opinion, and that it says these words. */
static void check_replay(const char *lines, enum checker_opinion opinion, const char *words)
{
    struct chronicle history;
    struct checker_verdict verdict;
    read_lines(lines, &history);
    checker_replay(&history, &verdict);
    if (verdict.opinion != opinion || strstr(verdict.text, words) == NULL) {
        fail_msg("the replay %s: %s", checker_opinion_name(verdict.opinion), verdict.text);
    }
    chronicle_deinit(&history);
}

static void check_search(const char *lines, enum checker_opinion opinion)
{
    struct chronicle history;
    struct checker_verdict verdict;
    read_lines(lines, &history);
    checker_wgl(&history, &verdict);
    if (verdict.opinion != opinion) {
        fail_msg("the search %s: %s", checker_opinion_name(verdict.opinion), verdict.text);
    }
    chronicle_deinit(&history);
}

TEST(replay, accepts_nothing_at_all)
{
    check_replay("# synod history, base 1\n", CHECKER_ACCEPTS, "");
    check_search("# synod history, base 1\n", CHECKER_ACCEPTS);
}

TEST(replay, places_an_unknown_write_where_it_was_seen)
{
    check_replay(
        "10 - c1 m0 unknown put k1 = 5\n"
        "20 30 c2 m0 done r3 put k2 = 6\n"
        "40 50 c3 m0 done r3 get k1 count 1 saw k1=5@2/2/1\n",
        CHECKER_ACCEPTS, "");
}

/* No value tells of a deletion; but the absence does. */
TEST(replay, explains_an_absence_by_an_unknown_deletion)
{
    static const char *const DELETED =
        "10 20 c1 m0 done r2 put k1 = 5\n"
        "30 - c1 m0 unknown delete k1\n"
        "40 50 c2 m0 done r3 get k1 count 0\n";
    static const char *const KEPT =
        "10 20 c1 m0 done r2 put k1 = 5\n"
        "30 - c1 m0 unknown delete k1\n"
        "40 50 c2 m0 done r2 get k1 count 0\n";
    check_replay(DELETED, CHECKER_ACCEPTS, "");
    check_replay(KEPT, CHECKER_REJECTS, "seen to be absent that had been put");
    check_search(DELETED, CHECKER_ACCEPTS);
}

/* One deletion, of which nobody knows, explains one absence and not two. */
TEST(replay, uses_an_unknown_deletion_once)
{
    static const char *const TWICE =
        "10 20 c1 m0 done r2 put k1 = 5\n"
        "30 - c1 m0 unknown delete k1\n"
        "40 50 c2 m0 done r3 get k1 count 0\n"
        "60 70 c2 m0 done r4 put k1 = 6\n"
        "80 90 c2 m0 done r4 get k1 count 0\n";
    check_replay(TWICE, CHECKER_REJECTS, "seen to be absent that had been put");
    check_search(TWICE, CHECKER_REJECTS);
}

TEST(replay, does_not_let_an_unknown_deletion_happen_before_it_began)
{
    static const char *const EARLY =
        "10 20 c1 m0 done r2 put k1 = 5\n"
        "40 50 c2 m0 done r3 get k1 count 0\n"
        "60 - c1 m0 unknown delete k1\n";
    check_replay(EARLY, CHECKER_REJECTS, "no write can have it");
    check_search(EARLY, CHECKER_REJECTS);
}

/* A put that nobody saw is known by the version of the next one. */
TEST(replay, counts_versions_to_find_puts_that_nobody_saw)
{
    check_replay(
        "10 20 c1 m0 done r2 put k1 = 5\n"
        "30 - c1 m0 unknown put k1 = 6\n"
        "40 50 c2 m0 done r4 put k1 = 7\n"
        "60 70 c2 m0 done r4 get k1 count 1 saw k1=7@2/4/3\n",
        CHECKER_ACCEPTS, "");
    check_replay(
        "10 20 c1 m0 done r2 put k1 = 5\n"
        "30 - c1 m0 unknown put k2 = 6\n"
        "40 50 c2 m0 done r4 put k1 = 7\n"
        "60 70 c2 m0 done r4 get k1 count 1 saw k1=7@2/4/3\n",
        CHECKER_REJECTS, "a create revision or a version that it did not have");
}

TEST(replay, applies_all_of_an_unknown_txn_that_was_seen)
{
    check_replay(
        "10 - c1 m0 unknown txn then put k1 = 5 then put k2 = 6\n"
        "20 30 c2 m0 done r2 get k1 count 1 saw k1=5@2/2/1\n"
        "40 50 c2 m0 done r2 get k2 count 0\n",
        CHECKER_REJECTS, "seen to be absent that had been put");
    check_replay(
        "10 - c1 m0 unknown txn if mod k3 = 0 then put k1 = 5 else put k2 = 6\n"
        "20 30 c2 m0 done r2 get k1 count 1 saw k1=5@2/2/1\n"
        "40 50 c2 m0 done r2 get k2 count 1 saw k2=6@2/2/1\n",
        CHECKER_REJECTS, "values of both branches of one txn");
}

TEST(replay, lets_a_member_fall_back_when_it_restarts)
{
    static const char *const BACK =
        "10 20 c1 m0 done r2 put k1 = 5\n"
        "30 40 c1 m0 done r3 put k1 = 6\n"
        "%s"
        "50 60 c1 m0 done r2 serializable get k1 count 1 saw "
        "k1=5@2/2/1\n";
    char lines[400];
    snprintf(lines, sizeof lines, BACK, "");
    check_replay(lines, CHECKER_REJECTS, "older than what its member had told");
    snprintf(lines, sizeof lines, BACK, "45 45 c0 m0 done restart\n");
    check_replay(lines, CHECKER_ACCEPTS, "");
    /* In the same microsecond: the answer may have been the last one of the old life. */
    snprintf(lines, sizeof lines, BACK, "30 30 c0 m0 done restart\n");
    check_replay(lines, CHECKER_ACCEPTS, "");
    snprintf(lines, sizeof lines, BACK, "29 29 c0 m0 done restart\n");
    check_replay(lines, CHECKER_REJECTS, "older than what its member had told");
    snprintf(lines, sizeof lines, BACK, "45 45 c0 m1 done restart\n");
    check_replay(lines, CHECKER_REJECTS, "older than what its member had told");
}

TEST(replay, gives_up_where_a_value_is_put_twice)
{
    check_replay("10 20 c1 m0 done r2 put k1 = 5\n30 40 c1 m0 done r3 put k1 = 5\n",
                 CHECKER_GAVE_UP, "a value is put twice");
}

/* Revisions beyond all reason must not become memory. */
TEST(replay, rejects_a_revision_out_of_this_world)
{
    check_replay("10 20 c1 m0 done r9000000000000000000 put k1 = 5\n", CHECKER_REJECTS,
                 "more revisions were given than there were writes");
    check_replay("10 20 c1 m0 done r0 get k1 count 0\n", CHECKER_REJECTS,
                 "below the store's first");
}

TEST(search, does_not_look_at_revisions)
{
    check_search(
        "10 20 c1 m0 done r99 put k1 = 5\n"
        "30 40 c1 m0 done r7 get k1 count 1 saw k1=5@3/3/3\n",
        CHECKER_ACCEPTS);
}

/* Two clients compare with the same version, and both succeed: one update is lost. */
TEST(search, rejects_two_swaps_of_one_version)
{
    static const char *const LINES =
        "10 20 c1 m0 done r2 put k1 = 5\n"
        "30 80 c1 m0 done r3 succeeded txn if mod k1 = 2 then put k1 = 6\n"
        "40 90 c2 m0 done r4 succeeded txn if mod k1 = 2 then put k1 = 7\n";
    check_search(LINES, CHECKER_REJECTS);
    check_replay(LINES, CHECKER_REJECTS, "a txn succeeded though");
}

/* Many puts at once, and nobody says in which order: too much for the little memory it has, and it
 * says so. */
TEST(search, says_when_it_gives_up)
{
    const struct generate_options options = {.seed = 5,
                                             .operations = 400,
                                             .clients = 32,
                                             .members = 1,
                                             .requests.keys = 1,
                                             .requests.width = 1,
                                             .latency_us_max = 100000,
                                             .requests.compact_permille = 5,
                                             .requests.get_percent = 30,
                                             .requests.is_plain = 1};
    const struct checker_wgl_options little = {.memory_max = 2};
    struct chronicle history;
    struct checker_verdict verdict;
    chronicle_init(&history);
    generate_history(&options, &history);
    for (size_t i = 0; i < history.operation_count; i++) {
        history.operations[i].revision = 0;
    }
    checker_wgl_within(&history, &little, &verdict);
    assert_int_equal(verdict.opinion, CHECKER_GAVE_UP);
    assert_non_null(strstr(verdict.text, "gave up after"));
    chronicle_deinit(&history);
}

/* With the revisions for hints the first try is the right one; next to nothing is remembered. */
TEST(search, follows_the_revisions_as_hints)
{
    const struct generate_options options = {.seed = 5,
                                             .operations = 4000,
                                             .clients = 64,
                                             .members = 1,
                                             .requests.keys = 1,
                                             .requests.width = 1,
                                             .latency_us_max = 100000,
                                             .requests.compact_permille = 5,
                                             .requests.get_percent = 30,
                                             .requests.is_plain = 1};
    const struct checker_wgl_options little = {.memory_max = 4000};
    struct chronicle history;
    struct checker_verdict verdict;
    chronicle_init(&history);
    generate_history(&options, &history);
    checker_wgl_within(&history, &little, &verdict);
    assert_int_equal(verdict.opinion, CHECKER_ACCEPTS);
    chronicle_deinit(&history);
}

/* Forty txns of which nobody knows which branch they took, and all may come before anything shows
 * that one took the wrong one: the replay finds it out, and the search has it for a hint. */
TEST(search, takes_the_branches_that_the_replay_found_for_hints)
{
    struct chronicle history;
    struct checker_verdict verdict;
    char *lines = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&lines, &size);
    assert_non_null(to);
    fputs("# synod history, base 1\n", to);
    for (int i = 1; i <= 40; i++) {
        fprintf(to, "10 - c%d m0 unknown txn if value k2 = 7 then put k1 = %d else put k1 = %d\n",
                i, 1000 + i, 2000 + i);
        fprintf(to, "%d %d c%d m0 done r%d succeeded txn if value k1 = %d then put k1 = %d\n",
                20 * i, 20 * i + 10, 100 + i, 2 * i + 1, 2000 + i, 3000 + i);
    }
    assert_int_equal(fclose(to), 0);
    read_lines(lines, &history);
    struct checker_hint *hints = checker_allocate(history.operation_count, sizeof *hints);
    const struct checker_wgl_options little = {.memory_max = 100, .hints = hints};
    checker_replay_telling(&history, hints, &verdict);
    assert_int_equal(verdict.opinion, CHECKER_ACCEPTS);
    checker_wgl_within(&history, &little, &verdict);
    assert_int_equal(verdict.opinion, CHECKER_ACCEPTS);
    for (size_t i = 0; i < history.operation_count; i++) {
        hints[i].branch = 0;
    }
    checker_wgl_within(&history, &little, &verdict);
    assert_int_equal(verdict.opinion, CHECKER_GAVE_UP);
    free(hints);
    chronicle_deinit(&history);
    free(lines);
}

TEST(states, must_be_the_same_at_the_same_revision)
{
    struct chronicle history;
    struct checker_verdict verdict;
    chronicle_init(&history);
    for (int64_t revision = 1; revision <= 2000; revision++) {
        for (uint32_t member = 0; member < 3; member++) {
            const struct state_report report = {.revision = revision,
                                                .compacted = -1,
                                                .hash = (uint64_t)revision * 7,
                                                .member = member};
            chronicle_report(&history, &report);
        }
    }
    const struct state_report compacted = {.revision = 1500, .compacted = 3, .hash = 1};
    chronicle_report(&history, &compacted);
    checker_states(&history, &verdict);
    assert_int_equal(verdict.opinion, CHECKER_ACCEPTS);
    const struct state_report other = {
        .revision = 1500, .compacted = -1, .hash = 1, .member = 2, .at_us = 77};
    chronicle_report(&history, &other);
    checker_states(&history, &verdict);
    assert_int_equal(verdict.opinion, CHECKER_REJECTS);
    assert_string_equal(verdict.text,
                        "two states at revision 1500, compacted at -1: [member 0 at 0 us: "
                        "0000000000002904] and [member 2 at 77 us: 0000000000000001]");
    chronicle_deinit(&history);
}

/* Whoever asks all judges is told which one it was. */
TEST(judges, are_asked_in_turn)
{
    struct chronicle history;
    struct checker_verdict verdict;
    read_lines(
        "10 20 c1 m0 done r2 put k1 = 5\n"
        "state 30 m0 r2 hash 0000000000000001\n"
        "state 31 m1 r2 hash 0000000000000001\n",
        &history);
    assert_int_equal(checker_judge(&history, &verdict), CHECKER_ACCEPTS);
    assert_string_equal(verdict.text, "");
    history.states[1].hash = 2;
    assert_int_equal(checker_judge(&history, &verdict), CHECKER_REJECTS);
    assert_non_null(strstr(verdict.text, "the states rejects: two states at revision 2"));
    history.operations[0].end_us = 9;
    assert_int_equal(checker_judge(&history, &verdict), CHECKER_REJECTS);
    assert_non_null(strstr(verdict.text, "the replay rejects: an operation ended before"));
    chronicle_deinit(&history);
}

/* What one gave up on is accepted by nobody. */
TEST(judges, do_not_accept_what_one_gave_up_on)
{
    struct chronicle history;
    struct checker_verdict verdict;
    read_lines("10 20 c1 m0 done r2 put k1 = 5\n30 40 c1 m0 done r3 put k1 = 5\n", &history);
    assert_int_equal(checker_judge(&history, &verdict), CHECKER_GAVE_UP);
    assert_non_null(strstr(verdict.text, "the replay gave up: "));
    chronicle_deinit(&history);
}

/* Revision 3 was given, and the one write that could have it would have been seen. */
TEST(replay, fills_no_gap_with_a_write_that_an_answer_denies)
{
    static const char *const DENIED =
        "10 20 c1 m0 done r2 put k1 = 5\n"
        "30 - c1 m0 unknown put k1 = 6\n"
        "40 50 c2 m0 done r4 put k2 = 7\n"
        "60 70 c2 m0 done r4 get k1 count 1 saw k1=5@2/2/1\n";
    static const char *const LATE =
        "10 20 c1 m0 done r2 put k1 = 5\n"
        "30 - c1 m0 unknown put k1 = 6\n"
        "40 50 c2 m0 done r2 get k1 count 1 saw k1=5@2/2/1\n"
        "60 70 c2 m0 done r4 put k2 = 7\n";
    check_replay(DENIED, CHECKER_REJECTS, "revision 3 was given, and no write can have it");
    check_replay(LATE, CHECKER_ACCEPTS, "");
}

/* Two gaps and three writes that could have them: only one way leaves a deletion for the second
 * one, and a put for the first. */
TEST(replay, fills_gaps_such_that_all_later_answers_are_right)
{
    static const char LINES[] =
        "10 20 c1 m0 done r2 put k1 = 5\n"
        "30 - c2 m0 unknown delete k1..k3\n"
        "30 - c3 m0 unknown put k2 = 6\n"
        "30 - c4 m0 unknown put k3 = 7\n"
        "40 50 c1 m0 done r5 put k4 = 8\n"
        "60 70 c1 m0 done r5 get k1..k4 counting count %d\n"
        "80 90 c1 m0 done r6 put k2 = 9 prev%s\n";
    char lines[400];
    snprintf(lines, sizeof lines, LINES, 2, "");
    check_replay(lines, CHECKER_REJECTS, "a count is not that of the keys");
    snprintf(lines, sizeof lines, LINES, 1, "");
    check_replay(lines, CHECKER_ACCEPTS, "");
    snprintf(lines, sizeof lines, LINES, 3, "");
    check_replay(lines, CHECKER_REJECTS, "");
    snprintf(lines, sizeof lines, LINES, 3, " saw k2=6@3/3/1");
    check_replay(lines, CHECKER_ACCEPTS, "");
}

/* What a txn did of which nobody knows depends on what an unknown put did before. */
TEST(replay, finds_the_branch_that_an_unknown_txn_took)
{
    static const char LINES[] =
        "10 - c1 m0 unknown put k1 = 5\n"
        "10 - c2 m0 unknown put k2 = 6\n"
        "10 - c3 m0 unknown txn if version k1 = 0 then put k3 = 7 else delete k4..k6\n"
        "10 20 c4 m0 done r2 put k4 = 8\n"
        "30 40 c4 m0 done r5 put k5 = 9\n"
        "50 60 c4 m0 done r5 get k4 count %s\n"
        "50 60 c4 m0 done r5 get k2 counting count %s\n";
    char lines[500];
    snprintf(lines, sizeof lines, LINES, "0", "0");
    check_replay(lines, CHECKER_ACCEPTS, "");
    snprintf(lines, sizeof lines, LINES, "0", "1");
    check_replay(lines, CHECKER_REJECTS, "");
    snprintf(lines, sizeof lines, LINES, "1 saw k4=8@2/2/1", "1");
    check_replay(lines, CHECKER_ACCEPTS, "");
}
