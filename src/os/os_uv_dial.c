/* os_uv_dial.c -- connecting to "host:port": look the name up, then try its addresses in turn.
 *
 * "localhost" may stand for ::1 and 127.0.0.1, and only one of them may listen. And a name may
 * have an address that nothing comes back from, as where there is no way for IPv6: while there is
 * another one to try, an attempt gets ATTEMPT_US. The last one ends when the kernel gives up, or
 * the owner. A TCP handle of libuv can connect once, so between two attempts it is closed and made
 * anew.
 *
 *     LOOKUP --> CONNECT --opened--> (the dial is freed)
 *                 ^   |
 *                 |   +--failed, no address left--> on_close
 *                REOPEN <--failed or late--+
 *
 * The stream may be let go of in every one of these states; libuv's callback for that state
 * then frees the dial, and the stream with it or after it. */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "os/os_uv_internal.h"

enum {
    ATTEMPT_US = 500000
};

enum dial_state {
    DIAL_LOOKUP = 1,
    DIAL_CONNECT,
    DIAL_REOPEN
};

struct os_uv_dial {
    enum dial_state state;
    struct os_uv_stream *stream; /* NULL: let go of, during the look-up. */
    struct addrinfo *addresses;  /* What the look-up found; NULL for an address in digits. */
    struct addrinfo *next;       /* The one to try next. */
    struct os_timer *patience;   /* With one address while there are others; NULL: with none. */
    union {
        uv_getaddrinfo_t lookup;
        uv_connect_t connect;
    };
};

static void free_dial(struct os_uv_dial *dial)
{
    if (dial->patience != NULL) {
        os_timer_free(&dial->stream->uv->os, dial->patience);
    }
    if (dial->stream != NULL) {
        dial->stream->dial = NULL;
    }
    uv_freeaddrinfo(dial->addresses);
    free(dial);
}

static void on_connected(uv_connect_t *request, int status);

static int begin_connect(struct os_uv_dial *dial, const struct sockaddr *address)
{
    dial->state = DIAL_CONNECT;
    dial->connect.data = dial;
    return uv_tcp_connect(&dial->connect, &dial->stream->tcp, address, on_connected);
}

static void try_next(struct os_uv_dial *dial);

static void on_reopened(uv_handle_t *handle)
{
    struct os_uv_stream *stream = handle->data;
    uv_tcp_init(&stream->uv->loop, &stream->tcp);
    stream->tcp.data = stream;
    if (stream->is_released) {
        free_dial(stream->dial);
        os_uv_stream_destroy(stream);
    } else {
        try_next(stream->dial);
    }
}

static void reopen(struct os_uv_dial *dial)
{
    dial->state = DIAL_REOPEN;
    os_timer_stop(&dial->stream->uv->os, dial->patience);
    uv_close((uv_handle_t *)&dial->stream->tcp, on_reopened);
}

static void attempt_failed(struct os_uv_dial *dial, int error)
{
    struct os_uv_stream *stream = dial->stream;
    if (dial->next != NULL) {
        reopen(dial);
    } else {
        free_dial(dial);
        os_uv_stream_ended(stream, error);
    }
}

static void on_late(void *context)
{
    struct os_uv_dial *dial = context;
    assert(dial->state == DIAL_CONNECT);
    if (!dial->stream->is_released) {
        reopen(dial);
    }
}

static void try_next(struct os_uv_dial *dial)
{
    const struct addrinfo *found = dial->next;
    dial->next = found->ai_next;
    if (dial->next != NULL) {
        os_timer_start(&dial->stream->uv->os, dial->patience, ATTEMPT_US);
    }
    const int error = begin_connect(dial, found->ai_addr);
    if (error != 0) {
        attempt_failed(dial, error);
    }
}

static void on_connected(uv_connect_t *request, int status)
{
    struct os_uv_dial *dial = request->data;
    struct os_uv_stream *stream = dial->stream;
    if (dial->state == DIAL_REOPEN) {
        return; /* It was late, and its handle closes: on_reopened() does the rest. */
    }
    if (stream->is_released) {
        free_dial(dial); /* The handle is closing; the stream goes with it. */
    } else if (status != 0) {
        attempt_failed(dial, status);
    } else {
        free_dial(dial);
        os_uv_stream_opened(stream);
        stream->events->on_open(stream->context);
    }
}

static void on_found(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct os_uv_dial *dial = request->data;
    struct os_uv_stream *stream = dial->stream;
    dial->addresses = addresses;
    dial->next = addresses;
    if (stream == NULL) {
        free_dial(dial);
        return;
    }
    int error = status != 0 || addresses == NULL ? os_uv_address_error(status) : 0;
    if (error == 0 && addresses->ai_next != NULL) {
        dial->patience = os_timer_new(&stream->uv->os, on_late, dial);
        error = dial->patience == NULL ? -ENOMEM : 0;
    }
    if (error != 0) {
        free_dial(dial);
        os_uv_stream_ended(stream, error);
    } else {
        try_next(dial);
    }
}

/* A name rather than an address: ask the resolver, on a thread of libuv's pool. */
static int begin_lookup(struct os_uv_dial *dial, const char *host, uint16_t port)
{
    char service[8];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    snprintf(service, sizeof service, "%u", port);
    dial->state = DIAL_LOOKUP;
    dial->lookup.data = dial;
    const int error =
        uv_getaddrinfo(&dial->stream->uv->loop, &dial->lookup, on_found, host, service, &hints);
    return error == 0 ? 0 : os_uv_address_error(error);
}

int os_uv_connect(struct os *os, const char *address, const struct os_stream_events *events,
                  void *context, struct os_stream **stream)
{
    char host[OS_UV_HOST_SIZE];
    uint16_t port;
    struct sockaddr_storage digits;
    const size_t name_size = strlen(address) + 1;
    if (os_uv_address_split(address, host, &port) != 0) {
        return -EINVAL;
    }
    struct os_uv_stream *made = os_uv_stream_new(os_uv_of(os), name_size);
    if (made == NULL) {
        return -ENOMEM;
    }
    memcpy(made->name, address, name_size);
    made->events = events;
    made->context = context;

    int error = -ENOMEM;
    made->dial = calloc(1, sizeof *made->dial);
    if (made->dial != NULL) {
        made->dial->stream = made;
        error = os_uv_address_parse(host, port, &digits) == 0
                    ? begin_connect(made->dial, (const struct sockaddr *)&digits)
                    : begin_lookup(made->dial, host, port);
    }
    if (error != 0) {
        if (made->dial != NULL) {
            free_dial(made->dial);
        }
        made->is_released = 1;
        os_uv_stream_destroy(made);
        return error;
    }
    *stream = &made->stream;
    return 0;
}

void os_uv_dial_abandon(struct os_uv_stream *stream)
{
    struct os_uv_dial *dial = stream->dial;
    switch (dial->state) {
    case DIAL_LOOKUP:
        uv_cancel((uv_req_t *)&dial->lookup); /* If it runs already, it runs to its end. */
        dial->stream = NULL;
        stream->dial = NULL;
        break;
    case DIAL_CONNECT:
        break; /* Closing the handle cancels it: on_connected() comes, then the end. */
    case DIAL_REOPEN:
        return; /* It is closing already: on_reopened() does the rest. */
    }
    os_uv_stream_destroy(stream);
}
