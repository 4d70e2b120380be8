/* memo.c -- a hash table with open addressing that only grows. */
#include "sim/explore/memo.h"

#include <stdlib.h>

#include "base/assert.h"

enum {
    SLOTS_MIN = 1 << 16
};

static struct memo_entry *take(uint64_t count)
{
    struct memo_entry *entries = calloc(count, sizeof *entries);
    assert(entries != NULL);
    return entries;
}

void memo_init(struct memo *memo)
{
    *memo = (struct memo){.entries = take(SLOTS_MIN), .slot_count = SLOTS_MIN};
}

void memo_deinit(struct memo *memo)
{
    free(memo->entries);
}

static uint64_t hash(uint64_t key, uint32_t argument)
{
    uint64_t mixed = (key ^ (uint64_t)argument << 32) * UINT64_C(0x9e3779b97f4a7c15);
    mixed ^= mixed >> 29;
    mixed *= UINT64_C(0xbf58476d1ce4e5b9);
    return mixed ^ mixed >> 32;
}

/* The entry, or the free place where it belongs. */
static struct memo_entry *find(const struct memo *memo, uint64_t key, uint32_t argument)
{
    for (uint64_t at = hash(key, argument);; at++) {
        struct memo_entry *entry = &memo->entries[at & (memo->slot_count - 1)];
        if (entry->key == 0 || (entry->key == key && entry->argument == argument)) {
            return entry;
        }
    }
}

const uint32_t *memo_find(const struct memo *memo, uint64_t key, uint32_t argument)
{
    const struct memo_entry *entry = find(memo, key, argument);
    return entry->key == 0 ? NULL : entry->values;
}

static void grow(struct memo *memo)
{
    struct memo old = *memo;
    memo->slot_count *= 2;
    memo->entries = take(memo->slot_count);
    for (uint64_t i = 0; i < old.slot_count; i++) {
        if (old.entries[i].key != 0) {
            *find(memo, old.entries[i].key, old.entries[i].argument) = old.entries[i];
        }
    }
    free(old.entries);
}

void memo_keep(struct memo *memo, const struct memo_entry *entry)
{
    assert(entry->key != 0);
    if (memo->count > memo->slot_count / 2) {
        grow(memo);
    }
    *find(memo, entry->key, entry->argument) = *entry;
    memo->count++;
}
