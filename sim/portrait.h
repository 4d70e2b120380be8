/* portrait.h -- what happened last in a run, as a space-time diagram. */
#ifndef SIM_PORTRAIT_H
#define SIM_PORTRAIT_H

#include <stdio.h>

#include "sim/world.h"

struct portrait;

struct portrait *portrait_new(void);
void portrait_free(struct portrait *portrait);

/* Give this to the run: it keeps the last few hundred messages and misfortunes, and which links
 * were cut before. Lives as long as the portrait; if the run is in a child process, that draws in
 * the same portrait. */
const struct world_witness *portrait_witness(const struct portrait *portrait);

/* Draw them into the file at `path`: as SVG if it ends like that, else as text. `failure` is
 * written below, if it is not empty. Returns 0 or -1. */
int portrait_write(const struct portrait *portrait, const char *path, const char *failure);

/* Draw the last `count` of them as text. */
void portrait_print(const struct portrait *portrait, FILE *to, uint64_t count, const char *failure);

#endif /* SIM_PORTRAIT_H */
