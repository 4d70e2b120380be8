/* flags.h -- the server's flags: etcd's names, Go's syntax, ETCD_* in the environment.
 *
 *     -name a   --name a   -name=a   --name=a      the same four ways for every flag
 *     -pre-vote   -pre-vote=false                  a switch takes its value only after "="
 *     ETCD_NAME=a                                  counts where the flag is not given
 *
 * Here a flag is a name with a text. What the texts mean is config.h's business. */
#ifndef SERVER_FLAGS_H
#define SERVER_FLAGS_H

#include <stddef.h>

/* Identity, name, group, form, effect, default, word for its value, help. */
#define FLAG_MAP(X)                                                                                \
    X(NAME, "name", MEMBER, TEXT, WORKS, "default", "NAME",                                        \
      "what people call this member; its line in -initial-cluster")                                \
    X(DATA_DIR, "data-dir", MEMBER, TEXT, WORKS, "", "DIR",                                        \
      "where it keeps its data; made with mode 0700 if it is not there (NAME.etcd)")               \
    X(LISTEN_PEER_URLS, "listen-peer-urls", MEMBER, TEXT, WORKS, "http://localhost:2380", "URL",   \
      "where it listens for the other members")                                                    \
    X(LISTEN_CLIENT_URLS, "listen-client-urls", MEMBER, TEXT, WORKS, "http://localhost:2379",      \
      "URL,...", "where it listens for clients, gRPC and HTTP alike")                              \
    X(LISTEN_METRICS_URLS, "listen-metrics-urls", MEMBER, TEXT, WORKS, "", "URL,...",              \
      "where it also serves /metrics and /health")                                                 \
    X(HEARTBEAT_INTERVAL, "heartbeat-interval", MEMBER, TEXT, WORKS, "100", "MS",                  \
      "members ask each other this often")                                                         \
    X(ELECTION_TIMEOUT, "election-timeout", MEMBER, TEXT, WORKS, "1000", "MS",                     \
      "a leader silent for so long is replaced; at least 5 heartbeats")                            \
    X(MAX_TXN_OPS, "max-txn-ops", MEMBER, TEXT, WORKS, "128", "COUNT",                             \
      "operations in one transaction, at most")                                                    \
    X(MAX_REQUEST_BYTES, "max-request-bytes", MEMBER, TEXT, WORKS, "1572864", "BYTES",             \
      "bytes of one change, at most")                                                              \
    X(INITIAL_CLUSTER, "initial-cluster", CLUSTERING, TEXT, WORKS, "", "NAME=URL,...",             \
      "all members and where they listen for each other; the same on all of them")                 \
    X(INITIAL_ADVERTISE_PEER_URLS, "initial-advertise-peer-urls", CLUSTERING, TEXT, WORKS, "",     \
      "URL", "this member's URL in -initial-cluster (-listen-peer-urls)")                          \
    X(ADVERTISE_CLIENT_URLS, "advertise-client-urls", CLUSTERING, TEXT, WORKS, "", "URL,...",      \
      "what clients are told to use (-listen-client-urls)")                                        \
    X(INITIAL_CLUSTER_TOKEN, "initial-cluster-token", CLUSTERING, TEXT, WORKS, "etcd-cluster",     \
      "TEXT", "parts clusters whose members have the same addresses")                              \
    X(INITIAL_CLUSTER_STATE, "initial-cluster-state", CLUSTERING, TEXT, WORKS, "new", "STATE",     \
      "new or existing; the data directory knows which, so both mean the same here")               \
    X(LOG_LEVEL, "log-level", LOGGING, TEXT, WORKS, "info", "LEVEL", "debug, info, warn or error") \
    X(LOG_FORMAT, "log-format", LOGGING, TEXT, WORKS, "", "FORMAT",                                \
      "json or console (console on a terminal, else json)")                                        \
    X(LOG_OUTPUTS, "log-outputs", LOGGING, TEXT, WORKS, "default", "WHERE",                        \
      "default, stderr or stdout")                                                                 \
    X(QUOTA_BACKEND_BYTES, "quota-backend-bytes", MEMBER, TEXT, IDLE, "0", "BYTES",                \
      "shown to clients (0: 2 GiB); writes are not refused above it yet")                          \
    X(SNAPSHOT_COUNT, "snapshot-count", MEMBER, TEXT, IDLE, "10000", "COUNT",                      \
      "snapshots are taken when the log has outgrown the state, counted in bytes")                 \
    X(STRICT_RECONFIG_CHECK, "strict-reconfig-check", CLUSTERING, SWITCH, IDLE, "true", "", "")    \
    X(PRE_VOTE, "pre-vote", CLUSTERING, SWITCH, IDLE, "true", "", "")                              \
    X(WAL_DIR, "wal-dir", MEMBER, TEXT, DEFAULT_ONLY, "", "DIR", "the log is in -data-dir")        \
    X(INITIAL_ELECTION_TICK_ADVANCE, "initial-election-tick-advance", MEMBER, SWITCH, IDLE,        \
      "true", "", "")                                                                              \
    X(MAX_SNAPSHOTS, "max-snapshots", MEMBER, TEXT, IDLE, "5", "COUNT", "")                        \
    X(MAX_WALS, "max-wals", MEMBER, TEXT, IDLE, "5", "COUNT", "")                                  \
    X(MAX_CONCURRENT_STREAMS, "max-concurrent-streams", MEMBER, TEXT, IDLE, "", "COUNT", "")       \
    X(GRPC_KEEPALIVE_MIN_TIME, "grpc-keepalive-min-time", MEMBER, TEXT, IDLE, "5s", "TIME", "")    \
    X(GRPC_KEEPALIVE_INTERVAL, "grpc-keepalive-interval", MEMBER, TEXT, IDLE, "2h0m0s", "TIME",    \
      "")                                                                                          \
    X(GRPC_KEEPALIVE_TIMEOUT, "grpc-keepalive-timeout", MEMBER, TEXT, IDLE, "20s", "TIME", "")     \
    X(BACKEND_BATCH_INTERVAL, "backend-batch-interval", MEMBER, TEXT, IDLE, "", "TIME", "")        \
    X(BACKEND_BATCH_LIMIT, "backend-batch-limit", MEMBER, TEXT, IDLE, "0", "COUNT", "")            \
    X(BACKEND_BBOLT_FREELIST_TYPE, "backend-bbolt-freelist-type", MEMBER, TEXT, IDLE, "map",       \
      "TYPE", "")                                                                                  \
    X(MEMORY_MLOCK, "memory-mlock", MEMBER, SWITCH, IDLE, "false", "", "")                         \
    X(ENABLE_GRPC_GATEWAY, "enable-grpc-gateway", MEMBER, SWITCH, IDLE, "true", "", "")            \
    X(ENABLE_V2, "enable-v2", MEMBER, SWITCH, IDLE, "false", "", "")                               \
    X(ENABLE_PPROF, "enable-pprof", MEMBER, SWITCH, IDLE, "false", "", "")                         \
    X(METRICS, "metrics", MEMBER, TEXT, IDLE, "basic", "KIND", "")                                 \
    X(FEATURE_GATES, "feature-gates", MEMBER, TEXT, IDLE, "", "LIST", "")                          \
    X(CORS, "cors", MEMBER, TEXT, IDLE, "*", "LIST", "")                                           \
    X(HOST_WHITELIST, "host-whitelist", MEMBER, TEXT, IDLE, "*", "LIST", "")                       \
    X(AUTO_COMPACTION_RETENTION, "auto-compaction-retention", CLUSTERING, TEXT, IDLE, "0", "TIME", \
      "")                                                                                          \
    X(AUTO_COMPACTION_MODE, "auto-compaction-mode", CLUSTERING, TEXT, IDLE, "periodic", "MODE",    \
      "")                                                                                          \
    X(WATCH_PROGRESS_NOTIFY_INTERVAL, "watch-progress-notify-interval", MEMBER, TEXT, IDLE,        \
      "10m0s", "TIME", "")                                                                         \
    X(AUTH_TOKEN, "auth-token", MEMBER, TEXT, IDLE, "simple", "KIND", "")                          \
    X(BCRYPT_COST, "bcrypt-cost", MEMBER, TEXT, IDLE, "10", "COUNT", "")                           \
    X(AUTH_TOKEN_TTL, "auth-token-ttl", MEMBER, TEXT, IDLE, "300", "S", "")                        \
    X(LOGGER, "logger", LOGGING, TEXT, IDLE, "zap", "KIND", "")                                    \
    X(MAX_LEARNERS, "max-learners", CLUSTERING, TEXT, IDLE, "1", "COUNT", "")                      \
    X(FORCE_NEW_CLUSTER, "force-new-cluster", CLUSTERING, SWITCH, DEFAULT_ONLY, "false", "",       \
      "membership cannot be changed yet")                                                          \
    X(UNSAFE_NO_FSYNC, "unsafe-no-fsync", MEMBER, SWITCH, DEFAULT_ONLY, "false", "",               \
      "Synod never answers before the disk")                                                       \
    X(CONFIG_FILE, "config-file", MEMBER, TEXT, DEFAULT_ONLY, "", "FILE",                          \
      "configuration files are not read yet: use flags or ETCD_* variables")                       \
    X(DISCOVERY, "discovery", CLUSTERING, TEXT, DEFAULT_ONLY, "", "URL",                           \
      "discovery is not there yet: name the members in -initial-cluster")                          \
    X(DISCOVERY_SRV, "discovery-srv", CLUSTERING, TEXT, DEFAULT_ONLY, "", "NAME",                  \
      "discovery is not there yet: name the members in -initial-cluster")                          \
    X(CERT_FILE, "cert-file", SECURITY, TEXT, DEFAULT_ONLY, "", "FILE", FLAG_NO_TLS)               \
    X(KEY_FILE, "key-file", SECURITY, TEXT, DEFAULT_ONLY, "", "FILE", FLAG_NO_TLS)                 \
    X(CLIENT_CERT_AUTH, "client-cert-auth", SECURITY, SWITCH, DEFAULT_ONLY, "false", "",           \
      FLAG_NO_TLS)                                                                                 \
    X(CLIENT_CRL_FILE, "client-crl-file", SECURITY, TEXT, DEFAULT_ONLY, "", "FILE", FLAG_NO_TLS)   \
    X(TRUSTED_CA_FILE, "trusted-ca-file", SECURITY, TEXT, DEFAULT_ONLY, "", "FILE", FLAG_NO_TLS)   \
    X(AUTO_TLS, "auto-tls", SECURITY, SWITCH, DEFAULT_ONLY, "false", "", FLAG_NO_TLS)              \
    X(PEER_CERT_FILE, "peer-cert-file", SECURITY, TEXT, DEFAULT_ONLY, "", "FILE", FLAG_NO_TLS)     \
    X(PEER_KEY_FILE, "peer-key-file", SECURITY, TEXT, DEFAULT_ONLY, "", "FILE", FLAG_NO_TLS)       \
    X(PEER_CLIENT_CERT_AUTH, "peer-client-cert-auth", SECURITY, SWITCH, DEFAULT_ONLY, "false", "", \
      FLAG_NO_TLS)                                                                                 \
    X(PEER_TRUSTED_CA_FILE, "peer-trusted-ca-file", SECURITY, TEXT, DEFAULT_ONLY, "", "FILE",      \
      FLAG_NO_TLS)                                                                                 \
    X(PEER_AUTO_TLS, "peer-auto-tls", SECURITY, SWITCH, DEFAULT_ONLY, "false", "", FLAG_NO_TLS)

