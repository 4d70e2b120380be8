/* explore.h -- synod-sim explore: small clusters, in every order of events. */
#ifndef SIM_EXPLORE_EXPLORE_H
#define SIM_EXPLORE_EXPLORE_H

/* The command, from its own name on; `program` is how it was called, for a line that repeats what
 * was found. Returns the program's exit code: 0 if nothing is broken, 1 if something is, 2 for
 * words that it does not know. */
int explore_main(int argc, char **argv, const char *program);

#endif /* SIM_EXPLORE_EXPLORE_H */
