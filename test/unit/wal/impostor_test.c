/* impostor_test.c -- the disk shows something that looks like ours, and was not written there.
 *
 * What a flush that was cut has left, and what a client has stored, have checksums too. */
#include <string.h>

#include "rig.h"
#include "synod/error.h"
#include "test.h"
#include "wal/segment.h"
#include "wal/wal_internal.h"

enum {
    BLOCK = SEGMENT_BLOCK_BYTES,
    WIDE_BYTES = 2 * RIG_SEGMENT_BYTES
};

static enum os_memory_fate keep_third_block(__attribute__((unused)) void *context,
                                            __attribute__((unused)) const char *path,
                                            uint64_t offset)
{
    return offset == 3 * (uint64_t)BLOCK ? OS_MEMORY_KEPT : OS_MEMORY_LOST;
}

/* One life writes records 2 and 3, and the power fails: of that flush only block 3 is there, in
 * which record 3 begins at byte 512, and it is cut. The next life writes other records 2 and 3, and
 * record 3 begins in the same place, in two copies or in one. `torn` gets what block 3 was in
 * between. */
static struct rig *make_two_histories(uint64_t seed, uint8_t torn[BLOCK], int is_copied)
{
    const uint32_t heads = SEGMENT_FLUSH_HEADER_BYTES + SEGMENT_RECORD_HEADER_BYTES;
    struct rig *rig = rig_new(seed);
    size_t size = 0;
    rig->options.segment_bytes = WIDE_BYTES;
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 10);
    rig_settle(rig);
    rig_append(rig, BLOCK + 512 - heads);
    rig_promise_sized(rig, 100);
    wal_flush(rig->wal);
    os_memory_die_at(rig->os, 2);
    os_memory_run(rig->os);
    rig_die(rig);
    os_memory_crash(rig->os, keep_third_block, NULL);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig->last, 1);
    memcpy(torn, os_memory_bytes(rig->os, rig_segment(1, WIDE_BYTES), &size) + 3 * BLOCK, BLOCK);
    rig_append(rig, 512 - heads);
    if (is_copied) {
        rig_promise_sized(rig, 100);
    } else {
        rig_append(rig, 100);
    }
    rig_seal(rig);
    return rig;
}

/* The write of the sector with record 3 was lost after all. */
static void put_back(struct rig *rig, const uint8_t torn[BLOCK])
{
    size_t size = 0;
    uint8_t *bytes = os_memory_bytes(rig->os, rig_segment(1, WIDE_BYTES), &size);
    assert_memory_not_equal(bytes + 3 * BLOCK + 512, torn + 512, 512);
    memcpy(bytes + 3 * BLOCK + 512, torn + 512, 512);
}

TEST(impostor, from_a_flush_that_was_cut_is_not_what_one_is_mended_with)
{
    uint8_t torn[BLOCK];
    struct rig *rig = make_two_histories(40, torn, 1);
    rig_close(rig);
    put_back(rig, torn);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig->last_seen, 3);
    assert_int_equal(rig->promise_seen, 1);
    assert_int_equal(rig->warnings, 1);
    rig_free(rig);
}

TEST(impostor, from_a_flush_that_was_cut_is_refused_where_there_is_no_copy)
{
    uint8_t torn[BLOCK];
    struct rig *rig = make_two_histories(44, torn, 0);
    rig_close(rig);
    put_back(rig, torn);
    assert_int_equal(rig_open(rig), SYNOD_ERR_CORRUPT);
    assert_string_equal(rig->report.file, rig_segment(1, WIDE_BYTES));
    assert_int_equal(rig->report.offset, 3 * BLOCK);
    rig_free(rig);
}

TEST(impostor, from_a_flush_that_was_cut_is_noticed_when_it_is_read_back)
{
    uint8_t torn[BLOCK];
    uint8_t body[200];
    struct wal_location location;
    struct rig *rig = make_two_histories(41, torn, 1);
    assert_int_equal(wal_locate(rig->wal, 3, &location), 0);
    assert_int_equal(wal_read(rig->wal, 3, location, body, &rig->report), 0);
    put_back(rig, torn);
    assert_int_equal(wal_read(rig->wal, 3, location, body, &rig->report), SYNOD_ERR_CORRUPT);
    rig_free(rig);
}

