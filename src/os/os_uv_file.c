/* os_uv_file.c -- files and directories by plain system calls, from any thread.
 *
 * Nothing here touches the loop. Calls block: whoever minds that calls them from a job.
 *
 * A write that the kernel carried out in part is carried on; a sync that failed is not tried
 * again, because the kernel may have marked the lost pages clean (PostgreSQL's "fsyncgate"). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/os_uv_internal.h"

struct os_file {
    int descriptor;
    int is_direct;      /* The owner keeps the rules of direct I/O; checked on every write. */
    int is_direct_real; /* The file system took O_DIRECT. */
};

/* -- Files ------------------------------------------------------------------------------ */

static int open_flags(unsigned flags)
{
    /* O_NONBLOCK keeps the open of a pipe from waiting for its other end; files ignore it. */
    int result = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
    result |= (flags & OS_FILE_WRITE) != 0 ? O_RDWR : O_RDONLY;
    result |= (flags & OS_FILE_CREATE) != 0 ? O_CREAT : 0;
    result |= (flags & OS_FILE_EXCLUSIVE) != 0 ? O_EXCL : 0;
    result |= (flags & OS_FILE_DIRECT) != 0 ? O_DIRECT : 0;
    return result;
}

/* Open, without O_DIRECT where the file system does not know it (it says EINVAL, and may have
 * created the file before it said so; so the second attempt does not insist on creating it). */
static int open_descriptor(const char *path, unsigned flags, int *is_direct)
{
    int wanted = open_flags(flags);
    int descriptor = open(path, wanted, 0600);
    if (descriptor < 0 && errno == EINVAL && (wanted & O_DIRECT) != 0) {
        wanted &= ~(O_DIRECT | O_EXCL);
        descriptor = open(path, wanted, 0600);
    }
    *is_direct = (wanted & O_DIRECT) != 0;
    return descriptor < 0 ? -errno : descriptor;
}

static int check_kind(int descriptor)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0) {
        return -errno;
    }
    if (S_ISDIR(status.st_mode)) {
        return -EISDIR;
    }
    return S_ISREG(status.st_mode) ? 0 : -EINVAL;
}

int os_uv_file_open(__attribute__((unused)) struct os *os, const char *path, unsigned flags,
                    struct os_file **file)
{
    struct os_file *opened = malloc(sizeof *opened);
    if (opened == NULL) {
        return -ENOMEM;
    }
    *opened = (struct os_file){.is_direct = (flags & OS_FILE_DIRECT) != 0};
    opened->descriptor = open_descriptor(path, flags, &opened->is_direct_real);
    int error = opened->descriptor < 0 ? opened->descriptor : check_kind(opened->descriptor);
    if (error == 0 && (flags & OS_FILE_LOCK) != 0 &&
        flock(opened->descriptor, LOCK_EX | LOCK_NB) != 0) {
        error = -errno;
    }
    if (error != 0) {
        if (opened->descriptor >= 0) {
            close(opened->descriptor);
        }
        free(opened);
        return error;
    }
    *file = opened;
    return 0;
}

void os_uv_file_close(struct os_file *file)
{
    if (file != NULL) {
        close(file->descriptor);
        free(file);
    }
}

int os_uv_file_is_direct(const struct os_file *file)
{
    return file->is_direct_real;
}

int64_t os_uv_file_size(struct os_file *file)
{
    struct stat status;
    return fstat(file->descriptor, &status) == 0 ? status.st_size : -errno;
}

/* The file system took O_DIRECT at open() but refuses this read or write for its alignment, as some
 * do: go through the page cache from now on. True if that was possible. */
static int give_up_direct(struct os_file *file)
{
    if (!file->is_direct_real) {
        return 0;
    }
    const int flags = fcntl(file->descriptor, F_GETFL);
    file->is_direct_real = 0;
    return flags >= 0 && fcntl(file->descriptor, F_SETFL, flags & ~O_DIRECT) == 0;
}

