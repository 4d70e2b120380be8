/* wal_test.c -- what the log promises its owner, when nothing goes wrong. */
#include <errno.h>
#include <string.h>

#include "rig.h"
#include "synod/error.h"
#include "test.h"
#include "wal/segment.h"
#include "wal/wal_internal.h"

/* The header of the flush at `offset` of a segment, as it lies on the disk. */
static struct segment_flush flush_at(struct rig *rig, const char *path, size_t offset)
{
    size_t size = 0;
    const uint8_t *bytes = os_memory_bytes(rig->os, path, &size);
    struct segment_flush flush = {0};
    assert_non_null(bytes);
    assert_true(offset + SEGMENT_BLOCK_BYTES <= size);
    if (segment_flush_decode(bytes + offset, &flush) != SEGMENT_GOOD) {
        flush.number = 0;
    }
    return flush;
}

TEST(wal, starts_empty_and_small)
{
    struct rig *rig = rig_new(1);
    size_t size = 0;
    rig->options.segment_bytes = 0;
    assert_int_equal(rig_open(rig), 0);
    assert_true(wal_is_new(rig->wal));
    assert_int_equal(wal_last(rig->wal), 0);
    assert_int_equal(wal_first(rig->wal), 1);
    assert_int_equal(wal_bytes(rig->wal), SEGMENT_BLOCK_BYTES);
    assert_non_null(os_memory_bytes(rig->os, rig_segment(1, 1 << 20), &size));
    assert_int_equal(size, 1 << 20);
    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    assert_false(wal_is_new(rig->wal));
    rig_free(rig);
}

TEST(wal, gives_back_what_was_appended)
{
    struct rig *rig = rig_new(2);
    assert_int_equal(rig_open(rig), 0);
    for (uint32_t size = 0; size < 40; size++) {
        rig_append(rig, size);
    }
    rig_promise(rig);
    rig_settle(rig);
    assert_int_equal(rig->durable, 41);
    assert_int_equal(rig->durable_calls, 1);
    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig->first_seen, 1);
    assert_int_equal(rig->last_seen, 41);
    rig_free(rig);
}

TEST(wal, puts_what_comes_while_it_writes_into_one_flush)
{
    struct rig *rig = rig_new(3);
    assert_int_equal(rig_open(rig), 0);
    const uint64_t number = rig->wal->next_number;
    rig_append(rig, 10);
    wal_flush(rig->wal);
    for (int i = 0; i < 20; i++) {
        rig_append(rig, 10);
        wal_flush(rig->wal);
    }
    assert_int_equal(rig->durable, 0);
    os_memory_run(rig->os);
    assert_int_equal(rig->durable, 21);
    assert_int_equal(rig->durable_calls, 2);
    assert_int_equal(rig->wal->next_number, number + 2);
    rig_free(rig);
}

TEST(wal, writes_nothing_before_it_is_told_to)
{
    struct rig *rig = rig_new(4);
    assert_int_equal(rig_open(rig), 0);
    const uint64_t changes = os_memory_changes(rig->os);
    rig_append(rig, 10);
    os_memory_advance(rig->os, 1000000);
    os_memory_run(rig->os);
    assert_int_equal(os_memory_changes(rig->os), changes);
    rig_free(rig);
}

TEST(wal, never_rewrites_a_block_that_it_acknowledged)
{
    struct rig *rig = rig_new(5);
    size_t size = 0;
    uint8_t before[RIG_SEGMENT_BYTES];
    assert_int_equal(rig_open(rig), 0);
    const char *path = rig_segment(1, RIG_SEGMENT_BYTES);
    rig_append(rig, 10);
    rig_settle(rig);
    const size_t used = wal_bytes(rig->wal);
    memcpy(before, os_memory_bytes(rig->os, path, &size), used);
    rig_append(rig, 10);
    rig_seal(rig);
    assert_memory_equal(before, os_memory_bytes(rig->os, path, &size), used);
    rig_free(rig);
}

