/* http1.c -- HTTP/1.1 connections of the server, over http-parser.
 *
 * One request at a time: the parser stops behind a request until its answer was sent, and what
 * the client sent in advance (pipelining) waits in `input`; when that is long the stream is not
 * read any further.
 *
 *   parsing --whole--> answering --sent--> parsing ...     Connection: keep-alive
 *      |                   +-------sent--> doomed          Connection: close, HTTP/1.0
 *      +--bad request--> answered, lingering --> doomed
 *
 * Lingering: after a refusal the rest of what the client sends is read and dropped until it
 * closes or its time is over. To close at once would make the kernel reset the connection, and
 * the client would lose the answer that says what was wrong (RFC 9112, 9.6).
 *
 * Upgrade is ignored, as RFC 9110 (7.8) allows: the answer is HTTP/1.1.
 */
#include <errno.h>
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "grpc/server_internal.h"

enum {
    INPUT_MAX = 64 * 1024
}; /* Bytes sent in advance before we stop reading. */

struct http1 {
    http_parser parser;
    struct connection *connection;
    struct exchange *exchange; /* The request being parsed or answered, or NULL. */
    struct buffer input;       /* What came behind it. */
    struct buffer name;        /* The header field being parsed ... */
    struct buffer value;
    struct buffer target;
    unsigned refusal; /* The status for what is wrong with the request; 0: nothing. */
    uint8_t is_in_value;
    uint8_t has_head;     /* Fields that come now are a trailer's, and nobody's. */
    uint8_t is_whole;     /* The request is complete: being answered. */
    uint8_t is_last;      /* Close after this answer. */
    uint8_t is_raw;       /* HTTP/1.0: a body in pieces has no chunks. */
    uint8_t is_last_sent; /* ... which was sent. */
    uint8_t is_lingering;
    uint8_t is_paused;
    uint8_t is_head_sent;
};

static struct http1 *http1_of(const http_parser *parser)
{
    return parser->data;
}

/* Remember what is wrong and stop the parser: any value but 0 does. */
static int reject(struct http1 *http1, unsigned status)
{
    http1->refusal = status;
    return 1;
}

/* -- What the parser finds -------------------------------------------------------------- */

static int on_message_begin(http_parser *parser)
{
    struct http1 *http1 = http1_of(parser);
    assert(http1->exchange == NULL);
    http1->exchange = exchange_new(http1->connection);
    if (http1->exchange == NULL) {
        return reject(http1, 503);
    }
    http1->exchange->kind = EXCHANGE_HTTP;
    http1->has_head = 0;
    connection_hurry(http1->connection);
    return 0;
}

static int append_head(struct http1 *http1, struct buffer *to, const char *data, size_t size)
{
    const size_t held = buffer_size(&http1->exchange->head) + buffer_size(&http1->name) +
                        buffer_size(&http1->value) + buffer_size(&http1->target);
    if (held + size > http1->connection->server->options.header_max) {
        return reject(http1, 431);
    }
    return buffer_append(to, data, size) == 0 ? 0 : reject(http1, 503);
}

static int on_url(http_parser *parser, const char *data, size_t size)
{
    struct http1 *http1 = http1_of(parser);
    return append_head(http1, &http1->target, data, size);
}

static void to_lower(struct bytes text)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)text.data;
    for (size_t i = 0; i < text.size; i++) {
        if (bytes[i] >= 'A' && bytes[i] <= 'Z') {
            bytes[i] |= 0x20;
        }
    }
}

/* The field in name and value is complete, if there is one. */
static int keep_field(struct http1 *http1)
{
    if (!http1->is_in_value) {
        return 0;
    }
    http1->is_in_value = 0;
    /* Debian's http-parser lets a blank pass; "Content-Length : 5" must not be another field to
     * us than to a proxy before us (RFC 9112, 5.1). */
    const struct bytes name = buffer_bytes(&http1->name);
    if (name.size == 0 || memchr(name.data, ' ', name.size) != NULL) {
        return reject(http1, 400);
    }
    to_lower(buffer_bytes(&http1->name));
    const int error =
        fields_add(&http1->exchange->head, buffer_bytes(&http1->name), buffer_bytes(&http1->value));
    buffer_clear(&http1->name, 0);
    buffer_clear(&http1->value, 0);
    return error == 0 ? 0 : reject(http1, 503);
}

