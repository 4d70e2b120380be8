/* supply.c -- segments: made ahead of need, handed to the log, taken back when trimmed.
 *
 * A file of DIR/wal goes through these names, each change made durable (a sync of the directory)
 * before the next step:
 *
 *      (nothing) --create--> spare-k --fill up with zeroes, sync, rename--> segment n
 *                               ^                                             |
 *                               +------------------ rename ------------------+  trimmed, or
 *                                                                               ready but small
 *
 * So a file that has the name of a segment has all its bytes, and its name tells their number:
 * one that was cut off later is known for damaged. What a crash leaves under the name of a
 * spare is removed at the next start; nothing in it is needed.
 *
 * Its old bytes stay in a segment that is used again. They name another segment number, so
 * none of them can be taken for something newer (segment.c). */
#include "wal/supply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "synod/error.h"

enum {
    FILL_BYTES = 256 << 10 /* Zeroes written at a time: a flush waits behind one at most. */
};

static const char SPARE_PREFIX[] = "spare-";

static void run(struct os_work *work);
static void done(struct os_work *work);

static void spare_path(char path[SEGMENT_PATH_BYTES], const struct supply *supply, size_t spare)
{
    assert(spare < SUPPLY_SPARES);
    const int length =
        snprintf(path, SEGMENT_PATH_BYTES, "%s/%s%zu", supply->dir, SPARE_PREFIX, spare);
    assert(length > 0 && length < SEGMENT_PATH_BYTES);
}

static size_t count_spares(const struct supply *supply)
{
    size_t count = 0;
    for (size_t i = 0; i < SUPPLY_SPARES; i++) {
        count += supply->spare_bytes[i] != 0;
    }
    return count;
}

void supply_check(const struct supply *supply)
{
    assert((supply->ready_file == NULL) == (supply->ready.number == 0));
    assert(supply->ready.bytes % SEGMENT_BLOCK_BYTES == 0);
    assert(count_spares(supply) <= SUPPLY_SPARES);
    if (supply->is_busy) {
        const struct supply_job *job = &supply->job;
        assert(job->spare < SUPPLY_SPARES);
        /* What is made is not ready, and what is given up is not made. */
        assert(job->to.number == 0 || supply->ready_file == NULL);
        assert(job->from.number != job->to.number || !job->is_removal);
        assert(supply->work.run == run && supply->work.done == done);
    } else {
        assert(supply->job.file == NULL);
    }
}

/* -- Steps of a job, on a worker ---------------------------------------------------------- */

static int move(struct supply *supply, const char *from, const char *to, struct report *report)
{
    assert(strcmp(from, to) != 0);
    assert(report->error == 0);
    const struct report_place place = {from, REPORT_WHOLE};
    int error = os_rename(supply->os, from, to);
    if (error != 0) {
        return report_system(report, place, "rename", error);
    }
    error = MUTANT(19) ? 0 : os_dir_sync(supply->os, supply->dir);
    return error == 0 ? 0 : report_system(report, place, "sync of the directory", error);
}

/* Write zeroes from the end of the file up to `bytes`, or set that to its size if it is larger. */
static int fill(struct supply *supply, struct os_file *file, uint32_t *bytes, struct report *report,
                const char *path)
{
    assert(*bytes % SEGMENT_BLOCK_BYTES == 0);
    assert(report->error == 0);
    const int64_t size = os_file_size(supply->os, file);
    if (size < 0) {
        return report_system(report, (struct report_place){path, REPORT_WHOLE}, "stat", size);
    }
    assert(size % SEGMENT_BLOCK_BYTES == 0 && size <= UINT32_MAX);
    if (size >= *bytes) {
        *bytes = (uint32_t)size;
        return 0;
    }
    const uint64_t missing = *bytes - (uint64_t)size;
    const size_t piece = missing < FILL_BYTES ? missing : FILL_BYTES;
    uint8_t *zeroes = aligned_alloc(SEGMENT_BLOCK_BYTES, piece);
    if (zeroes == NULL) {
        return report_fill(report, SYNOD_ERR_MEMORY, (struct report_place){path, REPORT_WHOLE},
                           "no memory to fill the file with zeroes");
    }
    memset(zeroes, 0, piece);
    int error = 0;
    for (uint64_t at = (uint64_t)size; at < *bytes && error == 0; at += piece) {
        const uint64_t left = *bytes - at;
        error = os_file_write(supply->os, file, at, zeroes, left < piece ? left : piece);
        if (error != 0) {
            report_system(report, (struct report_place){path, at}, "write", error);
        }
    }
    free(zeroes);
    return error == 0 ? 0 : report->error;
}

