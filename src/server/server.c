/* server.c -- one member: loop, store, replica and front end, wired together.
 *
 *     flags -> config -> loop -> machine -> replica (recovers, listens for members)
 *                                              -> front end (listens for clients) -> run
 *
 * The order is that of what may fail for the operator's sake: everything that can be wrong with
 * flags is said before anything is opened, and a damaged directory before a busy port.
 *
 * It ends by a signal (in good order; a second signal ends it at once) or because the disk has
 * failed: then nothing more may be acknowledged, and the process goes. */
#include "server/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "etcd/etcd_server.h"
#include "kv/machine.h"
#include "os/os_uv.h"
#include "replica/replica.h"
#include "server/config.h"
#include "server/limits.h"
#include "server/usage.h"
#include "server/version.h"
#include "synod/error.h"

enum {
    EXIT_FINE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    COMMAND_MARGIN = 4096, /* A command is the request and nothing more; but let the front end
                            * be the one to say what is too large. */
    METRICS_PART = 16,     /* One of so many connections is for the metrics port, where there is
                            * one: neither port can shut the other out. */
};

struct server {
    struct config config;
    struct os *os;
    struct machine *machine;
    struct replica *replica;
    struct etcd_server *front;
    uint32_t connections_max; /* Of clients and of the metrics port. */
    int exit_code;
    int is_stopping;
};

/* -- What the replica tells ----------------------------------------------------------- */

/* From now on requests make sense. */
static void on_running(void *context)
{
    const struct server *server = context;
    struct replica_status status;
    char cluster[17];
    char member[17];
    replica_status(server->replica, &status);
    snprintf(cluster, sizeof cluster, "%llx", (unsigned long long)status.cluster_id);
    snprintf(member, sizeof member, "%llx",
             (unsigned long long)replica_member_id(server->replica, server->config.self));
    log_write(LOG_INFO, "ready to serve client requests",
              (struct log_field[]){log_text("name", server->config.name),
                                   log_text("member-id", member),
                                   log_text("cluster-id", cluster),
                                   log_text("url", server->config.listen_clients.urls[0]),
                                   log_text("version", SYNOD_VERSION),
                                   {0}});
}

/* The replica itself logs who leads now, and why. */
static void on_leader(__attribute__((unused)) void *context)
{
}

static void on_failed(void *context, const struct report *report)
{
    struct server *server = context;
    log_write(LOG_ERROR,
              "ends: its data cannot be kept safe any more; put that right and start it again",
              (struct log_field[]){log_text("file", report->file), {0}});
    server->exit_code = EXIT_FAILED;
    os_uv_stop(server->os);
}

static void on_stopped(void *context)
{
    struct server *server = context;
    if (server->front != NULL) {
        etcd_server_stop(server->front);
    }
    os_uv_stop(server->os);
}

static const struct replica_events replica_events = {
    .on_running = on_running,
    .on_leader = on_leader,
    .on_failed = on_failed,
    .on_stopped = on_stopped,
};

static void on_signal(void *context)
{
    struct server *server = context;
    if (server->is_stopping) {
        log_write(LOG_WARN, "ends at once: a second signal came", NULL);
        _exit(EXIT_FAILED);
    }
    server->is_stopping = 1;
    log_write(LOG_INFO, "stops: a signal came", NULL);
    replica_stop(server->replica);
}

/* -- Starting ------------------------------------------------------------------------- */

static void write_to_stdout(const char *line, uint32_t size)
{
    fwrite(line, 1, size, stdout);
    fflush(stdout);
}

static void start_log(const struct config *config)
{
    log_configure(&(struct log_options){
        .level = config->log_level,
        .is_json = config->log_is_json,
        .sink = config->log_is_on_stdout ? write_to_stdout : NULL,
    });
}

static void warn_of_idle_flags(const struct flags *flags)
{
    char blame[FLAGS_BLAME_SIZE];
    for (enum flag flag = 0; flag < FLAG_COUNT; flag++) {
        if (flags->sources[flag] != FLAG_SOURCE_DEFAULT &&
            flag_rows[flag].effect == FLAG_EFFECT_IDLE) {
            log_write(LOG_WARN, "a flag is accepted and has no effect yet",
                      (struct log_field[]){log_text("flag", flags_blame(flags, flag, blame)),
                                           log_text("note", flag_rows[flag].help),
                                           {0}});
        }
    }
}

