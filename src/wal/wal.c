/* wal.c -- appending, and the flush that makes what was appended durable.
 *
 * GROUP COMMIT
 *
 * A sync costs the same for one record as for a thousand (docs/internals/wal.md), so nobody
 * gets one of his own. Records gather in one buffer, `forming`, while another, `writing`, is on
 * its way to the disk; when that has returned the two change places:
 *
 *     turn of the loop     appends ... wal_flush       appends ... wal_flush     on_durable
 *     forming              1 2 3 |                     4 5 6 7     (waits)       | 8
 *     writing (worker)            1 2 3 ------------------------------> durable  4 5 6 7 ---->
 *
 * An idle log writes at once: the first record waits for nobody. Under load whatever comes
 * while the disk is busy shares the next flush, so throughput rises with the load, and a record
 * waits for at most the rest of one flush and its own.
 *
 * One flush is under way at a time. That costs nothing where a sync is one command to one
 * device, and it is what recovery rests on: flush n + 1 proves that flush n had returned.
 *
 * THREADS
 *
 * The loop appends, copying bytes into `forming`. Everything that takes time runs on a worker:
 * checksums, the second copies, the write, the sync. The worker has wal->writing, wal->flush,
 * wal->report and wal->file to itself while is_writing is set; nothing else of the log.
 *
 * STATES (not written down anywhere but in these fields)
 *
 *     idle       !is_writing                    -- wal_flush, seal, close --> writing or waiting
 *     waiting    needed_bytes > 0               -- segment ready --> writing
 *     writing    is_writing                     -- returned --> idle, or failed
 *     failed     is_failed                      for ever
 *     closing    is_closing                     writes the rest and a seal, then is freed
 *
 * Every way into the log from the loop (wal_flush, wal_close, a job's end, the timer) ends in
 * wal_advance(), which decides what is to be done. */
#include "wal/wal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "synod/error.h"
#include "wal/wal_internal.h"

/* -- Failure ----------------------------------------------------------------------------- */

void wal_latch(struct wal *wal, const struct report *report)
{
    assert(report->error < 0);
    if (!wal->is_failed) {
        wal->is_failed = 1;
        wal->failure = *report;
        /* What the owner may do about it are two things, so it is told one of two. */
        if (wal->failure.error != SYNOD_ERR_MEMORY) {
            wal->failure.error = SYNOD_ERR_STORAGE;
        }
    }
}

static void latch_memory(struct wal *wal, const char *what)
{
    assert(what != NULL);
    struct report report;
    report_fill(&report, SYNOD_ERR_MEMORY, (struct report_place){wal->dir, REPORT_WHOLE}, "%s",
                what);
    wal_latch(wal, &report);
}

static void tell_failure(struct wal *wal)
{
    assert(wal->depth > 0);
    if (wal->is_failed && !wal->is_failure_told && !wal->is_closing) {
        wal->is_failure_told = 1;
        wal->callbacks.on_failure(wal->callbacks.context, &wal->failure);
    }
}

/* -- Appending --------------------------------------------------------------------------- */

int wal_buffer_reserve(struct wal_buffer *buffer, uint64_t records_bytes, uint64_t copies_bytes)
{
    assert(records_bytes >= buffer->records_bytes);
    assert(copies_bytes <= records_bytes);
    if (records_bytes + copies_bytes > WAL_PENDING_BYTES_MAX) {
        return -1;
    }
    const struct segment_flush flush = {.records_bytes = (uint32_t)records_bytes,
                                        .copies_bytes = (uint32_t)copies_bytes};
    const size_t needed = segment_flush_bytes(&flush);
    if (needed <= buffer->capacity) {
        return 0;
    }
    size_t capacity = buffer->capacity == 0 ? 4 * (size_t)SEGMENT_BLOCK_BYTES : buffer->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    uint8_t *data = aligned_alloc(SEGMENT_BLOCK_BYTES, capacity);
    if (data == NULL) {
        return -1;
    }
    if (buffer->records_bytes > 0) {
        memcpy(data, buffer->data, SEGMENT_FLUSH_HEADER_BYTES + (size_t)buffer->records_bytes);
    }
    free(buffer->data);
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

/* Nothing is in it any more. The memory of a busy time is given back when `is_idle`. */
static void empty_buffer(struct wal_buffer *buffer, int is_idle)
{
    assert(buffer->data != NULL || buffer->capacity == 0);
    assert(!is_idle || buffer->count == 0);
    uint8_t *data = buffer->data;
    size_t capacity = buffer->capacity;
    if (is_idle && capacity > WAL_BUFFER_KEEP_BYTES) {
        free(data);
        data = NULL;
        capacity = 0;
    }
    *buffer = (struct wal_buffer){.data = data, .capacity = capacity};
}

static uint64_t sum_sizes(const struct bytes *parts, size_t count)
{
    assert(parts != NULL || count == 0);
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += parts[i].size;
    }
    return size;
}

