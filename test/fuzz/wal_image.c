/* wal_image.c -- a log as it lies on a disk, built stroke by stroke from an input. */
#include "wal_image.h"

#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "os_memory.h"

enum {
    RECORDS_MAX = 4, /* Of one flush. */
    BODY_HASH_AT = 56,
    BODY_CRC_AT = 24,
    RECORD_CRC_AT = 28,
    LOG_ID = 77,
    CLUSTER = 5
};

void wal_image_init(struct wal_image *image, struct feed *feed)
{
    memset(image, 0, sizeof *image);
    const uint8_t trimmed = feed_u8(feed) % 4;
    image->first_number = 1u + trimmed;
    image->number = 1u + trimmed;
    image->lsn = 1u + trimmed;
    image->chain = trimmed;
    image->sizes[0] = IMAGE_SEGMENT_BYTES;
}

/* -- Whole flushes ------------------------------------------------------------------------ */

static struct segment_flush next_flush(const struct wal_image *image)
{
    return (struct segment_flush){.format = SEGMENT_FORMAT,
                                  .flags = image->offset == 0 ? SEGMENT_CARRY : 0,
                                  .cluster = CLUSTER,
                                  .log = LOG_ID,
                                  .segment = image->first_number + image->segment,
                                  .number = image->number,
                                  .chain = image->chain,
                                  .first_lsn = image->lsn,
                                  .offset = image->offset,
                                  .segment_bytes = IMAGE_SEGMENT_BYTES};
}

static void next_segment(struct wal_image *image)
{
    image->is_full = image->segment + 1 == IMAGE_SEGMENTS;
    if (!image->is_full) {
        image->segment++;
        image->offset = 0;
        image->has_last = 0;
        image->sizes[image->segment] = IMAGE_SEGMENT_BYTES;
    }
}

/* The hash of a flush, as the chapter of segment.c has it: of every byte but its headers. */
static uint64_t hash_of_body(const uint8_t *at, const struct segment_flush *flush)
{
    const uint32_t first = segment_copies_offset(flush);
    const uint64_t total = segment_flush_bytes(flush);
    const uint64_t hash =
        XXH3_64bits(at + SEGMENT_FLUSH_HEADER_BYTES, first - (size_t)SEGMENT_FLUSH_HEADER_BYTES);
    return total == first ? hash
                          : XXH3_64bits_withSeed(at + first + SEGMENT_FLUSH_HEADER_BYTES,
                                                 total - first - SEGMENT_FLUSH_HEADER_BYTES, hash);
}

/* A flush whose records lie behind where its header goes. */
static void finish_flush(struct wal_image *image, struct segment_flush *flush)
{
    uint8_t *at = image->data[image->segment] + image->offset;
    segment_flush_finish(at, flush);
    assert(get_u64(at + BODY_HASH_AT) == hash_of_body(at, flush));
    image->last_offset = image->offset;
    image->has_last = 1;
    image->offset += (uint32_t)segment_flush_bytes(flush);
    image->number++;
    image->lsn += flush->record_count;
    image->chain = segment_chain(at);
}

/* Room for a flush of that many bytes of records, all of them in two copies perhaps. */
static int make_room(struct wal_image *image, uint32_t records_bytes)
{
    const uint64_t part =
        (SEGMENT_FLUSH_HEADER_BYTES + (uint64_t)records_bytes + SEGMENT_BLOCK_BYTES - 1) /
        SEGMENT_BLOCK_BYTES * SEGMENT_BLOCK_BYTES;
    if (2 * part > IMAGE_SEGMENT_BYTES) {
        return 0;
    }
    if (image->offset + 2 * part > IMAGE_SEGMENT_BYTES) {
        next_segment(image);
    }
    return !image->is_full;
}

static void add_record(struct wal_image *image, struct segment_flush *flush,
                       struct segment_record record, struct bytes body)
{
    uint8_t *at = image->data[image->segment] + image->offset + SEGMENT_FLUSH_HEADER_BYTES +
                  flush->records_bytes;
    const uint32_t bytes = (uint32_t)segment_record_bytes((uint32_t)body.size);
    memset(at, 0, bytes);
    record.lsn = image->lsn + flush->record_count;
    record.size = (uint32_t)body.size;
    segment_record_encode(&record, at);
    if (body.size > 0) {
        memcpy(at + SEGMENT_RECORD_HEADER_BYTES, body.data, body.size);
    }
    flush->record_count++;
    flush->records_bytes += bytes;
    flush->copies_bytes += (record.flags & SEGMENT_TWO_COPIES) != 0 ? bytes : 0;
}

int wal_image_record(struct wal_image *image, const struct segment_record *record,
                     struct bytes body)
{
    if (!make_room(image, (uint32_t)segment_record_bytes((uint32_t)body.size))) {
        return 0;
    }
    struct segment_flush flush = next_flush(image);
    add_record(image, &flush, *record, body);
    finish_flush(image, &flush);
    return 1;
}

static void add_flush(struct wal_image *image, struct feed *feed, uint32_t count)
{
    if (!make_room(image, RECORDS_MAX * (UINT8_MAX + SEGMENT_RECORD_HEADER_BYTES))) {
        return;
    }
    struct segment_flush flush = next_flush(image);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t type = feed_u8(feed);
        const struct segment_record record = {
            .type = type % 32, .format = 1, .flags = type >= 128 ? SEGMENT_TWO_COPIES : 0};
        add_record(image, &flush, record, feed_take(feed, feed_u8(feed)));
    }
    finish_flush(image, &flush);
}

