/* config.c -- what the server's flags mean, checked.
 *
 * Every refusal names the flag (or the variable), the value that was given and what would be
 * right, in one sentence: somebody reads it at night in the journal of a machine that does not
 * come up. The first fault ends it. */
#include "server/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum {
    HEARTBEAT_MS_MAX = 10000,
    ELECTION_MS_MAX = 50000, /* etcd's. */
    ELECTION_HEARTBEATS = 5, /* etcd's: an election needs at least so many. */
    TXN_OPS_MAX = 1000000,
    REQUEST_BYTES_MAX = 10 * 1024 * 1024, /* etcd recommends not to go above. */
};

static const uint64_t quota_default = 2147483648; /* etcd's, where the flag is 0. */

/* The config being made. */
struct draft {
    struct config *config;
    struct flags *flags;
};

/* Write the error: the flag, then the words. Returns -1. */
__attribute__((format(printf, 3, 4))) static int refuse(struct draft *draft, enum flag flag,
                                                        const char *format, ...)
{
    char blame[FLAGS_BLAME_SIZE];
    char *to = draft->flags->error;
    va_list arguments;
    const int size = snprintf(to, FLAGS_ERROR_SIZE, "%s ", flags_blame(draft->flags, flag, blame));
    assert(size > 0 && size < FLAGS_ERROR_SIZE);
    va_start(arguments, format);
    vsnprintf(to + size, FLAGS_ERROR_SIZE - (size_t)size, format, arguments);
    va_end(arguments);
    return -1;
}

/* A copy of `size` bytes as a text, or NULL without memory. */
static char *copy(struct draft *draft, const char *text, size_t size)
{
    char *to = arena_allocate(&draft->config->arena, size + 1);
    if (to != NULL) {
        memcpy(to, text, size);
        to[size] = '\0';
    }
    return to;
}

/* -- Numbers and words ---------------------------------------------------------------- */

struct range {
    uint64_t min;
    uint64_t max;
};

static int parse_number(struct draft *draft, enum flag flag, struct range range, uint64_t *to)
{
    const char *text = draft->flags->values[flag];
    char *end;
    const int is_number = *text >= '0' && *text <= '9' && strlen(text) < 19;
    const uint64_t value = is_number ? strtoull(text, &end, 10) : 0;
    if (!is_number || *end != '\0' || value < range.min || value > range.max) {
        return refuse(draft, flag, "is \"%.40s\"; it must be a whole number from %llu to %llu",
                      text, (unsigned long long)range.min, (unsigned long long)range.max);
    }
    *to = value;
    return 0;
}

static int parse_small(struct draft *draft, enum flag flag, struct range range, uint32_t *to)
{
    uint64_t value;
    assert(range.max <= UINT32_MAX);
    if (parse_number(draft, flag, range, &value) != 0) {
        return -1;
    }
    *to = (uint32_t)value;
    return 0;
}

/* The place of the flag's value in `words`, a list that ends with NULL; -1: it is none of them,
 * and `allowed` was said. */
static int parse_word(struct draft *draft, enum flag flag, const char *const *words,
                      const char *allowed)
{
    const char *value = draft->flags->values[flag];
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(value, words[i]) == 0) {
            return i;
        }
    }
    return refuse(draft, flag, "is \"%.40s\"; it must be %s", value, allowed);
}

static int parse_numbers(struct draft *draft)
{
    struct config *config = draft->config;
    uint64_t quota;
    if (parse_small(draft, FLAG_HEARTBEAT_INTERVAL, (struct range){1, HEARTBEAT_MS_MAX},
                    &config->heartbeat_ms) != 0 ||
        parse_small(draft, FLAG_ELECTION_TIMEOUT, (struct range){1, ELECTION_MS_MAX},
                    &config->election_ms) != 0 ||
        parse_small(draft, FLAG_MAX_TXN_OPS, (struct range){1, TXN_OPS_MAX},
                    &config->txn_ops_max) != 0 ||
        parse_small(draft, FLAG_MAX_REQUEST_BYTES, (struct range){1, REQUEST_BYTES_MAX},
                    &config->request_bytes_max) != 0 ||
        parse_number(draft, FLAG_QUOTA_BACKEND_BYTES, (struct range){0, INT64_MAX}, &quota) != 0) {
        return -1;
    }
    config->quota_bytes = quota == 0 ? quota_default : quota;
    if (config->election_ms < ELECTION_HEARTBEATS * config->heartbeat_ms) {
        return refuse(draft, FLAG_ELECTION_TIMEOUT,
                      "is %u ms; it must be at least %u times -heartbeat-interval, which is %u ms",
                      config->election_ms, ELECTION_HEARTBEATS, config->heartbeat_ms);
    }
    return 0;
}

