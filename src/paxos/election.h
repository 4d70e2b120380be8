/* election.h -- who should lead: asking, hearing, standing. Safety never depends on it.
 *
 * Every member asks every other, each heartbeat. A member that hears quorums and sees no leader
 * (hearing.h) stands, after a random delay, unless it has promised to one that stands already, or
 * hears that another has to one that it does not hear. A leader that hears no phase 2 quorum for
 * the election time-out gives up, and so does one whose quorum cannot vote, if it hears of a member
 * that could lead.
 *
 * This makes progress through every partial partition in which some member is connected to a
 * quorum (Ng, Haridi, Carbone: Omni-Paxos, EuroSys 2023, sections 2 and 5): a lone link to a
 * healthy leader does not make a member stand, because somebody vouches; and a leader that is
 * merely reachable, and reaches no quorum itself, keeps nobody from standing. */
#ifndef PAXOS_ELECTION_H
#define PAXOS_ELECTION_H

#include "base/prng.h"
#include "synod/core.h"

struct outbox;
struct synod_core;

/* What is known about another member. */
struct election_peer {
    uint64_t answered_ms; /* When its last answer came; 0: none since its connection broke. */
    uint64_t answered;    /* The greatest question of ours that it answered. */
    uint64_t confirmed;   /* The greatest question to which it said, under our present
                               * ballot, that it had promised nothing higher. */
    struct synod_status_report status; /* The last it said about itself, ... */
    synod_slot chosen;                 /* ... and how much it then knew to be chosen. */
};

struct election {
    struct synod_ballot leader; /* Whom we follow, or our own ballot; none if nobody. */
    uint64_t question;          /* The number of the last question asked. */
    uint64_t asked_ms;          /* When. */
    uint64_t fresh;             /* Answers to earlier questions count no more: something broke
                                 * since. */
    uint64_t stand_ms;          /* When to stand; 0: not going to. */
    uint64_t candidate_ms;      /* When another member last asked for what we have promised to it;
                                 * 0: never. */
    uint64_t quorum_ms;         /* When a leader last heard a phase 2 quorum. */
    synod_slot seen_chosen;     /* What was chosen when a leader last looked for one. */
    uint64_t since_ms;          /* When `leader` became that. */
    uint32_t failures;          /* Times that we lost a ballot of ours, since a leader last stayed
                                 * for an election time-out. */
    struct prng prng;
    struct election_peer peers[SYNOD_MEMBERS_MAX];
};

void election_init(struct election *e, uint64_t seed);

/* Life begins: ask everybody. */
void election_start(struct synod_core *c, struct outbox *out);

void election_on_ask(struct synod_core *c, const struct synod_message *m, struct outbox *out);
void election_on_answer(struct synod_core *c, const struct synod_message *m, struct outbox *out);

/* The leader of `ballot`, which is not below our promise, said that it hears a phase 2 quorum.
 * One that does not is not followed, whatever it proposes: it can get nothing chosen, and whoever
 * would follow it at each of its messages would never get to stand itself. */
void election_follow(struct synod_core *c, struct synod_ballot ballot);

/* Stand now, unless that is out of the question: before the start, or after the stop. */
void election_on_asked_to_stand(struct synod_core *c, struct outbox *out);

/* Somebody stands: leave it its time, if we have promised to it. Phase 1 may take long, on slow
 * disks or with many votes to report; whoever stands meanwhile undoes it. */
void election_on_prepare(struct synod_core *c, const struct synod_message *m);

/* We promised a higher ballot than our leader's. */
void election_on_promised(struct synod_core *c);

/* How long a phase 1 of ours may make no progress before we give it up. It doubles with each ballot
 * that we lose, a few times: a promise that reports much may take longer than the election time-out
 * on a narrow link, and whoever never waits longer never gets it (Dwork, Lynch,
 * Stockmeyer: Consensus in the Presence of Partial Synchrony, JACM 1988: of a bound that nobody
 * knows, a time-out that grows is one day above). */
uint64_t election_patience_ms(const struct synod_core *c);

/* We won, or stopped trying. */
void election_on_elected(struct synod_core *c, struct outbox *out);
void election_on_step_down(struct synod_core *c, enum synod_why why);

void election_on_connected(struct synod_core *c, struct outbox *out);
void election_on_disconnected(struct synod_core *c, synod_member_id member, struct outbox *out);

/* We leave in good order: tell everybody that nobody leads here any more. */
void election_on_stop(struct synod_core *c, struct outbox *out);

/* Ask everybody a new question now. Returns its number. */
uint64_t election_ask(struct synod_core *c, struct outbox *out);

/* What time brings: heartbeats, standing, giving up. */
void election_on_tick(struct synod_core *c, struct outbox *out);

/* The time by which election_on_tick() must be called. */
uint64_t election_wake_ms(const struct synod_core *c);

/* Abort unless whom we follow, and what we know of the others, is as the protocol leaves it. */
void election_check(const struct synod_core *c);

#endif /* PAXOS_ELECTION_H */
