/* exchange.c -- a request and its answer, whichever protocol carries them.
 *
 * The head of a request is one buffer. Method, path, query and authority come first in it, and
 * are found by their offsets; header fields follow, each as
 *
 *     offset  size
 *          0     2   size of the name (n)
 *          2     2   size of the value (v)
 *          4     n   name, in lower case
 *      4 + n     v   value
 *
 * A request has few fields that anyone asks for, so looking one up is a walk over a hundred
 * bytes, and taking one in is a copy. Exchanges are used again with their buffers: in the long
 * run a call allocates nothing.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "grpc/server_internal.h"

enum {
    SPARES_MAX = 1024,    /* Exchanges kept for the next time: as many as are often in use. */
    SPARE_MEMORY = 1024,  /* Bytes of each buffer that a spare exchange keeps. */
    EXCHANGE_COST = 1024, /* What an exchange takes by itself, nghttp2's share included. */
    SMALL_ANSWER = 4096,  /* Bytes that may be answered to each request that was let in. */
    FIELD_PREFIX = 4,
};

/* -- Life ------------------------------------------------------------------------------- */

static void dispose(struct exchange *exchange)
{
    buffer_deinit(&exchange->head);
    buffer_deinit(&exchange->reader.body);
    buffer_deinit(&exchange->out);
    buffer_deinit(&exchange->fields);
    free(exchange);
}

static struct exchange *take_spare(struct grpc_server *server)
{
    if (list_is_empty(&server->exchanges_spare)) {
        return calloc(1, sizeof(struct exchange));
    }
    struct exchange *exchange = LIST_ITEM(server->exchanges_spare.previous, struct exchange, link);
    list_remove(&exchange->link);
    server->exchanges_spare_count--;
    return exchange;
}

struct exchange *exchange_new(struct connection *connection)
{
    struct grpc_server *server = connection->server;
    if (server->counts.memory + EXCHANGE_COST > server->options.memory_max) {
        return NULL;
    }
    struct exchange *exchange = take_spare(server);
    if (exchange == NULL) {
        return NULL;
    }
    list_init(&exchange->link);
    list_init(&exchange->drained_link);
    list_append(&connection->exchanges, &exchange->link);
    exchange->server = server;
    exchange->connection = connection;
    exchange->kind = EXCHANGE_NEW;
    exchange_charge(exchange);
    return exchange;
}

/* Give the memory back, or keep it for the next exchange. */
static void release(struct exchange *exchange)
{
    struct grpc_server *server = exchange->server;
    assert(exchange->connection == NULL && !exchange->is_held);

    list_remove(&exchange->link);
    list_remove(&exchange->drained_link);
    server->counts.memory -= exchange->charged;
    free(exchange->text);
    exchange->text = NULL;
    if (server->exchanges_spare_count >= SPARES_MAX) {
        dispose(exchange);
        return;
    }
    buffer_clear(&exchange->head, SPARE_MEMORY);
    buffer_clear(&exchange->reader.body, SPARE_MEMORY);
    buffer_clear(&exchange->out, SPARE_MEMORY);
    buffer_clear(&exchange->fields, SPARE_MEMORY);
    *exchange = (struct exchange){.head = exchange->head,
                                  .reader = {.body = exchange->reader.body},
                                  .out = exchange->out,
                                  .fields = exchange->fields};
    list_append(&server->exchanges_spare, &exchange->link);
    server->exchanges_spare_count++;
}

void exchange_free_all(struct grpc_server *server)
{
    while (!list_is_empty(&server->orphans)) {
        exchange_let_go(LIST_ITEM(server->orphans.next, struct exchange, link));
    }
    while (!list_is_empty(&server->exchanges_spare)) {
        dispose(take_spare(server));
    }
}

void exchange_let_go(struct exchange *exchange)
{
    exchange->is_held = 0;
    if (exchange->connection == NULL) {
        release(exchange);
    }
}

void exchange_disconnect(struct exchange *exchange)
{
    const struct grpc_handlers *handlers = &exchange->server->handlers;
    void *context = exchange->server->context;
    assert(exchange->connection != NULL);

    exchange->connection->output -= exchange->output;
    exchange->output = 0;
    exchange->connection = NULL;
    list_remove(&exchange->link);
    list_remove(&exchange->drained_link);
    if (!exchange->is_held) {
        release(exchange);
        return;
    }
    list_append(&exchange->server->orphans, &exchange->link);
    switch (exchange->kind) {
    case EXCHANGE_UNARY:
        if (handlers->on_cancel != NULL) {
            handlers->on_cancel(context, (struct grpc_call *)exchange);
        }
        break;
    case EXCHANGE_STREAM:
        handlers->on_stream_close(context, (struct grpc_call *)exchange);
        exchange_let_go(exchange);
        break;
    case EXCHANGE_HTTP:
        if (handlers->on_http_close != NULL) {
            handlers->on_http_close(context, (struct http_request *)exchange);
        }
        break;
    case EXCHANGE_NEW:
    default:
        assert_unreachable("no handler has an exchange before its kind is known");
    }
}

