/* rig.c -- an owner of a log that knows what it appended, and notices when that is not so. */
#include "rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "synod/error.h"
#include "test.h"

enum {
    BODY_MAX = 1 << 20
};

static uint8_t body[BODY_MAX];

/* The content of a record: bytes that follow from its tag. */
static struct bytes content_of(const struct rig_record *record)
{
    struct prng prng = {record->tag};
    assert_true(record->size <= BODY_MAX);
    for (uint32_t i = 0; i < record->size; i += 8) {
        const uint64_t word = prng_next(&prng);
        const uint32_t left = record->size - i;
        memcpy(body + i, &word, left < 8 ? left : 8);
    }
    if (record->type == RIG_PROMISE) {
        memcpy(body, &record->promise, sizeof record->promise);
    }
    return bytes_of(body, record->size);
}

/* Say which case it was, for cmocka does not. */
static void expect(const struct rig *rig, int is_so, const char *what)
{
    if (!is_so) {
        print_error("seed %llu, variant %llu: not so: %s\n", (unsigned long long)rig->seed,
                    (unsigned long long)rig->variant, what);
        fail();
    }
}

/* -- Callbacks --------------------------------------------------------------------------- */

static int on_record(void *context, const struct wal_record *record)
{
    struct rig *rig = context;
    if (rig->first_seen == 0) {
        rig->first_seen = record->lsn;
    } else if (record->lsn != rig->last_seen + 1) {
        rig->is_wrong = 1;
    }
    rig->last_seen = record->lsn;
    if (record->lsn > rig->last) {
        rig->is_wrong = 1;
        return 0;
    }
    const struct rig_record *expected = &rig->records[record->lsn];
    if (record->kind.type != expected->type || record->kind.group != expected->group ||
        record->kind.format != 7 || !bytes_equal(record->body, content_of(expected)) ||
        (record->kind.flags == WAL_TWO_COPIES) != (expected->type == RIG_PROMISE)) {
        rig->is_wrong = 1;
    }
    if (record->kind.type == RIG_PROMISE && record->body.size >= 8) {
        rig->promise_seen = get_u64(record->body.data);
    }
    return 0;
}

static void on_durable(void *context, uint64_t lsn)
{
    struct rig *rig = context;
    expect(rig, rig->failure_calls == 0, "nothing is acknowledged after a failure");
    expect(rig, lsn > rig->durable && lsn <= rig->last, "what becomes durable was appended");
    rig->durable = lsn;
    rig->durable_calls++;
    wal_flush(rig->wal);
}

static void on_failure(void *context, const struct report *report)
{
    struct rig *rig = context;
    assert_true(report->error == SYNOD_ERR_STORAGE || report->error == SYNOD_ERR_MEMORY);
    assert_true(strlen(report->text) > 0);
    rig->failure = report->error;
    rig->failure_calls++;
}

static uint64_t append(struct rig *rig, uint16_t type, uint32_t size)
{
    const uint64_t lsn = rig->last + 1;
    assert_true(lsn <= RIG_RECORDS_MAX);
    struct rig_record *record = &rig->records[lsn];
    *record = (struct rig_record){.tag = prng_next(&rig->prng),
                                  .promise = rig->promise,
                                  .size = size,
                                  .group = (uint32_t)prng_below(&rig->prng, 3),
                                  .type = type};
    const struct bytes whole = content_of(record);
    const size_t cut = prng_below(&rig->prng, size + 1);
    const struct bytes parts[] = {bytes_of(whole.data, cut), bytes_of(NULL, 0),
                                  bytes_of(whole.data + cut, size - cut)};
    const struct wal_kind kind = {.group = record->group,
                                  .type = type,
                                  .format = 7,
                                  .flags = type == RIG_PROMISE ? WAL_TWO_COPIES : 0};
    rig->last = lsn;
    assert_int_equal(wal_append(rig->wal, kind, parts, 3), lsn);
    return lsn;
}

static void on_segment(void *context)
{
    struct rig *rig = context;
    rig->segment_calls++;
    if (rig->promise != 0) {
        append(rig, RIG_PROMISE, 8);
    }
}

static void on_closed(void *context)
{
    struct rig *rig = context;
    rig->is_closed = 1;
}

/* Warnings are part of what the log does, and many here. */
static uint64_t lines;

static void count_line(__attribute__((unused)) const char *line,
                       __attribute__((unused)) uint32_t size)
{
    lines++;
}

/* -- Lifecycle --------------------------------------------------------------------------- */