static int parse_words(struct draft *draft, int log_is_terminal)
{
    static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
    static const char *const formats[] = {"", "json", "console", NULL};
    static const char *const outputs[] = {"default", "stderr", "stdout", NULL};
    static const char *const states[] = {"new", "existing", NULL};
    struct config *config = draft->config;
    const int level = parse_word(draft, FLAG_LOG_LEVEL, levels, "debug, info, warn or error");
    const int format =
        level < 0 ? -1 : parse_word(draft, FLAG_LOG_FORMAT, formats, "json or console");
    const int output =
        format < 0 ? -1 : parse_word(draft, FLAG_LOG_OUTPUTS, outputs, "default, stderr or stdout");
    const int state =
        output < 0 ? -1 : parse_word(draft, FLAG_INITIAL_CLUSTER_STATE, states, "new or existing");
    if (state < 0) {
        return -1;
    }
    config->log_level = (enum log_level)(LOG_DEBUG + level);
    config->log_is_json = format == 0 ? !log_is_terminal : format == 1;
    config->log_is_on_stdout = output == 2;
    return 0;
}

/* -- URLs ----------------------------------------------------------------------------- */

/* "host:port" of an "http://host:port" of `size` bytes, or NULL: the error is written. */
static const char *parse_url(struct draft *draft, enum flag flag, const char *url, size_t size)
{
    static const char scheme[] = "http://";
    const size_t scheme_size = sizeof scheme - 1;
    const int shown = size < 100 ? (int)size : 100;
    if (size >= 8 && strncmp(url, "https://", 8) == 0) {
        refuse(draft, flag, "has \"%.*s\": TLS is not there yet; use http://", shown, url);
        return NULL;
    }
    if (size >= 4 && strncmp(url, "unix", 4) == 0) {
        refuse(draft, flag, "has \"%.*s\": sockets of the file system are not there yet", shown,
               url);
        return NULL;
    }
    if (size <= scheme_size || strncmp(url, scheme, scheme_size) != 0) {
        refuse(draft, flag, "has \"%.*s\"; a URL looks like http://10.0.0.1:2380", shown, url);
        return NULL;
    }
    const char *host = url + scheme_size;
    size_t host_size = size - scheme_size;
    if (host[host_size - 1] == '/') {
        host_size--;
    }
    const char *colon = memrchr(host, ':', host_size);
    const size_t digits = colon == NULL ? 0 : host_size - (size_t)(colon - host) - 1;
    const size_t valid = digits == 0 ? 0 : strspn(colon + 1, "0123456789");
    if (colon == NULL || colon == host || digits == 0 || digits > 5 || valid < digits ||
        strtoul(colon + 1, NULL, 10) > UINT16_MAX || memchr(host, '/', host_size) != NULL) {
        refuse(draft, flag, "has \"%.*s\"; it needs a host and a port, as http://10.0.0.1:2380",
               shown, url);
        return NULL;
    }
    const char *address = copy(draft, host, host_size);
    if (address == NULL) {
        refuse(draft, flag, "cannot be read: out of memory");
    }
    return address;
}

/* The size of the part of a comma-separated list that begins at `text`. */
static size_t part_size(const char *text)
{
    return strcspn(text, ",");
}

