/* proposer.h -- from candidate to leader: both phases, for all slots at once.
 *
 *               stand                 phase 1 quorum
 *     IDLE ---------------> PREPARING ---------------> LEADING
 *      ^                        |                         |
 *      |   refused, promised a  |    refused, promised a  |
 *      |   higher ballot, no    |    higher ballot, hears |
 *      +---end in time----------+----no quorum, stopping--+
 *
 *     edge                  function
 *     stand                 proposer_stand()
 *     phase 1 quorum        become_leader(), from proposer_on_promise()
 *     back to IDLE          proposer_step_down()
 */
#ifndef PAXOS_PROPOSER_H
#define PAXOS_PROPOSER_H

#include "synod/core.h"

struct outbox;
struct synod_core;

enum proposal_state {
    PROPOSAL_REPORTED = 1, /* Phase 1 reported this vote, the highest so far. */
    PROPOSAL_SENT,         /* Proposed under our ballot. */
    PROPOSAL_CHOSEN,       /* A phase 2 quorum accepted it, or it was heard to be chosen. */
};

struct proposal {
    struct synod_ballot ballot; /* REPORTED: the vote's ballot. */
    struct synod_entry entry;   /* slot 0: nothing here. */
    uint64_t sent_ms;           /* When it was last sent. */
    uint32_t acks;              /* The set of members that accepted it. */
    uint32_t state;             /* enum proposal_state. */
    uint32_t wants_notice;      /* Others wait to learn that it is chosen. */
};

enum proposer_state {
    PROPOSER_IDLE = 1,
    PROPOSER_PREPARING,
    PROPOSER_LEADING,
};

struct proposer {
    enum proposer_state state;
    struct synod_ballot ballot; /* Ours, while not IDLE. */
    synod_slot reported_chosen; /* The greatest prefix that a promiser says is chosen. */
    synod_slot reported_last;   /* The greatest slot that phase 1 reported anything about. */
    synod_slot found;           /* The next slot of those to be proposed again. */
    synod_slot next;            /* The slot of the next new proposal. */
    uint64_t progress_ms;       /* When phase 1 began, or last got further; then the prefix grew. */
    uint64_t prepared_ms;       /* When Prepare was last sent. */
    uint32_t is_notice_due;     /* Somebody waits for a notice not yet sent. */
    uint32_t window;
    uint32_t ring_offset; /* From this structure to struct proposal[window]. */
    /* Phase 1: how far each member's promise reaches; SYNOD_SLOT_ALL: complete. */
    synod_slot covered[SYNOD_MEMBERS_MAX];
};

void proposer_init(struct proposer *p, uint32_t window, uint32_t ring_offset);

/* Begin phase 1 with a ballot above everything seen. */
void proposer_stand(struct synod_core *c, struct outbox *out);

/* Stop proposing; whatever is in flight may or may not be chosen. */
void proposer_step_down(struct synod_core *c, enum synod_why why);

/* Propose a value in the next slot. Returns 0 or a negative enum synod_error. */
int proposer_propose(struct synod_core *c, const struct synod_event *event, struct outbox *out);

void proposer_on_promise(struct synod_core *c, const struct synod_message *m, struct outbox *out);
void proposer_on_accepted(struct synod_core *c, const struct synod_message *m);

/* `entry` was heard to be chosen, other than by our own count. */
void proposer_on_learned(struct synod_core *c, const struct synod_entry *entry);

/* The prefix has grown from `before`: tell those who wait for it, at the next tick. */
void proposer_on_delivered(struct synod_core *c, synod_slot before);

/* `promised` is what a member holds against our ballot `refused`. */
void proposer_on_refused(struct synod_core *c, struct synod_ballot refused,
                         struct synod_ballot promised);

/* Phase 1 is not over before the slots that it reported chosen are here. If the only member that
 * could serve them is gone, another phase 1, without that member, finds them as votes. */
int proposer_is_phase1_open(const struct synod_core *c);

/* What time brings: proposals found in phase 1, repeats, notices, giving up. */
void proposer_on_tick(struct synod_core *c, struct outbox *out);

/* Messages to `member` can flow again: send it what it may have missed. */
void proposer_on_connected(struct synod_core *c, synod_member_id member, struct outbox *out);

/* A leader's slots that are proposed and not yet chosen. */
uint32_t proposer_in_flight(const struct synod_core *c);

/* True if the value with that handle is proposed in `slot`, or was reported there in phase 1. */
int proposer_holds(const struct synod_core *c, synod_slot slot, uint64_t handle);

/* True if proposer_on_tick() has proposals to make at once. */
int proposer_has_work(const struct synod_core *c);

void proposer_check(const struct synod_core *c);

#endif /* PAXOS_PROPOSER_H */
