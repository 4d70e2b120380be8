/* core.h -- Multi-Paxos as a pure state machine.
 *
 * A synod_core is one replica's share of the protocol. It does no I/O, reads no clock, draws
 * no entropy and allocates no memory: the same events in the same order always give the same
 * effects, so that any run can be replayed.
 *
 * The caller owns the loop, and the loop has one shape:
 *
 *     synod_core_step(core, &event, effects);
 *     log_append(effects->records, effects->record_count);     // 1. remember
 *     peers_send(effects->messages, effects->message_count);   // 2. then speak
 *     apply(effects->chosen, effects->chosen_count);           // 3. then act
 *
 * The one rule on which safety rests: a message may leave this machine only when the record
 * numbered message.after_lsn, and all before it, are on stable storage. Each message states its
 * own condition, so that writes can be batched and pipelined freely. Messages to the replica
 * itself obey it too: the caller gives them back as SYNOD_EVENT_MESSAGE once they may leave, each
 * of them and once, for they are not repeated.
 *
 * Values   The core knows values by their identity (slot, view, kind, size, checksum) and by a
 *          handle that means something to the caller alone. Once a slot was handed out as
 *          chosen, the core does not name its handle again.
 * Restart  Build a core, give it a SYNOD_EVENT_SNAPSHOT if there is one, every record that was
 *          durable as a SYNOD_EVENT_RESTORE, oldest first, then one SYNOD_EVENT_START.
 * Memory   Opaque and flat: synod_core_size() bytes without a pointer in them, so that a clone
 *          is a memcpy(). What effects point to is borrowed until the next step.
 * Threads  One at a time per core. Two cores share nothing.
 */
#ifndef SYNOD_CORE_H
#define SYNOD_CORE_H

#include "synod/message.h"
#include "synod/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The largest limits: beyond them a core would take gigabytes. */
enum {
    SYNOD_WINDOW_MAX = 1 << 20,
    SYNOD_ENTRIES_MAX = 1 << 16,
    SYNOD_READS_MAX = 1 << 20
};

/* Limits are fixed at birth, so that every buffer can be sized at birth. */
struct synod_options {
    synod_member_id self;         /* A member of `members`. */
    synod_view_number view;       /* The view that `members` is. */
    struct synod_members members; /* Who votes; its quorums must intersect. */
    uint32_t window;              /* Slots held beyond the chosen prefix. A power of two, from 2
                                   * to SYNOD_WINDOW_MAX. */
    uint32_t pipeline_max;        /* Slots in flight at a leader; at most half the window. */
    uint32_t entries_max;         /* Entries or votes in one message: 1 .. SYNOD_ENTRIES_MAX. */
    uint32_t message_bytes_max;   /* Bytes of values in one message (always at least one). */
    uint32_t reads_max;           /* Reads that wait for their confirmation at a leader: 1 ..
                                   * SYNOD_READS_MAX. */
    uint32_t heartbeat_ms;        /* Members ask each other this often. */
    uint32_t election_ms;         /* Who did not answer for so long is not heard. */
    uint32_t retry_ms;            /* A message without an answer is repeated after this. */
    uint64_t seed;                /* For random delays: the only chance there is. */
};

/* Set every limit to its default, the view to 1, and all else to zero. */
void synod_options_init(struct synod_options *options);

/* True if the options make sense: members distinct and self among them, quorums that
 * intersect (q1 + q2 > n: Flexible Paxos, 2016, section 3), limits in the ranges that are given
 * beside them. */
int synod_options_are_valid(const struct synod_options *options);

struct synod_core;
size_t synod_core_size(const struct synod_options *options);

/* Build a core in `memory`: synod_core_size() bytes, aligned as malloc() aligns. `options` must
 * be valid, and is copied. A core needs no closing. */
struct synod_core *synod_core_init(void *memory, const struct synod_options *options);

enum synod_record_type {
    SYNOD_RECORD_PROMISE = 1, /* `ballot`: nothing below it will be accepted. Keep two copies. */
    SYNOD_RECORD_VOTE,        /* `entry` was accepted under `ballot`. */
    SYNOD_RECORD_LEARNED,     /* `entry` is chosen. */
    SYNOD_RECORD_CHOSEN,      /* Every slot up to `chosen` is; what the records before this one
                               * last said about each of them is what was chosen there. */
};

