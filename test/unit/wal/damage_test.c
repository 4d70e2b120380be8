/* damage_test.c -- the disk gives back something else than what was written.
 *
 * The verdict must always be one of two: exactly what was acknowledged, or a refusal that names
 * the file and the offset. Never other records, never fewer. */
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "rig.h"
#include "synod/error.h"
#include "test.h"
#include "wal/segment.h"
#include "wal/wal_internal.h"

enum {
    SEGMENTS_MAX = 64
};

/* A small log, closed: trimmed, with a segment that was used before and one made ahead. */
static struct rig *make_log(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    assert_int_equal(rig_open(rig), 0);
    wal_found(rig->wal, 0x1234);
    rig_promise(rig);
    for (int i = 0; i < 7; i++) {
        rig_append(rig, 3000);
        rig_settle(rig);
    }
    rig_trim(rig, rig->last);
    rig_seal(rig);
    for (int i = 0; i < 2; i++) {
        rig_append(rig, 30);
        rig_promise(rig);
        rig_seal(rig);
    }
    rig_close(rig);
    return rig;
}

/* A log that was never trimmed: it begins with an opening flush, of which there is no second copy,
 * and goes on into segments that begin with a flush that has one. */
static struct rig *make_young_log(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    assert_int_equal(rig_open(rig), 0);
    wal_found(rig->wal, 0x1234);
    for (int i = 0; i < 5; i++) {
        rig_append(rig, 3000);
        rig_promise(rig);
        rig_settle(rig);
    }
    rig_close(rig);
    return rig;
}

/* Names and sizes of the segments there. */
struct listing {
    struct os *os;
    size_t count;
    struct segment_name names[SEGMENTS_MAX];
};

static void list_one(void *context, const char *text)
{
    struct listing *listing = context;
    assert_true(listing->count < SEGMENTS_MAX);
    if (segment_name_parse(text, &listing->names[listing->count])) {
        listing->count++;
    }
}

static struct listing list(struct rig *rig)
{
    struct listing listing = {.os = rig->os};
    assert_int_equal(os_dir_list(rig->os, "/data/wal", list_one, &listing), 0);
    assert_true(listing.count > 0);
    return listing;
}

/* The bytes of the i-th segment, and its path. */
static uint8_t *bytes_at(struct rig *rig, const struct listing *listing, size_t i,
                         const char **path)
{
    size_t size = 0;
    *path = rig_segment(listing->names[i].number, listing->names[i].bytes);
    uint8_t *bytes = os_memory_bytes(rig->os, *path, &size);
    assert_non_null(bytes);
    assert_int_equal(size, listing->names[i].bytes);
    return bytes;
}

/* Counts of verdicts. */
struct verdicts {
    uint64_t exact;
    uint64_t warned; /* Exact, and a warning was given. */
    uint64_t refused;
};

static void judge(struct rig *rig, struct verdicts *verdicts)
{
    const int verdict = rig_scan(rig);
    if (verdict == 0) {
        verdicts->exact++;
        verdicts->warned += rig->warnings > 0;
        return;
    }
    if (verdict > 0) {
        print_message("first %llu last %llu promise %llu, expected last %llu promise %llu\n",
                      (unsigned long long)rig->first_seen, (unsigned long long)rig->last_seen,
                      (unsigned long long)rig->promise_seen, (unsigned long long)rig->durable,
                      (unsigned long long)rig->promise);
    }
    assert_true(verdict == SYNOD_ERR_CORRUPT || verdict == SYNOD_ERR_FOREIGN);
    assert_non_null(strstr(rig->report.file, "/data/wal/"));
    assert_non_null(strstr(rig->report.text, rig->report.file));
    assert_non_null(strstr(rig->report.text, "byte "));
    verdicts->refused++;
}

static void tell(const char *what, const struct verdicts *verdicts)
{
    print_message("    %s: %llu exact (%llu with a warning), %llu refused, 0 wrong\n", what,
                  (unsigned long long)verdicts->exact, (unsigned long long)verdicts->warned,
                  (unsigned long long)verdicts->refused);
}