static int on_header_field(http_parser *parser, const char *data, size_t size)
{
    struct http1 *http1 = http1_of(parser);
    if (http1->has_head) {
        return 0;
    }
    if (keep_field(http1) != 0) {
        return 1;
    }
    return append_head(http1, &http1->name, data, size);
}

static int on_header_value(http_parser *parser, const char *data, size_t size)
{
    struct http1 *http1 = http1_of(parser);
    if (http1->has_head) {
        return 0;
    }
    http1->is_in_value = 1;
    return append_head(http1, &http1->value, data, size);
}

/* Cut the request's target into path and query. */
static int put_target(struct http1 *http1)
{
    struct exchange *exchange = http1->exchange;
    const struct bytes target = buffer_bytes(&http1->target);
    const int is_connect = http1->parser.method == HTTP_CONNECT;
    struct bytes path;
    struct bytes query = {0};
    struct http_parser_url url;

    http_parser_url_init(&url);
    if (target.size == 1 && target.data[0] == '*') {
        path = target;
    } else if (http_parser_parse_url((const char *)target.data, target.size, is_connect, &url) ==
               0) {
        path = bytes_of("/", 1);
        if ((url.field_set & 1 << UF_PATH) != 0) {
            path = bytes_of(target.data + url.field_data[UF_PATH].off, url.field_data[UF_PATH].len);
        }
        if ((url.field_set & 1 << UF_QUERY) != 0) {
            query =
                bytes_of(target.data + url.field_data[UF_QUERY].off, url.field_data[UF_QUERY].len);
        }
    } else {
        return reject(http1, 400);
    }
    const char *method = http_method_str(http1->parser.method);
    const int error = exchange_put_part(exchange, &exchange->method, bytes_of_text(method)) |
                      exchange_put_part(exchange, &exchange->path, path) |
                      exchange_put_part(exchange, &exchange->query, query);
    buffer_clear(&http1->target, 0);
    return error == 0 ? 0 : reject(http1, 503);
}

static int on_headers_complete(http_parser *parser)
{
    static const char CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct http1 *http1 = http1_of(parser);
    const int is_11 = parser->http_major == 1 && parser->http_minor >= 1;

    parser->upgrade = 0;
    if (keep_field(http1) != 0 || put_target(http1) != 0) {
        return -1;
    }
    http1->has_head = 1;
    http1->is_last = !http_should_keep_alive(parser);
    http1->is_raw = !is_11;
    const struct buffer *head = &http1->exchange->head;
    if (is_11 && fields_find(head, bytes_of_text("host")).data == NULL) {
        http1->refusal = 400;
        return -1;
    }
    if (parser->content_length != UINT64_MAX &&
        parser->content_length > http1->connection->server->options.http_body_max) {
        http1->refusal = 413;
        return -1;
    }
    /* A client that asks first shall not wait: the limits it may hit were checked above. */
    if (is_11 &&
        bytes_equal(fields_find(head, bytes_of_text("expect")), bytes_of_text("100-continue"))) {
        const struct bytes part = bytes_of(CONTINUE, sizeof CONTINUE - 1);
        (void)os_stream_write(http1->connection->stream, &part, 1);
    }
    return 0;
}

static int on_body(http_parser *parser, const char *data, size_t size)
{
    struct http1 *http1 = http1_of(parser);
    struct exchange *exchange = http1->exchange;
    if (buffer_size(&exchange->reader.body) + size >
        http1->connection->server->options.http_body_max) {
        return reject(http1, 413);
    }
    if (!exchange_has_room(exchange, size) ||
        buffer_append(&exchange->reader.body, data, size) != 0) {
        return reject(http1, 503);
    }
    exchange_charge(exchange);
    return 0;
}

