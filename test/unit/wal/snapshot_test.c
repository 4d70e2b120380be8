/* snapshot_test.c -- snapshots are there whole or not at all, and right or refused. */
#include "wal/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "os_memory.h"
#include "synod/error.h"
#include "test.h"

static const uint8_t METADATA[] = {'m', 'e', 'm', 'b', 'e', 'r', 's'};

/* A state: so many bytes that follow from a seed, read in pieces of random size. */
struct state {
    struct prng content;
    struct prng pieces;
    uint64_t left;
    int fail_with; /* Instead of the end. */
};

static int64_t read_state(void *context, void *to, size_t size)
{
    struct state *state = context;
    uint8_t *at = to;
    if (state->left == 0) {
        return state->fail_with;
    }
    size_t count = 1 + prng_below(&state->pieces, size);
    count = count < state->left ? count : state->left;
    for (size_t i = 0; i < count; i++) {
        at[i] = (uint8_t)prng_next(&state->content);
    }
    state->left -= count;
    return (int64_t)count;
}

/* What comes out again. */
struct check {
    struct prng content;
    uint64_t size;
    int is_wrong;
    int fail_with;
};

static int take_piece(void *context, const void *data, size_t size)
{
    struct check *check = context;
    const uint8_t *at = data;
    assert_true(size > 0 && size <= SNAPSHOT_CHUNK_BYTES);
    for (size_t i = 0; i < size; i++) {
        check->is_wrong |= at[i] != (uint8_t)prng_next(&check->content);
    }
    check->size += size;
    return check->fail_with;
}

static struct os *new_machine(uint64_t seed)
{
    struct os *os = os_memory_new(seed);
    struct report report;
    assert_int_equal(os_dir_create(os, "/data"), 0);
    assert_int_equal(os_dir_sync(os, "/"), 0);
    assert_int_equal(snapshot_start(os, "/data", &report), 0);
    return os;
}

static int write_one(struct os *os, uint64_t slot, uint64_t size, struct report *report)
{
    struct state state = {.content = {slot}, .pieces = {slot + 1}, .left = size};
    const struct snapshot_info info = {.cluster = 7,
                                       .group = 1,
                                       .slot = slot,
                                       .view = 3,
                                       .metadata = bytes_of(METADATA, sizeof METADATA)};
    return snapshot_write(os, "/data", &info,
                          (struct snapshot_source){.context = &state, .read = read_state}, report);
}

/* Open and load the snapshot of `slot` with `size` bytes of state; a wrong one fails the test. */
static int load_one(struct os *os, uint64_t slot, uint64_t size, struct report *report)
{
    struct snapshot *snapshot;
    struct check check = {.content = {slot}};
    int error = snapshot_open(os, "/data", slot, report, &snapshot);
    if (error != 0) {
        assert_null(snapshot);
        return error;
    }
    error = snapshot_check(snapshot, 7, 1, report);
    assert_int_equal(error, 0);
    const struct snapshot_info *info = snapshot_info(snapshot);
    assert_int_equal(info->slot, slot);
    assert_int_equal(info->view, 3);
    assert_true(bytes_equal(info->metadata, bytes_of(METADATA, sizeof METADATA)));
    error = snapshot_load(snapshot, (struct snapshot_sink){.context = &check, .piece = take_piece},
                          report);
    if (error == 0) {
        assert_false(check.is_wrong);
        assert_int_equal(check.size, size);
        assert_int_equal(snapshot_state_bytes(snapshot), size);
    }
    snapshot_close(snapshot);
    assert_int_equal(os_memory_open_count(os), 0);
    return error;
}

/* True if a temporary file lies about. */
static int has_temporary(struct os *os)
{
    size_t size;
    char path[64];
    int found = 0;
    for (uint64_t slot = 0; slot < 20; slot++) {
        snprintf(path, sizeof path, "/data/snap/%016llx.snap.write", (unsigned long long)slot);
        found |= os_memory_bytes(os, path, &size) != NULL;
        snprintf(path, sizeof path, "/data/snap/%016llx.snap.receive", (unsigned long long)slot);
        found |= os_memory_bytes(os, path, &size) != NULL;
    }
    return found;
}

