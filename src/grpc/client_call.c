/* client_call.c -- gRPC calls, as a client makes them. What a call looks like on the wire is told
 * in http2.c.
 *
 *   made --HEADERS, DATA--> waiting --trailers--> on_stream_close() tells how it ended
 *                              |--time is over--> DEADLINE_EXCEEDED, the stream is reset
 *                              |--cancelled-----> no word, the stream is reset
 *                              +--channel lost--> UNAVAILABLE
 *
 * Callbacks may do anything, including cancelling the call that they belong to. So nothing here
 * keeps a pointer to a call over a callback; it is asked for anew by its stream, which knows
 * nothing of a call that is gone.
 *
 * Time-outs. Most callers give all their calls the same time, so a list in the order of the
 * deadlines is nearly always appended to; one timer looks at its head.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "grpc/client_internal.h"

enum {
    SPARES_MAX = 1024,   /* Calls kept for later: as many as are often under way. */
    SPARE_MEMORY = 1024, /* Bytes of each buffer that a spare call keeps. */
};

/* -- Calls: life ------------------------------------------------------------------------ */

static struct grpc_client_call *call_new(struct grpc_channel *channel)
{
    struct grpc_client *client = channel->client;
    struct grpc_client_call *call;
    if (list_is_empty(&client->spares)) {
        call = calloc(1, sizeof *call);
        if (call == NULL) {
            return NULL;
        }
    } else {
        call = LIST_ITEM(client->spares.previous, struct grpc_client_call, link);
        list_remove(&call->link);
        client->spares_count--;
    }
    list_init(&call->link);
    list_init(&call->deadline_link);
    list_append(&channel->calls, &call->link);
    call->channel = channel;
    call->code = -1;
    return call;
}

static void dispose(struct grpc_client_call *call)
{
    buffer_deinit(&call->reader.body);
    buffer_deinit(&call->out);
    buffer_deinit(&call->text);
    free(call);
}

void client_call_release(struct grpc_client_call *call)
{
    struct grpc_client *client = call->channel->client;
    list_remove(&call->link);
    list_remove(&call->deadline_link);
    if (client->spares_count >= SPARES_MAX) {
        dispose(call);
        return;
    }
    buffer_clear(&call->reader.body, SPARE_MEMORY);
    buffer_clear(&call->out, SPARE_MEMORY);
    buffer_clear(&call->text, SPARE_MEMORY);
    *call = (struct grpc_client_call){
        .reader = {.body = call->reader.body}, .out = call->out, .text = call->text};
    list_append(&client->spares, &call->link);
    client->spares_count++;
}

/* The stream is of no use any more: let nghttp2 forget who belongs to it, and tell the server. */
static void abandon_stream(struct grpc_client_call *call)
{
    if (call->stream_id == 0 || call->channel->is_dead) {
        return;
    }
    nghttp2_session *session = call->channel->session;
    /* A request that still waits inside of nghttp2 has no stream to mark: there the reset is
     * queued behind it, and the data provider must not be asked. on_read knows by stream_id. */
    nghttp2_session_set_stream_user_data(session, call->stream_id, NULL);
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, call->stream_id, NGHTTP2_CANCEL);
    call->stream_id = 0;
    channel_touch(call->channel);
}

/* Say how the call ended; it is gone afterwards. */
void client_call_end(struct grpc_client_call *call, enum grpc_code code, const char *text)
{
    struct grpc_result result = {.code = code, .text = text};
    if (code == GRPC_OK && call->events == NULL) {
        result.message = buffer_bytes(&call->reader.body);
    }
    /* Nobody may find it from inside of the callback. */
    list_remove(&call->link);
    list_remove(&call->deadline_link);
    if (call->events != NULL) {
        call->events->on_end(call->context, &result);
    } else {
        call->callback(call->context, &result);
    }
    client_call_release(call);
}

/* -- Deadlines -------------------------------------------------------------------------- */

static void start_timer(struct grpc_client *client, uint64_t at_us)
{
    if (client->timer_us == 0 || at_us < client->timer_us) {
        const uint64_t now_us = os_now_us(client->os);
        client->timer_us = at_us;
        os_timer_start(client->os, client->timer, at_us > now_us ? at_us - now_us : 0);
    }
}

