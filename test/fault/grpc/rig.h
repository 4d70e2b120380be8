/* rig.h -- a server and a client of it, in memory; what happens to one of them may fail. */
#ifndef TEST_FAULT_GRPC_RIG_H
#define TEST_FAULT_GRPC_RIG_H

#include "base/buffer.h"
#include "grpc/client.h"
#include "grpc/server.h"
#include "os_fault.h"
#include "os_pair.h"

enum {
    ANSWERS_MAX = 64,
    TEXT_MAX = 256
};

enum rig_side {
    RIG_SERVER = 1,
    RIG_CLIENT,
};

/* A call that was accepted: it must end, once. */
struct answer {
    size_t ends;
    enum grpc_code code;
    char text[TEXT_MAX];
    size_t size;     /* Of all that came. */
    int is_wrong;    /* It is not what was sent. */
    size_t expected; /* Bytes of a good answer. */
    int is_held;     /* The server will not answer it. */
};

struct rig {
    struct os_pair *pair;
    struct os_fault *fault;
    enum rig_side side; /* Which may fail. */
    struct grpc_server *server;
    struct grpc_client *client;
    struct grpc_channel *channel; /* NULL: it could not be made, or is lost. */
    int port;
    struct grpc_call *held; /* A call of /t.S/Hold. */
    uint64_t nonsense;      /* Connections that deserve to be dropped for what they sent. */
    struct answer answers[ANSWERS_MAX];
    size_t answer_count;
};

/* A server that listens and a client, as far as they could be made. Of the server's methods Echo
 * answers with the request, Hold waits, Fail fails, and Chat is a stream that echoes. Its plain
 * HTTP answers /echo with the body and /pieces in two pieces. */
struct rig *rig_new(enum rig_side side);

/* Free it. Everything that was begun has ended by then, or the test fails. */
void rig_free(struct rig *rig);

/* True if the server listens and there is a client. */
int rig_is_whole(const struct rig *rig);

/* Connect, if there is no channel. */
void rig_connect(struct rig *rig);

/* A call with a body of `size` bytes that ends within 5 seconds. Returns its answer, or NULL if
 * the call could not be made. */
struct answer *rig_call(struct rig *rig, const char *path, size_t size);

/* A stream of three messages of `size` bytes. */
struct answer *rig_chat(struct rig *rig, size_t size);

/* A request of plain HTTP/1.1; the status that came back, 0 if none did. */
int rig_http(struct rig *rig, const char *request);

/* Let time pass. */
void rig_pass(struct rig *rig, uint64_t us);

/* With no more faults: a call over a new channel is answered. */
void rig_recover(struct rig *rig);

#endif /* TEST_FAULT_GRPC_RIG_H */