struct synod_record {
    enum synod_record_type type;
    synod_lsn lsn; /* Rises by one from record to record of a life. */
    synod_view_number view;
    struct synod_ballot ballot;
    struct synod_entry entry;
    synod_slot chosen;
};

enum synod_event_type {
    SYNOD_EVENT_RESTORE = 1,  /* `record` was on the disk when this life began. */
    SYNOD_EVENT_START,        /* Nothing more to restore, and all that was is durable by now: life
                               * `id` begins, an incarnation made as types.h says, never used
                               * before and durable too. */
    SYNOD_EVENT_TICK,         /* Time passed, or a turn of the caller's loop ended. */
    SYNOD_EVENT_MESSAGE,      /* A member spoke; late, twice or out of order is fine. */
    SYNOD_EVENT_DURABLE,      /* Records up to `lsn` would survive a power cut. */
    SYNOD_EVENT_SNAPSHOT,     /* The state up to `slot` is in the caller's hands. */
    SYNOD_EVENT_PROPOSE,      /* The caller wants `entry` (its slot is chosen here) in the log. */
    SYNOD_EVENT_READ,         /* The caller wants to read; `id` counts up from the start of
                               * each life, and stays below 2^32. There may never be an answer,
                               * since messages are lost and leaders end: who still waits asks
                               * again, under another id. */
    SYNOD_EVENT_CONNECTED,    /* Messages can flow to and from `member` (again). */
    SYNOD_EVENT_DISCONNECTED, /* The connection to `member` broke. */
    SYNOD_EVENT_STOP,         /* The replica is about to stop in good order. */
    SYNOD_EVENT_STAND,        /* Stand for election now, whoever leads, under a new ballot:
                               * for whoever wants the lead here, and to explore what happens. */
};

struct synod_event {
    enum synod_event_type type;
    uint64_t now_ms;                     /* Monotonic; above 0; never less than before. */
    const struct synod_record *record;   /* RESTORE; `lsn` does not matter. */
    const struct synod_message *message; /* MESSAGE; filtered: see synod_message_is_valid(). */
    const struct synod_entry *entry;     /* PROPOSE: kind, size, checksum and handle count. */
    uint32_t wants_notice;               /* PROPOSE: 1 if others wait to learn of it. */
    synod_lsn lsn;                       /* DURABLE. */
    synod_slot slot;                     /* SNAPSHOT; at most SYNOD_SNAPSHOT_SLOT_MAX. */
    uint64_t id;                         /* START, READ. */
    synod_member_id member;              /* CONNECTED, DISCONNECTED. */
};

/* A read that may be answered from the state as of `index` or later. An id that was not given in
 * this life is that of a read of an earlier one: ignore it. */
struct synod_read {
    uint64_t id;
    synod_slot index;
};

/* A member asked for the entries from `slot` on, all of them chosen and handed out long ago:
 * send it LEARN messages, or a snapshot. */
struct synod_serve {
    synod_member_id to;
    synod_slot slot;
};

/* Why a replica has another leader than before. */
#define SYNOD_WHY_MAP(X)                                                                           \
    X(SYNOD_WHY_ELECTED, 1, "won phase 1 of its ballot")                                           \
    X(SYNOD_WHY_HEARD, 2, "heard from a leader")                                                   \
    X(SYNOD_WHY_REFUSED, 3, "a member promised a higher ballot")                                   \
    X(SYNOD_WHY_PROMISED, 4, "promised a higher ballot to a candidate")                            \
    X(SYNOD_WHY_NO_QUORUM, 5, "no longer hears a phase 2 quorum")                                  \
    X(SYNOD_WHY_DISCONNECTED, 6, "the connection to the leader broke")                             \
    X(SYNOD_WHY_SILENT, 7, "the leader did not answer within the election time-out")               \
    X(SYNOD_WHY_STALLED, 8, "the leader's disk makes no progress")                                 \
    X(SYNOD_WHY_RESIGNED, 9, "the leader stopped in good order")                                   \
    X(SYNOD_WHY_GAVE_UP, 10, "phase 1 got no further in time")                                     \
    X(SYNOD_WHY_ASKED, 11, "was asked to stand")

