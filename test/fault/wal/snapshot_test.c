/* snapshot_test.c -- snapshots, of which the n-th operation fails. */
#include "wal/snapshot.h"

#include <string.h>

#include "fault.h"
#include "os_fault.h"
#include "os_memory.h"
#include "synod/error.h"
#include "test.h"

enum {
    STATE_BYTES = 2 * SNAPSHOT_CHUNK_BYTES + 1000
};

/* A machine with two data directories, and what must be in the second. */
struct rig {
    struct os *disk;
    struct os_fault *fault;
    struct os *os;
    struct report report;
    int error; /* Of the first call that failed. */
};

/* A state whose bytes follow from their place. */
static int64_t read_state(void *context, void *to, size_t size)
{
    size_t *at = context;
    size_t count = size < STATE_BYTES - *at ? size : STATE_BYTES - *at;
    for (size_t i = 0; i < count; i++) {
        ((uint8_t *)to)[i] = (uint8_t)((*at + i) * 31 >> 3);
    }
    *at += count;
    return (int64_t)count;
}

static int take_state(void *context, const void *data, size_t size)
{
    size_t *at = context;
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(((const uint8_t *)data)[i], (uint8_t)((*at + i) * 31 >> 3));
    }
    *at += size;
    return 0;
}

/* Note how a call went; an error must be the one that was ordered, and say where it was. */
static int went_well(struct rig *rig, int64_t outcome)
{
    if (outcome >= 0) {
        return 1;
    }
    assert_true(fault_has_struck());
    assert_true(outcome == SYNOD_ERR_STORAGE || outcome == SYNOD_ERR_MEMORY);
    assert_int_equal(rig->report.error, outcome);
    assert_non_null(strstr(rig->report.file, "/data"));
    assert_non_null(
        strstr(rig->report.text, outcome == SYNOD_ERR_MEMORY ? "memory" : "Input/output error"));
    rig->error = (int)outcome;
    return 0;
}

static int write_one(struct rig *rig, uint64_t slot)
{
    size_t at = 0;
    const struct snapshot_info info = {
        .cluster = 7, .slot = slot, .metadata = bytes_of_text("who votes")};
    return went_well(rig, snapshot_write(rig->os, "/data", &info,
                                         (struct snapshot_source){&at, read_state}, &rig->report));
}

static int load_one(struct rig *rig, const char *dir, uint64_t slot)
{
    struct snapshot *snapshot;
    size_t at = 0;
    if (!went_well(rig, snapshot_open(rig->os, dir, slot, &rig->report, &snapshot))) {
        assert_null(snapshot);
        return 0;
    }
    int is_good = went_well(rig, snapshot_check(snapshot, 7, 0, &rig->report)) &&
                  went_well(rig, snapshot_load(snapshot, (struct snapshot_sink){&at, take_state},
                                               &rig->report));
    assert_true(!is_good || at == STATE_BYTES);
    snapshot_close(snapshot);
    return is_good;
}

/* From one directory to the other, as from one member to another. */
static int send_one(struct rig *rig, uint64_t slot)
{
    static uint8_t piece[100000];
    struct snapshot *snapshot;
    struct snapshot_receive *receive;
    if (!went_well(rig, snapshot_open(rig->os, "/data", slot, &rig->report, &snapshot))) {
        return 0;
    }
    int is_good =
        went_well(rig, snapshot_receive_new(rig->os, "/data2", slot, &rig->report, &receive));
    uint64_t offset = 0;
    while (is_good && offset < snapshot_file_bytes(snapshot)) {
        const int64_t size = snapshot_read_raw(snapshot, offset, piece, sizeof piece, &rig->report);
        is_good = went_well(rig, size) &&
                  went_well(rig, snapshot_receive_write(
                                     receive, offset, bytes_of(piece, (size_t)size), &rig->report));
        offset += (uint64_t)size;
        if (!is_good) {
            snapshot_receive_free(receive);
        }
    }
    snapshot_close(snapshot);
    if (is_good && !went_well(rig, snapshot_receive_check(receive, 7, 0, &rig->report))) {
        snapshot_receive_free(receive);
        return 0;
    }
    return is_good && went_well(rig, snapshot_receive_install(receive, &rig->report));
}

