/* request.c -- the life of one request, from its call to its answer and beyond.
 *
 *                      request_begin
 *                            |
 *            answered at once, or given to the replica
 *                            |
 *      .---------------------+----------------------.
 *      | the replica calls back first               | the deadline comes first
 *      v                                            v
 *   answered with the outcome, freed       answered DEADLINE_EXCEEDED, kept
 *                                                   |
 *                                          the replica calls back: dropped, freed
 *
 * A replica calls back once for everything that it took, so a request that is waiting must
 * outlive its answer: `context` in that callback is the request. How many wait is bounded by
 * the replica (pending_max), how many bytes they hold by the gRPC server (memory_max). */
#include "base/assert.h"
#include "base/heap.h"
#include "etcd/etcd_internal.h"
#include "synod/error.h"

/* -- The end -------------------------------------------------------------------------- */

static void free_request(struct request *request)
{
    assert(request->call == NULL && !request->is_waiting);
    list_remove(&request->link);
    list_append(&request->server->spare, &request->link);
}

/* It was answered with `code`. */
static void end(struct request *request, enum grpc_code code)
{
    struct etcd_server *server = request->server;
    assert(request->call != NULL);
    server->counts[request->method].handled[(unsigned)code % GRPC_CODE_COUNT]++;
    deadlines_remove(&server->deadlines, &request->deadline);
    request->call = NULL;
    arena_reset(&server->arena); /* A large answer's memory is not held until the next. */
    (void)etcd_server_scratch(server);
    if (!request->is_waiting) {
        free_request(request);
    }
}

void request_fail(struct request *request, struct failure failure)
{
    grpc_call_fail(request->call, failure.code, failure.text);
    end(request, failure.code);
}

void request_fail_store(struct request *request, int kv_error)
{
    request_fail(request, failure_of_store(kv_error));
}

int request_may_look(struct request *request)
{
    struct replica_status status;
    replica_status(request->server->options.replica, &status);
    if (status.has_failed) {
        request_fail(request, failure_of_replica(SYNOD_ERR_STOPPED));
    }
    return !status.has_failed;
}

/* Answer with what is in the scratch buffer; where that cannot be, with `failure`. */
static void reply_scratch(struct request *request, int error, struct failure failure)
{
    if (error != 0 || grpc_call_reply(request->call, buffer_bytes(&request->server->answer)) != 0) {
        request_fail(request, failure);
        return;
    }
    end(request, GRPC_OK);
}

void request_reply_scratch(struct request *request, int error)
{
    reply_scratch(request, error, failure_of_memory());
}

/* Whoever was told that there are too many requests would do it again. */
void request_reply_done(struct request *request, int error)
{
    reply_scratch(request, error, failure_of_replica(SYNOD_ERR_UNKNOWN));
}

/* -- The beginning -------------------------------------------------------------------- */

/* RFC 3629: no surrogates, nothing above U+10FFFF, nothing longer than it need be. */
static int is_utf8(struct bytes text)
{
    size_t at = 0;
    while (at < text.size) {
        const uint8_t first = text.data[at++];
        const size_t more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
        if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || more > text.size - at) {
            return 0;
        }
        if (more > 0) {
            const uint8_t second = text.data[at];
            if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) {
                return 0;
            }
        }
        for (size_t i = 0; i < more; i++, at++) {
            if ((text.data[at] & 0xc0) != 0x80) {
                return 0;
            }
        }
    }
    return 1;
}

/* Metadata by which etcd refuses a request before it looks at it. True if it was refused. */
static int is_refused(struct request *request)
{
    if (!is_utf8(grpc_call_metadata(request->call, "client-api-version"))) {
        request_fail(request, failure_of_client_version());
        return 1;
    }
    if (bytes_equal(grpc_call_metadata(request->call, "hasleader"), bytes_of_text("true"))) {
        struct replica_status status;
        replica_status(request->server->options.replica, &status);
        if (!status.has_leader) {
            request_fail(request, failure_of_no_leader());
            return 1;
        }
    }
    return 0;
}

/* A spare one, or a new one; NULL without memory. */
static struct request *take_request(struct etcd_server *server)
{
    if (list_is_empty(&server->spare)) {
        return heap_allocate(sizeof(struct request));
    }
    struct request *request = LIST_ITEM(server->spare.previous, struct request, link);
    list_remove(&request->link);
    return request;
}

