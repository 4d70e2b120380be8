/* os_fault.c -- any os.h with faults: what is called through it may be refused. */
#include "os_fault.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "fault.h"

/* A callback that passes through here on its way to the code under test. */
struct hook {
    struct hook *next;
    os_callback callback;
    void *context;
};

struct os_fault {
    struct os os; /* First: an os * is an os_fault *. */
    struct os *inner;
    struct hook *hooks; /* Of ends of turns: they stay as long as the loop. */
};

struct os_timer {
    struct os_fault *fault;
    struct os_timer *inner;
    os_callback callback;
    void *context;
};

struct os_file {
    struct os_fault *fault;
    struct os_file *inner;
};

struct job {
    struct os_work work; /* First: an os_work * is a job *. */
    struct os_work *inner;
};

struct os_listener {
    struct os_fault *fault;
    struct os_listener *inner;
    os_accept_callback accept;
    void *context;
};

struct fault_stream {
    struct os_stream stream; /* First: an os_stream * is a fault_stream *. */
    struct os_stream *inner; /* NULL: it broke. */
    const struct os_stream_events *events;
    void *context;
};

static struct os_fault *fault_of(struct os *os)
{
    return (struct os_fault *)(void *)os;
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    assert(memory != NULL);
    return memory;
}

/* What the disk says to an operation of this kind: 0, or the error. */
static int refuse(enum fault_kind kind)
{
    return fault_strikes(kind) ? -EIO : 0;
}

static void call(os_callback callback, void *context)
{
    const int was = fault_enter(1);
    callback(context);
    fault_leave(was);
}

/* -- Time and chance ---------------------------------------------------------------------- */

static uint64_t now_us(struct os *os)
{
    return os_now_us(fault_of(os)->inner);
}

static uint64_t wall_ms(struct os *os)
{
    return os_wall_ms(fault_of(os)->inner);
}

static void random_bytes(struct os *os, void *out, size_t size)
{
    os_random(fault_of(os)->inner, out, size);
}

static void timer_fires(void *context)
{
    const struct os_timer *timer = context;
    call(timer->callback, timer->context); /* May free it. */
}

static struct os_timer *timer_new(struct os *os, os_callback callback, void *context)
{
    struct os_fault *fault = fault_of(os);
    if (fault_strikes(FAULT_ALLOCATION)) {
        return NULL;
    }
    struct os_timer *timer = allocate(sizeof *timer);
    *timer = (struct os_timer){.fault = fault, .callback = callback, .context = context};
    timer->inner = os_timer_new(fault->inner, timer_fires, timer);
    assert(timer->inner != NULL);
    return timer;
}

static void timer_start(struct os_timer *timer, uint64_t delay_us)
{
    os_timer_start(timer->fault->inner, timer->inner, delay_us);
}

static void timer_stop(struct os_timer *timer)
{
    os_timer_stop(timer->fault->inner, timer->inner);
}

static void timer_free(struct os_timer *timer)
{
    os_timer_free(timer->fault->inner, timer->inner);
    free(timer);
}

static void turn_ends(void *context)
{
    const struct hook *hook = context;
    call(hook->callback, hook->context);
}

static int turn_end(struct os *os, os_callback callback, void *context)
{
    struct os_fault *fault = fault_of(os);
    if (fault_strikes(FAULT_ALLOCATION)) {
        return -ENOMEM;
    }
    struct hook *hook = allocate(sizeof *hook);
    *hook = (struct hook){.next = fault->hooks, .callback = callback, .context = context};
    fault->hooks = hook;
    return os_turn_end(fault->inner, turn_ends, hook);
}

/* -- Work --------------------------------------------------------------------------------- */

static void run_job(struct os_work *work)
{
    struct os_work *inner = ((struct job *)(void *)work)->inner;
    const int was = fault_enter(1);
    inner->run(inner);
    fault_leave(was);
}

static void job_is_done(struct os_work *work)
{
    struct os_work *inner = ((struct job *)(void *)work)->inner;
    free(work);
    const int was = fault_enter(1);
    inner->done(inner);
    fault_leave(was);
}

static void submit(struct os *os, struct os_work *work)
{
    struct job *job = allocate(sizeof *job);
    *job = (struct job){.work = {.run = run_job, .done = job_is_done}, .inner = work};
    os_work(fault_of(os)->inner, &job->work);
}

/* -- Files -------------------------------------------------------------------------------- */

static int file_open(struct os *os, const char *path, unsigned flags, struct os_file **file)
{
    struct os_fault *fault = fault_of(os);
    struct os_file *inner;
    int error = refuse(FAULT_OPEN);
    if (error == 0) {
        error = os_file_open(fault->inner, path, flags, &inner);
    }
    if (error == 0) {
        *file = allocate(sizeof **file);
        **file = (struct os_file){.fault = fault, .inner = inner};
    }
    return error;
}

