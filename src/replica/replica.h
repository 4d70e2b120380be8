/* replica.h -- one member of a cluster: core, log, peers and state machine in one loop.
 *
 * The replica turns events (requests, frames, a disk that has finished, time) into steps of the
 * core, and does what each step asks for in the one legal order: append the records, send what
 * may leave, apply what was chosen. It knows the state machine by its callbacks alone.
 *
 *     replica_open(os, &options, &report, &replica)
 *     replica_submit(replica, kind, command, on_result, context)     a change
 *     replica_read(replica, on_read, context)                        a look at the newest state
 *     replica_stop(replica) ... events.on_stopped ... replica_free(replica)
 *
 * What one turn of the loop submits becomes one entry of the log, one message to each member
 * and one write to the disk; what it reads becomes one question.
 *
 * Threads   The loop thread only.
 * Errors    Negative enum synod_error. A replica whose disk has failed says so once
 *           (on_failed), acknowledges nothing any more, and can only be freed.
 */
#ifndef REPLICA_REPLICA_H
#define REPLICA_REPLICA_H

#include "base/bytes.h"
#include "os/os.h"
#include "synod/core.h"
#include "synod/machine.h"
#include "wal/report.h"

enum {
    REPLICA_COMMAND_BYTES_MAX = 15 << 20
};

struct replica;

/* A member of the cluster as it is founded. */
struct replica_member {
    const char *name;    /* For people. Different from the others'. */
    const char *address; /* "host:port" where the others reach it. Different from the others'. */
};

struct replica_events;

struct replica_options {
    const struct synod_machine *machine;  /* What commands are applied to; copied. */
    const struct replica_events *events;  /* Whom to tell; outlives the replica. */
    void *context;                        /* For the events. */
    const char *data_dir;                 /* Its directory; made if it is not there. */
    const char *token;                    /* Parts clusters with the same members. */
    const char *listen;                   /* "host:port" for the other members. */
    const struct replica_member *members; /* All of them, this one included. */
    uint32_t member_count;                /* 1 .. SYNOD_MEMBERS_MAX. */
    uint32_t self;                        /* Which of them this one is. */
    uint32_t heartbeat_ms;                /* Members ask each other this often. */
    uint32_t election_ms;                 /* Who is silent for so long is not heard. */
    uint32_t request_timeout_ms;          /* A request without an outcome ends after this. */
    uint32_t command_size_max;            /* In bytes; at most REPLICA_COMMAND_BYTES_MAX. */
    uint32_t pending_max;                 /* Requests under way; more are SYNOD_ERR_BUSY. */
    uint64_t pending_bytes_max;           /* Bytes of requests not yet proposed. */
    uint64_t snapshot_bytes;              /* What the log grows by, at least, before the next
                                           * snapshot; more if the state is larger. */
    uint64_t tail_bytes;                  /* Of the log, kept although a snapshot covers it, for
                                           * members that are a little late. */
    uint64_t cache_bytes;                 /* Of entries that are applied, kept in memory. */
    uint64_t backlog_bytes_max;           /* Of records that are not durable yet, and of messages
                                           * that wait for them: with more, no command is
                                           * proposed, and no entry of another member is voted for
                                           * or learned. */
    uint32_t segment_bytes;               /* Of the log's files; 0: its default. */
    uint32_t window;                      /* Of the core, in slots: a power of two, and no less than
                                           * in an earlier life. 0: its default. */
};

/* Set every limit and time to its default and everything else to zero. */
void replica_options_init(struct replica_options *options);

struct replica_events {
    /* It votes, and will follow or lead: requests make sense from now on. Before, a new
     * cluster waits until every member was heard, and holds the same table of members. */
    void (*on_running)(void *context);
    /* It follows somebody else than before, or leads, or neither: see replica_status(). */
    void (*on_leader)(void *context);
    /* The disk has failed, or what it holds contradicts itself (SYNOD_ERR_STORAGE, ..._CORRUPT),
     * or the peer address cannot be listened on (SYNOD_ERR_ADDRESS): nothing is acknowledged any
     * more. `report` is borrowed during the call. */
    void (*on_failed)(void *context, const struct report *report);
    /* After replica_stop(): nothing is under way any more. */
    void (*on_stopped)(void *context);
    /* The core has taken a step: for those who watch whether it may. NULL: nobody does. All is
     * borrowed during the call. */
    void (*on_step)(void *context, const struct synod_event *event,
                    const struct synod_effects *effects);
};

