/* property_test.c -- random histories: right ones, spoiled ones, and any at all. */
#include <stdio.h>
#include <stdlib.h>

#include "base/prng.h"
#include "check/checker_replay.h"
#include "check/checker_wgl.h"
#include "sim/generate.h"
#include "tamper.h"
#include "test.h"

enum {
    GIVEN_UP_SHARE = 200, /* By the search alone: one of so many. */
    SMALL_SHARE = 6,      /* Small histories for each of the others. */
};

/* HISTORIES=40000 in the environment: so many, in place of these. */
static uint64_t history_count(void)
{
    const char *wanted = getenv("HISTORIES");
    const uint64_t count = wanted == NULL ? 1000 : strtoull(wanted, NULL, 10);
    assert_true(count >= GIVEN_UP_SHARE);
    return count;
}

/* A swarm: each seed draws what its history is like. */
static void draw_history(uint64_t seed, struct chronicle *history)
{
    struct prng prng = {seed};
    const struct generate_options options = {
        .seed = seed,
        .operations = 200 + (uint32_t)prng_below(&prng, 800),
        .clients = 1 + (uint32_t)prng_below(&prng, 12),
        .members = 1 + (uint32_t)prng_below(&prng, 5),
        .requests.keys = 1 + (uint32_t)prng_below(&prng, 30),
        .requests.width = 1 + (uint32_t)prng_below(&prng, 8),
        .latency_us_max = prng_below(&prng, 3000),
        .unknown_ppm = prng_chance(&prng, 1, 3) ? 0 : (uint32_t)prng_below(&prng, 60000),
        .restart_ppm = prng_chance(&prng, 1, 2) ? 0 : (uint32_t)prng_below(&prng, 20000),
        .requests.txn_percent = (uint32_t)prng_below(&prng, 30),
        .requests.delete_percent = (uint32_t)prng_below(&prng, 20),
        .requests.compact_permille = 5,
        .requests.get_percent = 10 + (uint32_t)prng_below(&prng, 40),
        .requests.is_plain = prng_chance(&prng, 1, 3),
    };
    chronicle_init(history);
    generate_history(&options, history);
}

TEST(judges, accept_random_histories_that_are_right)
{
    const uint64_t count = history_count();
    unsigned given_up = 0;
    for (uint64_t seed = 1; seed <= count; seed++) {
        struct chronicle history;
        struct checker_verdict verdict;
        draw_history(seed, &history);
        checker_replay(&history, &verdict);
        if (verdict.opinion != CHECKER_ACCEPTS) {
            fail_msg("seed %u: the replay: %s", (unsigned)seed, verdict.text);
        }
        checker_wgl(&history, &verdict);
        if (verdict.opinion == CHECKER_REJECTS) {
            fail_msg("seed %u: the search: %s", (unsigned)seed, verdict.text);
        }
        given_up += verdict.opinion == CHECKER_GAVE_UP;
        chronicle_deinit(&history);
    }
    printf("histories: %u accepted by the replay, %u undecided by the search\n", (unsigned)count,
           given_up);
    assert_in_range(given_up, 0, count / GIVEN_UP_SHARE);
}

/* -- The replay against trying every revision for every unknown write ------------------------- */

enum {
    UNKNOWN_MAX = 5
};

/* Unknown writes of a small history, and revisions that no acknowledged write has. */
struct puzzle {
    size_t writes[UNKNOWN_MAX];
    unsigned write_count;
    int64_t revisions[UNKNOWN_MAX];
    unsigned revision_count;
};

/* Returns 0 if it is too large to be tried out. */
static int find_puzzle(const struct chronicle *history, struct puzzle *puzzle)
{
    int64_t last = history->base;
    for (size_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        if (chronicle_may_have_written(history, operation)) {
            if (puzzle->write_count == UNKNOWN_MAX) {
                return 0;
            }
            puzzle->writes[puzzle->write_count++] = i;
        }
        last = operation->revision > last ? operation->revision : last;
    }
    for (int64_t revision = history->base + 1; revision <= last; revision++) {
        int is_free = 1;
        for (size_t i = 0; i < history->operation_count; i++) {
            const struct operation *operation = &history->operations[i];
            is_free &=
                operation->revision != revision || !chronicle_has_written(history, operation);
        }
        if (is_free && puzzle->revision_count == UNKNOWN_MAX) {
            return 0;
        }
        if (is_free) {
            puzzle->revisions[puzzle->revision_count++] = revision;
        }
    }
    return 1;
}

