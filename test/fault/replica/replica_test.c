/* replica_test.c -- whole replicas, and the n-th thing that one of them asks for is refused. */
#include "fault.h"
#include "replica/replica_internal.h"
#include "rig.h"
#include "test.h"

enum {
    SECOND = 1000000
};

/* A replica alone: founded, written to until its log was cut behind a snapshot, stopped, opened
 * again, killed. */
static void live_alone(void *context)
{
    struct rig *rig = rig_new(1, *(const uint64_t *)context);
    rig_start(rig, 0);
    (void)rig_run(rig, 3 * SECOND, rig_all_run);
    for (int i = 0; i < 30; i++) {
        rig_submit(rig, 0, 3, 900);
        rig_read(rig, 0, 2);
        assert_true(rig_run(rig, 5 * SECOND, rig_all_answered));
    }
    rig_submit(rig, 0, 1, 40000);
    rig_submit(rig, 0, 70, 8);
    assert_true(rig_run(rig, 5 * SECOND, rig_all_answered));
    rig_stop(rig, 0);
    rig_kill(rig, 0);
    rig_start(rig, 0);
    (void)rig_run(rig, 3 * SECOND, rig_all_run);
    rig_submit(rig, 0, 5, 100);
    (void)rig_run(rig, SECOND / 1000, rig_all_answered);
    rig_kill(rig, 0);
    fault_disarm();
    rig_recover(rig);
    rig_free(rig);
}

static void fail_alone(const char *name, unsigned kinds, uint64_t places_min)
{
    uint64_t seed = 1;
    fault_run_both(&(struct fault_loop){.name = name,
                                        .kinds = kinds,
                                        .is_short = 1,
                                        .places_min = places_min,
                                        .play = live_alone,
                                        .context = &seed});
}

TEST(replica, alone_survives_every_allocation_that_fails)
{
    fail_alone("allocation", FAULT_ALLOCATION, 100);
}

TEST(replica, alone_survives_every_open_that_fails)
{
    fail_alone("open", FAULT_OPEN, 10);
}

TEST(replica, alone_survives_every_read_that_fails)
{
    fail_alone("read", FAULT_READ, 10);
}

TEST(replica, alone_survives_every_write_that_fails)
{
    fail_alone("write", FAULT_WRITE, 30);
}

TEST(replica, alone_survives_that_any_write_finds_the_disk_full)
{
    fail_alone("room", FAULT_ROOM, 30);
}

TEST(replica, alone_survives_every_sync_that_fails)
{
    fail_alone("sync", FAULT_SYNC, 30);
}

TEST(replica, alone_survives_every_change_of_a_directory_that_fails)
{
    fail_alone("rename, remove, directory sync", FAULT_RENAME | FAULT_REMOVE | FAULT_DIR_SYNC, 10);
}

TEST(replica, alone_survives_every_look_at_a_directory_that_fails)
{
    fail_alone("directory, list", FAULT_DIRECTORY | FAULT_LIST, 5);
}

TEST(replica, alone_survives_that_nobody_may_listen)
{
    fail_alone("listen", FAULT_LISTEN, 2);
}

static int has_no_end(const struct rig *rig)
{
    (void)rig;
    return 0;
}

/* A member whose others never come has nothing to do but to call them now and then. */
TEST(replica, waits_for_the_others_without_haste)
{
    struct rig *rig = rig_new(3, 1);
    rig_start(rig, 1);
    (void)rig_run(rig, 10 * SECOND, has_no_end);
    assert_true(rig_is_up(rig, 1));
    assert_false(rig->nodes[1].is_running);
    assert_in_range(rig->world.events, 500, 5000);
    rig_free(rig);
}

/* -- One of three ------------------------------------------------------------------------- */

/* The founding needs all three; after it two are enough. */
static int others_are_up(const struct rig *rig)
{
    return rig_is_up(rig, 1) && rig_is_up(rig, 2) && rig->nodes[1].is_running &&
           rig->nodes[2].is_running;
}

/* Let the two that nothing happens to take a command: they are a majority. */
static void others_go_on(struct rig *rig)
{
    for (int tries = 0; others_are_up(rig) && tries < 20; tries++) {
        const uint64_t number = rig->commands + 1;
        rig_submit(rig, 1, 1, 100);
        assert_true(rig_run(rig, 5 * SECOND, rig_all_answered));
        if (rig->is_acknowledged[number]) {
            return;
        }
    }
    assert_false(others_are_up(rig));
}

static void work(struct rig *rig, uint32_t node, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        rig_submit(rig, node, 2, 900);
        rig_read(rig, node, 1);
        assert_true(rig_run(rig, 5 * SECOND, rig_all_answered));
    }
}

