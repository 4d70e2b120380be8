/* os_uv_stream.c -- one connection: reading, writing, and ending it in good order.
 *
 * Writing   What is written goes to the kernel at once, all parts in one writev. Only what the
 *           kernel does not take is copied: into `pending`, which goes out as one piece as
 *           soon as the piece before it, `sending`, has left. So a connection has at most one
 *           request to libuv under way, small writes to a slow reader are gathered, and one
 *           that keeps up never copies anything.
 * Failing   on_close is never called from inside os_stream_write(). A write that finds the
 *           connection broken shuts the socket down, and reading finds out a moment later.
 * Closing   A released stream with bytes in its outbox lingers until they have left. It goes
 *           on reading, and forgets what it reads: a socket closed with unread bytes in it is
 *           reset, and that could overtake our last words. No owner counts such streams, so
 *           there are few of them: of too many, the oldest is cut. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "os/os_uv_internal.h"

enum {
    PARTS_AT_ONCE = 64,    /* Parts of one writev. */
    UNSENT_MAX = 64 << 10, /* Bytes that the kernel may hold and has not sent once. */
    KEEPALIVE_S = 30,      /* Of silence; who lost its power sends no word of farewell. */
    LINGER_MS_MAX = 10000, /* A released stream whose reader takes nothing for so long is cut. */
    LINGERING_MAX = 128,   /* Released streams, ... */
    LINGERING_BYTES_MAX = 64 << 20, /* ... and what they hold, but for the newest. */
};

struct os_uv_outbox {
    uv_write_t request;
    struct buffer sending; /* Given to libuv; empty while no request is under way. */
    struct buffer pending; /* Comes next. */
};

static struct os_uv_stream *stream_of(const struct os_stream *stream)
{
    return (struct os_uv_stream *)(uintptr_t)stream;
}

/* -- Ending ----------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct os_uv_stream *stream = handle->data;
    assert(stream->outbox == NULL && stream->dial == NULL);
    list_remove(&stream->link);
    free(stream);
}

void os_uv_stream_destroy(struct os_uv_stream *stream)
{
    uv_handle_t *handle = (uv_handle_t *)&stream->tcp;
    if (!uv_is_closing(handle)) {
        uv_close(handle, on_closed);
    }
}

void os_uv_stream_ended(struct os_uv_stream *stream, int error)
{
    if (stream->is_ended && error == 0) {
        return;
    }
    const int is_news = !stream->is_ended;
    stream->is_ended = 1;
    stream->error = error;
    uv_read_stop((uv_stream_t *)&stream->tcp);
    if (stream->is_released) {
        if (error != 0) {
            os_uv_stream_destroy(stream); /* Its last bytes have nowhere to go. */
        }
    } else if (is_news) {
        assert(stream->events != NULL);
        stream->events->on_close(stream->context, error);
    }
}

/* -- Reading ---------------------------------------------------------------------------- */

static void lend_buffer(uv_handle_t *handle, __attribute__((unused)) size_t suggested,
                        uv_buf_t *out)
{
    struct os_uv_stream *stream = handle->data;
    *out = uv_buf_init(stream->uv->read_buffer, sizeof stream->uv->read_buffer);
}

static void on_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buffer)
{
    struct os_uv_stream *stream = handle->data;
    if (size < 0) {
        os_uv_stream_ended(stream, size == UV_EOF ? stream->error : (int)size);
    } else if (size > 0 && !stream->is_released && stream->error == 0) {
        stream->events->on_data(stream->context, bytes_of(buffer->base, (size_t)size));
    }
}

/* Read or do not read, as the state of the stream has it. */
static void update_reading(struct os_uv_stream *stream)
{
    uv_stream_t *handle = (uv_stream_t *)&stream->tcp;
    if (!stream->is_open || stream->is_ended || uv_is_closing((uv_handle_t *)handle)) {
        return;
    }
    const int is_wanted =
        stream->is_released || stream->error != 0 || (stream->events != NULL && !stream->is_paused);
    if (is_wanted) {
        uv_read_start(handle, lend_buffer, on_read); /* Harmless where it reads already. */
    } else {
        uv_read_stop(handle);
    }
}

/* Writing failed: have on_read() tell the owner, in the next turn. */
static void fail_later(struct os_uv_stream *stream, int error)
{
    uv_os_fd_t descriptor;
    assert(error < 0);
    if (stream->is_released) {
        os_uv_stream_destroy(stream);
        return;
    }
    stream->error = error;
    if (uv_fileno((uv_handle_t *)&stream->tcp, &descriptor) == 0) {
        shutdown(descriptor, SHUT_RDWR);
    }
    update_reading(stream);
}

/* -- Writing ---------------------------------------------------------------------------- */

