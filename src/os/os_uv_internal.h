/* os_uv_internal.h -- what the files of os_uv share. */
#ifndef OS_OS_UV_INTERNAL_H
#define OS_OS_UV_INTERNAL_H

#include <uv.h>

#include "base/list.h"
#include "os/os.h"

/* READ_SIZE: one buffer for all connections of a loop, since only one is read at a time; an
 * idle connection has none. JOB_COUNT: jobs handed to libuv at one time; more than its pool
 * has threads, so that none of them waits for the loop between two jobs. */
enum {
    OS_UV_READ_SIZE = 256 * 1024,
    OS_UV_JOB_COUNT = 16
};

/* A place in libuv's queue of work. */
struct os_uv_job {
    uv_work_t request;
    struct os_work *work;   /* NULL while the place is free. */
    struct os_uv_job *next; /* Among the free ones. */
};

struct os_uv {
    struct os os; /* First: a struct os * is a struct os_uv *. */
    uv_loop_t loop;
    uv_prepare_t prepare;  /* Runs the hooks. */
    uint64_t now_us;       /* Of this turn; 0 until somebody asks. */
    int is_running;        /* Inside os_uv_run()'s turns. */
    struct list hooks;     /* Of struct hook, in the order of registration. */
    struct list signals;   /* Of struct watch. */
    struct list lingering; /* Closed streams that still send; see os_uv_stream.c. */
    struct os_uv_job jobs[OS_UV_JOB_COUNT];
    struct os_uv_job *jobs_free;
    struct os_work *waiting_first; /* Work without a place, oldest first. */
    struct os_work *waiting_last;
    char read_buffer[OS_UV_READ_SIZE];
};

static inline struct os_uv *os_uv_of(struct os *os)
{
    return (struct os_uv *)(void *)os;
}

/* Monotonic microseconds, as of this turn. */
uint64_t os_uv_now_us(struct os *os);

/* -- os_uv_work.c: jobs on libuv's pool. See os.h for the functions that os.h names. ------ */

void os_uv_work_init(struct os_uv *uv);
void os_uv_work(struct os *os, struct os_work *work);

/* -- os_uv_file.c ------------------------------------------------------------------------ */

int os_uv_file_open(struct os *os, const char *path, unsigned flags, struct os_file **file);
void os_uv_file_close(struct os_file *file);
int64_t os_uv_file_size(struct os_file *file);
int os_uv_file_is_direct(const struct os_file *file);
int64_t os_uv_file_read(struct os_file *file, uint64_t offset, void *to, size_t size);
int os_uv_file_write(struct os_file *file, uint64_t offset, const void *from, size_t size);
int os_uv_file_sync(struct os_file *file);
int os_uv_file_truncate(struct os_file *file, uint64_t size);
int os_uv_dir_create(struct os *os, const char *path);
int os_uv_dir_check(struct os *os, const char *path);
int os_uv_dir_sync(struct os *os, const char *path);
int os_uv_dir_list(struct os *os, const char *path, void (*visit)(void *context, const char *name),
                   void *context);
int64_t os_uv_dir_free_bytes(struct os *os, const char *path);
int os_uv_rename(struct os *os, const char *from, const char *to);
int os_uv_remove(struct os *os, const char *path);

/* -- os_uv_address.c --------------------------------------------------------------------- */

/* Longest host name, and longest "[address]:port" in digits, with terminators. */
enum {
    OS_UV_HOST_SIZE = 256,
    OS_UV_NAME_SIZE = 64
};

/* Take "host:port" or "[address]:port" apart. Returns 0 or -EINVAL. */
int os_uv_address_split(const char *address, char host[OS_UV_HOST_SIZE], uint16_t *port);

/* Turn a host in digits and a port into a socket address. Returns 0, or -EINVAL where the host
 * is not an IPv4 or IPv6 address but perhaps a name. */
int os_uv_address_parse(const char *host, uint16_t port, struct sockaddr_storage *out);

/* The other way: "127.0.0.1:80", "[::1]:80". */
void os_uv_address_format(const struct sockaddr_storage *address, char out[OS_UV_NAME_SIZE]);

/* Which of the addresses of a name to listen on: the first of IPv4 if there is one, else the first.
 * "localhost" may stand for ::1 and 127.0.0.1, and clients that were told nothing try the latter;
 * Go's listeners, and so etcd, choose like this. Borrowed from `found`, which is not NULL. */
const struct addrinfo *os_uv_address_pick(const struct addrinfo *found);

/* What a look-up answered, as an errno value: libuv has numbers of its own for the resolver's. */
int os_uv_address_error(int status);

/* -- os_uv_stream.c, os_uv_dial.c and os_uv_listen.c -------------------------------------- */

int os_uv_listen(struct os *os, const char *address, os_accept_callback accept, void *context,
                 struct os_listener **listener);
int os_uv_listener_port(const struct os_listener *listener);
void os_uv_listener_close(struct os_listener *listener);
int os_uv_connect(struct os *os, const char *address, const struct os_stream_events *events,
                  void *context, struct os_stream **stream);

struct os_uv_dial;
struct os_uv_outbox;

/* One connection. It is freed by libuv's close callback, a turn after its owner let go of it
 * or later; so nothing that an owner does in a callback pulls the memory away under us.
 *
 *     connecting --opened--> open --ended--> ended
 *         |                    |               |
 *         +---- os_stream_close() at any time -+--> released --(bytes left)--> closing */
struct os_uv_stream {
    struct os_stream stream; /* First: a struct os_stream * is one of these. */
    struct os_uv *uv;
    uv_tcp_t tcp;
    const struct os_stream_events *events; /* NULL: nobody is told anything. */
    void *context;
    struct os_uv_dial *dial;     /* While it connects. */
    struct os_uv_outbox *outbox; /* While bytes wait. */
    struct list link;            /* In uv->lingering, once released with bytes waiting. */
    int error;                   /* What on_close will be told; negative once it has failed. */
    uint8_t is_open;             /* Connected. */
    uint8_t is_ended;            /* on_close was called, or would have been. */
    uint8_t is_paused;           /* By its owner. */
    uint8_t is_released;         /* The owner let go of it. */
    char name[];                 /* Of the other side. */
};

/* A stream that is not connected, with room for its name; NULL without memory. */
struct os_uv_stream *os_uv_stream_new(struct os_uv *uv, size_t name_size);

/* It is connected: set it up, read from it if somebody listens, send what waits. */
void os_uv_stream_opened(struct os_uv_stream *stream);

/* It ended with `error` (0: in good order): tell the owner, once. */
void os_uv_stream_ended(struct os_uv_stream *stream, int error);

/* Close the socket now, then free the stream. */
void os_uv_stream_destroy(struct os_uv_stream *stream);

/* Give up connecting: the owner let go of the stream. It is freed when libuv is done. */
void os_uv_dial_abandon(struct os_uv_stream *stream);

#endif /* OS_OS_UV_INTERNAL_H */
