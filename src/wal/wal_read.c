/* wal_read.c -- a record's body, read back from the disk and checked; from any thread.
 *
 * The file is opened for each record, so readers share nothing with the loop nor with each
 * other but the number of the oldest segment. A segment that is trimmed meanwhile loses its
 * name, and may get a new one and new bytes: then the read fails or the record is not the one
 * that was asked for, and the oldest number tells why. It was raised before the file was
 * touched, so whoever sees wrong bytes because of it sees the number too. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "synod/error.h"
#include "wal/wal_internal.h"

/* A read that is under way. */
struct reading {
    struct os *os;
    struct os_file *file;
    struct report_place place; /* Of the record. */
    struct report *report;
};

static int read_piece(const struct reading *reading, uint64_t offset, void *to, size_t size)
{
    assert(reading->file != NULL);
    assert(to != NULL || size == 0);
    const int64_t got = os_file_read(reading->os, reading->file, offset, to, size);
    if (got < 0) {
        return report_system(reading->report, reading->place, "read", got);
    }
    if ((uint64_t)got < size) {
        return report_fill(reading->report, SYNOD_ERR_CORRUPT, reading->place,
                           "the file ends within the record");
    }
    return 0;
}

static int read_record(const struct reading *reading, uint64_t lsn, struct wal_location location,
                       void *to)
{
    assert(location.size <= WAL_RECORD_BYTES_MAX);
    assert(location.offset >= SEGMENT_FLUSH_HEADER_BYTES);
    uint8_t header[SEGMENT_RECORD_HEADER_BYTES];
    struct segment_record record;
    int error = read_piece(reading, location.offset, header, sizeof header);
    if (error != 0) {
        return error;
    }
    if (!segment_record_decode(header, &record) || record.lsn != lsn ||
        record.size != location.size ||
        (get_u32(header + SEGMENT_RECORD_CRC_AT) != location.crc && !MUTANT(87))) {
        return report_fill(reading->report, SYNOD_ERR_CORRUPT, reading->place,
                           "expected the header of record %" PRIu64, lsn);
    }
    error = read_piece(reading, location.offset + sizeof header, to, location.size);
    if (error == 0 && !segment_body_matches(header, to)) {
        error = report_fill(reading->report, SYNOD_ERR_CORRUPT, reading->place,
                            "the body of record %" PRIu64 " is damaged", lsn);
    }
    return error;
}

int wal_read(const struct wal *wal, uint64_t lsn, struct wal_location location, void *to,
             struct report *report)
{
    assert(location.segment > 0 && location.segment_bytes > location.offset);
    char path[SEGMENT_PATH_BYTES];
    const struct segment_name name = {location.segment, location.segment_bytes};
    assert(lsn > 0);
    assert(to != NULL || location.size == 0);
    segment_path(path, wal->dir, name);

    struct reading reading = {.os = wal->os, .place = {path, location.offset}, .report = report};
    int error = os_file_open(wal->os, path, 0, &reading.file);
    if (error != 0) {
        error = report_system(report, reading.place, "open", error);
    } else {
        error = read_record(&reading, lsn, location, to);
        os_file_close(wal->os, reading.file);
    }
    if (error != 0 && location.segment < atomic_load(&wal->first_segment)) {
        MARK("wal: a record is trimmed away while it is read");
        return WAL_TRIMMED;
    }
    return error;
}