static void free_outbox(struct os_uv_stream *stream)
{
    struct os_uv_outbox *outbox = stream->outbox;
    stream->outbox = NULL;
    if (outbox != NULL) {
        buffer_deinit(&outbox->sending);
        buffer_deinit(&outbox->pending);
        free(outbox);
    }
}

static void on_written(uv_write_t *request, int status);

/* Give what is pending to libuv. */
static void send_pending(struct os_uv_stream *stream)
{
    struct os_uv_outbox *outbox = stream->outbox;
    assert(buffer_size(&outbox->sending) == 0 && buffer_size(&outbox->pending) > 0);
    outbox->sending = outbox->pending;
    outbox->pending = (struct buffer){0};

    const struct bytes bytes = buffer_bytes(&outbox->sending);
    const uv_buf_t part = {.base = (char *)(uintptr_t)bytes.data, .len = bytes.size};
    outbox->request.data = stream;
    const int error = uv_write(&outbox->request, (uv_stream_t *)&stream->tcp, &part, 1, on_written);
    if (error != 0) {
        free_outbox(stream);
        fail_later(stream, error);
    }
}

static void on_written(uv_write_t *request, int status)
{
    struct os_uv_stream *stream = request->data;
    struct os_uv_outbox *outbox = stream->outbox;
    buffer_deinit(&outbox->sending);
    if (status == 0 && buffer_size(&outbox->pending) > 0) {
        send_pending(stream);
        return;
    }
    free_outbox(stream);
    if (uv_is_closing((uv_handle_t *)&stream->tcp)) {
        return; /* Cancelled by os_uv_stream_destroy(). */
    }
    if (status != 0) {
        os_uv_stream_ended(stream, status);
    } else if (stream->is_released) {
        os_uv_stream_destroy(stream);
    } else if (!stream->is_ended) {
        stream->events->on_drain(stream->context);
    }
}

/* Offer the parts to the kernel. Returns how many bytes it took, or a negative errno value. */
static int64_t send_now(struct os_uv_stream *stream, const struct bytes *parts, size_t count)
{
    uv_buf_t buffers[PARTS_AT_ONCE];
    int64_t sent = 0;
    for (size_t start = 0; start < count; start += PARTS_AT_ONCE) {
        const size_t some = count - start < PARTS_AT_ONCE ? count - start : PARTS_AT_ONCE;
        size_t offered = 0;
        for (size_t i = 0; i < some; i++) {
            const struct bytes *part = &parts[start + i];
            buffers[i] = (uv_buf_t){.base = (char *)(uintptr_t)part->data, .len = part->size};
            offered += part->size;
        }
        const int taken =
            offered == 0 ? 0 : uv_try_write((uv_stream_t *)&stream->tcp, buffers, (unsigned)some);
        if (taken < 0 && taken != UV_EAGAIN) {
            return taken;
        }
        sent += taken > 0 ? taken : 0;
        if (taken < 0 || (size_t)taken < offered) {
            break;
        }
    }
    return sent;
}

/* Copy all but the first `skip` bytes of the parts into the outbox. Returns 0 or -ENOMEM. */
static int keep_rest(struct os_uv_stream *stream, const struct bytes *parts, size_t count,
                     size_t skip)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += parts[i].size;
    }
    assert(skip <= total);
    if (skip == total) {
        return 0;
    }
    struct os_uv_outbox *outbox = stream->outbox;
    if (outbox == NULL) {
        outbox = calloc(1, sizeof *outbox);
    }
    if (outbox == NULL || buffer_reserve(&outbox->pending, total - skip) == NULL) {
        if (stream->outbox == NULL) {
            free(outbox);
        }
        return -ENOMEM;
    }
    stream->outbox = outbox;
    for (size_t i = 0; i < count; i++) {
        const size_t gone = skip < parts[i].size ? skip : parts[i].size;
        skip -= gone;
        if (gone < parts[i].size) {
            buffer_append(&outbox->pending, parts[i].data + gone, parts[i].size - gone);
        }
    }
    return 0;
}

static int write_parts(struct os_stream *os_stream, const struct bytes *parts, size_t count)
{
    struct os_uv_stream *stream = stream_of(os_stream);
    assert(!stream->is_released);
    if (stream->error != 0) {
        return 0; /* It broke, and on_close says so or has said so. */
    }
    int64_t sent = 0;
    if (stream->is_open && stream->outbox == NULL) {
        sent = send_now(stream, parts, count);
    }
    if (sent < 0) {
        fail_later(stream, (int)sent);
        return 0;
    }
    const int error = keep_rest(stream, parts, count, (size_t)sent);
    if (error != 0 && sent > 0) {
        fail_later(stream, error); /* A part is gone: the rest must not be missing unseen. */
        return 0;
    }
    if (error == 0 && stream->is_open && stream->outbox != NULL &&
        buffer_size(&stream->outbox->sending) == 0) {
        send_pending(stream);
    }
    return error;
}

