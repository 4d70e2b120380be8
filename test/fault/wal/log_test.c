/* log_test.c -- a log with a scratch, opened and written to, and the n-th operation fails.
 *
 * test/unit/wal/fault_test.c does the same to a log in good order. Here recovery has to look at
 * every segment, and twice where it is damaged. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "fault.h"
#include "os_fault.h"
#include "os_memory.h"
#include "synod/error.h"
#include "test.h"
#include "wal/segment.h"
#include "wal/wal.h"

enum {
    RECORDS = 40
};

/* An owner of a log: what it was told. */
struct owner {
    struct os *os;
    struct wal *wal;
    uint64_t recovered; /* The last record of recovery, which brings them from 1 without a gap. */
    uint64_t durable;   /* The last acknowledged in any life. */
    int failures;
    struct report report;
};

static int on_record(void *context, const struct wal_record *record)
{
    struct owner *owner = context;
    assert_int_equal(record->lsn, owner->recovered + 1);
    assert_true(record->body.size >= 8);
    assert_int_equal(get_u64(record->body.data), record->lsn);
    owner->recovered = record->lsn;
    return 0;
}

static void on_durable(void *context, uint64_t lsn)
{
    struct owner *owner = context;
    assert_int_equal(owner->failures, 0);
    owner->durable = lsn;
    wal_flush(owner->wal);
}

static void on_failure(void *context, const struct report *report)
{
    struct owner *owner = context;
    owner->failures++;
    owner->report = *report;
}

static void on_segment(void *context)
{
    (void)context;
}

static void check_report(const struct report *report)
{
    assert_true(fault_has_struck());
    assert_true(report->error == SYNOD_ERR_STORAGE || report->error == SYNOD_ERR_MEMORY);
    assert_non_null(strstr(report->file, "/data/wal"));
    assert_true(strstr(report->text, "Input/output error") != NULL ||
                strstr(report->text, "No space left on device") != NULL ||
                (report->error == SYNOD_ERR_MEMORY && strstr(report->text, "emory") != NULL));
}

static int open_log(struct owner *owner)
{
    const struct wal_options options = {.segment_bytes = WAL_SEGMENT_BYTES_MIN,
                                        .callbacks = {.context = owner,
                                                      .on_record = on_record,
                                                      .on_durable = on_durable,
                                                      .on_failure = on_failure,
                                                      .on_segment = on_segment}};
    owner->recovered = 0;
    owner->failures = 0;
    const int error = wal_open(owner->os, "/data", &options, &owner->report, &owner->wal);
    if (error == 0) {
        assert_true(owner->recovered >= owner->durable);
        owner->durable = owner->recovered;
    } else {
        assert_int_equal(owner->report.error, error);
        check_report(&owner->report);
    }
    return error;
}

/* A record whose body begins with its number, in two copies or one. */
static void append(struct owner *owner, size_t size, uint32_t flags)
{
    uint8_t body[6000] = {0};
    assert_in_range(size, 8, sizeof body);
    put_u64(body, wal_last(owner->wal) + 1);
    const struct bytes part = bytes_of(body, size);
    (void)wal_append(owner->wal, (struct wal_kind){.type = 1, .flags = flags}, &part, 1);
}

static void close_log(struct owner *owner, struct os *disk)
{
    wal_close(owner->wal, NULL, NULL);
    os_memory_run(disk);
    assert_int_equal(os_memory_open_count(disk), 0);
}

/* The bytes from the record on, as they are on the disk. */
static uint8_t *bytes_of_record(struct os *disk, const struct owner *owner, uint64_t lsn)
{
    struct wal_location location;
    char path[64];
    size_t size;
    assert_int_equal(wal_locate(owner->wal, lsn, &location), 0);
    snprintf(path, sizeof path, "/data/wal/%016llx-%08x.wal", (unsigned long long)location.segment,
             location.segment_bytes);
    return os_memory_bytes(disk, path, &size) + location.offset;
}

/* Twenty segments. In one of the last a record has one good copy left; in another the first
 * header of a flush is gone as well. */
