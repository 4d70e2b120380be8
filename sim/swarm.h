/* swarm.h -- what a seed is like: how many nodes, which faults at all, and how bad.
 *
 * All of it is drawn from the seed first, so that some seeds are gentle, some are cruel in one
 * way, and some in all (swarm testing: Groce et al., ISSTA 2012). A person, or the search for a
 * smaller failing run, may take faults away again, or nodes, clients and operations. */
#ifndef SIM_SWARM_H
#define SIM_SWARM_H

#include "sim/cluster.h"
#include "sim/workload.h"

/* Kinds of fault. Those of the first group are in the air all the time, those of the second are
 * misfortunes that come one by one. Cuts have a shape each: see partition.h. */
#define FAULT_MAP(X)                                                                               \
    X(FAULT_LOSS, "loss")                                                                          \
    X(FAULT_REPEAT, "repeat")                                                                      \
    X(FAULT_REORDER, "reorder")                                                                    \
    X(FAULT_PICK, "pick") /* One type of message fares worst. */                                   \
    X(FAULT_SLOW_NET, "slow-net")                                                                  \
    X(FAULT_NARROW, "narrow") /* Links that large values fill. */                                  \
    X(FAULT_SLOW_DISK, "slow-disk")                                                                \
    X(FAULT_STALL, "stall")                                                                        \
    X(FAULT_HASTE, "haste") /* Time-outs as short as a message takes. */                           \
    X(FAULT_DRIFT, "drift")                                                                        \
    X(FAULT_FAR, "far")     /* Members are far from each other, each pair as far as it is. */      \
    X(FAULT_LAME, "lame")   /* The disk of one member is slower than the others'. */               \
    X(FAULT_REFIT, "refit") /* Members keep as much as they do in this life, each its own. */      \
    X(FAULT_KILL, "kill")                                                                          \
    X(FAULT_KILL_ALL, "kill-all")                                                                  \
    X(FAULT_KILL_LEADER, "kill-leader")                                                            \
    X(FAULT_BARRIER, "barrier") /* Killed between any two calls to the os. */                      \
    X(FAULT_STOP, "stop")                                                                          \
    X(FAULT_PAUSE, "pause")                                                                        \
    X(FAULT_JUMP, "jump")                                                                          \
    X(FAULT_FREEZE, "freeze") /* A clock that stands. */                                           \
    X(FAULT_CUT, "cut")                                                                            \
    X(FAULT_CLOG, "clog")                                                                          \
    X(FAULT_BREAK, "break") /* Streams end between processes that live. */                         \
    X(FAULT_READ_ERROR, "read-error")                                                              \
    X(FAULT_WRITE_ERROR, "write-error")                                                            \
    X(FAULT_FULL, "full")                                                                          \
    X(FAULT_ROT, "rot")                                                                            \
    X(FAULT_STALE, "stale")                                                                        \
    X(FAULT_MISPLACED, "misplaced")                                                                \
    X(FAULT_WIPE, "wipe")

#define FAULT_ENUM(name, text) name,
enum fault {
    FAULT_NONE = 0,
    FAULT_MAP(FAULT_ENUM) FAULT_END
};

enum {
    FAULT_FIRST_MISFORTUNE = FAULT_KILL,
    MISFORTUNES_MAX = 300 /* In a run: else some seeds would never get anything done. */
};

/* Never NULL. */
const char *fault_name(enum fault fault);

/* The fault with that name, or FAULT_NONE. */
enum fault fault_find(const char *name, size_t length);

static inline uint64_t fault_bit(enum fault fault)
{
    return (uint64_t)1 << fault;
}

/* What is taken away of what the seed says. */
struct swarm_limits {
    uint32_t nodes;       /* 0: as the seed says. */
    uint32_t clients;     /* 0: as the seed says. */
    uint32_t operations;  /* 0: as the seed says. */
    uint32_t misfortunes; /* So many at most; 0: as they come. */
    uint32_t is_spared;   /* None at all. */
    uint32_t variation;   /* Another run of the same kind; 0: the seed's own. */
    uint64_t without;     /* Kinds of fault that do not come; bits. */
};

struct swarm {
    struct cluster_options cluster;
    struct workload_options workload;
    uint64_t faults;        /* Kinds that come; bits. */
    uint64_t victims;       /* Nodes whose disks may be damaged; bits: a minority. */
    uint64_t fault_us_mean; /* Between misfortunes; 0: there are none. */
    uint64_t pause_us_max;  /* How long one lasts at most. */
    uint32_t misfortunes;   /* So many at most. */
    uint32_t drift_ppm;     /* How far clocks are off at most. */
};

/* Draw it from the world's chance. The draws are the same whatever the limits; a variation begins
 * behind them. */
void swarm_draw(struct swarm *swarm, struct world *world, const struct swarm_limits *limits);

/* The kinds of fault, as words with commas. */
void swarm_describe(uint64_t faults, char *text, size_t size);

static inline int swarm_has(const struct swarm *swarm, enum fault fault)
{
    return (swarm->faults & fault_bit(fault)) != 0;
}

#endif /* SIM_SWARM_H */