TEST(damage, of_any_bit_is_made_good_or_refused)
{
    struct rig *rig = make_log(1);
    const struct listing listing = list(rig);
    struct verdicts verdicts = {0};
    for (size_t i = 0; i < listing.count; i++) {
        const char *path;
        uint8_t *bytes = bytes_at(rig, &listing, i, &path);
        for (size_t bit = RIG_STRIDE > 1 ? i : 0; bit < 8 * (size_t)listing.names[i].bytes;
             bit += RIG_STRIDE) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            judge(rig, &verdicts);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    assert_int_equal(rig_scan(rig), 0);
    tell("bits flipped", &verdicts);
    assert_true(verdicts.refused > 1000 / RIG_STRIDE);
    assert_true(verdicts.warned > 1000 / RIG_STRIDE);
    rig_free(rig);
}

/* The second header of a flush at the start of a later segment looks like one of the first flush:
 * it must not stand in for it, for then all of the first segment would be passed over. */
TEST(damage, of_the_first_flush_of_a_young_log_is_refused)
{
    struct rig *rig = make_young_log(8);
    const struct listing listing = list(rig);
    const char *path;
    uint8_t *block = bytes_at(rig, &listing, 0, &path);
    assert_true(listing.count > 2 && listing.names[0].number == 1);
    memset(block, 0, SEGMENT_BLOCK_BYTES);
    assert_int_equal(rig_scan(rig), SYNOD_ERR_CORRUPT);
    assert_string_equal(rig->report.file, path);
    assert_int_equal(rig->report.offset, 0);
    rig_free(rig);
}

/* The same through the front door, and the log goes on afterwards. */
TEST(damage, that_was_made_good_lets_the_log_go_on)
{
    struct rig *rig = make_log(2);
    const struct listing listing = list(rig);
    struct rig *life = rig_new(2);
    uint64_t opened = 0;
    for (size_t i = 0; i < listing.count; i++) {
        for (size_t bit = 0; bit < 8 * (size_t)listing.names[i].bytes; bit += 251 * RIG_STRIDE) {
            const char *path;
            struct os *os = rig->os;
            rig->os = os_memory_copy(os, bit);
            bytes_at(rig, &listing, i, &path)[bit / 8] ^= (uint8_t)(1u << bit % 8);
            memcpy(life->records, rig->records, sizeof rig->records);
            const uint64_t last = rig->last;
            const uint64_t promise = rig->promise;
            const uint64_t trim = rig->trim;
            if (rig_open(rig) == 0) {
                rig_append(rig, 100);
                rig_promise(rig);
                rig_settle(rig);
                rig_close(rig);
                opened += rig_open(rig) == 0;
                rig_close(rig);
            }
            memcpy(rig->records, life->records, sizeof rig->records);
            rig->last = rig->durable = last;
            rig->promise = promise;
            rig->trim = trim;
            os_memory_free(rig->os);
            rig->os = os;
        }
    }
    assert_true(opened > 100 / RIG_STRIDE);
    rig_free(life);
    rig_free(rig);
}

TEST(damage, by_cutting_a_segment_off_anywhere_is_refused)
{
    struct rig *rig = make_log(3);
    const struct listing listing = list(rig);
    uint8_t whole[RIG_SEGMENT_BYTES];
    for (size_t i = 0; i < listing.count; i++) {
        const char *path;
        const uint32_t bytes = listing.names[i].bytes;
        assert_int_equal(bytes, sizeof whole);
        memcpy(whole, bytes_at(rig, &listing, i, &path), bytes);
        for (uint32_t size = 0; size < bytes; size += RIG_STRIDE) {
            os_memory_cut(rig->os, path, size);
            assert_int_equal(rig_scan(rig), SYNOD_ERR_CORRUPT);
            assert_string_equal(rig->report.file, path);
            assert_int_equal(rig->report.offset, size);
            os_memory_put(rig->os, path, whole, bytes);
        }
    }
    assert_int_equal(rig_scan(rig), 0);
    rig_free(rig);
}

TEST(damage, by_making_a_segment_longer_is_refused)
{
    struct rig *rig = make_log(4);
    const struct listing listing = list(rig);
    const char *path;
    uint8_t longer[RIG_SEGMENT_BYTES + 1] = {0};
    memcpy(longer, bytes_at(rig, &listing, 0, &path), RIG_SEGMENT_BYTES);
    os_memory_put(rig->os, path, longer, sizeof longer);
    assert_int_equal(rig_scan(rig), SYNOD_ERR_CORRUPT);
    assert_int_equal(rig->report.offset, RIG_SEGMENT_BYTES);
    rig_free(rig);
}

/* Lost, garbled, stale and misdirected writes: each block becomes zeroes, noise, or any other. */
TEST(damage, of_any_block_is_made_good_or_refused)
{
    struct rig *rig = make_log(5);
    const struct listing listing = list(rig);
    struct verdicts verdicts = {0};
    struct prng prng = {5};
    uint8_t saved[SEGMENT_BLOCK_BYTES];
    const size_t blocks = RIG_SEGMENT_BYTES / SEGMENT_BLOCK_BYTES;
    for (size_t i = 0; i < listing.count * blocks; i++) {
        const char *path;
        uint8_t *block =
            bytes_at(rig, &listing, i / blocks, &path) + i % blocks * SEGMENT_BLOCK_BYTES;
        memcpy(saved, block, sizeof saved);
        memset(block, 0, sizeof saved);
        judge(rig, &verdicts);
        for (size_t at = 0; at < sizeof saved; at++) {
            block[at] = (uint8_t)prng_next(&prng);
        }
        judge(rig, &verdicts);
        for (size_t other = 0; other < listing.count * blocks; other++) {
            if (other != i) {
                memcpy(block,
                       bytes_at(rig, &listing, other / blocks, &path) +
                           other % blocks * SEGMENT_BLOCK_BYTES,
                       sizeof saved);
                judge(rig, &verdicts);
            }
        }
        memcpy(block, saved, sizeof saved);
    }
    assert_int_equal(rig_scan(rig), 0);
    tell("blocks replaced", &verdicts);
    rig_free(rig);
}

TEST(damage, by_losing_a_segment_in_the_middle_is_refused)
{
    struct rig *rig = rig_new(6);
    assert_int_equal(rig_open(rig), 0);
    for (int i = 0; i < 12; i++) {
        rig_append(rig, 3000);
        rig_settle(rig);
    }
    rig_close(rig);
    os_memory_vanish(rig->os, rig_segment(2, RIG_SEGMENT_BYTES));
    assert_int_equal(rig_open(rig), SYNOD_ERR_CORRUPT);
    assert_string_equal(rig->report.file, rig_segment(3, RIG_SEGMENT_BYTES));
    rig_free(rig);
}

TEST(damage, to_a_whole_segment_is_refused)
{
    struct rig *rig = rig_new(7);
    const char *path;
    assert_int_equal(rig_open(rig), 0);
    for (int i = 0; i < 12; i++) {
        rig_append(rig, 3000);
        rig_settle(rig);
    }
    rig_close(rig);
    const struct listing listing = list(rig);
    for (size_t i = 0; i + 1 < listing.count; i++) {
        uint8_t saved[RIG_SEGMENT_BYTES];
        uint8_t *bytes = bytes_at(rig, &listing, i, &path);
        memcpy(saved, bytes, sizeof saved);
        memset(bytes, 0, sizeof saved);
        assert_int_equal(rig_scan(rig), SYNOD_ERR_CORRUPT);
        memcpy(bytes, saved, sizeof saved);
    }
    rig_free(rig);
}

/* -- The end of the log ------------------------------------------------------------------ */

enum {
    WIDE_BYTES = 2 * RIG_SEGMENT_BYTES
};

/* A log whose last flush, one of two blocks with two copies, starts at block 2. */
static struct rig *make_promise(uint64_t seed, int is_sealed)
{
    struct rig *rig = rig_new(seed);
    rig->options.segment_bytes = WIDE_BYTES;
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 10);
    rig_settle(rig);
    assert_int_equal(wal_bytes(rig->wal), 2 * SEGMENT_BLOCK_BYTES);
    rig_promise(rig);
    if (is_sealed) {
        rig_seal(rig);
    } else {
        rig_settle(rig);
    }
    rig_die(rig);
    os_memory_crash(rig->os, NULL, NULL);
    return rig;
}

