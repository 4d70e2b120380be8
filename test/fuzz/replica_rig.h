/* replica_rig.h -- a real replica with a real store, and members that the caller plays.
 *
 * The replica dials the others, who tell it what it wants to hear for the cluster to be founded.
 * From then on each of them is honest or silent: an honest one answers questions, promises, accepts
 * and gives snapshots away, so that the replica gets to lead and to apply; and either may be made
 * to say anything besides. */
#ifndef TEST_FUZZ_REPLICA_RIG_H
#define TEST_FUZZ_REPLICA_RIG_H

#include "base/buffer.h"
#include "kv/machine.h"
#include "machine_os.h"
#include "peer/frame.h"
#include "replica/replica.h"

enum {
    REPLICA_RIG_OTHERS = 2
};

struct replica_rig;

struct replica_other {
    struct replica_rig *rig;
    struct os_listener *listener;
    struct os_stream *stream; /* NULL: not connected. */
    struct buffer received;
    synod_member_id id;
    int is_honest;
};

struct replica_rig {
    struct machine_os machine;
    struct machine *store;
    struct replica *replica;
    struct replica_other others[REPLICA_RIG_OTHERS];
    uint32_t other_count; /* REPLICA_RIG_OTHERS, or 0: it is alone. */
    uint32_t window;      /* Of the core; 0: its default. */
    int is_running;
    int is_failed;
    uint64_t results; /* Of commands and reads: asked for, and not yet ended. */
    uint64_t done;    /* Of those that have ended, the ones that went well. */

    /* What the replica has said. */
    struct frame_hello hello;
    struct synod_ballot ballot;   /* Of its last PREPARE, or of an ACCEPT. */
    struct synod_ballot promised; /* By what it answered. */
    uint64_t asked;
    struct buffer snapshot; /* A file that an honest other gives away. */
    synod_slot snapshot_slot;
};

/* A replica that runs, with an empty log, among `others` (0 or REPLICA_RIG_OTHERS) members. */
struct replica_rig *replica_rig_new(uint32_t others);

/* The same without the replica: its disk (rig->machine.disk) is empty, and /data to be filled. */
struct replica_rig *replica_rig_prepare(uint32_t others);

/* Open the replica on what is there: 0, or what replica_open() says. Who is refused has no replica,
 * and may try again. */
int replica_rig_open(struct replica_rig *rig, struct report *report);

/* The process is killed, and another one begins; what it wrote, it can read. */
void replica_rig_restart(struct replica_rig *rig);

/* A whole frame from one of the others, with the right checksum. */
void replica_rig_send(struct replica_other *other, uint16_t type, const struct bytes *parts,
                      size_t count);

/* Make a snapshot of `slot` that the others give away; it is in rig->snapshot. */
void replica_rig_snapshot(struct replica_rig *rig, synod_slot slot, uint64_t cluster);

/* The same, and let one of them offer it. */
void replica_rig_offer(struct replica_other *other, synod_slot slot);

/* A client's wish: a change, or a look. */
void replica_rig_submit(struct replica_rig *rig, uint32_t kind, struct bytes command);
void replica_rig_read(struct replica_rig *rig);

/* Stop in good order if it can, and free the replica. Every wish has ended by then. */
void replica_rig_stop(struct replica_rig *rig);

/* Free the rest, once it was stopped. */
void replica_rig_free(struct replica_rig *rig);

#endif /* TEST_FUZZ_REPLICA_RIG_H */
