/* core_internal.h -- one replica's share of the protocol, role by role.
 *
 * Three rings of `window` slots follow this structure in the same block of memory, found by
 * offsets: a clone is a memcpy(). */
#ifndef PAXOS_CORE_INTERNAL_H
#define PAXOS_CORE_INTERNAL_H

#include "base/assert.h"
#include "paxos/acceptor.h"
#include "paxos/election.h"
#include "paxos/learner.h"
#include "paxos/outbox.h"
#include "paxos/proposer.h"
#include "paxos/reads.h"
#include "synod/core.h"

struct synod_core {
    struct synod_options options;
    uint64_t now_ms;      /* Of the present event. */
    uint64_t ticked_ms;   /* Of the last tick. */
    uint64_t incarnation; /* Of this life. */
    synod_lsn lsn;        /* The last record written. */
    synod_lsn durable;    /* The last record known to be durable. */
    uint64_t pending_ms;  /* Since when records wait for the disk without progress. */
    uint64_t round;       /* The largest round seen in any ballot. */
    enum synod_why why;   /* Of the last change of leader. */
    uint32_t self;        /* Our position in the view's table. */
    uint32_t is_started;  /* SYNOD_EVENT_START came. */
    uint32_t is_stopping; /* SYNOD_EVENT_STOP came: never stand again. */
    struct acceptor acceptor;
    struct learner learner;
    struct proposer proposer;
    struct election election;
    struct reads reads;
};

/* Remember the largest round: a proposer starts above everything it has seen. */
static inline void core_see_round(struct synod_core *c, struct synod_ballot ballot)
{
    if (ballot.round > c->round) {
        c->round = ballot.round;
    }
}

/* Learn from somebody else that `entry` is chosen. */
void core_learn(struct synod_core *c, const struct synod_entry *entry, struct outbox *out);

/* Not once it stops, nor when a member that is broken has named the last round that anybody
 * believes. */
static inline int core_may_stand(const struct synod_core *c)
{
    assert(c->acceptor.promised.round <= c->round);
    return !c->is_stopping && c->round < SYNOD_ROUND_MAX;
}

/* True while records have waited for the disk longer than a member may be silent. */
static inline int core_disk_is_stalled(const struct synod_core *c)
{
    assert(c->durable <= c->lsn && c->pending_ms <= c->now_ms);
    return c->durable < c->lsn && c->now_ms - c->pending_ms > c->options.election_ms;
}

#endif /* PAXOS_CORE_INTERNAL_H */