/* Stop the parser here; the answer comes from the outside of it. */
static int on_message_complete(http_parser *parser)
{
    http1_of(parser)->is_whole = 1;
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings SETTINGS = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* -- Requests --------------------------------------------------------------------------- */

/* Answer a request that is not one, and listen to nothing more. */
static void refuse(struct http1 *http1)
{
    struct connection *connection = http1->connection;
    const unsigned status = http1->refusal == 0 ? 400 : http1->refusal;

    connection->server->counts.protocol_errors += status != 503; /* That one is our own trouble. */
    http1->is_last = 1;
    http1->is_lingering = 1;
    buffer_deinit(&http1->input);
    connection_hurry(connection);
    if (http1->exchange == NULL) {
        http1->exchange = exchange_new(connection);
    }
    if (http1->exchange == NULL) {
        connection_doom(connection);
        return;
    }
    http1->is_whole = 1;
    http_refuse(http1->exchange, status, http_status_text(status));
}

/* Parse what has come until a request is whole. Returns the bytes that were used. */
static size_t parse(struct http1 *http1, struct bytes data)
{
    const size_t used =
        http_parser_execute(&http1->parser, &SETTINGS, (const char *)data.data, data.size);
    if (http1->is_whole) {
        http_parser_pause(&http1->parser, 0);
        connection_rest(http1->connection);
        http_dispatch(http1->exchange);
    } else if (HTTP_PARSER_ERRNO(&http1->parser) != HPE_OK) {
        refuse(http1);
    }
    return used;
}

/* Parse as many of the waiting bytes as there is no answer to wait for. */
static void parse_input(struct http1 *http1)
{
    while (http1->exchange == NULL || !http1->is_whole) {
        const struct bytes input = buffer_bytes(&http1->input);
        if (input.size == 0 || http1->is_lingering) {
            break;
        }
        const size_t used = parse(http1, input);
        if (http1->is_lingering) {
            break; /* The input was dropped. */
        }
        buffer_consume(&http1->input, used);
    }
    const int is_paused = buffer_size(&http1->input) > (size_t)INPUT_MAX;
    if (is_paused != http1->is_paused) {
        http1->is_paused = (uint8_t)is_paused;
        os_stream_pause(http1->connection->stream, is_paused);
    }
    if (buffer_size(&http1->input) == 0) {
        buffer_clear(&http1->input, 0);
    }
}

void http1_receive(struct connection *connection, struct bytes data)
{
    struct http1 *http1 = connection->http1;
    if (http1->is_lingering || http1->is_last_sent) {
        return;
    }
    if (buffer_append(&http1->input, data.data, data.size) != 0) {
        connection_doom(connection);
        return;
    }
    parse_input(http1);
}

/* -- Answers ---------------------------------------------------------------------------- */

static void append_text(struct connection *connection, const char *text, size_t size)
{
    if (buffer_append(&connection->server->out, text, size) != 0) {
        connection->is_doomed = 1;
    }
}

static void send_fields(struct connection *connection, const struct exchange *exchange)
{
    struct bytes name;
    struct bytes value;
    for (size_t offset = 0; fields_next(&exchange->fields, &offset, &name, &value);) {
        append_text(connection, (const char *)name.data, name.size);
        append_text(connection, ": ", 2);
        append_text(connection, (const char *)value.data, value.size);
        append_text(connection, "\r\n", 2);
    }
}

static void send_head(struct http1 *http1)
{
    struct connection *connection = http1->connection;
    const struct exchange *exchange = http1->exchange;
    const time_t seconds = (time_t)(os_wall_ms(connection->server->os) / 1000);
    struct tm calendar;
    char date[40];
    char line[256];

    if (gmtime_r(&seconds, &calendar) == NULL ||
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &calendar) == 0) {
        date[0] = '\0';
    }
    const int is_in_pieces = exchange->content_length == UINT64_MAX;
    if (is_in_pieces && http1->is_raw) {
        http1->is_last = 1; /* The end of the connection is the end of the body. */
    }
    int size = snprintf(line, sizeof line, "HTTP/1.1 %u %s\r\ndate: %s\r\n%s", exchange->status,
                        http_status_text(exchange->status), date,
                        http1->is_last ? "connection: close\r\n" : "");
    append_text(connection, line, (size_t)size);
    send_fields(connection, exchange);
    if (!is_in_pieces) {
        size = snprintf(line, sizeof line, "content-length: %llu\r\n\r\n",
                        (unsigned long long)exchange->content_length);
    } else {
        size = snprintf(line, sizeof line, "%s\r\n",
                        http1->is_raw ? "" : "transfer-encoding: chunked\r\n");
    }
    append_text(connection, line, (size_t)size);
    http1->is_head_sent = 1;
}

