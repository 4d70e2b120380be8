/* supply.h -- segments: made ahead of need, handed to the log, taken back when trimmed.
 *
 * Filling a segment with zeroes takes as long as the disk takes for its megabytes, and writing
 * to a file that grows costs twice the latency of one that was written before
 * (docs/internals/wal.md). So the next segment is made on a worker while the present one is in
 * use, by preference from one that was trimmed. One job at a time. */
#ifndef WAL_SUPPLY_H
#define WAL_SUPPLY_H

#include <stddef.h>
#include <stdint.h>

#include "os/os.h"
#include "wal/report.h"
#include "wal/segment.h"

enum {
    SUPPLY_SPARES = 2 /* Trimmed segments kept for use again; the rest is removed. */
};

/* What a job is to do, and what came of it. The loop does not look at it while it runs. */
struct supply_job {
    struct segment_name from; /* Segment to give up first; number 0: none. */
    struct segment_name to;   /* Segment to make; number 0: none. bytes: at least that many. */
    size_t spare;             /* Which spare-<k> is used on the way. */
    int is_removal;           /* `from` is removed and becomes no spare. */
    struct os_file *file;     /* Of `to`, open for direct writing. */
    struct report report;     /* error != 0: it failed. */
};

struct supply {
    struct os *os;
    char dir[SEGMENT_PATH_BYTES]; /* Ends in "/wal". */
    struct os_work work;
    struct supply_job job;
    int is_busy;                         /* The job is under way. */
    uint32_t spare_bytes[SUPPLY_SPARES]; /* Size of spare-<k>; 0: there is none. */
    struct segment_name ready;           /* The segment that waits to be used; number 0: none. */
    struct os_file *ready_file;          /* Its file; NULL where there is none. */
    os_callback on_done;                 /* A job ended; look at job.report.error. */
    void *context;
};

/* `dir` ends in "/wal" and is copied. Nothing is touched yet. */
void supply_init(struct supply *supply, struct os *os, const char *dir, os_callback on_done,
                 void *context);

/* Remove every spare that an earlier life left: nobody knows in what state they are. On the
 * calling thread. */
int supply_clear(struct supply *supply, struct report *report);

/* Open segment `name`, which is there and unused, as the one that is ready. On the calling
 * thread. */
int supply_adopt(struct supply *supply, struct segment_name name, struct report *report);

/* Make segment `number` of at least `bytes` bytes ready: from a spare, from the one that is
 * ready but too small, or anew. Begins a job; none may be under way. */
void supply_make(struct supply *supply, uint64_t number, uint32_t bytes);

/* The same on the calling thread, before the log is in use. */
int supply_make_now(struct supply *supply, uint64_t number, uint32_t bytes, struct report *report);

/* Segment `name` was trimmed: keep its file as a spare, or remove it. Begins a job. */
void supply_recycle(struct supply *supply, struct segment_name name);

/* Take the segment that is ready: the caller owns its file now. */
struct os_file *supply_take(struct supply *supply, struct segment_name *name);

/* Assert that what is said of a supply is so. O(1). */
void supply_check(const struct supply *supply);

/* Close what is open. No job may be under way. The segment that is ready stays on the disk. */
void supply_deinit(struct supply *supply);

#endif /* WAL_SUPPLY_H */
