/* verdict.h -- what the history says, in figures. */
#ifndef CHAOS_VERDICT_H
#define CHAOS_VERDICT_H

#include <stddef.h>
#include <stdint.h>

#include "sim/linear.h"

struct verdict {
    uint64_t lost;           /* Acknowledged writes that somebody who looked later missed. */
    const char *explanation; /* NULL: one order of events explains it all; else what cannot be. */
    char text[400];
};

/* Judge a history in which nothing is under way. */
void verdict_find(const struct linear *history, struct verdict *verdict);

/* Write the history into a file, an operation a line, for people. Returns 0, or -1. */
int verdict_dump(const struct linear *history, const char *path);

#endif /* CHAOS_VERDICT_H */