TEST(wal, seals_the_last_flush_once_when_it_is_idle)
{
    struct rig *rig = rig_new(6);
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 10);
    rig_settle(rig);
    os_memory_advance(rig->os, 10000);
    os_memory_run(rig->os);
    const char *path = rig_segment(1, RIG_SEGMENT_BYTES);
    assert_int_equal(flush_at(rig, path, 2 * SEGMENT_BLOCK_BYTES).number, 0);
    rig_seal(rig);
    const struct segment_flush seal = flush_at(rig, path, 2 * SEGMENT_BLOCK_BYTES);
    assert_int_equal(seal.number, 3);
    assert_int_equal(seal.record_count, 0);
    const uint64_t changes = os_memory_changes(rig->os);
    rig_seal(rig);
    assert_int_equal(os_memory_changes(rig->os), changes);
    rig_free(rig);
}

TEST(wal, seals_after_as_long_as_it_was_told)
{
    struct rig *rig = rig_new(6);
    rig->options.seal_us = 500000;
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 10);
    rig_settle(rig);
    const uint64_t bytes = wal_bytes(rig->wal);
    os_memory_advance(rig->os, 499000);
    os_memory_run(rig->os);
    assert_int_equal(wal_bytes(rig->wal), bytes);
    os_memory_advance(rig->os, 2000);
    os_memory_run(rig->os);
    assert_int_equal(wal_bytes(rig->wal), bytes + SEGMENT_BLOCK_BYTES);
    rig_free(rig);
}

/* What is being written when the time is up follows the flush that was to be sealed: that is
 * proof enough. */
TEST(wal, does_not_seal_what_something_follows)
{
    struct rig *rig = rig_new(7);
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 10);
    rig_settle(rig);
    const uint64_t bytes = wal_bytes(rig->wal);
    rig_append(rig, 10); /* Not flushed yet. */
    os_memory_advance(rig->os, 30000);
    os_memory_run(rig->os);
    assert_int_equal(wal_bytes(rig->wal), bytes);
    wal_flush(rig->wal);
    os_memory_advance(rig->os, 30000); /* Being written. */
    os_memory_run(rig->os);
    assert_int_equal(wal_bytes(rig->wal), bytes + SEGMENT_BLOCK_BYTES);
    rig_free(rig);
}

TEST(wal, takes_any_number_of_records_in_one_flush)
{
    struct rig *rig = rig_new(8);
    struct wal_location location;
    uint8_t body[16];
    rig->options.segment_bytes = 1 << 20;
    assert_int_equal(rig_open(rig), 0);
    for (int i = 0; i < 1000; i++) {
        rig_append(rig, 16);
    }
    rig_settle(rig);
    assert_int_equal(rig->durable, 1000);
    assert_int_equal(rig->durable_calls, 1);
    for (uint64_t lsn = 1; lsn <= 1000; lsn++) {
        assert_int_equal(wal_locate(rig->wal, lsn, &location), 0);
        assert_int_equal(wal_read(rig->wal, lsn, location, body, &rig->report), 0);
    }
    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig->last_seen, 1000);
    rig_free(rig);
}

TEST(wal, removes_what_was_being_made_and_says_so_if_it_cannot)
{
    struct rig *rig = rig_new(9);
    size_t size;
    assert_int_equal(rig_open(rig), 0);
    rig_close(rig);
    os_memory_put(rig->os, "/data/wal/spare-7", "x", 1);
    os_memory_put(rig->os, "/data/wal/spare-8", "x", 1);
    os_memory_fail_at(rig->os, OS_MEMORY_REMOVE, 1, -EIO);
    assert_int_equal(rig_open(rig), SYNOD_ERR_STORAGE);
    assert_string_equal(rig->report.file, "/data/wal/spare-7");
    assert_int_equal(rig_open(rig), 0);
    assert_null(os_memory_bytes(rig->os, "/data/wal/spare-7", &size));
    assert_null(os_memory_bytes(rig->os, "/data/wal/spare-8", &size));
    rig_free(rig);
}

