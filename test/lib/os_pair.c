/* os_pair.c -- an os in memory: streams that lead to each other, timers, a clock by hand. */
#include "os_pair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/buffer.h"

struct os_timer {
    struct list link; /* In pair->timers. */
    struct os_pair *pair;
    os_callback callback;
    void *context;
    uint64_t at_us; /* 0: stopped. */
};

struct os_listener {
    struct list link; /* In pair->listeners. */
    int port;
    os_accept_callback accept;
    void *context;
};

struct pair_stream {
    struct os_stream stream;
    struct list link; /* In pair->streams. */
    struct os_pair *pair;
    struct pair_stream *peer; /* NULL: it has closed. */
    const struct os_stream_events *events;
    void *context;
    struct buffer inbox; /* What is on its way to here. */
    int is_accepted;     /* The listening side's. */
    int is_opening;      /* on_open is due. */
    int is_paused;
    int is_over; /* on_close was called. */
    int is_full; /* Something was queued: on_drain is due when it has left. */
    int error;   /* For on_close. */
};

static struct os_pair *pair_of(struct os *os)
{
    return (struct os_pair *)(void *)os;
}

static struct pair_stream *stream_of(const struct os_stream *stream)
{
    return (struct pair_stream *)(uintptr_t)stream;
}

/* -- Streams ---------------------------------------------------------------------------- */

static void attach(struct os_stream *stream, const struct os_stream_events *events, void *context)
{
    stream_of(stream)->events = events;
    stream_of(stream)->context = context;
}

static size_t queued(const struct os_stream *stream)
{
    const struct pair_stream *self = stream_of(stream);
    const size_t size = self->peer == NULL ? 0 : buffer_size(&self->peer->inbox);
    return size > self->pair->kernel_size ? size - self->pair->kernel_size : 0;
}

static int write_parts(struct os_stream *stream, const struct bytes *parts, size_t count)
{
    struct pair_stream *self = stream_of(stream);
    self->pair->writes++;
    for (size_t i = 0; i < count && self->peer != NULL; i++) {
        if (buffer_append(&self->peer->inbox, parts[i].data, parts[i].size) != 0) {
            return -ENOMEM;
        }
    }
    self->is_full |= queued(stream) > 0;
    return 0;
}

static void pause_stream(struct os_stream *stream, int is_paused)
{
    stream_of(stream)->is_paused = is_paused;
}

static void free_stream(struct pair_stream *self)
{
    if (self->peer != NULL) {
        self->peer->peer = NULL;
    }
    self->pair->accepted -= (size_t)self->is_accepted;
    list_remove(&self->link);
    buffer_deinit(&self->inbox);
    free(self);
}

static void close_stream(struct os_stream *stream)
{
    free_stream(stream_of(stream));
}

static const char *peer_name(const struct os_stream *stream)
{
    (void)stream;
    return "memory:1";
}

static const struct os_stream_functions STREAM_FUNCTIONS = {
    .attach = attach,
    .write = write_parts,
    .queued = queued,
    .pause = pause_stream,
    .close = close_stream,
    .peer_name = peer_name,
};

static struct pair_stream *stream_new(struct os_pair *pair)
{
    struct pair_stream *self = calloc(1, sizeof *self);
    assert(self != NULL);
    self->stream.functions = &STREAM_FUNCTIONS;
    self->pair = pair;
    list_init(&self->link);
    list_append(&pair->streams, &self->link);
    return self;
}

