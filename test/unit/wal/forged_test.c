/* forged_test.c -- flushes and snapshots whose checksums are right and whose words are not.
 *
 * Chance does not make such things; a bug of a writer does, or a block that belongs elsewhere.
 * The checksum vouches for them, so it is what they say that must be doubted. */
#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/crc32c.h"
#include "rig.h"
#include "synod/error.h"
#include "test.h"
#include "wal/segment.h"
#include "wal/snapshot.h"

enum {
    BLOCK = SEGMENT_BLOCK_BYTES,
    SEGMENT_SIZE = 2 * RIG_SEGMENT_BYTES,
    CLUSTER = 0x1234,
};

/* A log in one segment: the opening flush in block 0, a record in block 1, a promise in blocks 2
 * and 3 (its copies), and a seal in block 4. */
static struct rig *make_log(void)
{
    struct rig *rig = rig_new(1);
    rig->options.segment_bytes = SEGMENT_SIZE;
    assert_int_equal(rig_open(rig), 0);
    wal_found(rig->wal, CLUSTER);
    rig_append(rig, 10);
    rig_settle(rig);
    rig_promise(rig);
    rig_seal(rig);
    rig_close(rig);
    assert_int_equal(rig_scan(rig), 0);
    return rig;
}

static uint8_t *block_of(struct rig *rig, size_t block)
{
    size_t size = 0;
    uint8_t *bytes = os_memory_bytes(rig->os, rig_segment(1, SEGMENT_SIZE), &size);
    assert_int_equal(size, SEGMENT_SIZE);
    return bytes + block * BLOCK;
}

/* Change a field of a flush's header, and make its checksum right again. */
static void forge(uint8_t *header, size_t at, size_t width, uint64_t value)
{
    if (width == 8) {
        put_u64(header + at, value);
    } else if (width == 4) {
        put_u32(header + at, (uint32_t)value);
    } else {
        put_u16(header + at, (uint16_t)value);
    }
    put_u32(header + 8, crc32c(0, header + 12, SEGMENT_FLUSH_HEADER_BYTES - 12));
}

/* Where the fields of a header are: the layout is at the top of segment.c. */
enum {
    FORMAT_AT = 12,
    CLUSTER_AT = 16,
    LOG_AT = 24,
    SEGMENT_AT = 32,
    NUMBER_AT = 40,
    CHAIN_AT = 48,
    HASH_AT = 56,
    LSN_AT = 64,
    OFFSET_AT = 76,
    RECORDS_AT = 80,
    COPIES_AT = 84,
    BYTES_AT = 88,
};

struct lie {
    size_t at;
    size_t width;
    uint64_t value;
    int verdict;
    const char *phrase; /* In the report. */
};

/* Behind the last flush nothing proves anything, so one that is not the next is no flush; but one
 * that is, and contradicts what came before it, is refused. */
TEST(forged, last_flush_is_none_or_refused)
{
    static const struct lie LIES[] = {
        {CLUSTER_AT, 8, 0x4321, SYNOD_ERR_FOREIGN, "of cluster 0000000000004321"},
        {CLUSTER_AT, 8, 0, SYNOD_ERR_FOREIGN, "not of cluster 0000000000001234"},
        {LOG_AT, 8, 99, 0, NULL},
        {SEGMENT_AT, 8, 2, 0, NULL},
        {NUMBER_AT, 8, 3, 0, NULL},
        {NUMBER_AT, 8, 5, SYNOD_ERR_CORRUPT, "a later flush proves"},
        {CHAIN_AT, 8, 5, SYNOD_ERR_CORRUPT, "follows another flush"},
        {LSN_AT, 8, 2, SYNOD_ERR_CORRUPT, "follows another flush"},
        {OFFSET_AT, 4, 5 * BLOCK, 0, NULL},
        {BYTES_AT, 4, SEGMENT_SIZE + BLOCK, 0, NULL},
        {FORMAT_AT, 2, 2, SYNOD_ERR_FOREIGN, "newer version"},
    };
    for (size_t i = 0; i < sizeof LIES / sizeof *LIES; i++) {
        struct rig *rig = make_log();
        forge(block_of(rig, 4), LIES[i].at, LIES[i].width, LIES[i].value);
        rig->variant = i;
        assert_int_equal(rig_scan(rig), LIES[i].verdict);
        if (LIES[i].phrase != NULL) {
            assert_non_null(strstr(rig->report.text, LIES[i].phrase));
            assert_int_equal(rig->report.offset, 4 * BLOCK);
        }
        rig_free(rig);
    }
}

