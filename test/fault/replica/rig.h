/* rig.h -- one or three replicas in a simulated world; what happens to the first may fail. */
#ifndef TEST_FAULT_REPLICA_RIG_H
#define TEST_FAULT_REPLICA_RIG_H

#include "base/list.h"
#include "fault_book.h"
#include "os_fault.h"
#include "replica/replica.h"
#include "sim/net.h"
#include "sim/os_sim.h"
#include "sim/world.h"

enum {
    NODES_MAX = 3,
    RIG_COMMAND_BYTES_MAX = 10 << 20 /* As much as a server may be told to take. */
};

struct node {
    struct rig *rig;
    uint32_t index;
    struct os_sim *sim;
    struct os_sim *scrapped; /* Its machine before it was wiped; events may still name it. */
    struct os_fault *fault;  /* Between the first node's replica and `sim`; else NULL. */
    struct replica *replica; /* NULL: no process. */
    struct book book;
    struct report report; /* Why it did not open, or why it failed. */
    int open_error;
    int failures; /* Calls of on_failed in this life. */
    int is_running;
    int is_stopped;
    uint64_t waiting;      /* Commands and reads of this life without an outcome, ... */
    struct list questions; /* ... which are these. */
};

struct rig {
    struct world world;
    struct net *net;
    uint32_t count;
    struct node nodes[NODES_MAX];
    int is_deceived;                            /* A lie may be why a node fails. */
    uint64_t commands;                          /* Their numbers are 1 .. commands. */
    uint8_t is_acknowledged[BOOK_COMMANDS_MAX]; /* By number. */
};

/* Nodes without a process, on empty disks. */
struct rig *rig_new(uint32_t count, uint64_t seed);
void rig_free(struct rig *rig);

/* Start a process; an error of replica_open() is checked and kept. */
void rig_start(struct rig *rig, uint32_t node);

/* Kill it, if there is one: the power goes with it. */
void rig_kill(struct rig *rig, uint32_t node);

/* Kill it, and put a new machine with an empty disk in its place; once for each node. */
void rig_wipe(struct rig *rig, uint32_t node);

/* Stop it in good order, if it lives, and end the process. */
void rig_stop(struct rig *rig, uint32_t node);

/* A process is there that has not failed. */
int rig_is_up(const struct rig *rig, uint32_t node);

/* Submit so many commands of that size, or ask so many times whether the state may be read, at a
 * node that is up. What is refused at once counts as never done. */
void rig_submit(struct rig *rig, uint32_t node, uint32_t count, size_t size);
void rig_read(struct rig *rig, uint32_t node, uint32_t count);

/* Run until the condition holds, or for so long. Returns whether it holds. A process that has
 * failed is ended on the way, as the server ends itself. */
typedef int (*rig_condition)(const struct rig *rig);
int rig_run(struct rig *rig, uint64_t us, rig_condition condition);

/* Conditions: every process that is up runs; every question asked of one that is up has its
 * outcome; all nodes are up and hold the same. */
int rig_all_run(const struct rig *rig);
int rig_all_answered(const struct rig *rig);
int rig_all_equal(const struct rig *rig);

/* With no more faults: start what is down, and assert that everything comes together, works, and
 * holds all that was ever acknowledged, in one order, each command once. */
void rig_recover(struct rig *rig);

#endif /* TEST_FAULT_REPLICA_RIG_H */