static void copy_record(uint8_t *to, const struct segment_record *record, const struct bytes *parts,
                        size_t count)
{
    assert((uintptr_t)to % 8 == 0);
    segment_record_encode(record, to);
    uint8_t *at = to + SEGMENT_RECORD_HEADER_BYTES;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size > 0) {
            memcpy(at, parts[i].data, parts[i].size);
            at += parts[i].size;
        }
    }
    memset(at, 0, (size_t)(to + segment_record_bytes(record->size) - at));
}

uint64_t wal_append(struct wal *wal, struct wal_kind kind, const struct bytes *parts, size_t count)
{
    struct wal_buffer *buffer = &wal->forming;
    const uint64_t lsn = ++wal->last;
    const uint64_t size = sum_sizes(parts, count);
    assert(size <= WAL_RECORD_BYTES_MAX);
    assert((kind.flags & ~(uint32_t)WAL_TWO_COPIES) == 0);
    assert(!wal->is_closing);

    const struct segment_record record = {
        .size = (uint32_t)size,
        .type = kind.type,
        .format = kind.format,
        .group = kind.group,
        .flags = (kind.flags & WAL_TWO_COPIES) != 0 ? SEGMENT_TWO_COPIES : 0,
        .lsn = lsn,
    };
    const uint32_t bytes = (uint32_t)segment_record_bytes(record.size);
    const uint32_t copy_bytes = record.flags != 0 ? bytes : 0;
    if (wal->is_failed) {
        return lsn;
    }
    if (wal_buffer_reserve(buffer, (uint64_t)buffer->records_bytes + bytes,
                           (uint64_t)buffer->copies_bytes + copy_bytes) != 0) {
        latch_memory(wal, "no memory for another record");
        return lsn;
    }
    if (buffer->count == 0) {
        buffer->first_lsn = lsn;
    }
    assert(lsn == buffer->first_lsn + buffer->count);
    copy_record(buffer->data + SEGMENT_FLUSH_HEADER_BYTES + buffer->records_bytes, &record, parts,
                count);
    buffer->records_bytes += bytes;
    buffer->copies_bytes += copy_bytes;
    buffer->count++;
    return lsn;
}

void wal_found(struct wal *wal, uint64_t cluster)
{
    assert(cluster != 0);
    assert(wal->cluster == 0 || wal->cluster == cluster);
    wal->cluster = cluster;
}

/* -- One flush --------------------------------------------------------------------------- */

static uint64_t flush_bytes(const struct wal_buffer *buffer)
{
    assert(buffer->copies_bytes <= buffer->records_bytes);
    assert((buffer->count == 0) == (buffer->records_bytes == 0));
    const struct segment_flush flush = {.records_bytes = buffer->records_bytes,
                                        .copies_bytes = buffer->copies_bytes};
    return segment_flush_bytes(&flush);
}

void wal_prepare_flush(struct wal *wal)
{
    assert(wal->log != 0);
    assert(wal->next_number > 0);
    const struct wal_segment *segment = wal_current(wal);
    const struct wal_buffer *buffer = &wal->writing;
    wal->flush = (struct segment_flush){
        .format = SEGMENT_FORMAT,
        .flags = buffer->is_carry ? SEGMENT_CARRY : 0,
        .cluster = wal->cluster,
        .log = wal->log,
        .segment = segment->name.number,
        .number = wal->next_number,
        .chain = wal->chain,
        .first_lsn = wal->durable + 1,
        .record_count = buffer->count,
        .offset = segment->used,
        .records_bytes = buffer->records_bytes,
        .copies_bytes = buffer->copies_bytes,
        .segment_bytes = segment->name.bytes,
    };
    assert(buffer->count == 0 || buffer->first_lsn == wal->durable + 1);
    assert(flush_bytes(buffer) <= segment->name.bytes - segment->used);
}

