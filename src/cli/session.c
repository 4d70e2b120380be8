/* session.c -- one request after the other to whichever of several members answers.
 *
 * The loop runs only while a request is under way: it is started by session_call() and stopped
 * by the answer. The time for all tries is shared out: each member that is still to be tried
 * gets an equal part of what is left, so that a member that is silent costs a part only. A
 * write that is on its way keeps the rest, as it cannot be tried elsewhere any more. */
#include "cli/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/answer.h"
#include "cli/xmalloc.h"
#include "grpc/client.h"
#include "os/os_uv.h"

enum {
    ENDPOINTS_MAX = 32,
    ROUND_PAUSE_US = 100000, /* Between two rounds through all members. */
    ERROR_SIZE = 1400,
};

struct session {
    const struct client_options *client;
    char *endpoints[ENDPOINTS_MAX];
    uint32_t endpoint_count;
    uint32_t current; /* The endpoint that is asked next. */
    struct os *os;
    struct grpc_client *grpc;
    struct grpc_channel *channel; /* To `connected`, or NULL. */
    uint32_t connected;
    struct os_timer *timer;
    /* The try that is under way. */
    int is_done;
    int was_sent; /* The connection stood while it was under way. */
    enum grpc_code code;
    const ProtobufCMessageDescriptor *type;
    ProtobufCMessage *answer;
    char error[ERROR_SIZE];
    int is_uncertain;
};

/* -- Endpoints ------------------------------------------------------------------------ */

/* "http://host:port" or "host:port" of `size` bytes to "host:port", or NULL. */
static char *parse_endpoint(const char *text, size_t size)
{
    static const char scheme[] = "http://";
    const size_t scheme_size = sizeof scheme - 1;
    if (size > scheme_size && strncmp(text, scheme, scheme_size) == 0) {
        text += scheme_size;
        size -= scheme_size;
    }
    while (size > 0 && text[size - 1] == '/') {
        size--;
    }
    const char *colon = memrchr(text, ':', size);
    if (colon == NULL || colon == text || colon == text + size - 1 ||
        memchr(text, '/', size) != NULL) {
        return NULL;
    }
    return xstrndup(text, size);
}

static int parse_endpoints(struct session *session, const char *list)
{
    while (*list != '\0') {
        const size_t size = strcspn(list, ",");
        char *endpoint = parse_endpoint(list, size);
        if (endpoint == NULL || session->endpoint_count == ENDPOINTS_MAX) {
            free(endpoint);
            fprintf(stderr,
                    "synod: --endpoints has '%.*s'; it must be a list like "
                    "127.0.0.1:2379,10.0.0.2:2379\n",
                    (int)size, list);
            return -1;
        }
        session->endpoints[session->endpoint_count++] = endpoint;
        list += size + (list[size] == ',');
    }
    if (session->endpoint_count == 0) {
        fprintf(stderr, "synod: --endpoints is empty\n");
        return -1;
    }
    return 0;
}

static void on_timer(void *context)
{
    struct session *session = context;
    os_uv_stop(session->os);
}

struct session *session_open(const struct client_options *client)
{
    struct session *session = xcalloc(1, sizeof *session);
    session->client = client;
    session->os = os_uv_new();
    session->grpc = session->os == NULL ? NULL : grpc_client_new(session->os);
    session->timer = session->os == NULL ? NULL : os_timer_new(session->os, on_timer, session);
    if (session->grpc == NULL || session->timer == NULL) {
        fprintf(stderr, "synod: out of memory or descriptors\n");
        exit(1);
    }
    if (parse_endpoints(session, client->endpoints) != 0) {
        session_close(session);
        return NULL;
    }
    return session;
}

void session_close(struct session *session)
{
    os_timer_free(session->os, session->timer);
    grpc_client_free(session->grpc);
    os_uv_free(session->os);
    for (uint32_t i = 0; i < session->endpoint_count; i++) {
        free(session->endpoints[i]);
    }
    free(session);
}

uint32_t session_endpoint_count(const struct session *session)
{
    return session->endpoint_count;
}

const char *session_endpoint(const struct session *session, uint32_t index)
{
    assert(index < session->endpoint_count);
    return session->endpoints[index];
}

void session_aim(struct session *session, uint32_t index)
{
    assert(index < session->endpoint_count);
    session->current = index;
}

const char *session_error(const struct session *session)
{
    return session->error;
}

int session_is_uncertain(const struct session *session)
{
    return session->is_uncertain;
}

void session_complain(const struct session *session, const char *command)
{
    fprintf(stderr, "synod %s: %s (%s)\n", command, session->error,
            session->endpoints[session->current]);
    if (session->is_uncertain) {
        fprintf(stderr, "The outcome is not known: it may or may not have been done.\n");
    }
}

/* -- One try -------------------------------------------------------------------------- */

static void on_open(void *context)
{
    struct session *session = context;
    session->was_sent = 1;
}

static void on_close(void *context, __attribute__((unused)) int error)
{
    struct session *session = context;
    grpc_channel_close(session->channel);
    session->channel = NULL;
    os_uv_stop(session->os);
}

static const struct grpc_channel_events channel_events = {.on_open = on_open, .on_close = on_close};

static void on_answer(void *context, const struct grpc_result *result)
{
    struct session *session = context;
    session->is_done = 1;
    session->code = result->code;
    snprintf(session->error, sizeof session->error, "%s",
             result->text[0] != '\0' ? result->text : grpc_code_name(result->code));
    if (result->code == GRPC_OK) {
        session->answer = answer_unpack(session->type, result->message);
        if (session->answer == NULL) {
            session->code = GRPC_INTERNAL;
            snprintf(session->error, sizeof session->error,
                     "the answer is not one of the etcd v3 API");
        }
    }
    os_uv_stop(session->os);
}

