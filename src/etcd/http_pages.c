/* http_pages.c -- what the client port says to those who do not speak gRPC.
 *
 *   GET /version   etcd's version object, in digits: clients compare the parts as numbers
 *   GET /health    {"health":"true","reason":""}, or 503 and why not. The state must be readable,
 *                  which needs a quorum; with ?serializable=true this member alone
 *   GET /metrics   Prometheus' text format
 *   else           404 page not found */
#include <stdio.h>

#include "etcd/etcd_internal.h"
#include "synod/error.h"

#define PLAIN "text/plain; charset=utf-8"
#define JSON  "application/json"

static const char version_object[] =
    "{\"etcdserver\":\"" ETCD_API_VERSION "\",\"etcdcluster\":\"" ETCD_API_VERSION
    "\",\"storage\":\"" ETCD_STORAGE_VERSION "\"}";

static void reply_text(struct http_request *request, unsigned status, const char *text)
{
    http_reply_header(request, "x-content-type-options", "nosniff");
    http_reply(request, status, PLAIN, bytes_of_text(text));
}

/* True if one of the parts of "a=b&c=d" is `part`. */
static int query_has(struct bytes query, const char *part)
{
    const struct bytes wanted = bytes_of_text(part);
    size_t start = 0;
    for (size_t i = 0; i <= query.size; i++) {
        if (i == query.size || query.data[i] == '&') {
            if (bytes_equal(bytes_of(query.data + start, i - start), wanted)) {
                return 1;
            }
            start = i + 1;
        }
    }
    return 0;
}

/* -- /health -------------------------------------------------------------------------- */

/* `reason` is a literal without anything that JSON would want escaped; NULL: all is well. */
static void reply_health(struct http_request *request, const char *reason)
{
    char object[160];
    snprintf(object, sizeof object, "{\"health\":\"%s\",\"reason\":\"%s\"}",
             reason == NULL ? "true" : "false", reason == NULL ? "" : reason);
    http_reply(request, reason == NULL ? 200 : 503, JSON, bytes_of_text(object));
}

static void on_health_read(void *context, int error)
{
    reply_health(context, error == 0                     ? NULL
                          : error == SYNOD_ERR_NO_LEADER ? "RANGE ERROR:etcdserver: no leader"
                          : error == SYNOD_ERR_STOPPED   ? "RANGE ERROR:etcdserver: server stopped"
                                                         : "RANGE ERROR");
}

static void serve_health(struct etcd_server *server, struct http_request *request)
{
    struct replica_status status;
    if (query_has(http_request_query(request), "serializable=true")) {
        reply_health(request, NULL);
        return;
    }
    replica_status(server->options.replica, &status);
    if (!status.has_leader) {
        reply_health(request, "RAFT NO LEADER");
        return;
    }
    const int error = replica_read(server->options.replica, on_health_read, request);
    if (error != 0) {
        on_health_read(request, error);
    }
}

/* -- The others ----------------------------------------------------------------------- */

static void serve_version(__attribute__((unused)) struct etcd_server *server,
                          struct http_request *request)
{
    http_reply(request, 200, JSON, bytes_of_text(version_object));
}

static void serve_metrics(struct etcd_server *server, struct http_request *request)
{
    struct buffer *page = etcd_server_scratch(server);
    if (metrics_write(server, page) != 0) {
        reply_text(request, 503, "out of memory\n");
        return;
    }
    http_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_bytes(page));
}

static const struct page {
    const char *path;
    void (*serve)(struct etcd_server *server, struct http_request *request);
} pages[] = {
    {"/health", serve_health},
    {"/metrics", serve_metrics},
    {"/version", serve_version},
};

void http_pages_serve(struct etcd_server *server, struct http_request *request)
{
    const struct bytes path = http_request_path(request);
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (!bytes_equal(path, bytes_of_text(pages[i].path))) {
            continue;
        }
        if (!bytes_equal(http_request_method(request), bytes_of_text("GET"))) {
            http_reply_header(request, "allow", "GET");
            reply_text(request, 405, "Method Not Allowed\n");
            return;
        }
        pages[i].serve(server, request);
        return;
    }
    reply_text(request, 404, "404 page not found\n");
}