int64_t os_uv_file_read(struct os_file *file, uint64_t offset, void *to, size_t size)
{
    uint8_t *at = to;
    size_t done = 0;
    while (done < size) {
        const ssize_t got = pread(file->descriptor, at + done, size - done, (off_t)(offset + done));
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR && (errno != EINVAL || !give_up_direct(file))) {
            return -errno;
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return (int64_t)done;
}

int os_uv_file_write(struct os_file *file, uint64_t offset, const void *from, size_t size)
{
    const uint8_t *at = from;
    size_t done = 0;
    assert(!file->is_direct || (offset % OS_BLOCK_SIZE == 0 && size % OS_BLOCK_SIZE == 0 &&
                                (uintptr_t)from % OS_BLOCK_SIZE == 0));
    while (done < size) {
        const ssize_t written =
            pwrite(file->descriptor, at + done, size - done, (off_t)(offset + done));
        if (written == 0) {
            return -EIO; /* Not a promise of anything; trying again might never end. */
        }
        if (written < 0 && errno == EINVAL && give_up_direct(file)) {
            continue;
        }
        if (written < 0 && errno != EINTR) {
            return -errno;
        }
        done += written > 0 ? (size_t)written : 0;
    }
    return 0;
}

int os_uv_file_sync(struct os_file *file)
{
    return fdatasync(file->descriptor) == 0 ? 0 : -errno;
}

int os_uv_file_truncate(struct os_file *file, uint64_t size)
{
    int result;
    do {
        result = ftruncate(file->descriptor, (off_t)size);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : -errno;
}

/* -- Directories ------------------------------------------------------------------------ */

int os_uv_dir_create(__attribute__((unused)) struct os *os, const char *path)
{
    return mkdir(path, 0700) == 0 ? 0 : -errno;
}

/* "data/" would follow a symbolic link that "data" does not: look at the name without its
 * last slashes. */
static int status_of(const char *path, struct stat *status)
{
    char name[4096];
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    if (size >= sizeof name) {
        return -ENAMETOOLONG;
    }
    memcpy(name, path, size);
    name[size] = '\0';
    return lstat(name, status) == 0 ? 0 : -errno;
}

int os_uv_dir_check(__attribute__((unused)) struct os *os, const char *path)
{
    struct stat status;
    const int error = status_of(path, &status);
    if (error != 0) {
        return error;
    }
    if (S_ISLNK(status.st_mode)) {
        return -ELOOP;
    }
    if (!S_ISDIR(status.st_mode)) {
        return -ENOTDIR;
    }
    return status.st_uid == geteuid() && (status.st_mode & 0077) == 0 ? 0 : -EPERM;
}

int os_uv_dir_sync(__attribute__((unused)) struct os *os, const char *path)
{
    const int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return -errno;
    }
    const int error = fsync(descriptor) == 0 ? 0 : -errno;
    close(descriptor);
    return error;
}

static int is_wanted(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* Not alphasort(): its order depends on the locale. */
static int compare_names(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

int os_uv_dir_list(__attribute__((unused)) struct os *os, const char *path,
                   void (*visit)(void *context, const char *name), void *context)
{
    struct dirent **entries;
    const int count = scandir(path, &entries, is_wanted, compare_names);
    if (count < 0) {
        return -errno;
    }
    for (int i = 0; i < count; i++) {
        visit(context, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

int64_t os_uv_dir_free_bytes(__attribute__((unused)) struct os *os, const char *path)
{
    struct statvfs status;
    if (statvfs(path, &status) != 0) {
        return -errno;
    }
    return (int64_t)(status.f_bavail * status.f_frsize);
}

int os_uv_rename(__attribute__((unused)) struct os *os, const char *from, const char *to)
{
    return rename(from, to) == 0 ? 0 : -errno;
}

int os_uv_remove(__attribute__((unused)) struct os *os, const char *path)
{
    return remove(path) == 0 ? 0 : -errno;
}
