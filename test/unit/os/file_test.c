/* file_test.c -- files and directories, in a directory of their own under /tmp. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop.h"
#include "test.h"

struct place {
    struct loop loop;
    char directory[32];
    char path[4][64]; /* Results of path_of(), the last four. */
    unsigned path_count;
};

static void open_place(struct place *place)
{
    memset(place, 0, sizeof *place);
    loop_open(&place->loop);
    snprintf(place->directory, sizeof place->directory, "/tmp/synod-os-XXXXXX");
    assert_non_null(mkdtemp(place->directory));
}

static const char *path_of(struct place *place, const char *name)
{
    char *path = place->path[place->path_count++ % 4];
    snprintf(path, sizeof place->path[0], "%s/%s", place->directory, name);
    return path;
}

static void remove_name(void *context, const char *name)
{
    struct place *place = context;
    assert_int_equal(os_remove(place->loop.os, path_of(place, name)), 0);
}

static void close_place(struct place *place)
{
    assert_int_equal(os_dir_list(place->loop.os, place->directory, remove_name, place), 0);
    assert_int_equal(os_remove(place->loop.os, place->directory), 0);
    loop_close(&place->loop);
}

static int open_file(struct place *place, const char *name, unsigned flags, struct os_file **file)
{
    return os_file_open(place->loop.os, path_of(place, name), flags, file);
}

static unsigned mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

/* -- Files ------------------------------------------------------------------------------ */

TEST(file, is_created_for_its_owner_alone)
{
    struct place place;
    struct os_file *file;
    open_place(&place);
    const mode_t mask = umask(0);
    assert_int_equal(open_file(&place, "f", OS_FILE_WRITE, &file), -ENOENT);
    assert_int_equal(open_file(&place, "f", OS_FILE_WRITE | OS_FILE_CREATE, &file), 0);
    umask(mask);
    assert_int_equal(mode_of(path_of(&place, "f")), 0600);
    os_file_close(place.loop.os, file);
    assert_int_equal(
        open_file(&place, "f", OS_FILE_WRITE | OS_FILE_CREATE | OS_FILE_EXCLUSIVE, &file), -EEXIST);
    close_place(&place);
}

TEST(file, gives_back_what_was_written_and_less_only_at_its_end)
{
    struct place place;
    struct os_file *file;
    char text[16] = "";
    open_place(&place);
    struct os *os = place.loop.os;
    assert_int_equal(open_file(&place, "f", OS_FILE_WRITE | OS_FILE_CREATE, &file), 0);
    assert_int_equal(os_file_write(os, file, 4, "written", 7), 0);
    assert_int_equal(os_file_size(os, file), 11);
    assert_int_equal(os_file_sync(os, file), 0);
    assert_int_equal(os_file_read(os, file, 0, text, 8), 8);
    assert_memory_equal(text, "\0\0\0\0writ", 8);
    assert_int_equal(os_file_read(os, file, 8, text, 16), 3);
    assert_memory_equal(text, "ten", 3);
    assert_int_equal(os_file_read(os, file, 100, text, 16), 0);
    assert_int_equal(os_file_truncate(os, file, 6), 0);
    assert_int_equal(os_file_truncate(os, file, 9), 0);
    assert_int_equal(os_file_read(os, file, 4, text, 16), 5);
    assert_memory_equal(text, "wr\0\0\0", 5);
    os_file_close(os, file);

    assert_int_equal(open_file(&place, "f", 0, &file), 0);
    assert_int_equal(os_file_write(os, file, 0, "no", 2), -EBADF);
    os_file_close(os, file);
    close_place(&place);
}

TEST(file, is_never_a_symbolic_link_a_directory_or_a_pipe)
{
    struct place place;
    struct os_file *file;
    open_place(&place);
    assert_int_equal(open_file(&place, "f", OS_FILE_WRITE | OS_FILE_CREATE, &file), 0);
    os_file_close(place.loop.os, file);
    assert_int_equal(symlink(path_of(&place, "f"), path_of(&place, "link")), 0);
    assert_int_equal(symlink(path_of(&place, "gone"), path_of(&place, "dangling")), 0);
    assert_int_equal(mkfifo(path_of(&place, "pipe"), 0600), 0);
    assert_int_equal(open_file(&place, "link", 0, &file), -ELOOP);
    assert_int_equal(open_file(&place, "dangling", OS_FILE_WRITE | OS_FILE_CREATE, &file), -ELOOP);
    assert_int_equal(open_file(&place, "pipe", 0, &file), -EINVAL);
    assert_int_equal(open_file(&place, ".", 0, &file), -EISDIR);
    close_place(&place);
}

