/* rig.h -- a server whose handlers do as the path says, and clients of it, in memory. */
#ifndef TEST_GRPC_RIG_H
#define TEST_GRPC_RIG_H

#include "base/buffer.h"
#include "grpc/client.h"
#include "grpc/server.h"
#include "os_pair.h"
#include "test.h"

enum {
    HELD_MAX = 4096
};

/* What the handlers do, by path:
 *   /t.S/Echo     answers with the request
 *   /t.S/Hold     keeps the call in `held`
 *   /t.S/Fail     ABORTED "100% no\n"
 *   /t.S/Grow     answers with as many bytes as the request says in decimal
 *   /t.S/Chat     a stream: echoes each message, finishes at half-close
 *   /t.S/Feed     a stream that the test feeds by hand: `stream`
 * and over HTTP:
 *   /echo         answers with method, path, query, body; header "x" as "y"
 *   /pieces       answers "one", "two" in pieces
 *   /big          1,000,000 bytes
 *   /hold         keeps the request in `request`
 *   all else      404 page not found */
struct rig {
    struct os_pair *pair;
    struct grpc_server *server;
    struct grpc_client *client;
    struct grpc_channel *channel;
    char address[32];
    struct grpc_call *held[HELD_MAX];
    size_t held_count;
    size_t cancels; /* Calls of on_cancel. */
    struct grpc_call *stream;
    size_t stream_opens;
    size_t stream_messages;
    size_t stream_ends;
    size_t stream_drains;
    size_t stream_closes;
    struct http_request *request;
    size_t http_closes;
    size_t channel_opens;
    size_t channel_closes;
    int channel_error;
};

struct rig *rig_new(const struct grpc_server_options *options);
void rig_free(struct rig *rig);

/* Connect rig->channel. */
void rig_connect(struct rig *rig);

/* How a call ended, copied. */
struct answer {
    size_t count; /* Callbacks so far; 0: it has not ended. */
    enum grpc_code code;
    char text[256];
    struct buffer message;
    size_t messages; /* Of a stream. */
};

/* A grpc_callback whose context is a struct answer. */
void answer_take(void *context, const struct grpc_result *result);
void answer_deinit(struct answer *answer);

/* Events of a stream whose context is a struct answer: messages are appended. */
extern const struct grpc_stream_events ANSWER_EVENTS;

/* Make a call on rig->channel; `call` may be NULL. */
void rig_call(struct rig *rig, const char *path, struct bytes message, uint64_t timeout_us,
              struct answer *answer);

/* A client that sends raw bytes and collects what comes back. */
struct raw {
    struct os_stream *stream;
    struct buffer received;
    int is_closed;
};

void raw_connect(struct rig *rig, struct raw *raw);
void raw_send(struct rig *rig, struct raw *raw, const void *data, size_t size);
void raw_send_text(struct rig *rig, struct raw *raw, const char *text);
void raw_close(struct raw *raw);

/* True if what was received contains the text. */
int raw_has(const struct raw *raw, const char *text);
/* How often it does. */
size_t raw_count(const struct raw *raw, const char *text);

#endif /* TEST_GRPC_RIG_H */
