/* server.h -- gRPC and HTTP on one port.
 *
 * Every connection says with its first bytes what it speaks: "PRI * HTTP/2.0" is HTTP/2 with
 * prior knowledge (what gRPC clients do without TLS), anything else HTTP/1.1. A request over
 * HTTP/2 with content-type application/grpc goes to the gRPC handlers, all else to on_http.
 *
 *     struct grpc_server *server = grpc_server_new(os, &options, &handlers, context);
 *     grpc_server_listen(server, "127.0.0.1:2379", &port);
 *     ... run the loop: handlers are called, and answer now or later (call.h, http.h) ...
 *     grpc_server_stop(server);
 *     ... the loop ends ...
 *     grpc_server_free(server);
 *
 * What a turn of the loop produced leaves at its end in one write per connection.
 *
 * Threads   The loop thread only.
 * Errors    Negative errno values. What clients do wrong is answered to them (a status, a
 *           GOAWAY, a 400) and is never an error here.
 */
#ifndef GRPC_SERVER_H
#define GRPC_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "grpc/call.h"
#include "grpc/http.h"
#include "os/os.h"

struct grpc_server;

/* Limits. Those that a client can reach are answered to the client that reached them. */
struct grpc_server_options {
    size_t message_max;           /* Bytes of one request message; above it the call ends with
                                   * RESOURCE_EXHAUSTED. 1.5 MiB + 512 KiB, as etcd's. */
    size_t http_body_max;         /* Bytes of one plain HTTP body; above it 413. 4 MiB: base64
                                   * inside of JSON makes a message a third larger. */
    size_t header_max;            /* Bytes of a request's header fields, names and values. */
    size_t memory_max;            /* Bytes of all requests held and all answers not yet taken,
                                   * over all connections; above it requests are refused, and
                                   * answers but small ones. */
    size_t connection_output_max; /* Bytes of answers that wait for one connection, beyond which
                                   * it gets none but the first: a part of memory_max, as one
                                   * who does not read holds them from all others. */
    size_t stream_queue_max;      /* Bytes that wait for the reader of one stream. */
    uint32_t connections_max;     /* Open connections; the next one is closed at once. */
    uint32_t streams_max;         /* Open calls per connection. A client library puts all its
                                   * calls on one connection, so this is thousands, and memory
                                   * is bounded by memory_max rather than by this. */
    uint32_t control_frames_max;  /* PING, SETTINGS and the like per second that no request
                                   * explains, before GOAWAY (ENHANCE_YOUR_CALM). */
    uint64_t first_request_us;    /* HTTP/2: its SETTINGS must have come by then; HTTP/1.1: each
                                   * request must be whole this long after its first byte. */
    uint64_t idle_us;             /* After this silence an HTTP/2 client is pinged, and one of
                                   * HTTP/1.1 is closed. */
    uint64_t ping_timeout_us;     /* It must answer the ping within this. */
    uint64_t stalled_us;          /* While answers wait for a client, it must take some of them
                                   * within this, or is closed. To the second. */
};

/* Set every limit to its default. */
void grpc_server_options_init(struct grpc_server_options *options);

enum grpc_method_kind {
    GRPC_METHOD_UNKNOWN = 1, /* Answered UNIMPLEMENTED by the server itself. */
    GRPC_METHOD_UNARY,       /* One message in, one answer: on_call. */
    GRPC_METHOD_STREAM,      /* Any number of messages in or out: on_stream_*. */
};

/* What the server calls. Each gets the context given to grpc_server_new(). Those that are
 * marked optional may be NULL; on_stream_* may be NULL where no method is a stream. */
struct grpc_handlers {
    /* What kind of method `path` names. Called once the headers of a call are there. */
    enum grpc_method_kind (*on_method)(void *context, struct bytes path);

    /* A unary request is complete. The handler ends the call, here or later. */
    void (*on_call)(void *context, struct grpc_call *call);
    /* Optional. The client of an unanswered unary call has gone, or has cancelled. */
    void (*on_cancel)(void *context, struct grpc_call *call);

    /* A stream began: its headers are there. */
    void (*on_stream_open)(void *context, struct grpc_call *call);
    /* A message came in on it; borrowed until the callback returns. */
    void (*on_stream_message)(void *context, struct grpc_call *call, struct bytes message);
    /* The client sends no more. The stream goes on until it is finished. */
    void (*on_stream_end)(void *context, struct grpc_call *call);
    /* Optional. All that grpc_call_send() queued has been given to the connection. */
    void (*on_stream_drain)(void *context, struct grpc_call *call);
    /* The stream died: cancelled by the client, or its connection is lost. The last word on
     * this call; not called after grpc_call_finish(). */
    void (*on_stream_close)(void *context, struct grpc_call *call);

    /* A plain HTTP request is complete. NULL: everything is answered 404. */
    void (*on_http)(void *context, struct http_request *request);
    /* Optional. All that http_reply_send() queued has been given to the connection. */
    void (*on_http_drain)(void *context, struct http_request *request);
    /* Optional. The client of an unfinished HTTP request has gone. */
    void (*on_http_close)(void *context, struct http_request *request);
};

/* Counts since the start, for /metrics. */
struct grpc_server_counts {
    uint64_t received_bytes;      /* From all connections. */
    uint64_t sent_bytes;          /* To all connections. */
    uint64_t calls;               /* gRPC calls begun. */
    uint64_t http_requests;       /* Plain requests handed to on_http. */
    uint64_t protocol_errors;     /* Connections dropped for what they sent. */
    uint64_t connections_refused; /* For want of room. */
    uint64_t connections_stalled; /* Closed, as they did not read. */
    uint32_t connections;         /* Open now. */
    size_t memory;                /* Counted against memory_max now: requests, answers, and what
                                   * the streams have queued. */
};

/* A server without listeners. `options` (NULL: the defaults) and `handlers` are copied. Returns
 * NULL without memory. It registers with os_turn_end(), so it lives as long as the loop; whoever
 * answers calls from a turn's end registers before it, or those answers wait for another turn. */
struct grpc_server *grpc_server_new(struct os *os, const struct grpc_server_options *options,
                                    const struct grpc_handlers *handlers, void *context);

/* Listen on one more "host:port" (port 0: the system picks one). `port`, if not NULL, is set to
 * the port. 0 or a negative errno value. */
int grpc_server_listen(struct grpc_server *server, const char *address, int *port);

/* Serve a stream that came in some other way (through TLS). The server owns it from here on. */
void grpc_server_accept(struct grpc_server *server, struct os_stream *stream);

struct grpc_server_counts grpc_server_counts(const struct grpc_server *server);

/* Stop listening, say goodbye to every connection and close it. Calls and streams that are
 * still open are told (on_cancel, on_stream_close, on_http_close) and can be ended as usual. */
void grpc_server_stop(struct grpc_server *server);

/* Free everything; the loop has ended for good. Calls that were never ended die with it. */
void grpc_server_free(struct grpc_server *server);

#endif /* GRPC_SERVER_H */
