/* front.c -- a front end in memory: a store, clients, and a replica that does as it is told. */
#include "front.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "synod/error.h"

/* -- The replica: replica.h's functions, as the front end calls them ------------------ */

static struct asked *ask(struct replica *replica)
{
    assert_true(replica->asked_count < ASKED_MAX);
    return &replica->asked[replica->asked_count++];
}

/* What it returns at once, as ordered or for want of memory; 0: it takes what it was given. */
static int refusal_of(const struct replica *replica)
{
    return fault_strikes(FAULT_ALLOCATION) ? SYNOD_ERR_MEMORY : replica->refusal;
}

int replica_submit(struct replica *replica, uint32_t kind, struct bytes command,
                   replica_result_callback callback, void *context)
{
    const int error = refusal_of(replica);
    if (error != 0) {
        return error;
    }
    const int was = fault_enter(0);
    struct asked *asked = ask(replica);
    *asked = (struct asked){.on_result = callback, .context = context, .kind = kind};
    assert_int_equal(buffer_append(&asked->command, command.data, command.size), 0);
    fault_leave(was);
    return 0;
}

int replica_read(struct replica *replica, replica_read_callback callback, void *context)
{
    const int error = refusal_of(replica);
    if (error != 0) {
        return error;
    }
    *ask(replica) = (struct asked){.on_read = callback, .context = context};
    return 0;
}

void replica_status(const struct replica *replica, struct replica_status *status)
{
    *status = replica->status;
}

synod_member_id replica_member_id(__attribute__((unused)) const struct replica *replica,
                                  uint32_t index)
{
    return 100 + index;
}

void front_answer_now(struct front *front, int error)
{
    struct replica *replica = &front->replica;
    assert_true(replica->answered < replica->asked_count);
    struct asked *asked = &replica->asked[replica->answered++];
    const void *result = NULL;
    if (asked->on_result != NULL && error == 0) {
        const struct bytes command = buffer_bytes(&asked->command);
        const struct synod_command applied = {.slot = replica->answered,
                                              .term = replica->status.term,
                                              .data = command.data,
                                              .size = command.size,
                                              .kind = asked->kind,
                                              .wants_result = 1};
        result = replica->machine.apply(replica->machine.context, &applied);
    }
    const int was = fault_enter(1);
    if (asked->on_result != NULL) {
        asked->on_result(asked->context, error, result);
    } else {
        asked->on_read(asked->context, error);
    }
    fault_leave(was);
    buffer_deinit(&asked->command);
}

void front_answer(struct front *front, int error)
{
    front_answer_now(front, error);
    os_pair_settle(front->pair);
}

/* -- The front end -------------------------------------------------------------------- */

static void start_server(struct front *front, struct os *os,
                         const struct etcd_server_options *options)
{
    int port;
    if (etcd_server_new(os, options, &front->server) != 0) {
        front->server = NULL;
    } else if (etcd_server_listen(front->server, "127.0.0.1:0", &port) == 0) {
        snprintf(front->address, sizeof front->address, "127.0.0.1:%d", port);
    }
}

static struct front *new_front(struct os_pair *pair, struct os *os,
                               const struct front_limits *limits);

struct front *front_new(void)
{
    return front_new_limited(&(struct front_limits){.output_max = 0});
}

struct front *front_new_limited(const struct front_limits *limits)
{
    struct os_pair *pair = os_pair_new();
    struct front *front = new_front(pair, &pair->os, limits);
    assert_true(front->server != NULL && front->address[0] != '\0');
    front_connect(front);
    return front;
}

void front_connect(struct front *front)
{
    if (front->channel != NULL && grpc_channel_is_open(front->channel)) {
        return;
    }
    if (front->channel != NULL) {
        grpc_channel_close(front->channel);
    }
    assert_int_equal(grpc_channel_open(front->client, front->address, NULL, NULL, &front->channel),
                     0);
    os_pair_settle(front->pair);
}

struct front *front_new_on(struct os_pair *pair, struct os *os)
{
    return new_front(pair, os, &(struct front_limits){.output_max = 0});
}

