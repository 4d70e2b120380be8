/* wal_open.c -- from what a directory holds to a log that can be written.
 *
 *   1. The directory DIR/wal is made, or checked.
 *   2. scan.c reads what is there, hands out the records, and says where the log ends. Nothing
 *      has been changed so far: what is refused is left as it was found.
 *   3. What an earlier life left half made is removed.
 *   4. The last segment is synced: what recovery showed is durable now, even if the life before
 *      had not got round to it. Then an empty flush is written where the log ends, and synced:
 *      it ends the life before, for what was torn can never come back (segment.c, CRASHES).
 *
 * Only then does the owner get the log. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "synod/error.h"
#include "wal/scan.h"
#include "wal/wal_internal.h"

struct opening {
    struct wal *wal;
    struct report *report;
    int error; /* Of on_flush(), which cannot return it. */
};

static int fail_memory(const struct opening *opening)
{
    assert(opening->wal != NULL);
    return report_fill(opening->report, SYNOD_ERR_MEMORY,
                       (struct report_place){opening->wal->dir, REPORT_WHOLE},
                       "no memory to open the log");
}

/* -- 1. The directory -------------------------------------------------------------------- */

static int make_directory(const struct opening *opening, const char *parent)
{
    assert(parent != NULL);
    assert(list_is_empty(&opening->wal->segments));
    struct wal *wal = opening->wal;
    const struct report_place place = {wal->dir, REPORT_WHOLE};
    const char *what = "check of the directory";
    int error = os_dir_check(wal->os, wal->dir);
    if (error == -ENOENT) {
        what = "making the directory";
        error = os_dir_create(wal->os, wal->dir);
    }
    if (error == 0) {
        /* Always: a life before may have died between making it and this. */
        what = "sync of the directory above";
        error = os_dir_sync(wal->os, parent);
    }
    return error == 0 ? 0 : report_system(opening->report, place, what, error);
}

/* -- 2. What is there -------------------------------------------------------------------- */

/* The segments of the log are those in which flushes are found. */
static void on_flush(void *context, __attribute__((unused)) const char *path,
                     const struct segment_flush *flush)
{
    assert(context != NULL);
    assert(flush->segment_bytes > 0);
    struct opening *opening = context;
    struct wal *wal = opening->wal;
    struct wal_segment *segment = list_is_empty(&wal->segments) ? NULL : wal_current(wal);
    if (opening->error == 0 && (segment == NULL || segment->name.number != flush->segment)) {
        const struct segment_name name = {flush->segment, flush->segment_bytes};
        segment = wal_segment_append(wal, name, flush->first_lsn);
        opening->error = segment == NULL ? fail_memory(opening) : 0;
    }
    if (opening->error != 0) {
        return;
    }
    segment->used = flush->offset + (uint32_t)segment_flush_bytes(flush);
    if ((flush->flags & SEGMENT_CARRY) != 0 && segment->carried_by == 0) {
        segment->carried_by = flush->number;
    }
    if (wal_segment_reserve(segment, flush->record_count) != 0) {
        opening->error = fail_memory(opening);
    }
}

static int on_record(void *context, const struct wal_record *record)
{
    assert(record->lsn > 0);
    assert(record->location.size == record->body.size);
    struct opening *opening = context;
    struct wal *wal = opening->wal;
    if (opening->error != 0) {
        return opening->error;
    }
    struct wal_segment *segment = wal_current(wal);
    assert(record->lsn == segment->first_lsn + segment->count);
    assert(segment->count < segment->capacity);
    segment->marks[segment->count++] =
        (struct wal_mark){record->location.offset, record->location.size, record->location.crc};
    return wal->callbacks.on_record(wal->callbacks.context, record);
}

static void on_warning(__attribute__((unused)) void *context, const struct report *report)
{
    assert(report->error == 0);
    log_write(LOG_WARN, "write-ahead log",
              (struct log_field[]){log_text("why", report->text), {0}});
}

