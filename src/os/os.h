/* os.h -- the one seam between Synod and the outside: time, chance, disks and sockets.
 *
 * Everything above it (wal, peer, replica, the front end) reaches the world through these
 * tables of functions and nothing else. os_uv.c implements them on libuv; the simulator
 * implements them again with virtual time, a network that loses and a disk that tears.
 *
 * Threads   One loop thread calls everything here and gets every callback, with two
 *           exceptions: os_work.run is called on a worker thread, and the file and directory
 *           functions may be called from any thread (one thread at a time per file).
 * Errors    A function that can fail returns 0 (or a count) or a negative errno value.
 * Memory    What is passed in is borrowed until the call returns, unless it says otherwise.
 */
#ifndef OS_OS_H
#define OS_OS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct os;
struct os_timer;
struct os_file;
struct os_listener;
struct os_stream;

typedef void (*os_callback)(void *context);

/* -- Work on another thread ------------------------------------------------------------- */

/* One job. Placed by the caller, who keeps it until `done` was called. Jobs may run side by
 * side and in any order: who needs an order submits the next one from `done`. */
struct os_work {
    void (*run)(struct os_work *work);  /* On a worker thread; touches no loop state. */
    void (*done)(struct os_work *work); /* On the loop thread, after run has returned. */
    struct os_work *next;               /* The implementation's, from os_work() to done. */
};

/* -- Files ------------------------------------------------------------------------------ */

enum os_file_flags {
    OS_FILE_WRITE = 1,     /* Else read only. */
    OS_FILE_CREATE = 2,    /* Create it, mode 0600, if it is not there. */
    OS_FILE_EXCLUSIVE = 4, /* With CREATE: fail with -EEXIST if it is there. */
    OS_FILE_DIRECT = 8,    /* Writes bypass the page cache where the file system can: offsets,
                            * sizes and memory must then be multiples of OS_BLOCK_SIZE. */
    OS_FILE_LOCK = 16,     /* Take an exclusive lock that dies with the process; -EWOULDBLOCK
                            * if another process has it. */
};

/* The unit that a disk writes whole or not at all is at most this; direct I/O aligns to it. */
enum {
    OS_BLOCK_SIZE = 4096
};

/* -- Streams ---------------------------------------------------------------------------- */

/* What a connection tells its owner. After on_close nothing more is called. */
struct os_stream_events {
    /* A stream from os_connect() is connected. Not called on accepted ones. */
    void (*on_open)(void *context);
    /* Bytes arrived; borrowed until the callback returns. */
    void (*on_data)(void *context, struct bytes data);
    /* All that os_stream_write() had to queue has left. */
    void (*on_drain)(void *context);
    /* The stream ended by itself: 0 when the other side closed it in good order, else a
     * negative errno value. os_stream_close() must still be called, here or later. */
    void (*on_close)(void *context, int error);
};

/* A stream has its own table, so that one can be wrapped in another (TLS). */
struct os_stream_functions {
    void (*attach)(struct os_stream *stream, const struct os_stream_events *events, void *context);
    int (*write)(struct os_stream *stream, const struct bytes *parts, size_t count);
    size_t (*queued)(const struct os_stream *stream);
    void (*pause)(struct os_stream *stream, int is_paused);
    void (*close)(struct os_stream *stream);
    const char *(*peer_name)(const struct os_stream *stream);
};

struct os_stream {
    const struct os_stream_functions *functions;
};

/* A connection came in. The callee owns `stream`: it attaches events to it before it returns,
 * or closes it. */
typedef void (*os_accept_callback)(void *context, struct os_stream *stream);

/* -- The table -------------------------------------------------------------------------- */

struct os_functions {
    uint64_t (*now_us)(struct os *os);
    uint64_t (*wall_ms)(struct os *os);
    void (*random)(struct os *os, void *out, size_t size);

    struct os_timer *(*timer_new)(struct os *os, os_callback callback, void *context);
    void (*timer_start)(struct os_timer *timer, uint64_t delay_us);
    void (*timer_stop)(struct os_timer *timer);
    void (*timer_free)(struct os_timer *timer);

    int (*turn_end)(struct os *os, os_callback callback, void *context);
    void (*work)(struct os *os, struct os_work *work);