TEST(snapshot, gives_back_the_state_whatever_its_size)
{
    static const uint64_t SIZES[] = {0,
                                     1,
                                     1000,
                                     SNAPSHOT_CHUNK_BYTES - 1,
                                     SNAPSHOT_CHUNK_BYTES,
                                     SNAPSHOT_CHUNK_BYTES + 1,
                                     3 * SNAPSHOT_CHUNK_BYTES + 77,
                                     70 * SNAPSHOT_CHUNK_BYTES};
    struct report report;
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        struct os *os = new_machine(i);
        assert_int_equal(write_one(os, 5, SIZES[i], &report), 0);
        assert_int_equal(load_one(os, 5, SIZES[i], &report), 0);
        assert_false(has_temporary(os));
        os_memory_free(os);
    }
}

TEST(snapshot, list_has_the_newest_first)
{
    struct os *os = new_machine(1);
    struct report report;
    uint64_t slots[2] = {0, 0};
    assert_int_equal(snapshot_list(os, "/data", slots, 2, &report), 0);
    for (uint64_t slot = 8; slot <= 17; slot += 3) {
        assert_int_equal(write_one(os, slot, 10, &report), 0);
    }
    assert_int_equal(snapshot_list(os, "/data", slots, 2, &report), 4);
    assert_int_equal(slots[0], 17);
    assert_int_equal(slots[1], 14);
    assert_int_equal(snapshot_list(os, "/data", NULL, 0, &report), 4);
    assert_int_equal(snapshot_remove_below(os, "/data", 14, &report), 0);
    assert_int_equal(snapshot_list(os, "/data", slots, 2, &report), 2);
    assert_int_equal(slots[1], 14);
    assert_int_equal(load_one(os, 8, 10, &report), SYNOD_ERR_ACCESS);
    assert_int_equal(load_one(os, 14, 10, &report), 0);
    os_memory_free(os);
}

TEST(snapshot, refuses_any_flipped_bit)
{
    struct os *os = new_machine(2);
    struct report report;
    size_t size;
    const char *path = "/data/snap/0000000000000009.snap";
    assert_int_equal(write_one(os, 9, 300, &report), 0);
    uint8_t *bytes = os_memory_bytes(os, path, &size);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(load_one(os, 9, 300, &report), SYNOD_ERR_CORRUPT);
        assert_string_equal(report.file, path);
        assert_true(report.offset <= size);
        assert_non_null(strstr(report.text, path));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(load_one(os, 9, 300, &report), 0);
    os_memory_free(os);
}

TEST(snapshot, names_the_chunk_that_is_damaged)
{
    struct os *os = new_machine(3);
    struct report report;
    size_t size;
    assert_int_equal(write_one(os, 9, 3 * SNAPSHOT_CHUNK_BYTES, &report), 0);
    uint8_t *bytes = os_memory_bytes(os, "/data/snap/0000000000000009.snap", &size);
    const size_t second = 64 + sizeof METADATA + 16 + SNAPSHOT_CHUNK_BYTES;
    bytes[second + 5000] ^= 1;
    assert_int_equal(load_one(os, 9, 3 * SNAPSHOT_CHUNK_BYTES, &report), SYNOD_ERR_CORRUPT);
    assert_int_equal(report.offset, second);
    os_memory_free(os);
}

TEST(snapshot, refuses_a_file_cut_off_anywhere_or_too_long)
{
    struct os *os = new_machine(4);
    struct report report;
    size_t size;
    uint8_t whole[1000];
    const char *path = "/data/snap/0000000000000009.snap";
    assert_int_equal(write_one(os, 9, 300, &report), 0);
    memset(whole, 0, sizeof whole);
    const uint8_t *bytes = os_memory_bytes(os, path, &size);
    assert_true(size < sizeof whole);
    memcpy(whole, bytes, size);
    for (size_t cut = 0; cut < size; cut++) {
        os_memory_cut(os, path, cut);
        assert_int_equal(load_one(os, 9, 300, &report), SYNOD_ERR_CORRUPT);
        os_memory_put(os, path, whole, size);
    }
    for (size_t longer = size + 1; longer <= sizeof whole; longer++) {
        os_memory_put(os, path, whole, longer);
        assert_int_equal(load_one(os, 9, 300, &report), SYNOD_ERR_CORRUPT);
    }
    os_memory_free(os);
}

