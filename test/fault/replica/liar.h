/* liar.h -- a cluster of three in which one says to another what no member would say. */
#ifndef TEST_FAULT_REPLICA_LIAR_H
#define TEST_FAULT_REPLICA_LIAR_H

#include "replica/replica_internal.h"
#include "rig.h"

enum {
    SECOND = 1000000
};

/* Three members that have something to say. The liar does not lead, its victim does. */
struct stage {
    struct rig *rig;
    uint32_t victim;
    uint32_t liar;
};

/* Three members that run, have a leader and some commands; the victim leads. */
void stage_begin(struct stage *stage);

/* Everybody goes on, and nothing was applied that was not submitted, or twice. */
void stage_end(struct stage *stage);

struct replica *replica_of(const struct stage *stage, uint32_t node);

/* Conditions for rig_run(). */
int has_leader(const struct rig *rig);
int never(const struct rig *rig);

/* Let it lead from now on. */
void let_lead(struct stage *stage, uint32_t node);

/* The liar says it, and time passes. */
void say(struct stage *stage, uint16_t type, uint32_t group, struct bytes body);

/* The same. Returns whether the victim has dropped it for that. */
int is_dropped_for(struct stage *stage, uint16_t type, uint32_t group, struct bytes body);

/* How often one has dropped the other for what it sent. */
uint64_t drops_of(const struct stage *stage, uint32_t by, uint32_t who);

/* As bytes, borrowed until the next call. */
struct bytes numbers(const uint64_t *from, size_t count);

#endif /* TEST_FAULT_REPLICA_LIAR_H */