static struct front *new_front(struct os_pair *pair, struct os *os,
                               const struct front_limits *limits)
{
    static const char *const peer_urls[] = {"http://10.0.0.1:2380", NULL};
    static const char *const client_urls[] = {"http://10.0.0.1:2379", NULL};
    static const char *const no_urls[] = {NULL};
    static const struct etcd_member members[] = {
        {"a", peer_urls, no_urls},
        {"b", peer_urls, client_urls},
    };
    struct front *front = calloc(1, sizeof *front);
    assert_non_null(front);
    front->pair = pair;
    front->machine = machine_new();
    assert_non_null(front->machine);
    machine_callbacks(front->machine, &front->replica.machine);
    front->replica.status = (struct replica_status){.is_running = 1,
                                                    .has_leader = 1,
                                                    .leader = 0,
                                                    .cluster_id = 77,
                                                    .term = 9,
                                                    .chosen = 12,
                                                    .applied = 11};
    const struct etcd_server_options options = {
        .version = "0.0.1",
        .replica = &front->replica,
        .machine = front->machine,
        .members = members,
        .member_count = 2,
        .self = 1,
        .txn_ops_max = 5,
        .request_size_max = 10000,
        .output_max = limits->output_max,
        .answer_max = limits->answer_max,
        .connections_max = limits->connections_max,
        .metrics_connections_max = limits->metrics_connections_max,
        .quota_bytes = 1 << 30,
    };
    const int was = fault_enter(1);
    start_server(front, os, &options);
    fault_leave(was);
    front->client = grpc_client_new(&front->pair->os);
    assert_non_null(front->client);
    return front;
}

void front_free(struct front *front)
{
    for (size_t i = front->replica.answered; i < front->replica.asked_count; i++) {
        buffer_deinit(&front->replica.asked[i].command);
    }
    if (front->server != NULL) {
        etcd_server_stop(front->server);
    }
    os_pair_settle(front->pair);
    grpc_client_free(front->client);
    if (front->server != NULL) {
        etcd_server_free(front->server);
    }
    machine_free(front->machine);
    os_pair_free(front->pair);
    free(front);
}

/* -- Calls ---------------------------------------------------------------------------- */

static void take(void *context, const struct grpc_result *result)
{
    struct outcome *outcome = context;
    outcome->count++;
    outcome->code = result->code;
    snprintf(outcome->text, sizeof outcome->text, "%s", result->text);
    assert_int_equal(buffer_append(&outcome->message, result->message.data, result->message.size),
                     0);
}

void outcome_deinit(struct outcome *outcome)
{
    buffer_deinit(&outcome->message);
}

void front_call(struct front *front, const char *path, struct bytes message, uint64_t timeout_us,
                struct outcome *outcome)
{
    const struct grpc_request request = {
        .path = path, .message = message, .timeout_us = timeout_us};
    *outcome = (struct outcome){.count = 0};
    if (grpc_channel_call(front->channel, &request, take, outcome, NULL) != 0) {
        assert_true(fault_has_struck());
        *outcome = (struct outcome){.count = 1, .code = GRPC_UNAVAILABLE, .text = "not sent"};
    }
    os_pair_settle(front->pair);
}

struct bytes packed(const ProtobufCMessage *message)
{
    static uint8_t bytes[65536];
    assert_true(protobuf_c_message_get_packed_size(message) <= sizeof bytes);
    return bytes_of(bytes, protobuf_c_message_pack(message, bytes));
}

void front_send(struct front *front, const char *path, const ProtobufCMessage *message,
                struct outcome *outcome)
{
    front_call(front, path, packed(message), 0, outcome);
}

ProtobufCBinaryData text_bytes(const char *text)
{
    return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)(uintptr_t)text};
}

void front_put(struct front *front, const char *key, const char *value)
{
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    struct outcome outcome;
    put.key = text_bytes(key);
    put.value = text_bytes(value);
    front_send(front, "/etcdserverpb.KV/Put", &put.base, &outcome);
    front_answer(front, 0);
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.code, GRPC_OK);
    outcome_deinit(&outcome);
}

/* -- Raw streams ---------------------------------------------------------------------- */

struct raw {
    struct buffer received;
    nghttp2_session *session; /* NULL: the bytes are only collected. */
};

static void on_data(void *context, struct bytes data)
{
    struct raw *raw = context;
    if (raw->session != NULL) {
        assert_true(nghttp2_session_mem_recv(raw->session, data.data, data.size) >= 0);
    } else {
        assert_int_equal(buffer_append(&raw->received, data.data, data.size), 0);
    }
}

static void on_nothing(__attribute__((unused)) void *context)
{
}

static void on_close(__attribute__((unused)) void *context, __attribute__((unused)) int error)
{
}