/* Two valid files, put together from chunks of both. */
TEST(snapshot, refuses_chunks_of_another)
{
    struct os *os = new_machine(5);
    struct report report;
    size_t size;
    assert_int_equal(write_one(os, 9, 2 * SNAPSHOT_CHUNK_BYTES, &report), 0);
    assert_int_equal(write_one(os, 10, 2 * SNAPSHOT_CHUNK_BYTES, &report), 0);
    uint8_t *nine = os_memory_bytes(os, "/data/snap/0000000000000009.snap", &size);
    const uint8_t *ten = os_memory_bytes(os, "/data/snap/000000000000000a.snap", &size);
    const size_t head = 64 + sizeof METADATA;
    memcpy(nine + head, ten + head, 16 + SNAPSHOT_CHUNK_BYTES);
    assert_int_equal(load_one(os, 9, 0, &report), SYNOD_ERR_CORRUPT);
    memcpy(nine, ten, size);
    assert_int_equal(load_one(os, 9, 0, &report), SYNOD_ERR_CORRUPT); /* It is not of slot 9. */
    assert_int_equal(report.offset, 24);
    os_memory_free(os);
}

/* What is in the wrong place never reaches the machine. */
TEST(snapshot, refuses_chunks_in_another_order)
{
    static uint8_t chunk[16 + SNAPSHOT_CHUNK_BYTES];
    struct os *os = new_machine(8);
    struct report report;
    struct snapshot *snapshot;
    struct check check = {.content = {9}};
    size_t size;
    assert_int_equal(write_one(os, 9, 3 * SNAPSHOT_CHUNK_BYTES, &report), 0);
    uint8_t *second = os_memory_bytes(os, "/data/snap/0000000000000009.snap", &size) + 64 +
                      sizeof METADATA + sizeof chunk;
    memcpy(chunk, second, sizeof chunk);
    memmove(second, second + sizeof chunk, sizeof chunk);
    memcpy(second + sizeof chunk, chunk, sizeof chunk);
    assert_int_equal(snapshot_open(os, "/data", 9, &report, &snapshot), 0);
    assert_int_equal(snapshot_load(snapshot,
                                   (struct snapshot_sink){.context = &check, .piece = take_piece},
                                   &report),
                     SYNOD_ERR_CORRUPT);
    assert_int_equal(check.size, SNAPSHOT_CHUNK_BYTES);
    assert_int_equal(report.offset, 64 + sizeof METADATA + sizeof chunk);
    snapshot_close(snapshot);
    os_memory_free(os);
}

TEST(snapshot, of_another_cluster_or_group_is_foreign)
{
    struct os *os = new_machine(6);
    struct report report;
    struct snapshot *snapshot;
    assert_int_equal(write_one(os, 9, 10, &report), 0);
    assert_int_equal(snapshot_open(os, "/data", 9, &report, &snapshot), 0);
    assert_int_equal(snapshot_check(snapshot, 8, 1, &report), SYNOD_ERR_FOREIGN);
    assert_int_equal(snapshot_check(snapshot, 7, 2, &report), SYNOD_ERR_FOREIGN);
    assert_int_equal(snapshot_check(snapshot, 7, 1, &report), 0);
    snapshot_close(snapshot);
    os_memory_free(os);
}

TEST(snapshot, passes_on_what_source_and_sink_say)
{
    struct os *os = new_machine(7);
    struct report report;
    struct snapshot *snapshot;
    struct check check = {.content = {9}, .fail_with = SYNOD_ERR_MEMORY};
    struct state frozen = {.left = 1000, .fail_with = SYNOD_ERR_MEMORY};
    const struct snapshot_info info = {.cluster = 7, .slot = 3};
    assert_int_equal(
        snapshot_write(os, "/data", &info,
                       (struct snapshot_source){.context = &frozen, .read = read_state}, &report),
        SYNOD_ERR_MEMORY);
    assert_false(has_temporary(os));
    assert_int_equal(snapshot_list(os, "/data", NULL, 0, &report), 0);
    assert_int_equal(write_one(os, 9, 10, &report), 0);
    assert_int_equal(snapshot_open(os, "/data", 9, &report, &snapshot), 0);
    assert_int_equal(snapshot_load(snapshot,
                                   (struct snapshot_sink){.context = &check, .piece = take_piece},
                                   &report),
                     SYNOD_ERR_MEMORY);
    snapshot_close(snapshot);
    os_memory_free(os);
}

/* -- Crashes and failures ------------------------------------------------------------------ */