void request_begin(struct etcd_server *server, struct grpc_call *call, uint32_t method)
{
    assert(method < ETCD_METHOD_COUNT);
    server->counts[method].started++;
    struct request *request = take_request(server);
    if (request == NULL) {
        const struct failure failure = failure_of_memory();
        server->counts[method].handled[failure.code]++;
        grpc_call_fail(call, failure.code, failure.text);
        return;
    }
    *request = (struct request){
        .server = server,
        .call = call,
        .method = method,
        .deadline.due_us = grpc_call_deadline_us(call),
    };
    list_append(&server->requests, &request->link);
    if (!is_refused(request)) {
        etcd_methods[method].handle(request);
    }
}

struct bytes request_message(const struct request *request)
{
    return grpc_call_message(request->call);
}

/* -- Deadlines ------------------------------------------------------------------------ */

static void set_timer(struct etcd_server *server, uint64_t due_us)
{
    const uint64_t now_us = os_now_us(server->os);
    if (server->timer_due_us != 0 && server->timer_due_us <= due_us) {
        return; /* It fires before, and is set again then. */
    }
    server->timer_due_us = due_us;
    os_timer_start(server->os, server->timer, due_us > now_us ? due_us - now_us : 0);
}

void request_check_deadlines(struct etcd_server *server)
{
    const uint64_t now_us = os_now_us(server->os);
    struct deadline *first = deadlines_first(&server->deadlines);
    while (first != NULL && first->due_us <= now_us) {
        struct request *request = LIST_ITEM(first, struct request, deadline);
        request_fail(request, failure_of_deadline());
        first = deadlines_first(&server->deadlines);
    }
    server->timer_due_us = 0;
    if (first != NULL) {
        set_timer(server, first->due_us);
    }
}

/* The replica took the request: from now on its deadline counts. Without memory for the
 * deadline it has none, and still ends when the replica gives it up. */
static void begin_to_wait(struct request *request)
{
    struct etcd_server *server = request->server;
    request->is_waiting = 1;
    if (request->deadline.due_us != 0 &&
        deadlines_add(&server->deadlines, &request->deadline) == 0) {
        set_timer(server, request->deadline.due_us);
    }
}

/* -- The replica ---------------------------------------------------------------------- */

/* The replica called back. True if somebody still waits for what comes of it. */
static int is_still_wanted(struct request *request, int error)
{
    assert(request->is_waiting);
    request->is_waiting = 0;
    if (request->call == NULL) {
        free_request(request);
        return 0;
    }
    if (error != 0) {
        request_fail(request, failure_of_replica(error));
        return 0;
    }
    return 1;
}

static void on_result(void *context, int error, const void *result)
{
    struct request *request = context;
    if (is_still_wanted(request, error)) {
        assert(result != NULL);
        request->on_result(request, result);
    }
}

static void on_ready(void *context, int error)
{
    struct request *request = context;
    if (is_still_wanted(request, error)) {
        request->on_ready(request);
    }
}

void request_submit(struct request *request, uint32_t kind,
                    void (*callback)(struct request *request, const void *result))
{
    struct etcd_server *server = request->server;
    const struct bytes message = request_message(request);
    if (message.size > server->options.request_size_max) {
        request_fail(request, failure_of_size());
        return;
    }
    request->on_result = callback;
    const int error = replica_submit(server->options.replica, kind, message, on_result, request);
    if (error != 0) {
        request_fail(request, failure_of_replica(error));
        return;
    }
    begin_to_wait(request);
}

void request_wait_for_state(struct request *request, void (*callback)(struct request *request))
{
    request->on_ready = callback;
    const int error = replica_read(request->server->options.replica, on_ready, request);
    if (error != 0) {
        request_fail(request, failure_of_replica(error));
        return;
    }
    begin_to_wait(request);
}

void request_free_all(struct etcd_server *server)
{
    struct list *link;
    struct list *following;
    LIST_FOREACH (&server->requests, link, following) {
        struct request *request = LIST_ITEM(link, struct request, link);
        deadlines_remove(&server->deadlines, &request->deadline);
        list_remove(&request->link);
        heap_release(request);
    }
    LIST_FOREACH (&server->spare, link, following) {
        list_remove(link);
        heap_release(LIST_ITEM(link, struct request, link));
    }
}
