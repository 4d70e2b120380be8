/* guard.c -- an assertion that does not hold is a finding, not the end. */
#include "test/disk/guard.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static jmp_buf way_out;
static int is_guarded;
static char failed[400];

void assert_failed(const char *expression, const char *file, int line)
{
    snprintf(failed, sizeof failed, "%s:%d: assertion failed: %s", file, line, expression);
    if (!is_guarded) {
        fprintf(stderr, "%s\n", failed);
        abort();
    }
    longjmp(way_out, 1);
}

const char *guard_run(void (*attempt)(void *context), void *context)
{
    const char *volatile outcome = failed;
    const int was_guarded = is_guarded;
    jmp_buf outer;
    memcpy(outer, way_out, sizeof outer); /* One attempt may be part of another. */
    is_guarded = 1;
    if (setjmp(way_out) == 0) {
        attempt(context);
        outcome = NULL;
    }
    memcpy(way_out, outer, sizeof outer);
    is_guarded = was_guarded;
    return outcome;
}
