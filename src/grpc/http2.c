/* http2.c -- HTTP/2 connections of the server, over nghttp2 (which does no I/O of its own).
 *
 * A call is one stream (gRPC over HTTP/2):
 *
 *   client                                        server
 *   HEADERS  :method POST, :path, content-type,   HEADERS  :status 200, content-type
 *            te, grpc-timeout, metadata           DATA     prefixed messages
 *   DATA     prefixed messages                    HEADERS  grpc-status, grpc-message, END_STREAM
 *   END_STREAM
 *
 * An answer without messages is one HEADERS frame with everything ("trailers only").
 *
 * nghttp2's own check of header fields refuses the :authority of etcd's Go client up to 3.5.0
 * ("#initially=[127.0.0.1:2379]"), so it is off (no_http_messaging), and http2_request.c checks.
 *
 * Floods. nghttp2 limits CONTINUATION frames, SETTINGS entries, unsent acknowledgements and
 * resets (a token bucket). PING, SETTINGS, PRIORITY and empty DATA frames are counted here: one
 * is forgiven for each request, and one for each DATA frame that we send (Go's client measures the
 * connection with a PING whenever data arrive), the rest must stay below control_frames_max in a
 * second.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "grpc/server_internal.h"

enum {
    /* Request messages are taken in as they arrive, so the windows bound nothing but what is on
     * its way: large enough for 1 GB/s at 1 ms, and for one large request in a round trip. */
    CONNECTION_WINDOW = 16 * 1024 * 1024,
    STREAM_WINDOW = 1024 * 1024,
    /* A client that cancels all its thousands of calls at once is no attacker. */
    RESETS_BURST = 10000,
    RESETS_PER_SECOND = 1000,
};

/* -- Requests ---------------------------------------------------------------------------- */

/* Where there is no memory even for this, the client hears of it by the lost connection: a stream
 * of which nothing more is said would keep it waiting. */
void http2_reset(struct connection *connection, int32_t stream_id, uint32_t error_code)
{
    if (nghttp2_submit_rst_stream(connection->session, 0, stream_id, error_code) != 0) {
        connection_doom(connection);
    }
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct connection *connection = user;
    connection->opening = NULL;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0; /* Trailers of a request: nothing in them matters to us. */
    }
    struct exchange *exchange = exchange_new(connection);
    if (exchange == NULL) {
        /* Without a refusal text, but the client knows that it may try elsewhere. */
        http2_reset(connection, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    exchange->stream_id = frame->hd.stream_id;
    connection->opening = exchange;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, exchange);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user)
{
    struct connection *connection = user;
    (void)session;
    (void)frame;
    (void)flags;
    if (connection->opening == NULL) {
        return 0;
    }
    return http2_add_field(connection->opening, bytes_of(name, name_size),
                           bytes_of(value, value_size)) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                         const uint8_t *data, size_t size, void *user)
{
    struct exchange *exchange = nghttp2_session_get_stream_user_data(session, stream_id);
    (void)flags;
    (void)user;
    if (exchange != NULL) {
        http2_receive_data(exchange, bytes_of(data, size));
    }
    return 0;
}

/* -- Frames ----------------------------------------------------------------------------- */

