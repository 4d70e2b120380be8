/* mend.c -- a damaged flush is put together again from its two copies.
 *
 * A record has checksums of its own, but they say only that somebody wrote it once, not that it was
 * written here: a flush that was cut may have left a record with the same number in the same place,
 * and a sector that is put back to what it was shows that one. So what is put together must have
 * the hash that the header knows, and the header is known by the chain. Damage in one place is in
 * the first part or in the copies, so one of two orders is right: take the first part wherever it
 * is whole, or the copies. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "synod/error.h"
#include "wal/scan_internal.h"

/* The whole record `lsn` in [at, end) of `data` where it should be next; NULL if it is not. */
static const uint8_t *record_at(const uint8_t *data, uint64_t at, uint64_t end, uint64_t lsn)
{
    assert(data != NULL);
    assert(lsn > 0);
    struct segment_record record;
    if (at + SEGMENT_RECORD_HEADER_BYTES > end || !segment_record_decode(data + at, &record) ||
        record.lsn != lsn || segment_record_bytes(record.size) > end - at ||
        !segment_body_matches(data + at, data + at + SEGMENT_RECORD_HEADER_BYTES)) {
        return NULL;
    }
    return data + at;
}

/* The second copy of record `lsn`, or NULL. */
static const uint8_t *copy_of(const uint8_t *data, const struct segment_flush *flush, uint64_t lsn)
{
    assert(lsn >= flush->first_lsn);
    assert(lsn - flush->first_lsn < flush->record_count);
    uint64_t at = (uint64_t)segment_copies_offset(flush) + SEGMENT_FLUSH_HEADER_BYTES;
    const uint64_t end = at + flush->copies_bytes;
    struct segment_record record;
    while (at + SEGMENT_RECORD_HEADER_BYTES <= end && segment_record_decode(data + at, &record)) {
        if (record.lsn == lsn) {
            return record_at(data, at, end, lsn);
        }
        at += segment_record_bytes(record.size);
    }
    return NULL;
}

const uint8_t *mend_record(const uint8_t *data, const struct segment_flush *flush, uint64_t at,
                           uint64_t lsn, enum mend_order order)
{
    assert(at >= SEGMENT_FLUSH_HEADER_BYTES);
    assert(order == MEND_FIRST || order == MEND_SECOND);
    const uint64_t end = SEGMENT_FLUSH_HEADER_BYTES + (uint64_t)flush->records_bytes;
    const uint8_t *first = record_at(data, at, end, lsn);
    if (first != NULL && order == MEND_FIRST) {
        return first;
    }
    const uint8_t *copy = copy_of(data, flush, lsn);
    return copy != NULL ? copy : first;
}

int mend_refuse(struct scan *scan, const struct found *found, uint64_t at, uint64_t lsn)
{
    assert(lsn > 0);
    assert(at < segment_flush_bytes(&found->flush));
    char text[96];
    MARK("mend: a damaged record has no good copy");
    snprintf(text, sizeof text, "record %" PRIu64 " in it is damaged, and has no good copy", lsn);
    return scan_refuse(scan, SYNOD_ERR_CORRUPT,
                       (struct place){found->place.index, found->flush.offset + (uint32_t)at},
                       text);
}

/* Where the next record goes, in the first part and among the copies. */
struct rebuilding {
    const struct segment_flush *flush;
    uint8_t *bytes; /* Those of the flush; zero where nothing was put yet. */
    uint64_t at;
    uint64_t copy_at;
};

