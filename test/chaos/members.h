/* members.h -- what each member says of itself: it is asked all the time. */
#ifndef CHAOS_MEMBERS_H
#define CHAOS_MEMBERS_H

#include <stdint.h>

#include "cli/local_cluster.h"
#include "grpc/client.h"
#include "os/os.h"

struct members;

struct members_options {
    struct os *os; /* All three are borrowed. */
    struct grpc_client *grpc;
    const struct local_cluster *cluster;
    void *context;
    void (*on_state)(void *context, unsigned index); /* members_state() has a new hash. */
};

/* What a member said last. */
struct member_state {
    int is_answering;  /* It answered since members_forget(). */
    uint64_t leader;   /* Whom it follows; 0: nobody. */
    int64_t revision;  /* Of its store when it was asked for a hash; 0: it was not yet, ... */
    int64_t compacted; /* ... the revision that it was compacted at, -1: never, ... */
    uint32_t hash;     /* ... and the hash of that. */
};

/* NULL without memory. It asks from now on. */
struct members *members_new(const struct members_options *options);
void members_free(struct members *members);

/* The member was killed: nothing that it said counts any more. */
void members_forget(struct members *members, unsigned index);

/* Who leads, as the newest answers say: an index, or -1. */
int members_leader(const struct members *members);

void members_state(const struct members *members, unsigned index, struct member_state *state);

/* The load has ended: from now on ask for hashes all the time, and not just now and then. */
void members_compare(struct members *members);

/* 1 if all answer, follow somebody, and have said that they are in the same state. */
int members_are_equal(const struct members *members);

#endif /* CHAOS_MEMBERS_H */
