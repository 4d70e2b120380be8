/* partition_test.c -- the shapes in which a network comes apart: who still hears whom. */
#include "sim/partition.h"

#include "sim/scenario.h"
#include "test.h"

/* How many `node` hears and is heard by, itself included. */
static uint32_t reach(const struct partition *partition, uint32_t node)
{
    uint32_t count = 1;
    for (uint32_t other = 0; other < partition->nodes; other++) {
        count += other != node && !partition_cuts(partition, node, other) &&
                 !partition_cuts(partition, other, node);
    }
    return count;
}

TEST(partition, is_found_by_its_name)
{
    for (uint32_t i = PARTITION_NONE + 1; i < PARTITION_END; i++) {
        const enum partition_shape shape = (enum partition_shape)i;
        assert_int_equal(partition_find(partition_name(shape)), shape);
        assert_true(partition_meaning(shape)[0] != 0);
    }
    assert_int_equal(partition_find("no such thing"), PARTITION_NONE);
}

TEST(partition, of_lost_quorum_leaves_one_who_hears_all)
{
    const struct partition p = {
        .shape = PARTITION_QUORUM_LOSS, .nodes = 5, .centre = 0, .other = 3};
    for (uint32_t node = 0; node < 5; node++) {
        assert_int_equal(reach(&p, node), node == p.other ? 5 : 2);
    }
}

TEST(partition, that_constrains_leaves_the_leader_alone)
{
    const struct partition p = {
        .shape = PARTITION_CONSTRAINED, .nodes = 5, .centre = 0, .other = 3};
    for (uint32_t node = 0; node < 5; node++) {
        assert_int_equal(reach(&p, node), node == p.centre ? 1 : node == p.other ? 4 : 2);
    }
}

TEST(partition, into_a_ring_leaves_everyone_a_majority_of_its_own)
{
    const struct partition p = {.shape = PARTITION_RING, .nodes = 5};
    for (uint32_t node = 0; node < 5; node++) {
        assert_int_equal(reach(&p, node), 3);
        assert_true(partition_cuts(&p, node, (node + 2) % 5));
    }
}

TEST(partition, of_one_way_cuts_just_that)
{
    const struct partition p = {.shape = PARTITION_ONE_WAY, .nodes = 3, .centre = 0, .other = 1};
    assert_true(partition_cuts(&p, 0, 1));
    assert_false(partition_cuts(&p, 1, 0));
    assert_int_equal(reach(&p, 2), 3);
}

/* One seed of each. Many: `synod-sim --scenario all --seeds 1000`. */
TEST(scenario, makes_progress_in_every_partition_that_leaves_a_quorum)
{
    uint32_t count = 0;
    for (uint32_t i = PARTITION_NONE + 1; i < PARTITION_END; i++) {
        const struct run_options options = {.seed = 1, .scenario = (enum partition_shape)i};
        struct run_result result;
        if (scenario_is_sensible(options.scenario, SCENARIO_NODES)) {
            run_seed(&options, &result);
            assert_string_equal(result.failure, "");
            assert_true(result.progress_us > 0 && result.operations > 20);
            count++;
        }
    }
    assert_int_equal(count, 11);
}