/* -- Limits ----------------------------------------------------------------------------- */

void exchange_charge(struct exchange *exchange)
{
    const size_t output = buffer_size(&exchange->out);
    const size_t charge =
        EXCHANGE_COST + buffer_size(&exchange->head) + exchange->reader.body.capacity + output;
    exchange->server->counts.memory += charge - exchange->charged;
    exchange->charged = charge;
    if (exchange->connection != NULL) {
        exchange->connection->output += output - exchange->output;
        exchange->output = output;
    }
}

int exchange_has_room(const struct exchange *exchange, size_t size)
{
    const struct grpc_server *server = exchange->server;
    return server->counts.memory <= server->options.memory_max &&
           size <= server->options.memory_max - server->counts.memory;
}

/* One answer is taken, whatever its size, if the server has room for it: else a large one could
 * never be given. A small one has its room whatever others hold: its request may be done. */
int exchange_may_queue(const struct exchange *exchange, size_t size)
{
    const size_t queued = exchange->connection == NULL ? 0 : exchange->connection->output;
    const size_t max = exchange->server->options.connection_output_max;
    if (size > (size_t)SMALL_ANSWER && !exchange_has_room(exchange, size)) {
        return 0;
    }
    return queued == 0 || (queued <= max && size <= max - queued);
}

/* -- Header fields ---------------------------------------------------------------------- */

int fields_add(struct buffer *fields, struct bytes name, struct bytes value)
{
    assert(name.size <= UINT16_MAX && value.size <= UINT16_MAX);
    uint8_t *to = buffer_reserve(fields, FIELD_PREFIX + name.size + value.size);
    if (to == NULL) {
        return -1;
    }
    put_u16(to, (uint16_t)name.size);
    put_u16(to + 2, (uint16_t)value.size);
    memcpy(to + FIELD_PREFIX, name.data, name.size);
    if (value.size > 0) {
        memcpy(to + FIELD_PREFIX + name.size, value.data, value.size);
    }
    buffer_commit(fields, FIELD_PREFIX + name.size + value.size);
    return 0;
}

int fields_next(const struct buffer *fields, size_t *offset, struct bytes *name,
                struct bytes *value)
{
    const struct bytes all = buffer_bytes(fields);
    if (*offset >= all.size) {
        return 0;
    }
    const uint8_t *field = all.data + *offset;
    *name = bytes_of(field + FIELD_PREFIX, get_u16(field));
    *value = bytes_of(field + FIELD_PREFIX + name->size, get_u16(field + 2));
    *offset += FIELD_PREFIX + name->size + value->size;
    return 1;
}

struct bytes fields_find(const struct buffer *fields, struct bytes name)
{
    struct bytes found;
    struct bytes value;
    for (size_t offset = 0; fields_next(fields, &offset, &found, &value);) {
        if (bytes_equal(found, name)) {
            return value;
        }
    }
    return bytes_of(NULL, 0);
}

/* A part is stored as a field whose name is empty, so that a walk passes over it. */
int exchange_put_part(struct exchange *exchange, struct head_part *part, struct bytes value)
{
    if (value.size > UINT16_MAX || fields_add(&exchange->head, bytes_of("", 0), value) != 0) {
        return -1;
    }
    const size_t offset = buffer_size(&exchange->head) - value.size;
    *part = (struct head_part){.offset = (uint32_t)offset, .size = (uint32_t)value.size};
    return 0;
}

struct bytes exchange_part(const struct exchange *exchange, struct head_part part)
{
    const struct bytes head = buffer_bytes(&exchange->head);
    return head.size == 0 ? head : bytes_of(head.data + part.offset, part.size);
}

/* -- The answer ------------------------------------------------------------------------- */

void exchange_begin(struct exchange *exchange)
{
    assert(!exchange->is_begun);
    exchange->is_begun = 1;
    exchange_charge(exchange);
    if (exchange->stream_id != 0) {
        http2_begin(exchange);
    } else {
        http1_begin(exchange);
    }
    connection_touch(exchange->connection);
}

void exchange_wake(struct exchange *exchange)
{
    assert(exchange->is_begun);
    exchange_charge(exchange);
    if (exchange->stream_id != 0) {
        http2_wake(exchange);
    } else {
        http1_wake(exchange);
    }
    connection_touch(exchange->connection);
}

void exchange_drained(struct exchange *exchange)
{
    if (exchange->is_held && !exchange->is_finished) {
        list_remove(&exchange->drained_link);
        list_append(&exchange->server->drained, &exchange->drained_link);
    }
}
