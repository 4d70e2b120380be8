/* fault_test.c -- what the kernel and the resolver seldom do: short writes, refusals, several
 * addresses for one name. The functions below stand in for the C library's; the linker finds
 * them first. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loop.h"
#include "test.h"

enum {
    SILENT_CALLERS = 4 /* More than a queue of none has room for. */
};

/* -- Stand-ins -------------------------------------------------------------------------- */

static int fault; /* What the next pwrite() does, once: an errno value, or ... */
enum {
    SHORT = -1,
    NOTHING = -2
};                       /* ... writes a part, or nothing. */
static int sync_error;   /* Of every fdatasync(); 0: the real one. */
static int sync_count;   /* Calls of it. */
static int pwrite_count; /* Calls of pwrite(). */
int read_error;          /* Of the next pread(), once; not static, for that is inline somewhere. */
static int dir_sync_error;         /* Of every fsync(); 0: the real one. */
static int dir_sync_count;         /* Calls of it for directories. */
static atomic_int extra_addresses; /* The look-up finds so many more, none of which listens. */

ssize_t pwrite(int descriptor, const void *from, size_t size, off_t offset)
{
    const int now = fault;
    pwrite_count++;
    fault = 0;
    if (now > 0) {
        errno = now;
        return -1;
    }
    if (now == NOTHING) {
        return 0;
    }
    return syscall(SYS_pwrite64, descriptor, from, now == SHORT ? size / 2 : size, offset);
}

ssize_t pread(int descriptor, void *to, size_t size, off_t offset)
{
    if (read_error != 0) {
        errno = read_error;
        read_error = 0;
        return -1;
    }
    return syscall(SYS_pread64, descriptor, to, size, offset);
}

int fsync(int descriptor)
{
    struct stat status;
    dir_sync_count += fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode);
    if (dir_sync_error != 0) {
        errno = dir_sync_error;
        return -1;
    }
    return (int)syscall(SYS_fsync, descriptor);
}

int fdatasync(int descriptor)
{
    sync_count++;
    if (sync_error != 0) {
        errno = sync_error;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, descriptor);
}

/* 127.0.0.2, 127.0.0.3 ... in front of what the real one finds. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    const int error = real(host, service, hints, result);
    for (int i = 0; error == 0 && i < extra_addresses; i++) {
        char digits[32];
        struct addrinfo *more;
        snprintf(digits, sizeof digits, "127.0.0.%d", 2 + i);
        assert_int_equal(real(digits, service, hints, &more), 0);
        more->ai_next = *result;
        *result = more;
    }
    return error;
}

/* -- Files ------------------------------------------------------------------------------ */

struct scratch {
    struct loop loop;
    char path[32];
    struct os_file *file;
};

static void open_scratch(struct scratch *scratch, unsigned flags)
{
    loop_open(&scratch->loop);
    snprintf(scratch->path, sizeof scratch->path, "/tmp/synod-os-XXXXXX");
    const int descriptor = mkstemp(scratch->path);
    assert_true(descriptor >= 0);
    close(descriptor);
    assert_int_equal(
        os_file_open(scratch->loop.os, scratch->path, OS_FILE_WRITE | flags, &scratch->file), 0);
    pwrite_count = 0;
}

static void close_scratch(struct scratch *scratch)
{
    fault = 0;
    os_file_close(scratch->loop.os, scratch->file);
    assert_int_equal(os_remove(scratch->loop.os, scratch->path), 0);
    loop_close(&scratch->loop);
}

TEST(file, carries_on_a_write_that_was_cut_short_or_interrupted)
{
    static const int faults[] = {SHORT, EINTR};
    for (int i = 0; i < 2; i++) {
        struct scratch scratch;
        char text[16] = "";
        open_scratch(&scratch, 0);
        fault = faults[i];
        assert_int_equal(os_file_write(scratch.loop.os, scratch.file, 3, "0123456789", 10), 0);
        assert_int_equal(pwrite_count, 2);
        assert_int_equal(os_file_read(scratch.loop.os, scratch.file, 3, text, 16), 10);
        assert_string_equal(text, "0123456789");
        close_scratch(&scratch);
    }
}

