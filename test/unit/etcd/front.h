/* front.h -- a front end in memory: a store, clients, and a replica that does as it is told. */
#ifndef TEST_ETCD_FRONT_H
#define TEST_ETCD_FRONT_H

#include "base/buffer.h"
#include "etcd/etcd_server.h"
#include "grpc/client.h"
#include "kv.pb-c.h"
#include "os_pair.h"
#include "rpc.pb-c.h"
#include "test.h"

enum {
    ASKED_MAX = 64
};

/* Something that the replica was asked for and has not answered. */
struct asked {
    replica_result_callback on_result; /* NULL: it was a read. */
    replica_read_callback on_read;
    void *context;
    uint32_t kind;
    struct buffer command;
};

/* The replica of the tests: what replica.h's functions find here. */
struct replica {
    struct replica_status status;
    struct synod_machine machine;
    struct asked asked[ASKED_MAX];
    size_t asked_count;
    size_t answered; /* How many of them. */
    int refusal;     /* What submitting and reading return, if not 0. */
};

struct front {
    struct os_pair *pair;
    struct machine *machine;
    struct replica replica;
    struct etcd_server *server;
    struct grpc_client *client;
    struct grpc_channel *channel;
    char address[32]; /* "": it could not listen. */
};

/* A front end with limits of 5 operations and 10,000 bytes; there is a leader. */
struct front *front_new(void);

/* The same with limits of its own; 0: the default. */
struct front_limits {
    size_t output_max;
    uint64_t answer_max;
    uint32_t connections_max;
    uint32_t metrics_connections_max;
};
struct front *front_new_limited(const struct front_limits *limits);

void front_free(struct front *front);

/* The same for tests in which something fails (fault.h): the server is on an os that stands
 * before the pair's own, is NULL if it could not be made, and has no address if it could not
 * listen. There is no channel yet. */
struct front *front_new_on(struct os_pair *pair, struct os *os);

/* Have a channel that stands, or is on its way: the one there is, or a new one. */
void front_connect(struct front *front);

/* Answer the oldest question: apply the command or let the read go on; with an error: only say
 * so. */
void front_answer(struct front *front, int error);

/* The same, within this turn of the loop: nothing leaves yet. */
void front_answer_now(struct front *front, int error);

/* How a call ended. */
struct outcome {
    size_t count; /* Callbacks so far. */
    enum grpc_code code;
    char text[256];
    struct buffer message;
};

void outcome_deinit(struct outcome *outcome);

/* Call a method with these bytes; or with a packed message. */
void front_call(struct front *front, const char *path, struct bytes message, uint64_t timeout_us,
                struct outcome *outcome);
void front_send(struct front *front, const char *path, const ProtobufCMessage *message,
                struct outcome *outcome);

/* Put `key` through the log, and assert that it went well. */
void front_put(struct front *front, const char *key, const char *value);

/* A call with one more header, made without our own client. What came back: the grpc-status. */
struct extra {
    const char *name;
    const char *value;
    char status[16];
    char text[128];
};
void front_call_with(struct front *front, const char *path, struct bytes message,
                     struct extra *extra);

/* A plain HTTP/1.1 request; the whole answer, as a text that holds until the next one. */
const char *front_http(struct front *front, const char *request);

/* The message's bytes, until the next call. */
struct bytes packed(const ProtobufCMessage *message);

/* Bytes of a text for a message. */
ProtobufCBinaryData text_bytes(const char *text);

#endif /* TEST_ETCD_FRONT_H */