enum {
    FORGED_BYTES = 16 * BLOCK,
    FORGED_COPIES_AT = 4 * BLOCK, /* Of the log's first flush, ... */
    FORGED_NEXT_AT = 8 * BLOCK,   /* ... and where the one behind it begins. */
};

/* What a client would like the log to begin with: it knows everything but the log's id. */
static void forge_log(uint8_t *bytes)
{
    const uint32_t size =
        FORGED_COPIES_AT - SEGMENT_FLUSH_HEADER_BYTES - SEGMENT_RECORD_HEADER_BYTES - 8;
    const uint32_t record_bytes = (uint32_t)segment_record_bytes(size);
    struct segment_flush flush = {.format = SEGMENT_FORMAT,
                                  .log = 0x666,
                                  .segment = 1,
                                  .number = 1,
                                  .first_lsn = 1,
                                  .record_count = 1,
                                  .records_bytes = record_bytes,
                                  .copies_bytes = record_bytes,
                                  .segment_bytes = FORGED_BYTES};
    assert_int_equal(segment_copies_offset(&flush), FORGED_COPIES_AT);
    assert_int_equal(segment_flush_bytes(&flush), FORGED_NEXT_AT);
    segment_record_encode(
        &(struct segment_record){
            .size = size, .type = RIG_PROMISE, .format = 7, .flags = SEGMENT_TWO_COPIES, .lsn = 1},
        bytes + SEGMENT_FLUSH_HEADER_BYTES);
    put_u64(bytes + SEGMENT_FLUSH_HEADER_BYTES + SEGMENT_RECORD_HEADER_BYTES, 0xbad);
    segment_flush_finish(bytes, &flush);
    struct segment_flush next = {.format = SEGMENT_FORMAT,
                                 .log = flush.log,
                                 .segment = 1,
                                 .number = 2,
                                 .chain = segment_chain(bytes),
                                 .first_lsn = 2,
                                 .offset = FORGED_NEXT_AT,
                                 .segment_bytes = FORGED_BYTES};
    segment_flush_finish(bytes + FORGED_NEXT_AT, &next);
}

/* From block 3 on lies what a client has stored, at its own places: the copies of a forged first
 * flush, and the flush that names it. Then block 0 is lost, and with it what would tell that these
 * are not the log's. */
TEST(impostor, that_a_client_has_stored_does_not_become_the_log)
{
    const size_t body_at = 3 * BLOCK + SEGMENT_FLUSH_HEADER_BYTES + SEGMENT_RECORD_HEADER_BYTES;
    _Alignas(8) static uint8_t forged[FORGED_NEXT_AT + BLOCK];
    const struct bytes part = bytes_of(forged + body_at, sizeof forged - body_at);
    struct rig *rig = rig_new(42);
    size_t size = 0;
    forge_log(forged);
    rig->options.segment_bytes = FORGED_BYTES;
    assert_int_equal(rig_open(rig), 0);
    rig_promise(rig);
    rig_settle(rig);
    rig->last++;
    assert_int_equal(
        wal_append(rig->wal, (struct wal_kind){.type = RIG_DATA, .format = 7}, &part, 1), 2);
    rig_settle(rig);
    rig_seal(rig);
    rig_close(rig);
    uint8_t *bytes = os_memory_bytes(rig->os, rig_segment(1, FORGED_BYTES), &size);
    assert_memory_equal(bytes + FORGED_COPIES_AT, forged + FORGED_COPIES_AT, 5 * BLOCK);
    memset(bytes, 0, BLOCK);
    assert_int_equal(rig_scan(rig), SYNOD_ERR_CORRUPT);
    assert_int_equal(rig->report.offset, 0);
    rig_free(rig);
}
