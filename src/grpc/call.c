/* call.c -- a gRPC call as the server's handlers see it.
 *
 * A struct grpc_call is a struct exchange whose kind is EXCHANGE_UNARY or EXCHANGE_STREAM; the
 * handlers know it by the other name only, and the pointers are the same. */
#include "grpc/call.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "grpc/server_internal.h"

static struct exchange *exchange_of(const struct grpc_call *call)
{
    struct exchange *exchange = (struct exchange *)(uintptr_t)call;
    assert(exchange->is_held);
    assert(exchange->kind == EXCHANGE_UNARY || exchange->kind == EXCHANGE_STREAM);
    return exchange;
}

/* -- The request ------------------------------------------------------------------------ */

struct bytes grpc_call_path(const struct grpc_call *call)
{
    const struct exchange *exchange = exchange_of(call);
    return exchange_part(exchange, exchange->path);
}

struct bytes grpc_call_message(const struct grpc_call *call)
{
    return buffer_bytes(&exchange_of(call)->reader.body);
}

uint64_t grpc_call_deadline_us(const struct grpc_call *call)
{
    return exchange_of(call)->deadline_us;
}

struct bytes grpc_call_metadata(const struct grpc_call *call, const char *key)
{
    return fields_find(&exchange_of(call)->head, bytes_of_text(key));
}

struct bytes grpc_call_authority(const struct grpc_call *call)
{
    const struct exchange *exchange = exchange_of(call);
    return exchange_part(exchange, exchange->authority);
}

const char *grpc_call_peer_name(const struct grpc_call *call)
{
    const struct exchange *exchange = exchange_of(call);
    return exchange->connection == NULL ? "" : os_stream_peer_name(exchange->connection->stream);
}

int grpc_call_is_dead(const struct grpc_call *call)
{
    return exchange_of(call)->connection == NULL;
}

void grpc_call_set_owner(struct grpc_call *call, void *owner)
{
    exchange_of(call)->owner = owner;
}

void *grpc_call_owner(const struct grpc_call *call)
{
    return exchange_of(call)->owner;
}

/* -- The end of a call ------------------------------------------------------------------ */

/* Complete the answer with a status; the exchange may be gone afterwards. */
static void finish(struct exchange *exchange, enum grpc_code code, const char *text)
{
    assert(!exchange->is_finished);
    if (exchange->connection != NULL) {
        exchange->is_finished = 1;
        exchange->code = code;
        if (text != NULL && text[0] != '\0') {
            /* Without memory the status goes without its text. */
            exchange->text = strndup(text, GRPC_TEXT_MAX);
        }
        if (exchange->is_begun) {
            exchange_wake(exchange);
        } else {
            exchange_begin(exchange);
        }
    }
    exchange_let_go(exchange);
}

void call_refuse(struct exchange *exchange, enum grpc_code code, const char *text)
{
    assert(!exchange->is_held && exchange->connection != NULL);
    exchange->is_refused = 1;
    buffer_clear(&exchange->reader.body, 0);
    finish(exchange, code, text);
}

void grpc_call_fail(struct grpc_call *call, enum grpc_code code, const char *text)
{
    struct exchange *exchange = exchange_of(call);
    assert(code != GRPC_OK);
    /* A reservation that was not committed is dropped. */
    buffer_clear(&exchange->out, 0);
    finish(exchange, code, text);
}

/* -- Unary answers ---------------------------------------------------------------------- */

uint8_t *grpc_call_reserve(struct grpc_call *call, size_t size)
{
    struct exchange *exchange = exchange_of(call);
    assert(exchange->kind == EXCHANGE_UNARY);
    assert(buffer_size(&exchange->out) == 0);

    if (size > UINT32_MAX) {
        return NULL;
    }
    uint8_t *to = buffer_reserve(&exchange->out, MESSAGE_PREFIX_SIZE + size);
    if (to == NULL) {
        return NULL;
    }
    message_prefix(to, (uint32_t)size);
    buffer_commit(&exchange->out, MESSAGE_PREFIX_SIZE + size);
    return to + MESSAGE_PREFIX_SIZE;
}

int grpc_call_commit(struct grpc_call *call)
{
    struct exchange *exchange = exchange_of(call);
    assert(exchange->kind == EXCHANGE_UNARY);
    assert(buffer_size(&exchange->out) >= MESSAGE_PREFIX_SIZE);

    if (!exchange_may_queue(exchange, buffer_size(&exchange->out))) {
        return -ENOBUFS;
    }
    finish(exchange, GRPC_OK, NULL);
    return 0;
}

int grpc_call_reply(struct grpc_call *call, struct bytes message)
{
    uint8_t *to = grpc_call_reserve(call, message.size);
    if (to == NULL) {
        return -ENOMEM;
    }
    if (message.size > 0) {
        memcpy(to, message.data, message.size);
    }
    return grpc_call_commit(call);
}

/* -- Streams ---------------------------------------------------------------------------- */

int grpc_call_send(struct grpc_call *call, struct bytes message)
{
    struct exchange *exchange = exchange_of(call);
    assert(exchange->kind == EXCHANGE_STREAM);

    const size_t queued = buffer_size(&exchange->out);
    if (exchange->connection == NULL) {
        return 0; /* on_stream_close is running: there is nobody to send it to. */
    }
    if ((queued > 0 && queued + message.size > exchange->server->options.stream_queue_max) ||
        !exchange_may_queue(exchange, message.size)) {
        return -ENOBUFS;
    }
    uint8_t *to = message.size > UINT32_MAX
                      ? NULL
                      : buffer_reserve(&exchange->out, MESSAGE_PREFIX_SIZE + message.size);
    if (to == NULL) {
        return -ENOMEM;
    }
    message_prefix(to, (uint32_t)message.size);
    if (message.size > 0) {
        memcpy(to + MESSAGE_PREFIX_SIZE, message.data, message.size);
    }
    buffer_commit(&exchange->out, MESSAGE_PREFIX_SIZE + message.size);
    if (exchange->is_begun) {
        exchange_wake(exchange);
    } else {
        exchange_begin(exchange);
    }
    return 0;
}

size_t grpc_call_queued(const struct grpc_call *call)
{
    return buffer_size(&exchange_of(call)->out);
}

void grpc_call_finish(struct grpc_call *call, enum grpc_code code, const char *text)
{
    struct exchange *exchange = exchange_of(call);
    assert(exchange->kind == EXCHANGE_STREAM);
    finish(exchange, code, text);
}