static int connect_to(struct os *os, const char *address, const struct os_stream_events *events,
                      void *context, struct os_stream **stream)
{
    struct os_pair *pair = pair_of(os);
    const char *colon = strrchr(address, ':');
    if (colon == NULL) {
        return -EINVAL;
    }
    const int port = (int)strtol(colon + 1, NULL, 10);
    struct pair_stream *near = stream_new(pair);
    attach(&near->stream, events, context);
    *stream = &near->stream;
    near->error = -ECONNREFUSED;

    struct list *link;
    struct list *following;
    LIST_FOREACH (&pair->listeners, link, following) {
        struct os_listener *listener = LIST_ITEM(link, struct os_listener, link);
        if (listener->port == port) {
            struct pair_stream *far = stream_new(pair);
            near->error = 0;
            near->is_opening = 1;
            near->peer = far;
            far->peer = near;
            far->is_accepted = 1;
            pair->accepted++;
            listener->accept(listener->context, &far->stream);
            return 0;
        }
    }
    return 0;
}

/* -- Listeners -------------------------------------------------------------------------- */

static int listen_on(struct os *os, const char *address, os_accept_callback accept, void *context,
                     struct os_listener **listener)
{
    struct os_pair *pair = pair_of(os);
    (void)address;
    *listener = calloc(1, sizeof **listener);
    assert(*listener != NULL);
    **listener =
        (struct os_listener){.port = pair->port_next++, .accept = accept, .context = context};
    list_init(&(*listener)->link);
    list_append(&pair->listeners, &(*listener)->link);
    return 0;
}

static int listener_port(const struct os_listener *listener)
{
    return listener->port;
}

static void listener_close(struct os_listener *listener)
{
    list_remove(&listener->link);
    free(listener);
}

/* -- Time and chance -------------------------------------------------------------------- */

static uint64_t now_us(struct os *os)
{
    return pair_of(os)->now_us;
}

static uint64_t wall_ms(struct os *os)
{
    return pair_of(os)->now_us / 1000;
}

static void fill_random(struct os *os, void *out, size_t size)
{
    (void)os;
    memset(out, 4, size);
}

static struct os_timer *timer_new(struct os *os, os_callback callback, void *context)
{
    struct os_timer *timer = calloc(1, sizeof *timer);
    assert(timer != NULL);
    *timer = (struct os_timer){.pair = pair_of(os), .callback = callback, .context = context};
    list_init(&timer->link);
    list_append(&timer->pair->timers, &timer->link);
    return timer;
}

static void timer_start(struct os_timer *timer, uint64_t delay_us)
{
    timer->at_us = timer->pair->now_us + (delay_us == 0 ? 1 : delay_us);
}

static void timer_stop(struct os_timer *timer)
{
    timer->at_us = 0;
}

static void timer_free(struct os_timer *timer)
{
    list_remove(&timer->link);
    free(timer);
}

static int turn_end(struct os *os, os_callback callback, void *context)
{
    struct os_pair *pair = pair_of(os);
    assert(pair->turn_end_count < sizeof pair->turn_ends / sizeof pair->turn_ends[0]);
    pair->turn_ends[pair->turn_end_count].callback = callback;
    pair->turn_ends[pair->turn_end_count++].context = context;
    return 0;
}

static const struct os_functions FUNCTIONS = {
    .now_us = now_us,
    .wall_ms = wall_ms,
    .random = fill_random,
    .timer_new = timer_new,
    .timer_start = timer_start,
    .timer_stop = timer_stop,
    .timer_free = timer_free,
    .turn_end = turn_end,
    .listen = listen_on,
    .listener_port = listener_port,
    .listener_close = listener_close,
    .connect = connect_to,
};

/* -- The loop --------------------------------------------------------------------------- */