static int read_all(struct opening *opening, uint64_t cluster, struct scan_result *result)
{
    assert(opening->error == 0);
    assert(opening->wal->log == 0);
    struct wal *wal = opening->wal;
    const struct scan_input input = {.os = wal->os,
                                     .dir = wal->dir,
                                     .cluster = cluster,
                                     .callbacks = {.context = opening,
                                                   .on_record = on_record,
                                                   .on_flush = on_flush,
                                                   .on_warning = on_warning}};
    int error = scan_run(&input, opening->report, result);
    if (error == 0 && opening->error != 0) {
        scan_result_deinit(result);
        error = opening->error;
    }
    if (error != 0) {
        return error;
    }
    wal->cluster = result->cluster;
    wal->log = result->log;
    wal->is_new = result->log == 0;
    wal->next_number = result->next_number;
    wal->chain = result->chain;
    wal->last = result->next_lsn - 1;
    wal->durable = wal->last;
    while (wal->log == 0) {
        os_random(wal->os, &wal->log, sizeof wal->log);
    }
    return 0;
}

/* -- 3. and 4. Where it goes on ---------------------------------------------------------- */

/* Make segment `name`, which is there, the one that is written to. */
static int use_segment(const struct opening *opening, struct segment_name name)
{
    assert(opening->wal->file == NULL);
    assert(name.number > 0);
    struct wal *wal = opening->wal;
    const int error = supply_adopt(&wal->supply, name, opening->report);
    if (error != 0) {
        return error;
    }
    if (list_is_empty(&wal->segments) || wal_current(wal)->name.number != name.number) {
        if (wal_segment_append(wal, name, wal->last + 1) == NULL) {
            return fail_memory(opening);
        }
    }
    wal->file = supply_take(&wal->supply, &name);
    return 0;
}

/* Where writes go through the page cache, write what is there once more, so that the next sync has
 * something to do. */
static int64_t rewrite(const struct wal *wal, uint32_t from, uint32_t to)
{
    const size_t size = to - from;
    assert(from % SEGMENT_BLOCK_BYTES == 0 && to % SEGMENT_BLOCK_BYTES == 0);
    assert(from < to);
    uint8_t *bytes = aligned_alloc(SEGMENT_BLOCK_BYTES, size);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    int64_t outcome = os_file_read(wal->os, wal->file, from, bytes, size);
    if (outcome >= 0 && outcome < (int64_t)size) {
        outcome = -EIO; /* It was longer a moment ago. */
    } else if (outcome >= 0 &&
               !os_file_is_direct(wal->os, wal->file)) { /* Which reading may end. */
        MARK("wal: writes its last flush again");
        outcome = os_file_write(wal->os, wal->file, from, bytes, size);
    } else if (outcome >= 0) {
        outcome = 0;
    }
    free(bytes);
    return outcome;
}

/* The opening flush will prove that the flush before it had returned. So make that true first:
 * the life before may have died, and this one has read, a flush that was never synced. If power
 * failed now and kept the one but not the other, it would look like damage.
 *
 * Where writes go through the page cache, a sync that failed has left the flush there, marked as
 * clean: this life reads it, and a sync alone would return without having done anything. So it is
 * written again. That touches blocks in which something acknowledged may lie, but changes none. */
static int sync_last_flush(const struct opening *opening, const struct scan_result *result)
{
    assert(opening->wal->file != NULL);
    assert(!opening->wal->is_writing);
    struct wal *wal = opening->wal;
    char path[SEGMENT_PATH_BYTES];
    int64_t error = 0;
    segment_path(path, wal->dir, wal_current(wal)->name);
    if (result->last < result->offset && !MUTANT(104)) {
        error = rewrite(wal, result->last, result->offset);
    }
    if (error == 0) {
        error = os_file_sync(wal->os, wal->file);
    }
    return error == 0 ? 0
                      : report_system(opening->report, (struct report_place){path, REPORT_WHOLE},
                                      "sync", error);
}

/* The last segment is full: go on in the next. */
static int leave_segment(const struct opening *opening)
{
    assert(opening->wal->file != NULL);
    assert(wal_current(opening->wal)->used == wal_current(opening->wal)->name.bytes);
    struct wal *wal = opening->wal;
    int error = 0;
    MARK("wal: opens with its last segment full");
    if (wal->supply.ready_file == NULL) {
        error = supply_make_now(&wal->supply, wal_current(wal)->name.number + 1,
                                wal_next_bytes(wal, 0), opening->report);
    }
    if (error == 0 && wal_switch_segment(wal, wal->last + 1) != 0) {
        error = fail_memory(opening);
    }
    return error;
}