TEST(file, fails_a_write_that_the_disk_refuses_or_never_takes)
{
    struct scratch scratch;
    open_scratch(&scratch, 0);
    fault = ENOSPC;
    assert_int_equal(os_file_write(scratch.loop.os, scratch.file, 0, "x", 1), -ENOSPC);
    fault = EINVAL;
    assert_int_equal(os_file_write(scratch.loop.os, scratch.file, 0, "x", 1), -EINVAL);
    fault = NOTHING;
    assert_int_equal(os_file_write(scratch.loop.os, scratch.file, 0, "x", 1), -EIO);
    assert_int_equal(pwrite_count, 3);
    close_scratch(&scratch);
}

TEST(file, gives_up_direct_writes_that_the_file_system_does_not_take)
{
    struct scratch scratch;
    void *block = aligned_alloc(OS_BLOCK_SIZE, OS_BLOCK_SIZE);
    assert_non_null(block);
    memset(block, 'x', OS_BLOCK_SIZE);
    open_scratch(&scratch, OS_FILE_DIRECT);
    fault = EINVAL;
    assert_int_equal(os_file_write(scratch.loop.os, scratch.file, 0, block, OS_BLOCK_SIZE), 0);
    assert_int_equal(pwrite_count, 2);
    fault = EINVAL; /* Only once: after that it is an error like any other. */
    assert_int_equal(os_file_write(scratch.loop.os, scratch.file, 0, block, OS_BLOCK_SIZE),
                     -EINVAL);
    free(block);
    close_scratch(&scratch);
}

/* What was written through the page cache, because the disk's blocks are larger than ours, has to
 * be read that way, too: else the log of the life before could not be opened. */
TEST(file, gives_up_direct_reads_that_the_file_system_does_not_take)
{
    struct scratch scratch;
    char *block = aligned_alloc(OS_BLOCK_SIZE, OS_BLOCK_SIZE);
    assert_non_null(block);
    memset(block, 'x', OS_BLOCK_SIZE);
    open_scratch(&scratch, OS_FILE_DIRECT);
    assert_int_equal(os_file_write(scratch.loop.os, scratch.file, 0, block, OS_BLOCK_SIZE), 0);
    block[0] = 0;
    read_error = EINVAL;
    assert_int_equal(os_file_read(scratch.loop.os, scratch.file, 0, block, OS_BLOCK_SIZE),
                     OS_BLOCK_SIZE);
    assert_int_equal(block[0], 'x');
    read_error = EINVAL; /* Only once. */
    assert_int_equal(os_file_read(scratch.loop.os, scratch.file, 0, block, OS_BLOCK_SIZE), -EINVAL);
    read_error = EIO;
    assert_int_equal(os_file_read(scratch.loop.os, scratch.file, 0, block, OS_BLOCK_SIZE), -EIO);
    free(block);
    close_scratch(&scratch);
}

/* A name is on the disk when its directory was synced, and not when it is there. */
TEST(file, syncs_a_directory_and_says_when_that_fails)
{
    struct loop loop;
    loop_open(&loop);
    dir_sync_count = 0;
    assert_int_equal(os_dir_sync(loop.os, "/tmp"), 0);
    assert_int_equal(dir_sync_count, 1);
    dir_sync_error = EIO;
    assert_int_equal(os_dir_sync(loop.os, "/tmp"), -EIO);
    assert_int_equal(dir_sync_count, 2);
    dir_sync_error = 0;
    loop_close(&loop);
}

TEST(file, never_tries_a_failed_sync_again)
{
    struct scratch scratch;
    open_scratch(&scratch, 0);
    sync_error = EIO;
    sync_count = 0;
    assert_int_equal(os_file_sync(scratch.loop.os, scratch.file), -EIO);
    sync_error = EINTR;
    assert_int_equal(os_file_sync(scratch.loop.os, scratch.file), -EINTR);
    assert_int_equal(sync_count, 2);
    sync_error = 0;
    close_scratch(&scratch);
}

/* -- Addresses -------------------------------------------------------------------------- */

