/* workload.h -- clients that write and read, each one thing at a time, and remember it all. */
#ifndef SIM_WORKLOAD_H
#define SIM_WORKLOAD_H

#include "check/chronicle.h"
#include "sim/cluster.h"
#include "sim/requests.h"

struct workload_options {
    uint32_t clients;
    uint32_t operations;   /* In all. */
    uint64_t think_us_max; /* Between the end of one and the beginning of the next. */
    struct requests_options requests;
};

struct workload;

struct workload *workload_new(struct world *world, struct cluster *cluster,
                              const struct workload_options *options);
void workload_free(struct workload *workload);

/* Begin; from then on the clients go on by themselves until all operations were begun. */
void workload_start(struct workload *workload);

/* True when every operation was begun and has ended, or its server has died. */
int workload_is_done(const struct workload *workload);

/* A server died: what it had not answered has an unknown outcome. */
void workload_on_kill(struct workload *workload, uint32_t node);

/* Write something through that server, and again until a write is acknowledged, then read in the
 * same way; but not longer than until then. Returns 1 if both were done. */
int workload_probe(struct workload *workload, uint32_t node, uint64_t until_us);

/* Once everything is healed: read every key through every server that can be asked. Returns -1 if
 * an answer did not come within that time, or the cluster broke a rule meanwhile; else 0. */
int workload_read_all(struct workload *workload, uint64_t patience_us);

/* What they did and saw so far, and what the nodes reported of their states. Borrowed. */
const struct chronicle *workload_history(const struct workload *workload);

/* Operations that are known to have been done; and those that were begun since the first of them
 * was, and came to nothing, or to nobody knows what. */
size_t workload_done(const struct workload *workload);
size_t workload_failed(const struct workload *workload);

#endif /* SIM_WORKLOAD_H */
