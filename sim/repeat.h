/* repeat.h -- the line that repeats a run: to be pasted into a shell, as it is. */
#ifndef SIM_REPEAT_H
#define SIM_REPEAT_H

#include <stdio.h>

#include "sim/run.h"

/* Write it: the kind of build, the bug that is switched on, the seed, and whatever was taken away
 * from it. `look` is what else to ask for, as "--dump"; or "". */
void repeat_write(FILE *to, const struct run_options *run, const char *look);

/* What a line that runs this program must begin with, for the environment counts too: or "". */
const char *repeat_environment(void);

/* The bug that is switched on; 0: none. */
uint32_t repeat_mutant(void);

#endif /* SIM_REPEAT_H */
