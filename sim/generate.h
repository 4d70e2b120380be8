/* generate.h -- histories that are right: clients of one store, in random interleavings.
 *
 * Every operation takes effect at one moment between its beginning and its end, on the real
 * store; what its client does not learn may take effect at any time later, or never. Members are
 * views of that store, some way behind it; one that restarts falls further back. For testing
 * the judges, and for measuring them. */
#ifndef SIM_GENERATE_H
#define SIM_GENERATE_H

#include "base/prng.h"
#include "check/chronicle.h"
#include "sim/requests.h"

enum {
    GENERATE_CLIENTS_MAX = 64
};

struct generate_options {
    uint64_t seed;
    uint32_t operations;
    uint32_t clients; /* At most GENERATE_CLIENTS_MAX. */
    uint32_t members;
    uint64_t latency_us_max; /* Of an operation. 0: all of them one after the other. */
    uint32_t unknown_ppm;    /* Operations whose clients do not learn their outcome. */
    uint32_t restart_ppm;    /* Restarts, per operation. */
    uint32_t reports_states; /* Every member reports every state that it holds. */
    struct requests_options requests;
};

/* Append such a history to an empty one. */
void generate_history(const struct generate_options *options, struct chronicle *history);

#endif /* SIM_GENERATE_H */
