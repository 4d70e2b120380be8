/* log_test.c -- workers read the log and write snapshots while the loop writes and trims it.
 *
 * Everywhere else a job of a worker is one moment, so that a seed repeats. Here there are threads,
 * as in a server, and nothing repeats: `make threads` runs this under a race detector, and what the
 * workers read is compared with what was written. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/prng.h"
#include "loop.h"
#include "test.h"
#include "wal/snapshot.h"
#include "wal/wal.h"

enum {
    RECORDS = 3000,
    RECORD_BYTES = 700,
    RECORDS_KEPT = 200, /* Before the last: the rest is trimmed. */
    AT_ONCE = 10,       /* Records of a flush. */
    READERS = 4,
    STATE_BYTES = 300000,
    SEGMENT_BYTES = 64 << 10,
    CLUSTER = 7
};

/* A worker's: one record after the other. */
struct reader {
    struct os_work work;
    struct stage *stage;
    struct prng prng;
    uint64_t lsn;
    struct wal_location location;
    struct report report;
    int result;
    int is_busy;
    uint8_t body[RECORD_BYTES];
};

/* Another's: one snapshot after the other. */
struct writer {
    struct os_work work;
    struct stage *stage;
    uint64_t slot;
    size_t left;
    int result;
    int is_busy;
};

struct stage {
    struct loop loop;
    char dir[32];
    struct wal *wal;
    struct reader readers[READERS];
    struct writer writer;
    uint64_t reads;
    uint64_t trimmed; /* Of the reads. */
    int is_done;      /* Everything is written: nobody begins anew. */
    int is_closed;
};

/* What record `lsn` says, byte by byte. */
static uint8_t pattern(uint64_t lsn, size_t at)
{
    return (uint8_t)(lsn * 31 + at);
}

/* -- The log -------------------------------------------------------------------------------- */

static int on_record(__attribute__((unused)) void *context,
                     __attribute__((unused)) const struct wal_record *record)
{
    return 0;
}

static void on_segment(__attribute__((unused)) void *context)
{
}

static void on_failure(__attribute__((unused)) void *context, const struct report *report)
{
    fail_msg("the log failed: %s", report->text);
}

static void append(struct stage *stage)
{
    uint8_t body[RECORD_BYTES];
    for (int i = 0; i < AT_ONCE; i++) {
        const uint64_t lsn = wal_last(stage->wal) + 1;
        for (size_t at = 0; at < sizeof body; at++) {
            body[at] = pattern(lsn, at);
        }
        const struct bytes part = bytes_of(body, sizeof body);
        assert_true(wal_append(stage->wal, (struct wal_kind){.type = 1}, &part, 1) == lsn);
    }
    wal_flush(stage->wal);
}

static void read_on(struct reader *reader);
static void snapshot_on(struct writer *writer);

static void on_durable(void *context, uint64_t lsn)
{
    struct stage *stage = context;
    if (lsn > RECORDS_KEPT) {
        wal_trim(stage->wal, lsn - RECORDS_KEPT);
    }
    stage->is_done = lsn >= RECORDS;
    if (!stage->is_done) {
        append(stage);
    }
    for (int i = 0; i < READERS; i++) {
        read_on(&stage->readers[i]);
    }
    snapshot_on(&stage->writer);
}

/* -- Reading -------------------------------------------------------------------------------- */

static void read_record(struct os_work *work)
{
    struct reader *reader = LIST_ITEM(work, struct reader, work);
    reader->result =
        wal_read(reader->stage->wal, reader->lsn, reader->location, reader->body, &reader->report);
}

static void record_was_read(struct os_work *work)
{
    struct reader *reader = LIST_ITEM(work, struct reader, work);
    struct stage *stage = reader->stage;
    reader->is_busy = 0;
    stage->reads++;
    stage->trimmed += reader->result == WAL_TRIMMED;
    if (reader->result < 0) {
        fail_msg("record %llu: %s", (unsigned long long)reader->lsn, reader->report.text);
    }
    for (size_t at = 0; reader->result == 0 && at < sizeof reader->body; at++) {
        assert_int_equal(reader->body[at], pattern(reader->lsn, at));
    }
    read_on(reader);
}

