/* teller.h -- tells what happens in a cluster, line by line. */
#ifndef TEST_SCENARIO_TELLER_H
#define TEST_SCENARIO_TELLER_H

#include <stdio.h>

#include "cluster.h"
#include "tale.h"

struct teller {
    struct cluster *cluster; /* Borrowed. */
    struct tale tale;
    FILE *transcript;          /* Borrowed. */
    uint32_t shows_heartbeats; /* 1: heartbeats are told, too. */
    uint32_t has_clock;        /* 1: what happens is told with its time, and messages are not. */
};

/* The observer of the cluster; `context` is the teller. */
void teller_observe(void *context, const struct cluster_note *note);

/* Tell of a message that came to somebody without a core. */
void teller_message(const struct teller *teller, const struct synod_message *message,
                    const char *fate);

/* Tell something else about a member. */
void teller_say(const struct teller *teller, uint32_t member, const char *what);

#endif /* TEST_SCENARIO_TELLER_H */
