/* mutation.c -- in builds that have seeded bugs, SYNOD_MUTANT=N switches one on.
 *
 * Every program that tests is linked with this file, so none of them needs an option for it. In
 * any other build the variable means nothing, and this file is empty. */
#include "base/mutant.h"

#ifdef SYNOD_MUTATIONS
#include <stdlib.h>

__attribute__((constructor)) static void select_mutant(void)
{
    const char *row = getenv("SYNOD_MUTANT");
    mutant_selected = row == NULL ? 0 : (int)strtol(row, NULL, 10);
}
#else
/* ISO C wants a translation unit to declare something. */
extern int mutant_selected;
#endif