static void zero_block(struct rig *rig, size_t block)
{
    size_t size = 0;
    uint8_t *bytes = os_memory_bytes(rig->os, rig_segment(1, WIDE_BYTES), &size);
    memset(bytes + block * SEGMENT_BLOCK_BYTES, 0, SEGMENT_BLOCK_BYTES);
}

TEST(damage, to_the_last_flush_looks_torn_as_long_as_no_seal_follows)
{
    struct rig *rig = make_promise(10, 0);
    assert_int_equal(rig_scan(rig), 0);
    zero_block(rig, 3);
    assert_int_equal(rig_scan(rig), 1);
    assert_int_equal(rig->last_seen, 1);
    rig_free(rig);
}

TEST(damage, to_one_copy_of_a_promise_is_made_good)
{
    for (size_t block = 2; block <= 3; block++) {
        struct rig *rig = make_promise(11, 1);
        zero_block(rig, block);
        assert_int_equal(rig_open(rig), 0);
        assert_int_equal(rig->last_seen, 2);
        assert_int_equal(rig->promise_seen, 1);
        assert_true(rig->warnings > 0);
        /* It is read back from the copy that is good. */
        struct wal_location location;
        uint8_t body[200];
        assert_int_equal(wal_locate(rig->wal, 2, &location), 0);
        assert_int_equal(location.offset / SEGMENT_BLOCK_BYTES, block == 2 ? 3 : 2);
        assert_int_equal(wal_read(rig->wal, 2, location, body, &rig->report), 0);
        rig_free(rig);
    }
}

