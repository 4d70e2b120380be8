/* story.h -- a way through the states, drawn step by step. */
#ifndef SIM_EXPLORE_STORY_H
#define SIM_EXPLORE_STORY_H

#include <stdio.h>

#include "sim/explore/scope.h"

/* Draw what happens on a way, as search_way() names it: as text and, unless it is NULL, as SVG.
 * Returns the program's exit code: 0, 1 if its end breaks a claim, 2 if it is no way through this
 * scope. */
int story_tell(const struct scope *scope, const char *way, FILE *text, FILE *svg);

#endif /* SIM_EXPLORE_STORY_H */
