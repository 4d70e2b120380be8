/* server_internal.h -- what the server's own files share: connections and exchanges.
 *
 *   server.c         listens, sniffs, times out, and sends what a turn gathered
 *   http2.c          HTTP/2 connections, over nghttp2, and answers on them
 *   http2_request.c  what comes in on them
 *   http1.c          HTTP/1.1 connections, over http-parser
 *   exchange.c       a request and its answer, whichever the protocol
 *   call.c           call.h: an exchange as gRPC's handlers see it
 *   http.c           http.h: an exchange as the HTTP handler sees it
 */
#ifndef GRPC_SERVER_INTERNAL_H
#define GRPC_SERVER_INTERNAL_H

#include <nghttp2/nghttp2.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/list.h"
#include "grpc/message.h"
#include "grpc/server.h"
#include "os/os.h"

struct http1;

struct grpc_server {
    struct os *os;
    struct grpc_server_options options;
    struct grpc_handlers handlers;
    void *context; /* The handlers'. */
    struct grpc_server_counts counts;

    struct list listeners;   /* struct listener. */
    struct list connections; /* All; the least recently active first. */
    struct list due;         /* Those that must act in time; the first to be due first. */
    struct list dirty;       /* Those that may have something to send, or to end. */
    struct list unsent;      /* Those with answers that have not left; whose last left first. */
    struct list drained;     /* Exchanges whose handlers shall hear that they drained. */

    struct os_timer *timer;
    uint64_t ticks; /* Times that it fired: seconds in which this process has run. */
    int is_timing;  /* The timer runs. */
    int is_stopped;

    struct buffer out;           /* Gathers one connection's output at a time. */
    struct list orphans;         /* Exchanges that a handler has, and no client. */
    struct list exchanges_spare; /* To be used again, with their memory. */
    size_t exchanges_spare_count;

    nghttp2_session_callbacks *callbacks;
    nghttp2_option *http2_options;
};

enum {
    SNIFF_SIZE = 4,                   /* "PRI ": there is no method of that name. */
    OUTPUT_QUEUED_MAX = 1024 * 1024,  /* Bytes in the stream's queue before we hold back. */
    OUTPUT_GATHERED_MAX = 256 * 1024, /* Bytes gathered for one write, roughly. */
};

/* One connection. Exactly one of session and http1 is set once the sniffing is over. */
struct connection {
    struct list link;        /* In server->connections. */
    struct list due_link;    /* In server->due, while due_us is set. */
    struct list dirty_link;  /* In server->dirty. */
    struct list unsent_link; /* In server->unsent, while output or queued is not 0. */
    struct list exchanges;   /* Those whose client is still there. */
    struct grpc_server *server;
    struct os_stream *stream;
    nghttp2_session *session;
    struct http1 *http1;
    struct exchange *opening; /* HTTP/2: whose header fields are arriving. */
    uint64_t active_us;       /* When bytes came last. */
    uint64_t due_us;          /* When it will be closed; 0: it need not hurry. */
    uint64_t calm_us;         /* The second in which control_frames counts. */
    size_t output;            /* Bytes that its exchanges have queued. */
    size_t queued;            /* Bytes in its stream's queue, when they were last counted. */
    uint64_t written;         /* Bytes given to its stream so far. */
    uint64_t answered;        /* Those of them that were bodies of answers. */
    uint64_t left;            /* Bytes that had left the stream's queue, when last counted. */
    uint64_t left_answered;   /* `answered` at that time. */
    uint64_t left_tick;       /* When one of the two last grew, in the server's ticks. */
    uint32_t control_frames;  /* Unexplained ones, this second. */
    uint8_t sniffed[SNIFF_SIZE];
    uint8_t sniffed_size;
    uint8_t is_pinged; /* A keep-alive ping is out. */
    uint8_t is_doomed; /* Nothing more is read; it ends at the end of this turn. */
    uint8_t is_lost;   /* The stream has ended by itself. */
};

enum exchange_kind {
    EXCHANGE_NEW = 1, /* Its header fields are arriving. */
    EXCHANGE_UNARY,
    EXCHANGE_STREAM,
    EXCHANGE_HTTP,
};

/* A run of bytes in exchange->head. */
struct head_part {
    uint32_t offset;
    uint32_t size;
};

/* A request and its answer. It lives while its client is there (connection != NULL) or a
 * handler has it (is_held); whoever lets go last frees it.
 *
 *            the request is there       the handler ends it       the last byte is sent
 *   arriving ---------------------> held ---------------------> answered ---------------> gone
 *      |                             |  client gone                |                        ^
 *      |                             +-----------> dead -----------|-- handler ends it -----+
 *      +-- client gone, or we refuse it ---------------------------+------------------------+
 */
struct exchange {
    struct list link;         /* In connection->exchanges, the orphans, or the spares. */
    struct list drained_link; /* In server->drained. */
    struct grpc_server *server;
    struct connection *connection; /* NULL: the client has gone. */
    enum exchange_kind kind;
    int32_t stream_id; /* HTTP/2's; 0 over HTTP/1.1. */
    void *owner;       /* The handler's. */
    uint64_t deadline_us;

    struct buffer head; /* The request's header fields: see exchange.c. */
    struct head_part method;
    struct head_part path;
    struct head_part query;
    struct head_part authority;
    struct message_reader reader; /* reader.body is the request's message or body. */

    struct buffer out;    /* What is still to be sent of the answer. */
    struct buffer fields; /* Header fields of an HTTP answer, as in `head`. */
    char *text;           /* gRPC: the status's text; NULL: none. */
    enum grpc_code code;
    unsigned status;         /* HTTP. */
    uint64_t content_length; /* HTTP: of the answer; UINT64_MAX: in pieces. */
    size_t charged;          /* Bytes counted against the server's limit. */
    size_t output;           /* Those of them that are in `out`. */

