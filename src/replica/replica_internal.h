/* replica_internal.h -- one member of a cluster, piece by piece.
 *
 *   recover.c     from the directory to a core: locks, snapshot, records, the start count
 *   founding.c    from a list of addresses to a table of identities that all members hold
 *   drive.c       events into the core, effects out of it, in the one legal order
 *   frames.c      frames from the other members
 *   submit.c      commands: into bundles, into entries, and their outcomes back
 *   reading.c     reads: one question for all that wait
 *   relay.c       what is for a leader that is not heard, through a member that vouches
 *   log.c         the bytes of entries, by handle; records.c their records as bytes
 *   catchup.c     old entries, for members that were away; giving.c and taking.c snapshots
 *   snapshotting.c  writing snapshots and cutting the log behind them
 *   replica.c     the public face, and the life of it all
 */
#ifndef REPLICA_REPLICA_INTERNAL_H
#define REPLICA_REPLICA_INTERNAL_H

#include "base/buffer.h"
#include "base/list.h"
#include "base/mutant.h"
#include "os/os.h"
#include "peer/peer.h"
#include "replica/log.h"
#include "replica/replica.h"
#include "synod/core.h"
#include "synod/error.h"
#include "wal/snapshot.h"
#include "wal/wal.h"
#include "wire/wire.h"

enum {
    REPLICA_FRAME_BYTES_MAX = 16 << 20, /* The body of a frame between replicas. */
    /* An entry's value: whatever message it is part of fits into a frame. */
    REPLICA_VALUE_BYTES_MAX = REPLICA_FRAME_BYTES_MAX - (64 << 10),
    /* Of snapshots that are pulled: what is before the bytes of a piece, and how long the first
     * piece is waited for. */
    TRANSFER_HEAD_BYTES = 24,
    TRANSFER_RETRY_US = 2000000,
};

/* Frame types between replicas. */
enum replica_frame {
    FRAME_MESSAGE = PEER_FRAME_TYPE_MIN, /* A message of the core: src/wire. */
    FRAME_FORWARD,                       /* A bundle of commands for the leader. */
    FRAME_SNAPSHOT_OFFER,                /* u64 slot, u64 bytes: what you ask for is in it. */
    FRAME_SNAPSHOT_PULL,                 /* u64 slot, u64 offset: send me this. */
    FRAME_SNAPSHOT_PIECE,                /* u64 slot, u64 bytes, u64 offset, the bytes. */
    FRAME_ALIVE,                         /* Nothing: during the founding, when there are no
                                          * heartbeats yet, it finds out dead connections. */
    FRAME_READ,                          /* u64 life, u64 number: read for me. */
    FRAME_READ_INDEX,                    /* u64 life, u64 number, u64 slot: to be waited for. */
};

enum replica_phase {
    PHASE_OPENING = 1, /* The start count is on its way to the disk. */
    PHASE_FOUNDING,    /* Not every member was heard to hold our table yet. */
    PHASE_RUNNING,     /* The core lives. */
    PHASE_STOPPING,    /* Leaving in good order. */
    PHASE_FAILED,      /* The disk has failed, or its contents contradict themselves. */
    PHASE_STOPPED,
};

/* What is remembered of a member of the table; index as in options.members. */
struct member {
    char *name;
    char *address;
    synod_member_id id;      /* 0: not known yet. */
    uint64_t said_table;     /* The hash of the table that it said it holds; 0: none. */
    uint32_t peer;           /* Its number in src/peer; unused for this replica itself. */
    uint64_t forward_life;   /* The incarnation whose bundles were taken last, ... */
    uint64_t forward_next;   /* ... and the lowest sequence not taken yet. */
    struct serve *serve;     /* Old entries being read from the disk for it, or NULL. */
    synod_slot serve_asked;  /* It has everything before, as it said last. */
    synod_slot serve_next;   /* The next entry to be sent. */
    synod_slot serve_end;    /* As far as they may go now. */
    synod_slot needed;       /* What comes after it is what it asks for, or will next, ... */
    uint64_t needed_us;      /* ... as it let us know then. */
    synod_slot given;        /* The last snapshot that it had whole from us, ... */
    uint32_t given_count;    /* ... and how often. */
    struct sending *sending; /* A snapshot that it pulls, or NULL. */
};

