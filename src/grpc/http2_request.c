/* http2_request.c -- requests over HTTP/2: their header fields, who shall answer them, and what
 * follows of them.
 *
 * nghttp2's own check of header fields is off (http2.c says why), so what matters of it is done
 * here: a request has one :method and one :path, pseudo-header fields come first, names are
 * tokens in lower case, values have no line ends, and none belongs to a connection of HTTP/1.1
 * (RFC 9113, 8.2 and 8.3). Who breaks these rules has his stream reset.
 *
 *   content-type             method   goes to
 *   application/grpc[+;]     POST     the gRPC handlers
 *   application/grpc[+;]     other    405
 *   application/grpc<other>           415
 *   other or none                     on_http
 */
#include <stdio.h>

#include "base/assert.h"
#include "grpc/server_internal.h"

/* -- Header fields ---------------------------------------------------------------------- */

static int is(struct bytes bytes, const char *literal)
{
    return bytes_equal(bytes, bytes_of_text(literal));
}

static int begins_with(struct bytes bytes, const char *literal)
{
    const size_t size = strlen(literal);
    return bytes.size >= size && memcmp(bytes.data, literal, size) == 0;
}

/* Fields that speak of a connection of HTTP/1.1, and "te" with anything but "trailers". */
static int is_of_connection(struct bytes name, struct bytes value)
{
    switch (name.size) {
    case 2:
        return is(name, "te") && !is(value, "trailers");
    case 7:
        return is(name, "upgrade");
    case 10:
        return is(name, "connection") || is(name, "keep-alive");
    case 16:
        return is(name, "proxy-connection");
    case 17:
        return is(name, "transfer-encoding");
    default:
        return 0;
    }
}

/* Field names are tokens in lower case (RFC 9110, 5.6.2); values have no NUL, CR or LF. */
static int is_well_formed(struct bytes name, struct bytes value)
{
    for (size_t i = 0; i < name.size; i++) {
        const uint8_t byte = name.data[i];
        if (byte <= ' ' || byte >= 0x7f || (byte >= 'A' && byte <= 'Z') || byte == ':') {
            return 0;
        }
    }
    return memchr(value.data, '\0', value.size) == NULL &&
           memchr(value.data, '\n', value.size) == NULL &&
           memchr(value.data, '\r', value.size) == NULL && name.size > 0;
}

static int add_pseudo(struct exchange *exchange, struct bytes name, struct bytes value)
{
    struct head_part *part = NULL;
    if (is(name, ":method")) {
        part = &exchange->method;
    } else if (is(name, ":path")) {
        part = &exchange->path;
    } else if (is(name, ":authority")) {
        part = &exchange->authority;
    } else if (is(name, ":scheme")) {
        return 0;
    }
    /* Unknown, given twice, or after the others: a request that two readers could read in two
     * ways. (The head has nothing but parts as long as no other field came.) */
    if (part == NULL || part->offset != 0 || value.size == 0 || exchange->is_pseudo_over ||
        memchr(value.data, '\0', value.size) != NULL) {
        exchange->is_malformed = 1;
        return 0;
    }
    return exchange_put_part(exchange, part, value);
}

/* Take in one field. Returns 0, or -1 without memory. */
int http2_add_field(struct exchange *exchange, struct bytes name, struct bytes value)
{
    if (exchange->is_malformed || exchange->is_header_too_large) {
        return 0;
    }
    if (buffer_size(&exchange->head) + name.size + value.size >
        exchange->server->options.header_max) {
        exchange->is_header_too_large = 1;
        return 0;
    }
    if (name.size > 0 && name.data[0] == ':') {
        return add_pseudo(exchange, name, value);
    }
    exchange->is_pseudo_over = 1;
    if (!is_well_formed(name, value) || is_of_connection(name, value)) {
        exchange->is_malformed = 1;
        return 0;
    }
    return fields_add(&exchange->head, name, value);
}

/* -- A request's head is complete ------------------------------------------------------- */