/* Put a record where it was written. 0 if there is no room for it. */
static int put_record(struct rebuilding *rebuilding, const uint8_t *record)
{
    assert(rebuilding->at % 8 == 0);
    assert(rebuilding->copy_at % 8 == 0);
    const struct segment_flush *flush = rebuilding->flush;
    const uint64_t end = SEGMENT_FLUSH_HEADER_BYTES + (uint64_t)flush->records_bytes;
    const uint64_t copy_end =
        segment_copies_offset(flush) + (uint64_t)SEGMENT_FLUSH_HEADER_BYTES + flush->copies_bytes;
    struct segment_record decoded;
    const int is_whole = segment_record_decode(record, &decoded);
    assert(is_whole);
    const size_t size = SEGMENT_RECORD_HEADER_BYTES + (size_t)decoded.size;
    const uint64_t bytes = segment_record_bytes(decoded.size);
    const int is_copied = (decoded.flags & SEGMENT_TWO_COPIES) != 0;
    if (bytes > end - rebuilding->at ||
        (is_copied && (flush->copies_bytes == 0 || bytes > copy_end - rebuilding->copy_at))) {
        return 0;
    }
    memcpy(rebuilding->bytes + rebuilding->at, record, size);
    rebuilding->at += bytes;
    if (is_copied) {
        memcpy(rebuilding->bytes + rebuilding->copy_at, record, size);
        rebuilding->copy_at += bytes;
    }
    return 1;
}

/* Do the records that are taken in this order make the flush that was written? */
static int is_right(const uint8_t *data, struct rebuilding *rebuilding, enum mend_order order)
{
    const struct segment_flush *flush = rebuilding->flush;
    assert(flush->format == SEGMENT_FORMAT);
    assert(rebuilding->bytes != NULL);
    rebuilding->at = SEGMENT_FLUSH_HEADER_BYTES;
    rebuilding->copy_at = segment_copies_offset(flush) + (uint64_t)SEGMENT_FLUSH_HEADER_BYTES;
    memset(rebuilding->bytes, 0, segment_flush_bytes(flush));
    for (uint32_t i = 0; i < flush->record_count; i++) {
        const uint8_t *record =
            mend_record(data, flush, rebuilding->at, flush->first_lsn + i, order);
        if (record == NULL || !put_record(rebuilding, record)) {
            return 0;
        }
    }
    return segment_body_is_good(rebuilding->bytes, flush) || MUTANT(84);
}

/* Refuse the flush: by the first record that is whole nowhere, or else as a whole. Without an error
 * only `bad_offset` is set. */
static int explain(struct scan *scan, const struct found *found, const uint8_t *data,
                   enum mend_order order, uint32_t *bad_offset)
{
    const struct segment_flush *flush = &found->flush;
    uint64_t at = SEGMENT_FLUSH_HEADER_BYTES;
    assert(bad_offset != NULL && *bad_offset == 0);
    assert(flush->offset == found->place.offset);
    for (uint32_t i = 0; i < flush->record_count; i++) {
        const uint8_t *record = mend_record(data, flush, at, flush->first_lsn + i, order);
        if (record == NULL) {
            return mend_refuse(scan, found, at, flush->first_lsn + i);
        }
        if (record != data + at && *bad_offset == 0) {
            *bad_offset = flush->offset + (uint32_t)at;
            MARK("mend: a damaged record is read from its second copy");
        }
        at += segment_record_bytes(get_u32(record));
    }
    return 0;
}

int mend_flush(struct scan *scan, const struct found *found, const uint8_t *data,
               enum mend_order *order, uint32_t *bad_offset)
{
    assert(order != NULL && bad_offset != NULL);
    assert(found->flush.offset == found->place.offset);
    struct rebuilding rebuilding = {.flush = &found->flush};
    rebuilding.bytes = malloc(segment_flush_bytes(&found->flush));
    if (rebuilding.bytes == NULL) {
        return report_fill(scan->report, SYNOD_ERR_MEMORY,
                           (struct report_place){scan->window.path, found->flush.offset},
                           "no memory to mend a flush");
    }
    *order = MEND_FIRST;
    int is_mended = is_right(data, &rebuilding, MEND_FIRST);
    if (!is_mended) {
        is_mended = is_right(data, &rebuilding, MEND_SECOND);
        *order = is_mended ? MEND_SECOND : MEND_FIRST;
    }
    free(rebuilding.bytes);
    *bad_offset = 0;
    const int error = explain(scan, found, data, *order, bad_offset);
    if (error != 0 || is_mended) {
        return error;
    }
    return scan_refuse(scan, SYNOD_ERR_CORRUPT, found->place,
                       "it is damaged, and what is left of it is not what was written");
}