#define SYNOD_WHY_ENUM(name, code, text) name = (code),
enum synod_why {
    SYNOD_WHY_MAP(SYNOD_WHY_ENUM)
};

/* A phrase for logs. Never NULL, whatever the argument. */
const char *synod_why_text(enum synod_why why);

/* What the caller must now do, in this order. Any part may be empty. */
struct synod_effects {
    const struct synod_record *records;   /* Append these. */
    const struct synod_message *messages; /* Encode now; send after after_lsn. */
    const struct synod_entry *chosen;     /* Apply these. Slots rise by one. */
    const struct synod_read *reads;       /* Answer these when their index is applied. */
    const struct synod_serve *serves;     /* Send these members old entries. */
    uint32_t record_count;
    uint32_t message_count;
    uint32_t chosen_count;
    uint32_t read_count;
    uint32_t serve_count;
    uint32_t leader_changed; /* 1: synod_core_status() tells whom it follows now, and why. */
    synod_slot proposed;     /* PROPOSE: the slot that it has, if it is chosen there. */
    uint64_t wake_at_ms;     /* Step with a TICK no later than this. */
};

/* The effects of one step at a time live in memory of their own: synod_effects_size() bytes,
 * aligned as malloc() aligns, usable with every core of the same options. `options` must be
 * valid (synod_options_are_valid()) and are not kept. Nothing has to be closed: free the memory. */
size_t synod_effects_size(const struct synod_options *options);
struct synod_effects *synod_effects_init(void *memory, const struct synod_options *options);

/* Advance the replica by one event. Returns 0, or for PROPOSE and READ, which are wishes,
 * SYNOD_ERR_NO_LEADER (PROPOSE: this replica does not lead; READ: it knows no leader) or
 * SYNOD_ERR_BUSY (the pipeline or the table of reads is full, or what an earlier leader left
 * is not yet proposed again). A wish refused has changed nothing.
 *
 * RESTORE: SYNOD_ERR_CORRUPT, the records contradict each other: do not START. MESSAGE:
 * SYNOD_ERR_CORRUPT, its sender says that something was chosen where something else is known to be;
 * that part of it was not believed, the effects hold all the same. One of us is broken: say so. */
int synod_core_step(struct synod_core *core, const struct synod_event *event,
                    struct synod_effects *effects);

/* True if a message from the wire can be given to a core with these options: a known type,
 * ballots and counts in range, slots in order. Whatever is not valid was sent by a broken peer. */
int synod_message_is_valid(const struct synod_message *message,
                           const struct synod_options *options);

enum synod_role {
    SYNOD_ROLE_FOLLOWER = 1,
    SYNOD_ROLE_CANDIDATE,
    SYNOD_ROLE_LEADER,
};

/* For operators and tests. Nothing needs it to use the protocol correctly. */
struct synod_status {
    enum synod_role role;
    enum synod_why why; /* Of the last change of leader; 0: none yet. */
    synod_view_number view;
    struct synod_ballot promised; /* Nothing below it is accepted here. */
    struct synod_ballot leader;   /* The ballot followed or led; none if none. */
    synod_slot chosen;            /* The chosen prefix. */
    synod_slot last;              /* The highest slot voted on or known chosen. */
    uint64_t round;               /* The largest round seen. */
    uint32_t in_flight;           /* A leader's slots proposed and not yet chosen. */
    uint32_t hears;               /* Members heard, this one included. */
    synod_member_id via;          /* Whom to give what is for the leader: itself if it is heard,
                                   * else a member that hears it and vouches; 0: nobody. */
};
void synod_core_status(const struct synod_core *core, struct synod_status *status);

/* True if the core may yet name this handle in that slot, which lies beyond its chosen prefix: as
 * that of its vote there, of its proposal, or of the entry that it knows to be chosen. If not,
 * the caller may let go of what the handle stands for; between steps, when the effects of the
 * last one are done with. */
int synod_core_holds(const struct synod_core *core, synod_slot slot, uint64_t handle);

/* Abort unless every invariant that this replica can see by itself holds: whole scans, for
 * tests and the explorer. The cheap part of it runs after every step anyway. */
void synod_core_check(const struct synod_core *core);

#ifdef __cplusplus
}
#endif

#endif /* SYNOD_CORE_H */
