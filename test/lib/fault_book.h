/* fault_book.h -- a state machine for replicas in tests: it writes the numbers of commands down.
 *
 * A command begins with its number, of 8 bytes. So what was applied, in which order and how often
 * can be read off. What the machine does itself may fail as any other allocation does. */
#ifndef TEST_FAULT_BOOK_H
#define TEST_FAULT_BOOK_H

#include <stddef.h>
#include <stdint.h>

#include "synod/machine.h"

enum {
    BOOK_COMMANDS_MAX = 2048
};

struct book {
    uint64_t numbers[BOOK_COMMANDS_MAX]; /* Of the commands that were applied, in their order. */
    uint64_t count;
    size_t size;      /* Of every command; 0: at least 8. */
    size_t restored;  /* Bytes of the restore under way. */
    uint64_t cursors; /* Snapshots that are open, of all lives. */
};

/* A life begins with an empty book. */
void book_clear(struct book *book);

/* The machine that writes into this book, which is borrowed as long as there are snapshots of it.
 * The result of a command is the book. */
struct synod_machine book_machine(struct book *book);

#endif /* TEST_FAULT_BOOK_H */