struct caller {
    struct loop loop;
    struct os_stream *stream;
    struct os_stream *accepted;
    int is_open;
    int error;
    int shuts_after; /* Turns of the loop after which it hangs up; 0: it does not. */
};

static void on_open(void *context)
{
    ((struct caller *)context)->is_open = 1;
}

static void on_data(__attribute__((unused)) void *context,
                    __attribute__((unused)) struct bytes data)
{
}

static void on_drain(__attribute__((unused)) void *context)
{
}

static void on_close(void *context, int error)
{
    ((struct caller *)context)->error = error;
}

static const struct os_stream_events events = {
    .on_open = on_open, .on_data = on_data, .on_drain = on_drain, .on_close = on_close};

static void on_accept(void *context, struct os_stream *stream)
{
    struct caller *caller = context;
    caller->accepted = stream;
    os_stream_attach(stream, &events, caller);
}

static void hang_up(void *context)
{
    struct caller *caller = context;
    if (caller->stream != NULL && caller->shuts_after > 0 && --caller->shuts_after == 0) {
        os_stream_close(caller->stream);
        caller->stream = NULL;
    }
}

static int is_connected(void *context)
{
    const struct caller *caller = context;
    return caller->is_open && caller->accepted != NULL;
}

/* Call "localhost", which has three addresses that do not answer and one that may. */
static void call(struct caller *caller, const char *listen_on, struct os_listener **listener)
{
    char address[32];
    loop_open(&caller->loop);
    struct os *os = caller->loop.os;
    assert_int_equal(os_turn_end(os, hang_up, caller), 0);
    assert_int_equal(os_listen(os, listen_on, on_accept, caller, listener), 0);
    snprintf(address, sizeof address, "localhost:%d", os_listener_port(os, *listener));
    extra_addresses = 3;
    assert_int_equal(os_connect(os, address, &events, caller, &caller->stream), 0);
}

static void end_call(struct caller *caller, struct os_listener *listener)
{
    extra_addresses = 0;
    if (caller->stream != NULL) {
        os_stream_close(caller->stream);
    }
    if (caller->accepted != NULL) {
        os_stream_close(caller->accepted);
    }
    os_listener_close(caller->loop.os, listener);
    loop_close(&caller->loop);
}

TEST(stream, tries_every_address_of_a_name)
{
    struct caller caller = {0};
    struct os_listener *listener;
    call(&caller, "127.0.0.1:0", &listener);
    loop_run_until(&caller.loop, is_connected, &caller);
    end_call(&caller, listener);
}

TEST(stream, reports_the_last_failure_when_no_address_answers)
{
    struct caller caller = {0};
    struct os_listener *listener;
    call(&caller, "127.0.0.77:0", &listener);
    loop_run_until(&caller.loop, loop_is_set, &caller.error);
    assert_int_equal(caller.error, -ECONNREFUSED);
    end_call(&caller, listener);
}

static int has_hung_up_or_failed(void *context)
{
    const struct caller *caller = context;
    return caller->stream == NULL || caller->error != 0;
}

static int is_connected_or_over(void *context)
{
    return is_connected(context) || has_hung_up_or_failed(context);
}

/* In the look-up and in every attempt, seen from the end of a turn. */
TEST(stream, may_be_closed_in_every_turn_of_trying)
{
    int failed = 0;
    for (int turns = 1; !failed; turns++) {
        struct caller caller = {.shuts_after = turns};
        struct os_listener *listener;
        call(&caller, "127.0.0.77:0", &listener);
        loop_run_until(&caller.loop, has_hung_up_or_failed, &caller);
        failed = caller.error != 0;
        end_call(&caller, listener);
    }
}

/* Beside the caller somebody else calls in vain, once in every turn. His attempt begins after
 * the caller's next one, at the end of the turn; so it fails after it, in the same turn: in the
 * moment between two attempts of the caller. */
struct rival {
    struct caller caller;
    struct os_stream *stream;
};

static void on_rival_close(void *context, __attribute__((unused)) int error)
{
    struct rival *rival = context;
    os_stream_close(rival->stream);
    rival->stream = NULL;
    hang_up(&rival->caller);
}

