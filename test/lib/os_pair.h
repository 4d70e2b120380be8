/* os_pair.h -- an os in memory: streams that lead to each other, timers, a clock by hand.
 *
 * For tests of what talks over os.h. Nothing happens by itself: os_pair_turn() is one turn of
 * the loop. Files, directories and work are not there (their functions are NULL). */
#ifndef TEST_OS_PAIR_H
#define TEST_OS_PAIR_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "os/os.h"

struct os_pair {
    struct os os;
    uint64_t now_us;
    size_t piece_max;   /* Bytes that one on_data brings at most; 0: all that is there. */
    size_t kernel_size; /* Bytes under way before os_stream_queued() counts them. */
    size_t writes;      /* Calls of os_stream_write() so far. */
    size_t accepted;    /* Streams that are open on the listening side. */
    struct list timers;
    struct list listeners;
    struct list streams;
    int port_next;
    struct {
        os_callback callback;
        void *context;
    } turn_ends[8];
    size_t turn_end_count;
};

struct os_pair *os_pair_new(void);

/* Free it with every stream, timer and listener that is left. */
void os_pair_free(struct os_pair *pair);

/* Bring what is due, then the end of the turn. Returns 0 if nothing happened. */
int os_pair_turn(struct os_pair *pair);

/* Turn until nothing happens any more. */
void os_pair_settle(struct os_pair *pair);

/* Let time pass, turning at every timer on the way. */
void os_pair_advance(struct os_pair *pair, uint64_t us);

#endif /* TEST_OS_PAIR_H */