TEST(snapshot, is_there_whole_or_not_at_all_after_a_crash)
{
    const uint64_t size = 2 * SNAPSHOT_CHUNK_BYTES + 5;
    uint64_t whole = 0;
    uint64_t none = 0;
    int is_dead = 1;
    for (uint64_t n = 1; is_dead; n++) {
        for (uint64_t chance = 0; chance < 20; chance++) {
            struct report report;
            uint64_t slots[2] = {0, 0};
            struct os *os = new_machine(100 * n + chance);
            assert_int_equal(write_one(os, 3, 100, &report), 0);
            os_memory_die_at(os, n);
            const int written = write_one(os, 9, size, &report);
            is_dead = os_memory_is_dead(os);
            os_memory_crash(os, NULL, NULL);
            assert_int_equal(snapshot_start(os, "/data", &report), 0);
            assert_false(has_temporary(os));
            const int64_t count = snapshot_list(os, "/data", slots, 2, &report);
            assert_true(count == 2 || (count == 1 && written != 0));
            assert_int_equal(load_one(os, 3, 100, &report), 0);
            if (count == 2) {
                assert_int_equal(load_one(os, 9, size, &report), 0);
            }
            whole += count == 2;
            none += count == 1;
            os_memory_free(os);
        }
    }
    assert_true(whole > 20);
    assert_true(none > 20);
}

TEST(snapshot, of_a_slot_that_has_one_replaces_it_at_once)
{
    int is_dead = 1;
    for (uint64_t n = 1; is_dead; n++) {
        for (uint64_t chance = 0; chance < 10; chance++) {
            struct report report;
            struct os *os = new_machine(100 * n + chance);
            assert_int_equal(write_one(os, 9, 100, &report), 0);
            os_memory_die_at(os, n);
            write_one(os, 9, 100, &report);
            is_dead = os_memory_is_dead(os);
            os_memory_crash(os, NULL, NULL);
            assert_int_equal(load_one(os, 9, 100, &report), 0);
            os_memory_free(os);
        }
    }
}

/* Nothing that was not synced survives. */
static enum os_memory_fate lose(__attribute__((unused)) void *context,
                                __attribute__((unused)) const char *path,
                                __attribute__((unused)) uint64_t offset)
{
    return OS_MEMORY_LOST;
}

/* The process dies when the snapshot has its name, but before that is durable. The next one sees
 * it and trims the log, so it must make it durable first. */
TEST(snapshot, that_the_start_has_found_survives_a_crash_after_it)
{
    uint64_t found = 0;
    int is_dead = 1;
    for (uint64_t n = 1; is_dead; n++) {
        struct report report;
        struct os *os = new_machine(n);
        os_memory_die_at(os, n);
        (void)write_one(os, 9, 100, &report);
        is_dead = os_memory_is_dead(os);
        os_memory_restart(os);
        assert_int_equal(snapshot_start(os, "/data", &report), 0);
        const int64_t count = snapshot_list(os, "/data", NULL, 0, &report);
        os_memory_crash(os, lose, NULL);
        assert_int_equal(snapshot_list(os, "/data", NULL, 0, &report), count);
        if (count == 1) {
            assert_int_equal(load_one(os, 9, 100, &report), 0);
        }
        found += (uint64_t)count;
        os_memory_free(os);
    }
    assert_true(found > 1);
}

TEST(snapshot, is_not_installed_when_any_step_fails)
{
    static const unsigned KINDS[] = {OS_MEMORY_OPEN, OS_MEMORY_WRITE, OS_MEMORY_SYNC,
                                     OS_MEMORY_RENAME};
    static void (*const FAIL[])(struct os *, unsigned, uint64_t, int) = {os_memory_fail_at,
                                                                         os_memory_fail_from};
    struct report report;
    for (size_t i = 0; i < 2 * sizeof KINDS / sizeof *KINDS; i++) {
        uint64_t n = 0;
        int has_failed = 1;
        while (has_failed) {
            struct os *os = new_machine(1);
            FAIL[i % 2](os, KINDS[i / 2], ++n, -EIO);
            const int error = write_one(os, 9, 100 * SNAPSHOT_CHUNK_BYTES, &report);
            has_failed = os_memory_has_failed(os);
            os_memory_fail_at(os, 0, 0, 0);
            assert_int_equal(error, has_failed ? SYNOD_ERR_STORAGE : 0);
            assert_int_equal(snapshot_list(os, "/data", NULL, 0, &report), has_failed ? 0 : 1);
            assert_false(has_temporary(os));
            assert_int_equal(os_memory_open_count(os), 0);
            os_memory_free(os);
        }
        assert_true(n > 1);
    }
}

