/* os_memory.h -- os.h in memory, for tests: a disk that forgets, a clock that stands still.
 *
 * THE DISK. What was written and not synced is *pending*. Reads see it; a crash decides, block
 * by block and name by name, what of it is there afterwards. It is at least as bad as real
 * ones: pending blocks survive in any subset and in part, pending changes of a directory in any
 * subset. What was synced stays. A write that fails has got half way; after a sync that
 * failed, no later one makes durable what was pending then, unless it was written directly.
 *
 * DEATH. os_memory_die_at(n) stops the machine at the n-th operation that changes something:
 * the operation is left pending, and from then on everything fails with -EIO and changes
 * nothing, so that the program under test can be taken down in good order. Then
 * os_memory_crash() decides what is left, and the machine runs again.
 *
 * THE LOOP. Nothing happens by itself: os_memory_step() runs one piece of a job (its run on
 * the "worker", or its done on the loop), os_memory_advance() moves the clock. */
#ifndef TEST_OS_MEMORY_H
#define TEST_OS_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/prng.h"
#include "os/os.h"

/* Kinds of operations, for failing them: bits of a mask. */
enum os_memory_kind {
    OS_MEMORY_OPEN = 1,
    OS_MEMORY_READ = 2,
    OS_MEMORY_WRITE = 4,
    OS_MEMORY_SYNC = 8, /* Of a file. */
    OS_MEMORY_RENAME = 16,
    OS_MEMORY_REMOVE = 32,
    OS_MEMORY_DIR_SYNC = 64,
    OS_MEMORY_DIR_CREATE = 128,
    OS_MEMORY_LIST = 256,
};

/* What becomes of a pending block or change at a crash. */
enum os_memory_fate {
    OS_MEMORY_LOST = 1,
    OS_MEMORY_KEPT,
    OS_MEMORY_TORN, /* Blocks only: some bytes are new, the rest old. Else as KEPT. */
};

/* Decides the fate of a pending block at `offset` of the file at `path`, or (offset UINT64_MAX)
 * of a pending change that makes, renames or removes it. */
typedef enum os_memory_fate (*os_memory_judge)(void *context, const char *path, uint64_t offset);

/* A machine with an empty root directory "/". Never NULL: tests have memory. */
struct os *os_memory_new(uint64_t seed);
void os_memory_free(struct os *os);

/* Another machine with the same disk, durable and pending; no open files, jobs or timers. */
struct os *os_memory_copy(struct os *os, uint64_t seed);

/* -- The loop ---------------------------------------------------------------------------- */

/* Run one piece of a job, chosen at random among those that may run now. False: none may. */
int os_memory_step(struct os *os);

/* Steps until there are none. */
void os_memory_run(struct os *os);

/* Move the clock, and call the timers that are due. */
void os_memory_advance(struct os *os, uint64_t us);

/* From now on jobs run side by side: a step takes one of them to its next operation. */
void os_memory_interleave(struct os *os);

/* -- Failing, dying, crashing ------------------------------------------------------------ */

/* Fail the n-th operation (from 1, counted from now) of the kinds in `mask` with `error`, a
 * negative errno value. n = 0: none. */
void os_memory_fail_at(struct os *os, unsigned mask, uint64_t n, int error);

/* The same, and fail every one after it, too. */
void os_memory_fail_from(struct os *os, unsigned mask, uint64_t n, int error);

/* True once that operation was reached. */
int os_memory_has_failed(const struct os *os);

/* How many operations of the mask until one fails; 0: none will. */
uint64_t os_memory_fail_left(const struct os *os);

/* Die at the n-th operation from now that changes something. n = 0: do not. */
void os_memory_die_at(struct os *os, uint64_t n);
int os_memory_is_dead(const struct os *os);

/* Die now. */
void os_memory_die(struct os *os);

/* Operations that changed something so far. */
uint64_t os_memory_changes(const struct os *os);

/* From now on nothing is written directly, whoever asks for it: some file systems cannot. */
void os_memory_refuse_direct(struct os *os);

/* The process died but the machine lives: what is pending stays so. Every file must be closed. */
void os_memory_restart(struct os *os);

/* Lose power: every file must be closed. `judge` NULL: chance decides. */
void os_memory_crash(struct os *os, os_memory_judge judge, void *context);

/* -- Crashing in every way ---------------------------------------------------------------- */

enum {
    OS_MEMORY_SECTOR = 512,
    OS_MEMORY_WHOLE = 0xff
};

enum os_memory_item_kind {
    OS_MEMORY_LENGTH = 1, /* The file's length: it may be there and the bytes not, as zeroes. */
    OS_MEMORY_BLOCK,      /* What one write put into one block. */
    OS_MEMORY_NAME,       /* A creation, renaming or removal. */
};

/* One thing that is pending. The strings are borrowed until the machine changes. */
struct os_memory_item {
    enum os_memory_item_kind kind;
    const char *path;
    const char *to;  /* Of a renaming, its new name; else "". NULL for bytes and lengths. */
    uint64_t offset; /* Of the bytes; of a length, the length. */
    size_t size;
};

/* What is pending, at most `capacity` items of it into `items`. Returns how many there are. */
size_t os_memory_pending(struct os *os, struct os_memory_item *items, size_t capacity);

/* Another machine, with the disk that this one leaves when its power goes now. kept[i] says what
 * of item i lands: of a block, bit b stands for its b-th sector; of others, 0 is nothing. */
struct os *os_memory_aftermath(struct os *os, const uint8_t *kept, uint64_t seed);

/* A hash of everything that is durable. */
uint64_t os_memory_fingerprint(struct os *os);

/* -- Damaging ---------------------------------------------------------------------------- */

/* The bytes of a file as they are on the disk; NULL if there is none. They may be changed;
 * they move when the file grows. */
uint8_t *os_memory_bytes(struct os *os, const char *path, size_t *size);

/* The same to be looked at; NULL if there is none. Valid until the machine changes. */
const uint8_t *os_memory_look(const struct os *os, const char *path, size_t *size);

/* Keep, from now on, what each byte that a sync makes durable was before. */
void os_memory_remember(struct os *os);

/* What each byte of the file was before the last time that it became another; shorter than the
 * file where it never was anything. Valid until the machine changes. */
const uint8_t *os_memory_before(const struct os *os, const char *path, size_t *size);

/* Put other bytes into a file that is there, durably. Nothing may be pending. */
void os_memory_overwrite(struct os *os, const char *path, size_t offset, struct bytes bytes);

/* Cut a file off, or let it vanish, behind everybody's back. */
void os_memory_cut(struct os *os, const char *path, size_t size);
void os_memory_vanish(struct os *os, const char *path);

/* Put a file there, or other bytes into it, as if they had always been there. */
void os_memory_put(struct os *os, const char *path, const void *data, size_t size);

/* Files that are open, and jobs not done yet: 0 when all was closed in good order. */
size_t os_memory_open_count(const struct os *os);

#endif /* TEST_OS_MEMORY_H */