/* -- Damage ------------------------------------------------------------------------------- */

enum repair {
    REPAIR_RECORDS = 1, /* The checksums of its records. */
    REPAIR_BODY = 2,    /* The hash of the body. */
    REPAIR_HEADER = 4,  /* The checksum of the header, and its copy. */
};

static void repair_records(uint8_t *at, uint32_t records_bytes)
{
    for (uint32_t i = 0; records_bytes - i >= SEGMENT_RECORD_HEADER_BYTES;) {
        uint8_t *record = at + i;
        const uint64_t bytes = segment_record_bytes(get_u32(record));
        if (bytes > records_bytes - i) {
            break;
        }
        put_u32(record + BODY_CRC_AT,
                crc32c(0, record + SEGMENT_RECORD_HEADER_BYTES, get_u32(record)));
        put_u32(record + RECORD_CRC_AT, crc32c(0, record, RECORD_CRC_AT));
        i += (uint32_t)bytes;
    }
}

static void repair_header(uint8_t *at)
{
    put_u32(at + 8, crc32c(0, at + 12, SEGMENT_FLUSH_HEADER_BYTES - 12));
}

/* Make right what was damaged of the last flush, as far as `how` says. */
static void repair(struct wal_image *image, uint8_t how)
{
    uint8_t *at = image->data[image->segment] + image->last_offset;
    struct segment_flush flush;
    uint8_t header[SEGMENT_FLUSH_HEADER_BYTES];
    memcpy(header, at, sizeof header);
    repair_header(header);
    if (segment_flush_decode(header, &flush) == SEGMENT_GOOD &&
        flush.offset == image->last_offset && flush.segment_bytes == IMAGE_SEGMENT_BYTES) {
        const uint32_t first = segment_copies_offset(&flush);
        const uint64_t total = segment_flush_bytes(&flush);
        if ((how & REPAIR_RECORDS) != 0) {
            repair_records(at + SEGMENT_FLUSH_HEADER_BYTES, flush.records_bytes);
        }
        if ((how & REPAIR_BODY) != 0) {
            put_u64(at + BODY_HASH_AT, hash_of_body(at, &flush));
        }
        if ((how & REPAIR_HEADER) != 0 && total > first) {
            repair_header(at);
            memcpy(at + first, at, SEGMENT_FLUSH_HEADER_BYTES);
        }
    }
    if ((how & REPAIR_HEADER) != 0) {
        repair_header(at);
    }
}

/* Other bytes somewhere in the last flush. The next one knows of it, unless told not to. */
static void poke(struct wal_image *image, struct feed *feed, uint8_t how)
{
    if (!image->has_last) {
        return;
    }
    uint8_t *at = image->data[image->segment] + image->last_offset;
    const uint32_t room = IMAGE_SEGMENT_BYTES - image->last_offset;
    const uint32_t where = feed_u16(feed) % room;
    const struct bytes bytes = feed_take(feed, feed_u8(feed) % 16);
    for (size_t i = 0; i < bytes.size && where + i < room; i++) {
        at[where + i] = bytes.data[i];
    }
    repair(image, how);
    struct segment_flush flush;
    if (how < 8 && segment_flush_decode(at, &flush) == SEGMENT_GOOD) {
        image->chain = segment_chain(at);
    }
}

/* A block is zeroes, or what another one was. */
static void change_block(struct wal_image *image, struct feed *feed, int is_zeroed)
{
    const uint32_t count = IMAGE_SEGMENTS * IMAGE_SEGMENT_BYTES / SEGMENT_BLOCK_BYTES;
    uint8_t *data = image->data[0];
    uint8_t *to = data + (size_t)(feed_u8(feed) % count) * SEGMENT_BLOCK_BYTES;
    if (is_zeroed) {
        memset(to, 0, SEGMENT_BLOCK_BYTES);
    } else {
        memmove(to, data + (size_t)(feed_u8(feed) % count) * SEGMENT_BLOCK_BYTES,
                SEGMENT_BLOCK_BYTES);
    }
}

void wal_image_stroke(struct wal_image *image, struct feed *feed)
{
    const uint8_t stroke = feed_u8(feed);
    const uint8_t how = stroke / 8;
    switch (stroke % 8) {
    case 0:
    case 1:
    case 2:
        add_flush(image, feed, how % (RECORDS_MAX + 1));
        break;
    case 3:
        next_segment(image);
        break;
    case 4:
    case 5:
        poke(image, feed, how % 16);
        break;
    case 6:
        change_block(image, feed, how % 2);
        break;
    default:
        image->sizes[how % IMAGE_SEGMENTS] = feed_u16(feed) % (IMAGE_SEGMENT_BYTES + 1);
    }
}

void wal_image_put(const struct wal_image *image, struct os *os)
{
    char path[SEGMENT_PATH_BYTES];
    for (uint32_t i = 0; i < IMAGE_SEGMENTS; i++) {
        const struct segment_name name = {image->first_number + i, IMAGE_SEGMENT_BYTES};
        if (image->sizes[i] > 0) {
            segment_path(path, "/data/wal", name);
            os_memory_put(os, path, image->data[i], image->sizes[i]);
        }
    }
}