#define FLAG_NO_TLS "TLS is not there yet"

#define FLAG_ENUM(identity, ...) FLAG_##identity,
enum flag {
    FLAG_MAP(FLAG_ENUM) FLAG_COUNT
};

enum flag_group {
    FLAG_GROUP_MEMBER = 1,
    FLAG_GROUP_CLUSTERING,
    FLAG_GROUP_LOGGING,
    FLAG_GROUP_SECURITY,
};

enum flag_form {
    FLAG_FORM_TEXT = 1, /* Needs a value. */
    FLAG_FORM_SWITCH,   /* Alone, or with "=true" or "=false". */
};

enum flag_effect {
    FLAG_EFFECT_WORKS = 1,
    FLAG_EFFECT_IDLE,         /* Accepted, with a warning that nothing comes of it yet. */
    FLAG_EFFECT_DEFAULT_ONLY, /* Refused, unless it asks for what is so anyway. */
};

/* What is known about a flag without anybody giving it. */
struct flag_row {
    const char *name;
    const char *value_default;
    const char *value_word; /* For help. */
    const char *help;       /* For DEFAULT_ONLY: why it is refused. */
    enum flag_group group;
    enum flag_form form;
    enum flag_effect effect;
};

extern const struct flag_row flag_rows[FLAG_COUNT];

