/* wal_internal.h -- what the files of the log share: its state in memory. */
#ifndef WAL_WAL_INTERNAL_H
#define WAL_WAL_INTERNAL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "os/os.h"
#include "wal/report.h"
#include "wal/segment.h"
#include "wal/supply.h"
#include "wal/wal.h"

enum {
    WAL_FIRST_SEGMENT_BYTES = 1 << 20, /* A new log starts small and quickly, then doubles. */
    WAL_BUFFER_KEEP_BYTES = 64 << 10,  /* What an idle log keeps of each of its two buffers. */
    WAL_SEAL_US = 20000,               /* Default of options.seal_us. */
};

/* Where a durable record lies in its segment. */
struct wal_mark {
    uint32_t offset; /* Of its header. */
    uint32_t size;   /* Of its body. */
    uint32_t crc;    /* Of its header. */
};

/* One segment that is not trimmed. */
struct wal_segment {
    struct list link; /* In wal->segments, oldest first. */
    struct segment_name name;
    uint32_t used;          /* Where its last durable flush ends. */
    uint64_t carried_by;    /* The first durable flush in it that carries over what must outlive
                             * trimming; 0: none. */
    uint64_t first_lsn;     /* Of its first record; of the next one while it has none. */
    struct wal_mark *marks; /* Of records first_lsn .. first_lsn + count - 1. */
    size_t count;
    size_t capacity;
};

/* A flush in memory: room for a header, then records. */
struct wal_buffer {
    uint8_t *data;          /* Aligned to blocks, for direct writing; NULL at first. */
    size_t capacity;        /* Always >= the bytes of the whole flush, copies included. */
    uint32_t records_bytes; /* Of records with their headers. */
    uint32_t copies_bytes;  /* Of those among them that want a second copy. */
    uint32_t count;         /* Of records. */
    uint32_t is_carry;      /* 1: on_segment appended to it. */
    uint64_t first_lsn;     /* Of its first record; counts where count > 0. */
};

struct wal {
    struct os *os;
    char dir[SEGMENT_PATH_BYTES]; /* Ends in "/wal". */
    struct wal_callbacks callbacks;
    uint32_t segment_bytes; /* Size to which segments grow. */
    uint32_t seal_us;

    /* What the log is. */
    uint64_t cluster; /* 0: not founded. */
    uint64_t log;     /* Never 0. */
    int is_new;

    /* Where it stands. durable <= last; the flush that is written holds durable + 1 and on. */
    struct list segments;               /* Never empty; the last one is written to. */
    struct os_file *file;               /* Of the last segment. */
    uint64_t next_number;               /* Of the next flush. */
    uint64_t chain;                     /* What it has to say of the one before. */
    uint64_t last;                      /* Last record appended. */
    uint64_t durable;                   /* Last record on stable storage. */
    uint64_t trim;                      /* Records below it are not needed ... */
    uint64_t trim_after;                /* ... once this one is durable. */
    int is_sealed;                      /* The last flush has no records. */
    atomic_uint_fast64_t first_segment; /* Number of the oldest; for readers on other threads. */

    /* What is to be done. */
    struct wal_buffer forming; /* What was appended. */
    int is_flush_wanted;       /* The owner asked for it to be written. */
    int is_seal_wanted;        /* The log has been idle. */
    uint32_t needed_bytes;     /* A flush waits for a segment with so much room; 0: none waits. */

    /* The flush that is written. The loop does not look at these four while it is. */
    int is_writing;
    struct wal_buffer writing;
    struct segment_flush flush;
    struct report report;

    struct os_work work;
    struct supply supply;
    struct os_timer *timer; /* Runs until the seal is due. */

    /* How it ends. */
    int is_failed;         /* Latched: nothing is written or acknowledged any more. */
    int is_failure_told;   /* on_failure was called. */
    struct report failure; /* Why. */
    int is_closing;        /* wal_close() was called; no callbacks of the owner any more. */
    int depth;             /* Of calls on the stack that go on using the log. */
    os_callback on_closed;
    void *closed_context;
};

/* -- wal.c ------------------------------------------------------------------------------- */

/* A log in memory, about which nothing is known yet. NULL without memory. */
struct wal *wal_new(struct os *os, const char *dir, const struct wal_options *options);

/* Remember the first failure. Who is on the way out of the log tells the owner. */
void wal_latch(struct wal *wal, const struct report *report);

/* Write and sync wal->flush, whose records are in wal->writing, to wal->file. 0, or an error
 * with wal->report filled in. On a worker, or before the loop knows of the log. */
int wal_write(struct wal *wal);

/* Fill in wal->flush for what is in wal->writing, as the next flush of the log. */
void wal_prepare_flush(struct wal *wal);

/* Make room in the buffer for a flush of so many bytes of records and copies. 0, or -1 without
 * memory. */
int wal_buffer_reserve(struct wal_buffer *buffer, uint64_t records_bytes, uint64_t copies_bytes);

/* The flush in wal->writing is durable: book it. */
void wal_settle(struct wal *wal);

/* Do what can be done now: start a flush, make or recycle a segment. */
void wal_advance(struct wal *wal);

/* Free everything but what jobs under way need: there must be none. */
void wal_free(struct wal *wal);

/* -- wal_check.c ------------------------------------------------------------------------- */

/* Assert every invariant of a log that is open. */
void wal_check(const struct wal *wal);

/* -- wal_trim.c -------------------------------------------------------------------------- */

/* The segment that is written to. */
struct wal_segment *wal_current(const struct wal *wal);

/* Begin segment `name` behind the others. NULL without memory. */
struct wal_segment *wal_segment_append(struct wal *wal, struct segment_name name,
                                       uint64_t first_lsn);

/* Make room for `count` more marks. 0, or -1 without memory. */
int wal_segment_reserve(struct wal_segment *segment, size_t count);

/* The size that the segment after the present one should have, one flush of `flush_bytes` (may
 * be 0) included. */
uint32_t wal_next_bytes(const struct wal *wal, uint64_t flush_bytes);

/* Go on in the segment that is ready. 0, or -1 without memory. */
int wal_switch_segment(struct wal *wal, uint64_t first_lsn);

/* Begin the job that is due for the segments, if one is. */
void wal_tend_segments(struct wal *wal);

#endif /* WAL_WAL_INTERNAL_H */
