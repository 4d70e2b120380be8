/* snapshot_fuzz.c -- a snapshot's file, as bytes from a disk or another member.
 *
 * u8: whether checksums are made right; u8 size of pieces; then the file. What arrives in pieces
 * from a member is taken if and only if the file can be opened, checked and loaded as it is. */
#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "fuzz.h"
#include "os_memory.h"
#include "synod/error.h"
#include "wal/snapshot.h"

enum {
    HEADER = 64,
    CHUNK_HEADER = 16,
    TRAILER = 40,
    CLUSTER = 5,
    GROUP = 0
};

/* The layout is at the top of src/wal/snapshot.c. */
static void repair(uint8_t *data, size_t size)
{
    if (size < HEADER + TRAILER || get_u32(data + 44) > size - HEADER - TRAILER) {
        return;
    }
    const size_t head = HEADER + (size_t)get_u32(data + 44);
    put_u32(data + 8, crc32c(0, data + 12, head - 12));
    uint64_t hash = XXH3_64bits(data, head);
    uint64_t count = 0;
    uint64_t state = 0;
    size_t at = head;
    while (size - TRAILER - at >= CHUNK_HEADER) {
        uint8_t *chunk = data + at;
        const size_t bytes = get_u32(chunk);
        if (bytes == 0 || bytes > size - TRAILER - at - CHUNK_HEADER) {
            break;
        }
        uint32_t sum = crc32c(0, chunk, 4);
        sum = crc32c(sum, chunk + 8, 8);
        put_u32(chunk + 4, crc32c(sum, chunk + CHUNK_HEADER, bytes));
        hash = XXH3_64bits_withSeed(chunk + CHUNK_HEADER, bytes, hash);
        at += CHUNK_HEADER + bytes;
        state += bytes;
        count++;
    }
    uint8_t *trailer = data + size - TRAILER;
    put_u64(trailer + 8, count);
    put_u64(trailer + 16, state);
    put_u64(trailer + 24, size);
    put_u64(trailer + 32, hash);
    put_u32(trailer + 4, crc32c(0, trailer + 8, TRAILER - 8));
}

static int count_piece(void *context, const void *data, size_t size)
{
    assert(data != NULL && size > 0 && size <= SNAPSHOT_CHUNK_BYTES);
    *(uint64_t *)context += size;
    return 0;
}

static void check_report(int error, const struct report *report)
{
    assert(error == 0 || error == SYNOD_ERR_CORRUPT || error == SYNOD_ERR_FOREIGN);
    assert(error == 0 || (report->error == error && report->text[0] != '\0'));
}

static int read_file(struct os *os, uint64_t slot)
{
    struct snapshot *snapshot;
    struct report report = {0};
    uint64_t bytes = 0;
    int error = snapshot_open(os, "/data", slot, &report, &snapshot);
    check_report(error, &report);
    if (error != 0) {
        return error;
    }
    error = snapshot_check(snapshot, CLUSTER, GROUP, &report);
    if (error == 0) {
        error = snapshot_load(snapshot, (struct snapshot_sink){&bytes, count_piece}, &report);
    }
    check_report(error, &report);
    assert(error != 0 || bytes == snapshot_state_bytes(snapshot));
    snapshot_close(snapshot);
    return error;
}

static int receive_file(struct os *os, uint64_t slot, struct bytes bytes, size_t piece)
{
    struct snapshot_receive *receive;
    struct report report = {0};
    int error = snapshot_receive_new(os, "/data", slot, &report, &receive);
    assert(error == 0);
    for (size_t at = 0; at < bytes.size; at += piece) {
        const size_t some = bytes.size - at < piece ? bytes.size - at : piece;
        error = snapshot_receive_write(receive, at, bytes_of(bytes.data + at, some), &report);
        assert(error == 0);
    }
    assert(snapshot_receive_offset(receive) == bytes.size);
    error = snapshot_receive_check(receive, CLUSTER, GROUP, &report);
    check_report(error, &report);
    if (error == 0) {
        assert(snapshot_receive_install(receive, &report) == 0);
    } else {
        snapshot_receive_free(receive);
    }
    return error;
}

FUZZ(snapshot)
{
    struct feed feed = {input};
    char path[80];
    uint64_t slots[2];
    const int is_repaired = feed_u8(&feed) % 4 != 0;
    const size_t piece = 16u + feed_u8(&feed);
    const struct bytes bytes = feed.rest;
    uint8_t *data = malloc(bytes.size + 1);
    struct os *os = os_memory_new(1);
    assert(data != NULL);
    if (bytes.size > 0) {
        memcpy(data, bytes.data, bytes.size);
    }
    if (is_repaired) {
        repair(data, bytes.size);
    }
    const uint64_t slot = bytes.size >= HEADER ? get_u64(data + 24) : 1;
    (void)os_dir_create(os, "/data");
    int error = snapshot_start(os, "/data", NULL);
    assert(error == 0);
    snprintf(path, sizeof path, "/data/snap/%016llx.snap", (unsigned long long)slot);
    os_memory_put(os, path, data, bytes.size);
    const int verdict = read_file(os, slot);
    os_memory_vanish(os, path);

    error = receive_file(os, slot, bytes_of(data, bytes.size), piece);
    assert(error == verdict);
    const int64_t count = snapshot_list(os, "/data", slots, 2, NULL);
    assert(count == (verdict == 0) && (count == 0 || slots[0] == slot));
    assert(os_memory_open_count(os) == 0);
    os_memory_free(os);
    free(data);
}
