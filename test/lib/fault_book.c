/* fault_book.c -- a state machine for replicas in tests: it writes the numbers of commands down. */
#include "fault_book.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fault.h"
#include "synod/error.h"
#include "test.h"

void book_clear(struct book *book)
{
    book->count = 0;
    book->restored = 0;
}

static const void *apply(void *context, const struct synod_command *command)
{
    struct book *book = context;
    assert_true(book->size == 0 ? command->size >= 8 : command->size == book->size);
    assert_true(book->count < BOOK_COMMANDS_MAX);
    book->numbers[book->count++] = get_u64(command->data);
    return book;
}

static uint64_t state_size(void *context)
{
    return 8 * ((const struct book *)context)->count;
}

/* -- Snapshots ---------------------------------------------------------------------------- */

/* What the book was, and how far it was read. */
struct cursor {
    struct book copy;
    size_t at;
};

static void *open_snapshot(void *context)
{
    struct book *book = context;
    if (fault_strikes(FAULT_ALLOCATION)) {
        return NULL;
    }
    struct cursor *cursor = malloc(sizeof *cursor);
    assert_non_null(cursor);
    *cursor = (struct cursor){.copy = *book};
    book->cursors++;
    return cursor;
}

static int64_t read_snapshot(void *context, void *to, size_t size)
{
    struct cursor *cursor = context;
    const size_t left = 8 * cursor->copy.count - cursor->at;
    const size_t some = size < left ? size : left;
    memcpy(to, (const uint8_t *)cursor->copy.numbers + cursor->at, some);
    cursor->at += some;
    return (int64_t)some;
}

static void close_snapshot(void *context, void *cursor)
{
    ((struct book *)context)->cursors--;
    free(cursor);
}

/* -- Restoring ---------------------------------------------------------------------------- */

static int begin_restore(void *context)
{
    book_clear(context);
    return fault_strikes(FAULT_ALLOCATION) ? SYNOD_ERR_MEMORY : 0;
}

static int restore_piece(void *context, const void *data, size_t size)
{
    struct book *book = context;
    if (fault_strikes(FAULT_ALLOCATION)) {
        return SYNOD_ERR_MEMORY;
    }
    assert_true(book->restored + size <= sizeof book->numbers);
    memcpy((uint8_t *)book->numbers + book->restored, data, size);
    book->restored += size;
    return 0;
}

static int end_restore(void *context)
{
    struct book *book = context;
    book->count = book->restored / 8;
    if (book->restored % 8 != 0) {
        return SYNOD_ERR_CORRUPT;
    }
    return fault_strikes(FAULT_ALLOCATION) ? SYNOD_ERR_MEMORY : 0;
}

struct synod_machine book_machine(struct book *book)
{
    return (struct synod_machine){
        .context = book,
        .apply = apply,
        .state_size = state_size,
        .snapshot_open = open_snapshot,
        .snapshot_read = read_snapshot,
        .snapshot_close = close_snapshot,
        .restore_begin = begin_restore,
        .restore_piece = restore_piece,
        .restore_end = end_restore,
    };
}