TEST(wal, keeps_little_memory_when_it_is_idle)
{
    struct rig *rig = rig_new(7);
    rig->options.segment_bytes = 0;
    assert_int_equal(rig_open(rig), 0);
    for (int i = 0; i < 4; i++) {
        rig_append(rig, 900 << 10);
        wal_flush(rig->wal);
    }
    os_memory_run(rig->os);
    assert_true(rig->wal->forming.capacity + rig->wal->writing.capacity > 1 << 20);
    rig_seal(rig);
    assert_true(rig->wal->forming.capacity + rig->wal->writing.capacity <= 128 << 10);
    rig_free(rig);
}

TEST(wal, writes_what_asked_for_it_twice_in_different_blocks)
{
    struct rig *rig = rig_new(8);
    size_t size = 0;
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 100);
    rig_promise(rig);
    rig_settle(rig);
    const char *path = rig_segment(1, RIG_SEGMENT_BYTES);
    const struct segment_flush flush = flush_at(rig, path, SEGMENT_BLOCK_BYTES);
    assert_int_equal(flush.record_count, 2);
    assert_int_equal(segment_flush_bytes(&flush), 2 * SEGMENT_BLOCK_BYTES);
    const uint8_t *bytes = os_memory_bytes(rig->os, path, &size) + flush.offset;
    const uint8_t *copy = bytes + SEGMENT_BLOCK_BYTES + SEGMENT_FLUSH_HEADER_BYTES;
    const uint8_t *original = bytes + SEGMENT_FLUSH_HEADER_BYTES + segment_record_bytes(100);
    assert_memory_equal(original, copy, flush.copies_bytes);
    rig_free(rig);
}

TEST(wal, goes_on_in_the_next_segment_and_carries_over)
{
    struct rig *rig = rig_new(9);
    assert_int_equal(rig_open(rig), 0);
    rig_promise(rig);
    for (int i = 0; i < 40; i++) {
        rig_append(rig, 1000);
        rig_settle(rig);
    }
    assert_true(wal_current(rig->wal)->name.number > 10);
    assert_int_equal(rig->segment_calls, wal_current(rig->wal)->name.number - 1);
    assert_int_equal(rig->durable, rig->last);
    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig->first_seen, 1);
    rig_free(rig);
}

TEST(wal, gives_a_large_flush_a_segment_of_its_own)
{
    struct rig *rig = rig_new(10);
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 100 << 10);
    rig_append(rig, 1);
    rig_settle(rig);
    assert_int_equal(rig->durable, rig->last);
    rig_append(rig, 1);
    rig_settle(rig);
    /* And again, with the one that was made ahead being too small. */
    for (int i = 0; i < 3; i++) {
        rig_append(rig, 5000);
        rig_settle(rig);
    }
    rig_append(rig, 300 << 10);
    rig_settle(rig);
    assert_int_equal(rig->durable, rig->last);
    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    rig_free(rig);
}

TEST(wal, reads_records_back)
{
    struct rig *rig = rig_new(11);
    uint8_t body[2000];
    struct wal_location location;
    struct report report;
    assert_int_equal(rig_open(rig), 0);
    for (uint32_t i = 0; i < 60; i++) {
        rig_append(rig, 20 * i);
        if (i % 7 == 0) {
            rig_settle(rig);
        }
    }
    rig_settle(rig);
    rig_append(rig, 5);
    assert_int_equal(wal_locate(rig->wal, rig->last, &location), WAL_PENDING);
    rig_settle(rig);
    for (int life = 0; life < 2; life++) {
        for (uint64_t lsn = 1; lsn <= rig->last; lsn++) {
            assert_int_equal(wal_locate(rig->wal, lsn, &location), 0);
            assert_int_equal(location.size, rig->records[lsn].size);
            assert_int_equal(wal_read(rig->wal, lsn, location, body, &report), 0);
            struct prng prng = {rig->records[lsn].tag};
            const uint64_t word = prng_next(&prng);
            if (rig->records[lsn].type == RIG_DATA) {
                assert_memory_equal(body, &word, location.size < 8 ? location.size : 8);
            }
        }
        rig_close(rig);
        assert_int_equal(rig_open(rig), 0);
    }
    rig_free(rig);
}

