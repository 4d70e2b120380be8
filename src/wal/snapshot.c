/* snapshot.c -- snapshots of the state as files: written whole, checked whole, installed whole.
 *
 * FILES
 *
 *   DIR/snap/<slot, 16 hex>.snap           complete and durable
 *   DIR/snap/<slot, 16 hex>.snap.write     being written by this member
 *   DIR/snap/<slot, 16 hex>.snap.receive   arriving from a peer
 *
 * The last two are removed at the start: nobody remembers how far they had got.
 *
 * LAYOUT (little-endian)
 *
 *   offset size
 *    0     8   magic "SYNODSNP"
 *    8     4   CRC-32C of bytes 12 .. 63 and the metadata
 *   12     2   format version, 1
 *   14     2   zero
 *   16     8   cluster id
 *   24     8   slot
 *   32     8   view
 *   40     4   group id
 *   44     4   bytes of the metadata, at most 64 KiB
 *   48     4   bytes of state in every chunk but the last
 *   52    12   zero
 *   64         metadata, the owner's
 *
 * then chunks, each
 *
 *    0     4   bytes of state in it, not 0
 *    4     4   CRC-32C of what is before, what is after and the data
 *    8     8   its number: 0, 1, 2 ...
 *   16         data
 *
 * then the trailer, with which the file ends:
 *
 *    0     4   zero: no chunk
 *    4     4   CRC-32C of bytes 8 .. 39
 *    8     8   count of chunks
 *   16     8   bytes of the state
 *   24     8   bytes of the file
 *   32     8   hash: XXH3 of header and metadata; and of each chunk's data in turn, seeded with
 *              what was before
 *
 * WHAT IS VALID
 *
 * A chunk says by itself whether it is whole and in its place, so damage is named by offset and
 * never reaches the state machine. The trailer says whether they are all there and belong to
 * this header: a file put together from two valid ones has the wrong hash. The length of the
 * file is in the trailer, so a file cut off anywhere is noticed when it is opened.
 *
 * CRASHES
 *
 * The bytes are synced before the file gets its name, and the directory after; only then is
 * the snapshot reported written and may the log be trimmed. A crash before leaves a temporary
 * file; one in between leaves the name or not, and the log is still there. When the process dies
 * in between but the machine does not, the next life sees a name that is not durable yet:
 * snapshot_start() syncs the directory, before anybody trims the log because of it. */
#include "wal/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "synod/error.h"
#include "wal/snapshot_internal.h"

enum {
    FORMAT = 1,
    HEADER_BYTES = 64,
    HEADER_CRC_FROM = 12,
    CHUNK_HEADER_BYTES = 16,
    TRAILER_BYTES = 40,
    TRAILER_CRC_FROM = 8,
};

static const uint8_t MAGIC[8] = {'S', 'Y', 'N', 'O', 'D', 'S', 'N', 'P'};

struct snapshot {
    struct snapshot_file file;
    struct snapshot_info info; /* info.metadata lies in `head`. */
    uint8_t *head;             /* Header and metadata. */
    size_t head_bytes;
    uint32_t chunk_bytes;
    uint64_t chunk_count;
    uint64_t state_bytes;
    uint64_t file_bytes;
    uint64_t hash; /* Of the whole. */
};

/* -- Writing ----------------------------------------------------------------------------- */

struct writing {
    struct snapshot_file file;
    const struct snapshot_info *info;
    struct snapshot_source source;
    struct report *report;
    uint8_t *chunk; /* Room for a chunk with its header, or for the head of the file. */
    uint64_t offset;
    uint64_t unsynced;
    uint64_t chunk_count;
    uint64_t state_bytes;
    uint64_t hash;
};

static int write_bytes(struct writing *writing, const void *data, size_t size)
{
    assert(writing->file.file != NULL);
    assert(size > 0);
    assert(writing->unsynced < SNAPSHOT_SYNC_BYTES);
    const struct report_place place = {writing->file.path, writing->offset};
    const int error =
        os_file_write(writing->file.os, writing->file.file, writing->offset, data, size);
    if (error != 0) {
        return report_system(writing->report, place, "write", error);
    }
    writing->offset += size;
    writing->unsynced += size;
    if (writing->unsynced >= SNAPSHOT_SYNC_BYTES) {
        writing->unsynced = 0;
        return snapshot_sync_file(&writing->file, writing->offset, writing->report);
    }
    return 0;
}

