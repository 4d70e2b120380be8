/* etcd_internal.h -- what the services share: the server, and the life of one request. */
#ifndef ETCD_ETCD_INTERNAL_H
#define ETCD_ETCD_INTERNAL_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "etcd/deadlines.h"
#include "etcd/etcd_server.h"
#include "etcd/failure.h"
#include "grpc/server.h"
#include "kv/encode.h"
#include "kv/kv.h"

/* -- The methods that exist; every other one is answered UNIMPLEMENTED ---------------- */

/* Service, method, handler. Those called most come first. */
#define ETCD_METHOD_MAP(X)                                                                         \
    X(KV, Put, kv_service_put)                                                                     \
    X(KV, Range, kv_service_range)                                                                 \
    X(KV, Txn, kv_service_txn)                                                                     \
    X(KV, DeleteRange, kv_service_delete_range)                                                    \
    X(KV, Compact, kv_service_compact)                                                             \
    X(Maintenance, Status, maintenance_service_status)                                             \
    X(Maintenance, Alarm, maintenance_service_alarm)                                               \
    X(Maintenance, HashKV, maintenance_service_hash_kv)                                            \
    X(Cluster, MemberList, cluster_service_member_list)

enum {
    ETCD_METHOD_COUNT = 9
};

struct request;

struct method {
    const char *service; /* "etcdserverpb.KV" */
    const char *name;    /* "Put" */
    const char *path;    /* "/etcdserverpb.KV/Put" */
    void (*handle)(struct request *request);
};

extern const struct method etcd_methods[ETCD_METHOD_COUNT];

#define ETCD_METHOD_HANDLER(service, name, handler) void handler(struct request *request);
ETCD_METHOD_MAP(ETCD_METHOD_HANDLER)

/* Calls of one method, for /metrics. */
struct method_counts {
    uint64_t started;
    uint64_t handled[GRPC_CODE_COUNT];
};

/* -- The server ----------------------------------------------------------------------- */

struct etcd_server {
    struct os *os;
    struct etcd_server_options options;
    struct grpc_server *grpc;    /* For clients. */
    struct grpc_server *metrics; /* For the pages alone; NULL: nobody asked for it. */
    struct arena arena;          /* Scratch of one handler. */
    struct buffer answer;        /* Scratch of one answer. */
    struct os_timer *timer;      /* Set to the first of `deadlines`, or to an earlier one that
                                  * was met meanwhile. */
    uint64_t timer_due_us;       /* 0: it is stopped. */
    struct deadlines deadlines;  /* Of requests. */
    struct list requests;        /* All that live. */
    struct list spare;           /* Dead ones, to be used again. */
    struct method_counts counts[ETCD_METHOD_COUNT];
    uint64_t started_ms; /* Since 1970. */
};

/* What every answer says first, but for the revision; `term` is that of the answer, or 0 for
 * the newest. */
struct kv_header etcd_server_header(const struct etcd_server *server, uint64_t term);

/* The store, to read; for this callback only, as a snapshot may put another in its place. */
struct kv *etcd_server_kv(const struct etcd_server *server);

/* The scratch buffer, empty. */
struct buffer *etcd_server_scratch(struct etcd_server *server);

/* -- One request (request.c) ---------------------------------------------------------- */

/* From its call until it was answered and the replica has nothing more to say about it,
 * whichever comes last. Handlers see only requests that are not answered. */
struct request {
    struct deadline deadline;
    struct list link; /* In server->requests. */
    struct etcd_server *server;
    struct grpc_call *call; /* NULL once it is answered. */
    uint32_t method;        /* Index in etcd_methods. */
    uint32_t is_waiting;    /* The replica will call back. */
    union {                 /* What then goes on, if nobody answered meanwhile. */
        void (*on_result)(struct request *request, const void *result);
        void (*on_ready)(struct request *request);
    };
};

/* Take charge of a call, and let its method handle it. */
void request_begin(struct etcd_server *server, struct grpc_call *call, uint32_t method);

/* The request's message; holds until it is answered. */
struct bytes request_message(const struct request *request);

/* Submit the request's own bytes as a command of this kind, and go on in `on_result`, with what
 * the machine returned. Whatever else comes of it is answered as a failure. */
void request_submit(struct request *request, uint32_t kind,
                    void (*on_result)(struct request *request, const void *result));

/* Go on in `on_ready` when the state is as new as this request. */
void request_wait_for_state(struct request *request, void (*on_ready)(struct request *request));

/* Each of these answers, after which the request must not be touched, nor what is in the server's
 * scratch memory. */
void request_fail(struct request *request, struct failure failure);
void request_fail_store(struct request *request, int kv_error);

/* May it be answered from the state as it is, however old? If not, it is refused: a replica that
 * failed may have lost its state. */
int request_may_look(struct request *request);

/* Answer with what is in the scratch buffer; where `error` is not 0 there was no memory for it. A
 * read: where there is no room for the answer, "too many requests". */
void request_reply_scratch(struct request *request, int error);

/* The same for what is done already: where there is no room, its outcome is not known. */
void request_reply_done(struct request *request, int error);

/* Fail every request whose deadline has passed, and set the timer to the next one. */
void request_check_deadlines(struct etcd_server *server);

/* Free every request, answered or not, and the spare ones; the replica is gone. */
void request_free_all(struct etcd_server *server);

/* -- The HTTP pages (http_pages.c, metrics.c) ----------------------------------------- */

void http_pages_serve(struct etcd_server *server, struct http_request *request);

/* Append what /metrics shows, in Prometheus' text format. Returns 0, or -1 without memory. */
int metrics_write(struct etcd_server *server, struct buffer *to);

#endif /* ETCD_ETCD_INTERNAL_H */
