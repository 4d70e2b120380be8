/* ledger.h -- what a cluster applied, slot by slot: all its replicas must agree.
 *
 * Around each replica's machine goes one that keeps a chain: each link hashes the link before and
 * one command. The ledger knows the chain after each slot, so it notices the first slot in which
 * two replicas differ, also when one of them had been given a snapshot. */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

#include "synod/machine.h"
#include "synod/types.h"

struct ledger {
    uint64_t *chains; /* By slot: the chain after it; 0: not known. */
    uint64_t chain_capacity;
    synod_slot applied;  /* The highest slot. */
    uint64_t restores;   /* Snapshots loaded. */
    char violation[512]; /* What went wrong first, or "". */
};

/* All zero is an empty ledger. */
void ledger_deinit(struct ledger *ledger);

/* Something went wrong; only the first is kept. */
__attribute__((format(printf, 2, 3))) void ledger_violate(struct ledger *ledger, const char *format,
                                                          ...);

/* One replica's machine, watched, from its start to its end. */
struct ledger_machine {
    struct ledger *ledger;
    uint32_t node;
    struct synod_machine inner;
    void (*on_apply)(void *context); /* Told before each command, and after it. */
    void (*on_applied)(void *context, const struct synod_command *command);
    void *context;
    synod_slot slot; /* Of the last command. */
    uint64_t chain;  /* After it. */
    int is_restored; /* The chain is that of the snapshot's slot, wherever that was. */
};

/* Before the call ledger, node, inner and whom to tell are set, the rest is zero. `outer` is what
 * the replica is given; it borrows the machine. */
void ledger_watch(struct ledger_machine *watched, struct synod_machine *outer);

#endif /* SIM_LEDGER_H */
