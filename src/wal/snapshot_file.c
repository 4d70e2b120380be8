/* snapshot_file.c -- the directory of the snapshots: names, listing, removing, installing. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "synod/error.h"
#include "wal/snapshot_internal.h"

enum {
    SLOT_DIGITS = 16,
    NAME_BYTES = 40 /* Room for a name with any suffix. */
};

/* -- Names ------------------------------------------------------------------------------- */

int snapshot_name_directory(char path[SNAPSHOT_PATH_BYTES], const char *dir, struct report *report)
{
    assert(path != NULL);
    assert(dir != NULL);
    const int length = snprintf(path, SNAPSHOT_PATH_BYTES, "%s/snap", dir);
    if (length < 0 || length >= SNAPSHOT_PATH_BYTES - 64) {
        return report_fill(report, SYNOD_ERR_ACCESS, (struct report_place){dir, REPORT_WHOLE},
                           "the path of the data directory is too long");
    }
    return 0;
}

void snapshot_name_file(char path[SNAPSHOT_PATH_BYTES], const char *directory, uint64_t slot,
                        const char *suffix)
{
    assert(suffix != NULL);
    assert(strlen(directory) < SNAPSHOT_PATH_BYTES - NAME_BYTES);
    const int length =
        snprintf(path, SNAPSHOT_PATH_BYTES, "%s/%016" PRIx64 ".snap%s", directory, slot, suffix);
    assert(length > 0 && length < SNAPSHOT_PATH_BYTES);
}

/* True, with `slot` set, if `name` is the name of a snapshot, or with a suffix of one that is
 * not complete; `suffix` points to what follows ".snap". */
static int parse_name(const char *name, uint64_t *slot, const char **suffix)
{
    assert(name != NULL);
    assert(slot != NULL && suffix != NULL);
    if (strspn(name, "0123456789abcdef") != SLOT_DIGITS ||
        strncmp(name + SLOT_DIGITS, ".snap", 5) != 0) {
        return 0;
    }
    *slot = strtoull(name, NULL, 16);
    *suffix = name + SLOT_DIGITS + 5;
    return 1;
}

int snapshot_open_file(struct snapshot_file *file, unsigned flags, struct report *report)
{
    assert(file->file == NULL);
    assert(file->path[0] != '\0');
    const int error = os_file_open(file->os, file->path, flags, &file->file);
    if (error != 0) {
        file->file = NULL;
        return report_system(report, (struct report_place){file->path, REPORT_WHOLE}, "open",
                             error);
    }
    return 0;
}

void snapshot_close_file(struct snapshot_file *file)
{
    assert(file->file == NULL || file->os != NULL);
    if (file->file != NULL) {
        os_file_close(file->os, file->file);
        file->file = NULL;
    }
}

int snapshot_fail_memory(const char *path, struct report *report)
{
    assert(path != NULL);
    return report_fill(report, SYNOD_ERR_MEMORY, (struct report_place){path, REPORT_WHOLE},
                       "no memory for a snapshot");
}

/* -- The directory ----------------------------------------------------------------------- */

struct visit {
    struct os *os;
    const char *directory;
    uint64_t below;  /* Remove snapshots below this slot. */
    uint64_t *slots; /* Where to list them, newest first. */
    size_t capacity;
    int64_t count;
    struct report *report;
    int error;
};

static void remove_name(struct visit *visit, const char *name)
{
    assert(name != NULL);
    char path[SNAPSHOT_PATH_BYTES];
    const int length = snprintf(path, sizeof path, "%s/%s", visit->directory, name);
    assert(length > 0 && length < SNAPSHOT_PATH_BYTES);
    const int error = os_remove(visit->os, path);
    if (error != 0 && visit->error == 0) {
        visit->error = report_system(visit->report, (struct report_place){path, REPORT_WHOLE},
                                     "removal", error);
    }
}

static void visit_unfinished(void *context, const char *name)
{
    assert(name != NULL);
    assert(context != NULL);
    struct visit *visit = context;
    uint64_t slot;
    const char *suffix;
    if (parse_name(name, &slot, &suffix) &&
        (strcmp(suffix, ".write") == 0 || strcmp(suffix, ".receive") == 0)) {
        MARK("snapshot: an unfinished one of an earlier life is removed");
        remove_name(visit, name);
    }
}

static void visit_old(void *context, const char *name)
{
    assert(name != NULL);
    assert(context != NULL);
    struct visit *visit = context;
    uint64_t slot;
    const char *suffix;
    if (parse_name(name, &slot, &suffix) && *suffix == '\0' && slot < visit->below) {
        remove_name(visit, name);
    }
}

