/* http.c -- a plain HTTP request as the handler sees it, over either version of HTTP.
 *
 * A struct http_request is a struct exchange whose kind is EXCHANGE_HTTP; the handler knows it
 * by the other name only, and the pointers are the same. */
#include "grpc/http.h"

#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "grpc/server_internal.h"

static struct exchange *exchange_of(const struct http_request *request)
{
    struct exchange *exchange = (struct exchange *)(uintptr_t)request;
    assert(exchange->is_held && exchange->kind == EXCHANGE_HTTP);
    return exchange;
}

/* -- The request ------------------------------------------------------------------------ */

struct bytes http_request_method(const struct http_request *request)
{
    const struct exchange *exchange = exchange_of(request);
    return exchange_part(exchange, exchange->method);
}

struct bytes http_request_path(const struct http_request *request)
{
    const struct exchange *exchange = exchange_of(request);
    return exchange_part(exchange, exchange->path);
}

struct bytes http_request_query(const struct http_request *request)
{
    const struct exchange *exchange = exchange_of(request);
    return exchange_part(exchange, exchange->query);
}

struct bytes http_request_body(const struct http_request *request)
{
    return buffer_bytes(&exchange_of(request)->reader.body);
}

struct bytes http_request_header(const struct http_request *request, const char *name)
{
    const struct exchange *exchange = exchange_of(request);
    const struct bytes value = fields_find(&exchange->head, bytes_of_text(name));
    if (value.data == NULL && strcmp(name, "host") == 0 && exchange->authority.size > 0) {
        return exchange_part(exchange, exchange->authority);
    }
    return value;
}

const char *http_request_peer_name(const struct http_request *request)
{
    const struct exchange *exchange = exchange_of(request);
    return exchange->connection == NULL ? "" : os_stream_peer_name(exchange->connection->stream);
}

int http_request_is_dead(const struct http_request *request)
{
    return exchange_of(request)->connection == NULL;
}

void http_request_set_owner(struct http_request *request, void *owner)
{
    exchange_of(request)->owner = owner;
}

void *http_request_owner(const struct http_request *request)
{
    return exchange_of(request)->owner;
}

/* -- The answer ------------------------------------------------------------------------- */

static int is_printable(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return 0;
        }
    }
    return 1;
}

/* Without memory the answer goes without the field. */
static void add_field(struct exchange *exchange, const char *name, const char *value)
{
    const struct bytes name_bytes = bytes_of_text(name);
    const struct bytes value_bytes = bytes_of_text(value);
    if (is_printable(name_bytes) && is_printable(value_bytes) && value_bytes.size <= UINT16_MAX) {
        (void)fields_add(&exchange->fields, name_bytes, value_bytes);
    }
}

void http_reply_header(struct http_request *request, const char *name, const char *value)
{
    struct exchange *exchange = exchange_of(request);
    assert(!exchange->is_begun);
    add_field(exchange, name, value);
}

static void begin(struct exchange *exchange, unsigned status, const char *content_type,
                  uint64_t content_length)
{
    assert(status >= 200 && status <= 599);
    exchange->status = status;
    exchange->content_length = content_length;
    exchange->is_body_left_out =
        bytes_equal(exchange_part(exchange, exchange->method), bytes_of_text("HEAD")) != 0;
    if (content_type != NULL) {
        add_field(exchange, "content-type", content_type);
    }
}

/* Answer whole. The exchange may be gone afterwards. */
static void answer(struct exchange *exchange, unsigned status, const char *content_type,
                   struct bytes body)
{
    if (exchange->connection != NULL) {
        if (!exchange_may_queue(exchange, body.size) ||
            buffer_append(&exchange->out, body.data, body.size) != 0) {
            status = 503;
            body.size = 0;
        }
        begin(exchange, status, content_type, body.size);
        if (exchange->is_body_left_out) {
            buffer_clear(&exchange->out, 0);
        }
        exchange->is_finished = 1;
        exchange_begin(exchange);
    }
    exchange_let_go(exchange);
}

void http_reply(struct http_request *request, unsigned status, const char *content_type,
                struct bytes body)
{
    struct exchange *exchange = exchange_of(request);
    assert(!exchange->is_begun);
    answer(exchange, status, content_type, body);
}

void http_refuse(struct exchange *exchange, unsigned status, const char *text)
{
    assert(!exchange->is_held && exchange->connection != NULL);
    char line[128];
    const int size = snprintf(line, sizeof line, "%s\n", text);
    exchange->kind = EXCHANGE_HTTP;
    exchange->is_refused = 1;
    buffer_clear(&exchange->reader.body, 0);
    answer(exchange, status, "text/plain; charset=utf-8", bytes_of(line, (size_t)size));
}

void http_reply_begin(struct http_request *request, unsigned status, const char *content_type)
{
    struct exchange *exchange = exchange_of(request);
    assert(!exchange->is_begun);
    begin(exchange, status, content_type, UINT64_MAX);
    if (exchange->connection != NULL) {
        exchange_begin(exchange);
    }
}

int http_reply_send(struct http_request *request, struct bytes piece)
{
    struct exchange *exchange = exchange_of(request);
    if (exchange->connection == NULL || exchange->is_body_left_out || piece.size == 0) {
        return 0;
    }
    assert(exchange->is_begun && !exchange->is_finished);
    const size_t queued = buffer_size(&exchange->out);
    if ((queued > 0 && queued + piece.size > exchange->server->options.stream_queue_max) ||
        !exchange_may_queue(exchange, piece.size)) {
        return -ENOBUFS;
    }
    if (buffer_append(&exchange->out, piece.data, piece.size) != 0) {
        return -ENOMEM;
    }
    exchange_wake(exchange);
    return 0;
}

size_t http_reply_queued(const struct http_request *request)
{
    return buffer_size(&exchange_of(request)->out);
}

void http_reply_end(struct http_request *request)
{
    struct exchange *exchange = exchange_of(request);
    if (exchange->connection != NULL) {
        assert(exchange->is_begun);
        exchange->is_finished = 1;
        exchange_wake(exchange);
    }
    exchange_let_go(exchange);
}

void http_dispatch(struct exchange *exchange)
{
    struct grpc_server *server = exchange->server;
    server->counts.http_requests++;
    if (server->handlers.on_http == NULL) {
        http_refuse(exchange, 404, "404 page not found");
        return;
    }
    exchange->is_held = 1;
    server->handlers.on_http(server->context, (struct http_request *)exchange);
}

const char *http_status_text(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } TEXTS[] = {
        {200, "OK"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {421, "Misdirected Request"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        if (TEXTS[i].status == status) {
            return TEXTS[i].text;
        }
    }
    return "Status";
}
