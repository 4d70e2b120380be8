/* kv_load_fuzz.c -- the state of a store in a snapshot, as bytes from a disk or another member.
 *
 * u8 pieces, then the dump. Its last record is made to hold the right count and hash, or nothing
 * would get past them. What is loaded must be sound, and a dump of it gives the bytes that came. */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "kv/dump.h"
#include "kv/hash.h"
#include "kv/load.h"
#include "synod/error.h"

enum {
    COUNT_AT = 16, /* In the last record. */
    HASH_AT = 24
};

/* If the bytes end with a record that says it is the last, make it the right one. */
static void repair(uint8_t *data, size_t size)
{
    struct hash hash;
    if (size < DUMP_HEAD_SIZE + DUMP_RECORD_SIZE) {
        return;
    }
    uint8_t *end = data + size - DUMP_RECORD_SIZE;
    uint64_t count = 0;
    const uint8_t *at = data + DUMP_HEAD_SIZE;
    while (end - at >= DUMP_RECORD_SIZE) {
        const uint64_t rest = (uint64_t)(end - at) - DUMP_RECORD_SIZE;
        const uint64_t record = (uint64_t)get_u32(at) + get_u32(at + 4);
        if (record > rest) {
            break;
        }
        at += DUMP_RECORD_SIZE + record;
        count++;
    }
    if (get_u32(end + 12) == DUMP_END) {
        hash_begin(&hash);
        hash_add(&hash, data, (size_t)(end - data));
        put_u64(end + COUNT_AT, count);
        put_u64(end + HASH_AT, hash_value(&hash));
    }
}

static void check_loaded(struct kv *kv, struct bytes bytes)
{
    uint8_t *again = malloc(bytes.size + 1);
    struct dump *dump = dump_open(kv);
    assert(again != NULL && dump != NULL);
    kv_check(kv);
    size_t size = 0;
    size_t some;
    while ((some = dump_read(dump, again + size, bytes.size + 1 - size)) > 0) {
        size += some;
    }
    dump_close(dump);
    assert(bytes_equal(bytes_of(again, size), bytes));
    free(again);
}

FUZZ(kv_load)
{
    struct feed feed = {input};
    const size_t piece = 1u + feed_u8(&feed);
    const struct bytes bytes = feed.rest;
    uint8_t *data = malloc(bytes.size + 1);
    struct kv *kv = kv_new();
    assert(data != NULL && kv != NULL);
    if (bytes.size > 0) {
        memcpy(data, bytes.data, bytes.size);
    }
    repair(data, bytes.size);

    struct load *load = load_new(kv);
    assert(load != NULL);
    int error = 0;
    for (size_t at = 0; at < bytes.size && error == 0; at += piece) {
        const size_t some = bytes.size - at < piece ? bytes.size - at : piece;
        error = load_piece(load, bytes_of(data + at, some));
    }
    if (error == 0) {
        error = load_end(load);
    }
    assert(error == 0 || error == SYNOD_ERR_CORRUPT);
    load_free(load);
    if (error == 0) {
        check_loaded(kv, bytes_of(data, bytes.size));
    }
    kv_free(kv);
    free(data);
}
