/* solo.h -- a cluster of one replica on a machine in memory, whose process and power can fail. */
#ifndef TEST_FAULT_POWER_SOLO_H
#define TEST_FAULT_POWER_SOLO_H

#include "fault_book.h"
#include "os_memory.h"
#include "replica/replica.h"

struct solo {
    struct os *os;
    struct os_functions functions; /* Of os_memory, and a network with nobody in it. */
    os_callback turn_end;
    void *turn_end_context;
    struct replica *replica; /* NULL: no process. */
    struct book book;
    struct report report; /* Why it did not open, or why it failed. */
    int is_running;
    int is_failed;
    int is_stopped;
    uint64_t submitted;                         /* Commands of all lives; their numbers are 1 ... */
    uint64_t acknowledged;                      /* The last number that was, in any life, ... */
    uint8_t is_acknowledged[BOOK_COMMANDS_MAX]; /* ... and which ones were. */
    uint64_t waiting;                           /* Commands of this life without an outcome. */
    uint64_t snapshot_size; /* What the log grows by before a snapshot, at least. */
};

/* A machine with an empty disk. */
void solo_init(struct solo *solo, uint64_t seed);
void solo_deinit(struct solo *solo);

/* Start a process. Returns what replica_open() does. */
int solo_start(struct solo *solo);

/* One turn of the loop: jobs, the end of the turn, and a little time. */
void solo_turn(struct solo *solo);

/* Turns until it runs, until every command has its outcome, or until it has failed. */
void solo_run(struct solo *solo);

/* Submit a command. */
void solo_submit(struct solo *solo);

/* Submit a command and wait for its outcome; false if it was not acknowledged. */
int solo_put(struct solo *solo);

/* The process is gone. What it asked of workers has been done, or not: its memory is freed. */
void solo_kill(struct solo *solo);

/* Stop it in good order. */
void solo_stop(struct solo *solo);

/* Everything that was ever acknowledged is there, in its order, and once. */
void solo_check(const struct solo *solo);

#endif /* TEST_FAULT_POWER_SOLO_H */
