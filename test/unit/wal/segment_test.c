/* segment_test.c -- the bytes of names, flushes and records. */
#include "wal/segment.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "test.h"

/* A flush of one plain record and one in two copies: three blocks. */
static struct segment_flush make_flush(uint8_t *data)
{
    const struct segment_record plain = {
        .size = 4100, .type = 3, .format = 4, .group = 5, .lsn = 100};
    const struct segment_record twice = {
        .size = 13, .type = 6, .format = 7, .group = 8, .flags = SEGMENT_TWO_COPIES, .lsn = 101};
    const uint32_t plain_bytes = (uint32_t)segment_record_bytes(plain.size);
    const uint32_t twice_bytes = (uint32_t)segment_record_bytes(twice.size);
    memset(data, 0xee, 4 * (size_t)SEGMENT_BLOCK_BYTES);
    uint8_t *at = data + SEGMENT_FLUSH_HEADER_BYTES;
    segment_record_encode(&plain, at);
    memset(at + SEGMENT_RECORD_HEADER_BYTES, 1, plain_bytes - SEGMENT_RECORD_HEADER_BYTES);
    at += plain_bytes;
    segment_record_encode(&twice, at);
    memset(at + SEGMENT_RECORD_HEADER_BYTES, 2, twice_bytes - SEGMENT_RECORD_HEADER_BYTES);

    struct segment_flush flush = {
        .format = SEGMENT_FORMAT,
        .flags = SEGMENT_CARRY,
        .cluster = 0x1111,
        .log = 0x2222,
        .segment = 9,
        .number = 77,
        .chain = 0x3333,
        .first_lsn = 100,
        .record_count = 2,
        .offset = 2 * SEGMENT_BLOCK_BYTES,
        .records_bytes = plain_bytes + twice_bytes,
        .copies_bytes = twice_bytes,
        .segment_bytes = 16 * SEGMENT_BLOCK_BYTES,
    };
    segment_flush_finish(data, &flush);
    return flush;
}

TEST(segment, names_say_number_and_size)
{
    char path[SEGMENT_PATH_BYTES];
    struct segment_name name = {0xabc, 64 << 20};
    segment_path(path, "dir/wal", name);
    assert_string_equal(path, "dir/wal/0000000000000abc-04000000.wal");
    assert_true(segment_name_parse("0000000000000abc-04000000.wal", &name));
    assert_int_equal(name.number, 0xabc);
    assert_int_equal(name.bytes, 64 << 20);
}

TEST(segment, refuses_names_that_it_never_gave)
{
    static const char *const NAMES[] = {
        "",
        "spare-0",
        "0000000000000abc-04000000.wa",
        "0000000000000abc-04000000.walx",
        "0000000000000ABC-04000000.wal",
        "0000000000000abc_04000000.wal",
        "0000000000000abc-0400000g.wal",
        "0000000000000abc-04000000.wax",
        "0000000000000000-04000000.wal", /* They are numbered from 1, */
        "0000000000000001-00000000.wal", /* are not empty, */
        "0000000000000001-00000fff.wal", /* and are made of blocks. */
        "000000000000001-004000000.wal",
    };
    struct segment_name name;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        assert_false(segment_name_parse(NAMES[i], &name));
    }
}

TEST(segment, reads_the_header_that_it_wrote)
{
    uint8_t data[4 * SEGMENT_BLOCK_BYTES];
    struct segment_flush read;
    const struct segment_flush flush = make_flush(data);
    assert_int_equal(segment_flush_decode(data, &read), SEGMENT_GOOD);
    assert_int_equal(read.format, flush.format);
    assert_int_equal(read.flags, flush.flags);
    assert_int_equal(read.cluster, flush.cluster);
    assert_int_equal(read.log, flush.log);
    assert_int_equal(read.segment, flush.segment);
    assert_int_equal(read.number, flush.number);
    assert_int_equal(read.chain, flush.chain);
    assert_int_equal(read.body_hash, flush.body_hash);
    assert_int_equal(read.first_lsn, flush.first_lsn);
    assert_int_equal(read.record_count, flush.record_count);
    assert_int_equal(read.offset, flush.offset);
    assert_int_equal(read.records_bytes, flush.records_bytes);
    assert_int_equal(read.copies_bytes, flush.copies_bytes);
    assert_int_equal(read.segment_bytes, flush.segment_bytes);
    assert_int_equal(segment_flush_bytes(&flush), 3 * SEGMENT_BLOCK_BYTES);
    assert_true(segment_body_is_good(data, &flush));
    assert_int_equal(data[3 * SEGMENT_BLOCK_BYTES], 0xee); /* Not a byte more was touched. */
}