/* A comma-separated list of URLs; an empty text is an empty list. */
static int parse_urls(struct draft *draft, enum flag flag, struct config_urls *to)
{
    const char *text = draft->flags->values[flag];
    *to = (struct config_urls){.count = 0};
    while (*text != '\0') {
        const size_t size = part_size(text);
        if (to->count == CONFIG_URLS_MAX) {
            return refuse(draft, flag, "has more than %d URLs", CONFIG_URLS_MAX);
        }
        const char *address = parse_url(draft, flag, text, size);
        const char *url = address == NULL ? NULL : copy(draft, text, size);
        if (url == NULL) {
            return -1;
        }
        to->urls[to->count] = url;
        to->addresses[to->count] = address;
        to->count++;
        text += size + (text[size] == ',');
    }
    return 0;
}

/* Where clients and members are told to go is, unless it is said, where the server listens. */
static const char *value_or(const struct draft *draft, enum flag flag, enum flag other)
{
    const char *value = draft->flags->values[flag];
    return *value != '\0' ? value : draft->flags->values[other];
}

static int parse_addresses(struct draft *draft)
{
    struct config *config = draft->config;
    struct flags *flags = draft->flags;
    flags->values[FLAG_ADVERTISE_CLIENT_URLS] =
        value_or(draft, FLAG_ADVERTISE_CLIENT_URLS, FLAG_LISTEN_CLIENT_URLS);
    flags->values[FLAG_INITIAL_ADVERTISE_PEER_URLS] =
        value_or(draft, FLAG_INITIAL_ADVERTISE_PEER_URLS, FLAG_LISTEN_PEER_URLS);
    if (parse_urls(draft, FLAG_LISTEN_PEER_URLS, &config->listen_peers) != 0 ||
        parse_urls(draft, FLAG_LISTEN_CLIENT_URLS, &config->listen_clients) != 0 ||
        parse_urls(draft, FLAG_LISTEN_METRICS_URLS, &config->listen_metrics) != 0 ||
        parse_urls(draft, FLAG_ADVERTISE_CLIENT_URLS, &config->advertise_clients) != 0) {
        return -1;
    }
    if (config->listen_peers.count != 1) {
        return refuse(draft, FLAG_LISTEN_PEER_URLS, "has %u URLs; exactly one is possible yet",
                      config->listen_peers.count);
    }
    if (config->listen_clients.count == 0) {
        return refuse(draft, FLAG_LISTEN_CLIENT_URLS, "is empty; clients need a URL");
    }
    return 0;
}

/* -- The members ---------------------------------------------------------------------- */

static int compare_members(const void *left, const void *right)
{
    return strcmp(((const struct config_member *)left)->name,
                  ((const struct config_member *)right)->name);
}

/* One "name=url" of `size` bytes. */
static int parse_member(struct draft *draft, const char *text, size_t size)
{
    struct config *config = draft->config;
    const int shown = size < 100 ? (int)size : 100;
    const char *equals = memchr(text, '=', size);
    if (equals == NULL || equals == text) {
        return refuse(draft, FLAG_INITIAL_CLUSTER,
                      "has \"%.*s\"; each part looks like a=http://10.0.0.1:2380", shown, text);
    }
    if (config->member_count == SYNOD_MEMBERS_MAX) {
        return refuse(draft, FLAG_INITIAL_CLUSTER, "has more than %d members", SYNOD_MEMBERS_MAX);
    }
    struct config_member member = {0};
    const size_t url_size = size - (size_t)(equals + 1 - text);
    member.address = parse_url(draft, FLAG_INITIAL_CLUSTER, equals + 1, url_size);
    if (member.address == NULL) {
        return -1;
    }
    member.name = copy(draft, text, (size_t)(equals - text));
    member.urls[0] = copy(draft, equals + 1, url_size);
    if (member.name == NULL || member.urls[0] == NULL) {
        return refuse(draft, FLAG_INITIAL_CLUSTER, "cannot be read: out of memory");
    }
    for (uint32_t i = 0; i < config->member_count; i++) {
        if (strcmp(config->members[i].name, member.name) == 0) {
            return refuse(draft, FLAG_INITIAL_CLUSTER,
                          "names \"%.60s\" twice; a member has one URL", member.name);
        }
        if (strcmp(config->members[i].address, member.address) == 0) {
            return refuse(draft, FLAG_INITIAL_CLUSTER,
                          "gives \"%.60s\" and \"%.60s\" the same address", config->members[i].name,
                          member.name);
        }
    }
    config->members[config->member_count++] = member;
    return 0;
}

