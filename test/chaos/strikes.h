/* strikes.h -- members killed and stopped at random moments, and started again. */
#ifndef CHAOS_STRIKES_H
#define CHAOS_STRIKES_H

#include <stdint.h>

#include "cli/local_cluster.h"
#include "os/os.h"
#include "test/chaos/members.h"

struct strikes;

struct strikes_options {
    struct os *os;                 /* All three are borrowed. */
    struct local_cluster *cluster; /* Started already. */
    struct members *members;
    uint64_t kills; /* So many, then no more. */
    uint64_t seed;
    void *context;
    void (*on_death)(void *context, unsigned index); /* That member is dead now. */
};

struct strikes_counts {
    uint64_t kills;      /* Processes killed with SIGKILL, ... */
    uint64_t leaders;    /* ... which led then, ... */
    uint64_t recovering; /* ... which were recovering from the last time. */
    uint64_t together;   /* Strikes that killed all members at once. */
    uint64_t pauses;     /* Processes stopped and continued. */
    uint64_t recoveries; /* Restarts that ended in an answer. */
};

/* NULL without memory. */
struct strikes *strikes_new(const struct strikes_options *options);
void strikes_free(struct strikes *strikes);

/* Begin. */
void strikes_start(struct strikes *strikes);

/* 1 when all kills were made and every member is up again. */
int strikes_are_over(const struct strikes *strikes);

void strikes_counts(const struct strikes *strikes, struct strikes_counts *counts);

/* Which member did not come up again, and the index of it; NULL: all did. */
const char *strikes_problem(const struct strikes *strikes, unsigned *index);

#endif /* CHAOS_STRIKES_H */