enum flag_source {
    FLAG_SOURCE_DEFAULT = 1,
    FLAG_SOURCE_ENVIRONMENT,
    FLAG_SOURCE_COMMAND_LINE,
};

enum flags_outcome {
    FLAGS_GIVEN = 1,  /* The values are there. */
    FLAGS_WANTS_HELP, /* -h or --help. */
    FLAGS_WANTS_VERSION,
    FLAGS_REFUSED, /* `error` says which and why. */
};

enum {
    FLAGS_ERROR_SIZE = 512
};

/* The flags of one start. */
struct flags {
    const char *values[FLAG_COUNT]; /* Borrowed from the arguments, the environment, the
                                           * table. */
    enum flag_source sources[FLAG_COUNT];
    char error[FLAGS_ERROR_SIZE]; /* A sentence without a newline; "" if all is well. */
};

/* Read `count` arguments (the program's name not among them) and the environment, a list of
 * "NAME=value" that ends with NULL. Both are borrowed while the flags are used. A switch's value
 * is "true" or "false" afterwards. */
enum flags_outcome flags_read(struct flags *flags, int count, char *const *arguments,
                              char *const *environment);

/* "-name" or "ETCD_NAME": what a message should blame. `to` has FLAGS_BLAME_SIZE bytes. */
enum {
    FLAGS_BLAME_SIZE = 80
};
const char *flags_blame(const struct flags *flags, enum flag flag, char to[FLAGS_BLAME_SIZE]);

#endif /* SERVER_FLAGS_H */
