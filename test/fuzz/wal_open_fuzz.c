/* wal_open_fuzz.c -- a whole log on a disk that holds anything.
 *
 * The input builds the files (wal_image.h). Opening them either refuses with a reason, or shows
 * records whose numbers have no gap; then each can be read back, another one can be written, and
 * opening it a second time shows the same. */
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"
#include "fuzz.h"
#include "os_memory.h"
#include "repairs.h"
#include "synod/error.h"
#include "wal/wal.h"
#include "wal_image.h"

enum {
    RECORDS_MAX = 512,
    OWN_TYPE = 99
};

struct owner {
    uint64_t first; /* 0: no record was seen. */
    uint64_t last;
    uint64_t hashes[RECORDS_MAX]; /* Of record first, first + 1 ... */
    uint64_t bodies[RECORDS_MAX]; /* The same of their bodies alone. */
    uint8_t doubles[RECORDS_MAX]; /* Whether there are two copies of each. */
    uint64_t repairs;             /* Flushes that were made good from second copies. */
    uint64_t durable;
    int is_closed;
};

static uint64_t hash_of_record(const struct wal_record *record)
{
    const uint64_t seed = record->lsn ^ (uint64_t)record->kind.type << 32 ^ record->kind.flags;
    return XXH3_64bits_withSeed(record->body.data, record->body.size, seed);
}

static int on_record(void *context, const struct wal_record *record)
{
    struct owner *owner = context;
    assert(owner->first == 0 || record->lsn == owner->last + 1);
    owner->first = owner->first == 0 ? record->lsn : owner->first;
    owner->last = record->lsn;
    assert(record->lsn - owner->first < RECORDS_MAX);
    owner->hashes[record->lsn - owner->first] = hash_of_record(record);
    owner->bodies[record->lsn - owner->first] = XXH3_64bits(record->body.data, record->body.size);
    owner->doubles[record->lsn - owner->first] = (record->kind.flags & WAL_TWO_COPIES) != 0;
    return 0;
}

static void on_durable(void *context, uint64_t lsn)
{
    struct owner *owner = context;
    assert(lsn > owner->durable);
    owner->durable = lsn;
}

static void on_failure(__attribute__((unused)) void *context, const struct report *report)
{
    assert(report == NULL); /* This disk refuses nothing. */
}

static void on_segment(__attribute__((unused)) void *context)
{
}

static void on_closed(void *context)
{
    ((struct owner *)context)->is_closed = 1;
}

static int open_log(struct os *os, struct owner *owner, struct wal **wal)
{
    const struct wal_options options = {.segment_bytes = WAL_SEGMENT_BYTES_MIN,
                                        .callbacks = {.context = owner,
                                                      .on_record = on_record,
                                                      .on_durable = on_durable,
                                                      .on_failure = on_failure,
                                                      .on_segment = on_segment}};
    const uint64_t repairs_before = repairs_told();
    struct report report = {0};
    repairs_listen();
    *owner = (struct owner){0};
    const int error = wal_open(os, "/data", &options, &report, wal);
    owner->repairs = repairs_told() - repairs_before;
    if (error != 0) {
        assert(error == SYNOD_ERR_CORRUPT || error == SYNOD_ERR_FOREIGN);
        assert(report.error == error && report.text[0] != '\0');
        assert(os_memory_open_count(os) == 0);
    } else {
        assert(owner->first == 0 || owner->last == wal_last(*wal));
        assert(wal_durable(*wal) == wal_last(*wal));
    }
    return error;
}

/* What was shown is there to be read, and the same. Of what was repaired, the bad copy is read. */
static void read_back(const struct wal *wal, const struct owner *owner)
{
    struct report report;
    for (uint64_t lsn = owner->first; owner->first != 0 && lsn <= owner->last; lsn++) {
        struct wal_location location;
        int error = wal_locate(wal, lsn, &location);
        assert(error == 0);
        uint8_t *body = malloc(location.size + 1u);
        assert(body != NULL);
        error = wal_read(wal, lsn, location, body, &report);
        assert(error == 0 || (error == SYNOD_ERR_CORRUPT && owner->repairs > 0 &&
                              owner->doubles[lsn - owner->first]));
        assert(error != 0 || XXH3_64bits(body, location.size) == owner->bodies[lsn - owner->first]);
        free(body);
    }
}

static void write_one(struct os *os, struct wal *wal, struct owner *owner)
{
    const struct bytes body = bytes_of_text("one more");
    const uint64_t lsn = wal_append(wal, (struct wal_kind){.type = OWN_TYPE}, &body, 1);
    assert(owner->first == 0 || lsn == owner->last + 1);
    wal_flush(wal);
    os_memory_run(os);
    assert(owner->durable == lsn);
    wal_close(wal, on_closed, owner);
    os_memory_run(os);
    assert(owner->is_closed && os_memory_open_count(os) == 0);
}

FUZZ(wal_open)
{
    struct feed feed = {input};
    struct wal_image *image = malloc(sizeof *image);
    struct owner *owner = malloc(2 * sizeof *owner);
    struct os *os = os_memory_new(1);
    struct wal *wal;
    assert(image != NULL && owner != NULL);
    (void)os_dir_create(os, "/data");
    (void)os_dir_create(os, "/data/wal");
    wal_image_init(image, &feed);
    while (!feed_is_empty(&feed)) {
        wal_image_stroke(image, &feed);
    }
    wal_image_put(image, os);
    if (open_log(os, owner, &wal) == 0) {
        read_back(wal, owner);
        write_one(os, wal, owner);
        const int error = open_log(os, owner + 1, &wal);
        assert(error == 0);
        assert(owner[0].first == 0 || owner[0].first == owner[1].first);
        for (uint64_t i = 0; owner[0].first != 0 && i <= owner[0].last - owner[0].first; i++) {
            assert(owner[0].hashes[i] == owner[1].hashes[i]);
        }
        wal_close(wal, on_closed, owner + 1);
        os_memory_run(os);
    }
    os_memory_free(os);
    free(owner);
    free(image);
}
