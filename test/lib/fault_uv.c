/* fault_uv.c -- what our os on libuv asks of libuv, refused.
 *
 * As in fault_posix.c: the archives of the programs of test/fault call these in place of the
 * functions of the same names (Makefile). What libuv does later and answers by a callback is
 * refused in two ways: at once, or (FAULT_LATE) it is begun so that it must fail. Not among them:
 * uv_queue_work(), which refuses nothing but a job without a function. */
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <uv.h>

#include "fault.h"

int fault_uv_loop_init(uv_loop_t *loop);
int fault_uv_signal_init(uv_loop_t *loop, uv_signal_t *handle);
int fault_uv_tcp_bind(uv_tcp_t *handle, const struct sockaddr *address, unsigned flags);
int fault_uv_listen(uv_stream_t *stream, int backlog, uv_connection_cb callback);
int fault_uv_accept(uv_stream_t *server, uv_stream_t *client);
int fault_uv_tcp_connect(uv_connect_t *request, uv_tcp_t *handle, const struct sockaddr *address,
                         uv_connect_cb callback);
int fault_uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb callback,
                         const char *host, const char *service, const struct addrinfo *hints);
int fault_uv_try_write(uv_stream_t *stream, const uv_buf_t buffers[], unsigned count);
int fault_uv_write(uv_write_t *request, uv_stream_t *stream, const uv_buf_t buffers[],
                   unsigned count, uv_write_cb callback);

/* -- The loop ------------------------------------------------------------------------------- */

int fault_uv_loop_init(uv_loop_t *loop)
{
    return fault_strikes(FAULT_ALLOCATION) ? UV_EMFILE : uv_loop_init(loop);
}

int fault_uv_signal_init(uv_loop_t *loop, uv_signal_t *handle)
{
    return fault_strikes(FAULT_ALLOCATION) ? UV_EMFILE : uv_signal_init(loop, handle);
}

/* -- Connections ---------------------------------------------------------------------------- */

int fault_uv_tcp_bind(uv_tcp_t *handle, const struct sockaddr *address, unsigned flags)
{
    return fault_strikes(FAULT_LISTEN) ? UV_EACCES : uv_tcp_bind(handle, address, flags);
}

int fault_uv_listen(uv_stream_t *stream, int backlog, uv_connection_cb callback)
{
    return fault_strikes(FAULT_LISTEN) ? UV_EADDRINUSE : uv_listen(stream, backlog, callback);
}

/* Where libuv fails here the connection does not wait any more. */
int fault_uv_accept(uv_stream_t *server, uv_stream_t *client)
{
    const int is_refused = fault_strikes(FAULT_ACCEPT);
    const int error = uv_accept(server, client);
    return is_refused ? UV_ENOBUFS : error;
}

/* Nobody listens on port 1. */
int fault_uv_tcp_connect(uv_connect_t *request, uv_tcp_t *handle, const struct sockaddr *address,
                         uv_connect_cb callback)
{
    const struct sockaddr_in nobody = {
        .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fault_strikes(FAULT_CONNECT)) {
        return UV_EADDRNOTAVAIL;
    }
    return uv_tcp_connect(request, handle,
                          fault_strikes(FAULT_LATE) ? (const struct sockaddr *)&nobody : address,
                          callback);
}

/* What is no address in digits is not found where only those are looked for. */
int fault_uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb callback,
                         const char *host, const char *service, const struct addrinfo *hints)
{
    struct addrinfo digits = *hints;
    digits.ai_flags |= AI_NUMERICHOST;
    if (fault_strikes(FAULT_CONNECT)) {
        return UV_ENOMEM;
    }
    return uv_getaddrinfo(loop, request, callback, host, service,
                          fault_strikes(FAULT_LATE) ? &digits : hints);
}

int fault_uv_try_write(uv_stream_t *stream, const uv_buf_t buffers[], unsigned count)
{
    return fault_strikes(FAULT_SEND) ? UV_ECONNRESET : uv_try_write(stream, buffers, count);
}

int fault_uv_write(uv_write_t *request, uv_stream_t *stream, const uv_buf_t buffers[],
                   unsigned count, uv_write_cb callback)
{
    uv_os_fd_t descriptor;
    if (fault_strikes(FAULT_SEND)) {
        return UV_ENOMEM;
    }
    if (fault_strikes(FAULT_LATE) && uv_fileno((uv_handle_t *)stream, &descriptor) == 0) {
        (void)shutdown(descriptor, SHUT_WR);
    }
    return uv_write(request, stream, buffers, count, callback);
}
