/* reads.h -- linearizable reads without writing: the read index.
 *
 * A leader that wants to know that its state is not stale asks whether its ballot still
 * stands; when a phase 2 quorum has said so to a question asked after the read came, no later
 * leader can have chosen anything before the read began. One question serves all the reads
 * that wait (the read index of Ongaro, Consensus: Bridging Theory and Practice, 2014, 6.4,
 * stated for ballots). */
#ifndef PAXOS_READS_H
#define PAXOS_READS_H

#include "synod/core.h"

struct outbox;
struct synod_core;

struct waiting_read {
    synod_member_id from; /* Who wants to read. */
    uint64_t id;          /* Its number for it. */
    uint64_t question;    /* The first question whose answers confirm it. */
    synod_slot index;     /* The state to wait for. */
};

struct reads {
    uint32_t count;
    uint32_t capacity;
    uint32_t array_offset; /* From this structure to struct waiting_read[capacity]. */
};

void reads_init(struct reads *r, uint32_t capacity, uint32_t array_offset);

/* Forget all: whoever waits will ask again. */
void reads_forget(struct reads *r);

/* A read of our own. Returns 0, SYNOD_ERR_NO_LEADER or SYNOD_ERR_BUSY. */
int reads_begin(struct synod_core *c, uint64_t id, struct outbox *out);

/* A read of another member, which takes us for the leader. */
void reads_on_read(struct synod_core *c, const struct synod_message *m, struct outbox *out);

/* The leader answers a read of ours. */
void reads_on_index(const struct synod_core *c, const struct synod_message *m, struct outbox *out);

/* Somebody confirmed a question: answer what a quorum has confirmed by now. */
void reads_confirm(struct synod_core *c, struct outbox *out);

/* Abort unless the table is one that the protocol can reach. */
void reads_check(const struct synod_core *c);

#endif /* PAXOS_READS_H */