/* A message that waits for its record, encoded. */
struct held {
    struct list link;
    synod_lsn after; /* The core's number of the record. */
    uint32_t member; /* To whom; may be this replica itself. */
    uint32_t type;   /* enum synod_message_type. */
    size_t room;     /* Bytes of memory behind it. */
    struct bytes body;
    uint8_t bytes[];
};

/* Which record of the log a record of the core became. */
struct record_pair {
    synod_lsn core;
    uint64_t wal;
};

/* A record that recovery met before the table of members. */
struct early_record {
    struct list link;
    struct wal_record record;
    uint8_t body[];
};

/* A command under way. */
struct pending {
    replica_result_callback callback; /* NULL: it has its outcome. */
    void *context;
    uint64_t deadline_us;
};

/* After a failure nothing is tried for a while, and after the next for twice as long. */
struct backoff {
    uint64_t until_us;
    uint64_t wait_us; /* 0: nothing has failed since something last went well. */
};

/* Reads that share one question. */
struct read_batch {
    struct list link;
    uint64_t first;       /* The number of its first question; 0: reads may still join. */
    uint64_t asked_us;    /* When it was asked last. */
    uint64_t deadline_us; /* When to give up. */
    synod_slot index;     /* Once is_confirmed: the state to wait for. */
    uint32_t is_asked;    /* And it is not yet time to ask again. */
    uint32_t is_confirmed;
    uint32_t count;
    uint32_t capacity;
    struct read_waiter *waiters;
};

struct read_waiter {
    replica_read_callback callback;
    void *context;
};

struct replica {
    struct os *os;
    struct replica_options options; /* Strings owned. */
    struct synod_machine machine;
    const struct replica_events *events;
    void *context;
    enum replica_phase phase;

    struct member members[SYNOD_MEMBERS_MAX];
    uint32_t member_of_peer[SYNOD_MEMBERS_MAX];

    /* What the directory says. */
    struct os_file *lock;
    struct wal *wal;
    synod_member_id identity;
    uint64_t start_count; /* Of this life. */
    uint64_t start_random;
    struct buffer table; /* The founding table as recorded; empty: none yet. */
    uint64_t table_hash; /* 0: none yet. Also the cluster's id. */
    uint32_t is_table_durable;
    uint32_t is_vote_heard; /* A member votes already. */
    uint32_t was_running;   /* The record that ends the founding is there. */
    synod_slot snapshot;    /* Of the newest snapshot; 0: none. */
    struct list early;      /* struct early_record, in order. */
    struct report *report;  /* During replica_open(): where to say what is wrong. */
    char complaint[400];    /* What is wrong with a record, for the report. */
    uint64_t opening_lsn;   /* Durable: this life may begin. */
    uint64_t table_lsn;     /* Durable: the table may be told. */
    uint64_t running_lsn;   /* Durable: the founding is over. */

    /* The core. */
    struct synod_options core_options;
    struct synod_core *core; /* NULL until the table is known. */
    struct synod_effects *effects;
    synod_slot recorded_chosen; /* As last recorded, for segments that begin. */
    uint64_t wake_ms;           /* When the core wants to be told the time. */
    uint64_t tick_ms;           /* When the replica itself has to look what is due. */
    synod_lsn durable;          /* The core's last durable record. */
    struct record_pair *pairs;  /* Ring: records not yet durable. */
    uint32_t pair_first;
    uint32_t pair_count;
    uint32_t pair_capacity;
    struct list held;       /* struct held, in order of sending. */
    struct list to_self;    /* struct held that may be handled. */
    struct list held_spare; /* Freed small ones, to use again; so many: */
    uint32_t held_spare_count;
    uint64_t held_bytes;       /* Memory of those that wait. */
    struct wire_arrays arrays; /* For one decoded message. */
    struct synod_ballot leader;
    uint64_t leader_changes;
    uint64_t contradictions; /* See replica_status(). */
    uint64_t term;
    enum synod_why why;

    struct log log;
    synod_slot applied;
    uint64_t kept_bytes; /* Of the log on the disk: the least since it was last cut. */
    uint64_t applied_commands;

    struct peers *peers;
    struct os_timer *timer;

