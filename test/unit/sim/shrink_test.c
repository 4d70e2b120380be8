/* shrink_test.c -- what is left of a failing run is needed for the failure, all of it. */
#include "sim/shrink.h"
#include "test.h"

/* A failure that needs all of this, or anything more. */
struct need {
    struct shrink_size size;
    uint32_t asked;
};

static int is_enough(void *context, struct shrink_size *size)
{
    struct need *need = context;
    need->asked++;
    for (uint32_t i = 0; i < SHRINK_NUMBERS; i++) {
        if (size->numbers[i] < need->size.numbers[i]) {
            return 0;
        }
    }
    return (need->size.faults & ~size->faults) == 0;
}

static const struct shrink_size LARGE = {
    .faults = (((uint64_t)1 << FAULT_END) - 1) & ~(uint64_t)1,
    .numbers = {[SHRINK_MISFORTUNES] = 300,
                [SHRINK_NODES] = 7,
                [SHRINK_CLIENTS] = 12,
                [SHRINK_OPERATIONS] = 2999},
};

TEST(shrink, leaves_what_a_failure_needs_and_nothing_else)
{
    struct need need = {
        .size = {.faults = fault_bit(FAULT_LOSS) | fault_bit(FAULT_WIPE) | fault_bit(FAULT_CUT),
                 .numbers = {[SHRINK_MISFORTUNES] = 13,
                             [SHRINK_NODES] = 3,
                             [SHRINK_CLIENTS] = 2,
                             [SHRINK_OPERATIONS] = 171}}};
    struct shrink_size size = LARGE;
    const uint32_t tries = shrink_search(&size, is_enough, &need);
    assert_int_equal(size.faults, need.size.faults);
    assert_memory_equal(size.numbers, need.size.numbers, sizeof size.numbers);
    assert_int_equal(tries, need.asked);
    assert_in_range(tries, 1, 200);
}

TEST(shrink, leaves_next_to_nothing_of_what_fails_whatever_happens)
{
    struct need need = {0};
    struct shrink_size size = LARGE;
    const struct swarm_limits limits = {
        .nodes = 1, .clients = 1, .operations = 1, .is_spared = 1, .without = UINT64_MAX};
    (void)shrink_search(&size, is_enough, &need);
    const struct swarm_limits found = shrink_limits(&size);
    assert_memory_equal(&found, &limits, sizeof limits);
}

/* Fails or not as a hash of the size has it, one in three, as runs do whose chance is another. */
static int is_whimsical(void *context, struct shrink_size *size)
{
    uint64_t hash = size->faults ^ *(const uint64_t *)context;
    for (uint32_t i = 0; i < SHRINK_NUMBERS; i++) {
        hash = (hash ^ size->numbers[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    const int is_large = size->faults == LARGE.faults &&
                         memcmp(size->numbers, LARGE.numbers, sizeof LARGE.numbers) == 0;
    return hash % 3 == 0 || is_large;
}

TEST(shrink, ends_where_no_single_step_down_fails)
{
    for (uint64_t salt = 1; salt <= 200; salt++) {
        struct shrink_size size = LARGE;
        (void)shrink_search(&size, is_whimsical, &salt);
        assert_true(is_whimsical(&salt, &size));
        for (uint32_t i = 0; i < SHRINK_NUMBERS; i++) {
            struct shrink_size smaller = size;
            if (smaller.numbers[i] > (i == SHRINK_MISFORTUNES ? 0 : 1)) {
                smaller.numbers[i]--;
                assert_false(is_whimsical(&salt, &smaller));
            }
        }
        for (uint32_t i = FAULT_NONE + 1; i < FAULT_END; i++) {
            struct shrink_size smaller = size;
            smaller.faults &= ~fault_bit((enum fault)i);
            assert_true(smaller.faults == size.faults || !is_whimsical(&salt, &smaller));
        }
    }
}

/* Something that has happened from one event on. */
struct moment {
    uint64_t at;
    uint32_t asked;
};

static int has_happened(void *context, uint64_t events)
{
    struct moment *moment = context;
    moment->asked++;
    return events >= moment->at;
}

TEST(shrink, finds_the_event_after_which_it_has_happened)
{
    const uint64_t moments[] = {1, 2, 3, 999, 1000, 1001, 123456};
    const uint64_t guesses[] = {0, 1, 1000, 123455, 123456, 123457, 10000000};
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        for (size_t j = 0; j < sizeof guesses / sizeof guesses[0]; j++) {
            struct moment moment = {.at = moments[i]};
            assert_int_equal(shrink_moment(guesses[j], has_happened, &moment), moments[i]);
            assert_in_range(moment.asked, 1, 40);
        }
    }
}

TEST(shrink, finds_no_event_where_it_never_happens)
{
    struct moment moment = {.at = UINT64_MAX};
    assert_int_equal(shrink_moment(1000, has_happened, &moment), 0);
    assert_in_range(moment.asked, 1, 40);
}