/* Open the data directory, recover what it holds into the machine, and begin to take part.
 * Blocks while it reads the directory. `options` and its strings are copied. No callback comes
 * from inside this call. 0, or with `report` filled in:
 *   SYNOD_ERR_CORRUPT   damaged records or snapshot: file and offset are in the report
 *   SYNOD_ERR_FOREIGN   data of another cluster, or of a newer version of Synod
 *   SYNOD_ERR_LOCKED    another process has the directory
 *   SYNOD_ERR_ACCESS    it cannot be made, read or written, or is open to others
 *   SYNOD_ERR_STORAGE   the disk refused
 *   SYNOD_ERR_MEMORY    out of memory */
int replica_open(struct os *os, const struct replica_options *options, struct report *report,
                 struct replica **replica);

/* The outcome of a command. `error` is 0, and `result` what the machine returned (borrowed
 * during the call); or SYNOD_ERR_UNKNOWN: it was proposed, and may or may not be applied;
 * SYNOD_ERR_NO_LEADER: it was never proposed, and will not be; SYNOD_ERR_STOPPED: this replica
 * leaves, and the outcome is as unknown as above. */
typedef void (*replica_result_callback)(void *context, int error, const void *result);

/* Propose a command; it is copied. The callback comes once, never from inside this call.
 * SYNOD_ERR_TOO_BIG, SYNOD_ERR_BUSY, SYNOD_ERR_MEMORY, SYNOD_ERR_STOPPED: it was not taken, and
 * no callback will come. */
int replica_submit(struct replica *replica, uint32_t kind, struct bytes command,
                   replica_result_callback callback, void *context);

/* The state is now at least as new as everything that was acknowledged before the read began
 * (`error` 0), or that could not be found out in time (SYNOD_ERR_NO_LEADER). */
typedef void (*replica_read_callback)(void *context, int error);

/* Wait until the state may be read. The callback comes once, never from inside this call.
 * SYNOD_ERR_BUSY, SYNOD_ERR_MEMORY, SYNOD_ERR_STOPPED: no callback will come. */
int replica_read(struct replica *replica, replica_read_callback callback, void *context);

/* What operators and front ends ask for. Strings are borrowed while the replica lives. */
struct replica_status {
    uint32_t is_running;     /* See on_running. */
    uint32_t has_failed;     /* See on_failed: the machine's state may be lost or half restored. */
    uint32_t leader;         /* Index of the leader in the options' members, ... */
    uint32_t has_leader;     /* ... if there is one. */
    uint32_t is_leader;      /* It is this one. */
    uint64_t cluster_id;     /* Hash of the founding table; 0 before. */
    uint64_t term;           /* Never falls: what etcd calls raft_term. */
    synod_slot chosen;       /* The chosen prefix, as far as known here. */
    synod_slot applied;      /* The last slot applied. */
    uint64_t leader_changes; /* Leaders seen in this life. */
    uint64_t submitted;      /* Commands taken in this life ... */
    uint64_t failed;         /* ... and ended with an error. */
    uint64_t applied_commands;
    uint32_t pending;     /* Commands under way. */
    uint64_t log_bytes;   /* On the disk, ... */
    uint64_t log_backlog; /* ... and what is on its way there: wal_backlog(). */
    uint64_t flush_count; /* Of the disk in this life, and how long they took: */
    uint64_t flush_us_total;
    const char *why;         /* Why the leader last changed. */
    uint64_t contradictions; /* Messages in this life that named another value as chosen in a slot
                                than is known here. Not 0: a member is broken, or this one is. */
};
void replica_status(const struct replica *replica, struct replica_status *status);

/* The identity of a member of the options' table; 0 while it is not known. */
synod_member_id replica_member_id(const struct replica *replica, uint32_t index);

/* The port on which it listens for the other members. */
int replica_peer_port(const struct replica *replica);

/* Leave in good order: hand over the lead, write what is to be written, close. Nothing is taken any
 * more; requests under way end with SYNOD_ERR_STOPPED, and on_stopped follows, never from inside
 * this call. From any callback. */
void replica_stop(struct replica *replica);

/* As if the process had died here: from now on nothing is sent, written or answered, and no
 * callback comes. For simulations; what is left to do is replica_free(), once no job of it is
 * on a worker any more. */
void replica_kill(struct replica *replica);

/* Free it; after on_stopped or on_failed, or when the loop has ended. No callback comes: requests
 * that are still under way have no outcome. Jobs of it that are on workers keep what they need,
 * the cursors of snapshots too, until the loop is told of their end; nothing else is touched. */
void replica_free(struct replica *replica);

#endif /* REPLICA_REPLICA_H */