static const struct os_stream_events rival_events = {.on_close = on_rival_close};

static void call_in_vain(void *context)
{
    struct rival *rival = context;
    if (rival->stream == NULL) {
        assert_int_equal(
            os_connect(rival->caller.loop.os, "127.0.0.77:1", &rival_events, rival, &rival->stream),
            0);
    }
}

/* Returns 0 when all attempts were over before the rival had failed so often. */
static int hang_up_after(int failures)
{
    struct rival rival = {0};
    loop_open(&rival.caller.loop);
    struct os *os = rival.caller.loop.os;
    assert_int_equal(os_turn_end(os, call_in_vain, &rival), 0);
    extra_addresses = 3;
    assert_int_equal(os_connect(os, "localhost:1", &events, &rival.caller, &rival.caller.stream),
                     0);
    rival.caller.shuts_after = failures;
    loop_run_until(&rival.caller.loop, has_hung_up_or_failed, &rival.caller);
    extra_addresses = 0;
    if (rival.caller.stream != NULL) {
        os_stream_close(rival.caller.stream);
    }
    if (rival.stream != NULL) {
        os_stream_close(rival.stream);
    }
    loop_close(&rival.caller.loop);
    return rival.caller.error == 0;
}

TEST(stream, may_be_closed_between_two_attempts)
{
    int failures = 1;
    while (hang_up_after(failures)) {
        failures++;
    }
    assert_true(failures > 2);
}

/* The first address of "localhost", 127.0.0.2, takes what is sent to it and says nothing: somebody
 * listens there who accepts nobody, and his queue is full. */
struct silent {
    int listener;
    int callers[SILENT_CALLERS];
};

static void fall_silent(struct silent *silent, int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
    silent->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(silent->listener, (const void *)&address, sizeof address), 0);
    assert_int_equal(listen(silent->listener, 0), 0);
    for (int i = 0; i < SILENT_CALLERS; i++) {
        silent->callers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(silent->callers[i], (const void *)&address, sizeof address);
    }
}

static void end_silence(const struct silent *silent)
{
    for (int i = 0; i < SILENT_CALLERS; i++) {
        close(silent->callers[i]);
    }
    close(silent->listener);
}

/* Call "localhost", of which one address is silent and the other one answers; hang up after so many
 * turns. Returns true if it was answered before that. */
static int is_answered_within(int turns)
{
    struct caller caller = {.shuts_after = turns};
    struct os_listener *listener;
    struct silent silent;
    char address[32];
    loop_open(&caller.loop);
    struct os *os = caller.loop.os;
    assert_int_equal(os_turn_end(os, hang_up, &caller), 0);
    assert_int_equal(os_listen(os, "127.0.0.1:0", on_accept, &caller, &listener), 0);
    fall_silent(&silent, os_listener_port(os, listener));
    snprintf(address, sizeof address, "localhost:%d", os_listener_port(os, listener));
    extra_addresses = 1;
    assert_int_equal(os_connect(os, address, &events, &caller, &caller.stream), 0);
    loop_run_until(&caller.loop, is_connected_or_over, &caller);
    const int is_answered = caller.is_open;
    end_call(&caller, listener);
    end_silence(&silent);
    return is_answered;
}

TEST(stream, gives_up_an_address_that_is_silent_while_there_is_another)
{
    assert_true(is_answered_within(INT_MAX));
}

TEST(stream, may_be_closed_in_every_turn_of_waiting_for_a_silent_address)
{
    int turns = 1;
    while (!is_answered_within(turns)) {
        turns++;
    }
    assert_true(turns > 3);
}

TEST(listener, listens_at_a_name)
{
    struct caller caller = {0};
    struct os_listener *listener;
    char address[32];
    loop_open(&caller.loop);
    struct os *os = caller.loop.os;
    assert_int_equal(os_listen(os, "localhost:0", on_accept, &caller, &listener), 0);
    snprintf(address, sizeof address, "localhost:%d", os_listener_port(os, listener));
    assert_int_equal(os_connect(os, address, &events, &caller, &caller.stream), 0);
    loop_run_until(&caller.loop, is_connected, &caller);
    end_call(&caller, listener);
}
