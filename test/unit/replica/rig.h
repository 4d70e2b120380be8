/* rig.h -- a cluster of one replica on a disk in memory, with a state machine that counts.
 *
 * One member is a quorum, so everything happens here: founding, standing, voting, applying,
 * snapshots and restarts. Nobody else is there to talk to, and nothing listens. */
#ifndef TEST_UNIT_REPLICA_RIG_H
#define TEST_UNIT_REPLICA_RIG_H

#include "os/os.h"
#include "replica/replica.h"

/* All that the machine knows: how many commands it was given, and a hash over all of them. */
struct rig_state {
    uint64_t count;
    uint64_t hash;
};

struct rig {
    struct os *os;
    struct os_functions functions; /* Those of the disk in memory, and a loop. */
    struct replica *replica;       /* NULL while it is down. */
    os_callback turn_end;
    void *turn_end_context;
    uint64_t snapshot_bytes;
    int64_t room;        /* Bytes free on the disk, as it says; at first as many as there are. */
    uint64_t room_asked; /* How often it was asked. */
    uint64_t sequence;   /* Commands submitted. */
    struct rig_state state;
    struct rig_state frozen; /* What an open snapshot shows, ... */
    size_t frozen_at;        /* ... from here on. */
    size_t restored;         /* Bytes of a state that is being restored. */
    uint64_t snapshots;      /* Taken. */
    uint64_t acknowledged;   /* Commands whose outcome came without an error. */
    uint64_t reads;          /* Reads that may be answered, and ... */
    struct rig_state seen;   /* ... what the last of them saw. */
    uint32_t stops;          /* That it was told of. */
    struct report report;    /* Why it did not open. */
    uint64_t errors;         /* Outcomes of commands and reads that were errors. */
};

/* A machine with an empty disk; no replica yet. */
void rig_init(struct rig *rig);
void rig_deinit(struct rig *rig);

/* Begin a life with an empty machine, on what is on the disk. */
void rig_open(struct rig *rig);

/* The same, if it can. Returns what replica_open() did. */
int rig_try(struct rig *rig);

/* The process dies, and with it whatever was not synced. */
void rig_kill(struct rig *rig);

/* Some milliseconds pass, with everything that they bring. */
void rig_run(struct rig *rig, uint32_t ms);

/* Submit that many commands, one in each turn, and wait until all are acknowledged. */
void rig_write(struct rig *rig, uint32_t count);

/* Begin a read. */
void rig_read(struct rig *rig);

#endif /* TEST_UNIT_REPLICA_RIG_H */