TEST(damage, to_both_copies_of_a_promise_is_refused)
{
    struct rig *rig = make_promise(12, 1);
    zero_block(rig, 2);
    zero_block(rig, 3);
    assert_int_equal(rig_open(rig), SYNOD_ERR_CORRUPT);
    assert_string_equal(rig->report.file, rig_segment(1, WIDE_BYTES));
    assert_int_equal(rig->report.offset, 2 * SEGMENT_BLOCK_BYTES);
    rig_free(rig);
}

static enum os_memory_fate keep_second_part(__attribute__((unused)) void *context,
                                            __attribute__((unused)) const char *path,
                                            uint64_t offset)
{
    return offset >= 4 * (uint64_t)SEGMENT_BLOCK_BYTES ? OS_MEMORY_KEPT : OS_MEMORY_LOST;
}

/* A torn flush left its second header behind, and good copies. What took its place is damaged:
 * the second header has the right number, but it must not be believed. */
TEST(damage, is_not_made_good_from_what_a_torn_flush_left)
{
    struct rig *rig = rig_new(13);
    rig->options.segment_bytes = WIDE_BYTES;
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 10);
    rig_settle(rig);
    rig_promise_sized(rig, 5000); /* Blocks 2 and 3, the copies in 4 and 5. */
    wal_flush(rig->wal);
    os_memory_die_at(rig->os, 2);
    os_memory_run(rig->os);
    rig_die(rig);
    os_memory_crash(rig->os, keep_second_part, NULL);
    for (int life = 0; life < 2; life++) { /* Two opening flushes: at blocks 2 and 3. */
        assert_int_equal(rig_open(rig), 0);
        assert_int_equal(rig->last, 1);
        rig_die(rig);
        os_memory_crash(rig->os, NULL, NULL);
    }
    zero_block(rig, 2);
    assert_int_equal(rig_open(rig), SYNOD_ERR_CORRUPT);
    assert_int_equal(rig->report.offset, 2 * SEGMENT_BLOCK_BYTES);
    rig_free(rig);
}