static size_t count_queued(const struct os_stream *os_stream)
{
    const struct os_uv_stream *stream = stream_of(os_stream);
    if (stream->outbox == NULL) {
        return 0;
    }
    return uv_stream_get_write_queue_size((const uv_stream_t *)&stream->tcp) +
           buffer_size(&stream->outbox->pending);
}

/* -- What the owner does ---------------------------------------------------------------- */

static void attach(struct os_stream *os_stream, const struct os_stream_events *events,
                   void *context)
{
    struct os_uv_stream *stream = stream_of(os_stream);
    assert(!stream->is_released);
    stream->events = events;
    stream->context = context;
    update_reading(stream);
}

static void pause_reading(struct os_stream *os_stream, int is_paused)
{
    struct os_uv_stream *stream = stream_of(os_stream);
    stream->is_paused = is_paused != 0;
    update_reading(stream);
}

/* A client that reads nothing, and goes and comes again, must not fill our memory or take all our
 * descriptors. Of those that are closing already the memory is as good as free. */
static void cut_oldest(const struct os_uv *uv)
{
    uint32_t count = 0;
    uint64_t bytes = 0;
    for (const struct list *link = uv->lingering.previous; link != &uv->lingering;
         link = link->previous) {
        struct os_uv_stream *stream = LIST_ITEM(link, struct os_uv_stream, link);
        if (!uv_is_closing((const uv_handle_t *)&stream->tcp)) {
            count++;
            bytes += count_queued(&stream->stream);
            const int is_too_much = count > 1 && bytes > LINGERING_BYTES_MAX;
            if (count > LINGERING_MAX || is_too_much) {
                (void)uv_tcp_close_reset(&stream->tcp, on_closed); /* It is no end in good order. */
            }
        }
    }
}

/* The kernel itself cuts a connection whose reader takes nothing for too long. */
static void linger(struct os_uv_stream *stream)
{
    uv_os_fd_t descriptor;
    const unsigned int limit_ms = LINGER_MS_MAX;
    if (uv_fileno((uv_handle_t *)&stream->tcp, &descriptor) == 0) {
        setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof limit_ms);
    }
    list_append(&stream->uv->lingering, &stream->link);
    update_reading(stream);
    cut_oldest(stream->uv);
}

static void close_stream(struct os_stream *os_stream)
{
    struct os_uv_stream *stream = stream_of(os_stream);
    assert(!stream->is_released);
    stream->is_released = 1;
    stream->events = NULL;
    if (!stream->is_open) {
        free_outbox(stream); /* Never given to libuv; nobody will ever read it. */
    }
    if (stream->dial != NULL) {
        os_uv_dial_abandon(stream);
    } else if (stream->outbox != NULL && stream->error == 0) {
        linger(stream);
    } else {
        os_uv_stream_destroy(stream);
    }
}

static const char *name_of_peer(const struct os_stream *os_stream)
{
    return stream_of(os_stream)->name;
}

/* -- Its beginning ---------------------------------------------------------------------- */

static const struct os_stream_functions functions = {
    .attach = attach,
    .write = write_parts,
    .queued = count_queued,
    .pause = pause_reading,
    .close = close_stream,
    .peer_name = name_of_peer,
};

struct os_uv_stream *os_uv_stream_new(struct os_uv *uv, size_t name_size)
{
    struct os_uv_stream *stream = calloc(1, sizeof *stream + name_size);
    if (stream == NULL) {
        return NULL;
    }
    stream->stream.functions = &functions;
    stream->uv = uv;
    list_init(&stream->link);
    uv_tcp_init(&uv->loop, &stream->tcp);
    stream->tcp.data = stream;
    return stream;
}

/* The kernel would take megabytes that it cannot send yet: then nobody knows how far behind the
 * other side is, and what is urgent waits behind them all. What is under way is not bounded. */
static void leave_the_rest_to_us(struct os_uv_stream *stream)
{
    const int most = UNSENT_MAX;
    uv_os_fd_t descriptor;
    if (uv_fileno((uv_handle_t *)&stream->tcp, &descriptor) == 0) {
        (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof most);
    }
}

void os_uv_stream_opened(struct os_uv_stream *stream)
{
    stream->is_open = 1;
    uv_tcp_nodelay(&stream->tcp, 1); /* We gather ourselves; Nagle would only wait. */
    uv_tcp_keepalive(&stream->tcp, 1, KEEPALIVE_S);
    leave_the_rest_to_us(stream);
    update_reading(stream);
    if (stream->outbox != NULL) {
        send_pending(stream);
    }
}