TEST(wal, notices_damage_when_it_reads_back)
{
    struct rig *rig = rig_new(12);
    uint8_t body[100];
    size_t size = 0;
    struct wal_location location;
    struct report report;
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 100);
    rig_settle(rig);
    assert_int_equal(wal_locate(rig->wal, 1, &location), 0);
    const char *path = rig_segment(1, RIG_SEGMENT_BYTES);
    uint8_t *bytes = os_memory_bytes(rig->os, path, &size);
    const size_t record_bytes = SEGMENT_RECORD_HEADER_BYTES + 100;
    for (size_t bit = 0; bit < 8 * record_bytes; bit++) {
        bytes[location.offset + bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(wal_read(rig->wal, 1, location, body, &report), SYNOD_ERR_CORRUPT);
        assert_string_equal(report.file, path);
        assert_int_equal(report.offset, location.offset);
        bytes[location.offset + bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(wal_read(rig->wal, 1, location, body, &report), 0);
    rig_free(rig);
}

TEST(wal, trims_whole_segments_and_uses_them_again)
{
    struct rig *rig = rig_new(13);
    uint8_t body[100];
    struct wal_location location;
    struct wal_location old;
    struct report report;
    assert_int_equal(rig_open(rig), 0);
    rig_promise(rig);
    rig_settle(rig);
    assert_int_equal(wal_locate(rig->wal, 1, &old), 0);
    for (int i = 0; i < 200; i++) {
        rig_append(rig, 1500);
        rig_settle(rig);
        rig_trim(rig, rig->last);
        os_memory_run(rig->os);
        assert_true(wal_bytes(rig->wal) <= 3 * RIG_SEGMENT_BYTES);
        assert_true(wal_first(rig->wal) <= rig->last);
    }
    assert_int_equal(wal_locate(rig->wal, 1, &location), WAL_TRIMMED);
    assert_int_equal(wal_read(rig->wal, 1, old, body, &report), WAL_TRIMMED);
    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig->promise_seen, 1);
    assert_true(rig->first_seen > 150);
    rig_free(rig);
}

/* Flushes of one block: three to a segment of 16 KiB, behind the one that it begins with. */
TEST(wal, knows_where_its_last_bytes_begin)
{
    struct rig *rig = rig_new(28);
    assert_int_equal(rig_open(rig), 0);
    for (int i = 0; i < 30; i++) {
        rig_append(rig, 100);
        rig_settle(rig);
    }
    const uint64_t all = wal_bytes(rig->wal);
    uint64_t lsn = rig->last + 1;
    assert_int_equal(wal_tail(rig->wal, 0), lsn);
    assert_true(wal_tail(rig->wal, 1) <= rig->last);
    for (uint64_t bytes = SEGMENT_BLOCK_BYTES; bytes <= all; bytes += SEGMENT_BLOCK_BYTES) {
        const uint64_t tail = wal_tail(rig->wal, bytes);
        assert_true(tail <= lsn && tail > 0);
        assert_true((rig->last + 1 - tail) * SEGMENT_BLOCK_BYTES < bytes + RIG_SEGMENT_BYTES);
        lsn = tail;
    }
    assert_int_equal(lsn, 1);
    assert_int_equal(wal_tail(rig->wal, UINT64_MAX), 1);
    rig_free(rig);
}

TEST(wal, does_not_trim_before_the_carry_over_is_durable)
{
    struct rig *rig = rig_new(14);
    size_t size = 0;
    assert_int_equal(rig_open(rig), 0);
    rig_promise(rig);
    rig_append(rig, 2000);
    rig_settle(rig);
    rig_append(rig, 5000);
    wal_flush(rig->wal);
    rig_trim(rig, rig->last);
    assert_non_null(os_memory_bytes(rig->os, rig_segment(1, RIG_SEGMENT_BYTES), &size));
    while (rig->durable < rig->last) {
        assert_non_null(os_memory_bytes(rig->os, rig_segment(1, RIG_SEGMENT_BYTES), &size));
        assert_true(os_memory_step(rig->os));
    }
    rig_seal(rig);
    assert_null(os_memory_bytes(rig->os, rig_segment(1, RIG_SEGMENT_BYTES), &size));
    rig_free(rig);
}

/* Of a vote that was cast anew, the second record is why the first is not needed. */
TEST(wal, does_not_trim_what_a_record_replaces_that_is_not_durable)
{
    struct rig *rig = rig_new(27);
    assert_int_equal(rig_open(rig), 0);
    rig_promise(rig);
    for (int i = 0; i < 12; i++) {
        rig_append(rig, 1500); /* Into the second segment, whose carry-over is durable. */
        rig_settle(rig);
    }
    assert_true(wal_first(rig->wal) == 1);
    rig_append(rig, 100);
    rig_trim(rig, rig->last);
    wal_flush(rig->wal);
    while (rig->durable < rig->last) {
        assert_true(wal_first(rig->wal) == 1);
        assert_true(os_memory_step(rig->os));
    }
    rig_seal(rig);
    assert_true(wal_first(rig->wal) > 1);
    rig_free(rig);
}

TEST(wal, carries_the_cluster_from_founding_on)
{
    struct rig *rig = rig_new(15);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(wal_cluster(rig->wal), 0);
    rig_append(rig, 10);
    rig_settle(rig);
    wal_found(rig->wal, 0xabc);
    rig_append(rig, 10);
    rig_settle(rig);
    rig_close(rig);

    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(wal_cluster(rig->wal), 0xabc);
    rig_close(rig);
    rig->options.cluster = 0xabc;
    assert_int_equal(rig_open(rig), 0);
    rig_close(rig);
    rig->options.cluster = 0xdef;
    assert_int_equal(rig_open(rig), SYNOD_ERR_FOREIGN);
    assert_string_equal(rig->report.file, rig_segment(1, RIG_SEGMENT_BYTES));
    rig_free(rig);
}

static void note_closed(void *context)
{
    struct rig *rig = context;
    rig->wal = NULL;
    rig->is_closed = 1;
}

TEST(wal, writes_the_rest_and_a_seal_when_it_is_closed)
{
    struct rig *rig = rig_new(16);
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 10);
    wal_flush(rig->wal);
    const uint64_t last = rig_append(rig, 5000);
    rig_close(rig);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(wal_last(rig->wal), last);
    rig_free(rig);
}