/* The promise's first header is gone, and the seal proves that it was there. Its second header
 * would tell what was in it; one that tells something else must not be believed. */
TEST(forged, second_header_is_not_believed)
{
    static const struct lie LIES[] = {
        {LOG_AT, 8, 99, 0, NULL},
        {NUMBER_AT, 8, 2, 0, NULL},
        {CHAIN_AT, 8, 99, 0, NULL},
        {HASH_AT, 8, 99, 0, NULL},
        {LSN_AT, 8, 1, 0, NULL},
        {OFFSET_AT, 4, BLOCK, 0, NULL},
        {BYTES_AT, 4, SEGMENT_SIZE + BLOCK, 0, NULL},
        {COPIES_AT, 4, 0, 0, NULL},
        {RECORDS_AT, 4, 2 * BLOCK, 0, NULL},
        {FORMAT_AT, 2, 2, 0, NULL},
    };
    for (size_t i = 0; i < sizeof LIES / sizeof *LIES; i++) {
        struct rig *rig = make_log();
        memset(block_of(rig, 2), 0, SEGMENT_FLUSH_HEADER_BYTES);
        assert_int_equal(rig_scan(rig), 0);
        assert_true(rig->warnings > 0);
        forge(block_of(rig, 3), LIES[i].at, LIES[i].width, LIES[i].value);
        const int verdict = rig_scan(rig);
        assert_true(verdict == SYNOD_ERR_CORRUPT || verdict == SYNOD_ERR_FOREIGN);
        assert_int_equal(rig->report.offset, 2 * BLOCK);
        rig_free(rig);
    }
}

/* The hash of the body is right, but the body is not made of the records that the header says. */
TEST(forged, body_is_refused)
{
    static const struct {
        size_t at; /* In the header of the record. */
        uint32_t value;
    } LIES[] = {
        {16, 7},      /* Another number. */
        {0, 1 << 20}, /* Longer than the flush. */
        {28, 0},      /* A header that is not whole. */
        {24, 0},      /* A body that is not. */
    };
    for (size_t i = 0; i < sizeof LIES / sizeof *LIES; i++) {
        struct rig *rig = make_log();
        uint8_t *flush = block_of(rig, 1);
        uint8_t *record = flush + SEGMENT_FLUSH_HEADER_BYTES;
        put_u32(record + LIES[i].at, LIES[i].value);
        if (LIES[i].at != 28) {
            put_u32(record + 28, crc32c(0, record, 28));
        }
        const uint64_t hash = XXH3_64bits(record, BLOCK - (size_t)SEGMENT_FLUSH_HEADER_BYTES);
        forge(flush, HASH_AT, 8, hash);
        assert_int_equal(rig_scan(rig), SYNOD_ERR_CORRUPT);
        assert_int_equal(rig->report.offset, BLOCK + SEGMENT_FLUSH_HEADER_BYTES);
        assert_non_null(strstr(rig->report.text, "record 1 in it is damaged"));
        rig_free(rig);
    }
}

/* wal_read() is told where a record lies. What lies there is another, or another one's size. */
TEST(forged, location_is_refused)
{
    struct rig *rig = make_log();
    struct wal_location first;
    uint8_t body[BLOCK];
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(wal_locate(rig->wal, 1, &first), 0);
    assert_int_equal(wal_read(rig->wal, 1, first, body, &rig->report), 0);
    assert_int_equal(wal_read(rig->wal, 2, first, body, &rig->report), SYNOD_ERR_CORRUPT);
    assert_int_equal(rig->report.offset, first.offset);
    first.size++;
    assert_int_equal(wal_read(rig->wal, 1, first, body, &rig->report), SYNOD_ERR_CORRUPT);
    assert_int_equal(wal_read(rig->wal, 1, first, body, NULL), SYNOD_ERR_CORRUPT);
    rig_free(rig);
}