static const struct os_stream_events raw_events = {
    .on_open = on_nothing, .on_data = on_data, .on_drain = on_nothing, .on_close = on_close};

const char *front_http(struct front *front, const char *request)
{
    static char answer[65536];
    struct raw raw = {.session = NULL};
    struct os_stream *stream;
    const struct bytes part = bytes_of_text(request);
    assert_int_equal(os_connect(&front->pair->os, front->address, &raw_events, &raw, &stream), 0);
    os_pair_settle(front->pair);
    assert_int_equal(os_stream_write(stream, &part, 1), 0);
    os_pair_settle(front->pair);
    while (front->replica.answered < front->replica.asked_count) {
        front_answer(front, 0);
    }
    const struct bytes received = buffer_bytes(&raw.received);
    assert_true(received.size < sizeof answer);
    if (received.size > 0) {
        memcpy(answer, received.data, received.size);
    }
    answer[received.size] = '\0';
    os_stream_close(stream);
    os_pair_settle(front->pair);
    buffer_deinit(&raw.received);
    return answer;
}

static int on_header(__attribute__((unused)) nghttp2_session *session,
                     __attribute__((unused)) const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size,
                     __attribute__((unused)) uint8_t flags, void *context)
{
    struct extra *extra = context;
    if (bytes_equal(bytes_of(name, name_size), bytes_of_text("grpc-status"))) {
        snprintf(extra->status, sizeof extra->status, "%.*s", (int)value_size, (const char *)value);
    }
    if (bytes_equal(bytes_of(name, name_size), bytes_of_text("grpc-message"))) {
        snprintf(extra->text, sizeof extra->text, "%.*s", (int)value_size, (const char *)value);
    }
    return 0;
}

/* The request's body: gRPC's prefix and the message. */
struct body {
    uint8_t bytes[1024];
    size_t size;
};

static ssize_t read_body(__attribute__((unused)) nghttp2_session *session,
                         __attribute__((unused)) int32_t stream, uint8_t *to, size_t room,
                         uint32_t *flags, nghttp2_data_source *source,
                         __attribute__((unused)) void *context)
{
    const struct body *body = source->ptr;
    assert_true(body->size <= room);
    memcpy(to, body->bytes, body->size);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)body->size;
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void submit(nghttp2_session *session, const char *path, struct body *body,
                   const struct extra *extra)
{
    const nghttp2_nv headers[] = {
        header(":method", "POST"),
        header(":scheme", "http"),
        header(":path", path),
        header(":authority", "test"),
        header("te", "trailers"),
        header("content-type", "application/grpc"),
        header(extra->name, extra->value),
    };
    const nghttp2_data_provider provider = {.source.ptr = body, .read_callback = read_body};
    assert_int_equal(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    assert_true(nghttp2_submit_request(session, NULL, headers, sizeof headers / sizeof headers[0],
                                       &provider, NULL) > 0);
}

static void pump(struct front *front, struct os_stream *stream, nghttp2_session *session)
{
    const uint8_t *data;
    ssize_t size = nghttp2_session_mem_send(session, &data);
    while (size > 0) {
        const struct bytes part = bytes_of(data, (size_t)size);
        assert_int_equal(os_stream_write(stream, &part, 1), 0);
        size = nghttp2_session_mem_send(session, &data);
    }
    os_pair_settle(front->pair);
}

void front_call_with(struct front *front, const char *path, struct bytes message,
                     struct extra *extra)
{
    struct raw raw = {.session = NULL};
    struct os_stream *stream;
    struct body body = {.size = 5 + message.size};
    nghttp2_session_callbacks *callbacks;
    assert_true(body.size <= sizeof body.bytes && message.size < 256);
    body.bytes[4] = (uint8_t)message.size;
    memcpy(body.bytes + 5, message.data, message.size);
    extra->status[0] = '\0';
    extra->text[0] = '\0';
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    assert_int_equal(nghttp2_session_client_new(&raw.session, callbacks, extra), 0);
    assert_int_equal(os_connect(&front->pair->os, front->address, &raw_events, &raw, &stream), 0);
    os_pair_settle(front->pair);
    submit(raw.session, path, &body, extra);
    for (int i = 0; i < 4; i++) {
        pump(front, stream, raw.session);
    }
    os_stream_close(stream);
    os_pair_settle(front->pair);
    nghttp2_session_del(raw.session);
    nghttp2_session_callbacks_del(callbacks);
}
