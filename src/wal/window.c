/* window.c -- a piece of a segment in memory, moved along as the segment is read. */
#include "wal/window.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "synod/error.h"

enum {
    READ_BYTES = 1 << 20 /* At least this much at a time: recovery is one long read. */
};

static void close_file(struct window *window)
{
    assert(window->os != NULL);
    assert(window->size <= window->capacity);
    if (window->file != NULL) {
        os_file_close(window->os, window->file);
        window->file = NULL;
    }
    window->size = 0;
}

int window_open(struct window *window, struct segment_name name, struct report *report)
{
    assert(window->os != NULL && window->dir != NULL);
    assert(name.bytes % SEGMENT_BLOCK_BYTES == 0);
    assert(name.number > 0);
    if (window->file != NULL && window->name.number == name.number) {
        return 0;
    }
    close_file(window);
    segment_path(window->path, window->dir, name);
    window->name = name;

    const struct report_place start = {window->path, REPORT_WHOLE};
    const int error = os_file_open(window->os, window->path, OS_FILE_DIRECT, &window->file);
    if (error != 0) {
        window->file = NULL;
        return report_system(report, start, "open", error);
    }
    const int64_t size = os_file_size(window->os, window->file);
    if (size < 0) {
        return report_system(report, start, "stat", size);
    }
    if (size != name.bytes) {
        const uint64_t end = (uint64_t)size < name.bytes ? (uint64_t)size : name.bytes;
        return report_fill(report, SYNOD_ERR_CORRUPT, (struct report_place){window->path, end},
                           "the file has %" PRId64 " bytes, expected %" PRIu32 " as its name says",
                           size, name.bytes);
    }
    return 0;
}

/* The memory is for direct reads, hence aligned; its content need not survive. */
static int make_room(struct window *window, size_t size)
{
    assert(size % SEGMENT_BLOCK_BYTES == 0);
    assert(size > 0);
    if (size <= window->capacity) {
        return 0;
    }
    free(window->data);
    window->capacity = 0;
    window->size = 0;
    window->data = aligned_alloc(SEGMENT_BLOCK_BYTES, size);
    if (window->data == NULL) {
        return SYNOD_ERR_MEMORY;
    }
    window->capacity = size;
    return 0;
}

int window_get(struct window *window, uint64_t offset, size_t size, const uint8_t **data,
               struct report *report)
{
    assert(data != NULL);
    assert(size > 0);
    assert(window->start % SEGMENT_BLOCK_BYTES == 0);
    assert(window->file != NULL);
    assert(offset + size <= window->name.bytes);
    if (offset >= window->start && offset + size <= window->start + window->size) {
        *data = window->data + (offset - window->start);
        return 0;
    }

    const uint64_t from = offset / SEGMENT_BLOCK_BYTES * SEGMENT_BLOCK_BYTES;
    const uint64_t left = window->name.bytes - from;
    uint64_t wanted = offset + size - from;
    wanted = (wanted + SEGMENT_BLOCK_BYTES - 1) / SEGMENT_BLOCK_BYTES * SEGMENT_BLOCK_BYTES;
    wanted = wanted < READ_BYTES ? READ_BYTES : wanted;
    wanted = wanted < left ? wanted : left;

    const struct report_place place = {window->path, from};
    if (make_room(window, wanted) != 0) {
        return report_fill(report, SYNOD_ERR_MEMORY, place, "no memory to read %" PRIu64 " bytes",
                           wanted);
    }
    window->start = from;
    window->size = 0;
    const int64_t got = os_file_read(window->os, window->file, from, window->data, wanted);
    if (got < 0) {
        return report_system(report, place, "read", got);
    }
    if ((uint64_t)got < wanted) {
        return report_fill(report, SYNOD_ERR_CORRUPT,
                           (struct report_place){window->path, from + (uint64_t)got},
                           "the file ends here, expected %" PRIu32 " bytes", window->name.bytes);
    }
    window->size = wanted;
    *data = window->data + (offset - from);
    return 0;
}

void window_close(struct window *window)
{
    assert(window->size <= window->capacity);
    close_file(window);
    free(window->data);
    window->data = NULL;
    window->capacity = 0;
}