/* -- Receiving ----------------------------------------------------------------------------- */

/* Send the snapshot of slot 9 from one machine to another, bit `flip` of it flipped (-1: none).
 * Returns what the receiver said of it. */
static int transfer(struct os *from, struct os *to, int64_t flip, uint64_t cluster)
{
    struct report report;
    struct snapshot *snapshot;
    struct snapshot_receive *receive;
    uint8_t piece[1000];
    assert_int_equal(snapshot_open(from, "/data", 9, &report, &snapshot), 0);
    assert_int_equal(snapshot_receive_new(to, "/data", 9, &report, &receive), 0);
    for (;;) {
        const uint64_t offset = snapshot_receive_offset(receive);
        const int64_t got = snapshot_read_raw(snapshot, offset, piece, sizeof piece, &report);
        assert_true(got >= 0);
        if (got == 0) {
            break;
        }
        if (flip >= 0 && (uint64_t)flip / 8 >= offset &&
            (uint64_t)flip / 8 < offset + (uint64_t)got) {
            piece[(uint64_t)flip / 8 - offset] ^= (uint8_t)(1u << flip % 8);
        }
        assert_int_equal(
            snapshot_receive_write(receive, offset, bytes_of(piece, (size_t)got), &report), 0);
    }
    assert_int_equal(snapshot_receive_offset(receive), snapshot_file_bytes(snapshot));
    snapshot_close(snapshot);
    int error = snapshot_receive_check(receive, cluster, 1, &report);
    if (error == 0) {
        error = snapshot_receive_install(receive, &report);
    } else {
        snapshot_receive_free(receive);
    }
    assert_false(has_temporary(to));
    assert_int_equal(os_memory_open_count(to), 0);
    return error;
}

TEST(snapshot, travels_to_a_peer)
{
    struct os *from = new_machine(1);
    struct os *to = new_machine(2);
    struct report report;
    const uint64_t size = 2 * SNAPSHOT_CHUNK_BYTES + 100;
    assert_int_equal(write_one(from, 9, size, &report), 0);
    assert_int_equal(transfer(from, to, -1, 7), 0);
    os_memory_crash(to, NULL, NULL); /* It is durable. */
    assert_int_equal(load_one(to, 9, size, &report), 0);
    os_memory_free(from);
    os_memory_free(to);
}

TEST(snapshot, that_arrives_damaged_is_not_installed)
{
    struct os *from = new_machine(1);
    struct os *to = new_machine(2);
    struct report report;
    assert_int_equal(write_one(from, 9, 200, &report), 0);
    for (int64_t bit = 0; bit < 8 * 300; bit += 7) {
        assert_int_equal(transfer(from, to, bit, 7), SYNOD_ERR_CORRUPT);
        assert_int_equal(snapshot_list(to, "/data", NULL, 0, &report), 0);
    }
    assert_int_equal(transfer(from, to, -1, 8), SYNOD_ERR_FOREIGN);
    assert_int_equal(snapshot_list(to, "/data", NULL, 0, &report), 0);
    assert_int_equal(transfer(from, to, -1, 7), 0);
    os_memory_free(from);
    os_memory_free(to);
}

TEST(snapshot, that_stops_arriving_leaves_nothing)
{
    struct os *os = new_machine(1);
    struct report report;
    struct snapshot_receive *receive;
    assert_int_equal(snapshot_receive_new(os, "/data", 9, &report, &receive), 0);
    assert_int_equal(snapshot_receive_write(receive, 0, bytes_of("abc", 3), &report), 0);
    assert_true(has_temporary(os));
    snapshot_receive_free(receive);
    assert_false(has_temporary(os));

    assert_int_equal(snapshot_receive_new(os, "/data", 9, &report, &receive), 0);
    assert_int_equal(snapshot_receive_write(receive, 0, bytes_of("abc", 3), &report), 0);
    assert_int_equal(snapshot_receive_check(receive, 7, 1, &report), SYNOD_ERR_CORRUPT);
    assert_true(has_temporary(os));
    snapshot_receive_free(receive);
    assert_false(has_temporary(os));
    os_memory_free(os);
}