static int64_t count_slots(struct rig *rig, const char *dir)
{
    uint64_t slots[4];
    return snapshot_list(rig->os, dir, slots, 4, &rig->report);
}

/* What was said to be written is there after a power cut; what was not is not in the way. */
static void check_after_crash(struct rig *rig, const int is_written[2], int is_sent)
{
    fault_disarm();
    assert_int_equal(os_memory_open_count(rig->disk), 0);
    os_memory_crash(rig->disk, NULL, NULL);
    assert_int_equal(snapshot_start(rig->os, "/data", &rig->report), 0);
    assert_int_equal(snapshot_start(rig->os, "/data2", &rig->report), 0);
    assert_true(!is_written[0] || load_one(rig, "/data", 5));
    assert_true(!is_written[1] || load_one(rig, "/data", 9));
    assert_true(!is_sent || load_one(rig, "/data2", 9));
    assert_true(write_one(rig, 9) && load_one(rig, "/data", 9));
    assert_true(send_one(rig, 9) && load_one(rig, "/data2", 9));
    assert_int_equal(snapshot_remove_below(rig->os, "/data", 9, &rig->report), 0);
    assert_int_equal(count_slots(rig, "/data"), 1);
    assert_int_equal(count_slots(rig, "/data2"), 1);
}

static void live(void *context)
{
    (void)context;
    struct rig rig = {.disk = os_memory_new(1)};
    int is_written[2] = {0, 0};
    int is_sent = 0;
    rig.fault = os_fault_new(rig.disk);
    rig.os = os_fault_os(rig.fault);
    assert_int_equal(os_dir_create(rig.disk, "/data"), 0);
    assert_int_equal(os_dir_create(rig.disk, "/data2"), 0);
    assert_int_equal(os_dir_sync(rig.disk, "/"), 0);
    const int was = fault_enter(1);
    if (went_well(&rig, snapshot_start(rig.os, "/data", &rig.report)) &&
        went_well(&rig, snapshot_start(rig.os, "/data2", &rig.report))) {
        is_written[0] = write_one(&rig, 5);
        is_written[1] = write_one(&rig, 9);
        (void)went_well(&rig, count_slots(&rig, "/data"));
        if (is_written[1]) {
            (void)load_one(&rig, "/data", 9);
            is_sent = send_one(&rig, 9);
        }
        if (is_written[0] && is_written[1]) {
            is_written[0] = 0;
            (void)went_well(&rig, snapshot_remove_below(rig.os, "/data", 9, &rig.report));
        }
    }
    /* Where a snapshot cannot be made nothing else suffers: so a removal in vain may be silent. */
    check_after_crash(&rig, is_written, is_sent);
    fault_leave(was);
    os_fault_free(rig.fault);
    os_memory_free(rig.disk);
}

static void fail_each(const char *name, unsigned kinds, uint64_t places_min)
{
    fault_run_both(&(struct fault_loop){
        .name = name, .kinds = kinds, .is_short = 1, .places_min = places_min, .play = live});
}

TEST(snapshot, survives_every_allocation_that_fails)
{
    fail_each("allocation", FAULT_ALLOCATION, 5);
}

TEST(snapshot, survives_every_write_that_fails)
{
    fail_each("write", FAULT_WRITE, 10);
}

TEST(snapshot, survives_every_read_that_fails)
{
    fail_each("read", FAULT_READ, 10);
}

TEST(snapshot, survives_every_sync_that_fails)
{
    fail_each("sync", FAULT_SYNC, 3);
}

TEST(snapshot, survives_every_open_that_fails)
{
    fail_each("open", FAULT_OPEN, 5);
}

TEST(snapshot, survives_every_operation_on_a_directory_that_fails)
{
    fail_each("rename", FAULT_RENAME, 3);
    fail_each("remove", FAULT_REMOVE, 1);
    fail_each("directory sync", FAULT_DIR_SYNC, 3);
    fail_each("list", FAULT_LIST, 3);
    fail_each("directory", FAULT_DIRECTORY, 3);
}
