/* etcd_server.c -- etcd's v3 API in front of a replica: which call goes where. */
#include "etcd/etcd_server.h"

#include <errno.h>

#include "base/assert.h"
#include "base/heap.h"
#include "etcd/etcd_internal.h"
#include "synod/error.h"

enum {
    MESSAGE_MARGIN = 512 * 1024, /* etcd's: gRPC takes so much more than a request may
                                       * have, so that the answer is ours and not gRPC's. */
    MEMORY_MAX = 512 * 1024 * 1024,
    OUTPUT_PART = 4, /* Of it is one connection's for its answers. */
    ANSWER_MAX = 128 * 1024 * 1024,
    SCRATCH_KEPT = 64 * 1024,
};

#define METHOD_ROW(service, name, handler)                                                         \
    {"etcdserverpb." #service, #name, "/etcdserverpb." #service "/" #name, handler},
const struct method etcd_methods[ETCD_METHOD_COUNT] = {ETCD_METHOD_MAP(METHOD_ROW)};

/* The index of a method, or ETCD_METHOD_COUNT. */
static uint32_t find_method(struct bytes path)
{
    uint32_t i = 0;
    while (i < ETCD_METHOD_COUNT && !bytes_equal(path, bytes_of_text(etcd_methods[i].path))) {
        i++;
    }
    return i;
}

static enum grpc_method_kind on_method(__attribute__((unused)) void *context, struct bytes path)
{
    return find_method(path) < ETCD_METHOD_COUNT ? GRPC_METHOD_UNARY : GRPC_METHOD_UNKNOWN;
}

static enum grpc_method_kind on_no_method(__attribute__((unused)) void *context,
                                          __attribute__((unused)) struct bytes path)
{
    return GRPC_METHOD_UNKNOWN;
}

static void on_call(void *context, struct grpc_call *call)
{
    const uint32_t method = find_method(grpc_call_path(call));
    assert(method < ETCD_METHOD_COUNT);
    request_begin(context, call, method);
}

static void on_http(void *context, struct http_request *request)
{
    http_pages_serve(context, request);
}

static void on_timer(void *context)
{
    request_check_deadlines(context);
}

static const struct grpc_handlers client_handlers = {
    .on_method = on_method,
    .on_call = on_call,
    .on_http = on_http,
};

static const struct grpc_handlers metrics_handlers = {
    .on_method = on_no_method,
    .on_call = on_call, /* Never: there is no method. */
    .on_http = on_http,
};

struct kv_header etcd_server_header(const struct etcd_server *server, uint64_t term)
{
    struct replica_status status;
    replica_status(server->options.replica, &status);
    return (struct kv_header){
        .cluster_id = status.cluster_id,
        .member_id = replica_member_id(server->options.replica, server->options.self),
        .raft_term = term == 0 ? status.term : term,
    };
}

struct kv *etcd_server_kv(const struct etcd_server *server)
{
    return machine_kv(server->options.machine);
}

struct buffer *etcd_server_scratch(struct etcd_server *server)
{
    buffer_clear(&server->answer, SCRATCH_KEPT);
    return &server->answer;
}

int etcd_server_new(struct os *os, const struct etcd_server_options *options,
                    struct etcd_server **out)
{
    struct grpc_server_options grpc_options;
    struct etcd_server *server = heap_allocate(sizeof *server);
    if (server == NULL) {
        return SYNOD_ERR_MEMORY;
    }
    *server = (struct etcd_server){
        .os = os,
        .options = *options,
        .started_ms = os_wall_ms(os),
    };
    if (options->answer_max == 0) {
        server->options.answer_max = ANSWER_MAX;
    }
    machine_limit_answers(options->machine, server->options.answer_max);
    list_init(&server->requests);
    list_init(&server->spare);
    grpc_server_options_init(&grpc_options);
    grpc_options.message_max = options->request_size_max + MESSAGE_MARGIN;
    grpc_options.memory_max = options->memory_max != 0 ? options->memory_max : MEMORY_MAX;
    grpc_options.connection_output_max =
        options->output_max != 0 ? options->output_max : grpc_options.memory_max / OUTPUT_PART;
    if (options->connections_max != 0) {
        grpc_options.connections_max = options->connections_max;
    }
    server->timer = os_timer_new(os, on_timer, server);
    if (server->timer != NULL) { /* Last: what registered with the loop may not be freed yet. */
        server->grpc = grpc_server_new(os, &grpc_options, &client_handlers, server);
    }
    if (server->grpc == NULL) {
        etcd_server_free(server);
        return SYNOD_ERR_MEMORY;
    }
    *out = server;
    return 0;
}

int etcd_server_listen(struct etcd_server *server, const char *address, int *port)
{
    return grpc_server_listen(server->grpc, address, port);
}

int etcd_server_listen_metrics(struct etcd_server *server, const char *address, int *port)
{
    if (server->metrics == NULL) {
        struct grpc_server_options grpc_options;
        grpc_server_options_init(&grpc_options);
        if (server->options.metrics_connections_max != 0) {
            grpc_options.connections_max = server->options.metrics_connections_max;
        }
        server->metrics = grpc_server_new(server->os, &grpc_options, &metrics_handlers, server);
    }
    return server->metrics == NULL ? -ENOMEM : grpc_server_listen(server->metrics, address, port);
}

void etcd_server_stop(struct etcd_server *server)
{
    grpc_server_stop(server->grpc);
    if (server->metrics != NULL) {
        grpc_server_stop(server->metrics);
    }
}

void etcd_server_free(struct etcd_server *server)
{
    request_free_all(server);
    if (server->grpc != NULL) {
        grpc_server_free(server->grpc);
    }
    if (server->metrics != NULL) {
        grpc_server_free(server->metrics);
    }
    if (server->timer != NULL) {
        os_timer_free(server->os, server->timer);
    }
    deadlines_deinit(&server->deadlines);
    arena_deinit(&server->arena);
    buffer_deinit(&server->answer);
    heap_release(server);
}