static int write_head(struct writing *writing)
{
    assert(writing->offset == 0);
    assert(writing->info->metadata.size <= SNAPSHOT_METADATA_BYTES);
    const struct snapshot_info *info = writing->info;
    uint8_t *to = writing->chunk;
    const size_t size = HEADER_BYTES + info->metadata.size;
    memset(to, 0, HEADER_BYTES);
    memcpy(to, MAGIC, sizeof MAGIC);
    put_u16(to + 12, FORMAT);
    put_u64(to + 16, info->cluster);
    put_u64(to + 24, info->slot);
    put_u64(to + 32, info->view);
    put_u32(to + 40, info->group);
    put_u32(to + 44, (uint32_t)info->metadata.size);
    put_u32(to + 48, SNAPSHOT_CHUNK_BYTES);
    if (info->metadata.size > 0) {
        memcpy(to + HEADER_BYTES, info->metadata.data, info->metadata.size);
    }
    put_u32(to + 8, crc32c(0, to + HEADER_CRC_FROM, size - HEADER_CRC_FROM));
    writing->hash = XXH3_64bits(to, size);
    return write_bytes(writing, to, size);
}

static uint32_t chunk_crc(const uint8_t *header, const uint8_t *data)
{
    assert(get_u32(header) > 0);
    assert(get_u32(header) <= SNAPSHOT_CHUNK_BYTES);
    const uint32_t crc = crc32c(0, header, 4);
    return crc32c(crc32c(crc, header + 8, 8), data, get_u32(header));
}

/* Fill a chunk from the source. Returns its size, 0 at the end, or a negative error. */
static int64_t fill_chunk(struct writing *writing)
{
    assert(writing->chunk != NULL);
    size_t size = 0;
    while (size < SNAPSHOT_CHUNK_BYTES) {
        const int64_t got = writing->source.read(writing->source.context,
                                                 writing->chunk + CHUNK_HEADER_BYTES + size,
                                                 SNAPSHOT_CHUNK_BYTES - size);
        assert(got <= (int64_t)(SNAPSHOT_CHUNK_BYTES - size));
        if (got < 0) {
            return report_fill(writing->report, (int)got,
                               (struct report_place){writing->file.path, writing->offset},
                               "the state could not be read: %s", synod_strerror((int)got));
        }
        if (got == 0) {
            break;
        }
        size += (size_t)got;
    }
    return (int64_t)size;
}

static int write_chunks(struct writing *writing)
{
    assert(writing->chunk_count == 0);
    assert(writing->offset == HEADER_BYTES + writing->info->metadata.size);
    for (;;) {
        const int64_t size = fill_chunk(writing);
        if (size <= 0) {
            return (int)size;
        }
        uint8_t *header = writing->chunk;
        const uint8_t *data = header + CHUNK_HEADER_BYTES;
        put_u32(header, (uint32_t)size);
        put_u64(header + 8, writing->chunk_count);
        put_u32(header + 4, chunk_crc(header, data));
        writing->hash = XXH3_64bits_withSeed(data, (size_t)size, writing->hash);
        writing->chunk_count++;
        writing->state_bytes += (uint64_t)size;
        const int error = write_bytes(writing, header, CHUNK_HEADER_BYTES + (size_t)size);
        if (error != 0) {
            return error;
        }
    }
}

static int write_trailer(struct writing *writing)
{
    assert(writing->chunk_count <= writing->state_bytes);
    assert(writing->state_bytes <= writing->chunk_count * SNAPSHOT_CHUNK_BYTES);
    assert(writing->offset == HEADER_BYTES + writing->info->metadata.size + writing->state_bytes +
                                  writing->chunk_count * CHUNK_HEADER_BYTES);
    uint8_t trailer[TRAILER_BYTES] = {0};
    put_u64(trailer + 8, writing->chunk_count);
    put_u64(trailer + 16, writing->state_bytes);
    put_u64(trailer + 24, writing->offset + TRAILER_BYTES);
    put_u64(trailer + 32, writing->hash);
    put_u32(trailer + 4, crc32c(0, trailer + TRAILER_CRC_FROM, TRAILER_BYTES - TRAILER_CRC_FROM));
    const int error = write_bytes(writing, trailer, sizeof trailer);
    return error == 0 && !MUTANT(24) ? snapshot_sync_file(&writing->file, 0, writing->report)
                                     : error;
}