/* One event for one stream. Returns 0 if there was none; the stream may be gone. */
static int step_stream(struct os_pair *pair, struct pair_stream *self)
{
    if (self->is_over || self->events == NULL) {
        return 0;
    }
    if (self->is_opening) {
        self->is_opening = 0;
        if (self->events->on_open != NULL) {
            self->events->on_open(self->context);
        }
        return 1;
    }
    if (self->is_full && queued(&self->stream) == 0) {
        self->is_full = 0;
        self->events->on_drain(self->context);
        return 1;
    }
    size_t size = buffer_size(&self->inbox);
    if (size > 0 && !self->is_paused) {
        if (pair->piece_max != 0 && size > pair->piece_max) {
            size = pair->piece_max;
        }
        /* A copy of exact size, so that a sanitizer sees a read beyond it. */
        uint8_t *copy = malloc(size);
        assert(copy != NULL);
        memcpy(copy, buffer_bytes(&self->inbox).data, size);
        buffer_consume(&self->inbox, size);
        self->events->on_data(self->context, bytes_of(copy, size));
        free(copy);
        return 1;
    }
    if (self->peer == NULL && size == 0) {
        self->is_over = 1;
        self->events->on_close(self->context, self->error);
        return 1;
    }
    return 0;
}

static int step_timers(struct os_pair *pair)
{
    struct list *link;
    struct list *following;
    LIST_FOREACH (&pair->timers, link, following) {
        struct os_timer *timer = LIST_ITEM(link, struct os_timer, link);
        if (timer->at_us != 0 && timer->at_us <= pair->now_us) {
            timer->at_us = 0;
            timer->callback(timer->context);
            return 1;
        }
    }
    return 0;
}

int os_pair_turn(struct os_pair *pair)
{
    /* Callbacks close any stream they like, so links are not kept over one: streams that are
     * there now are marked by a moving end. */
    int happened = step_timers(pair);
    size_t count = 0;
    struct list *link;
    struct list *following;
    LIST_FOREACH (&pair->streams, link, following) {
        count++;
    }
    while (count-- > 0 && !list_is_empty(&pair->streams)) {
        link = pair->streams.next;
        list_remove(link);
        list_append(&pair->streams, link);
        happened |= step_stream(pair, LIST_ITEM(link, struct pair_stream, link));
    }
    for (size_t i = 0; i < pair->turn_end_count; i++) {
        pair->turn_ends[i].callback(pair->turn_ends[i].context);
    }
    return happened;
}

void os_pair_settle(struct os_pair *pair)
{
    enum {
        TURNS_MAX = 10000000
    };
    /* The end of a quiet turn may have sent something: only two in a row are quiet. */
    for (int turns = 0, quiet = 0; quiet < 2; turns++) {
        assert(turns < TURNS_MAX);
        quiet = os_pair_turn(pair) ? 0 : quiet + 1;
    }
}

void os_pair_advance(struct os_pair *pair, uint64_t us)
{
    const uint64_t end_us = pair->now_us + us;
    for (;;) {
        uint64_t next_us = end_us;
        struct list *link;
        struct list *following;
        LIST_FOREACH (&pair->timers, link, following) {
            const struct os_timer *timer = LIST_ITEM(link, struct os_timer, link);
            if (timer->at_us != 0 && timer->at_us < next_us) {
                next_us = timer->at_us;
            }
        }
        pair->now_us = next_us > pair->now_us ? next_us : pair->now_us;
        os_pair_settle(pair);
        if (pair->now_us >= end_us) {
            return;
        }
    }
}

struct os_pair *os_pair_new(void)
{
    struct os_pair *pair = calloc(1, sizeof *pair);
    assert(pair != NULL);
    pair->os.functions = &FUNCTIONS;
    pair->now_us = 1000000;
    pair->kernel_size = 64 * 1024;
    pair->port_next = 1;
    list_init(&pair->timers);
    list_init(&pair->listeners);
    list_init(&pair->streams);
    return pair;
}

void os_pair_free(struct os_pair *pair)
{
    struct list *link;
    struct list *following;
    LIST_FOREACH (&pair->streams, link, following) {
        free_stream(LIST_ITEM(link, struct pair_stream, link));
    }
    LIST_FOREACH (&pair->timers, link, following) {
        timer_free(LIST_ITEM(link, struct os_timer, link));
    }
    LIST_FOREACH (&pair->listeners, link, following) {
        listener_close(LIST_ITEM(link, struct os_listener, link));
    }
    free(pair);
}
