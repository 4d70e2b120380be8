/* portrait.h -- what happened last in a run, as a space-time diagram. */
#ifndef SIM_PORTRAIT_H
#define SIM_PORTRAIT_H

#include "sim/world.h"

struct portrait;

struct portrait *portrait_new(void);
void portrait_free(struct portrait *portrait);

/* Give this to the run: it keeps the last few hundred messages and misfortunes. Lives as long as
 * the portrait. */
const struct world_witness *portrait_witness(const struct portrait *portrait);

/* Draw them into the file at `path`: as SVG if it ends like that, else as text. `failure` is
 * written below, if it is not empty. Returns 0 or -1. */
int portrait_write(const struct portrait *portrait, const char *path, const char *failure);

#endif /* SIM_PORTRAIT_H */
