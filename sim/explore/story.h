/* story.h -- a way through the states, told step by step. */
#ifndef SIM_EXPLORE_STORY_H
#define SIM_EXPLORE_STORY_H

#include <stdio.h>

#include "sim/explore/scope.h"

/* Tell what happens on a way, as search_way() names it. Returns the program's exit code: 0, 1 if
 * its end breaks a claim, 2 if it is no way through this scope. */
int story_tell(const struct scope *scope, const char *way, FILE *to);

#endif /* SIM_EXPLORE_STORY_H */