/* Fail the try without having made it. */
static void fail_try(struct session *session, const char *why)
{
    session->code = GRPC_UNAVAILABLE;
    snprintf(session->error, sizeof session->error, "cannot connect: %s", why);
}

/* Have a channel to the current endpoint, standing or on its way. Returns 0 or -1. */
static int connect_channel(struct session *session)
{
    if (session->channel != NULL && session->connected == session->current) {
        return 0;
    }
    if (session->channel != NULL) {
        grpc_channel_close(session->channel);
        session->channel = NULL;
    }
    session->connected = session->current;
    const int error = grpc_channel_open(session->grpc, session->endpoints[session->current],
                                        &channel_events, session, &session->channel);
    if (error != 0) {
        session->channel = NULL;
        fail_try(session, strerror(-error));
        return -1;
    }
    return 0;
}

/* Wait at most this long for the answer, or if it is not `to_answer`, for the connection. */
static void wait_for(struct session *session, uint64_t due_us, int to_answer)
{
    uint64_t now_us = os_now_us(session->os);
    while (!session->is_done && (to_answer || !session->was_sent) && session->channel != NULL &&
           now_us < due_us) {
        os_timer_start(session->os, session->timer, due_us - now_us);
        os_uv_run(session->os);
        now_us = os_now_us(session->os);
    }
    os_timer_stop(session->os, session->timer);
}

/* Ask the current endpoint. Within `share_us` there must be a connection, and for a read an
 * answer; for a write that was sent there is time until `rest_us`. */
static void try_once(struct session *session, const char *path, struct bytes message,
                     uint64_t share_us, uint64_t rest_us)
{
    const uint64_t start_us = os_now_us(session->os);
    session->is_done = 0;
    session->code = GRPC_UNAVAILABLE;
    snprintf(session->error, sizeof session->error, "cannot connect");
    if (connect_channel(session) != 0) {
        return;
    }
    session->was_sent = grpc_channel_is_open(session->channel);
    const struct grpc_request request = {.path = path, .message = message, .timeout_us = rest_us};
    struct grpc_client_call *call;
    const int error = grpc_channel_call(session->channel, &request, on_answer, session, &call);
    if (error != 0) {
        fail_try(session, strerror(-error));
        return;
    }
    wait_for(session, start_us + share_us, rest_us == share_us);
    if (session->was_sent) {
        wait_for(session, start_us + rest_us, 1);
    }
    if (!session->is_done && session->channel != NULL) {
        session->code = GRPC_DEADLINE_EXCEEDED;
        snprintf(session->error, sizeof session->error, "no %s in time",
                 session->was_sent ? "answer" : "connection");
        grpc_channel_close(session->channel);
        session->channel = NULL;
    }
}

/* -- All of them ---------------------------------------------------------------------- */

/* True if the request may be made again, at another member or later. */
static int may_repeat(const struct session *session, enum session_kind kind)
{
    const int is_refused = strcmp(session->error, "etcdserver: no leader") == 0 ||
                           strcmp(session->error, "etcdserver: too many requests") == 0;
    if (is_refused || !session->was_sent) {
        return 1;
    }
    return kind != SESSION_WRITE &&
           (session->code == GRPC_UNAVAILABLE || session->code == GRPC_DEADLINE_EXCEEDED);
}

static void pause_loop(struct session *session, uint64_t pause_us)
{
    os_timer_start(session->os, session->timer, pause_us);
    os_uv_run(session->os);
    os_timer_stop(session->os, session->timer);
}

/* Ask until there is an answer, no hope or no time. */
static void try_all(struct session *session, const char *path, struct bytes message,
                    enum session_kind kind)
{
    const uint64_t end_us = os_now_us(session->os) + session->client->timeout_us;
    const uint32_t count = kind == SESSION_HERE ? 1 : session->endpoint_count;
    for (uint32_t tried = 0;; tried++) {
        const uint64_t now_us = os_now_us(session->os);
        if (tried > 0 && (now_us + ROUND_PAUSE_US >= end_us || !may_repeat(session, kind))) {
            return;
        }
        if (tried > 0 && kind != SESSION_HERE) {
            session->current = (session->current + 1) % session->endpoint_count;
        }
        if (tried > 0 && tried % count == 0) {
            pause_loop(session, ROUND_PAUSE_US);
        }
        const uint64_t left_us = end_us - os_now_us(session->os);
        const uint64_t share_us = left_us / (count - tried % count);
        try_once(session, path, message, share_us, kind == SESSION_WRITE ? left_us : share_us);
        if (session->code == GRPC_OK) {
            return;
        }
    }
}

void *session_call(struct session *session, const char *path, const ProtobufCMessage *request,
                   const ProtobufCMessageDescriptor *type, enum session_kind kind)
{
    const size_t size = protobuf_c_message_get_packed_size(request);
    uint8_t *message = xmalloc(size);
    protobuf_c_message_pack(request, message);
    session->type = type;
    session->answer = NULL;
    session->was_sent = 0;
    try_all(session, path, bytes_of(message, size), kind);
    session->is_uncertain =
        kind == SESSION_WRITE && session->was_sent && session->answer == NULL &&
        (session->code == GRPC_UNAVAILABLE || session->code == GRPC_DEADLINE_EXCEEDED) &&
        !may_repeat(session, kind);
    free(message);
    return session->answer;
}