/* -- Snapshots ---------------------------------------------------------------------------- */

enum {
    STATE_BYTES = SNAPSHOT_CHUNK_BYTES + 100,
    HEAD_BYTES = 64, /* There is no metadata. */
    SECOND_AT = HEAD_BYTES + 16 + SNAPSHOT_CHUNK_BYTES,
    TRAILER_AT = SECOND_AT + 16 + 100,
};

static int64_t read_zeroes(void *context, void *to, size_t size)
{
    size_t *left = context;
    const size_t count = size < *left ? size : *left;
    memset(to, 0, count);
    *left -= count;
    return (int64_t)count;
}

static int take_nothing(__attribute__((unused)) void *context,
                        __attribute__((unused)) const void *data,
                        __attribute__((unused)) size_t size)
{
    return 0;
}

static struct os *make_snapshot(void)
{
    struct os *os = os_memory_new(1);
    struct report report;
    size_t left = STATE_BYTES;
    const struct snapshot_info info = {.cluster = CLUSTER, .slot = 5};
    assert_int_equal(os_dir_create(os, "/data"), 0);
    assert_int_equal(os_dir_sync(os, "/"), 0);
    assert_int_equal(snapshot_start(os, "/data", &report), 0);
    assert_int_equal(
        snapshot_write(os, "/data", &info, (struct snapshot_source){&left, read_zeroes}, &report),
        0);
    return os;
}

static int load_snapshot(struct os *os, struct report *report)
{
    struct snapshot *snapshot;
    int error = snapshot_open(os, "/data", 5, report, &snapshot);
    if (error == 0) {
        error = snapshot_load(snapshot, (struct snapshot_sink){.piece = take_nothing}, report);
        snapshot_close(snapshot);
    }
    return error;
}

/* Make the checksums of header and trailer right again. */
static void seal_snapshot(uint8_t *bytes)
{
    put_u32(bytes + 8, crc32c(0, bytes + 12, HEAD_BYTES - 12));
    put_u32(bytes + TRAILER_AT + 4, crc32c(0, bytes + TRAILER_AT + 8, 40 - 8));
}

TEST(forged, snapshot_is_refused)
{
    static const struct {
        size_t at;
        uint32_t value;
        int error;
        uint64_t offset;
    } LIES[] = {
        {12, 2, SYNOD_ERR_FOREIGN, 12},                           /* A newer format. */
        {48, 0, SYNOD_ERR_CORRUPT, 48},                           /* Chunks of nothing, */
        {48, SNAPSHOT_CHUNK_BYTES + 1, SYNOD_ERR_CORRUPT, 48},    /* or too large. */
        {44, SNAPSHOT_METADATA_BYTES + 1, SYNOD_ERR_CORRUPT, 44}, /* Metadata, too. */
        {32, 1, SYNOD_ERR_CORRUPT, TRAILER_AT},                   /* Another view. */
        {HEAD_BYTES, 0, SYNOD_ERR_CORRUPT, HEAD_BYTES},           /* A chunk of nothing, */
        {HEAD_BYTES, SNAPSHOT_CHUNK_BYTES + 1, SYNOD_ERR_CORRUPT, HEAD_BYTES}, /* too large, */
        {SECOND_AT, 101, SYNOD_ERR_CORRUPT, SECOND_AT},                        /* beyond the end, */
        {SECOND_AT + 8, 0, SYNOD_ERR_CORRUPT, SECOND_AT},   /* or out of its place. */
        {TRAILER_AT + 8, 1, SYNOD_ERR_CORRUPT, SECOND_AT},  /* Fewer chunks, */
        {TRAILER_AT + 8, 3, SYNOD_ERR_CORRUPT, TRAILER_AT}, /* more of them, */
        {TRAILER_AT + 16, STATE_BYTES + 1, SYNOD_ERR_CORRUPT, TRAILER_AT}, /* another size, */
        {TRAILER_AT + 32, 0, SYNOD_ERR_CORRUPT, TRAILER_AT},               /* or another hash. */
    };
    struct report report;
    struct os *whole = make_snapshot();
    assert_int_equal(load_snapshot(whole, &report), 0);
    for (size_t i = 0; i < sizeof LIES / sizeof *LIES; i++) {
        struct os *os = os_memory_copy(whole, i);
        size_t size;
        uint8_t *bytes = os_memory_bytes(os, "/data/snap/0000000000000005.snap", &size);
        assert_int_equal(size, TRAILER_AT + 40);
        put_u32(bytes + LIES[i].at, LIES[i].value);
        seal_snapshot(bytes);
        assert_int_equal(load_snapshot(os, &report), LIES[i].error);
        assert_int_equal(report.offset, LIES[i].offset);
        os_memory_free(os);
    }
    os_memory_free(whole);
    snapshot_close(NULL);
}

