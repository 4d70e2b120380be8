/* demo_files.c -- real files of this machine, to be loaded as keys. */
#include "cli/demo_files.h"

#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/xmalloc.h"

/* What is being collected, and how many bytes each file has. */
struct harvest {
    struct demo_files *files;
    uint64_t *sizes;
    size_t capacity;
    size_t wanted;
};

static void add(struct harvest *harvest, const char *path, uint64_t size, uint32_t piece)
{
    struct demo_files *files = harvest->files;
    if (files->count == harvest->capacity) {
        harvest->capacity = harvest->capacity * 2 + 1024;
        files->files = xrealloc(files->files, harvest->capacity * sizeof files->files[0]);
        harvest->sizes = xrealloc(harvest->sizes, harvest->capacity * sizeof harvest->sizes[0]);
    }
    harvest->sizes[files->count] = size;
    files->files[files->count++] =
        (struct demo_file){.path = xstrndup(path, strlen(path)), .piece = piece};
}

static int compare_names(const FTSENT **left, const FTSENT **right)
{
    return strcmp((*left)->fts_name, (*right)->fts_name);
}

static void walk(struct harvest *harvest, const char *root)
{
    char *start = xstrndup(root, strlen(root));
    char *roots[] = {start, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, compare_names);
    FTSENT *entry = tree == NULL ? NULL : fts_read(tree);
    while (entry != NULL && harvest->files->count < harvest->wanted) {
        if (entry->fts_info == FTS_F && S_ISREG(entry->fts_statp->st_mode) &&
            access(entry->fts_path, R_OK) == 0) {
            add(harvest, entry->fts_path, (uint64_t)entry->fts_statp->st_size, 0);
        }
        entry = fts_read(tree);
    }
    if (tree != NULL) {
        fts_close(tree);
    }
    free(start);
}

/* Take further pieces of the large ones, round by round. */
static void split(struct harvest *harvest)
{
    const size_t whole = harvest->files->count;
    int found = 1;
    for (uint32_t piece = 1; found && harvest->files->count < harvest->wanted; piece++) {
        found = 0;
        for (size_t i = 0; i < whole && harvest->files->count < harvest->wanted; i++) {
            if (harvest->sizes[i] > (uint64_t)piece * DEMO_VALUE_MAX) {
                add(harvest, harvest->files->files[i].path, harvest->sizes[i], piece);
                found = 1;
            }
        }
    }
}

void demo_files_collect(struct demo_files *files, size_t wanted)
{
    static const char *const roots[] = {"/usr/share", "/usr/include", "/usr/lib", "/etc",
                                        "/usr/bin",   "/usr/local",   "/opt",     "/var/lib"};
    struct harvest harvest = {.files = files, .wanted = wanted};
    *files = (struct demo_files){.count = 0};
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        walk(&harvest, roots[i]);
    }
    split(&harvest);
    free(harvest.sizes);
}

void demo_files_deinit(struct demo_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->files[i].path);
    }
    free(files->files);
}

size_t demo_files_key(const struct demo_file *file, char *to, size_t room)
{
    const int size = file->piece == 0 ? snprintf(to, room, "%s", file->path)
                                      : snprintf(to, room, "%s#%u", file->path, file->piece);
    return (size_t)size < room ? (size_t)size : room - 1;
}

size_t demo_files_read(const struct demo_file *file, uint8_t to[DEMO_VALUE_MAX])
{
    const int descriptor = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0) {
        return 0;
    }
    const ssize_t size = pread(descriptor, to, DEMO_VALUE_MAX, (off_t)file->piece * DEMO_VALUE_MAX);
    close(descriptor);
    return size < 0 ? 0 : (size_t)size;
}