/* The life before may have died between renaming a segment and syncing the directory. */
static int sync_names(const struct opening *opening)
{
    assert(opening->wal->file == NULL);
    assert(!opening->wal->supply.is_busy);
    struct wal *wal = opening->wal;
    const int error = os_dir_sync(wal->os, wal->dir);
    return error == 0
               ? 0
               : report_system(opening->report, (struct report_place){wal->dir, REPORT_WHOLE},
                               "sync of the directory", error);
}

/* Open the segment in which the log ends, and the one that was made ahead of it. */
static int find_end(const struct opening *opening, const struct scan_result *result)
{
    assert(result->end < result->count || result->count == 0);
    assert(opening->wal->last + 1 == result->next_lsn);
    struct wal *wal = opening->wal;
    int error = supply_clear(&wal->supply, opening->report);
    if (error == 0) {
        error = sync_names(opening);
    }
    if (error == 0 && result->count == 0) {
        error = supply_make_now(&wal->supply, 1, wal_next_bytes(wal, 0), opening->report);
        if (error == 0 && wal_switch_segment(wal, 1) != 0) {
            error = fail_memory(opening);
        }
        return error;
    }
    if (error == 0) {
        error = use_segment(opening, result->segments[result->end].name);
    }
    if (error == 0) {
        assert(wal_current(wal)->used == result->offset);
        error = sync_last_flush(opening, result);
    }
    if (error == 0 && result->end + 1 < result->count) {
        MARK("wal: opens with a segment made ahead");
        error = supply_adopt(&wal->supply, result->segments[result->end + 1].name, opening->report);
    }
    if (error == 0 && wal_current(wal)->used == wal_current(wal)->name.bytes) {
        error = leave_segment(opening);
    }
    return error;
}

static int write_opening(const struct opening *opening)
{
    assert(opening->wal->writing.count == 0);
    assert(opening->wal->forming.count == 0);
    assert(opening->wal->durable == opening->wal->last);
    struct wal *wal = opening->wal;
    if (wal_buffer_reserve(&wal->writing, 0, 0) != 0) {
        return fail_memory(opening);
    }
    wal_prepare_flush(wal);
    if (wal_write(wal) != 0) {
        if (opening->report != NULL) {
            *opening->report = wal->report;
        }
        return wal->report.error;
    }
    wal_settle(wal);
    return 0;
}

int wal_open(struct os *os, const char *dir, const struct wal_options *options,
             struct report *report, struct wal **wal)
{
    assert(wal != NULL);
    char path[SEGMENT_PATH_BYTES];
    struct scan_result result = {0};
    *wal = NULL;
    assert(options->callbacks.on_record != NULL && options->callbacks.on_durable != NULL);
    assert(options->callbacks.on_failure != NULL && options->callbacks.on_segment != NULL);
    const int length = snprintf(path, sizeof path, "%s/wal", dir);
    if (length < 0 || length >= SEGMENT_PATH_BYTES - SEGMENT_NAME_BYTES) {
        return report_fill(report, SYNOD_ERR_ACCESS, (struct report_place){dir, REPORT_WHOLE},
                           "the path of the data directory is too long");
    }
    struct opening opening = {.wal = wal_new(os, path, options), .report = report};
    if (opening.wal == NULL) {
        return report_fill(report, SYNOD_ERR_MEMORY, (struct report_place){path, REPORT_WHOLE},
                           "no memory to open the log");
    }
    int error = make_directory(&opening, dir);
    if (error == 0) {
        error = read_all(&opening, options->cluster, &result);
    }
    if (error == 0) {
        error = find_end(&opening, &result);
        scan_result_deinit(&result);
    }
    if (error == 0) {
        error = write_opening(&opening);
    }
    if (error != 0) {
        wal_free(opening.wal);
        return error;
    }
    *wal = opening.wal;
    return 0;
}