/* What another process gets when it opens the file with a lock: 0, or the errno value. */
static int lock_elsewhere(struct place *place, const char *name)
{
    int status;
    const pid_t child = fork();
    if (child == 0) {
        struct os_file *file;
        const int error = open_file(place, name, OS_FILE_WRITE | OS_FILE_LOCK, &file);
        _exit(-error);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

TEST(file, locked_here_cannot_be_locked_elsewhere_until_it_is_closed)
{
    struct place place;
    struct os_file *file, *again;
    open_place(&place);
    assert_int_equal(open_file(&place, "f", OS_FILE_WRITE | OS_FILE_CREATE | OS_FILE_LOCK, &file),
                     0);
    assert_int_equal(lock_elsewhere(&place, "f"), EWOULDBLOCK);
    assert_int_equal(open_file(&place, "f", OS_FILE_WRITE | OS_FILE_LOCK, &again), -EWOULDBLOCK);
    os_file_close(place.loop.os, file);
    assert_int_equal(lock_elsewhere(&place, "f"), 0);
    close_place(&place);
}

/* The child takes the lock and is killed; nothing is left of it. */
TEST(file, lock_dies_with_its_process)
{
    struct place place;
    struct os_file *file;
    int ready[2];
    char byte;
    open_place(&place);
    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        (void)!open_file(&place, "f", OS_FILE_WRITE | OS_FILE_CREATE | OS_FILE_LOCK, &file);
        (void)!write(ready[1], "x", 1);
        pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(open_file(&place, "f", OS_FILE_WRITE | OS_FILE_LOCK, &file), -EWOULDBLOCK);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(open_file(&place, "f", OS_FILE_WRITE | OS_FILE_LOCK, &file), 0);
    os_file_close(place.loop.os, file);
    close(ready[0]);
    close(ready[1]);
    close_place(&place);
}

static void write_directly(struct place *place)
{
    struct os *os = place->loop.os;
    struct os_file *file;
    uint8_t *block = aligned_alloc(OS_BLOCK_SIZE, (size_t)OS_BLOCK_SIZE * 2);
    assert_non_null(block);
    memset(block, 'd', (size_t)OS_BLOCK_SIZE * 2);
    assert_int_equal(
        open_file(place, "direct", OS_FILE_WRITE | OS_FILE_CREATE | OS_FILE_DIRECT, &file), 0);
    assert_int_equal(os_file_write(os, file, OS_BLOCK_SIZE, block, (size_t)OS_BLOCK_SIZE * 2), 0);
    assert_int_equal(os_file_sync(os, file), 0);
    assert_int_equal(os_file_size(os, file), OS_BLOCK_SIZE * 3);
    memset(block, 0, (size_t)OS_BLOCK_SIZE * 2);
    assert_int_equal(os_file_read(os, file, (uint64_t)OS_BLOCK_SIZE * 2, block, OS_BLOCK_SIZE),
                     OS_BLOCK_SIZE);
    assert_int_equal(block[0], 'd');
    assert_int_equal(block[OS_BLOCK_SIZE - 1], 'd');
    os_file_close(os, file);
    free(block);
}

TEST(file, takes_direct_writes_where_the_disk_can_and_others_where_not)
{
    struct place place;
    open_place(&place);
    write_directly(&place);
    assert_int_equal(os_remove(place.loop.os, path_of(&place, "direct")), 0);

    char on_disk[32];
    memcpy(on_disk, place.directory, sizeof on_disk);
    snprintf(place.directory, sizeof place.directory, "/dev/shm/synod-os-XXXXXX");
    if (mkdtemp(place.directory) != NULL) { /* A file system in memory, if there is one. */
        write_directly(&place);
        assert_int_equal(os_remove(place.loop.os, path_of(&place, "direct")), 0);
        assert_int_equal(os_remove(place.loop.os, place.directory), 0);
    }
    memcpy(place.directory, on_disk, sizeof on_disk);
    close_place(&place);
}

/* The kernel allows 64 KiB and takes the beginning of the write; the rest must be reported, not
 * be lost in silence. A child, because the limit cannot be raised again. */
TEST(file, says_when_a_write_does_not_fit)
{
    struct place place;
    int status;
    open_place(&place);
    const pid_t child = fork();
    if (child == 0) {
        static const char zeroes[128 * 1024];
        struct os_file *file;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){64 * 1024, 64 * 1024});
        int error = open_file(&place, "f", OS_FILE_WRITE | OS_FILE_CREATE, &file);
        if (error == 0) {
            error = os_file_write(place.loop.os, file, 0, zeroes, sizeof zeroes);
        }
        _exit(-error);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), EFBIG);
    close_place(&place);
}

