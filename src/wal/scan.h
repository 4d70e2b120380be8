/* scan.h -- read a log from its oldest segment to its end, and judge what is bad in it.
 *
 * Changes nothing and takes no lock: recovery, `synod wal dump` and `verify` are the same walk
 * with different callbacks. What is valid, torn and damaged is said at the top of segment.c. */
#ifndef WAL_SCAN_H
#define WAL_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "os/os.h"
#include "wal/report.h"
#include "wal/segment.h"
#include "wal/wal.h"

struct scan_callbacks {
    void *context;

    /* Each record, in order, once. Returns 0 or a negative error that ends the scan. */
    int (*on_record)(void *context, const struct wal_record *record);

    /* Each flush before its records; `path` of its segment, borrowed. May be NULL. */
    void (*on_flush)(void *context, const char *path, const struct segment_flush *flush);

    /* Something that does not keep the log from being used: damage made good from a second
     * copy, a torn flush at the end. Borrowed. May be NULL. */
    void (*on_warning)(void *context, const struct report *report);
};

/* One segment, as it was found. */
struct scan_segment {
    struct segment_name name;
    uint32_t used;       /* Where its last flush ends; 0: it has none. */
    uint64_t first_lsn;  /* Of its first flush; 0 where it has none. */
    uint32_t is_carried; /* 1: a flush in it carries over what must outlive trimming. */
};

/* What the scan came to. */
struct scan_result {
    struct scan_segment *segments; /* Oldest first; free with scan_result_deinit(). */
    size_t count;                  /* Of segments. */
    size_t end;                    /* Index of the segment in which the log ends: where the
                                    * next flush goes if it fits. */
    uint32_t offset;               /* And at which byte of it. */
    uint32_t last;                 /* Where the last flush begins, if it is in that segment; else
                                    * as `offset`. */
    uint32_t is_sealed;            /* 1: the last flush has no records. */
    uint64_t cluster;              /* 0: not founded. */
    uint64_t log;                  /* 0: there is no flush at all, nor ever was. */
    uint64_t next_number;          /* Of the next flush. */
    uint64_t next_lsn;             /* Of the next record. */
    uint64_t chain;                /* What the next flush has to say of the last one. */
    uint64_t flush_count;          /* Flushes found. */
};

struct scan_input {
    struct os *os;
    const char *dir;                 /* Where the segments are: ends in "/wal". */
    uint64_t cluster;                /* The one the log must be of, if it is of any; 0: any. */
    struct scan_callbacks callbacks; /* on_record is needed. */
};

/* Scan. 0 with `result` filled in; or, with `report` filled in and nothing to free,
 * SYNOD_ERR_CORRUPT, _FOREIGN, _ACCESS, _STORAGE, _MEMORY, or what on_record returned. A
 * directory without segments is an empty log. */
int scan_run(const struct scan_input *input, struct report *report, struct scan_result *result);

void scan_result_deinit(struct scan_result *result);

#endif /* WAL_SCAN_H */