/* Give up the name of segment `from`. */
static int retire(struct supply *supply, struct supply_job *job)
{
    assert(job->from.number != 0);
    assert(job->spare < SUPPLY_SPARES);
    char path[SEGMENT_PATH_BYTES];
    char spare[SEGMENT_PATH_BYTES];
    segment_path(path, supply->dir, job->from);
    spare_path(spare, supply, job->spare);
    if (!job->is_removal) {
        return move(supply, path, spare, &job->report);
    }
    int error = os_remove(supply->os, path);
    if (error != 0) {
        return report_system(&job->report, (struct report_place){path, REPORT_WHOLE}, "removal",
                             error);
    }
    error = os_dir_sync(supply->os, supply->dir);
    return error == 0 ? 0
                      : report_system(&job->report, (struct report_place){path, REPORT_WHOLE},
                                      "sync of the directory", error);
}

/* Make segment `to` of spare-k, which may be there already. */
static int make(struct supply *supply, struct supply_job *job)
{
    assert(job->to.number != 0);
    assert(job->file == NULL);
    assert(job->report.error == 0);
    char path[SEGMENT_PATH_BYTES];
    char spare[SEGMENT_PATH_BYTES];
    spare_path(spare, supply, job->spare);
    const struct report_place place = {spare, REPORT_WHOLE};
    int error = os_file_open(supply->os, spare, OS_FILE_WRITE | OS_FILE_CREATE | OS_FILE_DIRECT,
                             &job->file);
    if (error != 0) {
        job->file = NULL;
        return report_system(&job->report, place, "open", error);
    }
    error = fill(supply, job->file, &job->to.bytes, &job->report, spare);
    if (error == 0) {
        error = os_file_sync(supply->os, job->file);
        if (error != 0) {
            report_system(&job->report, place, "sync", error);
        }
    }
    if (error != 0) {
        return job->report.error;
    }
    segment_path(path, supply->dir, job->to);
    return move(supply, spare, path, &job->report);
}

static void run_job(struct supply *supply)
{
    assert(supply->job.report.error == 0);
    assert(supply->job.from.number != 0 || supply->job.to.number != 0);
    assert(!supply->job.is_removal || supply->job.to.number == 0);
    struct supply_job *job = &supply->job;
    int error = 0;
    if (job->from.number != 0) {
        error = retire(supply, job);
    }
    if (error == 0 && job->to.number != 0) {
        make(supply, job);
    }
}

static void run(struct os_work *work)
{
    assert(work->run == run);
    assert(LIST_ITEM(work, struct supply, work)->is_busy);
    run_job(LIST_ITEM(work, struct supply, work));
}

/* -- On the loop ------------------------------------------------------------------------- */

/* Book what the job came to. */
static void settle(struct supply *supply)
{
    assert(!supply->is_busy);
    assert(supply->ready_file == NULL || supply->job.to.number == 0);
    struct supply_job *job = &supply->job;
    if (job->report.error != 0) {
        if (job->file != NULL) {
            os_file_close(supply->os, job->file);
            job->file = NULL;
        }
        return;
    }
    if (job->to.number != 0) {
        if (supply->spare_bytes[job->spare] != 0) {
            MARK("supply: makes a segment of an old one");
        }
        supply->spare_bytes[job->spare] = 0;
        supply->ready = job->to;
        supply->ready_file = job->file;
        job->file = NULL;
    } else if (!job->is_removal) {
        MARK("supply: keeps an old segment as a spare");
        supply->spare_bytes[job->spare] = job->from.bytes;
    }
}

static void done(struct os_work *work)
{
    assert(work->done == done);
    struct supply *supply = LIST_ITEM(work, struct supply, work);
    assert(supply->is_busy);
    supply->is_busy = 0;
    settle(supply);
    supply->on_done(supply->context);
}

static void start(struct supply *supply)
{
    assert(supply->on_done != NULL);
    assert(supply->job.report.error == 0);
    assert(!supply->is_busy);
    supply->is_busy = 1;
    supply->work = (struct os_work){.run = run, .done = done};
    os_work(supply->os, &supply->work);
}

void supply_init(struct supply *supply, struct os *os, const char *dir, os_callback on_done,
                 void *context)
{
    assert(os != NULL);
    assert(on_done != NULL);
    assert(strlen(dir) < SEGMENT_PATH_BYTES - SEGMENT_NAME_BYTES);
    *supply = (struct supply){.os = os, .on_done = on_done, .context = context};
    snprintf(supply->dir, sizeof supply->dir, "%s", dir);
}

struct clearing {
    struct supply *supply;
    struct report *report;
    int error;
};