/* Any record that is there, and often one that will not be there for long. */
static void read_on(struct reader *reader)
{
    struct stage *stage = reader->stage;
    const uint64_t first = wal_first(stage->wal);
    const uint64_t durable = wal_durable(stage->wal);
    if (reader->is_busy || stage->is_done || first > durable) {
        return;
    }
    const uint64_t count = durable - first + 1;
    reader->lsn = first + prng_below(&reader->prng, prng_chance(&reader->prng, 1, 2) ? count : 1);
    if (wal_locate(stage->wal, reader->lsn, &reader->location) != 0) {
        return;
    }
    assert_int_equal(reader->location.size, RECORD_BYTES);
    reader->is_busy = 1;
    reader->work = (struct os_work){.run = read_record, .done = record_was_read};
    os_work(stage->loop.os, &reader->work);
}

/* -- Snapshots ------------------------------------------------------------------------------ */

static int64_t read_state(void *context, void *to, size_t size)
{
    struct writer *writer = context;
    const size_t some = size < writer->left ? size : writer->left;
    memset(to, (int)writer->slot, some);
    writer->left -= some;
    return (int64_t)some;
}

static void write_snapshot(struct os_work *work)
{
    struct writer *writer = LIST_ITEM(work, struct writer, work);
    const struct snapshot_info info = {.cluster = CLUSTER, .slot = writer->slot, .view = 1};
    writer->left = STATE_BYTES;
    writer->result = snapshot_write(writer->stage->loop.os, writer->stage->dir, &info,
                                    (struct snapshot_source){writer, read_state}, NULL);
}

static void snapshot_was_written(struct os_work *work)
{
    struct writer *writer = LIST_ITEM(work, struct writer, work);
    struct stage *stage = writer->stage;
    writer->is_busy = 0;
    assert_int_equal(writer->result, 0);
    assert_int_equal(snapshot_remove_below(stage->loop.os, stage->dir, writer->slot, NULL), 0);
    snapshot_on(writer);
}

static void snapshot_on(struct writer *writer)
{
    if (writer->is_busy || writer->stage->is_done) {
        return;
    }
    writer->slot++;
    writer->is_busy = 1;
    writer->work = (struct os_work){.run = write_snapshot, .done = snapshot_was_written};
    os_work(writer->stage->loop.os, &writer->work);
}

/* -- The whole ------------------------------------------------------------------------------ */

static int is_quiet(void *context)
{
    const struct stage *stage = context;
    int is_busy = stage->writer.is_busy;
    for (int i = 0; i < READERS; i++) {
        is_busy |= stage->readers[i].is_busy;
    }
    return stage->is_done && !is_busy;
}

static void on_closed(void *context)
{
    ((struct stage *)context)->is_closed = 1;
}

static void open_stage(struct stage *stage)
{
    struct report report;
    const struct wal_options options = {.cluster = CLUSTER,
                                        .segment_bytes = SEGMENT_BYTES,
                                        .callbacks = {.context = stage,
                                                      .on_record = on_record,
                                                      .on_durable = on_durable,
                                                      .on_failure = on_failure,
                                                      .on_segment = on_segment}};
    loop_open(&stage->loop);
    snprintf(stage->dir, sizeof stage->dir, "/tmp/synod-threads-XXXXXX");
    assert_non_null(mkdtemp(stage->dir));
    assert_int_equal(snapshot_start(stage->loop.os, stage->dir, &report), 0);
    if (wal_open(stage->loop.os, stage->dir, &options, &report, &stage->wal) != 0) {
        fail_msg("%s", report.text);
    }
    for (uint64_t i = 0; i < READERS; i++) {
        stage->readers[i].stage = stage;
        stage->readers[i].prng = (struct prng){.state = i + 1};
    }
    stage->writer.stage = stage;
}

static void remove_folder(const char *dir, const char *name)
{
    char path[600];
    char file[600];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        snprintf(file, sizeof file, "%.300s/%.255s", path, entry->d_name);
        (void)unlink(file);
    }
    closedir(folder);
    assert_int_equal(rmdir(path), 0);
}

TEST(log, is_read_and_trimmed_by_many_threads_at_once)
{
    static struct stage stage;
    open_stage(&stage);
    append(&stage);
    loop_run_until(&stage.loop, is_quiet, &stage);
    assert_true(stage.reads > 100);
    assert_true(stage.reads > 2 * stage.trimmed);
    assert_true(stage.writer.slot > 3);
    wal_close(stage.wal, on_closed, &stage);
    loop_run_until(&stage.loop, loop_is_set, &stage.is_closed);
    remove_folder(stage.dir, "wal");
    remove_folder(stage.dir, "snap");
    assert_int_equal(rmdir(stage.dir), 0);
    loop_close(&stage.loop);
}
