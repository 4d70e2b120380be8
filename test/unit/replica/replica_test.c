/* replica_test.c -- what a replica owes to its clients and to its own past. */
#include <stdio.h>
#include <string.h>

#include "os_memory.h"
#include "replica/records.h"
#include "rig.h"
#include "synod/error.h"
#include "test.h"

static uint64_t term_of(const struct rig *rig)
{
    struct replica_status status;
    replica_status(rig->replica, &status);
    return status.term;
}

static void restart(struct rig *rig)
{
    rig_kill(rig);
    rig_open(rig);
}

TEST(replica, applies_what_it_acknowledges_once_and_in_order)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_write(&rig, 10);
    assert_int_equal(rig.state.count, 10);
    rig_read(&rig);
    rig_run(&rig, 10);
    assert_int_equal(rig.reads, 1);
    assert_int_equal(rig.seen.hash, rig.state.hash);
    rig_deinit(&rig);
}

/* Where the log stands when the process dies differs from round to round: with the snapshots
 * that are taken on the way, behind, at, and shortly after one. */
TEST(replica, has_the_same_state_after_any_restart)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    for (uint32_t round = 1; round <= 60; round++) {
        rig_write(&rig, 1 + round % 7);
        const struct rig_state before = rig.state;
        assert_int_equal(before.count, rig.sequence);
        restart(&rig);
        rig_read(&rig);
        rig_run(&rig, 3000);
        assert_int_equal(rig.reads, round);
        assert_int_equal(rig.state.count, before.count);
        assert_int_equal(rig.state.hash, before.hash);
    }
    assert_true(rig.snapshots > 3); /* Or nothing of this was tried on one. */
    rig_deinit(&rig);
}

/* The last entry may be on the disk as a vote alone: it is chosen, since it was acknowledged, but
 * this life does not know it before it has asked. */
TEST(replica, answers_no_read_before_it_has_what_was_acknowledged_in_an_earlier_life)
{
    struct rig rig;
    rig_init(&rig);
    rig.snapshot_bytes = 1 << 20;
    rig_open(&rig);
    rig_write(&rig, 3);
    const struct rig_state before = rig.state;
    restart(&rig);
    assert_true(rig.state.count < before.count); /* Or there is nothing to wait for. */
    rig_read(&rig);
    rig_run(&rig, 3000);
    assert_int_equal(rig.reads, 1);
    assert_int_equal(rig.seen.count, before.count);
    assert_int_equal(rig.seen.hash, before.hash);
    rig_deinit(&rig);
}

TEST(replica, says_nothing_more_once_it_was_killed)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_write(&rig, 1);
    rig_read(&rig);
    rig_kill(&rig);
    assert_int_equal(rig.reads + rig.errors, 0);
    rig_deinit(&rig);
}

TEST(replica, never_lets_its_term_fall)
{
    struct rig rig;
    uint64_t term = 0;
    rig_init(&rig);
    for (uint32_t life = 0; life < 40; life++) {
        rig_open(&rig);
        rig_write(&rig, 5);
        assert_true(term_of(&rig) > term); /* It stood anew, under a higher ballot. */
        term = term_of(&rig);
        rig_kill(&rig);
    }
    rig_deinit(&rig);
}

TEST(replica, gives_a_wiped_directory_another_identity)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_write(&rig, 1);
    const synod_member_id identity = replica_member_id(rig.replica, 0);
    restart(&rig);
    assert_int_equal(replica_member_id(rig.replica, 0), identity);
    rig_deinit(&rig);

    struct rig wiped;
    rig_init(&wiped);
    os_memory_advance(wiped.os, 1); /* The same machine, with another disk. */
    uint64_t chance;
    os_random(wiped.os, &chance, sizeof chance);
    rig_open(&wiped);
    assert_true(replica_member_id(wiped.replica, 0) != identity);
    rig_deinit(&wiped);
}

/* -- What a segment begins with ----------------------------------------------------------- */

struct census {
    uint64_t segment;  /* Of the last record. */
    uint64_t segments; /* Begun. */
    uint32_t has_identity;
    uint32_t has_table;
    uint32_t has_promise;
};

static int is_complete(const struct census *census)
{
    return census->has_identity && census->has_table && census->has_promise;
}

