/* reference_internal.h -- the sets of the reference, and who keeps them. */
#ifndef MODEL_REFERENCE_INTERNAL_H
#define MODEL_REFERENCE_INTERNAL_H

#include "model/reference.h"

enum {
    LEARNED = UINT16_MAX, /* A slot's last record says that this was chosen, not a vote. */
    NO_RECORD = UINT16_MAX - 1,
};

/* An entry proposed for a slot under a ballot. Sets of members are masks of their positions. */
struct proposal {
    struct synod_ballot ballot;
    struct synod_entry entry;
    uint32_t written;                 /* Who has voted for it: in memory ... */
    uint32_t durable;                 /* ... and on the disk; */
    uint32_t restored;                /* ... whose present life read that vote from its disk. */
    synod_lsn lsn[SYNOD_MEMBERS_MAX]; /* The vote's record, while it is not durable. */
};

struct slot {
    struct proposal *proposals;
    uint16_t count;
    uint16_t chosen; /* 1 + the index of a proposal that is chosen; 0: none is. */
    uint16_t last_record[SYNOD_MEMBERS_MAX]; /* Of each member about the slot: the index of the
                                              * proposal voted for, LEARNED or NO_RECORD. */
};

/* A PROMISE as it was said. */
struct piece {
    synod_slot slot, until, chosen;
    struct synod_vote *votes;
    uint32_t vote_count;
    synod_lsn after;
    uint32_t life; /* Of who said it. */
    uint32_t is_heard;
};

struct promises {
    struct piece *pieces;
    uint32_t count;
    synod_slot covered; /* What was heard reaches from the attempt's first slot to before this. */
};

/* Everything ever said about a ballot. */
struct attempt {
    struct synod_ballot ballot;
    uint32_t owner, life;
    synod_slot first;   /* The first slot that it asked about. */
    synod_lsn after;    /* The record that PREPARE waits for. */
    synod_slot noticed; /* How far its owner has given notice. */
    struct promises promises[SYNOD_MEMBERS_MAX];
};

/* A record that is written and not known to be durable. */
struct pending {
    synod_lsn lsn;
    struct synod_ballot ballot;
    synod_slot slot; /* 0: a promise. */
};

struct waiting {
    uint64_t id;
    synod_slot floor;
};

struct member {
    synod_member_id id; /* 0: has not spoken yet. */
    uint32_t life;
    uint32_t is_started;
    uint64_t incarnation;
    struct synod_ballot promised; /* In memory: by promise or by vote ... */
    synod_lsn promised_lsn;
    struct synod_ballot durable_promised; /* ... and on the disk. */
    synod_lsn lsn, durable;
    synod_lsn *ended; /* By life that is over: what was durable at its end. */
    synod_slot applied, recorded;
    synod_slot snapshot; /* No later life needs what its records say up to there. */
    struct pending *pending;
    uint32_t pending_count;
    struct waiting *reads;
    uint32_t read_count;
};

struct reference {
    uint32_t member_count, phase1, phase2;
    struct member members[SYNOD_MEMBERS_MAX];
    struct slot *slots; /* Slot s is slots[s - 1]. */
    uint64_t slot_count;
    struct attempt *attempts;
    uint32_t attempt_count;
    synod_slot chosen_prefix; /* Every slot up to here is chosen. */
    synod_slot applied_max;   /* By anybody, at any time. */
    struct reference_counts counts;
    char why[320];
};

/* The step under way. */
struct watch {
    struct reference *r;
    uint32_t self;
    struct member *member;
    const struct synod_event *event;
    const struct synod_effects *effects;
};

/* The order of ballots, said once more: round, then member, then incarnation. */
int reference_is_below(struct synod_ballot left, struct synod_ballot right);
int reference_is_same(struct synod_ballot left, struct synod_ballot right);
int reference_is_same_entry(const struct synod_entry *left, const struct synod_entry *right);
uint32_t reference_size(uint32_t set);

/* Note that the step is not allowed. Returns -1. */
int reference_refuse(const struct watch *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for one more beside `count` things of that size: an array is as long as the next power of
 * two, and grows when it comes to one. Ends the process when memory ends. */
void *reference_grow(void *array, uint64_t count, size_t size);

struct slot *reference_slot(struct reference *r, synod_slot slot);
struct attempt *reference_attempt(struct reference *r, struct synod_ballot ballot);
struct proposal *reference_proposal(struct reference *r, struct synod_ballot ballot,
                                    synod_slot slot);
const struct synod_entry *reference_chosen(struct reference *r, synod_slot slot);

/* reference_phases.c: what a candidate, an acceptor, a leader may say, and what may be heard. Each
 * returns 0 or -1. */
int reference_propose(const struct watch *w, struct synod_ballot ballot,
                      const struct synod_entry *entry);
int reference_on_said(const struct watch *w, const struct synod_message *m);
int reference_on_heard(const struct watch *w, const struct synod_message *m);

/* reference_reads.c: the member asks for an index, and has it. The end returns 0 or -1. */
void reference_begin_read(const struct watch *w);
int reference_end_read(const struct watch *w, const struct synod_read *read);

#endif /* MODEL_REFERENCE_INTERNAL_H */
