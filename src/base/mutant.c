/* mutant.c -- which seeded bug is on, in builds that have any. */
#include "base/mutant.h"

#ifdef SYNOD_MUTATIONS
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

int mutant_selected;

int assert_is_mute(const char *file)
{
    return strncmp(file, "src/", 4) == 0 && getenv("SYNOD_MUTE") != NULL;
}
#else
/* ISO C wants a translation unit to declare something. */
extern int mutant_selected;
#endif