/* True if it is right with one of these revisions, or none, for each of the writes from `next`
 * on; then nothing is unknown to the replay. */
static int has_solution(struct chronicle *history, const struct puzzle *puzzle, unsigned next)
{
    int has = 0;
    if (next == puzzle->write_count) {
        struct checker_verdict verdict;
        checker_replay(history, &verdict);
        assert_int_not_equal(verdict.opinion, CHECKER_GAVE_UP);
        return verdict.opinion == CHECKER_ACCEPTS;
    }
    struct operation *write = &history->operations[puzzle->writes[next]];
    for (unsigned i = 0; i < puzzle->revision_count && !has; i++) {
        int is_taken = 0;
        for (unsigned j = 0; j < next; j++) {
            is_taken |= history->operations[puzzle->writes[j]].revision == puzzle->revisions[i];
        }
        if (!is_taken) {
            write->revision = puzzle->revisions[i];
            has = has_solution(history, puzzle, next + 1);
        }
    }
    write->revision = 0;
    if (!has) {
        const struct operation unknown = *write;
        chronicle_end(history, puzzle->writes[next], OUTCOME_NOT_DONE, unknown.begin_us);
        has = has_solution(history, puzzle, next + 1);
        history->operations[puzzle->writes[next]] = unknown;
    }
    return has;
}

static void draw_small(uint64_t seed, struct chronicle *history)
{
    struct prng prng = {seed};
    const struct generate_options options = {
        .seed = seed,
        .operations = 8 + (uint32_t)prng_below(&prng, 16),
        .clients = 1 + (uint32_t)prng_below(&prng, 4),
        .members = 1,
        .requests.keys = 1 + (uint32_t)prng_below(&prng, 4),
        .requests.width = 1 + (uint32_t)prng_below(&prng, 3),
        .latency_us_max = prng_below(&prng, 100),
        .unknown_ppm = 300000,
        .requests.txn_percent = (uint32_t)prng_below(&prng, 40),
        .requests.delete_percent = (uint32_t)prng_below(&prng, 40),
        .requests.compact_permille = 5,
        .requests.get_percent = 10 + (uint32_t)prng_below(&prng, 30),
    };
    chronicle_init(history);
    generate_history(&options, history);
}

/* Something that an answer said is a little different. */
static void nudge(struct chronicle *history, struct prng *prng)
{
    const size_t at = (size_t)prng_below(prng, history->operation_count);
    struct operation *operation = &history->operations[at];
    const int direction = prng_chance(prng, 1, 2) ? 1 : -1;
    if (operation->outcome != OUTCOME_DONE || operation->then_count + operation->else_count == 0) {
        return;
    }
    uint32_t count;
    struct step *step =
        (struct step *)chronicle_branch(history, operation, operation->has_succeeded, &count);
    if (count > 0 && step->item_count > 0 && prng_chance(prng, 2, 3)) {
        struct seen_item *item = &history->items[step->first_item];
        item->version += (uint32_t)direction;
        item->create -= prng_chance(prng, 1, 2) ? direction : 0;
    } else if (count > 0 && !step->wants_items && step->count > 0) {
        step->count += (uint32_t)direction;
    } else {
        operation->revision += direction;
    }
}

TEST(replay, agrees_with_trying_every_revision_for_every_unknown_write)
{
    unsigned opinions[CHECKER_GAVE_UP + 1] = {0};
    unsigned puzzles = 0;
    const uint64_t count = SMALL_SHARE * history_count();
    for (uint64_t seed = 1; seed <= count; seed++) {
        struct prng prng = {~seed};
        struct chronicle history;
        struct checker_verdict verdict;
        struct puzzle puzzle = {.write_count = 0};
        draw_small(seed, &history);
        if (prng_chance(&prng, 2, 3)) {
            nudge(&history, &prng);
        }
        checker_replay(&history, &verdict);
        if (find_puzzle(&history, &puzzle)) {
            const enum checker_opinion due =
                has_solution(&history, &puzzle, 0) ? CHECKER_ACCEPTS : CHECKER_REJECTS;
            if (verdict.opinion != due) {
                fail_msg("seed %u: the replay %s, and should not: %s", (unsigned)seed,
                         checker_opinion_name(verdict.opinion), verdict.text);
            }
            opinions[due]++;
            puzzles += puzzle.revision_count > 0;
        }
        chronicle_deinit(&history);
    }
    assert_in_range(opinions[CHECKER_ACCEPTS], count / 4, count);
    assert_in_range(opinions[CHECKER_REJECTS], count / 10, count);
    assert_in_range(puzzles, count / 4, count);
}

