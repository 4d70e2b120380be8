/* verdict.h -- what the history says, in figures. */
#ifndef CHAOS_VERDICT_H
#define CHAOS_VERDICT_H

#include <stddef.h>
#include <stdint.h>

#include "check/checker.h"

struct verdict {
    struct checker_verdict judges;
    uint64_t lost; /* If they reject: acknowledged puts that somebody who looked later missed. */
};

/* Judge a history in which nothing is under way. */
void verdict_find(const struct chronicle *history, struct verdict *verdict);

/* Write the history into a file, for people and for `synod-sim check`. Returns 0, or -1. */
int verdict_dump(const struct chronicle *history, const char *path);

#endif /* CHAOS_VERDICT_H */
