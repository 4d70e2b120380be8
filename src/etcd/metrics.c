/* metrics.c -- the numbers of a member in Prometheus' text format, under etcd's names.
 *
 * Dashboards and alerts read these names, so what exists here is named as etcd names it, and
 * what does not exist is left out rather than shown as zero. A histogram has only its last
 * bucket: sum and count are what is known. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "etcd/etcd_internal.h"

/* A page while it is written. */
struct page {
    struct buffer *to;
    int error; /* -1: there was no memory, and the rest is left out. */
};

__attribute__((format(printf, 2, 3))) static void put(struct page *page, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    assert(size >= 0 && (size_t)size < sizeof line);
    if (page->error == 0) {
        page->error = buffer_append(page->to, line, (size_t)size);
    }
}

static void put_head(struct page *page, const char *name, const char *type, const char *help)
{
    put(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_number(struct page *page, const char *name, const char *type, const char *help,
                       double value)
{
    put_head(page, name, type, help);
    put(page, "%s %.17g\n", name, value);
}

static void put_gauge(struct page *page, const char *name, const char *help, double value)
{
    put_number(page, name, "gauge", help, value);
}

static void put_counter(struct page *page, const char *name, const char *help, double value)
{
    put_number(page, name, "counter", help, value);
}

/* -- The member ----------------------------------------------------------------------- */

static void put_replica(struct page *page, const struct etcd_server *server)
{
    struct replica_status status;
    replica_status(server->options.replica, &status);
    put_gauge(page, "etcd_server_has_leader", "Whether or not a leader exists. 1 is existence.",
              status.has_leader);
    put_gauge(page, "etcd_server_is_leader", "Whether or not this member is a leader.",
              status.is_leader);
    put_counter(page, "etcd_server_leader_changes_seen_total", "Changes of leader seen.",
                (double)status.leader_changes);
    put_gauge(page, "etcd_server_proposals_committed_total", "The chosen prefix of the log.",
              (double)status.chosen);
    put_gauge(page, "etcd_server_proposals_applied_total", "The last slot applied.",
              (double)status.applied);
    put_gauge(page, "etcd_server_proposals_pending", "Commands under way.", status.pending);
    put_counter(page, "etcd_server_proposals_failed_total", "Commands that ended with an error.",
                (double)status.failed);
    put_gauge(page, "synod_log_bytes", "Bytes of the log on the disk.", (double)status.log_bytes);
    put_gauge(page, "synod_log_backlog_bytes", "Bytes of records that are not durable yet.",
              (double)status.log_backlog);
    put_counter(page, "synod_commands_applied_total", "Commands applied to the store.",
                (double)status.applied_commands);

    const char *const flush = "etcd_disk_wal_fsync_duration_seconds";
    put_head(page, flush, "histogram", "How long flushes of the log take.");
    put(page, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", flush, status.flush_count);
    put(page, "%s_sum %.17g\n", flush, (double)status.flush_us_total / 1e6);
    put(page, "%s_count %" PRIu64 "\n", flush, status.flush_count);
}

static void put_store(struct page *page, const struct etcd_server *server)
{
    const struct kv *kv = etcd_server_kv(server);
    struct kv_stats stats;
    kv_stats(kv, &stats);
    put_gauge(page, "etcd_server_quota_backend_bytes", "The quota; not enforced yet.",
              (double)server->options.quota_bytes);
    put_gauge(page, "etcd_mvcc_db_total_size_in_bytes", "Bytes of all versions of all keys.",
              (double)(stats.live_bytes + stats.history_bytes));
    put_gauge(page, "etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of the newest versions.",
              (double)stats.live_bytes);
    put_gauge(page, "etcd_debugging_mvcc_keys_total", "Keys present now.", (double)stats.keys);
    put_gauge(page, "etcd_debugging_mvcc_current_revision", "The revision of the store.",
              (double)kv_revision(kv));
    put_gauge(page, "etcd_debugging_mvcc_compact_revision", "The last compaction's revision.",
              (double)(kv_compacted(kv) < 0 ? 0 : kv_compacted(kv)));
}

static void put_versions(struct page *page, const struct etcd_server *server)
{
    put_head(page, "etcd_server_version", "gauge", "The version of etcd's API that is spoken.");
    put(page, "etcd_server_version{server_version=\"%s\"} 1\n", ETCD_API_VERSION);
    put_head(page, "synod_build_info", "gauge", "The version of Synod.");
    put(page, "synod_build_info{version=\"%s\"} 1\n", server->options.version);
}

/* -- The front end -------------------------------------------------------------------- */

static void put_traffic(struct page *page, const struct etcd_server *server)
{
    const struct grpc_server_counts counts = grpc_server_counts(server->grpc);
    put_counter(page, "etcd_network_client_grpc_received_bytes_total", "Bytes from clients.",
                (double)counts.received_bytes);
    put_counter(page, "etcd_network_client_grpc_sent_bytes_total", "Bytes to clients.",
                (double)counts.sent_bytes);
    put_gauge(page, "synod_client_connections", "Open connections of clients.", counts.connections);
    put_gauge(page, "synod_client_memory_bytes", "Requests held, and answers that have not left.",
              (double)counts.memory);
    put_counter(page, "synod_client_protocol_errors_total", "Connections dropped for their data.",
                (double)counts.protocol_errors);
    put_counter(page, "synod_client_stalled_total", "Connections dropped as they did not read.",
                (double)counts.connections_stalled);
}

#define METHOD_LABELS "{grpc_type=\"unary\",grpc_service=\"%s\",grpc_method=\"%s\""

static void put_methods(struct page *page, const struct etcd_server *server)
{
    put_head(page, "grpc_server_started_total", "counter", "Calls begun.");
    for (uint32_t i = 0; i < ETCD_METHOD_COUNT; i++) {
        put(page, "grpc_server_started_total" METHOD_LABELS "} %" PRIu64 "\n",
            etcd_methods[i].service, etcd_methods[i].name, server->counts[i].started);
    }
    put_head(page, "grpc_server_handled_total", "counter", "Calls ended, by code.");
    for (uint32_t i = 0; i < ETCD_METHOD_COUNT; i++) {
        for (uint32_t code = 0; code < GRPC_CODE_COUNT; code++) {
            const uint64_t count = server->counts[i].handled[code];
            if (count > 0 || code == GRPC_OK) {
                put(page,
                    "grpc_server_handled_total" METHOD_LABELS ",grpc_code=\"%s\"} %" PRIu64 "\n",
                    etcd_methods[i].service, etcd_methods[i].name,
                    grpc_code_name((enum grpc_code)code), count);
            }
        }
    }
}

/* -- The process ---------------------------------------------------------------------- */

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* The second number of /proc/self/statm; 0 where there is no such file. */
static double resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        if (fscanf(file, "%*u %llu", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void put_process(struct page *page, const struct etcd_server *server)
{
    struct rusage usage;
    struct rlimit files;
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &files);
    put_counter(page, "process_cpu_seconds_total", "User and system time.",
                seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
    put_gauge(page, "process_resident_memory_bytes", "Memory in use.", resident_bytes());
    put_gauge(page, "process_max_fds", "The limit of open descriptors.", (double)files.rlim_cur);
    put_gauge(page, "process_start_time_seconds", "Start of the process since 1970.",
              (double)server->started_ms / 1e3);
}

int metrics_write(struct etcd_server *server, struct buffer *to)
{
    struct page page = {.to = to};
    put_replica(&page, server);
    put_store(&page, server);
    put_versions(&page, server);
    put_traffic(&page, server);
    put_methods(&page, server);
    put_process(&page, server);
    return page.error;
}
