/* os_uv.c -- the loop: time, timers, the end of a turn, signals.
 *
 * A turn of libuv's loop is: wait for events, handle them, run due timers, then the prepare
 * handle. Ours runs the hooks of os_turn_end() and forgets the time; then libuv waits again,
 * but not if a hook started something that is due at once. So a turn begins when the wait ends
 * and is over when the hooks have run. */
#include "os/os_uv.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/assert.h"
#include "os/os_uv_internal.h"

struct hook {
    struct list link;
    os_callback callback;
    void *context;
};

struct watch {
    uv_signal_t handle;
    struct list link;
    os_callback callback;
    void *context;
};

struct os_timer {
    uv_timer_t handle;
    struct os_uv *uv;
    os_callback callback;
    void *context;
    uint64_t due_us;
};

/* -- Time and chance -------------------------------------------------------------------- */

static uint64_t read_clock_us(void)
{
    struct timespec now;
    const int result = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(result == 0);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t os_uv_now_us(struct os *os)
{
    struct os_uv *uv = os_uv_of(os);
    if (uv->now_us == 0) {
        uv->now_us = read_clock_us();
    }
    return uv->now_us;
}

static uint64_t read_wall_ms(__attribute__((unused)) struct os *os)
{
    struct timespec now;
    const int result = clock_gettime(CLOCK_REALTIME, &now);
    assert(result == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The kernel's generator never fails once it has been seeded, and waits until it is. */
static void fill_random(__attribute__((unused)) struct os *os, void *out, size_t size)
{
    uint8_t *to = out;
    while (size > 0) {
        const ssize_t got = getrandom(to, size, 0);
        assert(got > 0 || errno == EINTR);
        if (got > 0) {
            to += got;
            size -= (size_t)got;
        }
    }
}

/* -- Timers ----------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *handle);

/* libuv counts whole milliseconds from the beginning of one, so a timer may come up to one too
 * early; on_timer() then waits for the rest. At least 1: a timer that restarts itself at zero
 * would be called again before any event is looked at, for ever. */
static void arm(struct os_timer *timer, uint64_t delay_us)
{
    const uint64_t delay_ms = delay_us / 1000 + (delay_us % 1000 != 0);
    const int result = uv_timer_start(&timer->handle, on_timer, delay_ms > 0 ? delay_ms : 1, 0);
    assert(result == 0);
}

static void on_timer(uv_timer_t *handle)
{
    struct os_timer *timer = handle->data;
    struct os_uv *uv = timer->uv;
    if (os_uv_now_us(&uv->os) < timer->due_us) {
        uv->now_us = read_clock_us(); /* Whoever asked for the moment shall see it come. */
    }
    if (uv->now_us < timer->due_us) {
        arm(timer, timer->due_us - uv->now_us);
        return;
    }
    timer->callback(timer->context);
}

static struct os_timer *new_timer(struct os *os, os_callback callback, void *context)
{
    struct os_timer *timer = malloc(sizeof *timer);
    if (timer == NULL) {
        return NULL;
    }
    *timer = (struct os_timer){.uv = os_uv_of(os), .callback = callback, .context = context};
    uv_timer_init(&timer->uv->loop, &timer->handle);
    timer->handle.data = timer;
    return timer;
}

static void start_timer(struct os_timer *timer, uint64_t delay_us)
{
    timer->due_us = os_uv_now_us(&timer->uv->os) + delay_us;
    arm(timer, delay_us);
}

static void stop_timer(struct os_timer *timer)
{
    uv_timer_stop(&timer->handle);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void free_timer(struct os_timer *timer)
{
    if (timer != NULL) {
        uv_close((uv_handle_t *)&timer->handle, on_timer_closed);
    }
}

/* -- The end of a turn ------------------------------------------------------------------ */

static int add_hook(struct os *os, os_callback callback, void *context)
{
    struct hook *hook = malloc(sizeof *hook);
    if (hook == NULL) {
        return -ENOMEM;
    }
    *hook = (struct hook){.callback = callback, .context = context};
    list_append(&os_uv_of(os)->hooks, &hook->link);
    return 0;
}

static void end_turn(struct os_uv *uv)
{
    struct list *link, *following;
    LIST_FOREACH (&uv->hooks, link, following) {
        struct hook *hook = LIST_ITEM(link, struct hook, link);
        hook->callback(hook->context);
    }
    uv->now_us = 0;
}

static void on_prepare(uv_prepare_t *handle)
{
    end_turn(handle->data);
}

/* -- Signals ---------------------------------------------------------------------------- */

static void on_signal(uv_signal_t *handle, __attribute__((unused)) int signum)
{
    struct watch *watch = handle->data;
    watch->callback(watch->context);
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int os_uv_on_signal(struct os *os, int signum, os_callback callback, void *context)
{
    struct os_uv *uv = os_uv_of(os);
    struct watch *watch = malloc(sizeof *watch);
    if (watch == NULL) {
        return -ENOMEM;
    }
    *watch = (struct watch){.callback = callback, .context = context};
    int error = uv_signal_init(&uv->loop, &watch->handle);
    if (error != 0) {
        free(watch);
        return error;
    }
    watch->handle.data = watch;
    list_append(&uv->signals, &watch->link);
    error = uv_signal_start(&watch->handle, on_signal, signum);
    if (error != 0) {
        list_remove(&watch->link);
        uv_close((uv_handle_t *)&watch->handle, on_watch_closed);
    }
    return error;
}

/* -- The loop --------------------------------------------------------------------------- */

static const struct os_functions functions = {
    .now_us = os_uv_now_us,
    .wall_ms = read_wall_ms,
    .random = fill_random,
    .timer_new = new_timer,
    .timer_start = start_timer,
    .timer_stop = stop_timer,
    .timer_free = free_timer,
    .turn_end = add_hook,
    .work = os_uv_work,
    .file_open = os_uv_file_open,
    .file_close = os_uv_file_close,
    .file_size = os_uv_file_size,
    .file_is_direct = os_uv_file_is_direct,
    .file_read = os_uv_file_read,
    .file_write = os_uv_file_write,
    .file_sync = os_uv_file_sync,
    .file_truncate = os_uv_file_truncate,
    .dir_create = os_uv_dir_create,
    .dir_check = os_uv_dir_check,
    .dir_sync = os_uv_dir_sync,
    .dir_list = os_uv_dir_list,
    .dir_free_bytes = os_uv_dir_free_bytes,
    .rename = os_uv_rename,
    .remove = os_uv_remove,
    .listen = os_uv_listen,
    .listener_port = os_uv_listener_port,
    .listener_close = os_uv_listener_close,
    .connect = os_uv_connect,
};

struct os *os_uv_new(void)
{
    struct os_uv *uv = calloc(1, sizeof *uv);
    if (uv == NULL) {
        return NULL;
    }
    if (uv_loop_init(&uv->loop) != 0) {
        free(uv);
        return NULL;
    }
    uv->os.functions = &functions;
    list_init(&uv->hooks);
    list_init(&uv->signals);
    list_init(&uv->lingering);
    os_uv_work_init(uv);
    uv_prepare_init(&uv->loop, &uv->prepare);
    uv->prepare.data = uv;
    uv_prepare_start(&uv->prepare, on_prepare);
    signal(SIGPIPE, SIG_IGN);
    return &uv->os;
}

void os_uv_run(struct os *os)
{
    struct os_uv *uv = os_uv_of(os);
    uv->is_running = 1;
    uv_run(&uv->loop, UV_RUN_DEFAULT);
    uv->is_running = 0;
    end_turn(uv);
}

void os_uv_stop(struct os *os)
{
    struct os_uv *uv = os_uv_of(os);
    if (uv->is_running) {
        uv_stop(&uv->loop); /* Else it would stop the next run before its first turn. */
    }
}

void os_uv_free(struct os *os)
{
    struct os_uv *uv = os_uv_of(os);
    struct list *link, *following;

    uv_close((uv_handle_t *)&uv->prepare, NULL);
    LIST_FOREACH (&uv->hooks, link, following) {
        free(LIST_ITEM(link, struct hook, link));
    }
    LIST_FOREACH (&uv->signals, link, following) {
        struct watch *watch = LIST_ITEM(link, struct watch, link);
        uv_close((uv_handle_t *)&watch->handle, on_watch_closed);
    }
    LIST_FOREACH (&uv->lingering, link, following) {
        os_uv_stream_destroy(LIST_ITEM(link, struct os_uv_stream, link));
    }
    uv_run(&uv->loop, UV_RUN_DEFAULT);
    const int result = uv_loop_close(&uv->loop);
    assert(result == 0); /* Else a timer, a listener or a stream was left open. */
    free(uv);
}