int wal_write(struct wal *wal)
{
    assert(wal->file != NULL);
    assert(wal->flush.number == wal->next_number);
    char path[SEGMENT_PATH_BYTES];
    const struct segment_name name = {wal->flush.segment, wal->flush.segment_bytes};
    const size_t size = segment_flush_bytes(&wal->flush);
    assert(size <= wal->writing.capacity);
    segment_flush_finish(wal->writing.data, &wal->flush);

    wal->report.error = 0;
    int error = os_file_write(wal->os, wal->file, wal->flush.offset, wal->writing.data, size);
    const char *what = "write";
    if (MUTANT(28) && error == -ENOSPC) {
        error = 0;
    }
    if (error == 0 && !(MUTANT(17) && wal->flush.record_count == 1)) {
        error = os_file_sync(wal->os, wal->file);
        what = "sync";
        if (MUTANT(18)) {
            error = 0;
        }
    }
    if (error != 0) {
        segment_path(path, wal->dir, name);
        report_system(&wal->report, (struct report_place){path, wal->flush.offset}, what, error);
    }
    return wal->report.error;
}

/* Say where each record of the flush lies. Room was made before it was written. */
static void mark_records(struct wal_segment *segment, const struct wal_buffer *buffer,
                         uint32_t flush_offset)
{
    assert(flush_offset % SEGMENT_BLOCK_BYTES == 0);
    uint32_t at = SEGMENT_FLUSH_HEADER_BYTES;
    assert(segment->count + buffer->count <= segment->capacity);
    for (uint32_t i = 0; i < buffer->count; i++) {
        const uint8_t *record = buffer->data + at;
        const uint32_t size = get_u32(record);
        segment->marks[segment->count++] =
            (struct wal_mark){flush_offset + at, size, get_u32(record + SEGMENT_RECORD_CRC_AT)};
        at += (uint32_t)segment_record_bytes(size);
    }
    assert(at == SEGMENT_FLUSH_HEADER_BYTES + buffer->records_bytes);
}

void wal_settle(struct wal *wal)
{
    assert(!wal->is_writing);
    assert(wal->report.error == 0);
    struct wal_segment *segment = wal_current(wal);
    const struct wal_buffer *buffer = &wal->writing;
    assert(wal->flush.number == wal->next_number);
    mark_records(segment, buffer, wal->flush.offset);
    segment->used = wal->flush.offset + (uint32_t)segment_flush_bytes(&wal->flush);
    if ((wal->flush.flags & SEGMENT_CARRY) != 0 && segment->carried_by == 0) {
        segment->carried_by = wal->flush.number;
    }
    wal->next_number++;
    wal->chain = segment_chain(buffer->data);
    wal->durable += buffer->count;
    wal->is_sealed = buffer->count == 0;
    empty_buffer(&wal->writing, wal->is_sealed);
    assert(wal->durable <= wal->last);
}

static void run(struct os_work *work)
{
    assert(work->run == run);
    assert(LIST_ITEM(work, struct wal, work)->is_writing);
    wal_write(LIST_ITEM(work, struct wal, work));
}

/* From the loop into the log, and out again. */
static void enter(struct wal *wal)
{
    wal_check(wal);
    wal->depth++;
}

/* The one place where the log goes away: nothing of it is under way, and no caller on the
 * stack goes on using it. */
static void leave(struct wal *wal)
{
    assert(wal->depth > 0);
    wal_check(wal);
    wal->depth--;
    if (wal->depth > 0 || !wal->is_closing || wal->is_writing || wal->supply.is_busy) {
        return;
    }
    if (wal->is_failed || (wal->forming.count == 0 && wal->is_sealed)) {
        const os_callback on_closed = wal->on_closed;
        void *context = wal->closed_context;
        wal_free(wal);
        if (on_closed != NULL) {
            on_closed(context);
        }
    }
}

