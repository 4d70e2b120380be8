/* wal_segment_fuzz.c -- headers of the log, and names of its files, as bytes from a disk.
 *
 * u8: which of them, and whether its checksum is made right. What is taken for a header has
 * numbers with which one can count. */
#include "base/assert.h"
#include "base/crc32c.h"
#include "fuzz.h"
#include "wal/segment.h"

enum {
    NAME_SIZE = 40
};

static void check_flush(uint8_t header[SEGMENT_FLUSH_HEADER_BYTES])
{
    struct segment_flush flush;
    if (segment_flush_decode(header, &flush) != SEGMENT_GOOD) {
        return;
    }
    assert(segment_copies_offset(&flush) % SEGMENT_BLOCK_BYTES == 0);
    assert(segment_flush_bytes(&flush) % SEGMENT_BLOCK_BYTES == 0);
    assert(flush.offset + segment_flush_bytes(&flush) <= flush.segment_bytes);
    assert(flush.number > 0 && flush.first_lsn > 0);
    (void)segment_chain(header);
}

static void check_record(const uint8_t header[SEGMENT_RECORD_HEADER_BYTES], struct bytes rest)
{
    struct segment_record record;
    if (segment_record_decode(header, &record)) {
        assert(segment_record_bytes(record.size) >= SEGMENT_RECORD_HEADER_BYTES + record.size);
        assert(segment_record_bytes(record.size) % 8 == 0);
        if (record.size <= rest.size) {
            (void)segment_body_matches(header, rest.data);
        }
    }
}

/* A name that is one is the name that its numbers give. */
static void check_name(struct bytes text)
{
    char name[NAME_SIZE + 1] = "";
    char path[SEGMENT_PATH_BYTES];
    struct segment_name parsed;
    if (text.size > 0) {
        memcpy(name, text.data, text.size < NAME_SIZE ? text.size : NAME_SIZE);
    }
    if (segment_name_parse(name, &parsed)) {
        segment_path(path, "d", parsed);
        assert(strcmp(path + 2, name) == 0);
    }
}

FUZZ(wal_segment)
{
    struct feed feed = {input};
    uint8_t header[SEGMENT_FLUSH_HEADER_BYTES] = {0};
    const uint8_t what = feed_u8(&feed);
    const int is_repaired = what >= 128;
    if (what % 3 == 0) {
        check_name(feed.rest);
        return;
    }
    const size_t size = what % 3 == 1 ? SEGMENT_FLUSH_HEADER_BYTES : SEGMENT_RECORD_HEADER_BYTES;
    const struct bytes taken = feed_take(&feed, size);
    if (taken.size > 0) {
        memcpy(header, taken.data, taken.size);
    }
    if (what % 3 == 1) {
        if (is_repaired) {
            put_u32(header + 8, crc32c(0, header + 12, SEGMENT_FLUSH_HEADER_BYTES - 12));
        }
        check_flush(header);
    } else {
        if (is_repaired) {
            put_u32(header + 28, crc32c(0, header, 28));
        }
        check_record(header, feed.rest);
    }
}
