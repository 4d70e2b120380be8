/* segment.c -- the format of the write-ahead log.
 *
 * FILES
 *
 *   DIR/wal/<number, 16 hex>-<bytes, 8 hex>.wal    a segment
 *   DIR/wal/spare-<k>                              being made, or waiting to be used again
 *
 * A segment gets its name when all its bytes were written (with zeroes, or by an earlier use
 * under another number) and synced, so its size is what its name says for as long as it has
 * the name: a file that is shorter was cut off, and that is damage. Segments are numbered from
 * 1 without gaps; trimming takes them away from the oldest on. All numbers are little-endian.
 *
 * A FLUSH is what one write puts on the disk and one sync makes durable. It begins on a block
 * boundary (4096 bytes) and fills whole blocks, so no write ever touches a block in which
 * something acknowledged lies. One flush is under way at a time.
 *
 *   header      96 bytes
 *   records     each a header of 32 bytes, a body, and zeroes up to a multiple of 8
 *   zeroes      up to the end of the block
 *   -- only where a record asked for two copies, from a new block on:
 *   header      the same 96 bytes again
 *   copies      the records that asked for it, the same bytes again
 *   zeroes      up to the end of the block
 *
 * Header of a flush:
 *
 *   offset size
 *    0     8   magic "SYNODWAL"
 *    8     4   CRC-32C of bytes 12 .. 95
 *   12     2   format version, 1
 *   14     2   flags: 1 = carries over what must outlive trimming
 *   16     8   cluster id; 0 before founding
 *   24     8   log id: drawn at random when the log was made
 *   32     8   number of the segment
 *   40     8   number of the flush
 *   48     8   chain: XXH3 (64 bits) of the header of the flush before; 0 in flush 1
 *   56     8   body hash: XXH3 of bytes 96 .. end of the first part; where there are copies,
 *              XXH3 of what follows the second header, seeded with the former
 *   64     8   number (lsn) of the first record, or of the next one where there is none
 *   72     4   count of records, copies not counted
 *   76     4   offset of the flush in the segment
 *   80     4   bytes of the records
 *   84     4   bytes of the copies
 *   88     4   bytes of the segment
 *   92     4   zero
 *
 * The first 48 bytes mean the same in every version, and the CRC covers the same bytes, so
 * that an old program can tell a newer log from a damaged one.
 *
 * Header of a record:
 *
 *    0     4   bytes of the body
 *    4     2   type           \
 *    6     2   format version  | the owner's
 *    8     4   group id       /
 *   12     4   flags: 1 = in two copies
 *   16     8   number (lsn): 1, 2, 3 ... without gaps through all segments
 *   24     4   CRC-32C of the body
 *   28     4   CRC-32C of bytes 0 .. 27
 *
 * WHAT IS VALID
 *
 * Flush n is valid at offset o of segment s if its header is whole, names n, s and o and the
 * log's id, its chain is the hash of the header of flush n - 1, its records begin with the
 * number after the last, and its body has the hash. The header holds the body's hash, so the
 * chain binds bodies too. It lies where flush n - 1 ends, or, if it did not fit there, at the
 * start of segment s + 1. The second header is the first, byte by byte: that it is no flush of
 * its own shows in the offset it names.
 *
 * The log's id is secret: bytes that clients stored can lie at block boundaries, but they
 * cannot be made to look like a header of this log. It also tells the segments of another
 * member of the same cluster.
 *
 * TORN OR DAMAGED?
 *
 * After a crash the last flush may be there in part; it was never acknowledged and is cut. But
 * a bad flush that had been acknowledged must never be cut: that would forget a promise. The
 * proof that flush n had returned is any whole header with a number above n, for one flush is
 * under way at a time: flush n + 1 is begun when n has returned. When nothing follows for a
 * while (20 ms), an empty flush is written for that very purpose, the *seal*. So
 *
 *   bad, and a whole header of a later flush anywhere after it   damaged: repaired from copies
 *                                                                if all its records are there,
 *                                                                else refused
 *   bad, and no later flush                                      torn: cut
 *   zeroes, or flushes of an older segment number                the end of the log
 *
 * What a seal cannot save: damage to the last flush that had returned before a loss of power, where
 * nothing follows it yet. It looks torn and is cut. As a rule such a flush is less than 20 ms old;
 * a seal that waits for a slow disk, or is not written since the log has failed, comes later or
 * never. What was there before that flush is not at stake.
 *
 * Repair (mend.c): each record is taken from the first part or else from the copies, as each has
 * its own CRCs, and what comes of it must have the body's hash. Where the header is bad the second
 * one stands in. Either is believed only if the flush that follows names its hash: a torn flush,
 * too, may have left headers behind. And where nothing is known of the log yet, since its first
 * flush is the bad one, a second header is believed only if the first block of a later segment has
 * the same log's id: elsewhere a client may have put both the header and what follows it.
 *
 * CRASHES
 *
 * While flush n is written: any subset of its blocks, or parts of blocks, may be there. It is
 * whole by chance, and then it counts (nothing contradicts it: it comes after all that was
 * acknowledged), or it is cut.
 *
 * After the cut: what is left of torn flush n must never be taken for something later. So
 * opening the log writes an empty flush where the log ends, before anything else, and syncs
 * it. Being number n, it lies where n's header was, or n's header lies at the start of the next
 * segment, where nothing but a number >= n + 1 is looked for from then on. The rest of n is
 * bytes without a header, or its second header, whose number n is below all that is still
 * expected. Should this flush be torn itself, the next life does the same again; nothing was
 * promised in between.
 *
 * When the process dies but the machine does not, recovery may read a last flush that was never
 * synced. It is synced before the opening flush is written: that would prove it to have
 * returned, and a power cut that kept the proof alone would look like damage.
 *
 * While a segment is made: it has no number yet. spare-* is removed at the next start.
 *
 * While segments are trimmed: they lose their names one by one, oldest first, the directory
 * synced after each, so a crash leaves no gap. Why no promise is lost: see wal_trim.c.
 *
 * After a failed sync: the page cache may show what the disk does not have. Writing goes around
 * it (OS_FILE_DIRECT); where the file system cannot, recovery writes the last flush again before
 * it syncs it, for a sync alone would bring nothing. */
