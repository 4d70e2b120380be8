/* owner.c -- who uses a log and its snapshots, and knows what of it must be there afterwards.
 *
 * WHAT MUST BE THERE
 *
 *   records    every one that was acknowledged and not trimmed, as it was appended; after the last
 *              of them at most a beginning of what was appended, and nothing else
 *   promise    the last one made before the last record that is there
 *   cluster    once the founding record was acknowledged
 *   snapshot   the newest that was reported written, or one that was begun after it
 *   state      the snapshot and the entries behind it, without a gap: the hash that the state
 *              machine had when it had applied the same slot
 *
 * The state machine is a hash: each entry's tag is folded into it. */
#include "test/disk/owner.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"
#include "repairs.h"
#include "synod/error.h"
#include "test/disk/owner_internal.h"
#include "wal/segment.h"
#include "wal/snapshot.h"

enum {
    RECORD_FORMAT = 7,
    ENTRY_BYTES_MAX = 1 << 20,
    IDLE_US = 30000,
};

/* -- The model ---------------------------------------------------------------------------- */

void model_copy(struct model *to, const struct model *from)
{
    memcpy(to, from, offsetof(struct model, records) + (from->last + 1) * sizeof *from->records);
}

uint64_t model_hash(const struct model *model)
{
    const size_t size =
        offsetof(struct model, records) + (model->last + 1) * sizeof *model->records;
    return XXH3_64bits(model, size);
}

uint64_t owner_fold(uint64_t state, uint64_t tag)
{
    return XXH3_64bits_withSeed(&tag, sizeof tag, state);
}

void owner_fill(uint8_t *to, size_t size, uint64_t seed)
{
    struct prng prng = {seed};
    size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        put_u64(to + at, prng_next(&prng));
    }
    const uint64_t word = prng_next(&prng);
    memcpy(to + at, &word, size - at);
}

static void content_of(const struct owner_record *record, uint8_t *to)
{
    owner_fill(to, record->size, record->tag);
    put_u64(to, record->number);
}

void owner_complain(struct owner *owner, const char *format, ...)
{
    va_list arguments;
    if (owner->wrong[0] != '\0') {
        return; /* The first says the most. */
    }
    va_start(arguments, format);
    vsnprintf(owner->wrong, sizeof owner->wrong, format, arguments);
    va_end(arguments);
}

/* -- Appending ---------------------------------------------------------------------------- */

static void append(struct owner *owner, enum owner_type type, uint64_t number, uint32_t size)
{
    static uint8_t body[ENTRY_BYTES_MAX];
    struct model *model = &owner->model;
    const uint64_t lsn = ++model->last;
    struct owner_record *record = &model->records[lsn];
    assert(lsn <= OWNER_RECORDS_MAX);
    assert(size >= 8 && size <= ENTRY_BYTES_MAX);
    *record = (struct owner_record){.tag = prng_next(&owner->prng),
                                    .number = number,
                                    .promise = model->promise,
                                    .slot = model->slot,
                                    .size = size,
                                    .type = (uint16_t)type};
    content_of(record, body);
    const struct bytes part = bytes_of(body, size);
    const struct wal_kind kind = {.group = OWNER_GROUP,
                                  .type = (uint16_t)type,
                                  .format = RECORD_FORMAT,
                                  .flags = type == OWNER_ENTRY ? 0 : WAL_TWO_COPIES};
    if (wal_append(owner->wal, kind, &part, 1) != lsn) {
        owner_complain(owner, "record %" PRIu64 " got another number", lsn);
    }
}

void owner_append(struct owner *owner, uint32_t size)
{
    struct model *model = &owner->model;
    assert(model->slot < OWNER_SLOTS_MAX);
    model->slot++;
    append(owner, OWNER_ENTRY, model->slot, size);
    model->states[model->slot] =
        owner_fold(model->states[model->slot - 1], model->records[model->last].tag);
}

void owner_promise(struct owner *owner, uint32_t size)
{
    owner->model.promise++;
    append(owner, OWNER_PROMISE, owner->model.promise, size);
}

void owner_found(struct owner *owner)
{
    assert(owner->model.founding == 0);
    wal_found(owner->wal, OWNER_CLUSTER);
    append(owner, OWNER_FOUNDING, OWNER_CLUSTER, 8);
    owner->model.founding = owner->model.last;
}

/* -- Callbacks of the log ----------------------------------------------------------------- */

static int is_as_appended(const struct wal_record *record, const struct owner_record *expected)
{
    static uint8_t body[ENTRY_BYTES_MAX];
    if (record->kind.type != expected->type || record->kind.group != OWNER_GROUP ||
        record->kind.format != RECORD_FORMAT || record->body.size != expected->size ||
        (record->kind.flags == WAL_TWO_COPIES) != (expected->type != OWNER_ENTRY)) {
        return 0;
    }
    content_of(expected, body);
    return memcmp(record->body.data, body, expected->size) == 0;
}

