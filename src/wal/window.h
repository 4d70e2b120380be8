/* window.h -- a piece of a segment in memory, moved along as the segment is read.
 *
 * Reads go around the page cache (OS_FILE_DIRECT), so they are aligned and large. */
#ifndef WAL_WINDOW_H
#define WAL_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "os/os.h"
#include "wal/report.h"
#include "wal/segment.h"

struct window {
    struct os *os;                 /* Set by the owner; the rest is zero at first. */
    const char *dir;               /* The same. */
    struct os_file *file;          /* NULL while no segment is open. */
    struct segment_name name;      /* The segment that is open. */
    char path[SEGMENT_PATH_BYTES]; /* Of it. */
    uint8_t *data;                 /* Bytes [start, start + size) of it. */
    size_t capacity;               /* Allocated. */
    uint64_t start;
    size_t size;
};

/* Look at segment `name` from now on. Its size is checked against its name: SYNOD_ERR_CORRUPT
 * where they differ. Nothing happens if it is the one already. */
int window_open(struct window *window, struct segment_name name, struct report *report);

/* Point `data` at `size` bytes from `offset` on, which must lie within the segment. They hold
 * until the next call. 0 or a negative error. */
int window_get(struct window *window, uint64_t offset, size_t size, const uint8_t **data,
               struct report *report);

void window_close(struct window *window);

#endif /* WAL_WINDOW_H */