/* -- Both on histories that were spoiled ----------------------------------------------------- */

/* The replay knows all that the search knows, and the revisions besides: so what the search calls
 * impossible the replay must not accept. */
TEST(judges, do_not_contradict_each_other_on_spoiled_histories)
{
#define TAMPER_ROWS(name, base, judges) tamper_##name,
    static int (*const WAYS[])(struct chronicle *, struct prng *) = {TAMPER_MAP(TAMPER_ROWS)};
    unsigned spoiled = 0;
    unsigned rejected[2] = {0};
    const uint64_t count = history_count();
    for (uint64_t seed = 1; seed <= count; seed++) {
        struct prng prng = {~seed};
        struct chronicle history;
        struct checker_verdict verdicts[2];
        draw_history(seed, &history);
        const size_t way = (size_t)prng_below(&prng, sizeof WAYS / sizeof *WAYS);
        spoiled += WAYS[way](&history, &prng) != 0;
        checker_replay(&history, &verdicts[0]);
        checker_wgl(&history, &verdicts[1]);
        for (int i = 0; i < 2; i++) {
            rejected[i] += verdicts[i].opinion == CHECKER_REJECTS;
        }
        if (verdicts[1].opinion == CHECKER_REJECTS && verdicts[0].opinion == CHECKER_ACCEPTS) {
            fail_msg("seed %u, way %u: accepted by the replay, and yet: %s", (unsigned)seed,
                     (unsigned)way, verdicts[1].text);
        }
        chronicle_deinit(&history);
    }
    assert_in_range(spoiled, count / 2, count);
    assert_in_range(rejected[0], count / 2, spoiled);
    assert_in_range(rejected[1], count / 10, rejected[0] + count / GIVEN_UP_SHARE);
}

/* -- What hints are worth ------------------------------------------------------------------- */

/* A read shows what was seen elsewhere. */
static void mix_up(struct chronicle *history, struct prng *prng)
{
    if (history->item_count > 0) {
        const size_t to = (size_t)prng_below(prng, history->item_count);
        const size_t from = (size_t)prng_below(prng, history->item_count);
        history->items[to].value = history->items[from].value;
    }
}

/* They say where the search begins, and nothing of where it ends. */
TEST(search, comes_to_the_same_whatever_the_hints_are)
{
    enum {
        OPERATIONS_MAX = 24
    };
    unsigned accepted = 0;
    const uint64_t count = SMALL_SHARE * history_count();
    for (uint64_t seed = 1; seed <= count; seed++) {
        struct prng prng = {~seed};
        struct chronicle history;
        struct checker_verdict verdicts[2];
        struct checker_hint hints[OPERATIONS_MAX];
        const struct checker_wgl_options options = {.hints = hints};
        draw_small(seed, &history);
        assert_true(history.operation_count <= OPERATIONS_MAX);
        if (prng_chance(&prng, 2, 3)) {
            mix_up(&history, &prng);
        }
        for (size_t i = 0; i < history.operation_count; i++) {
            hints[i].revision = (int64_t)prng_below(&prng, 20);
            hints[i].branch = (uint8_t)prng_below(&prng, 4);
            history.operations[i].revision *= prng_chance(&prng, 1, 2);
        }
        checker_wgl(&history, &verdicts[0]);
        checker_wgl_within(&history, &options, &verdicts[1]);
        if (verdicts[0].opinion != verdicts[1].opinion) {
            fail_msg("seed %u: with these hints the search %s: %s%s", (unsigned)seed,
                     checker_opinion_name(verdicts[1].opinion), verdicts[0].text, verdicts[1].text);
        }
        accepted += verdicts[0].opinion == CHECKER_ACCEPTS;
        chronicle_deinit(&history);
    }
    assert_in_range(accepted, count / 4, count - count / 10);
}