/* This member's own line must be there, and say what it says itself. */
static int find_self(struct draft *draft)
{
    struct config *config = draft->config;
    struct config_urls own;
    if (parse_urls(draft, FLAG_INITIAL_ADVERTISE_PEER_URLS, &own) != 0) {
        return -1;
    }
    if (own.count != 1) {
        return refuse(draft, FLAG_INITIAL_ADVERTISE_PEER_URLS,
                      "has %u URLs; exactly one is possible yet", own.count);
    }
    while (config->self < config->member_count &&
           strcmp(config->members[config->self].name, config->name) != 0) {
        config->self++;
    }
    if (config->self == config->member_count) {
        return refuse(draft, FLAG_INITIAL_CLUSTER,
                      "does not name this member, \"%.60s\" (-name); it must name all of them",
                      config->name);
    }
    if (strcmp(config->members[config->self].address, own.addresses[0]) != 0) {
        return refuse(draft, FLAG_INITIAL_CLUSTER,
                      "has %.60s=%.80s, but -initial-advertise-peer-urls is %.80s", config->name,
                      config->members[config->self].urls[0], own.urls[0]);
    }
    return 0;
}

static int parse_members(struct draft *draft)
{
    struct config *config = draft->config;
    const char *text = draft->flags->values[FLAG_INITIAL_CLUSTER];
    char alone[1024];
    if (*text == '\0') {
        const int size = snprintf(alone, sizeof alone, "%s=%s", config->name,
                                  draft->flags->values[FLAG_INITIAL_ADVERTISE_PEER_URLS]);
        if (size < 0 || (size_t)size >= sizeof alone) {
            return refuse(draft, FLAG_NAME, "is too long");
        }
        text = alone;
    }
    while (*text != '\0') {
        const size_t size = part_size(text);
        if (parse_member(draft, text, size) != 0) {
            return -1;
        }
        text += size + (text[size] == ',');
    }
    qsort(config->members, config->member_count, sizeof config->members[0], compare_members);
    return find_self(draft);
}

/* -- All of it ------------------------------------------------------------------------ */

static int parse_names(struct draft *draft)
{
    struct config *config = draft->config;
    static const char suffix[] = ".etcd";
    config->name = draft->flags->values[FLAG_NAME];
    config->token = draft->flags->values[FLAG_INITIAL_CLUSTER_TOKEN];
    config->data_dir = draft->flags->values[FLAG_DATA_DIR];
    if (*config->name == '\0' || strpbrk(config->name, ",=") != NULL) {
        return refuse(draft, FLAG_NAME, "is \"%.60s\"; it must be a word without ',' and '='",
                      config->name);
    }
    if (*config->data_dir == '\0') {
        const size_t size = strlen(config->name);
        char *path = arena_allocate(&config->arena, size + sizeof suffix);
        if (path == NULL) {
            return refuse(draft, FLAG_NAME, "cannot be read: out of memory");
        }
        memcpy(path, config->name, size);
        memcpy(path + size, suffix, sizeof suffix);
        config->data_dir = path;
    }
    return 0;
}

int config_resolve(struct config *config, struct flags *flags, int log_is_terminal)
{
    struct draft draft = {.config = config, .flags = flags};
    *config = (struct config){.member_count = 0};
    if (parse_names(&draft) != 0 || parse_numbers(&draft) != 0 ||
        parse_words(&draft, log_is_terminal) != 0 || parse_addresses(&draft) != 0 ||
        parse_members(&draft) != 0) {
        return -1;
    }
    return 0;
}

void config_deinit(struct config *config)
{
    arena_deinit(&config->arena);
}
