/* wal.h -- the write-ahead log: records that are on the disk when it says so, and stay there.
 *
 * One log per data directory, in DIR/wal. How it lies on the disk and what recovery believes
 * is written at the top of segment.c; how a flush works at the top of wal.c.
 *
 * The owner's loop:
 *
 *     wal_open(...)            every record that survived, in order: on_record
 *     lsn = wal_append(...)    any number, in one turn of the loop
 *     wal_flush(wal)           at the end of the turn, and from on_durable
 *     on_durable(lsn)          what waited for records up to lsn may now be answered
 *
 * Errors    The first failure of a write, a sync, an open, a rename or an allocation is final:
 *           on_failure is called once, nothing is written after it and on_durable never comes
 *           again. Nothing is tried a second time. wal_append() goes on handing out numbers,
 *           so the owner needs no check at each call.
 * Threads   All functions and callbacks on the loop thread, except wal_read().
 * Lock      The owner sees to it that one process at a time has the directory.
 */
#ifndef WAL_WAL_H
#define WAL_WAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "os/os.h"
#include "wal/report.h"

/* -- Limits ------------------------------------------------------------------------------ */

enum {
    WAL_SEGMENT_BYTES = 64 << 20,     /* Default size to which segments grow. */
    WAL_SEGMENT_BYTES_MIN = 16 << 10, /* Four blocks: only tests want this. */
    WAL_SEGMENT_BYTES_MAX = 1 << 30,
    WAL_RECORD_BYTES_MAX = 64 << 20, /* The largest body of a record. */
    WAL_PENDING_BYTES_MAX = 1 << 30, /* More than this not yet written is a failure (memory). */
};

/* -- Records ----------------------------------------------------------------------------- */

enum wal_flags {
    WAL_TWO_COPIES = 1, /* Written twice, in different blocks of one flush, and durable when
                         * both are: for what no peer could give back (promises, identity). */
};

/* What a record is, besides its bytes. The log looks at `flags` alone. */
struct wal_kind {
    uint32_t group;  /* Which of the groups that share this log. */
    uint16_t type;   /* The owner's number for what the body holds. */
    uint16_t format; /* The owner's version of that body. */
    uint32_t flags;  /* enum wal_flags. */
};

/* Where a durable record lies. Plain data: keep it, copy it, hand it to another thread. */
struct wal_location {
    uint64_t segment;       /* Sequence number of the segment; from 1. */
    uint32_t segment_bytes; /* Its size, which is part of its name. */
    uint32_t offset;        /* Of the record's header, in bytes from the segment's start. */
    uint32_t size;          /* Of the body, in bytes. */
    uint32_t crc;           /* Of the header, which holds that of the body. */
};

/* One record, as recovery found it. */
struct wal_record {
    uint64_t lsn;                 /* Its number: 1, 2, 3 ... without gaps. */
    struct wal_kind kind;         /* As it was appended. */
    struct bytes body;            /* Borrowed until the callback returns. */
    struct wal_location location; /* Where to read it again. */
};

/* -- Options ----------------------------------------------------------------------------- */

struct wal_callbacks {
    void *context;

    /* Recovery, from inside wal_open(): every record, in the order of their numbers, each once.
     * Where two records speak of one thing, the later wins. Returns 0, or a negative enum
     * synod_error with which wal_open() then fails. */
    int (*on_record)(void *context, const struct wal_record *record);

    /* Every record up to `lsn` is on stable storage. Call wal_flush() from here. */
    void (*on_durable)(void *context, uint64_t lsn);

    /* The log has failed for good: SYNOD_ERR_STORAGE or SYNOD_ERR_MEMORY, where, and a sentence
     * for the operator, borrowed during the call. Called once, from the loop or from
     * wal_flush(), never from wal_append(). */
    void (*on_failure)(void *context, const struct report *report);

    /* A new segment begins: append again, now, everything that must outlive trimming (the
     * promises, the start count, the founding table, the view), as it stands in memory at this
     * moment, records included that were appended but are not durable yet. Called from inside
     * wal_flush() or from the loop; it may call wal_append() and nothing else of the log. */
    void (*on_segment)(void *context);
};

struct wal_options {
    uint64_t cluster;               /* The cluster that the directory must belong to, where it
                                     * belongs to one already; 0: take what is there. */
    uint32_t segment_bytes;         /* Size to which segments grow, a multiple of OS_BLOCK_SIZE
                                     * between the limits above; 0: WAL_SEGMENT_BYTES. A single
                                     * flush that is larger gets a segment of its own size. */
    uint32_t seal_us;               /* Idle time after which a seal is written; 0: 20,000. */
    struct wal_callbacks callbacks; /* All of them are needed. */
};

struct wal;

