/* checker.h -- what a judge of histories says. */
#ifndef CHECK_CHECKER_H
#define CHECK_CHECKER_H

#include "check/chronicle.h"

enum {
    CHECKER_TEXT_MAX = 704
};

enum checker_opinion {
    CHECKER_ACCEPTS = 1, /* No answer of the history breaks a promise. */
    CHECKER_REJECTS,     /* No correct store can have given these answers. */
    CHECKER_GAVE_UP,     /* It cannot say: never to be counted as accepted. */
};

struct checker_verdict {
    enum checker_opinion opinion;
    char text[CHECKER_TEXT_MAX]; /* REJECTS: what cannot be, and which operations tell; GAVE_UP:
                                  * why. Else empty. */
};

enum {
    CHECKER_NOBODY = -1
};

/* Set the verdict: a sentence (a copy is made), then the operations that are in conflict, as
 * lines of the history; either may be CHECKER_NOBODY. */
void checker_conclude(struct checker_verdict *verdict, const struct chronicle *history,
                      enum checker_opinion opinion, const char *sentence,
                      const int64_t operations[2]);

/* "accepts", "rejects", "gave up". */
const char *checker_opinion_name(enum checker_opinion opinion);

/* Zeroed memory, or the end of the program. Free it with free(). */
void *checker_allocate(size_t count, size_t size);

/* What makes no sense in any order: an operation that ended before it began. Returns 0, or -1
 * with the verdict. */
int checker_find_flaw(const struct chronicle *history, struct checker_verdict *verdict);

/* -- All of them ---------------------------------------------------------------------------- */

/* How a write of unknown outcome may have been done: what one judge finds out, and another takes
 * for a hint and for no more. */
struct checker_hint {
    int64_t revision; /* 0: nobody can say. */
    uint8_t branch;   /* enum step_place: what it did. 0: nobody can say. */
};

struct checker {
    const char *name; /* "replay", "search", "states". */
    void (*judge)(const struct chronicle *history, struct checker_hint *hints,
                  struct checker_verdict *verdict);
};

enum {
    CHECKER_COUNT = 3
};

/* In the order in which they are asked. The replay leaves hints for the search, one for each
 * operation, zeroed before; NULL if it is not to. */
extern const struct checker CHECKERS[CHECKER_COUNT];

/* Ask every judge in turn. What one rejects is rejected; what one gave up on is accepted by
 * nobody. Returns the verdict's opinion; its text says whose it is. */
enum checker_opinion checker_judge(const struct chronicle *history,
                                   struct checker_verdict *verdict);

#endif /* CHECK_CHECKER_H */
