/* fault_test.c -- the n-th operation fails, once or for ever, for every n: one is the last. */
#include <errno.h>
#include <stdlib.h>

#include "rig.h"
#include "synod/error.h"
#include "test.h"

/* -- The n-th allocation ------------------------------------------------------------------ */

static uint64_t allocations_left; /* Until one fails; 0: none does. */
static int was_refused;           /* One did. */

#if !IS_SANITIZED
static int is_refused_for_ever; /* And all after it. */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static int is_refused(void)
{
    if (allocations_left == 0 || --allocations_left > 0) {
        return 0;
    }
    allocations_left = is_refused_for_ever ? 1 : 0;
    was_refused = 1;
    return 1;
}

void *malloc(size_t size)
{
    return is_refused() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return is_refused() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return is_refused() ? NULL : __libc_realloc(memory, size);
}

/* The disk's own, in place of the weak one in test/lib/os_memory_disk.c. */
void *memory_realloc(void *memory, size_t size);
void *memory_realloc(void *memory, size_t size)
{
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return is_refused() ? NULL : __libc_memalign(alignment, size);
}
#endif

/* -- A life that has everything in it ------------------------------------------------------ */

/* Segments begun, trimmed, used again; a flush too large for them; a seal; a close. */
static void live(struct rig *rig)
{
    for (int i = 0; i < 6; i++) {
        rig_append(rig, 2500);
        rig_promise(rig);
        wal_flush(rig->wal);
        os_memory_step(rig->os);
        rig_append(rig, 100);
        rig_settle(rig);
        rig_trim(rig, rig->durable + 1);
        os_memory_run(rig->os);
    }
    rig_append(rig, 40000);
    rig_settle(rig);
    rig_seal(rig);
    rig_append(rig, 10);
    rig_close(rig);
}

/* Two lives, as far as they get, then a crash, then the check. `error`: what a failure must be
 * called. Returns whether the failure that was asked for came. */
static int play(struct rig *rig, int error)
{
    int opened = 0;
    for (int life = 0; life < 2 && opened == 0 && rig->failure_calls == 0; life++) {
        opened = rig_open(rig);
        if (opened == 0) {
            live(rig);
        }
    }
    const int has_failed = os_memory_has_failed(rig->os) || was_refused;
    if (opened != 0 || rig->failure_calls > 0) {
        assert_true(has_failed);
        assert_int_equal(opened != 0 ? opened : rig->failure, error);
    }
    assert_true(rig->failure_calls <= 1);
    os_memory_fail_at(rig->os, 0, 0, 0);
    allocations_left = 0;
    os_memory_crash(rig->os, NULL, NULL);
    assert_int_equal(rig_open(rig), 0);
    rig_free(rig);
    return has_failed;
}

typedef void (*arm_function)(struct os *os, unsigned kind, uint64_t n, int error_number);

/* Fail each operation of the kind in turn, until a run passes without coming to it. */
static void fail_each_so(arm_function arm, unsigned kind, int error_number, uint64_t places_min)
{
    uint64_t n = 0;
    int has_failed = 1;
    while (has_failed) {
        struct rig *rig = rig_new(++n);
        arm(rig->os, kind, n, error_number);
        has_failed = play(rig, SYNOD_ERR_STORAGE);
    }
    print_message("    at %llu places\n", (unsigned long long)n - 1);
    assert_true(n - 1 >= places_min);
}

static void fail_each(unsigned kind, int error_number, uint64_t places_min)
{
    fail_each_so(os_memory_fail_at, kind, error_number, places_min);
    fail_each_so(os_memory_fail_from, kind, error_number, places_min);
}

TEST(fault, of_a_write_is_the_last_thing_that_happens)
{
    fail_each(OS_MEMORY_WRITE, -EIO, 40);
}

TEST(fault, of_a_full_disk_is_the_last_thing_that_happens)
{
    fail_each(OS_MEMORY_WRITE, -ENOSPC, 40);
}

TEST(fault, of_a_sync_is_the_last_thing_that_happens)
{
    fail_each(OS_MEMORY_SYNC, -EIO, 40);
}

TEST(fault, of_an_open_is_the_last_thing_that_happens)
{
    fail_each(OS_MEMORY_OPEN, -EMFILE, 10);
}

TEST(fault, of_a_rename_is_the_last_thing_that_happens)
{
    fail_each(OS_MEMORY_RENAME, -EIO, 10);
}

TEST(fault, of_a_directory_sync_is_the_last_thing_that_happens)
{
    fail_each(OS_MEMORY_DIR_SYNC, -EIO, 15);
}

TEST(fault, of_a_read_refuses_to_open)
{
    fail_each(OS_MEMORY_READ, -EIO, 3);
}

