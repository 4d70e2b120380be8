/* deadlines_test.c -- many moments in time, and which one comes first. */
#include "etcd/deadlines.h"

#include "base/prng.h"
#include "test.h"

TEST(deadlines, come_out_in_order_whatever_was_removed_between)
{
    enum {
        COUNT = 500
    };
    static struct deadline all[COUNT];
    struct deadlines deadlines = {0};
    struct prng prng = {7};
    for (int round = 0; round < 20; round++) {
        size_t left = COUNT;
        for (size_t i = 0; i < COUNT; i++) {
            all[i] = (struct deadline){.due_us = prng_below(&prng, 100)};
            assert_int_equal(deadlines_add(&deadlines, &all[i]), 0);
        }
        for (size_t i = 0; i < COUNT; i++) {
            if (prng_chance(&prng, 1, 3)) {
                deadlines_remove(&deadlines, &all[i]);
                deadlines_remove(&deadlines, &all[i]); /* Twice is harmless. */
                left--;
            }
        }
        uint64_t last = 0;
        while (deadlines_first(&deadlines) != NULL) {
            struct deadline *first = deadlines_first(&deadlines);
            assert_true(first->due_us >= last);
            last = first->due_us;
            deadlines_remove(&deadlines, first);
            left--;
        }
        assert_int_equal(left, 0);
    }
    deadlines_deinit(&deadlines);
}
