/* tamper_test.c -- every judge rejects what cannot be, and accepts what it was made from. */
#include <string.h>

#include "check/checker_replay.h"
#include "check/checker_states.h"
#include "check/checker_wgl.h"
#include "sim/generate.h"
#include "tamper.h"
#include "test.h"

enum {
    TIMES = 12,     /* Each way is tried that often, ... */
    SEEDS_MAX = 300 /* ... on the histories of at most so many seeds. */
};

static void make_base(uint64_t seed, enum tamper_base base, struct chronicle *history)
{
    struct generate_options options = {
        .seed = seed,
        .operations = 250,
        .clients = 6,
        .members = 3,
        .requests.keys = 8,
        .requests.width = 5,
        .latency_us_max = 1000,
        .requests.txn_percent = 20,
        .requests.delete_percent = 12,
        .requests.compact_permille = 5,
        .requests.get_percent = 40,
    };
    if (base == BASE_SEQUENTIAL) {
        options.clients = 1;
        options.latency_us_max = 0;
    } else if (base == BASE_UNKNOWN) {
        options.requests.is_plain = 1;
        options.requests.keys = 4;
        options.unknown_ppm = 50000;
    } else if (base == BASE_STATES) {
        options.reports_states = 1;
        options.requests.compact_permille = 20;
    }
    chronicle_init(history);
    generate_history(&options, history);
}

static const struct {
    unsigned judge;
    const char *name;
    void (*ask)(const struct chronicle *history, struct checker_verdict *verdict);
} JUDGES[] = {{JUDGE_REPLAY, "replay", checker_replay},
              {JUDGE_SEARCH, "search", checker_wgl},
              {JUDGE_STATES, "judge of states", checker_states}};

static void judge(const struct chronicle *history, unsigned judges, enum checker_opinion opinion,
                  uint64_t seed)
{
    for (size_t i = 0; i < sizeof JUDGES / sizeof *JUDGES; i++) {
        struct checker_verdict verdict;
        if ((JUDGES[i].judge & judges) == 0) {
            continue;
        }
        JUDGES[i].ask(history, &verdict);
        if (verdict.opinion != opinion) {
            fail_msg("seed %u: the %s %s: %s", (unsigned)seed, JUDGES[i].name,
                     checker_opinion_name(verdict.opinion), verdict.text);
        }
        assert_int_equal(verdict.text[0] == '\0', opinion == CHECKER_ACCEPTS);
    }
}

static void check_way(int (*spoil)(struct chronicle *, struct prng *), enum tamper_base base,
                      unsigned judges)
{
    unsigned times = 0;
    for (uint64_t seed = 1; seed <= SEEDS_MAX && times < TIMES; seed++) {
        struct chronicle history;
        struct prng prng = {seed};
        make_base(seed, base, &history);
        judge(&history, JUDGE_ALL, CHECKER_ACCEPTS, seed);
        if (spoil(&history, &prng)) {
            times++;
            judge(&history, judges, CHECKER_REJECTS, seed);
        }
        chronicle_deinit(&history);
    }
    assert_int_equal(times, TIMES);
}

/* A test for each way: that what comes of it is rejected by the judges that it concerns. */
#define TAMPER_ROWS(name, base, judges)                                                            \
    TEST(tampered, name)                                                                           \
    {                                                                                              \
        check_way(tamper_##name, base, judges);                                                    \
    }
TAMPER_MAP(TAMPER_ROWS)
TAMPER_STATES_MAP(TAMPER_ROWS)