static int on_record(void *context, const struct wal_record *record)
{
    struct owner *owner = context;
    struct owner_seen *seen = &owner->seen;
    if (seen->first == 0) {
        seen->first = record->lsn;
    } else if (record->lsn != seen->last + 1) {
        owner_complain(owner, "record %" PRIu64 " came after record %" PRIu64, record->lsn,
                       seen->last);
    }
    seen->last = record->lsn;
    if (record->lsn == 0 || record->lsn > owner->model.last) {
        owner_complain(owner, "record %" PRIu64 " was never appended", record->lsn);
        return 0;
    }
    const struct owner_record *expected = &owner->model.records[record->lsn];
    if (!is_as_appended(record, expected)) {
        owner_complain(owner, "record %" PRIu64 " is not what was appended", record->lsn);
    } else if (expected->type == OWNER_PROMISE) {
        seen->promise = expected->number;
    } else if (expected->type == OWNER_ENTRY && expected->number > seen->slot) {
        if (expected->number != seen->slot + 1) {
            owner_complain(owner, "slot %" PRIu64 " came after slot %" PRIu64, expected->number,
                           seen->slot);
        }
        seen->slot = expected->number;
        seen->state = owner_fold(seen->state, expected->tag);
    }
    return 0;
}

static void on_durable(void *context, uint64_t lsn)
{
    struct owner *owner = context;
    if (owner->has_failed) {
        owner_complain(owner, "record %" PRIu64 " was acknowledged after a failure", lsn);
    }
    if (lsn <= owner->model.durable || lsn > owner->model.last) {
        owner_complain(owner, "record %" PRIu64 " was acknowledged out of turn", lsn);
    }
    owner->model.durable = lsn;
    wal_flush(owner->wal);
}

static void on_failure(void *context, const struct report *report)
{
    struct owner *owner = context;
    owner->has_failed = 1;
    owner->report = *report;
}

/* What must outlive trimming. */
static void on_segment(void *context)
{
    struct owner *owner = context;
    if (owner->model.founding != 0) {
        append(owner, OWNER_FOUNDING, OWNER_CLUSTER, 8);
    }
    if (owner->model.promise != 0) {
        append(owner, OWNER_PROMISE, owner->model.promise, 8);
    }
}

/* -- Recovery ----------------------------------------------------------------------------- */

/* As a replica does it: the newest snapshot, then the log. */
static int recover_snapshot(struct owner *owner)
{
    const struct model *model = &owner->model;
    uint64_t newest = 0;
    int error = snapshot_start(owner->os, OWNER_DIR, &owner->report);
    if (error != 0) {
        return error;
    }
    const int64_t count = snapshot_list(owner->os, OWNER_DIR, &newest, 1, &owner->report);
    if (count < 0) {
        return (int)count;
    }
    newest = count == 0 ? 0 : newest;
    if (newest != model->snapshot && newest != model->snapshot_asked) {
        owner_complain(owner, "the newest snapshot is of slot %" PRIu64 ", not %" PRIu64, newest,
                       model->snapshot);
    }
    if (count > 0) {
        error = newest > OWNER_SLOTS_MAX ? 0 : owner_load_snapshot(owner, newest);
        owner->seen.snapshot = owner->seen.slot = newest;
        owner->seen.state = newest > OWNER_SLOTS_MAX ? 0 : model->states[newest];
    }
    return error;
}

static void check_recovered(struct owner *owner)
{
    const struct model *model = &owner->model;
    const struct owner_seen *seen = &owner->seen;
    const uint64_t last = wal_last(owner->wal);
    if (last != wal_durable(owner->wal)) {
        owner_complain(owner, "not all that was recovered is durable");
    }
    if (last < model->durable) {
        owner_complain(owner, "record %" PRIu64 " was acknowledged; the last there is %" PRIu64,
                       model->durable, last);
    }
    if (last > model->last || (seen->first != 0 && seen->last != last)) {
        owner_complain(owner, "the last record is %" PRIu64 ", %" PRIu64 " were appended", last,
                       model->last);
        return;
    }
    if (seen->first == 0 ? last > 0 : seen->first > (model->trim == 0 ? 1 : model->trim)) {
        owner_complain(owner,
                       "the first record is %" PRIu64 ", only those below %" PRIu64 " were trimmed",
                       seen->first, model->trim);
    }
    if (seen->promise != model->records[last].promise) {
        owner_complain(owner, "promise %" PRIu64 " was forgotten: the last there is %" PRIu64,
                       model->records[last].promise, seen->promise);
    }
    if (model->founding != 0 && model->founding <= last &&
        wal_cluster(owner->wal) != OWNER_CLUSTER) {
        owner_complain(owner, "the log has forgotten its cluster");
    }
    const uint64_t in_log = model->records[last].slot;
    const uint64_t slot = in_log > seen->snapshot ? in_log : seen->snapshot;
    if (seen->slot != slot || seen->state != model->states[slot]) {
        owner_complain(owner,
                       "the state is of slot %" PRIu64 ", and not what it was at slot %" PRIu64,
                       seen->slot, slot);
    }
    if (wal_is_new(owner->wal) && seen->snapshot != 0) {
        owner_complain(owner, "there are snapshots, and the log took itself for a new one");
    }
}

