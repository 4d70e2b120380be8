/* machine.h -- the state machine that a replica feeds: the caller's side of the bargain.
 *
 * A machine must be deterministic: the same commands in the same order give the same state on
 * every replica. No clock, no chance, no addresses of memory in the outcome.
 *
 * Threads   Everything is called on the loop thread, except snapshot_read, which is called on
 *           a worker thread while commands go on being applied.
 */
#ifndef SYNOD_MACHINE_H
#define SYNOD_MACHINE_H

#include "synod/types.h"

/* One command of an entry, as it was submitted. */
struct synod_command {
    synod_slot slot;       /* The slot of its entry. */
    uint64_t term;         /* For answers alone (etcd's raft_term): never falls, but replicas
                             * may differ, so it must not enter the state. */
    const void *data;      /* Borrowed until apply returns. */
    size_t size;           /* In bytes. */
    uint32_t kind;         /* The number that was submitted with it. */
    uint32_t wants_result; /* 1: a client of this very replica waits for the outcome. */
};

struct synod_machine {
    void *context;

    /* Apply one command. What it returns is handed to whoever waits for the command, and holds
     * until the next call of apply. May be NULL where wants_result is 0. */
    const void *(*apply)(void *context, const struct synod_command *command);

    /* Bytes that a snapshot of the state would take, roughly; the replica takes one when its
     * log has outgrown it. */
    uint64_t (*state_size)(void *context);

    /* Freeze the state as it is now and return a cursor over its bytes, NULL without memory.
     * Commands may be applied while the cursor is open; it goes on showing the frozen state. */
    void *(*snapshot_open)(void *context);

    /* Copy the next bytes of the frozen state, at most `size`. Returns how many, 0 at the end,
     * or a negative enum synod_error. On a worker thread. */
    int64_t (*snapshot_read)(void *cursor, void *to, size_t size);

    /* End a cursor: once for each that was opened, on the loop thread. It may come after the
     * replica was freed, when a worker was still reading. */
    void (*snapshot_close)(void *context, void *cursor);

    /* Replace the whole state: begin once, then the bytes in pieces of any size, then end.
     * The old state may be dropped at begin. Return 0, SYNOD_ERR_CORRUPT or SYNOD_ERR_MEMORY;
     * after an error the machine is empty and another begin may follow. */
    int (*restore_begin)(void *context);
    int (*restore_piece)(void *context, const void *data, size_t size);
    int (*restore_end)(void *context);
};

#endif /* SYNOD_MACHINE_H */