static void set_deadline(struct grpc_client_call *call, uint64_t timeout_us)
{
    struct grpc_client *client = call->channel->client;
    call->deadline_us = os_now_us(client->os) + timeout_us;
    struct list *before = client->deadlines.previous;
    while (before != &client->deadlines &&
           LIST_ITEM(before, struct grpc_client_call, deadline_link)->deadline_us >
               call->deadline_us) {
        before = before->previous;
    }
    list_append(before->next, &call->deadline_link);
    start_timer(client, call->deadline_us);
}

void client_call_on_timer(void *context)
{
    struct grpc_client *client = context;
    const uint64_t now_us = os_now_us(client->os);
    client->timer_us = 0;
    while (!list_is_empty(&client->deadlines)) {
        struct grpc_client_call *call =
            LIST_ITEM(client->deadlines.next, struct grpc_client_call, deadline_link);
        if (call->deadline_us > now_us) {
            start_timer(client, call->deadline_us);
            return;
        }
        abandon_stream(call);
        client_call_end(call, GRPC_DEADLINE_EXCEEDED, "context deadline exceeded");
    }
}

/* -- What the server sends -------------------------------------------------------------- */

static int is_name(const uint8_t *name, size_t size, const char *literal)
{
    return size == strlen(literal) && memcmp(name, literal, size) == 0;
}

/* A small decimal number, or -1. */
static int parse_number(const uint8_t *digits, size_t size)
{
    int number = 0;
    if (size == 0 || size > 3) {
        return -1;
    }
    for (size_t i = 0; i < size; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return -1;
        }
        number = number * 10 + (digits[i] - '0');
    }
    return number;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user)
{
    (void)flags;
    (void)user;
    struct grpc_client_call *call =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call == NULL) {
        return 0;
    }
    if (is_name(name, name_size, "grpc-status")) {
        const int code = parse_number(value, value_size);
        call->code = code < 0 || code >= GRPC_CODE_COUNT ? (int)GRPC_UNKNOWN : code;
    } else if (is_name(name, name_size, ":status")) {
        call->status = (uint32_t)parse_number(value, value_size);
    } else if (is_name(name, name_size, "grpc-message")) {
        buffer_clear(&call->text, SPARE_MEMORY);
        (void)buffer_append(&call->text, value, value_size);
    }
    return 0;
}

static void fail_stream(struct grpc_client_call *call, enum grpc_code code, const char *failure)
{
    call->failure_code = code;
    call->failure = failure;
    nghttp2_submit_rst_stream(call->channel->session, NGHTTP2_FLAG_NONE, call->stream_id,
                              NGHTTP2_CANCEL);
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                         const uint8_t *bytes, size_t size, void *user)
{
    (void)flags;
    (void)user;
    struct bytes data = bytes_of(bytes, size);
    while (data.size > 0) {
        /* Asked anew each time: a callback may have cancelled the call. */
        struct grpc_client_call *call = nghttp2_session_get_stream_user_data(session, stream_id);
        if (call == NULL || call->failure != NULL || call->status != 200) {
            return 0;
        }
        if (call->reader.is_whole) {
            fail_stream(call, GRPC_INTERNAL, "more than one message in answer to a unary call");
            return 0;
        }
        switch (message_reader_feed(&call->reader, &data, UINT32_MAX)) {
        case MESSAGE_WANTS_MORE:
            return 0;
        case MESSAGE_WHOLE:
            if (call->events != NULL) {
                /* The bytes must live through the callback, which may cancel the call. */
                struct buffer body = call->reader.body;
                call->reader.body = (struct buffer){0};
                message_reader_next(&call->reader);
                call->events->on_message(call->context, buffer_bytes(&body));
                buffer_deinit(&body);
            }
            break;
        case MESSAGE_COMPRESSED:
            fail_stream(call, GRPC_INTERNAL, "the server sent a compressed message");
            return 0;
        case MESSAGE_TOO_LARGE:
        case MESSAGE_NO_MEMORY:
        default:
            fail_stream(call, GRPC_RESOURCE_EXHAUSTED, "no memory for the answer");
            return 0;
        }
    }
    return 0;
}