/* What the operator can do about it. */
static const char *advice(int error)
{
    switch (error) {
    case SYNOD_ERR_LOCKED:
        return "Another process uses this data directory: stop it, or choose another --data-dir.";
    case SYNOD_ERR_ACCESS:
        return "The directory must be this user's own and nobody else's: chmod 700 it, or "
               "choose another --data-dir.";
    case SYNOD_ERR_FOREIGN:
        return "The data belong to a cluster founded with other members or another token, or "
               "to another version: start with the flags of its first start, or choose an "
               "empty --data-dir.";
    case SYNOD_ERR_CORRUPT:
        return "Nothing was changed. 'synod wal verify' looks at the directory; the other "
               "members still hold what this one acknowledged.";
    case SYNOD_ERR_ADDRESS:
        return "Stop what uses the address, or choose another --listen-peer-urls.";
    default:
        return NULL;
    }
}

/* etcd keeps its data under "member". Synod cannot read them, and a directory that holds both
 * would be nobody's. */
static int is_of_etcd(const char *data_dir)
{
    char path[4096];
    struct stat status;
    const int size = snprintf(path, sizeof path, "%s/member/wal", data_dir);
    return size > 0 && (size_t)size < sizeof path && stat(path, &status) == 0;
}

static int open_replica(struct server *server)
{
    const struct config *config = &server->config;
    struct replica_member members[SYNOD_MEMBERS_MAX];
    struct replica_options options;
    struct synod_machine callbacks;
    struct report report;

    if (is_of_etcd(config->data_dir)) {
        fprintf(stderr,
                "synod: %s holds data of etcd, which cannot be read yet\n"
                "Choose another --data-dir.\n",
                config->data_dir);
        return -1;
    }
    for (uint32_t i = 0; i < config->member_count; i++) {
        members[i] = (struct replica_member){.name = config->members[i].name,
                                             .address = config->members[i].address};
    }
    replica_options_init(&options);
    options.data_dir = config->data_dir;
    options.token = config->token;
    options.listen = config->listen_peers.addresses[0];
    options.members = members;
    options.member_count = config->member_count;
    options.self = config->self;
    options.heartbeat_ms = config->heartbeat_ms;
    options.election_ms = config->election_ms;
    options.command_size_max = config->request_bytes_max + COMMAND_MARGIN;
    machine_callbacks(server->machine, &callbacks);
    options.machine = &callbacks;
    options.events = &replica_events;
    options.context = server;
    const int error = replica_open(server->os, &options, &report, &server->replica);
    if (error != 0) {
        fprintf(stderr, "synod: %s\n", report.text);
        if (advice(error) != NULL) {
            fprintf(stderr, "%s\n", advice(error));
        }
        return -1;
    }
    return 0;
}

static int listen_on(const struct server *server, const struct config_urls *urls, enum flag flag,
                     int (*listen)(struct etcd_server *front, const char *address, int *port))
{
    for (uint32_t i = 0; i < urls->count; i++) {
        int port;
        const int error = listen(server->front, urls->addresses[i], &port);
        if (error != 0) {
            fprintf(stderr, "synod: cannot listen on %s (--%s): %s\n%s", urls->addresses[i],
                    flag_rows[flag].name, strerror(-error),
                    error == -EADDRINUSE
                        ? "Stop what uses the port ('ss -ltnp' tells), or choose another.\n"
                        : "");
            return -1;
        }
        log_write(LOG_INFO, "listens",
                  (struct log_field[]){log_text("url", urls->urls[i]),
                                       log_u64("port", (uint64_t)port),
                                       log_text("flag", flag_rows[flag].name),
                                       {0}});
    }
    return 0;
}