struct rig *rig_new(uint64_t seed)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    log_configure(&(struct log_options){.level = LOG_WARN, .sink = count_line});
    lines = 0;
    rig->os = os_memory_new(seed);
    rig->prng.state = seed;
    rig->seed = seed;
    os_dir_create(rig->os, "/data");
    os_dir_sync(rig->os, "/");
    rig->options = (struct wal_options){.segment_bytes = RIG_SEGMENT_BYTES,
                                        .callbacks = {.context = rig,
                                                      .on_record = on_record,
                                                      .on_durable = on_durable,
                                                      .on_failure = on_failure,
                                                      .on_segment = on_segment}};
    return rig;
}

static void check_recovered(struct rig *rig)
{
    const uint64_t last = wal_last(rig->wal);
    expect(rig, !rig->is_wrong, "every record is what was appended");
    expect(rig, last == wal_durable(rig->wal), "all that was recovered is durable");
    expect(rig, last >= rig->durable, "nothing acknowledged is missing");
    expect(rig, last <= rig->last, "nothing was invented");
    if (rig->first_seen != 0) {
        expect(rig, rig->last_seen == last, "the last record was handed out");
        expect(rig, rig->first_seen <= (rig->trim == 0 ? 1 : rig->trim), "no more was trimmed");
        expect(rig, rig->promise_seen == rig->records[last].promise, "no promise is forgotten");
    } else {
        expect(rig, rig->durable == 0, "there are records");
    }
    rig->last = rig->durable = last;
    rig->promise = rig->promise_seen;
    rig->trim = rig->trim <= last + 1 ? rig->trim : last + 1;
}

int rig_open(struct rig *rig)
{
    rig->first_seen = rig->last_seen = rig->promise_seen = 0;
    rig->failure_calls = 0;
    rig->is_wrong = 0;
    rig->is_closed = 0;
    const int error = wal_open(rig->os, "/data", &rig->options, &rig->report, &rig->wal);
    rig->warnings = lines;
    if (error == 0) {
        check_recovered(rig);
    } else {
        assert_null(rig->wal);
        assert_int_equal(error, rig->report.error);
        assert_int_equal(os_memory_open_count(rig->os), 0);
    }
    return error;
}

static void on_warning(void *context, const struct report *report)
{
    struct rig *rig = context;
    assert_true(strlen(report->file) > 0);
    rig->warnings++;
}

int rig_scan(struct rig *rig)
{
    const struct scan_input input = {
        .os = rig->os,
        .dir = "/data/wal",
        .callbacks = {.context = rig, .on_record = on_record, .on_warning = on_warning}};
    struct scan_result result;
    rig->first_seen = rig->last_seen = rig->promise_seen = rig->warnings = 0;
    rig->is_wrong = 0;
    const int error = scan_run(&input, &rig->report, &result);
    if (error != 0) {
        return error;
    }
    scan_result_deinit(&result);
    return rig->is_wrong || rig->last_seen != rig->durable ||
           rig->first_seen > (rig->trim == 0 ? 1 : rig->trim) || rig->promise_seen != rig->promise;
}

void rig_close(struct rig *rig)
{
    wal_close(rig->wal, on_closed, rig);
    os_memory_run(rig->os);
    assert_true(rig->is_closed);
    assert_int_equal(os_memory_open_count(rig->os), 0);
    rig->wal = NULL;
}

void rig_die(struct rig *rig)
{
    if (!os_memory_is_dead(rig->os)) {
        /* The next operation does not happen; nothing after it either. */
        os_memory_fail_at(rig->os, ~0u, 1, -5);
        while (rig->wal != NULL && os_memory_step(rig->os)) {
        }
    }
    rig_close(rig);
}

uint64_t rig_append(struct rig *rig, uint32_t size)
{
    return append(rig, RIG_DATA, size);
}

uint64_t rig_promise_sized(struct rig *rig, uint32_t size)
{
    rig->promise++;
    return append(rig, RIG_PROMISE, size);
}

uint64_t rig_promise(struct rig *rig)
{
    return rig_promise_sized(rig, 8 + (uint32_t)prng_below(&rig->prng, 100));
}

void rig_settle(struct rig *rig)
{
    wal_flush(rig->wal);
    os_memory_run(rig->os);
}

void rig_seal(struct rig *rig)
{
    rig_settle(rig);
    os_memory_advance(rig->os, 30000);
    os_memory_run(rig->os);
    os_memory_advance(rig->os, 30000);
    os_memory_run(rig->os);
}

void rig_trim(struct rig *rig, uint64_t lsn)
{
    if (lsn > rig->trim) {
        rig->trim = lsn;
    }
    wal_trim(rig->wal, lsn);
}

void rig_free(struct rig *rig)
{
    if (rig->wal != NULL) {
        rig_close(rig);
    }
    os_memory_free(rig->os);
    free(rig);
}

const char *rig_segment(uint64_t number, uint32_t bytes)
{
    static char path[64];
    snprintf(path, sizeof path, "/data/wal/%016" PRIx64 "-%08" PRIx32 ".wal", number, bytes);
    return path;
}