int snapshot_write(struct os *os, const char *dir, const struct snapshot_info *info,
                   struct snapshot_source source, struct report *report)
{
    assert(source.read != NULL);
    struct writing writing = {.file = {.os = os}, .info = info, .source = source, .report = report};
    assert(info->cluster != 0);
    assert(info->metadata.size <= SNAPSHOT_METADATA_BYTES);
    int error = snapshot_name_directory(writing.file.directory, dir, report);
    if (error != 0) {
        return error;
    }
    snapshot_name_file(writing.file.path, writing.file.directory, info->slot, ".write");
    writing.chunk = malloc(CHUNK_HEADER_BYTES + SNAPSHOT_CHUNK_BYTES);
    if (writing.chunk == NULL) {
        return snapshot_fail_memory(writing.file.path, report);
    }
    /* What a write that failed has left must not show through behind the new end. */
    os_remove(os, writing.file.path);
    error = snapshot_open_file(&writing.file, OS_FILE_WRITE | OS_FILE_CREATE | OS_FILE_EXCLUSIVE,
                               report);
    const int is_made = error == 0;
    if (error == 0) {
        error = write_head(&writing);
    }
    if (error == 0) {
        error = write_chunks(&writing);
    }
    if (error == 0) {
        error = write_trailer(&writing);
    }
    snapshot_close_file(&writing.file);
    free(writing.chunk);
    if (error == 0) {
        error = snapshot_install(&writing.file, info->slot, report);
    }
    if (error != 0 && is_made) {
        MARK("snapshot: one that cannot be written is removed");
        os_remove(os, writing.file.path); /* If that fails too, the next start does it. */
    }
    return error;
}

/* -- Reading ----------------------------------------------------------------------------- */

/* Read exactly `size` bytes. */
static int read_bytes(const struct snapshot *snapshot, uint64_t offset, void *to, size_t size,
                      struct report *report)
{
    assert(snapshot->file.file != NULL);
    assert(to != NULL || size == 0);
    const struct report_place place = {snapshot->file.path, offset};
    const int64_t got = os_file_read(snapshot->file.os, snapshot->file.file, offset, to, size);
    if (got < 0) {
        return report_system(report, place, "read", got);
    }
    if ((uint64_t)got < size) {
        return report_fill(report, SYNOD_ERR_CORRUPT,
                           (struct report_place){snapshot->file.path, offset + (uint64_t)got},
                           "the file ends too early");
    }
    return 0;
}

static int refuse(const struct snapshot *snapshot, uint64_t offset, const char *expected,
                  struct report *report)
{
    assert(expected != NULL);
    assert(snapshot->file.path[0] != '\0');
    MARK("snapshot: a damaged one is refused");
    return report_fill(report, SYNOD_ERR_CORRUPT,
                       (struct report_place){snapshot->file.path, offset}, "expected %s", expected);
}

/* The header is in `fixed`: read the metadata behind it and check both. */
static int read_metadata(struct snapshot *snapshot, const uint8_t *fixed, struct report *report)
{
    assert(snapshot->head == NULL);
    assert(memcmp(fixed, MAGIC, sizeof MAGIC) == 0);
    const uint32_t metadata_bytes = get_u32(fixed + 44);
    if (metadata_bytes > SNAPSHOT_METADATA_BYTES) {
        return refuse(snapshot, 44, "the size of the metadata to be within the limit", report);
    }
    snapshot->head_bytes = HEADER_BYTES + metadata_bytes;
    snapshot->head = malloc(snapshot->head_bytes);
    if (snapshot->head == NULL) {
        return snapshot_fail_memory(snapshot->file.path, report);
    }
    memcpy(snapshot->head, fixed, HEADER_BYTES);
    const int error =
        read_bytes(snapshot, HEADER_BYTES, snapshot->head + HEADER_BYTES, metadata_bytes, report);
    if (error != 0) {
        return error;
    }
    if (get_u32(fixed + 8) !=
        crc32c(0, snapshot->head + HEADER_CRC_FROM, snapshot->head_bytes - HEADER_CRC_FROM)) {
        return refuse(snapshot, 8, "the checksum of header and metadata to fit", report);
    }
    return 0;
}

static int read_head(struct snapshot *snapshot, struct report *report)
{
    assert(snapshot->head == NULL);
    assert(snapshot->file.file != NULL);
    uint8_t fixed[HEADER_BYTES];
    int error = read_bytes(snapshot, 0, fixed, sizeof fixed, report);
    if (error != 0) {
        return error;
    }
    if (memcmp(fixed, MAGIC, sizeof MAGIC) != 0) {
        return refuse(snapshot, 0, "a snapshot", report);
    }
    error = read_metadata(snapshot, fixed, report);
    if (error != 0) {
        return error;
    }
    if (get_u16(fixed + 12) > FORMAT) {
        return report_fill(
            report, SYNOD_ERR_FOREIGN, (struct report_place){snapshot->file.path, 12},
            "format %u, written by a newer version of the program", get_u16(fixed + 12));
    }
    snapshot->chunk_bytes = get_u32(fixed + 48);
    if (snapshot->chunk_bytes == 0 || snapshot->chunk_bytes > SNAPSHOT_CHUNK_BYTES) {
        return refuse(snapshot, 48, "the size of chunks to be within the limit", report);
    }
    snapshot->info = (struct snapshot_info){
        .cluster = get_u64(fixed + 16),
        .slot = get_u64(fixed + 24),
        .view = get_u64(fixed + 32),
        .group = get_u32(fixed + 40),
        .metadata = bytes_of(snapshot->head + HEADER_BYTES, snapshot->head_bytes - HEADER_BYTES),
    };
    return 0;
}