    /* Commands. */
    struct pending *pending; /* Ring by sequence. */
    uint64_t pending_capacity;
    uint64_t pending_first;  /* The oldest that may have no outcome. */
    uint32_t pending_count;  /* Those that have none. */
    uint64_t sequence;       /* Of the next command; the first is 1. */
    uint64_t unsent;         /* The first that was neither proposed nor forwarded. */
    struct buffer forming;   /* Commands from `unsent` on. */
    struct buffer forwarded; /* Whole bundles of other members, for the next entry. */
    uint32_t forming_count;
    uint32_t forwarded_count;
    uint64_t submitted;
    uint64_t failed;
    uint32_t is_forwarded_due; /* What was forwarded did not fit, and goes first. */
    struct value *ready;       /* A value that the core was too busy for, ... */
    uint32_t ready_has_others; /* ... with commands of other members in it. */
    synod_slot proposed;       /* The last slot proposed in this lead. */

    /* Reads. */
    struct list relayed; /* Reads of other members, oldest first: relay.c. */
    uint32_t relayed_count;
    struct list reads;          /* struct read_batch, oldest first. */
    struct read_batch *reading; /* The one that new reads join; the last of the list. */
    uint64_t read_id;

    /* Snapshots. */
    struct snapshot_job *snapshot_job;
    uint32_t is_snapshot_wanted; /* Somebody needs what cannot be read any more. */
    struct backoff writing_backoff;
    struct backoff taking_backoff;
    struct receiving *receiving;
    uint32_t work_count; /* Jobs on workers: closing and freeing wait for them. */
    uint32_t is_freed;   /* By its owner; its memory goes with the last job. */
    uint32_t is_stop_wanted;
    uint64_t flush_began_us;
    uint64_t flush_count;
    uint64_t flush_us_total;
};

/* Which life of this member it is, for the others. */
static inline uint64_t replica_life(const struct replica *r)
{
    return r->start_count << 32 | (r->start_random & UINT32_MAX);
}

/* Milliseconds of the core's clock; never 0. */
static inline uint64_t replica_now_ms(struct replica *r)
{
    const uint64_t now_ms = os_now_us(r->os) / 1000;
    return (MUTANT(132) ? (uint32_t)now_ms : now_ms) + 1;
}

/* An id for a question of a read. Four thousand million questions later it is long forgotten. */
static inline uint64_t replica_next_read(struct replica *r)
{
    r->read_id = r->read_id == UINT32_MAX && !MUTANT(144) ? 1 : r->read_id + 1;
    return r->read_id;
}

/* So much waits for the disk that nothing more is put in front of it. */
static inline int replica_is_behind(const struct replica *r)
{
    return wal_backlog(r->wal) + r->held_bytes > r->options.backlog_bytes_max;
}

/* The index of a member by identity, or -1. */
int replica_member_of(const struct replica *r, synod_member_id id);

/* Listen for the other members and call them. */
int replica_open_peers(struct replica *r, struct report *report);

/* Let the core take a step, and tell whoever watches. What is to be done about the effects is the
 * caller's: drive_step() does all of it. */
int replica_step_core(struct replica *r, const struct synod_event *event);

/* The disk failed, or its contents contradict themselves. */
void replica_fail(struct replica *r, const struct report *report);
void replica_fail_memory(struct replica *r, const char *what);

/* Something was not done, and will be tried again: tell the operator. */
void replica_warn(const char *what, const struct report *report);

/* Stop as replica_stop() has wished, at the end of a turn. The replica may be freed inside. */
void replica_leave(struct replica *r);

/* A job on a worker began, or was taken back: stopping waits for all of them. */
void replica_work(struct replica *r, struct os_work *work);
void replica_work_done(struct replica *r);

/* -- recover.c -- */
int recover_open(struct replica *r, struct report *report);
int recover_core(struct replica *r, struct report *report);
void recover_on_segment(void *context);

/* -- founding.c -- */
uint64_t founding_cluster_key(const struct replica *r);
const char *founding_on_hello(void *context, uint32_t peer, const struct peer_hello *hello);
int founding_read_table(struct replica *r);
void founding_advance(struct replica *r);
void founding_tick(struct replica *r);

/* A message of the core was heard: nobody sends one who does not vote. */
void founding_on_message(struct replica *r);

/* -- drive.c -- */
int drive_step(struct replica *r, const struct synod_event *event);
void drive_on_durable(void *context, uint64_t lsn);
void drive_on_wal_failure(void *context, const struct report *report);
void drive_on_turn_end(void *context);
void drive_on_timer(void *context);
void drive_send(struct replica *r, uint32_t member, const struct synod_message *message,
                const struct bytes *values);