    uint8_t is_held;    /* A handler has it. */
    uint8_t is_ended;   /* The request is complete. */
    uint8_t is_refused; /* We answered it ourselves: drop what still comes. */
    uint8_t is_header_too_large;
    uint8_t is_malformed;
    uint8_t is_pseudo_over;   /* HTTP/2: a field that is no pseudo-header came. */
    uint8_t is_begun;         /* The head of the answer was given to the protocol. */
    uint8_t is_finished;      /* The answer is complete in `out`. */
    uint8_t is_body_left_out; /* The answer to HEAD. */
};

/* -- server.c --------------------------------------------------------------------------- */

/* Look at the connection at the end of the turn. */
void connection_touch(struct connection *connection);

/* Let it end at the end of the turn; what is to be sent until then still is. */
void connection_doom(struct connection *connection);

/* It must show progress within options.first_request_us, or be closed. */
void connection_hurry(struct connection *connection);
void connection_rest(struct connection *connection);

/* -- exchange.c ------------------------------------------------------------------------- */

/* A fresh exchange at the end of the connection's list. NULL without memory, or where the
 * server's memory is used up. */
struct exchange *exchange_new(struct connection *connection);

/* The client is there no more: tell the handler if it has the exchange, else free it. */
void exchange_disconnect(struct exchange *exchange);

/* The handler let go. Free the exchange if the client has gone as well. */
void exchange_let_go(struct exchange *exchange);

/* Count what the exchange holds now against the limits. */
void exchange_charge(struct exchange *exchange);

/* True if `size` more bytes of requests fit under the server's limit. */
int exchange_has_room(const struct exchange *exchange, size_t size);

/* True if `size` more bytes of an answer may wait for the client to read them. */
int exchange_may_queue(const struct exchange *exchange, size_t size);

/* Free what exchange_new() keeps for the next time, and what handlers have and nobody waits for.
 * No connection is left. */
void exchange_free_all(struct grpc_server *server);

/* Header fields. Names are in lower case; 0, or -1 without memory. */
int fields_add(struct buffer *fields, struct bytes name, struct bytes value);
/* The value of the first field of that name; {NULL, 0} if there is none. */
struct bytes fields_find(const struct buffer *fields, struct bytes name);
/* Step through: `offset` starts at 0; 0 at the end. */
int fields_next(const struct buffer *fields, size_t *offset, struct bytes *name,
                struct bytes *value);

/* Keep bytes of the head apart from the fields: method, path, query, authority. */
int exchange_put_part(struct exchange *exchange, struct head_part *part, struct bytes value);
struct bytes exchange_part(const struct exchange *exchange, struct head_part part);

/* Give the answer's head, or more of its body, to the connection's protocol. */
void exchange_begin(struct exchange *exchange);
void exchange_wake(struct exchange *exchange);

/* All queued bytes were given to the connection: the handler will hear of it. */
void exchange_drained(struct exchange *exchange);

/* -- call.c, http.c --------------------------------------------------------------------- */

/* End a gRPC exchange that no handler has, with a status. */
void call_refuse(struct exchange *exchange, enum grpc_code code, const char *text);

/* End an exchange that no handler has with a plain HTTP answer. */
void http_refuse(struct exchange *exchange, unsigned status, const char *text);

/* Hand a complete HTTP request to the handler. */
void http_dispatch(struct exchange *exchange);

/* "Not Found" for 404. */
const char *http_status_text(unsigned status);

/* -- http2.c ---------------------------------------------------------------------------- */

/* Once per server: the callbacks and options of all sessions. 0 or -ENOMEM. */
int http2_init(struct grpc_server *server);
void http2_deinit(struct grpc_server *server);

/* Begin to speak HTTP/2 on a connection. 0 or -ENOMEM. */
int http2_open(struct connection *connection);
void http2_close(struct connection *connection);
/* Bytes came. Dooms the connection where they are not HTTP/2. */
void http2_receive(struct connection *connection, struct bytes data);
/* Append what is to be sent to server->out; dooms a connection that is over. */
void http2_gather(struct connection *connection);
void http2_ping(struct connection *connection);
/* Refuse new requests and let the connection end (GOAWAY). */
void http2_goodbye(struct connection *connection, uint32_t error_code);

/* There is a reason for one control frame: it does not count as one of a flood. */
void http2_forgive(struct connection *connection);
/* Refuse a stream, or end it, with a code of RFC 9113, 7. */
void http2_reset(struct connection *connection, int32_t stream_id, uint32_t error_code);
void http2_begin(struct exchange *exchange);
void http2_wake(struct exchange *exchange);

/* -- http2_request.c -------------------------------------------------------------------- */

/* Take in one header field. 0, or -1 without memory. */
int http2_add_field(struct exchange *exchange, struct bytes name, struct bytes value);
/* The head is complete: choose who answers. What is wrong with it is answered here. */
void http2_begin_request(struct connection *connection, struct exchange *exchange);
/* Bytes of the body came. */
void http2_receive_data(struct exchange *exchange, struct bytes data);
/* The client has said all (END_STREAM): a unary call goes to its handler. */
void http2_end_request(struct exchange *exchange);

/* -- http1.c ---------------------------------------------------------------------------- */

int http1_open(struct connection *connection);
void http1_close(struct connection *connection);
void http1_receive(struct connection *connection, struct bytes data);
void http1_gather(struct connection *connection);
/* True while a request is being answered. */
int http1_is_busy(const struct connection *connection);
void http1_begin(struct exchange *exchange);
void http1_wake(struct exchange *exchange);

#endif /* GRPC_SERVER_INTERNAL_H */