static int read_trailer(struct snapshot *snapshot, struct report *report)
{
    assert(snapshot->head_bytes >= HEADER_BYTES);
    assert(snapshot->chunk_bytes > 0);
    uint8_t trailer[TRAILER_BYTES];
    const int64_t size = os_file_size(snapshot->file.os, snapshot->file.file);
    if (size < 0) {
        return report_system(report, (struct report_place){snapshot->file.path, REPORT_WHOLE},
                             "stat", size);
    }
    if ((uint64_t)size < snapshot->head_bytes + TRAILER_BYTES) {
        return refuse(snapshot, (uint64_t)size, "more of it: the file is cut off", report);
    }
    const uint64_t at = (uint64_t)size - TRAILER_BYTES;
    const int error = read_bytes(snapshot, at, trailer, sizeof trailer, report);
    if (error != 0) {
        return error;
    }
    if (get_u32(trailer) != 0 || get_u64(trailer + 24) != (uint64_t)size ||
        get_u32(trailer + 4) !=
            crc32c(0, trailer + TRAILER_CRC_FROM, TRAILER_BYTES - TRAILER_CRC_FROM)) {
        return refuse(snapshot, at, "the trailer here: damaged, or the file is cut off", report);
    }
    snapshot->chunk_count = get_u64(trailer + 8);
    snapshot->state_bytes = get_u64(trailer + 16);
    snapshot->file_bytes = (uint64_t)size;
    snapshot->hash = get_u64(trailer + 32);
    return 0;
}

/* Open the file at `path`, which says that it is of `slot`. */
int snapshot_open_path(struct os *os, const char *path, uint64_t slot, struct report *report,
                       struct snapshot **snapshot)
{
    assert(strlen(path) < SNAPSHOT_PATH_BYTES);
    assert(snapshot != NULL);
    struct snapshot *opened = calloc(1, sizeof *opened);
    *snapshot = NULL;
    if (opened == NULL) {
        return snapshot_fail_memory(path, report);
    }
    opened->file.os = os;
    memcpy(opened->file.path, path, strlen(path) + 1);
    int error = snapshot_open_file(&opened->file, 0, report);
    if (error == 0) {
        error = read_head(opened, report);
    }
    if (error == 0) {
        error = read_trailer(opened, report);
    }
    if (error == 0 && opened->info.slot != slot) {
        error = refuse(opened, 24, "the slot that its name says", report);
    }
    if (error != 0) {
        snapshot_close(opened);
        return error;
    }
    *snapshot = opened;
    return 0;
}

int snapshot_open(struct os *os, const char *dir, uint64_t slot, struct report *report,
                  struct snapshot **snapshot)
{
    assert(dir != NULL);
    assert(snapshot != NULL);
    char directory[SNAPSHOT_PATH_BYTES];
    char path[SNAPSHOT_PATH_BYTES];
    *snapshot = NULL;
    const int error = snapshot_name_directory(directory, dir, report);
    if (error != 0) {
        return error;
    }
    snapshot_name_file(path, directory, slot, "");
    return snapshot_open_path(os, path, slot, report, snapshot);
}

int snapshot_check(const struct snapshot *snapshot, uint64_t cluster, uint32_t group,
                   struct report *report)
{
    assert(snapshot->head != NULL);
    assert(snapshot->file.file != NULL);
    const struct report_place place = {snapshot->file.path, 16};
    if (snapshot->info.cluster != cluster) {
        return report_fill(report, SYNOD_ERR_FOREIGN, place,
                           "a snapshot of cluster %016" PRIx64 ", not of cluster %016" PRIx64,
                           snapshot->info.cluster, cluster);
    }
    if (snapshot->info.group != group) {
        return report_fill(report, SYNOD_ERR_FOREIGN, place,
                           "a snapshot of group %" PRIu32 ", not of group %" PRIu32,
                           snapshot->info.group, group);
    }
    return 0;
}

const struct snapshot_info *snapshot_info(const struct snapshot *snapshot)
{
    assert(snapshot->head != NULL);
    return &snapshot->info;
}