TEST(segment, puts_the_copies_and_a_second_header_in_a_block_of_their_own)
{
    uint8_t data[4 * SEGMENT_BLOCK_BYTES];
    struct segment_flush second;
    struct segment_record record;
    const struct segment_flush flush = make_flush(data);
    const uint32_t copies = segment_copies_offset(&flush);
    assert_int_equal(copies, 2 * SEGMENT_BLOCK_BYTES);
    assert_int_equal(segment_flush_decode(data + copies, &second), SEGMENT_GOOD);
    assert_int_not_equal(second.offset, flush.offset + copies); /* It shows that it is second. */
    const uint8_t *copy = data + copies + SEGMENT_FLUSH_HEADER_BYTES;
    assert_true(segment_record_decode(copy, &record));
    assert_int_equal(record.lsn, 101);
    assert_int_equal(record.group, 8);
    assert_int_equal(record.type, 6);
    assert_int_equal(record.format, 7);
    assert_true(segment_body_matches(copy, copy + SEGMENT_RECORD_HEADER_BYTES));
}

TEST(segment, notices_any_flipped_bit_of_a_flush)
{
    uint8_t data[4 * SEGMENT_BLOCK_BYTES];
    const struct segment_flush flush = make_flush(data);
    for (size_t bit = 0; bit < 8 * 3 * (size_t)SEGMENT_BLOCK_BYTES; bit++) {
        struct segment_flush read;
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (bit / 8 < SEGMENT_FLUSH_HEADER_BYTES) {
            assert_int_equal(segment_flush_decode(data, &read), SEGMENT_NOTHING);
        } else {
            assert_false(segment_body_is_good(data, &flush));
        }
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(segment_body_is_good(data, &flush));
}

TEST(segment, notices_any_flipped_bit_of_a_record)
{
    uint8_t data[4 * SEGMENT_BLOCK_BYTES];
    struct segment_record record;
    make_flush(data);
    uint8_t *at = data + SEGMENT_FLUSH_HEADER_BYTES + segment_record_bytes(4100);
    for (size_t bit = 0; bit < 8 * (SEGMENT_RECORD_HEADER_BYTES + 13); bit++) {
        at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(segment_record_decode(at, &record) &&
                     segment_body_matches(at, at + SEGMENT_RECORD_HEADER_BYTES));
        at[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

TEST(segment, tells_a_newer_format_from_damage)
{
    uint8_t data[4 * SEGMENT_BLOCK_BYTES];
    struct segment_flush read;
    make_flush(data);
    put_u16(data + 12, SEGMENT_FORMAT + 1);
    assert_int_equal(segment_flush_decode(data, &read), SEGMENT_NOTHING);
    put_u32(data + 8, crc32c(0, data + 12, SEGMENT_FLUSH_HEADER_BYTES - 12));
    assert_int_equal(segment_flush_decode(data, &read), SEGMENT_NEWER);
    assert_int_equal(read.number, 77);
}

/* Sizes that contradict each other are no header, whatever the checksum says. */
TEST(segment, does_not_trust_sizes_that_cannot_be)
{
    static const struct {
        size_t at;
        uint32_t value;
    } LIES[] = {
        {76, 1},                        /* Offset not on a block. */
        {76, 15 * SEGMENT_BLOCK_BYTES}, /* Ends behind the segment. */
        {76, 0x80000000u},              /* The same, far behind. */
        {80, 0xfffffff8u},              /* Records of 4 GiB. */
        {80, 8},                        /* Less than the headers of two records. */
        {80, 4200 + 4},                 /* Not a multiple of 8. */
        {84, 0xfffffff0u},              /* More copies than records. */
        {72, 0xffffffffu},              /* More records than bytes. */
        {80, 0x40000008u},              /* Records of more than 1 GiB. */
        {88, SEGMENT_BLOCK_BYTES},      /* A segment that ends before the flush. */
        {12, 0},                        /* Format 0; */
        {24, 0},                        /* no log, */
        {32, 0},                        /* no segment, */
        {40, 0},                        /* no number, */
        {64, 0},                        /* and no record: what has one counts from 1. */
    };
    for (size_t i = 0; i < sizeof LIES / sizeof *LIES; i++) {
        uint8_t data[4 * SEGMENT_BLOCK_BYTES];
        struct segment_flush read;
        make_flush(data);
        put_u32(data + LIES[i].at, LIES[i].value);
        put_u32(data + 8, crc32c(0, data + 12, SEGMENT_FLUSH_HEADER_BYTES - 12));
        assert_int_equal(segment_flush_decode(data, &read), SEGMENT_NOTHING);
    }
}

TEST(segment, chains_headers)
{
    uint8_t data[4 * SEGMENT_BLOCK_BYTES];
    make_flush(data);
    const uint64_t chain = segment_chain(data);
    for (size_t bit = 8 * 8; bit < 8 * (size_t)SEGMENT_FLUSH_HEADER_BYTES; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(segment_chain(data) != chain);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