static struct os *make_disk(void)
{
    struct os *disk = os_memory_new(3);
    struct owner owner = {.os = disk};
    assert_int_equal(os_dir_create(disk, "/data"), 0);
    assert_int_equal(os_dir_sync(disk, "/"), 0);
    assert_int_equal(open_log(&owner), 0);
    for (int i = 0; i < RECORDS; i++) {
        append(&owner, 5000, WAL_TWO_COPIES);
        wal_flush(owner.wal);
        os_memory_run(disk);
    }
    assert_int_equal(owner.durable, RECORDS);
    uint8_t *scratched = bytes_of_record(disk, &owner, RECORDS - 3);
    uint8_t *lost = bytes_of_record(disk, &owner, RECORDS - 7) - SEGMENT_FLUSH_HEADER_BYTES;
    close_log(&owner, disk);
    scratched[100] ^= 1;
    memset(lost, 0, SEGMENT_BLOCK_BYTES);
    return disk;
}

static void write_some(struct owner *owner, struct os *disk)
{
    for (int i = 0; i < 6; i++) {
        append(owner, 3000, i % 2 == 0 ? WAL_TWO_COPIES : 0);
        wal_flush(owner->wal);
        os_memory_run(disk);
        for (int j = 0; j < 100 && i == 3; j++) { /* More marks than a segment has room for. */
            append(owner, 8, 0);
        }
        os_memory_advance(disk, 30000);
        os_memory_run(disk);
    }
}

static void live(void *context)
{
    struct os *disk = os_memory_copy(context, 4);
    struct os_fault *fault = os_fault_new(disk);
    struct owner owner = {.os = os_fault_os(fault), .durable = RECORDS};
    const int was = fault_enter(1);
    for (int life = 0; life < 2; life++) {
        if (open_log(&owner) != 0) {
            continue;
        }
        write_some(&owner, disk);
        if (owner.failures > 0) {
            check_report(&owner.report);
        }
        assert_true(owner.failures <= 1);
        close_log(&owner, disk);
    }
    fault_disarm();
    os_memory_crash(disk, NULL, NULL);
    assert_int_equal(open_log(&owner), 0);
    write_some(&owner, disk);
    assert_int_equal(owner.failures, 0);
    assert_int_equal(owner.durable, wal_last(owner.wal));
    close_log(&owner, disk);
    fault_leave(was);
    os_fault_free(fault);
    os_memory_free(disk);
}

static uint64_t warnings; /* Of damage that was made good. */

static void count_line(const char *line, uint32_t size)
{
    (void)line;
    (void)size;
    warnings++;
}

static void fail_each(const char *name, unsigned kinds, uint64_t places_min)
{
    log_configure(&(struct log_options){.level = LOG_WARN, .sink = count_line});
    struct os *disk = make_disk();
    fault_run_both(&(struct fault_loop){.name = name,
                                        .kinds = kinds,
                                        .is_short = 1,
                                        .places_min = places_min,
                                        .play = live,
                                        .context = disk});
    os_memory_free(disk);
    assert_true(warnings > 0);
}

TEST(log, survives_every_allocation_that_fails)
{
    fail_each("allocation", FAULT_ALLOCATION, 40);
}

TEST(log, survives_every_read_that_fails)
{
    fail_each("read", FAULT_READ, 40);
}

TEST(log, survives_every_open_that_fails)
{
    fail_each("open", FAULT_OPEN, 20);
}

TEST(log, survives_every_write_that_fails)
{
    fail_each("write", FAULT_WRITE, 15);
}

TEST(log, survives_that_any_write_finds_the_disk_full)
{
    fail_each("room", FAULT_ROOM, 15);
}

TEST(log, survives_every_sync_that_fails)
{
    fail_each("sync", FAULT_SYNC, 15);
}

TEST(log, survives_every_operation_on_a_directory_that_fails)
{
    fail_each("rename, remove", FAULT_RENAME | FAULT_REMOVE, 2);
    fail_each("directory sync", FAULT_DIR_SYNC, 2);
    fail_each("directory, list", FAULT_DIRECTORY | FAULT_LIST, 4);
}