static void file_close(struct os_file *file)
{
    os_file_close(file->fault->inner, file->inner);
    free(file);
}

static int file_is_direct(const struct os_file *file)
{
    return os_file_is_direct(file->fault->inner, file->inner);
}

static int64_t file_size(struct os_file *file)
{
    const int error = refuse(FAULT_READ);
    return error != 0 ? error : os_file_size(file->fault->inner, file->inner);
}

static int64_t file_read(struct os_file *file, uint64_t offset, void *to, size_t size)
{
    const int error = refuse(FAULT_READ);
    return error != 0 ? error : os_file_read(file->fault->inner, file->inner, offset, to, size);
}

static int file_write(struct os_file *file, uint64_t offset, const void *from, size_t size)
{
    const int error = fault_strikes(FAULT_ROOM) ? -ENOSPC : refuse(FAULT_WRITE);
    return error != 0 ? error : os_file_write(file->fault->inner, file->inner, offset, from, size);
}

static int file_sync(struct os_file *file)
{
    const int error = refuse(FAULT_SYNC);
    return error != 0 ? error : os_file_sync(file->fault->inner, file->inner);
}

static int file_truncate(struct os_file *file, uint64_t size)
{
    const int error = refuse(FAULT_WRITE);
    return error != 0 ? error : os_file_truncate(file->fault->inner, file->inner, size);
}

/* -- Directories -------------------------------------------------------------------------- */

static int dir_create(struct os *os, const char *path)
{
    const int error = refuse(FAULT_DIRECTORY);
    return error != 0 ? error : os_dir_create(fault_of(os)->inner, path);
}

static int dir_check(struct os *os, const char *path)
{
    const int error = refuse(FAULT_DIRECTORY);
    return error != 0 ? error : os_dir_check(fault_of(os)->inner, path);
}

static int dir_sync(struct os *os, const char *path)
{
    const int error = refuse(FAULT_DIR_SYNC);
    return error != 0 ? error : os_dir_sync(fault_of(os)->inner, path);
}

static int dir_list(struct os *os, const char *path, void (*visit)(void *context, const char *name),
                    void *context)
{
    const int error = refuse(FAULT_LIST);
    return error != 0 ? error : os_dir_list(fault_of(os)->inner, path, visit, context);
}

static int64_t dir_free_bytes(struct os *os, const char *path)
{
    const int error = refuse(FAULT_DIRECTORY);
    return error != 0 ? error : os_dir_free_bytes(fault_of(os)->inner, path);
}

static int rename_file(struct os *os, const char *from, const char *to)
{
    const int error = refuse(FAULT_RENAME);
    return error != 0 ? error : os_rename(fault_of(os)->inner, from, to);
}

static int remove_file(struct os *os, const char *path)
{
    const int error = refuse(FAULT_REMOVE);
    return error != 0 ? error : os_remove(fault_of(os)->inner, path);
}

/* -- Streams ------------------------------------------------------------------------------ */

static struct fault_stream *stream_of(const struct os_stream *stream)
{
    return (struct fault_stream *)(uintptr_t)stream;
}

static void on_open(void *context)
{
    const struct fault_stream *self = context;
    call(self->events->on_open, self->context);
}

static void on_drain(void *context)
{
    const struct fault_stream *self = context;
    call(self->events->on_drain, self->context);
}

static void on_close(void *context, int error)
{
    const struct fault_stream *self = context;
    const int was = fault_enter(1);
    self->events->on_close(self->context, error);
    fault_leave(was);
}

static void on_data(void *context, struct bytes data)
{
    struct fault_stream *self = context;
    const int was = fault_enter(1);
    if (fault_strikes(FAULT_RECEIVE)) {
        os_stream_close(self->inner);
        self->inner = NULL;
        self->events->on_close(self->context, -ECONNRESET);
    } else {
        self->events->on_data(self->context, data);
    }
    fault_leave(was);
}

static const struct os_stream_events EVENTS = {
    .on_open = on_open, .on_data = on_data, .on_drain = on_drain, .on_close = on_close};

static void attach(struct os_stream *stream, const struct os_stream_events *events, void *context)
{
    struct fault_stream *self = stream_of(stream);
    self->events = events;
    self->context = context;
    if (self->inner != NULL) {
        os_stream_attach(self->inner, &EVENTS, self);
    }
}

/* What the stream below allocates is not our code's: it fails as a whole or not at all. */
static int write_parts(struct os_stream *stream, const struct bytes *parts, size_t count)
{
    const struct fault_stream *self = stream_of(stream);
    if (fault_strikes(FAULT_SEND) || fault_strikes(FAULT_ALLOCATION)) {
        return -ENOMEM;
    }
    if (self->inner == NULL) {
        return 0;
    }
    const int was = fault_enter(0);
    const int error = os_stream_write(self->inner, parts, count);
    fault_leave(was);
    return error;
}

