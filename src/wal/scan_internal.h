/* scan_internal.h -- what the walk over a log and the judge of bad flushes share. */
#ifndef WAL_SCAN_INTERNAL_H
#define WAL_SCAN_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "wal/scan.h"
#include "wal/window.h"

struct place {
    size_t index;    /* Of a segment in the result. */
    uint32_t offset; /* In bytes; a block boundary. */
};

struct scan {
    const struct scan_input *input;
    struct report *report;
    struct scan_result *result;
    size_t capacity; /* Of result->segments. */
    int error;       /* Of list_segment(), which cannot return it. */
    uint64_t judged; /* Number of the flush that scan_judge_bad() judges; 0: not known. */
    struct window window;
};

/* A flush that was found and is to be taken. */
struct found {
    struct place place;         /* Where it starts. */
    struct segment_flush flush; /* Its header. */
    uint64_t hash;              /* segment_chain() of that header. */
};

/* Of two copies of a record: which is believed before the other. */
enum mend_order {
    MEND_FIRST = 1,
    MEND_SECOND,
};

/* -- scan.c ------------------------------------------------------------------------------- */

/* The name of the segment that `place` is in. */
struct segment_name scan_name_of(const struct scan *scan, struct place place);

/* True once a flush was found. */
int scan_is_log_known(const struct scan *scan);

/* True if a flush could start behind the last one in the same segment. */
int scan_has_room(const struct scan *scan);

/* True if the header says that it was written by this log to the segment it lies in: not left
 * from an earlier use of the file, not client's bytes. */
int scan_is_ours(const struct scan *scan, struct place place, const struct segment_flush *flush);

/* Read the block at `place` and decode the header that may be in it. `header` (may be NULL) is
 * pointed at its bytes, which hold until the next read. */
int scan_read_header(struct scan *scan, struct place place, struct segment_flush *flush,
                     enum segment_verdict *verdict, const uint8_t **header);

/* Report that at `place` the next flush was expected. Returns `error`. */
int scan_refuse(struct scan *scan, int error, struct place place, const char *expected);

/* Read the flush. `data` is pointed at its bytes, which hold until the next read. */
int scan_read_flush(struct scan *scan, const struct found *found, const uint8_t **data);

/* Hand out every record of the flush, whose bytes are `data`, and step over it. */
int scan_take_flush(struct scan *scan, const struct found *found, const uint8_t *data,
                    enum mend_order order);

/* -- mend.c ------------------------------------------------------------------------------- */

/* Record `lsn` of the flush, which should begin at `at` in `data`: in the copy that comes first in
 * this order if it is whole there, else in the other. NULL if it is whole in neither. */
const uint8_t *mend_record(const uint8_t *data, const struct segment_flush *flush, uint64_t at,
                           uint64_t lsn, enum mend_order order);

/* Refuse a flush of which record `lsn`, at `at`, is whole in neither copy. */
int mend_refuse(struct scan *scan, const struct found *found, uint64_t at, uint64_t lsn);

/* Find the order in which the records of a damaged flush are those that were written; else refuse.
 * `bad_offset` is set to the first byte, in the segment, of a record that is not taken from where
 * it should be; 0 if all are. */
int mend_flush(struct scan *scan, const struct found *found, const uint8_t *data,
               enum mend_order *order, uint32_t *bad_offset);

/* -- scan_judge.c ------------------------------------------------------------------------- */

/* The next flush is bad: its header was found but the body does not fit (`is_found`), or there
 * is no header. Sets `is_end` if it may be cut; else takes it or refuses. */
int scan_judge_bad(struct scan *scan, struct found *found, int is_found, int *is_end);

#endif /* WAL_SCAN_INTERNAL_H */
