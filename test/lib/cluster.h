/* cluster.h -- a few real cores, with the network, the disks and the clock in one hand.
 *
 * Nothing happens here by itself: the caller says which message arrives, which is lost, what
 * reaches which disk and when, who crashes and who comes back. Or it lets the cluster run for
 * a while of virtual time, with links that work unless they are cut.
 *
 * After every step the core checks itself, the judge (judge.h) checks the rules of Paxos over
 * all members, and these hold besides, or the program aborts:
 *
 *     no message leaves before the records that it rests on are on the disk
 *     what a member applies is what the judge knows to be chosen, slot by slot
 *     a promise that others were told of is never forgotten, across restarts too
 *     no ballot is used in two lives
 *     a read's index covers every slot that anybody had applied when the read began */
#ifndef TEST_CLUSTER_H
#define TEST_CLUSTER_H

#include "base/prng.h"
#include "judge.h"
#include "synod/core.h"

enum {
    CLUSTER_ENTRIES_MAX = 8,   /* The most that options.entries_max may be. */
    CLUSTER_PACKETS_MAX = 400, /* Messages under way; where more come, the oldest is lost. */
    CLUSTER_READS_MAX = 64,    /* Reads of one life that are remembered. */
};

/* A message under way. */
struct cluster_packet {
    uint64_t id;          /* Rises in the order of sending. */
    uint64_t due_ms;      /* When cluster_run() delivers it. */
    uint32_t is_held;     /* Waits for its sender's disk. */
    uint32_t is_snapshot; /* Not a message of the core: the state up to message.chosen. */
    struct synod_message message;
    struct synod_entry entries[CLUSTER_ENTRIES_MAX];
    struct synod_vote votes[CLUSTER_ENTRIES_MAX];
};

struct cluster_read {
    uint64_t id;
    synod_slot floor; /* Applied by somebody when it began. */
    synod_slot index; /* Its answer. */
    uint32_t is_answered;
};

struct cluster_member {
    struct synod_core *core; /* NULL while it is down. */
    struct synod_effects *effects;
    uint64_t lives; /* Begun so far. */
    uint64_t wake_at_ms;
    uint32_t is_restoring;
    synod_slot proposed; /* The last slot that it proposed in. */
    synod_slot snapshot; /* On its disk. */
    synod_slot applied;
    struct synod_ballot told;   /* The highest promise that others were told of. */
    struct synod_ballot leader; /* As its status said last. */
    enum synod_role role;
    struct synod_record *records; /* Its disk, and then what has not reached it. */
    uint32_t record_count;
    uint32_t durable_count;
    uint32_t record_capacity;
    struct cluster_read reads[CLUSTER_READS_MAX];
    uint32_t read_count;
};

/* What an observer is told of, in the order of happening. */
enum cluster_note_type {
    CLUSTER_RECORDED = 1, /* A member wrote `record`. */
    CLUSTER_DELIVERED,    /* `message` arrived. */
    CLUSTER_LOST,         /* `message` will not arrive. */
    CLUSTER_CHOSEN,       /* By the votes on the disks, `entry` is chosen in its slot. */
    CLUSTER_APPLIED,      /* A member learned `entry`, in order. */
    CLUSTER_ROLE,         /* A member stands, leads, follows or gave up: see its status. */
    CLUSTER_READ,         /* A member's `read` may be answered. */
    CLUSTER_STEPPED,      /* A member's core took a step: `event` in, `effects` out. */
};

struct cluster_note {
    enum cluster_note_type type;
    uint32_t member;
    const struct synod_record *record;
    const struct synod_message *message;
    const struct synod_entry *entry;
    const struct cluster_read *read;
    const struct synod_event *event;
    const struct synod_effects *effects;
    enum synod_role was; /* ROLE: before. */
};

typedef void (*cluster_observer)(void *context, const struct cluster_note *note);

struct cluster {
    struct synod_options options; /* Of all; self and seed are each member's own. */
    uint32_t is_disk_slow;        /* The set of members whose records wait for cluster_flush(). */
    uint64_t now_ms;
    synod_slot applied; /* The highest slot that any member ever applied. */
    uint64_t next_packet;
    struct prng prng;
    struct judge judge;
    uint32_t cut[SYNOD_MEMBERS_MAX]; /* From a member: the set of members it does not reach. */
    struct cluster_member members[SYNOD_MEMBERS_MAX];
    struct cluster_packet *packets;
    uint32_t packet_count;
    uint32_t packet_capacity;
    cluster_observer observer; /* May be NULL. */
    void *observer_context;
};

/* A cluster of options->members, all of them down. Of the options, everything but `self` counts.
 * A member's id is its position and one. */
void cluster_init(struct cluster *c, const struct synod_options *options);
void cluster_deinit(struct cluster *c);

/* Begin a life from what is on the disk; end one, and lose what is not. */
void cluster_start(struct cluster *c, uint32_t member);
void cluster_crash(struct cluster *c, uint32_t member);

/* Give a member an event; its time is the cluster's. Returns what the core says. */
int cluster_step(struct cluster *c, uint32_t member, struct synod_event event);

/* Time passes at a member. */
void cluster_tick(struct cluster *c, uint32_t member);

/* Let a member that leads propose the value numbered `value` (not 0; the entry's handle and
 * checksum are this number), and give notice of it if `wants_notice`. Returns the slot, or a
 * negative enum synod_error. */
int64_t cluster_propose(struct cluster *c, uint32_t member, uint64_t value, uint32_t wants_notice);

/* Begin a read. Returns 0 or a negative enum synod_error. */
int cluster_read(struct cluster *c, uint32_t member);

/* The first `count` records that wait reach the disk. */
void cluster_flush(struct cluster *c, uint32_t member, uint32_t count);

/* A snapshot of what is applied is on the member's disk; older records go. */
void cluster_snapshot(struct cluster *c, uint32_t member);

/* Send a message that no core has made. Its sender is message->from. */
void cluster_send(struct cluster *c, const struct synod_message *message);

/* The packet at this position arrives, or is lost where the link is cut or nobody is there. It
 * stays under way if `is_kept`, to arrive again. */
void cluster_deliver(struct cluster *c, uint32_t packet, int is_kept);
void cluster_lose(struct cluster *c, uint32_t packet);

/* What members send to themselves arrives, as far as their disks allow. */
void cluster_deliver_own(struct cluster *c);

/* Let time pass up to `until_ms`: messages arrive after 1 to 5 ms, records are durable at
 * once, and every core gets the ticks it asks for. */
void cluster_run(struct cluster *c, uint64_t until_ms);

/* The member that leads under the highest ballot, or -1. */
int cluster_leader(const struct cluster *c);

#endif /* TEST_CLUSTER_H */