static int count_record(void *context, const struct wal_record *record)
{
    struct census *census = context;
    if (record->location.segment != census->segment) {
        assert_true(census->segments < 2 || is_complete(census));
        *census =
            (struct census){.segment = record->location.segment, .segments = census->segments + 1};
    }
    const int has_copy = (record->kind.flags & WAL_TWO_COPIES) != 0;
    assert_int_equal(has_copy, record->kind.type == SYNOD_RECORD_PROMISE ||
                                   record->kind.type >= RECORD_IDENTITY);
    census->has_identity |= record->kind.type == RECORD_IDENTITY;
    census->has_table |= record->kind.type == RECORD_TABLE;
    census->has_promise |= record->kind.type == SYNOD_RECORD_PROMISE;
    return 0;
}

static void ignore_durable(void *context, uint64_t lsn)
{
    (void)context;
    (void)lsn;
}

static void ignore_failure(void *context, const struct report *report)
{
    (void)context;
    (void)report;
}

static void ignore_segment(void *context)
{
    (void)context;
}

/* All before any segment may be cut off behind a snapshot: so what a member must not forget is in
 * each of them. */
TEST(replica, writes_what_it_must_not_forget_into_each_segment)
{
    struct rig rig;
    struct census census = {0};
    struct report report;
    struct wal *wal;
    rig_init(&rig);
    rig.snapshot_bytes = 1 << 20;
    rig_open(&rig);
    rig_write(&rig, 60);
    rig_kill(&rig);
    const struct wal_options options = {.segment_bytes = 16 << 10,
                                        .callbacks = {.context = &census,
                                                      .on_record = count_record,
                                                      .on_durable = ignore_durable,
                                                      .on_failure = ignore_failure,
                                                      .on_segment = ignore_segment}};
    assert_int_equal(wal_open(rig.os, "/data", &options, &report, &wal), 0);
    assert_true(census.segments > 3 && is_complete(&census));
    wal_close(wal, NULL, NULL);
    os_memory_run(rig.os);
    rig_deinit(&rig);
}

/* A snapshot that fills the disk would end this life, and every other. There is a log line; a disk
 * with room again is found out by itself. */
TEST(replica, writes_no_snapshot_for_which_there_is_no_room)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig.room = 10;
    rig_write(&rig, 300);
    assert_int_equal(rig.snapshots, 0);
    rig_run(&rig, 20000);
    assert_in_range(rig.room_asked, 1, 8);   /* Less and less often. */
    rig.room = sizeof(struct rig_state) + 4; /* For it alone, and nothing for the log. */
    rig_run(&rig, 40000);
    assert_int_equal(rig.snapshots, 0);
    rig.room = INT64_MAX;
    rig_run(&rig, 40000);
    assert_int_equal(rig.snapshots, 1);
    assert_int_equal(rig.acknowledged, 300);
    rig_deinit(&rig);
}

struct names {
    char paths[64][80];
    size_t count;
};

static void note_name(void *context, const char *name)
{
    struct names *names = context;
    assert_true(names->count < 64);
    snprintf(names->paths[names->count++], sizeof names->paths[0], "/data/wal/%s", name);
}

/* The log is gone and the snapshots are there: this member has promised things that it does not
 * know any more, and that is so at the next start, too. */
TEST(replica, that_has_lost_its_log_is_refused_as_often_as_it_starts)
{
    struct rig rig;
    struct names names = {.count = 0};
    rig_init(&rig);
    rig_open(&rig);
    rig_write(&rig, 300);
    assert_true(rig.snapshots > 0);
    rig_kill(&rig);
    assert_int_equal(os_dir_list(rig.os, "/data/wal", note_name, &names), 0);
    for (size_t i = 0; i < names.count; i++) {
        os_memory_vanish(rig.os, names.paths[i]);
    }
    for (uint32_t life = 0; life < 3; life++) {
        assert_int_equal(rig_try(&rig), SYNOD_ERR_CORRUPT);
        assert_non_null(strstr(rig.report.text, "snapshots but no log"));
        rig.replica = NULL;
        rig.turn_end = NULL;
        os_memory_run(rig.os);
    }
    rig_deinit(&rig);
}