/* A cluster: founded; a member that was away gets a snapshot, perhaps of the first; the first was
 * away, and gets one; it was away for a moment, and gets what it missed; it stops. */
static void live_together(void *context)
{
    struct rig *rig = rig_new(3, *(const uint64_t *)context);
    for (uint32_t i = 0; i < 3; i++) {
        rig_start(rig, i);
    }
    (void)rig_run(rig, 3 * SECOND, rig_all_run);
    work(rig, 0, 4);
    work(rig, 1, 4);
    others_go_on(rig);
    rig_kill(rig, 2);
    work(rig, 1, 30);
    work(rig, 0, 30);
    rig_start(rig, 2);
    (void)rig_run(rig, 3 * SECOND, rig_all_equal);
    others_go_on(rig);
    rig_kill(rig, 0);
    work(rig, 1, 50);
    rig_start(rig, 0);
    (void)rig_run(rig, 3 * SECOND, rig_all_equal);
    rig_kill(rig, 0);
    work(rig, 2, 3);
    rig_start(rig, 0);
    (void)rig_run(rig, 3 * SECOND, rig_all_equal);
    work(rig, 0, 4);
    rig_stop(rig, 0);
    others_go_on(rig);
    fault_disarm();
    rig_recover(rig);
    rig_free(rig);
}

/* What a member with an empty disk once promised, nobody knows: it must not vote again under its
 * name. The two that are left are a majority, and one of them with the stranger is none. */
TEST(replica, of_three_does_not_take_a_wiped_disk_for_a_member)
{
    struct rig *rig = rig_new(3, 1);
    for (uint32_t i = 0; i < 3; i++) {
        rig_start(rig, i);
    }
    assert_true(rig_run(rig, 3 * SECOND, rig_all_run));
    work(rig, 1, 4);
    rig_wipe(rig, 2);
    rig_start(rig, 2);
    (void)rig_run(rig, 3 * SECOND, has_no_end);
    assert_false(rig->nodes[2].is_running);
    rig_submit(rig, 1, 1, 100);
    assert_true(rig_run(rig, 5 * SECOND, rig_all_answered));
    assert_true(rig->is_acknowledged[rig->commands]);
    rig_kill(rig, 0);
    rig_submit(rig, 1, 1, 100);
    assert_true(rig_run(rig, 5 * SECOND, rig_all_answered));
    assert_false(rig->is_acknowledged[rig->commands]);
    rig_free(rig);
}

/* With seeds in which the first member leads at the beginning, and in which it follows. */
static void fail_together(const char *name, unsigned kinds, uint64_t places_min)
{
    static const uint64_t SEEDS[] = {1, 2};
    for (int i = 0; i < 2; i++) {
        uint64_t seed = SEEDS[i];
        fault_run_both(&(struct fault_loop){.name = name,
                                            .kinds = kinds,
                                            .places_min = places_min,
                                            .play = live_together,
                                            .context = &seed});
    }
}

TEST(replica, of_three_survives_every_allocation_that_fails)
{
    fail_together("allocation", FAULT_ALLOCATION, 300);
}

TEST(replica, of_three_survives_every_open_that_fails)
{
    fail_together("open", FAULT_OPEN, 10);
}

TEST(replica, of_three_survives_every_read_that_fails)
{
    fail_together("read", FAULT_READ, 10);
}

TEST(replica, of_three_survives_every_write_that_fails)
{
    fail_together("write", FAULT_WRITE, 50);
}

TEST(replica, of_three_survives_every_sync_that_fails)
{
    fail_together("sync", FAULT_SYNC, 50);
}

TEST(replica, of_three_survives_every_change_of_a_directory_that_fails)
{
    fail_together("rename, remove, directory sync", FAULT_RENAME | FAULT_REMOVE | FAULT_DIR_SYNC,
                  10);
}

TEST(replica, of_three_survives_every_look_at_a_directory_that_fails)
{
    fail_together("directory, list", FAULT_DIRECTORY | FAULT_LIST, 5);
}

TEST(replica, of_three_survives_every_send_that_fails)
{
    fail_together("send", FAULT_SEND, 100);
}

TEST(replica, of_three_survives_every_connection_that_breaks)
{
    fail_together("receive", FAULT_RECEIVE, 100);
}

TEST(replica, of_three_survives_every_connection_that_cannot_be_made)
{
    fail_together("listen, accept, connect", FAULT_LISTEN | FAULT_ACCEPT | FAULT_CONNECT, 5);
}

/* -- And goes on -------------------------------------------------------------------------- */

static uint32_t leads(const struct rig *rig, uint32_t node)
{
    struct replica_status status;
    replica_status(rig->nodes[node].replica, &status);
    return status.is_leader;
}