/* -- frames.c -- */
const char *frames_on_frame(void *context, uint32_t peer, uint16_t type, uint32_t group,
                            struct bytes body);
/* Send a frame that is nothing but so many numbers, at most four. */
void frames_send_numbers(struct replica *r, uint32_t member, uint16_t type, const uint64_t *numbers,
                         size_t count);
const char *frames_on_message(struct replica *r, uint32_t member, struct bytes body);

/* -- submit.c -- */
void submit_turn_end(struct replica *r);
const char *submit_on_forward(struct replica *r, uint32_t member, struct bytes body);
void submit_apply(struct replica *r, const struct synod_entry *entry);
void submit_expire(struct replica *r);
void submit_fail_all(struct replica *r, int error);

/* -- relay.c -- */

/* Whom to give what is for the leader: its position, or that of a member that vouches; -1:
 * nobody. */
int relay_way(const struct replica *r);

/* This member leads, or hears the leader itself. */
int relay_is_open(const struct replica *r);

/* If it does not: let the one that vouches ask the leader for us. Returns 1, and
 * reading_on_index() follows; or 0. */
int relay_read(struct replica *r, uint64_t id);
const char *relay_on_read(struct replica *r, uint32_t member, struct bytes body);
const char *relay_on_index(struct replica *r, struct bytes body);
void relay_on_own_index(struct replica *r, uint64_t own_id, synod_slot index);
void relay_free(struct replica *r);

/* -- reading.c -- */
void reading_turn_end(struct replica *r);
void reading_on_index(struct replica *r, uint64_t id, synod_slot index);
void reading_on_applied(struct replica *r);
void reading_on_leader(struct replica *r);
void reading_tick(struct replica *r);
void reading_fail_all(struct replica *r, int error);
void reading_drop_all(struct replica *r); /* Without a word to those who wait. */

/* -- catchup.c -- */
void catchup_serve(struct replica *r, const struct synod_serve *serve);
void catchup_tick(struct replica *r);
void catchup_forget(struct replica *r, uint32_t member); /* Its connection broke. */

/* -- giving.c -- */

/* The member lacks what only a snapshot covers. */
void giving_offer(struct replica *r, uint32_t member);

/* Let go of the log up to `slot`? Only to the slot returned: members that are catching up need the
 * rest, unless that would be too much to keep. */
synod_slot giving_keep(const struct replica *r, synod_slot slot);
const char *giving_on_pull(struct replica *r, uint32_t member, struct bytes body);
void giving_on_lost(struct replica *r, uint32_t member); /* Its connection broke. */
void giving_tick(struct replica *r);
void giving_stop(struct replica *r);

/* -- taking.c -- */

/* Bytes of a snapshot under way to us that are still to come. */
uint64_t taking_missing(const struct replica *r);
const char *taking_on_offer(struct replica *r, uint32_t member, struct bytes body);
const char *taking_on_piece(struct replica *r, uint32_t member, struct bytes body);
void taking_on_connected(struct replica *r, uint32_t member);
void taking_tick(struct replica *r);
void taking_stop(struct replica *r);

/* -- snapshotting.c -- */
void snapshotting_consider(struct replica *r);

/* Is there room on the disk for a snapshot of so many bytes, besides the log? If not, say so, with
 * `what` cannot be done, and do not ask the disk again before `backoff` is over. */
int snapshotting_has_room(struct replica *r, uint64_t bytes, struct backoff *backoff,
                          const char *what);

/* Something has failed at `now_us`. */
void backoff_begin(struct backoff *backoff, uint64_t now_us);

/* Replace the state by the snapshot of `slot`, and tell the core. On error the state is gone. */
int snapshotting_load(struct replica *r, synod_slot slot, struct report *report);

/* The same with one that was received and checked; but only when the machine has taken what is in
 * it may a life begin with it. `file` is freed, whatever comes of it. */
int snapshotting_take(struct replica *r, synod_slot slot, struct snapshot_receive *file,
                      struct report *report);
void snapshotting_trim(struct replica *r);

/* Those before the newest have done their service; whoever reads one has it open. */
void snapshotting_remove_older(const struct replica *r);
void snapshotting_stop(struct replica *r); /* Leave off what is being written. */

#endif /* REPLICA_REPLICA_INTERNAL_H */
