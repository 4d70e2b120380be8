/* wal_image.h -- a log as it lies on a disk, built stroke by stroke from an input.
 *
 * The strokes build flushes as the log itself would, with right numbers, chains and checksums, and
 * then damage them: with the checksums made right again, or nothing would be tried but them. */
#ifndef TEST_FUZZ_WAL_IMAGE_H
#define TEST_FUZZ_WAL_IMAGE_H

#include "fuzz.h"
#include "os/os.h"
#include "wal/segment.h"

enum {
    IMAGE_SEGMENTS = 4,
    IMAGE_SEGMENT_BYTES = 16 << 10, /* The smallest there may be. */
};

struct wal_image {
    _Alignas(8) uint8_t data[IMAGE_SEGMENTS][IMAGE_SEGMENT_BYTES];
    uint32_t sizes[IMAGE_SEGMENTS]; /* Of the files; 0: not there. */
    uint32_t segment;               /* Where the next flush goes: position in `data`, */
    uint32_t offset;                /* and byte. */
    uint32_t last_offset;           /* Of the last flush, in this segment; valid if `has_last`. */
    int has_last;
    int is_full;
    uint64_t first_number; /* Of the first segment. */
    uint64_t number;       /* Of the next flush. */
    uint64_t lsn;          /* Of the next record. */
    uint64_t chain;
};

/* An image without anything: u8 says whether older segments were trimmed. */
void wal_image_init(struct wal_image *image, struct feed *feed);

/* Append a flush of one record, as the log would. False: there is no room. */
int wal_image_record(struct wal_image *image, const struct segment_record *record,
                     struct bytes body);

/* One stroke of the input. */
void wal_image_stroke(struct wal_image *image, struct feed *feed);

/* Put the files into /data/wal of a machine of test/lib/os_memory.h. */
void wal_image_put(const struct wal_image *image, struct os *os);

#endif /* TEST_FUZZ_WAL_IMAGE_H */
