/* assert.c -- what a program does about a bug, unless it says otherwise: print and abort. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

/* Weak, so that the explorer and the tests can put their own in its place. */
__attribute__((weak)) void assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
    fflush(stderr);
    abort();
}
