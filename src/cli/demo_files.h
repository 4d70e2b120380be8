/* demo_files.h -- real files of this machine, to be loaded as keys. */
#ifndef CLI_DEMO_FILES_H
#define CLI_DEMO_FILES_H

#include <stddef.h>
#include <stdint.h>

enum {
    DEMO_VALUE_MAX = 4096
};

/* One key: a piece of a file. */
struct demo_file {
    char *path;
    uint32_t piece; /* Bytes from piece * DEMO_VALUE_MAX on; 0 but where files are few. */
};

struct demo_files {
    struct demo_file *files;
    size_t count;
};

/* Find up to `wanted` readable files below /usr, /etc and other places; where there are fewer,
 * large files are taken in several pieces. */
void demo_files_collect(struct demo_files *files, size_t wanted);

void demo_files_deinit(struct demo_files *files);

/* The key of a file: its path, and its piece where that is not the first. `to` has `room` bytes;
 * what is longer is cut. Returns the size. */
size_t demo_files_key(const struct demo_file *file, char *to, size_t room);

/* Its first bytes, at most DEMO_VALUE_MAX of them; 0 where it cannot be read any more. */
size_t demo_files_read(const struct demo_file *file, uint8_t to[DEMO_VALUE_MAX]);

#endif /* CLI_DEMO_FILES_H */
