/* watch.h -- what every step of every core of a cluster is held against.
 *
 * The protocol  is the reference (model/reference.h). What it takes for durable is what the replica
 *               tells its core,
 * the disk      so that is asked whether it is true: of a record that counts as durable, some write
 *               of the log that was made after the core gave the record out must last, whatever
 *               becomes of the power. */
#ifndef SIM_WATCH_H
#define SIM_WATCH_H

#include "sim/disk.h"
#include "synod/core.h"

struct watch;

/* Over so many members, none of which has lived yet. */
struct watch *watch_new(uint32_t members);
void watch_free(struct watch *watch);

/* A life of a member begins, on that disk, which is borrowed until the next one does. */
void watch_begin(struct watch *watch, uint32_t member, const struct disk *disk);

/* The core of that member has taken a step. Returns NULL, or what is wrong with it, borrowed until
 * the next call. */
const char *watch_step(struct watch *watch, uint32_t member, const struct synod_event *event,
                       const struct synod_effects *effects);

/* Steps that were watched: a check that saw nothing proves nothing. */
uint64_t watch_steps(const struct watch *watch);

#endif /* SIM_WATCH_H */
