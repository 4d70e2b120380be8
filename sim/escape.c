/* escape.c -- in place of the assert_failed() that aborts. */
#include "sim/escape.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

static _Thread_local struct escape *present;

void escape_prepare(struct escape *escape)
{
    escape->text[0] = 0;
    present = escape;
}

void escape_end(void)
{
    present = NULL;
}

void assert_failed(const char *expression, const char *file, int line)
{
    if (present == NULL) {
        fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
        abort();
    }
    snprintf(present->text, sizeof present->text, "assertion: %s:%d: %s", file, line, expression);
    longjmp(present->to, 1);
}
