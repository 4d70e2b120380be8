/* etcd_server.h -- etcd's v3 API in front of a replica: its gRPC services and its HTTP pages.
 *
 *     etcd_server_new(os, &options, &server)
 *     etcd_server_listen(server, "127.0.0.1:2379", &port)
 *     ... run the loop ...
 *     etcd_server_stop(server) ... the loop ends, the replica is freed ...
 *     etcd_server_free(server)
 *
 * It translates and decides nothing: a request is checked for what needs no state, the bytes of
 * a change are submitted as they came, a read waits until the replica says that the state may
 * be looked at, and the answer of the store becomes the answer to the client.
 *
 * Every request is answered: with its outcome, when its own deadline passes, or when the
 * replica gives it up (request_timeout_ms). What becomes of it after that is dropped.
 *
 * Threads   The loop thread only.
 */
#ifndef ETCD_ETCD_SERVER_H
#define ETCD_ETCD_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "kv/machine.h"
#include "os/os.h"
#include "replica/replica.h"

/* The version of etcd's API that is spoken. Clients read numbers out of it and switch features
 * by it; our own version is in etcd_server_options.version. */
#define ETCD_API_VERSION     "3.6.0"
#define ETCD_STORAGE_VERSION "3.6.0"

struct etcd_server;

/* A member as clients see it; in the order of the replica's table. */
struct etcd_member {
    const char *name;
    const char *const *peer_urls;   /* Ends with NULL. */
    const char *const *client_urls; /* Ends with NULL; empty where they are not known here. */
};

/* Everything is borrowed while the server lives. */
struct etcd_server_options {
    const char *version; /* Of Synod. */
    struct replica *replica;
    struct machine *machine;           /* What the replica applies to. */
    const struct etcd_member *members; /* All of them. */
    uint32_t member_count;
    uint32_t self;                    /* Which of them this one is. */
    int32_t txn_ops_max;              /* --max-txn-ops. */
    size_t request_size_max;          /* --max-request-bytes, of a change. */
    size_t memory_max;                /* Of all requests and answers held; 0: a default. */
    size_t output_max;                /* Of answers that wait for one connection; 0: a default. */
    uint64_t answer_max;              /* Bytes of one answer of the store, roughly; 0: a default. */
    uint64_t quota_bytes;             /* Told to clients; not enforced yet. */
    uint32_t connections_max;         /* Of clients at a time; 0: a default. */
    uint32_t metrics_connections_max; /* The same, on the port for the HTTP pages alone. */
};

/* A server that listens nowhere yet. The options are copied, what they point to is borrowed.
 * 0 or SYNOD_ERR_MEMORY. */
int etcd_server_new(struct os *os, const struct etcd_server_options *options,
                    struct etcd_server **server);

/* Serve everything on one more "host:port" (port 0: the system picks one); `port`, if not NULL,
 * is set to the port. 0 or a negative errno value. */
int etcd_server_listen(struct etcd_server *server, const char *address, int *port);

/* The same, for the HTTP pages alone. */
int etcd_server_listen_metrics(struct etcd_server *server, const char *address, int *port);

/* Listen no more and close all connections. The replica may go on calling back. */
void etcd_server_stop(struct etcd_server *server);

/* Free everything. The loop has ended for good, and the replica is freed. */
void etcd_server_free(struct etcd_server *server);

#endif /* ETCD_ETCD_SERVER_H */
