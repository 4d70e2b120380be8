/* segment.h -- the format of the write-ahead log: names, flush headers, record headers.
 *
 * Pure: it knows bytes, and neither files nor the loop. The format is at the top of segment.c. */
#ifndef WAL_SEGMENT_H
#define WAL_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "os/os.h"

enum {
    SEGMENT_BLOCK_BYTES = OS_BLOCK_SIZE, /* Flushes begin at and are padded to multiples of it. */
    SEGMENT_FLUSH_HEADER_BYTES = 96,
    SEGMENT_RECORD_HEADER_BYTES = 32,
    SEGMENT_RECORD_CRC_AT = 28, /* In the header of a record: what tells it from all others. */
    SEGMENT_FORMAT = 1,         /* The version that is written, and the newest that is read. */
    SEGMENT_NAME_BYTES = 40,    /* Room for a segment's name. */
    SEGMENT_PATH_BYTES = 1024   /* Room for a path: longer data directories are refused. */
};

/* -- Files ------------------------------------------------------------------------------- */

/* What the name of a segment says. */
struct segment_name {
    uint64_t number; /* Its sequence number; from 1, without gaps. */
    uint32_t bytes;  /* The size of the file; a multiple of SEGMENT_BLOCK_BYTES. */
};

/* Write the path of a segment in `dir` (which ends in "/wal") to `path`. */
void segment_path(char path[SEGMENT_PATH_BYTES], const char *dir, struct segment_name name);

/* True, with `name` filled in, if `text` is the name of a segment. */
int segment_name_parse(const char *text, struct segment_name *name);

/* -- Flushes ----------------------------------------------------------------------------- */

enum segment_flush_flags {
    SEGMENT_CARRY = 1, /* What must outlive trimming was appended again in this flush. */
};

struct segment_flush {
    uint16_t format;        /* SEGMENT_FORMAT, or a newer one that cannot be read. */
    uint16_t flags;         /* enum segment_flush_flags. */
    uint64_t cluster;       /* 0 before founding. */
    uint64_t log;           /* Drawn at random when the log was made; never leaves the machine. */
    uint64_t segment;       /* The segment that it was written to. */
    uint64_t number;        /* From 1, without gaps; n says that n - 1 had returned. */
    uint64_t chain;         /* segment_chain() of flush n - 1; 0 in the first. */
    uint64_t body_hash;     /* Of everything that follows the header; see segment.c. */
    uint64_t first_lsn;     /* Of its first record, or of the next one if it has none. */
    uint32_t record_count;  /* 0: a seal, or the flush that opens a life. */
    uint32_t offset;        /* From the start of the segment, in bytes. */
    uint32_t records_bytes; /* Of the records with their headers, after the flush header. */
    uint32_t copies_bytes;  /* Of the second copies, after the copy of the header; 0: none. */
    uint32_t segment_bytes; /* The size of the segment. */
};

enum segment_verdict {
    SEGMENT_NOTHING = 1, /* No header, or not the one that was written. */
    SEGMENT_GOOD,        /* The header is whole (the body need not be). */
    SEGMENT_NEWER,       /* Whole as far as every version has it alike, and of a newer one. */
};

/* Where the second part of a flush, the copies, starts; and its whole size. In bytes from the
 * start of the flush. */
uint32_t segment_copies_offset(const struct segment_flush *flush);
uint64_t segment_flush_bytes(const struct segment_flush *flush);

/* Read the header at `from` (SEGMENT_FLUSH_HEADER_BYTES bytes). All but the last verdict mean
 * what they say only for format, cluster, log, segment and number if it is SEGMENT_NEWER. */
enum segment_verdict segment_flush_decode(const uint8_t *from, struct segment_flush *flush);

/* Complete a flush in memory: `data` has room for segment_flush_bytes(), and records with their
 * headers (all but the checksums) from SEGMENT_FLUSH_HEADER_BYTES on. Fills in the checksums,
 * the copies, the padding and the header; flush->body_hash is set. */
void segment_flush_finish(uint8_t *data, struct segment_flush *flush);

/* True if the bytes after the header are those that were written. `data` holds the whole flush. */
int segment_body_is_good(const uint8_t *data, const struct segment_flush *flush);

/* What the next flush says of the flush whose header is at `header`. */
uint64_t segment_chain(const uint8_t *header);

/* -- Records ----------------------------------------------------------------------------- */

enum segment_record_flags {
    SEGMENT_TWO_COPIES = 1, /* It is also among the copies. */
};

struct segment_record {
    uint32_t size;   /* Of the body. */
    uint16_t type;   /* The owner's. */
    uint16_t format; /* The owner's. */
    uint32_t group;  /* The owner's. */
    uint32_t flags;  /* enum segment_record_flags. */
    uint64_t lsn;
};

/* Bytes that a record takes with its header and its padding. */
static inline uint64_t segment_record_bytes(uint32_t size)
{
    return SEGMENT_RECORD_HEADER_BYTES + (((uint64_t)size + 7) & ~(uint64_t)7);
}

/* Write a header without its checksums, which segment_flush_finish() fills in. */
void segment_record_encode(const struct segment_record *record, uint8_t *to);

/* Read the header at `from`; false if it is not whole. */
int segment_record_decode(const uint8_t *from, struct segment_record *record);

/* True if `body` is the one that was written under the whole header at `header`. */
int segment_body_matches(const uint8_t *header, const uint8_t *body);

#endif /* WAL_SEGMENT_H */