#include "wal/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/mutant.h"

static const uint8_t MAGIC[8] = {'S', 'Y', 'N', 'O', 'D', 'W', 'A', 'L'};

enum {
    HEADER_CRC_AT = 8,
    HEADER_CRC_FROM = 12,
    RECORD_BODY_CRC_AT = 24,
    NAME_LENGTH = 16 + 1 + 8 + 4,
    FLUSH_BYTES_MAX = 1 << 30,
};

static uint64_t round_to_block(uint64_t bytes)
{
    assert(bytes <= UINT64_MAX - SEGMENT_BLOCK_BYTES);
    return (bytes + SEGMENT_BLOCK_BYTES - 1) / SEGMENT_BLOCK_BYTES * SEGMENT_BLOCK_BYTES;
}

/* -- Files ------------------------------------------------------------------------------- */

void segment_path(char path[SEGMENT_PATH_BYTES], const char *dir, struct segment_name name)
{
    assert(name.number > 0);
    assert(name.bytes % SEGMENT_BLOCK_BYTES == 0);
    const int length = snprintf(path, SEGMENT_PATH_BYTES, "%s/%016" PRIx64 "-%08" PRIx32 ".wal",
                                dir, name.number, name.bytes);
    assert(length > 0 && length < SEGMENT_PATH_BYTES);
}

int segment_name_parse(const char *text, struct segment_name *name)
{
    assert(text != NULL);
    assert(name != NULL);
    if (strlen(text) != NAME_LENGTH || strspn(text, "0123456789abcdef") != 16 || text[16] != '-' ||
        strspn(text + 17, "0123456789abcdef") != 8 || strcmp(text + 25, ".wal") != 0) {
        return 0;
    }
    name->number = strtoull(text, NULL, 16);
    name->bytes = (uint32_t)strtoul(text + 17, NULL, 16);
    return name->number > 0 && name->bytes > 0 && name->bytes % SEGMENT_BLOCK_BYTES == 0;
}

/* -- Flushes ----------------------------------------------------------------------------- */

uint32_t segment_copies_offset(const struct segment_flush *flush)
{
    assert(flush->records_bytes <= FLUSH_BYTES_MAX);
    return (uint32_t)round_to_block(SEGMENT_FLUSH_HEADER_BYTES + (uint64_t)flush->records_bytes);
}

uint64_t segment_flush_bytes(const struct segment_flush *flush)
{
    assert(flush->records_bytes <= FLUSH_BYTES_MAX);
    assert(flush->copies_bytes <= flush->records_bytes);
    const uint64_t first = segment_copies_offset(flush);
    if (flush->copies_bytes == 0) {
        return first;
    }
    return first + round_to_block(SEGMENT_FLUSH_HEADER_BYTES + (uint64_t)flush->copies_bytes);
}