static void count_control_frame(struct connection *connection)
{
    const struct grpc_server *server = connection->server;
    const uint64_t now_us = os_now_us(server->os);
    if (now_us - connection->calm_us >= 1000000) {
        connection->calm_us = now_us;
        connection->control_frames = 0;
    }
    connection->control_frames++;
    if (connection->control_frames == server->options.control_frames_max) {
        log_write(
            LOG_WARN, "closing a client connection: a flood of control frames",
            (struct log_field[]){log_text("remote", os_stream_peer_name(connection->stream)), {0}});
        http2_goodbye(connection, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

void http2_forgive(struct connection *connection)
{
    if (connection->control_frames > 0) {
        connection->control_frames--;
    }
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct connection *connection = user;
    const uint8_t flags = frame->hd.flags;
    struct exchange *exchange;

    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        exchange = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        connection->opening = NULL;
        if (exchange != NULL && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            http2_begin_request(connection, exchange);
        }
        break;
    case NGHTTP2_DATA:
        exchange = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        if (frame->hd.length == 0 && (flags & NGHTTP2_FLAG_END_STREAM) == 0) {
            count_control_frame(connection);
        }
        break;
    case NGHTTP2_SETTINGS:
        connection_rest(connection); /* It speaks HTTP/2 indeed. */
        count_control_frame(connection);
        return 0;
    case NGHTTP2_PING:
    case NGHTTP2_PRIORITY:
        count_control_frame(connection);
        return 0;
    default:
        return 0;
    }
    if (exchange != NULL && (flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        http2_end_request(exchange);
    }
    return 0;
}

/* An answer that is complete before the request is: tell the client to stop sending (RFC 9113,
 * 8.1), else it would wait for a window that never opens. */
static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
        (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0) {
        http2_reset(user, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *user)
{
    struct connection *connection = user;
    struct exchange *exchange = nghttp2_session_get_stream_user_data(session, stream_id);
    (void)error_code;
    if (exchange != NULL) {
        if (connection->opening == exchange) {
            connection->opening = NULL;
        }
        nghttp2_session_set_stream_user_data(session, stream_id, NULL);
        exchange_disconnect(exchange);
    }
    return 0;
}

/* -- Answers ---------------------------------------------------------------------------- */

enum {
    FIELDS_MAX = 16
};

/* Name and value are literals. */
static nghttp2_nv constant(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value),
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

/* Values that differ each time would only push the useful ones out of the table. */
static nghttp2_nv passing(struct bytes name, struct bytes value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.data, (uint8_t *)(uintptr_t)value.data,
                        name.size, value.size, NGHTTP2_NV_FLAG_NO_INDEX};
}

/* grpc-status and grpc-message into `fields`, which has room for two. `encoded` is where the
 * message goes; it must hold until the fields were submitted. */
static size_t put_status(const struct exchange *exchange, nghttp2_nv *fields, uint8_t *encoded)
{
    static const char DIGITS[GRPC_CODE_COUNT][3] = {
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"};
    assert((unsigned)exchange->code < GRPC_CODE_COUNT);
    fields[0] = constant("grpc-status", DIGITS[exchange->code]);
    if (exchange->text == NULL) {
        return 1;
    }
    const size_t size = grpc_text_encode(exchange->text, encoded);
    fields[1] = passing(bytes_of_text("grpc-message"), bytes_of(encoded, size));
    return 2;
}

/* Returns 0, or a code of nghttp2's. */
static int submit_trailers(nghttp2_session *session, const struct exchange *exchange)
{
    uint8_t encoded[GRPC_TEXT_ENCODED_MAX];
    nghttp2_nv fields[2];
    const size_t count = put_status(exchange, fields, encoded);
    return nghttp2_submit_trailer(session, exchange->stream_id, fields, count);
}

/* nghttp2 asks how much of the body the next DATA frame takes; on_send_data copies it. */
static ssize_t on_read(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    const struct exchange *exchange = source->ptr;
    (void)stream_id;
    (void)to;
    (void)user;
    const size_t queued = buffer_size(&exchange->out);
    if (queued == 0 && !exchange->is_finished) {
        return NGHTTP2_ERR_DEFERRED; /* Until http2_wake(). */
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (queued > size) {
        return (ssize_t)size;
    }
    if (exchange->is_finished) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (exchange->kind != EXCHANGE_HTTP) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (submit_trailers(session, exchange) != 0) {
                return NGHTTP2_ERR_CALLBACK_FAILURE; /* The connection is closed for it. */
            }
        }
    }
    return (ssize_t)queued;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                        size_t size, nghttp2_data_source *source, void *user)
{
    enum {
        FRAME_HEAD_SIZE = 9
    };
    struct exchange *exchange = source->ptr;
    struct grpc_server *server = ((struct connection *)user)->server;
    (void)session;
    assert(frame->data.padlen == 0 && size <= buffer_size(&exchange->out));

    if (buffer_size(&server->out) >= (size_t)OUTPUT_GATHERED_MAX) {
        return NGHTTP2_ERR_WOULDBLOCK; /* It asks again at the next gathering. */
    }
    uint8_t *to = buffer_reserve(&server->out, FRAME_HEAD_SIZE + size);
    if (to == NULL) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    memcpy(to, head, FRAME_HEAD_SIZE);
    if (size > 0) {
        memcpy(to + FRAME_HEAD_SIZE, buffer_bytes(&exchange->out).data, size);
    }
    buffer_commit(&server->out, FRAME_HEAD_SIZE + size);
    buffer_consume(&exchange->out, size);
    exchange->connection->answered += size;
    http2_forgive(exchange->connection);
    exchange_charge(exchange);
    if (buffer_size(&exchange->out) == 0) {
        exchange_drained(exchange);
    }
    return 0;
}

/* :status, content-length and the handler's own fields. */
static size_t put_http_head(const struct exchange *exchange, nghttp2_nv *fields, char *digits)
{
    size_t count = 0;
    const int status_size = snprintf(digits, 32, "%u", exchange->status);
    fields[count++] = passing(bytes_of_text(":status"), bytes_of(digits, (size_t)status_size));
    if (exchange->content_length != UINT64_MAX) {
        char *length = digits + 8;
        const int size = snprintf(length, 24, "%llu", (unsigned long long)exchange->content_length);
        fields[count++] = passing(bytes_of_text("content-length"), bytes_of(length, (size_t)size));
    }
    struct bytes name;
    struct bytes value;
    for (size_t offset = 0;
         count < FIELDS_MAX && fields_next(&exchange->fields, &offset, &name, &value);) {
        fields[count++] = passing(name, value);
    }
    return count;
}

void http2_begin(struct exchange *exchange)
{
    uint8_t encoded[GRPC_TEXT_ENCODED_MAX];
    char digits[32];
    nghttp2_nv fields[FIELDS_MAX];
    size_t count;
    const int is_empty = buffer_size(&exchange->out) == 0 && exchange->is_finished;

    if (exchange->kind == EXCHANGE_HTTP) {
        count = put_http_head(exchange, fields, digits);
    } else {
        fields[0] = constant(":status", "200");
        fields[1] = constant("content-type", "application/grpc");
        count = 2;
        if (is_empty) {
            count += put_status(exchange, fields + count, encoded);
        }
    }
    const nghttp2_data_provider body = {.source = {.ptr = exchange}, .read_callback = on_read};
    const int error = nghttp2_submit_response(exchange->connection->session, exchange->stream_id,
                                              fields, count, is_empty ? NULL : &body);
    if (error != 0) { /* No memory: the client hears of it by the lost connection. */
        connection_doom(exchange->connection);
    }
}

void http2_wake(struct exchange *exchange)
{
    struct connection *connection = exchange->connection;
    /* Refused where the body is not waiting, too: then it will be asked for anyway. */
    if (nghttp2_session_resume_data(connection->session, exchange->stream_id) ==
        NGHTTP2_ERR_NOMEM) {
        connection_doom(connection);
    }
}

/* -- The connection --------------------------------------------------------------------- */

void http2_receive(struct connection *connection, struct bytes data)
{
    const ssize_t used = nghttp2_session_mem_recv(connection->session, data.data, data.size);
    if (used < 0) {
        /* Callbacks fail for want of memory and nothing else: that is not the client's fault. */
        const int is_ours = used == NGHTTP2_ERR_NOMEM || used == NGHTTP2_ERR_CALLBACK_FAILURE;
        connection->server->counts.protocol_errors += !is_ours;
        log_write(LOG_WARN,
                  is_ours ? "closing a client connection: no memory to read from it"
                          : "closing a client connection: not valid HTTP/2",
                  (struct log_field[]){log_text("remote", os_stream_peer_name(connection->stream)),
                                       log_text("error", nghttp2_strerror((int)used)),
                                       {0}});
        connection_doom(connection);
    }
}

void http2_gather(struct connection *connection)
{
    struct buffer *out = &connection->server->out;
    while (buffer_size(out) < (size_t)OUTPUT_GATHERED_MAX) {
        const uint8_t *data;
        const ssize_t size = nghttp2_session_mem_send(connection->session, &data);
        if (size < 0 || (size > 0 && buffer_append(out, data, (size_t)size) != 0)) {
            connection->is_doomed = 1;
            return;
        }
        if (size == 0) {
            break;
        }
    }
    if (!nghttp2_session_want_read(connection->session) &&
        !nghttp2_session_want_write(connection->session)) {
        connection->is_doomed = 1;
    }
}

void http2_ping(struct connection *connection)
{
    (void)nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE, NULL);
}

void http2_goodbye(struct connection *connection, uint32_t error_code)
{
    (void)nghttp2_session_terminate_session(connection->session, error_code);
    connection_touch(connection);
}

int http2_open(struct connection *connection)
{
    const struct grpc_server *server = connection->server;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server->options.streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)server->options.header_max},
    };
    if (nghttp2_session_server_new2(&connection->session, server->callbacks, connection,
                                    server->http2_options) != 0) {
        connection->session = NULL;
        return -ENOMEM;
    }
    if (nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings,
                                sizeof settings / sizeof settings[0]) != 0 ||
        nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0,
                                              CONNECTION_WINDOW) != 0) {
        return -ENOMEM;
    }
    return 0;
}

void http2_close(struct connection *connection)
{
    nghttp2_session_del(connection->session);
    connection->session = NULL;
}

int http2_init(struct grpc_server *server)
{
    if (nghttp2_session_callbacks_new(&server->callbacks) != 0) {
        server->callbacks = NULL;
        return -ENOMEM;
    }
    if (nghttp2_option_new(&server->http2_options) != 0) {
        server->http2_options = NULL;
        return -ENOMEM;
    }
    nghttp2_session_callbacks *callbacks = server->callbacks;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_option_set_no_http_messaging(server->http2_options, 1);
    nghttp2_option_set_no_closed_streams(server->http2_options, 1);
    nghttp2_option_set_stream_reset_rate_limit(server->http2_options, RESETS_BURST,
                                               RESETS_PER_SECOND);
    return 0;
}

void http2_deinit(struct grpc_server *server)
{
    nghttp2_session_callbacks_del(server->callbacks);
    nghttp2_option_del(server->http2_options);
}
