/* message.h -- what members say to one another.
 *
 *   type        from -> to            carries                        answered by
 *   PREPARE     candidate -> member   ballot, slot                   PROMISE, REFUSED
 *   PROMISE     member -> candidate   ballot, slot, until, chosen, votes
 *   ACCEPT      leader -> member      ballot, entries, chosen        ACCEPTED, REFUSED; and LEARN
 *                                                                    or CHOSEN where more is known
 *   ACCEPTED    member -> leader      ballot, entries (identities)
 *   REFUSED     member -> proposer    ballot (refused), promised
 *   NOTICE      leader -> member      ballot, chosen
 *   CHOSEN      member -> anybody     chosen
 *   FETCH       member -> member      slot                           LEARN, or a snapshot
 *   LEARN       member -> member      entries, chosen
 *   ASK         member -> member      id, ballot, status, chosen     ANSWER
 *   ANSWER      member -> member      id, ballot, promised, status, chosen
 *   READ        member -> leader      id                             READ_INDEX
 *   READ_INDEX  leader -> member      id, ballot, slot, chosen
 *
 * Every message names its view, and every message to another may be lost, late, repeated or
 * overtaken. */
#ifndef SYNOD_MESSAGE_H
#define SYNOD_MESSAGE_H

#include "synod/types.h"

enum synod_message_type {
    SYNOD_MESSAGE_PREPARE = 1,
    SYNOD_MESSAGE_PROMISE,
    SYNOD_MESSAGE_ACCEPT,
    SYNOD_MESSAGE_ACCEPTED,
    SYNOD_MESSAGE_REFUSED,
    SYNOD_MESSAGE_NOTICE,
    SYNOD_MESSAGE_CHOSEN,
    SYNOD_MESSAGE_FETCH,
    SYNOD_MESSAGE_LEARN,
    SYNOD_MESSAGE_ASK,
    SYNOD_MESSAGE_ANSWER,
    SYNOD_MESSAGE_READ,
    SYNOD_MESSAGE_READ_INDEX,
    SYNOD_MESSAGE_TYPE_END, /* One past the last. */
};

/* "Every slot from here on": a promise whose `until` is this is complete. */
#define SYNOD_SLOT_ALL UINT64_MAX

/* What a member says about itself in ASK and ANSWER: the input of the election. */
enum synod_status_flags {
    SYNOD_STATUS_LEADS = 1,    /* It leads, under `leader`. */
    SYNOD_STATUS_VOUCHES = 2,  /* It hears its leader directly, and that leader said that it
                               * hears a phase 2 quorum. */
    SYNOD_STATUS_ABLE = 4,     /* It could lead: it hears quorums of both phases, itself included,
                               * and those that can vote behind the longest prefix that it hears
                               * of are one of phase 2. */
    SYNOD_STATUS_PHASE2 = 8,   /* It hears a phase 2 quorum, itself included. */
    SYNOD_STATUS_STALLED = 16, /* Its disk makes no progress. */
    SYNOD_STATUS_STANDS = 32,  /* It stands, hears a phase 1 quorum, and still lacks promises. */
    SYNOD_STATUS_HEARS_ABLE = 64, /* It could not lead, and hears one that could, and that it
                                   * does not follow. */
    SYNOD_STATUS_AWAITS = 128,    /* It has promised to another that stands, under `leader`, and
                                   * leaves it its time. */
};

struct synod_status_report {
    struct synod_ballot leader; /* The ballot that it follows, leads or awaits; none if none. */
    synod_slot last;            /* The highest slot that it voted on or knows chosen. */
    uint32_t flags;             /* enum synod_status_flags, or'ed. */
};

struct synod_message {
    enum synod_message_type type;
    synod_member_id from;
    synod_member_id to;
    synod_view_number view;
    struct synod_ballot ballot;        /* The ballot that the message is about. */
    struct synod_ballot promised;      /* REFUSED, ANSWER: the sender's promise. */
    synod_slot slot;                   /* The first slot it is about; READ_INDEX: the index. */
    synod_slot until;                  /* PROMISE: one past the last slot covered. */
    synod_slot chosen;                 /* Every slot up to here is chosen; 0: says nothing. From
                                        * the leader of `ballot` it is a notice besides: what it
                                        * proposed there under `ballot` is what was chosen. */
    uint64_t id;                       /* The number of a question or a read. */
    struct synod_status_report status; /* ASK, ANSWER. */
    const struct synod_vote *votes;    /* PROMISE. In order of slots. */
    const struct synod_entry *entries; /* ACCEPT, ACCEPTED, LEARN. In order of slots. */
    uint32_t vote_count;
    uint32_t entry_count;
    synod_lsn after_lsn; /* It may leave only when this record is durable; 0: at once. Never
                          * sent. */
};

#endif /* SYNOD_MESSAGE_H */