/* -- Names -------------------------------------------------------------------------------- */

/* What is not called as we call things is not ours: neither listed nor removed. */
TEST(forged, name_is_left_alone)
{
    static const char *const NAMES[] = {
        "/data/snap/000000000000001.snap",        "/data/snap/00000000000000001.snap",
        "/data/snap/0000000000000ABC.snap",       "/data/snap/0000000000000001.snax",
        "/data/snap/0000000000000001.snap.other", "/data/snap/notes",
    };
    struct os *os = make_snapshot();
    struct report report;
    uint64_t slots[2];
    size_t size;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        os_memory_put(os, NAMES[i], "x", 1);
    }
    assert_int_equal(snapshot_start(os, "/data", &report), 0);
    assert_int_equal(snapshot_list(os, "/data", slots, 2, &report), 1);
    assert_int_equal(slots[0], 5);
    assert_int_equal(snapshot_remove_below(os, "/data", 6, &report), 0);
    assert_int_equal(snapshot_list(os, "/data", slots, 2, &report), 0);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        assert_non_null(os_memory_bytes(os, NAMES[i], &size));
    }
    os_memory_free(os);
}

/* Paths are kept in places of a fixed size: a directory that does not fit is refused by whatever
 * comes to it first, and by name. */
TEST(forged, path_is_too_long_for_everything)
{
    static char dir[1100];
    struct os *os = os_memory_new(1);
    struct rig *rig = rig_new(1);
    struct report report;
    struct snapshot *snapshot;
    struct snapshot_receive *receive;
    struct wal *wal;
    size_t left = 1;
    const struct snapshot_info info = {.cluster = CLUSTER, .slot = 5};
    memset(dir, 'd', sizeof dir - 1);
    dir[0] = '/';
    assert_int_equal(wal_open(os, dir, &rig->options, &report, &wal), SYNOD_ERR_ACCESS);
    assert_non_null(strstr(report.text, "too long"));
    assert_int_equal(wal_open(os, dir, &rig->options, NULL, &wal), SYNOD_ERR_ACCESS);
    assert_int_equal(snapshot_start(os, dir, &report), SYNOD_ERR_ACCESS);
    assert_int_equal(snapshot_list(os, dir, NULL, 0, &report), SYNOD_ERR_ACCESS);
    assert_int_equal(snapshot_remove_below(os, dir, 5, &report), SYNOD_ERR_ACCESS);
    assert_int_equal(snapshot_open(os, dir, 5, &report, &snapshot), SYNOD_ERR_ACCESS);
    assert_int_equal(snapshot_receive_new(os, dir, 5, &report, &receive), SYNOD_ERR_ACCESS);
    assert_int_equal(
        snapshot_write(os, dir, &info, (struct snapshot_source){&left, read_zeroes}, &report),
        SYNOD_ERR_ACCESS);
    assert_non_null(strstr(report.text, "too long"));
    rig_free(rig);
    os_memory_free(os);
}
