/* clients.h -- clients that write and read while servers die, each one thing at a time.
 *
 * A client stays with one member as long as it answers, and moves on to another when it does
 * not. What it did, when, and what it was told goes into one history for the judge. */
#ifndef CHAOS_CLIENTS_H
#define CHAOS_CLIENTS_H

#include <stdint.h>

#include "check/chronicle.h"
#include "cli/local_cluster.h"
#include "grpc/client.h"
#include "os/os.h"

struct clients;

struct clients_options {
    struct os *os; /* All three are borrowed. */
    struct grpc_client *grpc;
    const struct local_cluster *cluster;
    uint32_t count;
    uint32_t keys;
    uint64_t seed;
};

struct clients_counts {
    uint64_t done;     /* Operations acknowledged, ... */
    uint64_t written;  /* ... those of them that wrote. */
    uint64_t unknown;  /* Writes of which nobody knows. */
    uint64_t not_done; /* Operations that surely were not done. */
    uint64_t refused;  /* Operations that named a revision which is compacted, or not yet given. */
    uint64_t compactions; /* Of those that were done. */
    uint64_t gap_us;      /* The longest time without any answer. */
    uint64_t silent_us;   /* Since the last one. */
    char last_error[200];
};

/* NULL without memory. */
struct clients *clients_new(const struct clients_options *options);
void clients_free(struct clients *clients);

/* Begin, and go on until clients_stop(); what is under way then still ends, which takes as long
 * as clients are patient: see clients_are_idle(). */
void clients_start(struct clients *clients);
void clients_stop(struct clients *clients);
int clients_are_idle(const struct clients *clients);

/* After the rest: read every key through every member. A read that fails is made again. */
void clients_read_all(struct clients *clients);
int clients_have_read_all(const struct clients *clients);

/* This member was killed, and is dead: what it answers in its next life may be older. */
void clients_note_death(struct clients *clients, unsigned member);

void clients_counts(const struct clients *clients, struct clients_counts *counts);

/* An answer that no correct server gives, in words; NULL: there was none. */
const char *clients_problem(const struct clients *clients);

/* Borrowed while the clients live; complete when they are idle. What the members say of their
 * states may be added to it. */
struct chronicle *clients_history(struct clients *clients);

#endif /* CHAOS_CLIENTS_H */
