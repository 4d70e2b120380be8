/* mutant.c -- which seeded bug is on, in builds that have any. */
#include "base/mutant.h"

#ifdef SYNOD_MUTATIONS
int mutant_selected;
#else
/* ISO C wants a translation unit to declare something. */
extern int mutant_selected;
#endif