/* What an HTTP status means where no grpc-status came ("HTTP to gRPC Status Code Mapping"). */
static enum grpc_code code_of_status(uint32_t status)
{
    switch (status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

/* What the reset of a stream means ("Errors" in gRPC over HTTP/2). */
static enum grpc_code code_of_reset(uint32_t error_code)
{
    switch (error_code) {
    case NGHTTP2_REFUSED_STREAM:
        return GRPC_UNAVAILABLE;
    case NGHTTP2_CANCEL:
        return GRPC_CANCELED;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return GRPC_RESOURCE_EXHAUSTED;
    case NGHTTP2_INADEQUATE_SECURITY:
        return GRPC_PERMISSION_DENIED;
    default:
        return GRPC_INTERNAL;
    }
}

/* Both sides are done with the stream: find out how the call ended. */
static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *user)
{
    (void)user;
    struct grpc_client_call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    char text[GRPC_TEXT_MAX + 1];
    if (call == NULL) {
        return 0;
    }
    nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    call->stream_id = 0;
    if (call->failure != NULL) {
        client_call_end(call, call->failure_code, call->failure);
    } else if (call->code == GRPC_OK && call->events == NULL && !call->reader.is_whole) {
        client_call_end(call, GRPC_INTERNAL, "the answer ended within its message");
    } else if (call->code >= 0) {
        grpc_text_decode(buffer_bytes(&call->text), text);
        client_call_end(call, (enum grpc_code)call->code, text);
    } else if (error_code != NGHTTP2_NO_ERROR) {
        snprintf(text, sizeof text, "the stream was reset: %s", nghttp2_http2_strerror(error_code));
        client_call_end(call, code_of_reset(error_code), text);
    } else if (call->status != 200) {
        snprintf(text, sizeof text, "unexpected HTTP status code received from server: %u",
                 call->status);
        client_call_end(call, code_of_status(call->status), text);
    } else {
        client_call_end(call, GRPC_UNKNOWN, "the server ended the call without a status");
    }
    return 0;
}

/* -- What we send ----------------------------------------------------------------------- */

static ssize_t on_read(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)source;
    (void)to;
    (void)user;
    const struct grpc_client_call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    if (call == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* Cancelled: reset it. */
    }
    const size_t queued = buffer_size(&call->out);
    if (queued == 0 && !call->is_half_closed) {
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (queued > size) {
        return (ssize_t)size;
    }
    if (call->is_half_closed) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)queued;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                        size_t size, nghttp2_data_source *source, void *user)
{
    enum {
        FRAME_HEAD_SIZE = 9
    };
    struct buffer *out = &((struct grpc_channel *)user)->client->out;
    struct grpc_client_call *call =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)source;
    if (call == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    assert(frame->data.padlen == 0 && size <= buffer_size(&call->out));
    if (buffer_size(out) >= (size_t)CLIENT_OUT_MAX) {
        return NGHTTP2_ERR_WOULDBLOCK; /* It asks again at the next gathering. */
    }
    uint8_t *to = buffer_reserve(out, FRAME_HEAD_SIZE + size);
    if (to == NULL) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    memcpy(to, head, FRAME_HEAD_SIZE);
    if (size > 0) {
        memcpy(to + FRAME_HEAD_SIZE, buffer_bytes(&call->out).data, size);
    }
    buffer_commit(out, FRAME_HEAD_SIZE + size);
    buffer_consume(&call->out, size);
    return 0;
}

/* -- Making calls ----------------------------------------------------------------------- */

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

/* Queue a message behind its prefix. */
static int put_message(struct buffer *out, struct bytes message)
{
    if (message.size > UINT32_MAX) {
        return -ENOMEM;
    }
    uint8_t *to = buffer_reserve(out, MESSAGE_PREFIX_SIZE + message.size);
    if (to == NULL) {
        return -ENOMEM;
    }
    message_prefix(to, (uint32_t)message.size);
    if (message.size > 0) {
        memcpy(to + MESSAGE_PREFIX_SIZE, message.data, message.size);
    }
    buffer_commit(out, MESSAGE_PREFIX_SIZE + message.size);
    return 0;
}

