/* mark.h -- places that a good test must come by: rare branches, counted when they are taken.
 *
 * `MARK("proposer: a gap is filled with a no-op");` says in words what has happened. The simulator
 * is linked with copies of the objects that count (compiled with SYNOD_MARKS), lists the marks, and
 * fails if five thousand seeds have not come by one: then it is blind there. Release objects hold
 * none of it, which `make tidy` checks. */
#ifndef BASE_MARK_H
#define BASE_MARK_H

#include <stdint.h>

struct mark {
    const char *text; /* A literal: the file's subject, a colon, what has happened. */
    uint64_t hits;
};

extern int mark_is_on; /* Without it nothing is counted: several threads may come by. */

#ifdef SYNOD_MARKS
/* The linker gathers pointers to all marks into one array: adding a mark edits no list. */
#define MARK(words)                                                                                \
    do {                                                                                           \
        static struct mark mark_here = {.text = (words)};                                          \
        static struct mark *mark_link __attribute__((section("marks"), used)) = &mark_here;        \
        if (mark_is_on) {                                                                          \
            mark_here.hits++;                                                                      \
        }                                                                                          \
    } while (0)
#else
#define MARK(words) ((void)0)
#endif

#endif /* BASE_MARK_H */
