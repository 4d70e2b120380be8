/* fault_posix.c -- what our os on libuv asks of the system, refused.
 *
 * The archives of the programs of test/fault call these in place of the functions of the same
 * names (Makefile). They refuse nothing but to a process that is under test as a whole
 * (test/fault/server); everywhere else faults come through os_fault.c. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fault.h"

typedef int (*fault_filter)(const struct dirent *entry);
typedef int (*fault_order)(const struct dirent **left, const struct dirent **right);

int fault_open(const char *path, int flags, ...);
int fault_fstat(int descriptor, struct stat *status);
int fault_flock(int descriptor, int operation);
ssize_t fault_pread(int descriptor, void *to, size_t size, off_t offset);
ssize_t fault_pwrite(int descriptor, const void *from, size_t size, off_t offset);
int fault_ftruncate(int descriptor, off_t size);
int fault_fdatasync(int descriptor);
int fault_fsync(int descriptor);
int fault_mkdir(const char *path, mode_t mode);
int fault_lstat(const char *path, struct stat *status);
int fault_statvfs(const char *path, struct statvfs *status);
int fault_scandir(const char *path, struct dirent ***entries, fault_filter filter,
                  fault_order order);
int fault_rename(const char *from, const char *to);
int fault_remove(const char *path);

static int refuse(enum fault_kind kind)
{
    if (fault_strikes(kind)) {
        errno = EIO;
        return -1;
    }
    return 0;
}

/* -- Files ---------------------------------------------------------------------------------- */

int fault_open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return refuse(FAULT_OPEN) != 0 ? -1 : open(path, flags, mode);
}

int fault_fstat(int descriptor, struct stat *status)
{
    return refuse(FAULT_READ) != 0 ? -1 : fstat(descriptor, status);
}

int fault_flock(int descriptor, int operation)
{
    return refuse(FAULT_OPEN) != 0 ? -1 : flock(descriptor, operation);
}

ssize_t fault_pread(int descriptor, void *to, size_t size, off_t offset)
{
    return refuse(FAULT_READ) != 0 ? -1 : pread(descriptor, to, size, offset);
}

ssize_t fault_pwrite(int descriptor, const void *from, size_t size, off_t offset)
{
    return refuse(FAULT_WRITE) != 0 ? -1 : pwrite(descriptor, from, size, offset);
}

int fault_ftruncate(int descriptor, off_t size)
{
    return refuse(FAULT_WRITE) != 0 ? -1 : ftruncate(descriptor, size);
}

int fault_fdatasync(int descriptor)
{
    return refuse(FAULT_SYNC) != 0 ? -1 : fdatasync(descriptor);
}

/* -- Directories ---------------------------------------------------------------------------- */

int fault_fsync(int descriptor)
{
    return refuse(FAULT_DIR_SYNC) != 0 ? -1 : fsync(descriptor);
}

int fault_mkdir(const char *path, mode_t mode)
{
    return refuse(FAULT_DIRECTORY) != 0 ? -1 : mkdir(path, mode);
}

int fault_lstat(const char *path, struct stat *status)
{
    return refuse(FAULT_DIRECTORY) != 0 ? -1 : lstat(path, status);
}

int fault_statvfs(const char *path, struct statvfs *status)
{
    return refuse(FAULT_DIRECTORY) != 0 ? -1 : statvfs(path, status);
}

int fault_scandir(const char *path, struct dirent ***entries, fault_filter filter,
                  fault_order order)
{
    const int count = refuse(FAULT_LIST) != 0 ? -1 : scandir(path, entries, filter, order);
    if (count >= 0) {
        fault_blocks_given(count + (*entries != NULL));
    }
    return count;
}

int fault_rename(const char *from, const char *to)
{
    return refuse(FAULT_RENAME) != 0 ? -1 : rename(from, to);
}

int fault_remove(const char *path)
{
    return refuse(FAULT_REMOVE) != 0 ? -1 : remove(path);
}