/* Move some of the body into the gathering buffer, as a chunk where the answer has chunks. */
static void send_body(struct http1 *http1)
{
    struct connection *connection = http1->connection;
    struct exchange *exchange = http1->exchange;
    const int is_chunked =
        exchange->content_length == UINT64_MAX && !http1->is_raw && !exchange->is_body_left_out;
    const size_t held = buffer_size(&connection->server->out);
    size_t size = buffer_size(&exchange->out);
    char line[32];

    if (size > 0 && held < (size_t)OUTPUT_GATHERED_MAX) {
        if (size > (size_t)OUTPUT_GATHERED_MAX - held) {
            size = (size_t)OUTPUT_GATHERED_MAX - held;
        }
        if (is_chunked) {
            const int line_size = snprintf(line, sizeof line, "%zx\r\n", size);
            append_text(connection, line, (size_t)line_size);
        }
        append_text(connection, (const char *)buffer_bytes(&exchange->out).data, size);
        if (is_chunked) {
            append_text(connection, "\r\n", 2);
        }
        buffer_consume(&exchange->out, size);
        connection->answered += size;
        exchange_charge(exchange);
        if (buffer_size(&exchange->out) == 0) {
            exchange_drained(exchange);
        }
    }
    if (is_chunked && exchange->is_finished && buffer_size(&exchange->out) == 0) {
        append_text(connection, "0\r\n\r\n", 5);
    }
}

/* The answer is on its way: be ready for the next request, or end. */
static void finish(struct http1 *http1)
{
    struct exchange *exchange = http1->exchange;
    http1->exchange = NULL;
    http1->is_whole = 0;
    http1->is_head_sent = 0;
    exchange_disconnect(exchange);
    if (http1->is_last && !http1->is_lingering) {
        http1->is_last_sent = 1;
        http1->connection->is_doomed = 1;
    }
}

void http1_gather(struct connection *connection)
{
    struct http1 *http1 = connection->http1;
    while (http1->exchange != NULL && http1->exchange->is_begun && !connection->is_doomed) {
        struct exchange *exchange = http1->exchange;
        if (!http1->is_head_sent) {
            send_head(http1);
        }
        send_body(http1);
        if (!exchange->is_finished || buffer_size(&exchange->out) > 0) {
            return;
        }
        finish(http1);
        if (!connection->is_doomed) {
            parse_input(http1);
        }
    }
}

void http1_begin(struct exchange *exchange)
{
    assert(exchange->connection->http1->exchange == exchange);
}

void http1_wake(struct exchange *exchange)
{
    assert(exchange->connection->http1->exchange == exchange);
}

/* -- The connection --------------------------------------------------------------------- */

int http1_is_busy(const struct connection *connection)
{
    return connection->http1->exchange != NULL;
}

int http1_open(struct connection *connection)
{
    struct http1 *http1 = calloc(1, sizeof *http1);
    if (http1 == NULL) {
        return -ENOMEM;
    }
    http_parser_init(&http1->parser, HTTP_REQUEST);
    http1->parser.data = http1;
    http1->connection = connection;
    connection->http1 = http1;
    return 0;
}

void http1_close(struct connection *connection)
{
    struct http1 *http1 = connection->http1;
    if (http1 == NULL) {
        return;
    }
    buffer_deinit(&http1->input);
    buffer_deinit(&http1->name);
    buffer_deinit(&http1->value);
    buffer_deinit(&http1->target);
    free(http1);
    connection->http1 = NULL;
}
