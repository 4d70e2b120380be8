/* os_uv_listen.c -- accepting connections. */
#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "os/os_uv_internal.h"

/* Connections that the kernel holds for us while a turn is long: more than a crowd of clients
 * that all come back at once after a leader died. */
enum {
    BACKLOG = 1024
};

struct os_listener {
    struct os_uv *uv;
    uv_tcp_t tcp;
    uv_tcp_t refusal; /* Takes a connection that there is no memory for, and closes it. */
    os_accept_callback accept;
    void *context;
    int port;
    int is_refusing; /* `refusal` is in use, ... */
    int has_refused; /* ... and a connection was there for it. */
    int is_closed;   /* The owner let go; freed when neither handle is open any more. */
    int is_tcp_open;
};

static void accept_next(uv_stream_t *server, int status);

static void on_refused(uv_handle_t *handle)
{
    struct os_listener *listener = handle->data;
    listener->is_refusing = 0;
    if (!listener->is_closed && listener->has_refused) {
        accept_next((uv_stream_t *)&listener->tcp, 0); /* One more may wait. */
    } else if (listener->is_closed && !listener->is_tcp_open) {
        free(listener);
    }
}

/* libuv calls for nothing new while a connection waits to be taken, so it must be taken even
 * where there is no memory to keep it. */
static void refuse(struct os_listener *listener)
{
    if (listener->is_refusing) {
        return; /* on_refused() comes back for it. */
    }
    listener->is_refusing = 1;
    uv_tcp_init(&listener->uv->loop, &listener->refusal);
    listener->refusal.data = listener;
    listener->has_refused =
        uv_accept((uv_stream_t *)&listener->tcp, (uv_stream_t *)&listener->refusal) == 0;
    if (listener->has_refused) {
        log_write(LOG_WARN, "refused a connection: out of memory", NULL);
    }
    uv_close((uv_handle_t *)&listener->refusal, on_refused);
}

static void name_stream(struct os_uv_stream *stream)
{
    struct sockaddr_storage address = {0};
    int size = sizeof address;
    uv_tcp_getpeername(&stream->tcp, (struct sockaddr *)&address, &size);
    os_uv_address_format(&address, stream->name);
}

static void accept_next(uv_stream_t *server, int status)
{
    struct os_listener *listener = server->data;
    if (status != 0) {
        log_write(LOG_WARN, "cannot accept a connection",
                  (struct log_field[]){log_text("error", uv_strerror(status)), {0}});
        return;
    }
    struct os_uv_stream *stream = os_uv_stream_new(listener->uv, OS_UV_NAME_SIZE);
    if (stream == NULL) {
        refuse(listener);
        return;
    }
    if (uv_accept(server, (uv_stream_t *)&stream->tcp) != 0) {
        stream->is_released = 1;
        os_uv_stream_destroy(stream);
        return;
    }
    name_stream(stream);
    os_uv_stream_opened(stream);
    listener->accept(listener->context, &stream->stream);
    assert(stream->events != NULL || stream->is_released);
}

/* Turn "host:port" into a socket address; a name is looked up here and now, for it happens
 * once, when a server starts. */
static int resolve(struct os_uv *uv, const char *address, struct sockaddr_storage *out)
{
    char host[OS_UV_HOST_SIZE];
    char service[8];
    uint16_t port;
    if (os_uv_address_split(address, host, &port) != 0) {
        return -EINVAL;
    }
    if (os_uv_address_parse(host, port, out) == 0) {
        return 0;
    }
    uv_getaddrinfo_t request;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICSERV | AI_PASSIVE};
    snprintf(service, sizeof service, "%u", port);
    const int error = uv_getaddrinfo(&uv->loop, &request, NULL, host, service, &hints);
    if (error != 0) {
        return os_uv_address_error(error);
    }
    const struct addrinfo *picked = os_uv_address_pick(request.addrinfo);
    memcpy(out, picked->ai_addr, picked->ai_addrlen);
    uv_freeaddrinfo(request.addrinfo);
    return 0;
}

static int begin_listening(struct os_listener *listener, const struct sockaddr_storage *address)
{
    struct sockaddr_storage bound = {0};
    int size = sizeof bound;
    int error = uv_tcp_bind(&listener->tcp, (const struct sockaddr *)address, 0);
    if (error == 0) {
        error = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, accept_next);
    }
    if (error == 0) {
        error = uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&bound, &size);
    }
    listener->port =
        ntohs(bound.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&bound)->sin6_port
                                          : ((const struct sockaddr_in *)&bound)->sin_port);
    return error;
}

int os_uv_listen(struct os *os, const char *address, os_accept_callback accept, void *context,
                 struct os_listener **listener)
{
    struct sockaddr_storage where;
    struct os_uv *uv = os_uv_of(os);
    int error = resolve(uv, address, &where);
    if (error != 0) {
        return error;
    }
    struct os_listener *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return -ENOMEM;
    }
    made->uv = uv;
    made->accept = accept;
    made->context = context;
    made->is_tcp_open = 1;
    uv_tcp_init(&uv->loop, &made->tcp);
    made->tcp.data = made;
    error = begin_listening(made, &where);
    if (error != 0) {
        os_uv_listener_close(made);
        return error;
    }
    *listener = made;
    return 0;
}

int os_uv_listener_port(const struct os_listener *listener)
{
    return listener->port;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct os_listener *listener = handle->data;
    listener->is_tcp_open = 0;
    if (!listener->is_refusing) {
        free(listener);
    }
}

void os_uv_listener_close(struct os_listener *listener)
{
    listener->is_closed = 1;
    uv_close((uv_handle_t *)&listener->tcp, on_listener_closed);
}