/* Of what was made good from its second copy, the first may be bad where the damage is. */
static int is_excused(const struct owner *owner, const struct owner_record *record,
                      const struct wal_location *location, const struct report *report)
{
    const struct owner_damage *damage = &owner->damage;
    const size_t end = (size_t)location->offset + SEGMENT_RECORD_HEADER_BYTES + location->size;
    int is_in_file = 0;
    for (size_t i = 0; i < 2; i++) {
        is_in_file |= damage->files[i] != NULL && strcmp(report->file, damage->files[i]) == 0;
    }
    return report->error == SYNOD_ERR_CORRUPT && owner->seen.repairs > 0 &&
           record->type != OWNER_ENTRY && is_in_file && location->offset < damage->to &&
           end > damage->from;
}

/* What others are given comes from the disk once more. */
static void read_back(struct owner *owner, uint64_t lsn)
{
    static uint8_t bodies[2][ENTRY_BYTES_MAX];
    const struct owner_record *expected = &owner->model.records[lsn];
    struct wal_location location;
    struct report report = {0};
    if (wal_locate(owner->wal, lsn, &location) != 0 || location.size != expected->size) {
        owner_complain(owner, "record %" PRIu64 " cannot be located", lsn);
        return;
    }
    const int error = wal_read(owner->wal, lsn, location, bodies[0], &report);
    content_of(expected, bodies[1]);
    if (error != 0 && !is_excused(owner, expected, &location, &report)) {
        owner_complain(owner, "record %" PRIu64 " cannot be read back: %s", lsn,
                       error < 0 ? report.text : "trimmed, or not durable");
    } else if (error == 0 && memcmp(bodies[0], bodies[1], expected->size) != 0) {
        owner_complain(owner, "record %" PRIu64 " is read back, and is another", lsn);
    }
}

/* The first, the last, and one that each state picks. */
static void check_read_back(struct owner *owner)
{
    const struct owner_seen *seen = &owner->seen;
    if (!owner->reads_back || seen->first == 0 || owner->wrong[0] != '\0') {
        return;
    }
    read_back(owner, seen->first);
    read_back(owner, seen->first + owner->pick % (seen->last - seen->first + 1));
    read_back(owner, seen->last);
}

/* From now on what was found is what was acknowledged. */
static void adopt_recovered(struct owner *owner)
{
    struct model *model = &owner->model;
    const uint64_t last = wal_last(owner->wal);
    if (last > model->last) {
        return; /* It was complained about. */
    }
    model->last = last;
    model->durable = last;
    model->promise = owner->seen.promise;
    model->slot = owner->seen.slot;
    model->snapshot = owner->seen.snapshot;
    model->snapshot_asked = model->snapshot;
    model->trim = model->trim <= last + 1 ? model->trim : last + 1;
    model->founding = model->founding <= last ? model->founding : 0;
}

void owner_init(struct owner *owner, struct os *os, const struct model *model)
{
    memset(owner, 0, offsetof(struct owner, model));
    owner->os = os;
    if (model != NULL) {
        model_copy(&owner->model, model);
        owner->prng.state = model->last;
    } else {
        memset(&owner->model, 0, sizeof owner->model);
    }
}

int owner_open(struct owner *owner)
{
    const uint64_t repairs_before = repairs_told();
    const struct wal_options options = {.cluster = 0,
                                        .segment_bytes = owner->model.segment_bytes,
                                        .callbacks = {.context = owner,
                                                      .on_record = on_record,
                                                      .on_durable = on_durable,
                                                      .on_failure = on_failure,
                                                      .on_segment = on_segment}};
    owner->seen = (struct owner_seen){0};
    owner->report = (struct report){0};
    owner->has_failed = 0;
    repairs_listen();
    int error = recover_snapshot(owner);
    if (error == 0) {
        error = wal_open(owner->os, OWNER_DIR, &options, &owner->report, &owner->wal);
    }
    owner->seen.repairs = repairs_told() - repairs_before;
    if (error == 0) {
        check_recovered(owner);
        check_read_back(owner);
        adopt_recovered(owner);
    } else if (owner->wal != NULL || os_memory_open_count(owner->os) != 0) {
        owner_complain(owner, "a log that could not be opened left something open");
    }
    return error;
}

/* -- Its life ----------------------------------------------------------------------------- */

void owner_flush(struct owner *owner)
{
    wal_flush(owner->wal);
}

void owner_settle(struct owner *owner)
{
    wal_flush(owner->wal);
    os_memory_run(owner->os);
}

void owner_idle(struct owner *owner)
{
    owner_settle(owner);
    os_memory_advance(owner->os, IDLE_US);
    os_memory_run(owner->os);
}

void owner_close(struct owner *owner)
{
    if (owner->wal != NULL) {
        wal_close(owner->wal, NULL, NULL);
        owner->wal = NULL;
    }
    os_memory_run(owner->os);
    if (os_memory_open_count(owner->os) != 0) {
        owner_complain(owner, "a log that was closed left something open");
    }
}

void owner_die(struct owner *owner)
{
    os_memory_die(owner->os);
    owner_close(owner);
}
