/* fault.h -- the n-th operation fails: one counter for every kind of thing that can go wrong.
 *
 * A loop of this kind is the answer to "and what if this fails?", asked of every place at once:
 *
 *     for n = 1, 2, 3 ...
 *         fault_arm(kinds, n, is_for_ever)
 *         a life of the thing under test, from its beginning to its end
 *         if nothing was struck: done, every place has had its turn
 *
 * Operations are counted only while the code under test runs, which os_fault.h knows: other
 * members of a cluster, clients and the tests themselves are spared. Allocations are those of
 * our own code alone: the programs of test/fault are linked with copies of our archives in which
 * malloc() and its like have other names (Makefile), and those are here. */
#ifndef TEST_FAULT_H
#define TEST_FAULT_H

#include <stddef.h>
#include <stdint.h>

/* Kinds of operations: bits of a mask. */
enum fault_kind {
    FAULT_ALLOCATION = 1, /* Timers and hooks of the loop, too. */
    FAULT_OPEN = 2,
    FAULT_READ = 4, /* Of a file; its size, too. */
    FAULT_WRITE = 8,
    FAULT_SYNC = 16, /* Of a file. */
    FAULT_RENAME = 32,
    FAULT_REMOVE = 64,
    FAULT_DIRECTORY = 128, /* Checking it and making it. */
    FAULT_LIST = 256,
    FAULT_DIR_SYNC = 512,
    FAULT_LISTEN = 1024,
    FAULT_ACCEPT = 2048,
    FAULT_CONNECT = 4096,
    FAULT_SEND = 8192,     /* os_stream_write() says -ENOMEM. */
    FAULT_RECEIVE = 16384, /* The connection breaks instead of bringing something. */
    FAULT_ROOM = 32768,    /* A write finds the disk full. */
    FAULT_LATE = 65536,    /* What libuv was asked for is begun, and comes to nothing later. */
};

enum {
    FAULT_DISK = FAULT_OPEN | FAULT_READ | FAULT_WRITE | FAULT_SYNC | FAULT_RENAME | FAULT_REMOVE |
                 FAULT_DIRECTORY | FAULT_LIST | FAULT_DIR_SYNC,
    FAULT_NET = FAULT_LISTEN | FAULT_ACCEPT | FAULT_CONNECT | FAULT_SEND | FAULT_RECEIVE,
};

/* The n-th operation (from 1, counted from now) of the kinds in the mask fails; and if
 * `is_for_ever`, every one after it. */
void fault_arm(unsigned kinds, uint64_t n, int is_for_ever);

/* Nothing fails any more. */
void fault_disarm(void);

/* True if an operation was struck since fault_arm(). */
int fault_has_struck(void);

/* It was in a process of its own, which was begun with what is armed here. */
void fault_struck_elsewhere(void);

/* An operation of that kind is about to happen: true if it must fail. */
int fault_strikes(enum fault_kind kind);

/* The code under test runs from here on, or somebody else does. Returns what was so before, to
 * be handed to fault_leave(). */
int fault_enter(int is_under_test);
void fault_leave(int was_under_test);

/* Blocks of memory that our own code holds. */
int64_t fault_blocks(void);

/* The C library has allocated so many for our own code to free. */
void fault_blocks_given(int64_t count);

/* -- Loops ------------------------------------------------------------------------------- */

struct fault_loop {
    const char *name;            /* For people. */
    unsigned kinds;              /* Which operations. */
    int is_for_ever;             /* All after the n-th fail too. */
    int is_short;                /* Every n, whatever the time that is left to us. */
    uint64_t places_min;         /* A loop that meets fewer places does not test what it says. */
    void (*play)(void *context); /* A whole life: it leaves nothing behind. */
    void *context;
};

/* Play for n = 1, 2, 3 ... until a life passes untouched. Each must leave as many blocks of
 * memory as it found. Unless FAULT_LONG is set in the environment, or the loop is short, n grows
 * by an eighth of itself from 8 on, so that a long life is sampled all along. */
void fault_run(const struct fault_loop *loop);

/* Two such loops: in one only the n-th fails, in the other all after it too. */
void fault_run_both(const struct fault_loop *loop);

#endif /* TEST_FAULT_H */
