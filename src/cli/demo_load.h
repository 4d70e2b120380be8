/* demo_load.h -- many requests in flight to a cluster that may lose members meanwhile.
 *
 * One request for each file: put it, or get it and compare. A request is repeated, at another
 * member and with more patience, until it is answered: a put here may be done twice without
 * harm, as nobody else writes its key. Only what was acknowledged is counted. */
#ifndef CLI_DEMO_LOAD_H
#define CLI_DEMO_LOAD_H

#include <stdint.h>

#include "cli/demo_files.h"
#include "os/os.h"

enum {
    DEMO_LOAD_TARGETS = 3
};

enum demo_load_kind {
    DEMO_LOAD_PUT = 1,
    DEMO_LOAD_GET,
};

struct demo_load;

/* What is told while it runs. */
struct demo_load_events {
    /* Every few milliseconds: the place to draw, to look after the members, to stop. */
    void (*on_tick)(void *context);
};

struct demo_load_counts {
    uint64_t done;      /* Requests answered of this run, ... */
    uint64_t total;     /* ... of so many. */
    uint64_t acked;     /* Keys acknowledged in all. */
    uint64_t lost;      /* Acknowledged keys that are not there any more, or differ. */
    uint64_t retries;   /* Tries that came to nothing. */
    uint64_t gap_us;    /* The longest time without an answer since demo_load_watch_gap(). */
    uint64_t silent_us; /* Since the last answer. */
    char last_error[160];
};

/* For the members at these addresses; everything is borrowed while it lives. NULL without
 * memory. */
struct demo_load *demo_load_new(struct os *os, const char *const addresses[DEMO_LOAD_TARGETS],
                                const struct demo_files *files,
                                const struct demo_load_events *events, void *context);

void demo_load_free(struct demo_load *load);

/* Make one request for each file, or where it is about reading for each that was acknowledged.
 * Runs the loop until all are answered or demo_load_stop(). */
void demo_load_run(struct demo_load *load, enum demo_load_kind kind);

/* Make demo_load_run() return. */
void demo_load_stop(struct demo_load *load);

/* Measure the longest silence from now on. */
void demo_load_watch_gap(struct demo_load *load);

void demo_load_counts(const struct demo_load *load, struct demo_load_counts *counts);

/* Who leads, as the last answer to a question about it said; -1: not known. A question is on its
 * way to every member all the time. */
int demo_load_leader(const struct demo_load *load);

#endif /* CLI_DEMO_LOAD_H */
