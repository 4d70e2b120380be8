/* jobs_test.c -- a replica fails, and is freed, while workers are still busy with its jobs.
 *
 * That is how a server ends whose disk has failed: at once. A worker cannot be called back, so
 * what its job needs must outlive the replica. */
#include "solo.h"
#include "test.h"

/* Submit commands, and run one piece of a job at a time, until a snapshot is being written. */
static void begin_snapshot(struct solo *solo)
{
    assert_int_equal(solo_start(solo), 0);
    solo_run(solo);
    while (solo->book.cursors == 0) {
        solo_submit(solo);
        solo->turn_end(solo->turn_end_context);
        while (solo->book.cursors == 0 && os_memory_step(solo->os)) {
        }
        os_memory_advance(solo->os, 100);
    }
}

/* True if the log failed before the snapshot was written. */
static int fail_in_snapshot(uint64_t seed)
{
    struct solo solo;
    solo_init(&solo, seed);
    begin_snapshot(&solo);
    os_memory_die_at(solo.os, 1);
    solo_submit(&solo);
    solo.turn_end(solo.turn_end_context);
    while (!solo.is_failed && os_memory_step(solo.os)) {
    }
    assert_true(solo.is_failed);
    const int is_busy = solo.book.cursors > 0;
    replica_free(solo.replica);
    solo.replica = NULL;
    os_memory_run(solo.os);
    assert_int_equal(solo.book.cursors, 0);
    assert_int_equal(os_memory_open_count(solo.os), 0);
    solo_deinit(&solo);
    return is_busy;
}

TEST(replica, is_freed_in_good_order_while_a_snapshot_is_being_written)
{
    int busy = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        busy += fail_in_snapshot(seed);
    }
    assert_true(busy >= 10);
}

TEST(replica, stops_in_good_order_while_a_snapshot_is_being_written)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct solo solo;
        solo_init(&solo, seed);
        begin_snapshot(&solo);
        solo_stop(&solo);
        assert_int_equal(solo.book.cursors, 0);
        assert_int_equal(os_memory_open_count(solo.os), 0);
        assert_int_equal(solo_start(&solo), 0);
        solo_run(&solo);
        assert_true(solo_put(&solo));
        solo_check(&solo);
        solo_stop(&solo);
        solo_deinit(&solo);
    }
}
