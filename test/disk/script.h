/* script.h -- a life of a data directory in which everything happens that may go wrong. */
#ifndef TEST_DISK_SCRIPT_H
#define TEST_DISK_SCRIPT_H

#include <stdint.h>

#include "test/disk/owner.h"

enum script_name {
    SCRIPT_LIVES = 1, /* Small segments, several lives: what the crashes are enumerated over. */
    SCRIPT_SMALL,     /* A directory of about 64 KiB. */
    SCRIPT_YOUNG,     /* One of which no segment was trimmed. */
    SCRIPT_LARGE,     /* A directory of about 4 MiB. */
};

/* How the operations of jobs mix and what a loss of power within the script takes follow from
 * `seed`; at most one of the others is not 0. */
struct script_options {
    enum script_name name;
    uint64_t seed;
    uint64_t die_at;  /* Stop dead at this operation that changes something. */
    uint64_t fail_at; /* Let this one of `fail_kinds` fail, and stop when the log says so. */
    unsigned fail_kinds;
    int fail_error;
    int is_failure_last; /* Stop behind the step in which it failed, whatever the log says. */
    int has_no_direct;   /* The file system takes no direct writes. */
};

/* What it came to. */
struct script_result {
    uint64_t changes;    /* Operations that changed something. */
    uint64_t fails_left; /* Of fail_at: 0 if it was reached. */
};

/* Play it from an empty machine. `owner` is on a machine afterwards that the caller frees. Unless
 * it died or failed, the log is open, and with everything settled. */
void script_play(const struct script_options *options, struct owner *owner,
                 struct script_result *result);

#endif /* TEST_DISK_SCRIPT_H */
