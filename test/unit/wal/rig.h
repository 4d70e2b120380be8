/* rig.h -- an owner of a log that knows what it appended, and notices when that is not so. */
#ifndef TEST_UNIT_WAL_RIG_H
#define TEST_UNIT_WAL_RIG_H

#include "base/prng.h"
#include "base/sanitized.h"
#include "os_memory.h"
#include "wal/scan.h"
#include "wal/wal.h"

/* What is exhaustive elsewhere is sampled under the address sanitizer: one case in RIG_STRIDE. */
enum {
    RIG_STRIDE = IS_SANITIZED ? 7 : 1
};

enum rig_type {
    RIG_DATA = 1, /* Bytes that follow from the record's tag. */
    RIG_PROMISE,  /* A number that must never be forgotten; in two copies. */
};

enum {
    RIG_RECORDS_MAX = 2000,
    RIG_SEGMENT_BYTES = WAL_SEGMENT_BYTES_MIN
};

/* A record that was appended. */
struct rig_record {
    uint64_t tag;     /* Its content follows from this. */
    uint64_t promise; /* The last promise when it was appended, itself included. */
    uint32_t size;
    uint32_t group;
    uint16_t type;
};

struct rig {
    struct os *os;
    struct wal *wal; /* NULL: closed. */
    struct wal_options options;
    struct prng prng;
    uint64_t seed;    /* As given to rig_new(): printed when something is wrong. */
    uint64_t variant; /* The test's own number of the case; printed too. */
    struct rig_record records[RIG_RECORDS_MAX + 1]; /* By number; 1 .. last. */
    uint64_t last;                                  /* Appended. */
    uint64_t durable;                               /* Acknowledged. */
    uint64_t promise;                               /* The last one made. */
    uint64_t trim;                                  /* What wal_trim() was told. */
    uint64_t first_seen;                            /* By recovery; 0: no record. */
    uint64_t last_seen;
    uint64_t promise_seen;
    uint64_t durable_calls;
    uint64_t segment_calls;
    uint64_t failure_calls;
    uint64_t warnings; /* Lines logged since rig_new(). */
    int failure;       /* What on_failure said. */
    int is_wrong;      /* A record was not what was appended. */
    int is_closed;
    struct report report; /* Of the last rig_open(). */
};

/* A rig on a new machine, which the rig owns; nothing is opened yet. */
struct rig *rig_new(uint64_t seed);

/* Close, and free the machine too. */
void rig_free(struct rig *rig);

/* Open the log and compare what it holds with what was appended: everything acknowledged, what
 * else there is a prefix of what followed, nothing that was not trimmed missing, the last
 * promise right. Returns what wal_open() did; a wrong record fails the test. Where it returned
 * 0, what was recovered counts as acknowledged, and what was not is forgotten. */
int rig_open(struct rig *rig);

/* Read what is there without opening it, and compare: 0 if it is exactly what was acknowledged,
 * 1 if something else was read, or the error with rig->report filled in. */
int rig_scan(struct rig *rig);

/* Close in good order and wait for it. */
void rig_close(struct rig *rig);

/* Take the log down after the machine died, or as if it had. */
void rig_die(struct rig *rig);

/* Append; the content is chosen by the rig's chance. */
uint64_t rig_append(struct rig *rig, uint32_t size);
uint64_t rig_promise(struct rig *rig);
uint64_t rig_promise_sized(struct rig *rig, uint32_t size); /* At least 8 bytes. */

/* Flush, and let the machine run until nothing more happens (no timers). */
void rig_settle(struct rig *rig);

/* Let the idle time pass, so that the log is sealed. */
void rig_seal(struct rig *rig);

void rig_trim(struct rig *rig, uint64_t lsn);

/* Path of segment `number` of a log whose segments all have `bytes`; borrowed until the next
 * call. */
const char *rig_segment(uint64_t number, uint32_t bytes);

#endif /* TEST_UNIT_WAL_RIG_H */
