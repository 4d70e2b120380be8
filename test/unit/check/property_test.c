/* property_test.c -- random histories: right ones, spoiled ones, and any at all. */
#include <stdlib.h>

#include "base/prng.h"
#include "check/checker_replay.h"
#include "check/checker_wgl.h"
#include "sim/generate.h"
#include "tamper.h"
#include "test.h"

enum {
    SEEDS = 400,
    GIVEN_UP_MAX = SEEDS / 12 /* Where writes of unknown outcome are many. */
};

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
        .requests.get_percent = 10 + (uint32_t)prng_below(&prng, 40),
        .requests.is_plain = prng_chance(&prng, 1, 3),
    };
    chronicle_init(history);
    generate_history(&options, history);
}

TEST(judges, accept_random_histories_that_are_right)
{
    unsigned given_up = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct chronicle history;
        struct checker_verdict verdict;
        draw_history(seed, &history);
        checker_replay(&history, &verdict);
        if (verdict.opinion == CHECKER_REJECTS) {
            fail_msg("seed %u: the replay: %s", (unsigned)seed, verdict.text);
        }
        given_up += verdict.opinion == CHECKER_GAVE_UP;
        checker_wgl(&history, &verdict);
        if (verdict.opinion == CHECKER_REJECTS) {
            fail_msg("seed %u: the search: %s", (unsigned)seed, verdict.text);
        }
        given_up += verdict.opinion == CHECKER_GAVE_UP;
        chronicle_deinit(&history);
    }
    assert_in_range(given_up, 0, GIVEN_UP_MAX);
}

/* The replay knows all that the search knows, and the revisions besides: so what the search calls
 * impossible the replay must not accept. */
TEST(judges, do_not_contradict_each_other_on_spoiled_histories)
{
#define TAMPER_ROWS(name, base, judges) tamper_##name,
    static int (*const WAYS[])(struct chronicle *, struct prng *) = {TAMPER_MAP(TAMPER_ROWS)};
    unsigned spoiled = 0;
    unsigned rejected[2] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
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
    assert_in_range(spoiled, SEEDS / 2, SEEDS);
    assert_in_range(rejected[0], SEEDS / 4, spoiled);
    assert_in_range(rejected[1], SEEDS / 10, rejected[0] + GIVEN_UP_MAX);
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
