/* settings.h -- what synod-sim is asked to do: its command line. */
#ifndef SIM_SETTINGS_H
#define SIM_SETTINGS_H

#include "sim/run.h"

struct settings {
    struct run_options run; /* Of each seed; run.seed is the first. */
    uint64_t seeds;         /* How many; UINT64_MAX if there is an end in time. */
    uint64_t seconds;       /* Begin no seed after that; 0: there is no end in time. */
    uint64_t jobs;          /* So many at a time. */
    int is_single;          /* One seed: say what it was like. */
    int has_shrink;         /* Make it smaller, if it fails. */
    int has_no_shrink;      /* Of many seeds, leave the first that fails as it is. */
    int has_log;            /* Show what the replicas log. */
    int has_dump;           /* Show where every node stands at the end. */
    int has_marks;          /* List how often each mark was come by. */
    int has_list;           /* Name the scenarios, and that is all. */
    int has_scenarios;      /* Every scenario, one after the other. */
    const char *picture;    /* Draw what happened last into this file; NULL: do not. */
};

/* Read the command line. Ends the program where it makes no sense, or asks for help. */
void settings_parse(int argc, char **argv, struct settings *settings);

#endif /* SIM_SETTINGS_H */
