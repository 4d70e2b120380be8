/* grpc_rig.h -- a server in memory whose handlers do as the path says, and one raw client.
 *
 * The handlers hold the server to what call.h and http.h say about when they are called. By path
 * (h2_script.h has them): Echo answers, Hold keeps the call until grpc_rig_answer(), Fail fails,
 * Grow answers with much, Chat echoes a stream, Feed keeps one open; the plain ones likewise. */
#ifndef TEST_FUZZ_GRPC_RIG_H
#define TEST_FUZZ_GRPC_RIG_H

#include "base/buffer.h"
#include "grpc/server.h"
#include "os_pair.h"

enum {
    GRPC_RIG_HELD_MAX = 16
};

struct grpc_rig {
    struct os_pair *pair;
    struct grpc_server *server;
    struct os_stream *stream; /* The raw client's. */
    int is_closed;
    struct grpc_call *calls[GRPC_RIG_HELD_MAX]; /* Unary, not ended. */
    size_t call_count;
    struct grpc_call *streams[GRPC_RIG_HELD_MAX];
    size_t stream_count;
    struct http_request *requests[GRPC_RIG_HELD_MAX];
    size_t request_count;
};

/* A server with small limits, and a client that has connected. */
struct grpc_rig *grpc_rig_new(void);

/* The client sends bytes, in pieces as the pair has them. */
void grpc_rig_send(struct grpc_rig *rig, struct bytes bytes);

/* End something that was held: `how` says what and in which way. */
void grpc_rig_answer(struct grpc_rig *rig, uint8_t how);

/* End all that is held, say goodbye, and free everything. */
void grpc_rig_free(struct grpc_rig *rig);

#endif /* TEST_FUZZ_GRPC_RIG_H */