static void begin_grpc(struct exchange *exchange)
{
    struct grpc_server *server = exchange->server;
    char text[256];

    server->counts.calls++;
    exchange->kind = EXCHANGE_UNARY;
    const struct bytes encoding = fields_find(&exchange->head, bytes_of_text("grpc-encoding"));
    if (encoding.data != NULL && !is(encoding, "identity")) {
        snprintf(text, sizeof text,
                 "grpc: Decompressor is not installed for grpc-encoding \"%.*s\"",
                 (int)(encoding.size < 64 ? encoding.size : 64), (const char *)encoding.data);
        call_refuse(exchange, GRPC_UNIMPLEMENTED, text);
        return;
    }
    const struct bytes timeout = fields_find(&exchange->head, bytes_of_text("grpc-timeout"));
    if (timeout.data != NULL) {
        const uint64_t timeout_us = grpc_timeout_decode(timeout);
        if (timeout_us == 0) {
            call_refuse(exchange, GRPC_INTERNAL, "grpc: malformed grpc-timeout");
            return;
        }
        exchange->deadline_us = os_now_us(server->os) + timeout_us;
    }
    const struct bytes path = exchange_part(exchange, exchange->path);
    switch (server->handlers.on_method(server->context, path)) {
    case GRPC_METHOD_UNARY:
        return; /* on_call, when its message is there. */
    case GRPC_METHOD_STREAM:
        exchange->kind = EXCHANGE_STREAM;
        exchange->is_held = 1;
        server->handlers.on_stream_open(server->context, (struct grpc_call *)exchange);
        return;
    case GRPC_METHOD_UNKNOWN:
    default:
        snprintf(text, sizeof text, "unknown method %.*s", (int)(path.size < 200 ? path.size : 200),
                 (const char *)path.data);
        call_refuse(exchange, GRPC_UNIMPLEMENTED, text);
    }
}

static void begin_http(struct exchange *exchange)
{
    const struct bytes target = exchange_part(exchange, exchange->path);
    const uint8_t *mark = memchr(target.data, '?', target.size);
    exchange->kind = EXCHANGE_HTTP;
    if (mark != NULL) {
        const uint32_t path_size = (uint32_t)(mark - target.data);
        exchange->query.offset = exchange->path.offset + path_size + 1;
        exchange->query.size = exchange->path.size - path_size - 1;
        exchange->path.size = path_size;
    }
}