/* -- The search against the plainest one there is ------------------------------------------- */

enum {
    FEW = 7,
    VALUES = 3
};

struct tiny {
    uint64_t begin_us;
    uint64_t end_us;
    int is_write;
    int is_sure;
    uint64_t value;
    int is_taken;
};

/* True if some order of what is left explains it, the register holding `value`. */
static int has_order(struct tiny *calls, uint64_t value)
{
    uint64_t limit = UINT64_MAX;
    int is_left = 0;
    int has = 0;
    for (int i = 0; i < FEW; i++) {
        if (!calls[i].is_taken && calls[i].is_sure) {
            is_left = 1;
            limit = calls[i].end_us < limit ? calls[i].end_us : limit;
        }
    }
    for (int i = 0; i < FEW && is_left && !has; i++) {
        struct tiny *call = &calls[i];
        if (!call->is_taken && call->begin_us <= limit &&
            (call->is_write || call->value == value)) {
            call->is_taken = 1;
            has = has_order(calls, call->is_write ? call->value : value);
            call->is_taken = 0;
        }
    }
    return has || !is_left;
}

static void record_tiny(const struct tiny *calls, struct chronicle *history)
{
    chronicle_init(history);
    for (int i = 0; i < FEW; i++) {
        const struct tiny *call = &calls[i];
        const struct chronicle_who who = {.client = (uint32_t)i, .begin_us = call->begin_us};
        const int kind = !call->is_write ? STEP_GET : call->value == 0 ? STEP_DELETE : STEP_PUT;
        const struct step step = {.kind = (uint8_t)kind,
                                  .number = call->is_write ? call->value : 0,
                                  .wants_items = !call->is_write};
        const struct seen_item item = {.value = call->value, .create = 1, .mod = 1, .version = 1};
        const size_t at = chronicle_begin(history,
                                          kind == STEP_PUT      ? OPERATION_PUT
                                          : kind == STEP_DELETE ? OPERATION_DELETE
                                                                : OPERATION_GET,
                                          &who);
        const size_t added = chronicle_add(history, &step);
        if (!call->is_write && call->value != 0) {
            chronicle_see(history, added, &item);
            history->steps[added].count = 1;
        }
        if (call->is_sure) {
            chronicle_end(history, at, OUTCOME_DONE, call->end_us);
        }
    }
}

/* A deletion of a range tells no more than that it was done, as far as one key of it goes. */
static void widen_deletions(struct chronicle *history)
{
    for (size_t i = 0; i < history->step_count; i++) {
        if (history->steps[i].kind == STEP_DELETE) {
            history->steps[i].end = 3;
            history->steps[i].count = 1;
        }
    }
}

TEST(search, agrees_with_trying_every_order)
{
    unsigned accepted = 0;
    const unsigned tries = 20000;
    struct prng prng = {7};
    for (unsigned i = 0; i < tries; i++) {
        struct tiny calls[FEW];
        struct chronicle history;
        struct checker_verdict verdict;
        for (int j = 0; j < FEW; j++) {
            calls[j] = (struct tiny){.begin_us = 1 + prng_below(&prng, 12),
                                     .is_write = j < VALUES || prng_chance(&prng, 1, 4)};
            calls[j].end_us = calls[j].begin_us + prng_below(&prng, 8);
            calls[j].is_sure = !calls[j].is_write || prng_chance(&prng, 3, 4);
            calls[j].value = j < VALUES          ? (uint64_t)j + 1
                             : calls[j].is_write ? 0
                                                 : prng_below(&prng, VALUES + 1);
        }
        record_tiny(calls, &history);
        widen_deletions(&history);
        checker_wgl(&history, &verdict);
        const int has = has_order(calls, 0);
        assert_int_equal(verdict.opinion, has ? CHECKER_ACCEPTS : CHECKER_REJECTS);
        accepted += has != 0;
        chronicle_deinit(&history);
    }
    assert_in_range(accepted, tries / 20, tries - tries / 20);
}