/* -- Lifecycle --------------------------------------------------------------------------- */

/* Open the log in `dir`/wal; make it if there is none (`dir` itself must be there). Blocks the
 * calling thread while it reads what is there; then writes and syncs one block, which ends the
 * life before for good (a torn flush that was cut can never come back), so everything that
 * on_record was shown is durable when this returns. `dir` and `options` are copied.
 *
 * 0, or with `report` filled in and nothing left open:
 *   SYNOD_ERR_CORRUPT   something that had been acknowledged is damaged or missing
 *   SYNOD_ERR_FOREIGN   the log of another cluster or directory, or of a newer format
 *   SYNOD_ERR_ACCESS    the directory cannot be made, read, or is open to others
 *   SYNOD_ERR_STORAGE   the disk refused a read, a write or a sync
 *   SYNOD_ERR_MEMORY    out of memory
 *   what on_record returned */
int wal_open(struct os *os, const char *dir, const struct wal_options *options,
             struct report *report, struct wal **wal);

/* The directory belongs to `cluster` (not 0) from the next flush on. Once: at founding, before
 * or after appending the founding record; both are durable together if no wal_flush() is
 * between. Calling it again with the same number does nothing. */
void wal_found(struct wal *wal, uint64_t cluster);

/* Write what was appended, write a seal, and let go of everything. No callback of the options
 * comes any more; `on_closed` (may be NULL) is called when nothing of the log is under way, at
 * the earliest before this returns. The pointer is dead. */
void wal_close(struct wal *wal, os_callback on_closed, void *context);

/* -- Writing ----------------------------------------------------------------------------- */

/* Append a record whose body is `parts`, one after the other; they are copied before this
 * returns. Returns the record's number, one above the last. Durable when on_durable says so.
 * Cannot fail: where there is no memory the log has failed, and the next wal_flush() says so.
 * `flags` and sizes beyond the limits are bugs. */
uint64_t wal_append(struct wal *wal, struct wal_kind kind, const struct bytes *parts, size_t count);

/* Begin to write everything that was appended, as one flush. If one is being written, it begins
 * when that has returned, after on_durable, with all that was appended until then. */
void wal_flush(struct wal *wal);

/* -- Reading back ------------------------------------------------------------------------ */

/* What wal_locate() and wal_read() return besides 0 and errors. */
enum {
    WAL_TRIMMED = 1, /* The record was trimmed. */
    WAL_PENDING = 2, /* The record is not durable yet: its owner still has the bytes. */
};

/* Where is record `lsn` (1 .. wal_last())? 0, WAL_TRIMMED or WAL_PENDING. */
int wal_locate(const struct wal *wal, uint64_t lsn, struct wal_location *location);

/* Read the body of record `lsn` back into `to`, which has room for location->size bytes, and
 * check it. From any thread, as long as the log is open; blocks. 0, WAL_TRIMMED (also when it
 * is trimmed meanwhile), or with `report` filled in SYNOD_ERR_CORRUPT, SYNOD_ERR_STORAGE. */
int wal_read(const struct wal *wal, uint64_t lsn, struct wal_location location, void *to,
             struct report *report);

/* -- Trimming ---------------------------------------------------------------------------- */

/* Records below `lsn` are not needed any more, given those appended so far: when these are
 * durable, segments that hold nothing else are recycled, by and by. What on_segment appends again
 * never holds trimming back. */
void wal_trim(struct wal *wal, uint64_t lsn);

/* -- Introspection ----------------------------------------------------------------------- */

/* Bytes of flushes in segments that are not trimmed. */
uint64_t wal_bytes(const struct wal *wal);

/* Number of the first record of the newest segment that, with all behind it, has at least `bytes`
 * of flushes: of the oldest one if there are not so many. wal_last() + 1 if `bytes` is 0. */
uint64_t wal_tail(const struct wal *wal, uint64_t bytes);

/* Number of the oldest record that is still there; wal_last() + 1 where there is none. */
uint64_t wal_first(const struct wal *wal);

/* Number of the last record appended; 0 where there never was one. */
uint64_t wal_last(const struct wal *wal);

/* Number of the last record that is durable. */
uint64_t wal_durable(const struct wal *wal);

/* Bytes of records, with their headers, that were appended and are not durable: how far the disk
 * is behind. More than WAL_PENDING_BYTES_MAX of them that nobody writes yet end the log. */
uint64_t wal_backlog(const struct wal *wal);

/* The cluster that the directory belongs to; 0 before founding. */
uint64_t wal_cluster(const struct wal *wal);

/* True if wal_open() made the log, having found none. A directory that has snapshots but no
 * log is no new one: the owner must refuse it. */
int wal_is_new(const struct wal *wal);

#endif /* WAL_WAL_H */