uint64_t snapshot_file_bytes(const struct snapshot *snapshot)
{
    assert(snapshot->file_bytes >= HEADER_BYTES + TRAILER_BYTES);
    return snapshot->file_bytes;
}

uint64_t snapshot_state_bytes(const struct snapshot *snapshot)
{
    assert(snapshot->file_bytes >= HEADER_BYTES + TRAILER_BYTES);
    return snapshot->state_bytes;
}

/* Read and check chunk `number` at `offset` into `chunk`, its header in front. */
static int read_chunk(const struct snapshot *snapshot, uint64_t number, uint64_t offset,
                      uint8_t *chunk, struct report *report)
{
    assert(number < snapshot->chunk_count);
    assert(offset >= snapshot->head_bytes);
    assert(offset <= snapshot->file_bytes - TRAILER_BYTES);
    const uint64_t end = snapshot->file_bytes - TRAILER_BYTES;
    if (end - offset < CHUNK_HEADER_BYTES) {
        return refuse(snapshot, offset, "another chunk", report);
    }
    int error = read_bytes(snapshot, offset, chunk, CHUNK_HEADER_BYTES, report);
    if (error != 0) {
        return error;
    }
    const uint32_t size = get_u32(chunk);
    if (size == 0 || size > snapshot->chunk_bytes || size > end - offset - CHUNK_HEADER_BYTES ||
        get_u64(chunk + 8) != number) {
        return refuse(snapshot, offset, "the next chunk: its header is damaged", report);
    }
    error =
        read_bytes(snapshot, offset + CHUNK_HEADER_BYTES, chunk + CHUNK_HEADER_BYTES, size, report);
    if (error != 0) {
        return error;
    }
    if (get_u32(chunk + 4) != chunk_crc(chunk, chunk + CHUNK_HEADER_BYTES)) {
        return refuse(snapshot, offset, "the next chunk: it is damaged", report);
    }
    return 0;
}

static int load_chunks(const struct snapshot *snapshot, struct snapshot_sink sink, uint8_t *chunk,
                       struct report *report)
{
    assert(chunk != NULL);
    assert(snapshot->head_bytes + TRAILER_BYTES <= snapshot->file_bytes);
    uint64_t offset = snapshot->head_bytes;
    uint64_t state_bytes = 0;
    uint64_t hash = XXH3_64bits(snapshot->head, snapshot->head_bytes);
    for (uint64_t number = 0; number < snapshot->chunk_count; number++) {
        int error = read_chunk(snapshot, number, offset, chunk, report);
        if (error != 0) {
            return error;
        }
        const uint32_t size = get_u32(chunk);
        hash = XXH3_64bits_withSeed(chunk + CHUNK_HEADER_BYTES, size, hash);
        if (sink.piece != NULL) {
            error = sink.piece(sink.context, chunk + CHUNK_HEADER_BYTES, size);
        }
        if (error != 0) {
            return report_fill(report, error, (struct report_place){snapshot->file.path, offset},
                               "the state was not taken: %s", synod_strerror(error));
        }
        offset += CHUNK_HEADER_BYTES + (uint64_t)size;
        state_bytes += size;
    }
    if (offset != snapshot->file_bytes - TRAILER_BYTES || state_bytes != snapshot->state_bytes ||
        hash != snapshot->hash) {
        return refuse(snapshot, offset, "the trailer of these very chunks", report);
    }
    return 0;
}

int snapshot_load(struct snapshot *snapshot, struct snapshot_sink sink, struct report *report)
{
    assert(snapshot->file.file != NULL);
    assert(snapshot->head != NULL);
    uint8_t *chunk = malloc(CHUNK_HEADER_BYTES + SNAPSHOT_CHUNK_BYTES);
    if (chunk == NULL) {
        return snapshot_fail_memory(snapshot->file.path, report);
    }
    const int error = load_chunks(snapshot, sink, chunk, report);
    free(chunk);
    return error;
}

int64_t snapshot_read_raw(struct snapshot *snapshot, uint64_t offset, void *to, size_t size,
                          struct report *report)
{
    assert(snapshot->file.file != NULL);
    assert(to != NULL || size == 0);
    const int64_t got = os_file_read(snapshot->file.os, snapshot->file.file, offset, to, size);
    return got >= 0 ? got
                    : report_system(report, (struct report_place){snapshot->file.path, offset},
                                    "read", got);
}

void snapshot_close(struct snapshot *snapshot)
{
    if (snapshot != NULL) {
        snapshot_close_file(&snapshot->file);
        free(snapshot->head);
        free(snapshot);
    }
}