/* -- Directories ------------------------------------------------------------------------ */

TEST(directory, is_ours_alone_or_refused)
{
    struct place place;
    open_place(&place);
    struct os *os = place.loop.os;
    const mode_t mask = umask(0);
    assert_int_equal(os_dir_create(os, path_of(&place, "d")), 0);
    umask(mask);
    assert_int_equal(mode_of(path_of(&place, "d")), 0700);
    assert_int_equal(os_dir_create(os, path_of(&place, "d")), -EEXIST);
    assert_int_equal(os_dir_check(os, path_of(&place, "d")), 0);
    assert_int_equal(os_dir_check(os, path_of(&place, "d/")), 0);
    assert_int_equal(os_dir_check(os, path_of(&place, "none")), -ENOENT);

    assert_int_equal(chmod(path_of(&place, "d"), 0750), 0);
    assert_int_equal(os_dir_check(os, path_of(&place, "d")), -EPERM);
    assert_int_equal(chmod(path_of(&place, "d"), 0701), 0);
    assert_int_equal(os_dir_check(os, path_of(&place, "d")), -EPERM);
    assert_int_equal(chmod(path_of(&place, "d"), 0700), 0);

    assert_int_equal(symlink(path_of(&place, "d"), path_of(&place, "link")), 0);
    assert_int_equal(os_dir_check(os, path_of(&place, "link")), -ELOOP);
    assert_int_equal(os_dir_check(os, path_of(&place, "link/")), -ELOOP);
    assert_int_equal(os_remove(os, path_of(&place, "link")), 0);

    struct os_file *file;
    assert_int_equal(open_file(&place, "f", OS_FILE_WRITE | OS_FILE_CREATE, &file), 0);
    os_file_close(os, file);
    assert_int_equal(os_dir_check(os, path_of(&place, "f")), -ENOTDIR);
    close_place(&place);
}

static void append_name(void *context, const char *name)
{
    char *names = context;
    snprintf(names + strlen(names), 64 - strlen(names), "%s ", name);
}

TEST(directory, lists_its_names_in_order)
{
    struct place place;
    char names[64] = "";
    static const char *const made[] = {"b", "10", "a", "9", "B", ".hidden"};
    open_place(&place);
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        struct os_file *file;
        assert_int_equal(open_file(&place, made[i], OS_FILE_WRITE | OS_FILE_CREATE, &file), 0);
        os_file_close(place.loop.os, file);
    }
    assert_int_equal(os_dir_list(place.loop.os, place.directory, append_name, names), 0);
    assert_string_equal(names, ".hidden 10 9 B a b ");
    assert_int_equal(os_dir_list(place.loop.os, path_of(&place, "none"), append_name, names),
                     -ENOENT);
    close_place(&place);
}

TEST(directory, renames_over_what_is_there_and_can_be_synced)
{
    struct place place;
    char names[64] = "";
    struct os_file *file;
    open_place(&place);
    struct os *os = place.loop.os;
    assert_int_equal(open_file(&place, "new", OS_FILE_WRITE | OS_FILE_CREATE, &file), 0);
    assert_int_equal(os_file_write(os, file, 0, "new", 3), 0);
    os_file_close(os, file);
    assert_int_equal(open_file(&place, "old", OS_FILE_WRITE | OS_FILE_CREATE, &file), 0);
    os_file_close(os, file);
    assert_int_equal(os_rename(os, path_of(&place, "new"), path_of(&place, "old")), 0);
    assert_int_equal(os_rename(os, path_of(&place, "new"), path_of(&place, "old")), -ENOENT);
    assert_int_equal(os_dir_sync(os, place.directory), 0);
    assert_int_equal(os_dir_sync(os, path_of(&place, "none")), -ENOENT);
    assert_int_equal(os_dir_list(os, place.directory, append_name, names), 0);
    assert_string_equal(names, "old ");
    assert_int_equal(open_file(&place, "old", 0, &file), 0);
    assert_int_equal(os_file_size(os, file), 3);
    os_file_close(os, file);
    assert_true(os_dir_free_bytes(os, place.directory) > 0);
    assert_int_equal(os_dir_free_bytes(os, path_of(&place, "none")), -ENOENT);
    close_place(&place);
}