    int (*file_open)(struct os *os, const char *path, unsigned flags, struct os_file **file);
    void (*file_close)(struct os_file *file);
    int64_t (*file_size)(struct os_file *file);
    int64_t (*file_read)(struct os_file *file, uint64_t offset, void *to, size_t size);
    int (*file_write)(struct os_file *file, uint64_t offset, const void *from, size_t size);
    int (*file_sync)(struct os_file *file);
    int (*file_truncate)(struct os_file *file, uint64_t size);
    int (*file_is_direct)(const struct os_file *file);

    int (*dir_create)(struct os *os, const char *path);
    int (*dir_check)(struct os *os, const char *path);
    int (*dir_sync)(struct os *os, const char *path);
    int (*dir_list)(struct os *os, const char *path, void (*visit)(void *context, const char *name),
                    void *context);
    int64_t (*dir_free_bytes)(struct os *os, const char *path);
    int (*rename)(struct os *os, const char *from, const char *to);
    int (*remove)(struct os *os, const char *path);

    int (*listen)(struct os *os, const char *address, os_accept_callback accept, void *context,
                  struct os_listener **listener);
    int (*listener_port)(const struct os_listener *listener);
    void (*listener_close)(struct os_listener *listener);
    int (*connect)(struct os *os, const char *address, const struct os_stream_events *events,
                   void *context, struct os_stream **stream);
};

struct os {
    const struct os_functions *functions;
};

/* -- Time and chance -------------------------------------------------------------------- */

/* Monotonic microseconds since some fixed moment, as of the beginning of this turn of the
 * loop: cheap, and the same for everything that one turn does. */
static inline uint64_t os_now_us(struct os *os)
{
    return os->functions->now_us(os);
}

/* Milliseconds since 1970, for people to read. Never for the protocol. */
static inline uint64_t os_wall_ms(struct os *os)
{
    return os->functions->wall_ms(os);
}

/* Fill with bytes that nobody can predict (in a simulation: only its seed can). */
static inline void os_random(struct os *os, void *out, size_t size)
{
    os->functions->random(os, out, size);
}

/* A timer, stopped. NULL when there is no memory. */
static inline struct os_timer *os_timer_new(struct os *os, os_callback callback, void *context)
{
    return os->functions->timer_new(os, callback, context);
}

/* Call back once, `delay_us` microseconds from now (rounded up to the clock's grain).
 * Starting a timer that runs moves it. */
static inline void os_timer_start(struct os *os, struct os_timer *timer, uint64_t delay_us)
{
    os->functions->timer_start(timer, delay_us);
}

static inline void os_timer_stop(struct os *os, struct os_timer *timer)
{
    os->functions->timer_stop(timer);
}

static inline void os_timer_free(struct os *os, struct os_timer *timer)
{
    os->functions->timer_free(timer);
}

/* Call back at the end of every turn of the loop, when all that was ready has been handled and
 * before it waits again: the place where what a turn gathered is sent as one. Callbacks run in
 * the order in which they were registered, and stay for the life of the loop. */
static inline int os_turn_end(struct os *os, os_callback callback, void *context)
{
    return os->functions->turn_end(os, callback, context);
}

/* Run a job on a worker thread, then tell the loop. Cannot fail. */
static inline void os_work(struct os *os, struct os_work *work)
{
    os->functions->work(os, work);
}

/* -- Files ------------------------------------------------------------------------------ */

/* Open a regular file. Symbolic links are refused (-ELOOP). */
static inline int os_file_open(struct os *os, const char *path, unsigned flags,
                               struct os_file **file)
{
    return os->functions->file_open(os, path, flags, file);
}

static inline void os_file_close(struct os *os, struct os_file *file)
{
    os->functions->file_close(file);
}

/* Its size in bytes, or a negative errno value. */
static inline int64_t os_file_size(struct os *os, struct os_file *file)
{
    return os->functions->file_size(file);
}

/* True if writes go past the page cache: OS_FILE_DIRECT was asked for, and the file system can. */
static inline int os_file_is_direct(struct os *os, const struct os_file *file)
{
    return os->functions->file_is_direct(file);
}

/* Read up to `size` bytes; fewer only at the end of the file. */
static inline int64_t os_file_read(struct os *os, struct os_file *file, uint64_t offset, void *to,
                                   size_t size)
{
    return os->functions->file_read(file, offset, to, size);
}

/* Write all of it, or fail: interrupted and short writes are carried on inside. What was
 * written is not durable before os_file_sync() returned 0. */
