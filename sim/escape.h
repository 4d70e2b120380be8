/* escape.h -- an assertion that does not hold ends what was tried, not the program.
 *
 *     struct escape escape;
 *     escape_prepare(&escape);
 *     if (setjmp(escape.to) == 0) {
 *         ... code that may fail ...
 *     }
 *     escape_end();           // escape.text is empty, or says which assertion
 *
 * One at a time for each thread. Outside of it, an assertion aborts as ever. */
#ifndef SIM_ESCAPE_H
#define SIM_ESCAPE_H

#include <setjmp.h>

struct escape {
    jmp_buf to;
    char text[300];
};

/* From now on assertions of this thread that fail jump to `escape->to`, which is set next. */
void escape_prepare(struct escape *escape);
void escape_end(void);

#endif /* SIM_ESCAPE_H */