static enum os_memory_fate keep_first_block(__attribute__((unused)) void *context,
                                            __attribute__((unused)) const char *path,
                                            uint64_t offset)
{
    return offset == 0 ? OS_MEMORY_KEPT : OS_MEMORY_LOST;
}

/* The same with the first header of a torn flush that had gone to the next segment. */
TEST(damage, is_not_made_good_from_a_flush_torn_in_the_next_segment)
{
    struct rig *rig = rig_new(14);
    assert_int_equal(rig_open(rig), 0);
    rig_append(rig, 10);
    rig_settle(rig);
    rig_promise(rig); /* Two copies: the first of them survives. */
    rig_append(rig, 5000);
    wal_flush(rig->wal);
    while (wal_current(rig->wal)->name.number == 1) {
        assert_true(os_memory_step(rig->os));
    }
    os_memory_die_at(rig->os, 2);
    os_memory_run(rig->os);
    rig_die(rig);
    os_memory_crash(rig->os, keep_first_block, NULL);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig->last, 1);
    assert_int_equal(rig->warnings, 1);
    const char *path = rig_segment(wal_current(rig->wal)->name.number, RIG_SEGMENT_BYTES);
    assert_string_equal(path, rig_segment(2, RIG_SEGMENT_BYTES));
    rig_append(rig, 10);
    rig_close(rig);
    size_t size = 0;
    memset(os_memory_bytes(rig->os, path, &size), 0, SEGMENT_BLOCK_BYTES);
    assert_int_equal(rig_open(rig), SYNOD_ERR_CORRUPT);
    assert_string_equal(rig->report.file, rig_segment(2, RIG_SEGMENT_BYTES));
    assert_int_equal(rig->report.offset, 0);
    rig_free(rig);
}

/* The flush is the last in its segment; all that proves it had returned is in the next. */
TEST(damage, is_seen_from_the_next_segment)
{
    struct rig *rig = rig_new(15);
    assert_int_equal(rig_open(rig), 0);
    for (int i = 0; i < 4; i++) {
        rig_append(rig, 10);
        rig_settle(rig);
    }
    assert_int_equal(wal_current(rig->wal)->name.number, 2);
    rig_die(rig);
    os_memory_crash(rig->os, NULL, NULL);
    assert_int_equal(list(rig).count, 2);
    size_t size = 0;
    uint8_t *bytes = os_memory_bytes(rig->os, rig_segment(1, RIG_SEGMENT_BYTES), &size);
    memset(bytes + 3 * SEGMENT_BLOCK_BYTES, 0, SEGMENT_BLOCK_BYTES);
    assert_int_equal(rig_open(rig), SYNOD_ERR_CORRUPT);
    assert_int_equal(rig->report.offset, 3 * SEGMENT_BLOCK_BYTES);
    rig_free(rig);
}

/* A block was written twice, with different bytes, and the disk kept the first. */
TEST(damage, by_a_block_from_another_history_is_refused)
{
    struct rig *rig = rig_new(16);
    uint8_t block[SEGMENT_BLOCK_BYTES];
    size_t size = 0;
    const char *path = rig_segment(1, RIG_SEGMENT_BYTES);
    assert_int_equal(rig_open(rig), 0);
    rig_die(rig);
    os_memory_crash(rig->os, NULL, NULL);
    struct os *start = os_memory_copy(rig->os, 1);
    for (int history = 0; history < 2; history++) {
        assert_int_equal(rig_open(rig), 0);
        rig_append(rig, 10);
        rig_settle(rig);
        rig_append(rig, 10);
        rig_settle(rig);
        rig_die(rig);
        os_memory_crash(rig->os, NULL, NULL);
        uint8_t *third = os_memory_bytes(rig->os, path, &size) + 2 * SEGMENT_BLOCK_BYTES;
        if (history == 0) {
            memcpy(block, third, sizeof block);
            os_memory_free(rig->os);
            rig->os = start;
            rig->last = rig->durable = 0;
        } else {
            memcpy(third, block, sizeof block);
        }
    }
    assert_int_equal(rig_open(rig), SYNOD_ERR_CORRUPT);
    assert_int_equal(rig->report.offset, 3 * SEGMENT_BLOCK_BYTES);
    assert_non_null(strstr(rig->report.text, "follows another flush"));
    rig_free(rig);
}

