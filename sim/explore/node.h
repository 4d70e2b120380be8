/* node.h -- one member of an explored cluster: a real core, its disk, and what it has said.
 *
 * A node is a small structure of numbers of the pools: its core's memory, the records on its
 * disk and those on their way there, the messages that wait for them. What a node does with an
 * event depends on nothing else, so it is computed once, with the real core, and remembered:
 * however many states of the cluster there are, the core takes each of its own steps once.
 *
 * Here is checked what a member can be held to by itself (node_check.c); what binds all members
 * together is in claims.h. */
#ifndef SIM_EXPLORE_NODE_H
#define SIM_EXPLORE_NODE_H

#include "sim/explore/pool.h"
#include "sim/explore/scope.h"
#include "synod/core.h"

enum {
    NODE_LIST_MAX = 64, /* Records, messages that wait, proposals: of one node. */
    NODE_ENTRIES_MAX = 4,
};

/* The pools that all nodes of a search share. */
struct world_parts {
    const struct scope *scope;
    struct pool nodes;
    struct pool cores;
    struct pool lists;   /* Of numbers of records or messages, 16 bits each. */
    struct pool records; /* struct synod_record, without lsn. */
    struct pool messages;
};

void world_parts_init(struct world_parts *parts, const struct scope *scope);
void world_parts_deinit(struct world_parts *parts);

/* Of memory, for all of them. */
uint64_t world_parts_bytes(const struct world_parts *parts);

struct node {
    struct synod_ballot told; /* The highest promise that others were told of. */
    uint32_t core;
    uint32_t disk;      /* List of records that are durable, oldest first. */
    uint32_t pending;   /* List of records on their way to the disk. */
    uint32_t held;      /* List of pairs: a message, and how many records it waits for. */
    uint32_t proposals; /* List of records: ever proposed here, ballot, slot and value. */
    uint32_t forgotten; /* List of records: votes that a snapshot replaced. */
    uint32_t lives;
    uint32_t snapshot; /* Slots that the snapshot on the disk covers. */
    uint32_t applied;
    uint32_t reads;       /* Begun in this life. */
    uint32_t read_floors; /* 8 bits for each read: the slots applied anywhere as it began. */
    uint8_t values[SCOPE_SLOTS_MAX * 2]; /* Applied, slot by slot; 0: a no-op. */
};

/* A message under way, as the pool keeps it. Its votes or entries follow it. */
struct packet {
    struct synod_message message; /* Pointers and after_lsn are cleared. */
    uint32_t is_snapshot;         /* Not a message of the core: the state up to message.chosen. */
    uint8_t values[SCOPE_SLOTS_MAX * 2]; /* The state: what is applied. */
    uint32_t padding;
};

enum node_event_type {
    NODE_BEGIN = 1, /* The first life. */
    NODE_STAND,
    NODE_PROPOSE, /* `argument`: the value. */
    NODE_FLUSH,   /* One more record is durable. */
    NODE_CRASH,   /* What is not durable is lost, and the next life begins. */
    NODE_TIMEOUT,
    NODE_READ, /* `argument`: the slots applied anywhere. */
    NODE_SNAPSHOT,
    NODE_MESSAGE, /* `argument`: the number of the message. */
};

struct node_event {
    enum node_event_type type;
    uint32_t argument;
};

/* What an event did. */
enum node_outcome_flags {
    NODE_IMPOSSIBLE = 1,   /* Nothing: it cannot happen, or leads out of the scope. */
    NODE_CONCERNS_ALL = 2, /* Something happened that claims.h has to look at. */
    NODE_BROKEN = 4,       /* The node broke a rule: see node_breach(). */
};

struct node_outcome {
    uint32_t node;
    uint32_t flags;
    uint32_t sent; /* List of messages, numbers rising. */
};

/* A broken claim. */
struct violation {
    const char *claim; /* claim_name()'s; NULL: none. */
    char detail[256];
};

/* What a thread needs to take steps. */
struct node_bench;
struct node_bench *node_bench_new(struct world_parts *parts);
void node_bench_free(struct node_bench *bench);

/* The first state of a member, before NODE_BEGIN. */
uint32_t node_first(struct world_parts *parts, uint32_t member);

/* Let `member`, in the state numbered `node`, take one step. */
void node_step(struct node_bench *bench, uint32_t member, uint32_t node, struct node_event event,
               struct node_outcome *outcome);

/* What the last step of this bench broke. */
const struct violation *node_breach(const struct node_bench *bench);

static inline const struct node *node_at(const struct world_parts *parts, uint32_t node)
{
    return (const void *)pool_at(&parts->nodes, node).data;
}

static inline const struct packet *node_packet(const struct world_parts *parts, uint32_t message)
{
    return (const void *)pool_at(&parts->messages, message).data;
}

static inline const struct synod_record *node_record(const struct world_parts *parts,
                                                     uint32_t record)
{
    return (const void *)pool_at(&parts->records, record).data;
}

#endif /* SIM_EXPLORE_NODE_H */
