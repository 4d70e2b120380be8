/* explore.h -- synod-sim explore: small clusters, in every order of events. */
#ifndef SIM_EXPLORE_EXPLORE_H
#define SIM_EXPLORE_EXPLORE_H

/* The command, from its own name on. Returns the program's exit code: 0 if nothing is broken, 1
 * if something is, 2 for words that it does not know. */
int explore_main(int argc, char **argv);

#endif /* SIM_EXPLORE_EXPLORE_H */
