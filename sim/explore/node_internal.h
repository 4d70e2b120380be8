/* node_internal.h -- a node while it takes a step: taken apart, put together again afterwards. */
#ifndef SIM_EXPLORE_NODE_INTERNAL_H
#define SIM_EXPLORE_NODE_INTERNAL_H

#include "sim/explore/claim.h"
#include "sim/explore/node.h"

struct node_list {
    uint32_t count;
    uint16_t items[NODE_LIST_MAX];
};

struct node_bench {
    struct world_parts *parts;
    struct synod_core *core;
    struct synod_effects *effects;
    size_t core_size;
    struct synod_options options;
    uint32_t member;
    uint64_t now_ms;
    struct node node;
    struct node_list disk;
    struct node_list pending;
    struct node_list held; /* Message, records it waits for, message, ... */
    struct node_list proposals;
    struct node_list forgotten;
    struct node_list own; /* Messages to itself that may be given back. */
    struct node_list sent;
    struct node_outcome *outcome;
    struct violation breach;
};

/* The node broke a rule. Says so once: the first is what matters. */
__attribute__((format(printf, 3, 4))) void node_break(struct node_bench *bench, enum claim claim,
                                                      const char *format, ...);

void node_list_append(struct node_list *list, uint32_t number);

/* The number of a record, whatever its lsn. */
uint32_t node_record_number(struct world_parts *parts, const struct synod_record *record);

/* -- The claims on one member (node_check.c) ------------------------------------------------ */

/* It is about to write a record. */
void node_check_record(struct node_bench *bench, const struct synod_record *record);

/* A message is about to leave it. */
void node_check_sent(struct node_bench *bench, const struct packet *packet);

/* It proposed an entry. Remembers it. */
void node_check_proposal(struct node_bench *bench, struct synod_ballot ballot,
                         const struct synod_entry *entry);

/* It has heard a message, and done about it what it does. */
void node_check_heard(struct node_bench *bench, const struct synod_message *message);

/* A life has begun. */
void node_check_life(struct node_bench *bench);

/* A step is over. */
void node_check_state(struct node_bench *bench);

/* A read may be answered from `index` on. */
void node_check_read(struct node_bench *bench, const struct synod_read *read);

#endif /* SIM_EXPLORE_NODE_INTERNAL_H */
