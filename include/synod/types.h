/* types.h -- the nouns of the protocol: members, views, ballots, slots, entries, votes. */
#ifndef SYNOD_TYPES_H
#define SYNOD_TYPES_H

#include <stddef.h>
#include <stdint.h>

/* The identity of one data directory. Never 0, never given to another directory. */
typedef uint64_t synod_member_id;

/* A position in the log: one instance of Paxos. The first is 1; 0 means none. */
typedef uint64_t synod_slot;

/* No log comes near it: whoever names a slot beyond is broken. Sums of slots do not overflow. */
#define SYNOD_SLOT_MAX (UINT64_MAX / 4)

/* The last slot that a snapshot may hold. What comes behind it is chosen one by one, so no member,
 * however broken, brings a log to its end. */
#define SYNOD_SNAPSHOT_SLOT_MAX (SYNOD_SLOT_MAX / 2)

/* A configuration's number. The first view is 1; 0 means none. */
typedef uint64_t synod_view_number;

/* The number of a record in the write-ahead log. The first is 1; 0 means none. */
typedef uint64_t synod_lsn;

enum {
    SYNOD_MEMBERS_MAX = 9
};

/* No honest proposer comes near it: whoever names a round beyond is broken. */
#define SYNOD_ROUND_MAX (UINT64_MAX / 4)

/* A proposal number (Paxos Made Simple, 2.2), compared field by field in this order. All zero
 * means none; it is below every ballot. */
struct synod_ballot {
    uint64_t round;         /* Phase 1 begins with round 2. Round 1 is left free for a
                             * proposer that needs no phase 1, as nothing can have been voted
                             * below it; no member proposes there yet. */
    synod_member_id member; /* The proposer whose ballot it is. */
    uint64_t incarnation;   /* Start count (high 32 bits) and a random number (low 32 bits):
                             * two lives on copies of one disk share no ballot. */
};

/* Below zero, zero or above zero, as `left` is below, the same as or above `right`. */
static inline int synod_ballot_compare(struct synod_ballot left, struct synod_ballot right)
{
    if (left.round != right.round) {
        return left.round < right.round ? -1 : 1;
    }
    if (left.member != right.member) {
        return left.member < right.member ? -1 : 1;
    }
    if (left.incarnation != right.incarnation) {
        return left.incarnation < right.incarnation ? -1 : 1;
    }
    return 0;
}

static inline int synod_ballot_is_none(struct synod_ballot ballot)
{
    return ballot.round == 0;
}

enum synod_entry_kind {
    SYNOD_ENTRY_NOOP = 1, /* Fills a gap; changes nothing. */
    SYNOD_ENTRY_VALUE,    /* Commands for the state machine. */
};

/* What a slot holds. The core knows a value by its identity; the bytes are the caller's. */
struct synod_entry {
    synod_slot slot;        /* Where. */
    synod_view_number view; /* The view in which it was proposed. */
    uint64_t checksum;      /* Of the value's bytes; 0 for a no-op. */
    uint64_t handle;        /* The caller's name for the bytes; 0 for a no-op. Local: never
                             * compared, never sent. */
    uint32_t size;          /* Bytes of the value. */
    uint32_t kind;          /* enum synod_entry_kind. */
};

/* True if the two are the same proposal: same slot, view, kind and value. */
static inline int synod_entry_equal(const struct synod_entry *left, const struct synod_entry *right)
{
    return left->slot == right->slot && left->view == right->view && left->kind == right->kind &&
           left->size == right->size && left->checksum == right->checksum;
}

/* What an acceptor accepted for a slot, and under which ballot. */
struct synod_vote {
    struct synod_ballot ballot;
    struct synod_entry entry;
    uint32_t is_chosen; /* 1: the entry is known to be chosen, and `ballot` does not matter. */
};

/* Who votes. Both sizes must be set, as a rule to a majority of `count`; phase1 + phase2 > count,
 * so that a quorum of one phase meets every one of the other (Flexible Paxos, section 3). */
struct synod_members {
    uint32_t count;                         /* 1 .. SYNOD_MEMBERS_MAX. */
    uint32_t phase1;                        /* Members of a phase 1 quorum. */
    uint32_t phase2;                        /* Members of a phase 2 quorum. */
    synod_member_id ids[SYNOD_MEMBERS_MAX]; /* In the order of the view's table. */
};

#endif /* SYNOD_TYPES_H */
