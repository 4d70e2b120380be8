/* canon.h -- one form for all cores that behave alike.
 *
 * What a core does depends on how long ago things happened, not on what time it is; on which
 * records are not durable yet, not on how many were written before; and never, in what is safe,
 * on chance or on statistics. So a core is brought into one form after every step, and goes on
 * from that form: times are counted from a fixed moment, and what is long past is equally long
 * past; records are counted from the last durable one; chance, statistics, and bytes that no
 * field owns are cleared, and so is how much others know to be chosen: a core goes by that only
 * where slots lie a window apart, and here all lie in one (checked).
 *
 * That a core in this form goes on as the other would have is a claim of its own, which
 * test/unit/sim/canon_test.c puts to the test. */
#ifndef SIM_EXPLORE_CANON_H
#define SIM_EXPLORE_CANON_H

#include <stdint.h>

struct synod_core;

/* The moment at which every step happens, and how far a time-out leaps: far beyond every
 * time-out that the scopes name, however often it has doubled (so a core's failures, which make it
 * patient, are cleared with the rest). In ms. */
#define CANON_NOW_MS  (UINT64_C(1) << 20)
#define CANON_LEAP_MS (UINT64_C(1) << 16)

/* Bring a core into the form. `has_questions`: members ask each other, and so the numbers of
 * questions are kept; else they are cleared too. */
void canon_core(struct synod_core *core, int has_questions);

#endif /* SIM_EXPLORE_CANON_H */