/* A cluster in which the first node leads, ... */
static struct rig *new_led(uint32_t count)
{
    for (uint64_t seed = 1;; seed++) {
        struct rig *rig = rig_new(count, seed);
        for (uint32_t i = 0; i < count; i++) {
            rig_start(rig, i);
        }
        assert_true(rig_run(rig, 3 * SECOND, rig_all_run));
        (void)rig_run(rig, SECOND, has_no_end);
        if (leads(rig, 0)) {
            return rig;
        }
        rig_free(rig);
    }
}

static void write_some(struct rig *rig, uint32_t count)
{
    for (uint32_t i = 0; i < count && rig_is_up(rig, 0); i++) {
        rig_submit(rig, 0, 1, 100);
        (void)rig_run(rig, 60, has_no_end);
    }
    (void)rig_run(rig, 2 * SECOND, rig_all_answered);
}

/* ... and of which no more are up than are needed. One allocation fails, or all from one on. Then
 * there is memory again, and a replica that did not fail for it must go on. */
static void go_on(uint32_t count, int is_for_ever)
{
    uint64_t struck = 0;
    for (uint64_t n = 1; struck + 1 == n; n++) {
        struct rig *rig = new_led(count);
        if (count > 1) {
            rig_kill(rig, 1);
        }
        fault_arm(FAULT_ALLOCATION, n, is_for_ever);
        write_some(rig, 8);
        struck += (uint64_t)fault_has_struck();
        fault_disarm();
        if (rig_is_up(rig, 0)) {
            const uint64_t before = rig->commands;
            uint64_t acknowledged = 0;
            write_some(rig, 10);
            for (uint64_t number = before + 1; number <= rig->commands; number++) {
                acknowledged += rig->is_acknowledged[number];
            }
            if (acknowledged == 0) {
                fail_msg("of %u: nothing goes on after allocation %llu has failed", count,
                         (unsigned long long)n);
            }
        }
        for (uint32_t i = 0; i < count; i++) {
            rig_kill(rig, i);
        }
        rig_free(rig);
    }
    print_message("    of %u: %llu places\n", count, (unsigned long long)struck);
    assert_true(struck > 10);
}

TEST(replica, goes_on_alone_after_any_allocation_has_failed_once)
{
    go_on(1, 0);
}

TEST(replica, goes_on_alone_when_there_is_memory_again)
{
    go_on(1, 1);
}

TEST(replica, goes_on_with_one_other_after_any_allocation_has_failed_once)
{
    go_on(3, 0);
}

TEST(replica, goes_on_with_one_other_when_there_is_memory_again)
{
    go_on(3, 1);
}

/* More records wait for the leader's disk than there was room to remember them, while the others'
 * disks are quick. */
static void forget_proposals(int is_for_ever)
{
    int has_struck = 1;
    uint64_t n = 0;
    while (has_struck) {
        struct rig *rig = new_led(3);
        os_sim_set_options(rig->nodes[0].sim, &(struct os_sim_options){.turn_us_max = 50,
                                                                       .flush_us_min = 90000,
                                                                       .flush_us_max = 90000});
        fault_arm(FAULT_ALLOCATION, ++n, is_for_ever);
        for (uint32_t i = 0; i < 150 && rig_is_up(rig, 0); i++) {
            rig_submit(rig, 0, 1, 100);
            (void)rig_run(rig, 1200, has_no_end);
        }
        has_struck = fault_has_struck();
        fault_disarm();
        for (uint32_t i = 0; i < 3; i++) {
            rig_kill(rig, i);
        }
        rig_free(rig);
    }
    assert_true(n > 100);
}

TEST(replica, fails_in_good_order_where_a_proposal_cannot_be_remembered)
{
    forget_proposals(0);
    forget_proposals(1);
}

static int is_forwarded(const struct rig *rig)
{
    for (uint32_t i = 0; i < rig->count; i++) {
        if (leads(rig, i) && buffer_size(&rig->nodes[i].replica->forwarded) > 0) {
            return 1;
        }
    }
    return 0;
}

/* One command comes through a follower, one to the leader itself, in the same turn: each fits into
 * an entry and a frame, but both do not. */
TEST(replica, puts_no_more_into_an_entry_than_a_frame_holds)
{
    struct rig *rig = new_led(3);
    rig_submit(rig, 1, 1, 9 << 20);
    assert_true(rig_run(rig, SECOND, is_forwarded));
    rig_submit(rig, 0, 1, 9 << 20);
    assert_true(rig_run(rig, 5 * SECOND, rig_all_answered));
    assert_true(rig->is_acknowledged[1] && rig->is_acknowledged[2]);
    rig_recover(rig);
    rig_free(rig);
}
