/* config.h -- what the server's flags mean, checked. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/log.h"
#include "server/flags.h"
#include "synod/types.h"

enum {
    CONFIG_URLS_MAX = 8
};

/* Several URLs of one kind. */
struct config_urls {
    const char *urls[CONFIG_URLS_MAX + 1];      /* As given; ends with NULL. */
    const char *addresses[CONFIG_URLS_MAX + 1]; /* "host:port" of each. */
    uint32_t count;
};

struct config_member {
    const char *name;
    const char *urls[2]; /* Its peer URL, then NULL. */
    const char *address; /* "host:port" in it. */
};

/* All texts are the config's own, or borrowed from the flags. */
struct config {
    const char *name;
    const char *data_dir;
    const char *token;
    struct config_urls listen_peers; /* Exactly one. */
    struct config_urls listen_clients;
    struct config_urls listen_metrics;
    struct config_urls advertise_clients;
    struct config_member members[SYNOD_MEMBERS_MAX]; /* In the order of their names, so that
                                                      * all members have the same table however
                                                      * it was written. */
    uint32_t member_count;
    uint32_t self;
    uint32_t heartbeat_ms;
    uint32_t election_ms;
    uint32_t txn_ops_max;
    uint32_t request_bytes_max;
    uint64_t quota_bytes;
    enum log_level log_level;
    int log_is_json;
    int log_is_on_stdout;
    struct arena arena; /* Of its texts. */
};

/* Check the flags and fill in `config`. `log_is_terminal` says what logs are written to where
 * no flag says how. Returns 0, or -1 with a sentence in flags->error that names the flag, its
 * value and what is allowed. Either way the config is to be freed with config_deinit(). */
int config_resolve(struct config *config, struct flags *flags, int log_is_terminal);

void config_deinit(struct config *config);

#endif /* SERVER_CONFIG_H */
