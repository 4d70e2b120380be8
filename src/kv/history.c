/* history.c -- the versions that superseded others, in the order in which they were written.
 *
 * Blocks of pointers in a list, not one array: an array that doubles would copy millions of
 * pointers inside one command, and a command that stalls is a leader that stalls. */
#include "kv/history.h"

#include "base/assert.h"
#include "base/heap.h"

enum {
    HISTORY_BLOCK_ITEMS = 511
}; /* With the link, 4 KiB. */

struct history_block {
    struct history_block *next;
    struct item *items[HISTORY_BLOCK_ITEMS];
};

int history_reserve(struct history *history)
{
    assert(history->last_index <= HISTORY_BLOCK_ITEMS);
    assert((history->first == NULL) == (history->last == NULL));

    if (history->last != NULL && history->last_index < HISTORY_BLOCK_ITEMS) {
        return 0;
    }
    struct history_block *block = heap_allocate(sizeof *block);
    if (block == NULL) {
        return -1;
    }
    block->next = NULL;
    if (history->last == NULL) {
        history->first = block;
        history->first_index = 0;
    } else {
        history->last->next = block;
    }
    history->last = block;
    history->last_index = 0;
    return 0;
}

void history_append(struct history *history, struct item *item)
{
    assert(history->last != NULL && history->last_index < HISTORY_BLOCK_ITEMS);
    assert(item->older != NULL);

    history->last->items[history->last_index++] = item;
    history->count++;
}

struct item *history_first(const struct history *history)
{
    if (history->count == 0) {
        return NULL;
    }
    assert(history->first_index < HISTORY_BLOCK_ITEMS);
    assert(history->first != history->last || history->first_index < history->last_index);
    return history->first->items[history->first_index];
}

void history_remove_first(struct history *history)
{
    assert(history->count > 0);
    assert(history->first != NULL && history->first_index < HISTORY_BLOCK_ITEMS);

    history->count--;
    history->first_index++;
    if (history->count == 0) {
        history_deinit(history);
        return;
    }
    if (history->first_index == HISTORY_BLOCK_ITEMS) {
        struct history_block *emptied = history->first;
        history->first = emptied->next;
        history->first_index = 0;
        heap_release(emptied);
    }
}

void history_check(const struct history *history)
{
    const struct history_block *block = history->first;
    const struct item *before = NULL;
    uint32_t index = history->first_index;

    for (size_t i = 0; i < history->count; i++) {
        if (index == HISTORY_BLOCK_ITEMS) {
            block = block->next;
            index = 0;
        }
        assert(block != NULL && (block != history->last || index < history->last_index));
        const struct item *item = block->items[index++];
        assert(item->older != NULL);
        assert(before == NULL || item_is_written_before(before, item));
        before = item;
    }
}

void history_deinit(struct history *history)
{
    struct history_block *block = history->first;
    assert((history->first == NULL) == (history->last == NULL));
    while (block != NULL) {
        struct history_block *next = block->next;
        heap_release(block);
        block = next;
    }
    *history = (struct history){0};
}
