/* owner.h -- who uses a log and its snapshots, and knows what of it must be there afterwards.
 *
 * It does with them what a replica does: appends entries and promises, founds the cluster, takes
 * snapshots of a state machine, receives one from a peer, trims, and recovers. The model says
 * what it did and what was acknowledged; owner_open() compares what recovery found. */
#ifndef TEST_DISK_OWNER_H
#define TEST_DISK_OWNER_H

#include <stddef.h>
#include <stdint.h>

#include "base/prng.h"
#include "os_memory.h"
#include "wal/wal.h"

enum {
    OWNER_RECORDS_MAX = 1200,
    OWNER_SLOTS_MAX = 1200,
    OWNER_GROUP = 3,
    OWNER_TEXT_BYTES = 1600,
};

#define OWNER_CLUSTER UINT64_C(0x5ca1ab1e0ddba115)

enum owner_type {
    OWNER_ENTRY = 1, /* A slot's number, and bytes that follow from the record's tag. */
    OWNER_PROMISE,   /* A number that must never be forgotten; in two copies. */
    OWNER_FOUNDING,  /* The cluster's number; in two copies. */
};

/* A record that was appended. */
struct owner_record {
    uint64_t tag;     /* Its content follows from this. */
    uint64_t number;  /* The slot, or the promise, or the cluster: its first 8 bytes. */
    uint64_t promise; /* The last one when it was appended, itself included. */
    uint64_t slot;    /* The last one when it was appended, itself included. */
    uint32_t size;
    uint16_t type;
};

/* What was done, and what of it was acknowledged. Plain data: states of a disk that are tried
 * one after the other begin with a copy each. */
struct model {
    uint64_t last;           /* Record appended. */
    uint64_t durable;        /* Record acknowledged. */
    uint64_t promise;        /* The last one made. */
    uint64_t slot;           /* The last one that the state holds. */
    uint64_t trim;           /* What wal_trim() was told. */
    uint64_t founding;       /* The record with which the cluster was founded; 0: none yet. */
    uint64_t snapshot;       /* Slot of the newest snapshot that was reported written; 0: none. */
    uint64_t snapshot_asked; /* Slot of one that was begun, and may be there. */
    uint32_t segment_bytes;
    uint32_t snapshot_bytes;              /* Of state in each snapshot. */
    uint64_t states[OWNER_SLOTS_MAX + 1]; /* The state machine's hash after each slot. */
    struct owner_record records[OWNER_RECORDS_MAX + 1]; /* By number; 1 .. last. */
};

/* What a recovery found. */
struct owner_seen {
    uint64_t first;    /* Record; 0: none. */
    uint64_t last;     /* Record. */
    uint64_t promise;  /* The last one. */
    uint64_t snapshot; /* Slot of the newest; 0: none. */
    uint64_t slot;     /* The last one of the state. */
    uint64_t state;    /* The hash that it came to. */
    uint64_t repairs;  /* Times that the log said to have made damage good. */
};

/* Bytes [from, to) of a file, or of two, that are not what was written there. */
struct owner_damage {
    const char *files[2]; /* NULL: none. */
    size_t from;
    size_t to;
};

struct snapshot_job;

struct owner {
    struct os *os;            /* Borrowed. */
    struct wal *wal;          /* NULL: closed. */
    struct snapshot_job *job; /* A snapshot that is being written or received. */
    struct prng prng;
    int reads_back;               /* After a recovery; for that the disk must refuse nothing. */
    struct owner_damage damage;   /* What it may find bad then, if there is another copy. */
    uint64_t pick;                /* Chooses a record for it, beside the first and the last. */
    int has_failed;               /* on_failure was called: the process is to exit. */
    struct owner_seen seen;       /* By the last recovery. */
    struct report report;         /* Of the last failure. */
    char wrong[OWNER_TEXT_BYTES]; /* What is not as it must be; "" if all is. */
    struct model model;
};

/* An owner on a machine, closed; `model` NULL: nothing was ever done there. Copied. */
void owner_init(struct owner *owner, struct os *os, const struct model *model);

void model_copy(struct model *to, const struct model *from);

/* A hash of everything in the model that a verdict depends on. */
uint64_t model_hash(const struct model *model);

/* Recover. 0, with owner->wrong filled in where what was found is not what was acknowledged, and
 * everything found counting as acknowledged from now on; or the error, with owner->report. */
int owner_open(struct owner *owner);

/* Take everything down after the machine died, or as if the process had. */
void owner_die(struct owner *owner);

/* Close in good order. */
void owner_close(struct owner *owner);

/* What a replica does while it runs. owner_flush() and those that say so begin jobs of the
 * machine, which go on in os_memory_step(). */
void owner_found(struct owner *owner);
void owner_append(struct owner *owner, uint32_t size);  /* At least 8 bytes. */
void owner_promise(struct owner *owner, uint32_t size); /* At least 8 bytes. */
void owner_flush(struct owner *owner);
void owner_snapshot(struct owner *owner);                /* Begins a job. */
void owner_receive(struct owner *owner, uint64_t slots); /* So many slots ahead; begins a job. */

/* Flush, and let the machine run until nothing more happens. */
void owner_settle(struct owner *owner);

/* Let the idle time pass, so that the log is sealed. */
void owner_idle(struct owner *owner);

#endif /* TEST_DISK_OWNER_H */
