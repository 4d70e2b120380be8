/* prng_test.c -- what base/prng promises, claim by claim. */
#include "base/prng.h"

#include "test.h"

/* The first outputs of SplitMix64 from seed 1234567, as its authors' program prints them. */
TEST(prng, is_the_published_generator)
{
    struct prng prng = {.state = 1234567};
    assert_true(prng_next(&prng) == 6457827717110365317u);
    assert_true(prng_next(&prng) == 3203168211198807973u);
    assert_true(prng_next(&prng) == 9817491932198370423u);
}

TEST(prng, stays_below_the_limit_and_reaches_all_of_it)
{
    struct prng prng = {.state = 1};
    int seen[7] = {0};
    for (int i = 0; i < 7000; i++) {
        const uint64_t number = prng_below(&prng, 7);
        assert_true(number < 7);
        seen[number]++;
    }
    for (int i = 0; i < 7; i++) {
        assert_in_range(seen[i], 850, 1150);
    }
    assert_int_equal(prng_below(&prng, 0), 0);
}

TEST(prng, has_chances_as_asked)
{
    struct prng prng = {.state = 2};
    int yes = 0;
    for (int i = 0; i < 10000; i++) {
        yes += prng_chance(&prng, 1, 4);
        assert_false(prng_chance(&prng, 0, 4));
        assert_true(prng_chance(&prng, 4, 4));
    }
    assert_in_range(yes, 2300, 2700);
}
