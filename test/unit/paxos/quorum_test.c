/* quorum_test.c -- sets of members. */
#include "paxos/quorum.h"

#include "test.h"

static struct synod_members members_of(uint32_t count, uint32_t phase1, uint32_t phase2)
{
    struct synod_members members = {.count = count, .phase1 = phase1, .phase2 = phase2};
    for (uint32_t i = 0; i < count; i++) {
        members.ids[i] = 10 + i;
    }
    return members;
}

TEST(quorum, knows_members_by_their_position)
{
    const struct synod_members members = members_of(3, 2, 2);
    assert_int_equal(quorum_position(&members, 10), 0);
    assert_int_equal(quorum_position(&members, 12), 2);
    assert_int_equal(quorum_position(&members, 13), -1);
    assert_int_equal(quorum_position(&members, 0), -1);
}

TEST(quorum, counts_members_of_a_set)
{
    assert_int_equal(quorum_count(0), 0);
    assert_int_equal(quorum_count(1u << 8), 1);
    assert_int_equal(quorum_count(0x1ff), 9);
    assert_int_equal(quorum_count(0xaa), 4);
}

TEST(quorum, has_a_size_for_each_phase)
{
    const struct synod_members members = members_of(4, 3, 2);
    assert_false(quorum_is_met(&members, QUORUM_PHASE1, 0x3));
    assert_true(quorum_is_met(&members, QUORUM_PHASE1, 0xb));
    assert_false(quorum_is_met(&members, QUORUM_PHASE2, 0x8));
    assert_true(quorum_is_met(&members, QUORUM_PHASE2, 0x9));
}

/* Flexible Paxos, section 3: all that is asked of quorums is that those of the two phases meet. */
TEST(quorum, of_one_phase_meets_every_one_of_the_other)
{
    for (uint32_t count = 1; count <= SYNOD_MEMBERS_MAX; count++) {
        for (uint32_t phase2 = 1; phase2 <= count; phase2++) {
            const struct synod_members members = members_of(count, count - phase2 + 1, phase2);
            for (uint32_t set = 0; set < 1u << count; set++) {
                const uint32_t rest = ~set & ((1u << count) - 1);
                assert_false(quorum_is_met(&members, QUORUM_PHASE1, set) &&
                             quorum_is_met(&members, QUORUM_PHASE2, rest));
            }
        }
    }
}