TEST(damage, that_leaves_nothing_of_an_old_log_is_not_a_new_one)
{
    struct rig *rig = make_log(17);
    const struct listing listing = list(rig);
    const char *path;
    for (size_t i = 0; i < listing.count; i++) {
        memset(bytes_at(rig, &listing, i, &path), 0, RIG_SEGMENT_BYTES);
    }
    assert_int_equal(rig_open(rig), SYNOD_ERR_CORRUPT);
    for (size_t i = 0; i + 1 < listing.count; i++) {
        os_memory_vanish(rig->os, rig_segment(listing.names[i].number, RIG_SEGMENT_BYTES));
    }
    assert_true(listing.names[listing.count - 1].number > 1);
    assert_int_equal(rig_open(rig), SYNOD_ERR_CORRUPT);
    rig_free(rig);
}

/* -- Foreign and newer -------------------------------------------------------------------- */

TEST(damage, by_a_segment_of_another_directory_is_named_foreign)
{
    struct rig *ours = make_log(20);
    struct rig *theirs = make_log(21);
    const struct listing listing = list(ours);
    const char *path;
    assert_true(listing.count >= 3);
    const uint8_t *bytes = bytes_at(theirs, &listing, 1, &path);
    os_memory_put(ours->os, path, bytes, RIG_SEGMENT_BYTES);
    assert_int_equal(rig_open(ours), SYNOD_ERR_FOREIGN);
    assert_string_equal(ours->report.file, path);
    rig_free(ours);
    rig_free(theirs);
}

static void make_newer(uint8_t *header)
{
    put_u16(header + 12, SEGMENT_FORMAT + 1);
    put_u32(header + 8, crc32c(0, header + 12, SEGMENT_FLUSH_HEADER_BYTES - 12));
}

TEST(damage, is_not_what_a_newer_format_is_called)
{
    for (size_t block = 0; block < 2; block++) {
        struct rig *rig = make_promise(22, 1);
        size_t size = 0;
        const char *path = rig_segment(1, WIDE_BYTES);
        make_newer(os_memory_bytes(rig->os, path, &size) + block * SEGMENT_BLOCK_BYTES);
        assert_int_equal(rig_open(rig), SYNOD_ERR_FOREIGN);
        assert_string_equal(rig->report.file, path);
        assert_int_equal(rig->report.offset, block * SEGMENT_BLOCK_BYTES);
        assert_non_null(strstr(rig->report.text, "newer"));
        rig_free(rig);
    }
}

/* -- Stale bytes -------------------------------------------------------------------------- */

TEST(damage, is_not_what_a_recycled_segment_still_holds)
{
    struct rig *rig = rig_new(30);
    const char *path;
    int is_stale_seen = 0;
    assert_int_equal(rig_open(rig), 0);
    for (int i = 0; i < 25; i++) {
        rig_append(rig, 3000);
        rig_settle(rig);
        rig_trim(rig, rig->last);
        os_memory_run(rig->os);
    }
    rig_die(rig);
    os_memory_crash(rig->os, NULL, NULL);
    const struct listing listing = list(rig);
    for (size_t i = 0; i < listing.count; i++) {
        const uint8_t *bytes = bytes_at(rig, &listing, i, &path);
        for (size_t at = 0; at < RIG_SEGMENT_BYTES; at += SEGMENT_BLOCK_BYTES) {
            struct segment_flush flush;
            is_stale_seen |= segment_flush_decode(bytes + at, &flush) == SEGMENT_GOOD &&
                             flush.segment < listing.names[i].number;
        }
    }
    assert_true(is_stale_seen);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig->warnings, 0);
    rig_free(rig);
}