/* The CRC has vouched for the numbers; this keeps a writer's bug from becoming a reader's. */
static int is_sane(const struct segment_flush *flush)
{
    return flush->format > 0 && flush->log != 0 && flush->segment != 0 &&
           flush->offset % SEGMENT_BLOCK_BYTES == 0 && flush->number > 0 && flush->first_lsn > 0 &&
           flush->records_bytes % 8 == 0 && flush->copies_bytes <= flush->records_bytes &&
           flush->records_bytes / SEGMENT_RECORD_HEADER_BYTES >= flush->record_count &&
           flush->records_bytes <= FLUSH_BYTES_MAX && flush->offset <= flush->segment_bytes &&
           segment_flush_bytes(flush) <= flush->segment_bytes - flush->offset;
}

static void encode_header(const struct segment_flush *flush, uint8_t *to)
{
    assert(is_sane(flush));
    assert(flush->format == SEGMENT_FORMAT);
    memcpy(to, MAGIC, sizeof MAGIC);
    put_u16(to + 12, flush->format);
    put_u16(to + 14, flush->flags);
    put_u64(to + 16, flush->cluster);
    put_u64(to + 24, flush->log);
    put_u64(to + 32, flush->segment);
    put_u64(to + 40, flush->number);
    put_u64(to + 48, flush->chain);
    put_u64(to + 56, flush->body_hash);
    put_u64(to + 64, flush->first_lsn);
    put_u32(to + 72, flush->record_count);
    put_u32(to + 76, flush->offset);
    put_u32(to + 80, flush->records_bytes);
    put_u32(to + 84, flush->copies_bytes);
    put_u32(to + 88, flush->segment_bytes);
    put_u32(to + 92, 0);
    put_u32(to + HEADER_CRC_AT,
            crc32c(0, to + HEADER_CRC_FROM, SEGMENT_FLUSH_HEADER_BYTES - HEADER_CRC_FROM));
}

enum segment_verdict segment_flush_decode(const uint8_t *from, struct segment_flush *flush)
{
    assert(from != NULL);
    assert(flush != NULL);
    if (memcmp(from, MAGIC, sizeof MAGIC) != 0 ||
        get_u32(from + HEADER_CRC_AT) !=
            crc32c(0, from + HEADER_CRC_FROM, SEGMENT_FLUSH_HEADER_BYTES - HEADER_CRC_FROM)) {
        return SEGMENT_NOTHING;
    }
    *flush = (struct segment_flush){
        .format = get_u16(from + 12),
        .flags = get_u16(from + 14),
        .cluster = get_u64(from + 16),
        .log = get_u64(from + 24),
        .segment = get_u64(from + 32),
        .number = get_u64(from + 40),
        .chain = get_u64(from + 48),
        .body_hash = get_u64(from + 56),
        .first_lsn = get_u64(from + 64),
        .record_count = get_u32(from + 72),
        .offset = get_u32(from + 76),
        .records_bytes = get_u32(from + 80),
        .copies_bytes = get_u32(from + 84),
        .segment_bytes = get_u32(from + 88),
    };
    if (flush->format > SEGMENT_FORMAT) {
        return SEGMENT_NEWER;
    }
    return is_sane(flush) ? SEGMENT_GOOD : SEGMENT_NOTHING;
}

/* The hash covers the padding too: a flipped bit anywhere in the flush is noticed. It leaves
 * out the second header, which contains it. */
static uint64_t hash_body(const uint8_t *data, const struct segment_flush *flush)
{
    assert(is_sane(flush));
    assert(data != NULL);
    const uint32_t first = MUTANT(20) ? SEGMENT_BLOCK_BYTES : segment_copies_offset(flush);
    const uint64_t total = MUTANT(20) ? first : segment_flush_bytes(flush);
    const uint64_t hash =
        XXH3_64bits(data + SEGMENT_FLUSH_HEADER_BYTES, first - (size_t)SEGMENT_FLUSH_HEADER_BYTES);
    if (total == first) {
        return hash;
    }
    return XXH3_64bits_withSeed(data + first + SEGMENT_FLUSH_HEADER_BYTES,
                                total - first - SEGMENT_FLUSH_HEADER_BYTES, hash);
}