static inline int os_file_write(struct os *os, struct os_file *file, uint64_t offset,
                                const void *from, size_t size)
{
    return os->functions->file_write(file, offset, from, size);
}

/* Make everything written to the file so far durable. After a failure nothing is known about
 * what was written since the last success, and trying again proves nothing. */
static inline int os_file_sync(struct os *os, struct os_file *file)
{
    return os->functions->file_sync(file);
}

/* Cut or extend (with zeroes). */
static inline int os_file_truncate(struct os *os, struct os_file *file, uint64_t size)
{
    return os->functions->file_truncate(file, size);
}

/* Create a directory, mode 0700. -EEXIST if something is there. */
static inline int os_dir_create(struct os *os, const char *path)
{
    return os->functions->dir_create(os, path);
}

/* 0 if `path` is a directory of ours that nobody else can enter: mode 0700, not a symbolic
 * link. -ENOENT, -ENOTDIR, -ELOOP, -EPERM (mode wider than 0700) or another errno value. */
static inline int os_dir_check(struct os *os, const char *path)
{
    return os->functions->dir_check(os, path);
}

/* Make creations, renames and removals in the directory durable. */
static inline int os_dir_sync(struct os *os, const char *path)
{
    return os->functions->dir_sync(os, path);
}

/* Visit every name in the directory but "." and "..", in the order of strcmp(). */
static inline int os_dir_list(struct os *os, const char *path,
                              void (*visit)(void *context, const char *name), void *context)
{
    return os->functions->dir_list(os, path, visit, context);
}

/* Bytes that may still be written to the directory's file system. */
static inline int64_t os_dir_free_bytes(struct os *os, const char *path)
{
    return os->functions->dir_free_bytes(os, path);
}

/* Rename a file over whatever is there. Durable after os_dir_sync(). */
static inline int os_rename(struct os *os, const char *from, const char *to)
{
    return os->functions->rename(os, from, to);
}

static inline int os_remove(struct os *os, const char *path)
{
    return os->functions->remove(os, path);
}

/* -- Streams ---------------------------------------------------------------------------- */

/* Listen on "host:port" (port 0: the system picks one). -EADDRINUSE where it is taken. */
static inline int os_listen(struct os *os, const char *address, os_accept_callback accept,
                            void *context, struct os_listener **listener)
{
    return os->functions->listen(os, address, accept, context, listener);
}

/* The port that it really listens on. */
static inline int os_listener_port(struct os *os, const struct os_listener *listener)
{
    return os->functions->listener_port(listener);
}

static inline void os_listener_close(struct os *os, struct os_listener *listener)
{
    os->functions->listener_close(listener);
}

/* Begin to connect to "host:port"; names are looked up without blocking the loop, and their
 * addresses tried in turn, each but the last for half a second at most. What comes of it is told by
 * on_open or on_close, never from inside this call. */
static inline int os_connect(struct os *os, const char *address,
                             const struct os_stream_events *events, void *context,
                             struct os_stream **stream)
{
    return os->functions->connect(os, address, events, context, stream);
}

/* Say who is told about an accepted stream from now on. `events` must outlive the stream. */
static inline void os_stream_attach(struct os_stream *stream, const struct os_stream_events *events,
                                    void *context)
{
    stream->functions->attach(stream, events, context);
}

/* Send the parts one after the other. What the kernel does not take at once is copied and
 * queued without limit: whoever writes watches os_stream_queued(). -ENOMEM: nothing was sent.
 * Errors of the connection come through on_close instead. */
static inline int os_stream_write(struct os_stream *stream, const struct bytes *parts, size_t count)
{
    return stream->functions->write(stream, parts, count);
}

/* Bytes taken by os_stream_write() that have not left yet. */
static inline size_t os_stream_queued(const struct os_stream *stream)
{
    return stream->functions->queued(stream);
}

/* Stop (or go on) reading: the sender will feel it through its own queue. */
static inline void os_stream_pause(struct os_stream *stream, int is_paused)
{
    stream->functions->pause(stream, is_paused);
}

/* Let go of the stream: no callback comes any more, and what is queued is still sent before
 * the connection closes, unless it already failed. The pointer is dead. */
static inline void os_stream_close(struct os_stream *stream)
{
    stream->functions->close(stream);
}

/* "address:port" of the other side, for logs; borrowed while the stream lives. */
static inline const char *os_stream_peer_name(const struct os_stream *stream)
{
    return stream->functions->peer_name(stream);
}

#endif /* OS_OS_H */