static void clear_one(void *context, const char *name)
{
    assert(context != NULL);
    assert(name != NULL);
    struct clearing *clearing = context;
    char path[SEGMENT_PATH_BYTES];
    if (clearing->error != 0 || strncmp(name, SPARE_PREFIX, sizeof SPARE_PREFIX - 1) != 0) {
        return;
    }
    const int length = snprintf(path, sizeof path, "%s/%s", clearing->supply->dir, name);
    if (length < 0 || (size_t)length >= sizeof path) {
        return; /* Not a name that we ever gave. */
    }
    const int error = os_remove(clearing->supply->os, path);
    if (error != 0) {
        clearing->error = report_system(clearing->report, (struct report_place){path, REPORT_WHOLE},
                                        "removal", error);
    }
}

int supply_clear(struct supply *supply, struct report *report)
{
    assert(!supply->is_busy);
    assert(count_spares(supply) == 0);
    assert(supply->ready_file == NULL);
    struct clearing clearing = {supply, report, 0};
    const int error = os_dir_list(supply->os, supply->dir, clear_one, &clearing);
    if (error != 0) {
        return report_system(report, (struct report_place){supply->dir, REPORT_WHOLE},
                             "listing the directory", error);
    }
    return clearing.error;
}

int supply_adopt(struct supply *supply, struct segment_name name, struct report *report)
{
    assert(!supply->is_busy);
    assert(name.number > 0);
    char path[SEGMENT_PATH_BYTES];
    assert(supply->ready_file == NULL);
    segment_path(path, supply->dir, name);
    const int error =
        os_file_open(supply->os, path, OS_FILE_WRITE | OS_FILE_DIRECT, &supply->ready_file);
    if (error != 0) {
        supply->ready_file = NULL;
        return report_system(report, (struct report_place){path, REPORT_WHOLE}, "open", error);
    }
    supply->ready = name;
    return 0;
}

/* The largest spare, or where there is none the place of one. */
static size_t choose_spare(const struct supply *supply)
{
    assert(!supply->is_busy);
    size_t best = 0;
    for (size_t i = 1; i < SUPPLY_SPARES; i++) {
        if (supply->spare_bytes[i] > supply->spare_bytes[best]) {
            best = i;
        }
    }
    return best;
}

static void prepare_making(struct supply *supply, uint64_t number, uint32_t bytes)
{
    assert(!supply->is_busy);
    assert(bytes % SEGMENT_BLOCK_BYTES == 0 && bytes > 0);
    supply->job = (struct supply_job){.to = {.number = number, .bytes = bytes},
                                      .spare = choose_spare(supply)};
    if (supply->ready_file != NULL) {
        /* It is ready, but too small for the flush that is to come: it grows under the name of
         * a spare, over a spare that may be there. */
        MARK("supply: a segment made ahead is too small");
        assert(supply->ready.number == number && supply->ready.bytes < bytes);
        supply->job.from = supply->ready;
        os_file_close(supply->os, supply->ready_file);
        supply->ready_file = NULL;
        supply->ready = (struct segment_name){0};
    }
}

void supply_make(struct supply *supply, uint64_t number, uint32_t bytes)
{
    assert(number > 0);
    assert(bytes > 0);
    prepare_making(supply, number, bytes);
    start(supply);
}

int supply_make_now(struct supply *supply, uint64_t number, uint32_t bytes, struct report *report)
{
    assert(number > 0);
    assert(!supply->is_busy);
    prepare_making(supply, number, bytes);
    run_job(supply);
    settle(supply);
    if (supply->job.report.error != 0 && report != NULL) {
        *report = supply->job.report;
    }
    return supply->job.report.error;
}

void supply_recycle(struct supply *supply, struct segment_name name)
{
    assert(supply->ready_file == NULL || supply->ready.number > name.number);
    assert(!supply->is_busy);
    assert(name.number > 0);
    size_t spare = 0;
    while (spare + 1 < SUPPLY_SPARES && supply->spare_bytes[spare] != 0) {
        spare++;
    }
    supply->job = (struct supply_job){
        .from = name,
        .spare = spare,
        .is_removal = count_spares(supply) == SUPPLY_SPARES,
    };
    start(supply);
}

struct os_file *supply_take(struct supply *supply, struct segment_name *name)
{
    assert(name != NULL);
    struct os_file *file = supply->ready_file;
    assert(file != NULL);
    assert(!supply->is_busy);
    *name = supply->ready;
    supply->ready = (struct segment_name){0};
    supply->ready_file = NULL;
    return file;
}

void supply_deinit(struct supply *supply)
{
    assert(!supply->is_busy);
    if (supply->ready_file != NULL) {
        os_file_close(supply->os, supply->ready_file);
        supply->ready_file = NULL;
    }
}