static size_t queued(const struct os_stream *stream)
{
    const struct fault_stream *self = stream_of(stream);
    return self->inner == NULL ? 0 : os_stream_queued(self->inner);
}

static void pause_stream(struct os_stream *stream, int is_paused)
{
    const struct fault_stream *self = stream_of(stream);
    if (self->inner != NULL) {
        os_stream_pause(self->inner, is_paused);
    }
}

static void close_stream(struct os_stream *stream)
{
    struct fault_stream *self = stream_of(stream);
    if (self->inner != NULL) {
        os_stream_close(self->inner);
    }
    free(self);
}

static const char *peer_name(const struct os_stream *stream)
{
    const struct fault_stream *self = stream_of(stream);
    return self->inner == NULL ? "broken" : os_stream_peer_name(self->inner);
}

static const struct os_stream_functions STREAM_FUNCTIONS = {
    .attach = attach,
    .write = write_parts,
    .queued = queued,
    .pause = pause_stream,
    .close = close_stream,
    .peer_name = peer_name,
};

static struct fault_stream *stream_new(void)
{
    struct fault_stream *self = allocate(sizeof *self);
    self->stream.functions = &STREAM_FUNCTIONS;
    return self;
}

/* -- Connecting --------------------------------------------------------------------------- */

/* A connection came in; where the system cannot take it, it is closed and nobody hears of it. */
static void accept_stream(void *context, struct os_stream *stream)
{
    const struct os_listener *listener = context;
    const int was = fault_enter(1);
    if (fault_strikes(FAULT_ACCEPT)) {
        os_stream_close(stream);
    } else {
        struct fault_stream *self = stream_new();
        self->inner = stream;
        listener->accept(listener->context, &self->stream);
    }
    fault_leave(was);
}

static int listen_on(struct os *os, const char *address, os_accept_callback accept, void *context,
                     struct os_listener **listener)
{
    struct os_fault *fault = fault_of(os);
    if (fault_strikes(FAULT_LISTEN)) {
        return -EADDRINUSE;
    }
    if (fault_strikes(FAULT_ALLOCATION)) {
        return -ENOMEM;
    }
    struct os_listener *made = allocate(sizeof *made);
    *made = (struct os_listener){.fault = fault, .accept = accept, .context = context};
    const int error = os_listen(fault->inner, address, accept_stream, made, &made->inner);
    if (error != 0) {
        free(made);
        return error;
    }
    *listener = made;
    return 0;
}

static int listener_port(const struct os_listener *listener)
{
    return os_listener_port(listener->fault->inner, listener->inner);
}

static void listener_close(struct os_listener *listener)
{
    os_listener_close(listener->fault->inner, listener->inner);
    free(listener);
}

static int connect_to(struct os *os, const char *address, const struct os_stream_events *events,
                      void *context, struct os_stream **stream)
{
    if (fault_strikes(FAULT_CONNECT)) {
        return -EMFILE;
    }
    if (fault_strikes(FAULT_ALLOCATION)) {
        return -ENOMEM;
    }
    struct fault_stream *self = stream_new();
    self->events = events;
    self->context = context;
    const int was = fault_enter(0); /* Others may accept it inside. */
    const int error = os_connect(fault_of(os)->inner, address, &EVENTS, self, &self->inner);
    fault_leave(was);
    if (error != 0) {
        free(self);
        return error;
    }
    *stream = &self->stream;
    return 0;
}

/* -- Life --------------------------------------------------------------------------------- */

static const struct os_functions FUNCTIONS = {
    .now_us = now_us,
    .wall_ms = wall_ms,
    .random = random_bytes,
    .timer_new = timer_new,
    .timer_start = timer_start,
    .timer_stop = timer_stop,
    .timer_free = timer_free,
    .turn_end = turn_end,
    .work = submit,
    .file_open = file_open,
    .file_close = file_close,
    .file_size = file_size,
    .file_is_direct = file_is_direct,
    .file_read = file_read,
    .file_write = file_write,
    .file_sync = file_sync,
    .file_truncate = file_truncate,
    .dir_create = dir_create,
    .dir_check = dir_check,
    .dir_sync = dir_sync,
    .dir_list = dir_list,
    .dir_free_bytes = dir_free_bytes,
    .rename = rename_file,
    .remove = remove_file,
    .listen = listen_on,
    .listener_port = listener_port,
    .listener_close = listener_close,
    .connect = connect_to,
};

struct os_fault *os_fault_new(struct os *inner)
{
    struct os_fault *fault = allocate(sizeof *fault);
    *fault = (struct os_fault){.os = {&FUNCTIONS}, .inner = inner};
    return fault;
}

void os_fault_free(struct os_fault *fault)
{
    while (fault->hooks != NULL) {
        struct hook *hook = fault->hooks;
        fault->hooks = hook->next;
        free(hook);
    }
    free(fault);
}

struct os *os_fault_os(struct os_fault *fault)
{
    return &fault->os;
}