/* Give the request to nghttp2. Returns 0 or a negative errno value. */
static int submit(struct grpc_client_call *call, const struct grpc_request *request)
{
    struct grpc_channel *channel = call->channel;
    char timeout[GRPC_TIMEOUT_SIZE];
    nghttp2_nv fields[9];
    size_t count = 0;
    fields[count++] = field(":method", "POST");
    fields[count++] = field(":scheme", "http");
    fields[count++] = field(":path", request->path);
    fields[count++] = field(":authority", channel->address);
    fields[count++] = field("content-type", "application/grpc");
    fields[count++] = field("te", "trailers");
    fields[count++] = field("user-agent", "grpc-c-synod");
    if (request->timeout_us != 0) {
        grpc_timeout_encode(request->timeout_us, timeout);
        fields[count++] = field("grpc-timeout", timeout);
    }
    if (request->token != NULL) {
        /* Never in a table that others' requests may be compared with (RFC 7541, 7.1.3). */
        fields[count] = field("token", request->token);
        fields[count++].flags |= NGHTTP2_NV_FLAG_NO_INDEX;
    }
    const nghttp2_data_provider body = {.read_callback = on_read};
    const int32_t stream_id =
        nghttp2_submit_request(channel->session, NULL, fields, count, &body, call);
    if (stream_id < 0) {
        return stream_id == NGHTTP2_ERR_NOMEM ? -ENOMEM : -ENOTCONN;
    }
    call->stream_id = stream_id;
    channel_touch(channel);
    return 0;
}

/* What unary calls and streams have in common. */
static int begin(struct grpc_channel *channel, const struct grpc_request *request,
                 const struct grpc_client_call *model, struct grpc_client_call **call_out)
{
    assert(!channel->is_closed);
    if (channel->is_lost) {
        return -ENOTCONN;
    }
    struct grpc_client_call *call = call_new(channel);
    if (call == NULL) {
        return -ENOMEM;
    }
    call->callback = model->callback;
    call->events = model->events;
    call->context = model->context;
    int error = 0;
    if (call->events == NULL) {
        call->is_half_closed = 1;
        error = put_message(&call->out, request->message);
    }
    if (error == 0) {
        error = submit(call, request);
    }
    if (error != 0) {
        client_call_release(call);
        return error;
    }
    if (request->timeout_us != 0) {
        set_deadline(call, request->timeout_us);
    }
    if (call_out != NULL) {
        *call_out = call;
    }
    return 0;
}

int grpc_channel_call(struct grpc_channel *channel, const struct grpc_request *request,
                      grpc_callback callback, void *context, struct grpc_client_call **call)
{
    const struct grpc_client_call model = {.callback = callback, .context = context};
    return begin(channel, request, &model, call);
}

int grpc_channel_stream(struct grpc_channel *channel, const struct grpc_request *request,
                        const struct grpc_stream_events *events, void *context,
                        struct grpc_client_call **call)
{
    const struct grpc_client_call model = {.events = events, .context = context};
    return begin(channel, request, &model, call);
}

int grpc_client_call_send(struct grpc_client_call *call, struct bytes message)
{
    assert(call->events != NULL && !call->is_half_closed);
    const int error = put_message(&call->out, message);
    if (error == 0 && call->stream_id != 0) {
        (void)nghttp2_session_resume_data(call->channel->session, call->stream_id);
        channel_touch(call->channel);
    }
    return error;
}

void grpc_client_call_half_close(struct grpc_client_call *call)
{
    assert(call->events != NULL);
    call->is_half_closed = 1;
    if (call->stream_id != 0) {
        (void)nghttp2_session_resume_data(call->channel->session, call->stream_id);
        channel_touch(call->channel);
    }
}

void grpc_client_call_cancel(struct grpc_client_call *call)
{
    abandon_stream(call);
    client_call_release(call);
}

/* -- For client.c ----------------------------------------------------------------------- */

void client_call_install(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
}

void client_call_free_spares(struct grpc_client *client)
{
    struct list *link;
    struct list *following;
    LIST_FOREACH (&client->spares, link, following) {
        dispose(LIST_ITEM(link, struct grpc_client_call, link));
    }
    list_init(&client->spares);
    client->spares_count = 0;
}