static int open_front(struct server *server, struct etcd_member members[SYNOD_MEMBERS_MAX])
{
    static const char *const unknown[] = {NULL};
    const struct config *config = &server->config;
    for (uint32_t i = 0; i < config->member_count; i++) {
        members[i] = (struct etcd_member){
            .name = config->members[i].name,
            .peer_urls = config->members[i].urls,
            .client_urls = i == config->self ? config->advertise_clients.urls : unknown,
        };
    }
    const uint32_t part =
        config->listen_metrics.count == 0 ? 0 : server->connections_max / METRICS_PART;
    const struct etcd_server_options options = {
        .version = SYNOD_VERSION,
        .replica = server->replica,
        .machine = server->machine,
        .members = members,
        .member_count = config->member_count,
        .self = config->self,
        .txn_ops_max = (int32_t)config->txn_ops_max,
        .request_size_max = config->request_bytes_max,
        .quota_bytes = config->quota_bytes,
        .connections_max = server->connections_max - part,
        .metrics_connections_max = part > 0 ? part : 1,
    };
    if (etcd_server_new(server->os, &options, &server->front) != 0) {
        fprintf(stderr, "synod: out of memory\n");
        return -1;
    }
    if (listen_on(server, &config->listen_clients, FLAG_LISTEN_CLIENT_URLS, etcd_server_listen) !=
        0) {
        return -1;
    }
    return listen_on(server, &config->listen_metrics, FLAG_LISTEN_METRICS_URLS,
                     etcd_server_listen_metrics);
}

static int watch_signals(struct server *server)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const int error = os_uv_on_signal(server->os, numbers[i], on_signal, server);
        if (error != 0) {
            fprintf(stderr, "synod: cannot wait for signals: %s\n", strerror(-error));
            return -1;
        }
    }
    return 0;
}

/* -- The whole of it ------------------------------------------------------------------ */

static int run(struct server *server)
{
    struct etcd_member members[SYNOD_MEMBERS_MAX];
    server->exit_code = EXIT_FAILED;
    server->os = os_uv_new();
    server->machine = machine_new();
    if (server->os == NULL || server->machine == NULL) {
        fprintf(stderr, "synod: out of memory or descriptors\n");
    } else if (open_replica(server) == 0 && open_front(server, members) == 0 &&
               watch_signals(server) == 0) {
        server->exit_code = EXIT_FINE;
        os_uv_run(server->os);
        log_write(LOG_INFO, "stopped", NULL);
    }
    if (server->replica != NULL) {
        replica_free(server->replica);
    }
    if (server->front != NULL) {
        etcd_server_free(server->front);
    }
    if (server->machine != NULL) {
        machine_free(server->machine);
    }
    if (server->os != NULL) {
        os_uv_free(server->os);
    }
    return server->exit_code;
}

int server_run(int argc, char **argv)
{
    static struct server server; /* Large, and there is one. */
    struct flags flags;
    switch (flags_read(&flags, argc - 1, argv + 1, environ)) {
    case FLAGS_WANTS_HELP:
        usage_print(stdout, argv[0]);
        return EXIT_FINE;
    case FLAGS_WANTS_VERSION:
        server_print_version();
        return EXIT_FINE;
    case FLAGS_REFUSED:
        fprintf(stderr, "%s\n", flags.error);
        usage_print_hint(stderr, argv[0]);
        return EXIT_USAGE;
    case FLAGS_GIVEN:
        break;
    }
    int exit_code = EXIT_USAGE;
    if (config_resolve(&server.config, &flags, isatty(STDERR_FILENO)) != 0) {
        fprintf(stderr, "%s\n", flags.error);
        usage_print_hint(stderr, argv[0]);
    } else {
        start_log(&server.config);
        warn_of_idle_flags(&flags);
        server.connections_max = limits_raise();
        exit_code = run(&server);
    }
    config_deinit(&server.config);
    return exit_code;
}

#if defined(__x86_64__)
static const char ARCHITECTURE[] = "amd64";
#elif defined(__aarch64__)
static const char ARCHITECTURE[] = "arm64";
#else
static const char ARCHITECTURE[] = "other";
#endif

void server_print_version(void)
{
    printf(
        "etcd Version: %s\n"
        "Git SHA: not an etcd build\n"
        "Go Version: none, C11\n"
        "Go OS/Arch: linux/%s\n"
        "Synod Version: %s\n",
        ETCD_API_VERSION, ARCHITECTURE, SYNOD_VERSION);
}
