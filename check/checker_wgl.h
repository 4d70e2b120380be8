/* checker_wgl.h -- the judge that searches: is there one order of the operations on each key?
 *
 * The independent second: it believes no revision, and follows them only as hints. Each key is a
 * register that can be absent (check/register.h), and what is linearizable for every key by
 * itself is linearizable (Herlihy and Wing, 1990: the property is local). For each key it
 * searches for an order that real time allows and in which every answer is right: Wing and Gong,
 * Testing and Verifying Concurrent Objects, 1993; with a memory of the (set of operations, value)
 * pairs from which nothing was found, after Lowe, Testing for Linearizability, 2017.
 *
 * What spans keys (a txn, a range) is judged key by key only. Reads that may be old and reads of
 * past revisions are left out. */
#ifndef CHECK_CHECKER_WGL_H
#define CHECK_CHECKER_WGL_H

#include "check/checker.h"

struct checker_wgl_options {
    /* Pairs remembered for one key, of 16 bytes; beyond it gives up. 0: 100,000. */
    size_t memory_max;
    const struct checker_hint *hints; /* By operation. NULL: none. Borrowed for the call. */
};

/* Judge. One key that cannot be explained rejects the history,
 * even if the search gave up on others. */
void checker_wgl(const struct chronicle *history, struct checker_verdict *verdict);

/* The same with hints, or another memory. */
void checker_wgl_within(const struct chronicle *history, const struct checker_wgl_options *options,
                        struct checker_verdict *verdict);

#endif /* CHECK_CHECKER_WGL_H */
