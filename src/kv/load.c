/* load.c -- a dump's bytes back into a store. The format and its rules are in dump.c.
 *
 * Nothing that comes in is trusted: a record is looked at before memory is taken for it, and a
 * chain of versions must be one that writes could have made. The order of the history, which the
 * stream does not have, is restored at the end by sorting the versions that superseded others. */
#include "kv/load.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/heap.h"
#include "kv/dump.h"
#include "kv/hash.h"
#include "kv/store.h"
#include "synod/error.h"

/* No key or value is larger: requests are limited to far less. */
enum {
    LOAD_SIZE_MAX = 1 << 30
};

enum load_phase {
    LOAD_HEAD = 1, /* The head of the stream comes next. */
    LOAD_RECORDS,  /* A record does. */
    LOAD_ENDED,    /* The end record was read. */
    LOAD_FAILED,
};

struct load {
    struct kv *kv;
    struct buffer pending;     /* Bytes not yet worked off: less than a record, after a call. */
    struct hash hash;          /* Of everything worked off. */
    struct item *newer;        /* The version read last; NULL: none yet. */
    struct item **superseding; /* Versions with an older one, in the order of the stream. */
    size_t superseding_count;
    size_t superseding_capacity;
    uint64_t record_count;
    int64_t revision;
    int64_t compacted;
    enum load_phase phase;
};

struct load *load_new(struct kv *kv)
{
    struct load *load = heap_allocate(sizeof *load);

    assert(kv->tree.count == 0 && kv->revision == 1);
    assert(kv->dumps == 0);
    if (load != NULL) {
        memset(load, 0, sizeof *load);
        load->kv = kv;
        load->phase = LOAD_HEAD;
        hash_begin(&load->hash);
    }
    return load;
}

void load_free(struct load *load)
{
    assert(load->phase >= LOAD_HEAD && load->phase <= LOAD_FAILED);
    buffer_deinit(&load->pending);
    heap_release(load->superseding);
    heap_release(load);
}

static int read_head(struct load *load, const uint8_t *head)
{
    assert(load->phase == LOAD_HEAD);
    assert(load->record_count == 0);
    load->revision = (int64_t)get_u64(head + 16);
    load->compacted = (int64_t)get_u64(head + 24);
    if (memcmp(head, dump_magic, DUMP_MAGIC_SIZE) != 0 || get_u32(head + 8) != DUMP_FORMAT ||
        get_u32(head + 12) != 0 || load->revision < 1 || load->revision == INT64_MAX ||
        load->compacted < -1 || load->compacted > load->revision) {
        return SYNOD_ERR_CORRUPT;
    }
    load->phase = LOAD_RECORDS;
    assert(load->newer == NULL);
    return 0;
}

/* True if the version read last may be the oldest of its key. What it superseded can only be
 * left out where nobody can read it: below the compacted revision, or where nothing was. */
static int is_chain_whole(const struct load *load)
{
    const struct item *oldest = load->newer;
    assert(oldest == NULL || oldest->older == NULL);
    return oldest == NULL || (!item_is_tombstone(oldest) &&
                              (oldest->version == 1 || oldest->mod_revision <= load->compacted));
}

static int read_end(struct load *load, const uint8_t *record)
{
    uint8_t expected[DUMP_RECORD_SIZE] = {0};

    assert(load->phase == LOAD_RECORDS);
    put_u32(expected + 12, DUMP_END);
    put_u64(expected + 16, load->record_count);
    put_u64(expected + 24, hash_value(&load->hash));
    if (memcmp(record, expected, sizeof expected) != 0 || !is_chain_whole(load)) {
        return SYNOD_ERR_CORRUPT;
    }
    load->phase = LOAD_ENDED;
    return 0;
}

/* Remember that `item` has an older version. */
static int remember(struct load *load, struct item *item)
{
    assert(load->superseding_count <= load->superseding_capacity);
    assert(item != NULL);
    if (load->superseding_count == load->superseding_capacity) {
        const size_t capacity =
            load->superseding_capacity == 0 ? 1024 : load->superseding_capacity * 2;
        struct item **items = heap_allocate(capacity * sizeof(*items));
        if (items == NULL) {
            return SYNOD_ERR_MEMORY;
        }
        if (load->superseding_count > 0) {
            memcpy(items, load->superseding, load->superseding_count * sizeof(*items));
        }
        heap_release(load->superseding);
        load->superseding = items;
        load->superseding_capacity = capacity;
    }
    load->superseding[load->superseding_count++] = item;
    assert(load->superseding_count < load->record_count + 1);
    return 0;
}

/* True if the item by itself could be in a dump of this store. */
static int is_plausible(const struct load *load, const struct item *item, uint32_t flags)
{
    assert(item->older == NULL);
    assert(item->key_size > 0);
    if (item->mod_revision < 2 || item->mod_revision > load->revision || item->version < 0) {
        return 0;
    }
    if (item_is_tombstone(item)) {
        return flags == DUMP_TOMBSTONE && item->mod_revision > load->compacted &&
               item->create_revision == 0 && item->lease == 0 && item->value_size == 0;
    }
    return flags == 0 && item_may_follow(item, NULL);
}

/* Put the first version of a new key into the store. */
static int add_key(struct load *load, struct item *item)
{
    const struct item *newer = load->newer;
    assert(item->older == NULL);
    assert(load->phase == LOAD_RECORDS);
    if (!is_chain_whole(load) ||
        (newer != NULL && bytes_compare(item_key(newer), item_key(item)) >= 0)) {
        return SYNOD_ERR_CORRUPT;
    }
    return store_adopt(load->kv, item) == 0 ? 0 : SYNOD_ERR_MEMORY;
}

