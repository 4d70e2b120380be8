/* acceptor.h -- promises and votes: the memory of Paxos.
 *
 * Durable, as records: the highest ballot promised, and per slot the vote of the highest
 * ballot. One promise covers every slot of the view. */
#ifndef PAXOS_ACCEPTOR_H
#define PAXOS_ACCEPTOR_H

#include "paxos/learner.h"
#include "paxos/outbox.h"

struct acceptor_vote {
    struct synod_ballot ballot;
    struct synod_entry entry; /* slot 0: no vote was ever cast here. */
    synod_lsn lsn;            /* The vote's record; 0 when it was restored. */
};

struct acceptor {
    struct synod_ballot promised; /* Nothing below it is accepted. */
    synod_lsn promised_lsn;       /* The promise's record; 0 when it was restored. */
    synod_slot last;              /* The highest slot voted on. */
    synod_slot recorded;          /* The chosen prefix as the records tell it. */
    uint32_t window;              /* Slots held beyond the chosen prefix. */
    uint32_t ring_offset;         /* From this structure to struct acceptor_vote[window]. */
    uint32_t entries_max;         /* Votes in one message. */
    uint32_t bytes_max;           /* Bytes of values in one message; at least one goes. */
};

void acceptor_init(struct acceptor *a, const struct synod_options *options, uint32_t ring_offset);

/* The vote cast at a slot, or NULL. Slots at or below the chosen prefix may be gone. */
const struct acceptor_vote *acceptor_at(const struct acceptor *a, synod_slot slot);

/* Promise `ballot`, which must not be below the present promise. Returns the record on which
 * the promise rests. */
synod_lsn acceptor_promise(struct acceptor *a, struct synod_ballot ballot, struct outbox *out);

/* The two requests that an acceptor answers. `l` tells what is known to be chosen. */
void acceptor_on_prepare(struct acceptor *a, const struct learner *l, const struct synod_message *m,
                         struct outbox *out);
void acceptor_on_accept(struct acceptor *a, const struct learner *l, const struct synod_message *m,
                        struct outbox *out);

/* Record how far the prefix is known to be chosen. Before anything else is recorded about slots
 * beyond it, so that a restart never meets a record beyond its window, and applies what it can
 * without asking anybody. */
void acceptor_record_chosen(struct acceptor *a, const struct learner *l, struct outbox *out);

/* A record of an earlier life. Returns 0, or SYNOD_ERR_CORRUPT if it contradicts the others. */
int acceptor_restore(struct acceptor *a, const struct learner *l,
                     const struct synod_record *record);

/* Abort unless a message that tells of the promise or of votes waits for the records of both. */
void acceptor_check_said(const struct acceptor *a, const struct synod_message *m);

/* Abort unless every vote and the promise are in a state that the protocol can reach. */
void acceptor_check(const struct acceptor *a, const struct learner *l);

#endif /* PAXOS_ACCEPTOR_H */
