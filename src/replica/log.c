/* log.c -- the bytes behind the slots: in memory while they are fresh, then on the disk. */
#include "replica/log.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"

enum {
    LOG_CAPACITY_MIN = 64
};

static struct log_slot *ring_at(const struct log *log, synod_slot slot)
{
    return &log->slots[slot & (log->capacity - 1)];
}

static void free_values(struct value *value)
{
    while (value != NULL) {
        struct value *next = value->next;
        free(value);
        value = next;
    }
}

void log_init(struct log *log, synod_slot slot, uint64_t cache_max)
{
    *log = (struct log){.first = slot + 1,
                        .end = slot + 1,
                        .applied = slot,
                        .cached = slot + 1,
                        .cache_max = cache_max};
}

void log_deinit(struct log *log)
{
    log_trim(log, log->end - 1);
    free(log->slots);
    log->slots = NULL;
    log->capacity = 0;
}

/* -- Values ------------------------------------------------------------------------------- */

struct value *value_new(size_t size)
{
    assert(size <= UINT32_MAX);
    struct value *value = malloc(sizeof *value + size);
    if (value != NULL) {
        *value = (struct value){.size = (uint32_t)size};
    }
    return value;
}

uint64_t value_checksum(struct bytes bytes)
{
    return XXH3_64bits(bytes.data, bytes.size);
}

void value_seal(struct value *value)
{
    value->checksum = value_checksum(bytes_of(value->bytes, value->size));
}

/* -- Slots -------------------------------------------------------------------------------- */

const struct log_slot *log_at(const struct log *log, synod_slot slot)
{
    return slot >= log->first && slot < log->end ? ring_at(log, slot) : NULL;
}

/* Make the ring hold every slot up to `slot`. */
static int reach(struct log *log, synod_slot slot)
{
    assert(slot >= log->first);
    const uint64_t needed = slot - log->first + 1;
    if (needed > log->capacity) {
        uint64_t capacity = log->capacity == 0 ? LOG_CAPACITY_MIN : log->capacity;
        while (capacity < needed) {
            capacity *= 2;
        }
        struct log_slot *slots = calloc(capacity, sizeof *slots);
        if (slots == NULL) {
            return -1;
        }
        for (synod_slot i = log->first; i < log->end; i++) {
            slots[i & (capacity - 1)] = *ring_at(log, i);
        }
        free(log->slots);
        log->slots = slots;
        log->capacity = capacity;
    }
    if (slot >= log->end) {
        log->end = slot + 1;
    }
    return 0;
}

static struct value *find_value(const struct log *log, synod_slot slot, uint64_t checksum,
                                size_t size)
{
    const struct log_slot *at = log_at(log, slot);
    struct value *value = at == NULL ? NULL : at->values;
    while (value != NULL && (value->checksum != checksum || value->size != size)) {
        value = value->next;
    }
    return value;
}

struct value *log_enter(struct log *log, synod_slot slot, uint64_t checksum, struct bytes bytes)
{
    if (slot <= log->applied || slot < log->first) {
        return NULL;
    }
    struct value *value = find_value(log, slot, checksum, bytes.size);
    if (value != NULL) {
        return value;
    }
    value = value_new(bytes.size);
    if (value == NULL) {
        return NULL;
    }
    value->checksum = checksum;
    if (bytes.size > 0) {
        memcpy(value->bytes, bytes.data, bytes.size);
    }
    if (log_attach(log, slot, value) != 0) {
        free(value);
        return NULL;
    }
    return value;
}

int log_attach(struct log *log, synod_slot slot, struct value *value)
{
    assert(slot > log->applied);
    if (reach(log, slot) != 0) {
        return -1;
    }
    struct log_slot *at = ring_at(log, slot);
    value->next = at->values;
    at->values = value;
    return 0;
}

void log_prune(struct log *log, synod_slot slot, const struct synod_core *core)
{
    assert(slot > log->applied);
    if (slot < log->first || slot >= log->end) {
        return;
    }
    struct value **link = &ring_at(log, slot)->values;
    while (*link != NULL) {
        struct value *value = *link;
        if (synod_core_holds(core, slot, value_handle(value))) {
            link = &value->next;
        } else {
            *link = value->next;
            free(value);
        }
    }
}

int log_recorded(struct log *log, const struct synod_entry *entry, uint64_t lsn)
{
    if (entry->slot < log->first) {
        return 0;
    }
    if (reach(log, entry->slot) != 0) {
        return -1;
    }
    struct log_slot *at = ring_at(log, entry->slot);
    at->lsn = lsn;
    at->view = entry->view;
    at->size = entry->size;
    at->kind = entry->kind;
    return 0;
}

/* Give back the oldest applied values until the rest fits. */
static void shrink_cache(struct log *log)
{
    while (log->cache_bytes > log->cache_max && log->cached <= log->applied) {
        struct log_slot *at = ring_at(log, log->cached++);
        if (at->values != NULL) {
            log->cache_bytes -= at->values->size;
            free_values(at->values);
            at->values = NULL;
        }
    }
}

void log_applied(struct log *log, const struct synod_entry *entry)
{
    assert(entry->slot == log->applied + 1);
    log->applied = entry->slot;
    if (entry->slot < log->first || entry->slot >= log->end) {
        return; /* Restored without a record of it: nothing to remember. */
    }
    struct log_slot *at = ring_at(log, entry->slot);
    struct value *chosen = value_of_handle(entry->handle);
    struct value **link = &at->values;
    while (*link != NULL) {
        struct value *value = *link;
        if (value == chosen) {
            link = &value->next;
        } else {
            *link = value->next;
            free(value);
        }
    }
    assert(at->values == chosen);
    if (chosen != NULL) {
        log->cache_bytes += chosen->size;
    }
    shrink_cache(log);
}

void log_trim(struct log *log, synod_slot slot)
{
    for (; log->first <= slot && log->first < log->end; log->first++) {
        struct log_slot *at = ring_at(log, log->first);
        if (log->first <= log->applied && at->values != NULL) {
            log->cache_bytes -= at->values->size;
        }
        free_values(at->values);
        *at = (struct log_slot){0};
    }
    if (log->first <= slot) {
        log->first = slot + 1;
        log->end = slot + 1;
    }
    if (log->applied < slot) {
        log->applied = slot;
    }
    if (log->cached < log->first) {
        log->cached = log->first;
    }
}

uint64_t log_lsn_above(const struct log *log, synod_slot slot)
{
    uint64_t lowest = UINT64_MAX;
    for (synod_slot i = slot < log->first ? log->first : slot + 1; i < log->end; i++) {
        const uint64_t lsn = ring_at(log, i)->lsn;
        if (lsn != 0 && lsn < lowest) {
            lowest = lsn;
        }
    }
    return lowest;
}

synod_slot log_slot_behind(const struct log *log, synod_slot slot, uint64_t lsn)
{
    for (; slot >= log->first; slot--) {
        const struct log_slot *at = log_at(log, slot);
        if (at != NULL && at->lsn != 0 && at->lsn < lsn) {
            break;
        }
    }
    return slot;
}