/* Hang an older version of the key before onto its chain. */
static int add_version(struct load *load, struct item *item)
{
    assert(load->newer != NULL);
    assert(load->newer->older == NULL);
    if (load->newer->mod_revision <= load->compacted || !item_may_follow(load->newer, item)) {
        return SYNOD_ERR_CORRUPT;
    }
    const int error = remember(load, load->newer);
    if (error == 0) {
        store_adopt_older(load->kv, load->newer, item);
    }
    return error;
}

static int add_item(struct load *load, const uint8_t *record, struct bytes key, struct bytes value)
{
    const int is_new_key = get_u32(record) > 0;
    struct item *item = item_new(key, value);

    assert(key.size > 0);
    assert(load->phase == LOAD_RECORDS);
    if (item == NULL) {
        return SYNOD_ERR_MEMORY;
    }
    item->sub = get_u32(record + 8);
    item->create_revision = (int64_t)get_u64(record + 16);
    item->mod_revision = (int64_t)get_u64(record + 24);
    item->version = (int64_t)get_u64(record + 32);
    item->lease = (int64_t)get_u64(record + 40);
    int error = SYNOD_ERR_CORRUPT;
    if (is_plausible(load, item, get_u32(record + 12))) {
        error = is_new_key ? add_key(load, item) : add_version(load, item);
    }
    if (error != 0) {
        item_free(item);
        return error;
    }
    assert(item->mod_revision <= load->revision);
    load->newer = item;
    load->record_count++;
    return 0;
}

/* Work off one unit if the pending bytes hold it whole: `*size` is its size, or 0 if not. */
static int read_unit(struct load *load, size_t *size)
{
    const struct bytes pending = buffer_bytes(&load->pending);
    const size_t head_size = load->phase == LOAD_HEAD ? DUMP_HEAD_SIZE : DUMP_RECORD_SIZE;
    const uint8_t *record = pending.data;

    assert(load->phase != LOAD_FAILED);
    *size = 0;
    if (load->phase == LOAD_ENDED) {
        return pending.size > 0 ? SYNOD_ERR_CORRUPT : 0;
    }
    if (pending.size < head_size) {
        return 0;
    }
    *size = head_size;
    if (load->phase == LOAD_HEAD) {
        return read_head(load, record);
    }
    if (get_u32(record + 12) == DUMP_END) {
        return read_end(load, record);
    }
    const size_t key_size = get_u32(record);
    const size_t value_size = get_u32(record + 4);
    if (key_size > LOAD_SIZE_MAX || value_size > LOAD_SIZE_MAX ||
        (key_size == 0 && load->newer == NULL)) {
        return SYNOD_ERR_CORRUPT;
    }
    if (pending.size - head_size < key_size + value_size) {
        *size = 0;
        return 0;
    }
    *size += key_size + value_size;
    const struct bytes key =
        key_size > 0 ? bytes_of(record + head_size, key_size) : item_key(load->newer);
    return add_item(load, record, key, bytes_of(record + head_size + key_size, value_size));
}

int load_piece(struct load *load, struct bytes piece)
{
    size_t size = 1;
    int error = 0;

    assert(bytes_is_whole(piece));
    assert(load->phase != LOAD_FAILED);
    if (buffer_append(&load->pending, piece.data, piece.size) != 0) {
        load->phase = LOAD_FAILED;
        return SYNOD_ERR_MEMORY;
    }
    while (error == 0 && size > 0) {
        error = read_unit(load, &size);
        if (size > 0) {
            hash_add(&load->hash, buffer_bytes(&load->pending).data, size);
            assert(size <= buffer_size(&load->pending));
            buffer_consume(&load->pending, size);
        }
    }
    if (error != 0) {
        load->phase = LOAD_FAILED;
    }
    return error;
}

static int compare_writes(const void *left, const void *right)
{
    const struct item *left_item = *(struct item *const *)left;
    const struct item *right_item = *(struct item *const *)right;
    assert(left_item->older != NULL);
    assert(right_item->older != NULL);
    return item_is_written_before(left_item, right_item)
               ? -1
               : item_is_written_before(right_item, left_item);
}

/* Two versions cannot come from one write: (revision, sub) is the number of a change. */
static int restore_history(struct load *load)
{
    assert(load->phase == LOAD_ENDED);
    assert(load->kv->history.count == 0);
    if (load->superseding_count > 1) {
        qsort(load->superseding, load->superseding_count, sizeof(*load->superseding),
              compare_writes);
    }
    for (size_t i = 0; i < load->superseding_count; i++) {
        struct item *item = load->superseding[i];
        if (i > 0 && !item_is_written_before(load->superseding[i - 1], item)) {
            return SYNOD_ERR_CORRUPT;
        }
        if (history_reserve(&load->kv->history) != 0) {
            return SYNOD_ERR_MEMORY;
        }
        history_append(&load->kv->history, item);
    }
    return 0;
}

int load_end(struct load *load)
{
    assert(load->kv->revision == 1);
    assert(load->phase != LOAD_FAILED);
    if (load->phase != LOAD_ENDED) {
        return SYNOD_ERR_CORRUPT;
    }
    const int error = restore_history(load);
    if (error == 0) {
        load->kv->revision = load->revision;
        load->kv->compacted = load->compacted;
    }
    return error;
}