/* Fill in the checksums of every record, and copy to `copies` those that asked for it. */
static void finish_records(uint8_t *records, const struct segment_flush *flush, uint8_t *copies)
{
    assert(flush->copies_bytes == 0 || copies != NULL);
    assert(flush->records_bytes == 0 || flush->record_count > 0);
    size_t at = 0;
    size_t copied = 0;
    while (at < flush->records_bytes) {
        uint8_t *record = records + at;
        const uint32_t size = get_u32(record);
        const size_t bytes = segment_record_bytes(size);
        assert(bytes <= flush->records_bytes - at);
        put_u32(record + RECORD_BODY_CRC_AT, crc32c(0, record + SEGMENT_RECORD_HEADER_BYTES, size));
        put_u32(record + SEGMENT_RECORD_CRC_AT, crc32c(0, record, SEGMENT_RECORD_CRC_AT));
        if ((get_u32(record + 12) & SEGMENT_TWO_COPIES) != 0) {
            assert(copied + bytes <= flush->copies_bytes);
            memcpy(copies + copied, record, bytes);
            copied += bytes;
        }
        at += bytes;
    }
    assert(copied == flush->copies_bytes);
}

void segment_flush_finish(uint8_t *data, struct segment_flush *flush)
{
    assert((uintptr_t)data % 8 == 0);
    assert(flush->format == SEGMENT_FORMAT);
    const uint32_t first = segment_copies_offset(flush);
    const uint64_t total = segment_flush_bytes(flush);
    const size_t records_end = SEGMENT_FLUSH_HEADER_BYTES + (size_t)flush->records_bytes;
    const size_t copies_from = first + (size_t)SEGMENT_FLUSH_HEADER_BYTES;
    assert(is_sane(flush));

    memset(data + records_end, 0, first - records_end);
    finish_records(data + SEGMENT_FLUSH_HEADER_BYTES, flush,
                   flush->copies_bytes > 0 ? data + copies_from : NULL);
    if (flush->copies_bytes > 0) {
        const size_t copies_end = copies_from + flush->copies_bytes;
        memset(data + copies_end, 0, total - copies_end);
    }
    flush->body_hash = hash_body(data, flush);
    encode_header(flush, data);
    if (flush->copies_bytes > 0) {
        memcpy(data + first, data, SEGMENT_FLUSH_HEADER_BYTES);
    }
}

int segment_body_is_good(const uint8_t *data, const struct segment_flush *flush)
{
    assert(data != NULL);
    assert(is_sane(flush));
    if (flush->copies_bytes > 0 &&
        memcmp(data, data + segment_copies_offset(flush), SEGMENT_FLUSH_HEADER_BYTES) != 0) {
        return 0;
    }
    return hash_body(data, flush) == flush->body_hash;
}

uint64_t segment_chain(const uint8_t *header)
{
    assert(header != NULL);
    assert(memcmp(header, MAGIC, sizeof MAGIC) == 0);
    return XXH3_64bits(header, SEGMENT_FLUSH_HEADER_BYTES);
}

/* -- Records ----------------------------------------------------------------------------- */

void segment_record_encode(const struct segment_record *record, uint8_t *to)
{
    assert(record->lsn > 0);
    assert((record->flags & ~(uint32_t)SEGMENT_TWO_COPIES) == 0);
    put_u32(to, record->size);
    put_u16(to + 4, record->type);
    put_u16(to + 6, record->format);
    put_u32(to + 8, record->group);
    put_u32(to + 12, record->flags);
    put_u64(to + 16, record->lsn);
    put_u32(to + RECORD_BODY_CRC_AT, 0);
    put_u32(to + SEGMENT_RECORD_CRC_AT, 0);
}

int segment_record_decode(const uint8_t *from, struct segment_record *record)
{
    assert(from != NULL);
    assert(record != NULL);
    if (get_u32(from + SEGMENT_RECORD_CRC_AT) != crc32c(0, from, SEGMENT_RECORD_CRC_AT)) {
        return 0;
    }
    *record = (struct segment_record){
        .size = get_u32(from),
        .type = get_u16(from + 4),
        .format = get_u16(from + 6),
        .group = get_u32(from + 8),
        .flags = get_u32(from + 12),
        .lsn = get_u64(from + 16),
    };
    return 1;
}

int segment_body_matches(const uint8_t *header, const uint8_t *body)
{
    assert(header != NULL);
    assert(body != NULL || get_u32(header) == 0);
    return get_u32(header + RECORD_BODY_CRC_AT) == crc32c(0, body, get_u32(header));
}