/* The last flush leaves room for a seal, or it does not, and then a segment that nobody has made
 * yet is waited for; as long as that takes, the log is idle. */
TEST(wal, closes_however_long_its_disk_takes)
{
    for (int flushes = 0; flushes < 40; flushes++) {
        struct rig *rig = rig_new(16);
        assert_int_equal(rig_open(rig), 0);
        for (int i = 0; i < flushes; i++) {
            rig_append(rig, 10);
            wal_flush(rig->wal);
            while (wal_durable(rig->wal) < rig->last) {
                assert_true(os_memory_step(rig->os));
            }
        }
        const uint64_t last = rig_append(rig, 10);
        wal_close(rig->wal, note_closed, rig);
        while (!rig->is_closed) {
            assert_true(os_memory_step(rig->os));
            os_memory_advance(rig->os, 30000);
        }
        assert_int_equal(rig_open(rig), 0);
        assert_int_equal(wal_last(rig->wal), last);
        rig_free(rig);
    }
}

TEST(wal, does_not_call_its_owner_once_it_is_closed)
{
    struct rig *rig = rig_new(17);
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 10);
    wal_flush(rig->wal);
    for (int i = 0; i < 30; i++) {
        rig_append(rig, 1000);
    }
    const uint64_t durable_calls = rig->durable_calls;
    rig_close(rig);
    assert_int_equal(rig->durable_calls, durable_calls);
    assert_int_equal(rig->segment_calls, 0);
    /* The segment that was begun without a carry-over gets it in the next life. */
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 1);
    rig_settle(rig);
    assert_int_equal(rig->segment_calls, 1);
    rig_free(rig);
}

TEST(wal, refuses_a_directory_that_is_not_there)
{
    struct rig *rig = rig_new(18);
    struct wal *wal;
    assert_int_equal(wal_open(rig->os, "/nowhere", &rig->options, &rig->report, &wal),
                     SYNOD_ERR_ACCESS);
    assert_null(wal);
    rig_free(rig);
}