/* Choose who answers the request. What is wrong with it is answered here. */
void http2_begin_request(struct connection *connection, struct exchange *exchange)
{
    connection_rest(connection);
    http2_forgive(connection);
    exchange_charge(exchange);
    if (exchange->is_header_too_large) {
        http_refuse(exchange, 431, "the header fields are too large");
        return;
    }
    if (exchange->is_malformed || exchange->method.size == 0 || exchange->path.size == 0) {
        exchange->is_refused = 1;
        http2_reset(connection, exchange->stream_id, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    static const char GRPC_TYPE[] = "application/grpc";
    const struct bytes type = fields_find(&exchange->head, bytes_of_text("content-type"));
    if (!begins_with(type, GRPC_TYPE)) {
        begin_http(exchange);
    } else if (type.size > sizeof GRPC_TYPE - 1 && type.data[sizeof GRPC_TYPE - 1] != '+' &&
               type.data[sizeof GRPC_TYPE - 1] != ';') {
        http_refuse(exchange, 415, "this content-type is not supported");
    } else if (!is(exchange_part(exchange, exchange->method), "POST")) {
        http_refuse(exchange, 405, "gRPC requests are made with POST");
    } else {
        begin_grpc(exchange);
    }
}

/* -- A request's body ------------------------------------------------------------------- */

static void refuse_message(struct exchange *exchange, enum message_state state)
{
    struct grpc_server *server = exchange->server;
    enum grpc_code code = GRPC_RESOURCE_EXHAUSTED;
    char text[128];
    switch (state) {
    case MESSAGE_COMPRESSED:
        code = GRPC_UNIMPLEMENTED;
        snprintf(text, sizeof text, "grpc: compressed messages are not supported");
        break;
    case MESSAGE_TOO_LARGE:
        snprintf(text, sizeof text, "grpc: received message larger than max (%u vs. %zu)",
                 exchange->reader.size, server->options.message_max);
        break;
    case MESSAGE_NO_MEMORY:
    case MESSAGE_WANTS_MORE:
    case MESSAGE_WHOLE:
    default:
        snprintf(text, sizeof text, "grpc: too many requests are waiting");
    }
    if (exchange->is_held) { /* Only streams are held while their messages arrive. */
        struct grpc_call *call = (struct grpc_call *)exchange;
        server->handlers.on_stream_close(server->context, call);
        exchange->is_held = 0;
        if (exchange->is_begun) {
            /* Its answer is under way: reset is all that can be said in this place. */
            exchange->is_refused = 1;
            http2_reset(exchange->connection, exchange->stream_id, NGHTTP2_CANCEL);
            return;
        }
    }
    call_refuse(exchange, code, text);
}

/* Bytes of a gRPC request came. */
static void receive_messages(struct exchange *exchange, struct bytes data)
{
    struct grpc_server *server = exchange->server;
    while (data.size > 0 && !exchange->is_refused && !exchange->is_finished) {
        if (exchange->reader.is_whole) { /* A unary call has one message. */
            call_refuse(exchange, GRPC_INTERNAL, "grpc: a unary call with more than one message");
            return;
        }
        const enum message_state state =
            exchange_has_room(exchange, data.size)
                ? message_reader_feed(&exchange->reader, &data, server->options.message_max)
                : MESSAGE_NO_MEMORY;
        if (state == MESSAGE_WANTS_MORE) {
            break;
        }
        if (state != MESSAGE_WHOLE) {
            refuse_message(exchange, state);
            return;
        }
        if (exchange->kind == EXCHANGE_STREAM) {
            server->handlers.on_stream_message(server->context, (struct grpc_call *)exchange,
                                               buffer_bytes(&exchange->reader.body));
            message_reader_next(&exchange->reader);
        }
    }
    exchange_charge(exchange);
}

static void receive_body(struct exchange *exchange, struct bytes data)
{
    if (buffer_size(&exchange->reader.body) + data.size > exchange->server->options.http_body_max) {
        http_refuse(exchange, 413, "the request body is too large");
        return;
    }
    if (!exchange_has_room(exchange, data.size) ||
        buffer_append(&exchange->reader.body, data.data, data.size) != 0) {
        http_refuse(exchange, 503, "too many requests are waiting");
        return;
    }
    exchange_charge(exchange);
}

void http2_receive_data(struct exchange *exchange, struct bytes data)
{
    if (exchange->is_refused || exchange->is_finished) {
        return;
    }
    if (exchange->kind == EXCHANGE_HTTP) {
        receive_body(exchange, data);
    } else {
        receive_messages(exchange, data);
    }
}

void http2_end_request(struct exchange *exchange)
{
    struct grpc_server *server = exchange->server;
    exchange->is_ended = 1;
    if (exchange->is_refused || exchange->is_finished) {
        return;
    }
    switch (exchange->kind) {
    case EXCHANGE_UNARY:
        if (!exchange->reader.is_whole) {
            call_refuse(exchange, GRPC_INTERNAL, "grpc: the request ended within its message");
            return;
        }
        exchange->is_held = 1;
        server->handlers.on_call(server->context, (struct grpc_call *)exchange);
        return;
    case EXCHANGE_STREAM:
        server->handlers.on_stream_end(server->context, (struct grpc_call *)exchange);
        return;
    case EXCHANGE_HTTP:
        http_dispatch(exchange);
        return;
    case EXCHANGE_NEW:
    default:
        assert_unreachable("a head that is complete has a kind or was refused");
    }
}