#if !IS_SANITIZED
TEST(fault, of_an_allocation_is_the_last_thing_that_happens)
{
    for (is_refused_for_ever = 0; is_refused_for_ever <= 1; is_refused_for_ever++) {
        struct rig *rig;
        uint64_t n = 0;
        do {
            rig = rig_new(++n);
            was_refused = 0;
            allocations_left = n;
        } while (play(rig, SYNOD_ERR_MEMORY));
        print_message("    at %llu places\n", (unsigned long long)n - 1);
        assert_true(n - 1 >= 40);
    }
}
#endif

TEST(fault, is_told_once_and_numbers_are_given_out_all_the_same)
{
    struct rig *rig = rig_new(1);
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 10);
    wal_flush(rig->wal);
    rig_append(rig, 10); /* Waits for the flush that fails. */
    os_memory_fail_at(rig->os, OS_MEMORY_SYNC, 1, -EIO);
    rig_settle(rig);
    assert_int_equal(rig->failure_calls, 1);
    assert_int_equal(rig->durable, 0);
    const uint64_t changes = os_memory_changes(rig->os);
    for (int i = 0; i < 5; i++) {
        rig_append(rig, 10);
        rig_settle(rig);
        rig_trim(rig, rig->last);
        rig_seal(rig);
    }
    assert_int_equal(rig->last, 7);
    rig_close(rig);
    assert_int_equal(rig->durable, 0);
    assert_int_equal(rig->failure_calls, 1);
    assert_int_equal(os_memory_changes(rig->os), changes);
    rig_free(rig);
}

static enum os_memory_fate lose(void *context, const char *path, uint64_t offset)
{
    (void)context;
    (void)path;
    (void)offset;
    return OS_MEMORY_LOST;
}

/* After it the page cache shows what the disk does not have, and takes it for clean. The next life
 * reads it, and whatever it makes durable stands behind it. */
static void trust_no_cache(int has_direct)
{
    struct rig *rig = rig_new(3);
    if (!has_direct) {
        os_memory_refuse_direct(rig->os);
    }
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 10);
    rig_settle(rig);
    rig_promise(rig);
    os_memory_fail_at(rig->os, OS_MEMORY_SYNC, 1, -EIO);
    rig_settle(rig);
    assert_int_equal(rig->failure_calls, 1);
    rig_die(rig);
    os_memory_restart(rig->os);
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 5000);
    rig_settle(rig);
    assert_int_equal(rig->durable, rig->last);
    rig_die(rig);
    os_memory_crash(rig->os, lose, NULL);
    assert_int_equal(rig_open(rig), 0); /* It looks for all that was acknowledged. */
    rig_free(rig);
}

TEST(fault, of_a_sync_leaves_nothing_for_the_page_cache_alone_to_remember)
{
    trust_no_cache(1);
    trust_no_cache(0);
}

TEST(fault, of_a_read_back_is_told_to_the_reader_alone)
{
    struct rig *rig = rig_new(2);
    struct wal_location location;
    uint8_t body[10];
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 10);
    rig_settle(rig);
    assert_int_equal(wal_locate(rig->wal, 1, &location), 0);
    for (uint64_t n = 1; n <= 2; n++) {
        os_memory_fail_at(rig->os, OS_MEMORY_READ, n, -EIO);
        assert_int_equal(wal_read(rig->wal, 1, location, body, &rig->report), SYNOD_ERR_STORAGE);
        os_memory_fail_from(rig->os, OS_MEMORY_READ, n, -EIO);
        assert_int_equal(wal_read(rig->wal, 1, location, body, &rig->report), SYNOD_ERR_STORAGE);
    }
    os_memory_fail_at(rig->os, OS_MEMORY_OPEN, 1, -ENOMEM);
    assert_int_equal(wal_read(rig->wal, 1, location, body, &rig->report), SYNOD_ERR_MEMORY);
    os_memory_cut(rig->os, rig_segment(1, RIG_SEGMENT_BYTES), location.offset + 40);
    assert_int_equal(wal_read(rig->wal, 1, location, body, &rig->report), SYNOD_ERR_CORRUPT);
    assert_int_equal(rig->failure_calls, 0);
    rig_free(rig);
}

TEST(fault, of_the_directory_is_told_by_open)
{
    static const unsigned KINDS[] = {OS_MEMORY_DIR_CREATE, OS_MEMORY_LIST};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        for (uint64_t number = 2; number <= 5; number++) {
            struct rig *rig = rig_new(3);
            const arm_function arm = number % 2 == 0 ? os_memory_fail_at : os_memory_fail_from;
            arm(rig->os, KINDS[i], number / 2, -EIO);
            const int error = rig_open(rig);
            assert_int_equal(error, os_memory_has_failed(rig->os) ? SYNOD_ERR_STORAGE : 0);
            rig_free(rig);
        }
    }
    struct rig *rig = rig_new(4);
    os_memory_fail_at(rig->os, OS_MEMORY_DIR_CREATE, 1, -EACCES);
    assert_int_equal(rig_open(rig), SYNOD_ERR_ACCESS);
    assert_string_equal(rig->report.file, "/data/wal");
    rig_free(rig);
}