/* They come oldest first: each new one pushes the others back. */
static void visit_slot(void *context, const char *name)
{
    assert(name != NULL);
    assert(context != NULL);
    struct visit *visit = context;
    uint64_t slot;
    const char *suffix;
    if (!parse_name(name, &slot, &suffix) || *suffix != '\0') {
        return;
    }
    visit->count++;
    if (visit->capacity > 0) {
        memmove(visit->slots + 1, visit->slots, (visit->capacity - 1) * sizeof *visit->slots);
        visit->slots[0] = slot;
    }
}

static int visit_all(struct visit *visit, void (*each)(void *context, const char *name))
{
    assert(each != NULL);
    assert(visit->error == 0);
    const int error = os_dir_list(visit->os, visit->directory, each, visit);
    if (error != 0) {
        return report_system(visit->report, (struct report_place){visit->directory, REPORT_WHOLE},
                             "listing the directory", error);
    }
    return visit->error;
}

int snapshot_start(struct os *os, const char *dir, struct report *report)
{
    assert(os != NULL);
    assert(dir != NULL);
    char directory[SNAPSHOT_PATH_BYTES];
    int error = snapshot_name_directory(directory, dir, report);
    if (error != 0) {
        return error;
    }
    const char *what = "check of the directory";
    error = os_dir_check(os, directory);
    if (error == -ENOENT) {
        what = "making the directory";
        error = os_dir_create(os, directory);
    }
    if (error == 0) {
        what = "sync of the directory above";
        error = os_dir_sync(os, dir);
    }
    if (error != 0) {
        return report_system(report, (struct report_place){directory, REPORT_WHOLE}, what, error);
    }
    struct visit visit = {.os = os, .directory = directory, .report = report};
    error = visit_all(&visit, visit_unfinished);
    if (error != 0) {
        return error;
    }
    /* The life before may have died between renaming a snapshot and this: the name is to be seen,
     * and whoever sees it trims the log. */
    error = MUTANT(82) ? 0 : os_dir_sync(os, directory);
    return error == 0 ? 0
                      : report_system(report, (struct report_place){directory, REPORT_WHOLE},
                                      "sync of the directory", error);
}

int64_t snapshot_list(struct os *os, const char *dir, uint64_t *slots, size_t capacity,
                      struct report *report)
{
    assert(slots != NULL || capacity == 0);
    assert(dir != NULL);
    char directory[SNAPSHOT_PATH_BYTES];
    const int error = snapshot_name_directory(directory, dir, report);
    if (error != 0) {
        return error;
    }
    struct visit visit = {
        .os = os, .directory = directory, .slots = slots, .capacity = capacity, .report = report};
    const int failed = visit_all(&visit, visit_slot);
    return failed != 0 ? failed : visit.count;
}

int snapshot_remove(struct os *os, const char *dir, uint64_t slot, struct report *report)
{
    assert(os != NULL);
    assert(dir != NULL);
    char directory[SNAPSHOT_PATH_BYTES];
    char path[SNAPSHOT_PATH_BYTES];
    int error = snapshot_name_directory(directory, dir, report);
    if (error != 0) {
        return error;
    }
    snapshot_name_file(path, directory, slot, "");
    const struct report_place place = {path, REPORT_WHOLE};
    error = os_remove(os, path);
    if (error != 0) {
        return report_system(report, place, "removal", error);
    }
    error = os_dir_sync(os, directory);
    return error == 0 ? 0 : report_system(report, place, "sync of the directory", error);
}

int snapshot_remove_below(struct os *os, const char *dir, uint64_t slot, struct report *report)
{
    assert(os != NULL);
    assert(dir != NULL);
    char directory[SNAPSHOT_PATH_BYTES];
    const int error = snapshot_name_directory(directory, dir, report);
    if (error != 0) {
        return error;
    }
    struct visit visit = {.os = os, .directory = directory, .below = slot, .report = report};
    return visit_all(&visit, visit_old);
}

/* -- Installing -------------------------------------------------------------------------- */

int snapshot_install(const struct snapshot_file *file, uint64_t slot, struct report *report)
{
    assert(file->path[0] != '\0');
    assert(file->directory[0] != '\0');
    char path[SNAPSHOT_PATH_BYTES];
    snapshot_name_file(path, file->directory, slot, "");
    const struct report_place place = {path, REPORT_WHOLE};
    int error = os_rename(file->os, file->path, path);
    if (error != 0) {
        return report_system(report, place, "rename", error);
    }
    error = os_dir_sync(file->os, file->directory);
    return error == 0 ? 0 : report_system(report, place, "sync of the directory", error);
}

int snapshot_sync_file(const struct snapshot_file *file, uint64_t offset, struct report *report)
{
    assert(file->file != NULL);
    const int error = os_file_sync(file->os, file->file);
    return error == 0
               ? 0
               : report_system(report, (struct report_place){file->path, offset}, "sync", error);
}