static void done(struct os_work *work)
{
    assert(work->done == done);
    struct wal *wal = LIST_ITEM(work, struct wal, work);
    const uint64_t durable = wal->durable;
    assert(wal->is_writing);
    enter(wal);
    wal->is_writing = 0;
    if (wal->report.error != 0) {
        wal_latch(wal, &wal->report);
    } else {
        wal_settle(wal);
        if (wal->is_sealed && wal->forming.count == 0) {
            empty_buffer(&wal->forming, 1);
        } else if (!wal->is_sealed && !wal->is_closing) {
            os_timer_start(wal->os, wal->timer, wal->seal_us); /* Closing seals without it. */
        }
    }
    /* A failure may have been latched while the flush was under way: then not even what did
     * reach the disk is acknowledged, for the owner may have been told already. */
    if (wal->durable > durable && !wal->is_failed && !wal->is_closing) {
        wal->callbacks.on_durable(wal->callbacks.context, wal->durable);
    }
    wal_advance(wal);
    leave(wal);
}

/* -- Deciding ---------------------------------------------------------------------------- */

/* Let the owner append what must outlive trimming. */
static void carry_over(struct wal *wal)
{
    assert(wal->depth > 0);
    assert(!wal->is_writing);
    if (wal->forming.is_carry || wal->is_closing) {
        return; /* Then the next life does it, before anything can be trimmed. */
    }
    wal->forming.is_carry = 1;
    MARK("wal: carries over what trimming must not take");
    wal->callbacks.on_segment(wal->callbacks.context);
}

static int has_room(const struct wal *wal)
{
    assert(wal_current(wal)->used <= wal_current(wal)->name.bytes);
    const struct wal_segment *segment = wal_current(wal);
    return flush_bytes(&wal->forming) <= segment->name.bytes - segment->used;
}

/* See that the flush that forms has a place. False if it has to wait, or the log has failed. */
static int find_place(struct wal *wal)
{
    assert(!wal->is_writing);
    assert(!wal->is_failed);
    const struct wal_segment *segment = wal_current(wal);
    if (segment->name.number > 1 && segment->carried_by == 0) {
        carry_over(wal);
    }
    if (!wal->is_failed && !has_room(wal)) {
        carry_over(wal);
        wal->needed_bytes = (uint32_t)flush_bytes(&wal->forming);
        if (wal->is_failed || wal->supply.is_busy || wal->supply.ready_file == NULL ||
            wal->supply.ready.bytes < wal->needed_bytes) {
            MARK("wal: a flush waits for a segment");
            return 0; /* wal_tend_segments() makes one. */
        }
        if (wal_switch_segment(wal, wal->durable + 1) != 0) {
            latch_memory(wal, "no memory for another segment");
        }
    }
    wal->needed_bytes = 0;
    return !wal->is_failed;
}

static void start_flush(struct wal *wal)
{
    assert(wal->needed_bytes == 0);
    assert(!wal->is_failed);
    assert(!wal->is_writing);
    /* A seal has no records, and after an idle time no buffer either. */
    if (wal_buffer_reserve(&wal->forming, wal->forming.records_bytes, wal->forming.copies_bytes) !=
            0 ||
        wal_segment_reserve(wal_current(wal), wal->forming.count) != 0) {
        latch_memory(wal, "no memory for another flush");
        return;
    }
    const struct wal_buffer empty = wal->writing;
    wal->writing = wal->forming;
    wal->forming = empty;
    wal->is_flush_wanted = 0;
    wal->is_seal_wanted = 0;
    wal_prepare_flush(wal);
    os_timer_stop(wal->os, wal->timer);
    wal->is_writing = 1;
    wal->work = (struct os_work){.run = run, .done = done};
    os_work(wal->os, &wal->work);
}

static int is_flush_due(const struct wal *wal)
{
    assert(wal->depth > 0);
    if (wal->is_writing || wal->is_failed) {
        return 0;
    }
    return wal->is_seal_wanted || (wal->forming.count > 0 && wal->is_flush_wanted) ||
           (wal->is_closing && (wal->forming.count > 0 || !wal->is_sealed));
}

void wal_advance(struct wal *wal)
{
    assert(wal->depth > 0);
    if (is_flush_due(wal) && find_place(wal)) {
        start_flush(wal);
    }
    if (!wal->is_failed) {
        wal_tend_segments(wal);
    }
    tell_failure(wal);
}

void wal_flush(struct wal *wal)
{
    assert(!wal->is_closing);
    enter(wal);
    wal->is_flush_wanted = wal->forming.count > 0;
    wal_advance(wal);
    leave(wal);
}

/* Nothing was written for a while: prove that the last flush had returned. */
static void on_timer(void *context)
{
    assert(!((struct wal *)context)->is_closing);
    assert(((struct wal *)context)->depth == 0);
    struct wal *wal = context;
    enter(wal);
    wal->is_seal_wanted = !wal->is_sealed && !wal->is_writing && wal->forming.count == 0;
    wal_advance(wal);
    leave(wal);
}

static void on_supply(void *context)
{
    assert(!((struct wal *)context)->supply.is_busy);
    assert(((struct wal *)context)->depth == 0);
    struct wal *wal = context;
    enter(wal);
    if (wal->supply.job.report.error != 0) {
        wal_latch(wal, &wal->supply.job.report);
    }
    wal_advance(wal);
    leave(wal);
}

/* -- Lifecycle --------------------------------------------------------------------------- */

struct wal *wal_new(struct os *os, const char *dir, const struct wal_options *options)
{
    assert(strlen(dir) < SEGMENT_PATH_BYTES - SEGMENT_NAME_BYTES);
    struct wal *wal = calloc(1, sizeof *wal);
    if (wal == NULL) {
        return NULL;
    }
    wal->os = os;
    wal->callbacks = options->callbacks;
    wal->segment_bytes = options->segment_bytes != 0 ? options->segment_bytes : WAL_SEGMENT_BYTES;
    wal->seal_us = options->seal_us != 0 ? options->seal_us : WAL_SEAL_US;
    assert(wal->segment_bytes % SEGMENT_BLOCK_BYTES == 0);
    assert(wal->segment_bytes >= WAL_SEGMENT_BYTES_MIN);
    assert(wal->segment_bytes <= WAL_SEGMENT_BYTES_MAX);
    list_init(&wal->segments);
    memcpy(wal->dir, dir, strlen(dir) + 1);
    supply_init(&wal->supply, os, wal->dir, on_supply, wal);
    wal->timer = os_timer_new(os, on_timer, wal);
    if (wal->timer == NULL) {
        wal_free(wal);
        return NULL;
    }
    return wal;
}

void wal_free(struct wal *wal)
{
    assert(wal->depth == 0);
    struct list *link;
    struct list *following;
    assert(!wal->is_writing && !wal->supply.is_busy);
    LIST_FOREACH (&wal->segments, link, following) {
        struct wal_segment *segment = LIST_ITEM(link, struct wal_segment, link);
        free(segment->marks);
        free(segment);
    }
    if (wal->timer != NULL) {
        os_timer_free(wal->os, wal->timer);
    }
    if (wal->file != NULL) {
        os_file_close(wal->os, wal->file);
    }
    supply_deinit(&wal->supply);
    free(wal->forming.data);
    free(wal->writing.data);
    free(wal);
}

void wal_close(struct wal *wal, os_callback on_closed, void *context)
{
    assert(!wal->is_closing);
    enter(wal);
    wal->is_closing = 1;
    wal->on_closed = on_closed;
    wal->closed_context = context;
    os_timer_stop(wal->os, wal->timer);
    wal_advance(wal);
    leave(wal);
}

/* -- Introspection ----------------------------------------------------------------------- */

uint64_t wal_last(const struct wal *wal)
{
    assert(wal->durable <= wal->last);
    return wal->last;
}

uint64_t wal_backlog(const struct wal *wal)
{
    assert(wal->is_failed ||
           (wal->last == wal->durable) == (wal->writing.count + wal->forming.count == 0));
    return (uint64_t)wal->writing.records_bytes + wal->forming.records_bytes;
}

uint64_t wal_durable(const struct wal *wal)
{
    assert(wal->durable <= wal->last);
    return wal->durable;
}

uint64_t wal_cluster(const struct wal *wal)
{
    assert(wal->log != 0);
    return wal->cluster;
}

int wal_is_new(const struct wal *wal)
{
    assert(wal->log != 0);
    return wal->is_new;
}
