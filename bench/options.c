/* options.c -- synod-bench's command line. */
#include "bench/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char HELP[] =
    "synod-bench -- load for any server of the etcd v3 API, and what it made of it\n"
    "\n"
    "usage: synod-bench put|get|mix|gap|leader [options]\n"
    "\n"
    "  put      write keys\n"
    "  get      read keys, one each\n"
    "  mix      both (--reads percent)\n"
    "  gap      one client writes in sequence, trying the endpoints in turn: tells the longest\n"
    "           time between two answers (kill the leader meanwhile)\n"
    "  leader   only print the endpoint that leads\n"
    "\n"
    "Where\n"
    "  --endpoints A,B,..    host:port of the servers        (127.0.0.1:2379)\n"
    "  --leader-only         ask which of them leads, and load only that one\n"
    "\n"
    "How much\n"
    "  --clients N           operations in flight at a time  (1)\n"
    "  --conns M             TCP connections they share      (as many as clients, at most 100)\n"
    "  --total N             stop after N operations\n"
    "  --duration T          stop after T: 500ms, 10s, 2m    (10s unless --total is given)\n"
    "  --rate R              open loop: begin R operations a second whether or not answers come;\n"
    "                        latency counts from the moment at which each was to begin\n"
    "  --timeout T           give up on an operation after T (5s; gap: 200ms)\n"
    "\n"
    "What\n"
    "  --key-size N          bytes                           (16)\n"
    "  --value-size N        bytes                           (256)\n"
    "  --keys N              use N different keys, again and again (0: a new key each time)\n"
    "  --random              choose among them by chance (--seed N) instead of in order\n"
    "  --reads P             percent of reads in a mix       (50)\n"
    "  --serializable        reads may be stale: any server answers by itself\n"
    "\n"
    "Report\n"
    "  --pid P,Q,..          the servers' processes: tell their CPU per operation and memory\n"
    "  -w table|json         for people, or for scripts      (table)\n"
    "\n"
    "Examples\n"
    "  synod-bench put --clients 64 --conns 64 --duration 10s --leader-only\n"
    "  synod-bench put --keys 10000 --total 10000 && synod-bench get --keys 10000 --clients 100\n"
    "  synod-bench mix --rate 5000 --clients 500 --keys 10000 --random --reads 90\n"
    "  synod-bench gap --endpoints 127.0.0.1:2379,127.0.0.1:22379,127.0.0.1:32379 --duration 10s\n"
    "\n"
    "get and mix read what put wrote with the same --keys and --key-size; a key that is not there\n"
    "is counted as an error. Exit: 0, 1 where operations failed, 2 for a mistake in the options.\n";

enum option_code {
    OPTION_ENDPOINTS = 256,
    OPTION_LEADER_ONLY,
    OPTION_CLIENTS,
    OPTION_CONNS,
    OPTION_TOTAL,
    OPTION_DURATION,
    OPTION_RATE,
    OPTION_TIMEOUT,
    OPTION_KEY_SIZE,
    OPTION_VALUE_SIZE,
    OPTION_KEYS,
    OPTION_RANDOM,
    OPTION_SEED,
    OPTION_READS,
    OPTION_SERIALIZABLE,
    OPTION_PID,
    OPTION_HELP,
};

static const struct option LONG_OPTIONS[] = {
    {"endpoints", required_argument, NULL, OPTION_ENDPOINTS},
    {"leader-only", no_argument, NULL, OPTION_LEADER_ONLY},
    {"clients", required_argument, NULL, OPTION_CLIENTS},
    {"conns", required_argument, NULL, OPTION_CONNS},
    {"total", required_argument, NULL, OPTION_TOTAL},
    {"duration", required_argument, NULL, OPTION_DURATION},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"key-size", required_argument, NULL, OPTION_KEY_SIZE},
    {"value-size", required_argument, NULL, OPTION_VALUE_SIZE},
    {"keys", required_argument, NULL, OPTION_KEYS},
    {"random", no_argument, NULL, OPTION_RANDOM},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"reads", required_argument, NULL, OPTION_READS},
    {"serializable", no_argument, NULL, OPTION_SERIALIZABLE},
    {"pid", required_argument, NULL, OPTION_PID},
    {"write-out", required_argument, NULL, 'w'},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* A whole number in [min, max], or -1. */
static int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    char *end;
    errno = 0;
    if (!isdigit((unsigned char)text[0])) {
        return -1;
    }
    *value = strtoull(text, &end, 10);
    return errno != 0 || *end != '\0' || *value < min || *value > max ? -1 : 0;
}

static int parse_u32(const char *text, uint64_t min, uint64_t max, uint32_t *value)
{
    uint64_t wide;
    const int error = parse_number(text, min, max, &wide);
    *value = error == 0 ? (uint32_t)wide : 0;
    return error;
}

/* "500ms", "10s", "2m"; a bare number is in seconds. */
static int parse_duration(const char *text, uint64_t *us)
{
    static const struct {
        const char *name;
        uint64_t us;
    } UNITS[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}, {"", 1000000}, {"m", 60000000}};
    char *end;
    errno = 0;
    if (!isdigit((unsigned char)text[0])) {
        return -1;
    }
    const unsigned long long number = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++) {
        if (strcmp(end, UNITS[i].name) == 0 && number > 0 && number < 1000000000) {
            *us = number * UNITS[i].us;
            return 0;
        }
    }
    return -1;
}

/* Add "http://host:port" or "host:port" to the list. */
static int add_endpoint(struct bench_options *options, const char *text)
{
    static const char SCHEME[] = "http://";
    if (strncmp(text, SCHEME, sizeof SCHEME - 1) == 0) {
        text += sizeof SCHEME - 1;
    }
    const size_t size = strcspn(text, "/");
    if (options->endpoint_count == ENDPOINTS_MAX || size == 0 || size >= ADDRESS_SIZE ||
        strstr(text, "://") != NULL || strchr(text, ':') == NULL) {
        return -1;
    }
    snprintf(options->endpoints[options->endpoint_count++], ADDRESS_SIZE, "%.*s", (int)size, text);
    return 0;
}

static int add_pid(struct bench_options *options, const char *text)
{
    uint64_t pid;
    if (options->pid_count == PIDS_MAX || parse_number(text, 1, INT32_MAX, &pid) != 0) {
        return -1;
    }
    options->pids[options->pid_count++] = (int)pid;
    return 0;
}

/* Give each part of "a,b,c" to `add`. */
static int parse_list(struct bench_options *options, char *text,
                      int (*add)(struct bench_options *options, const char *part))
{
    for (char *part = text; part != NULL;) {
        char *comma = strchr(part, ',');
        if (comma != NULL) {
            *comma++ = '\0';
        }
        if (add(options, part) != 0) {
            return -1;
        }
        part = comma;
    }
    return 0;
}

/* Take in one option; -1 if its value cannot be. Longer than a screen: it is a table. */
static int take_option(struct bench_options *options, int code, char *value)
{
    switch (code) {
    case OPTION_ENDPOINTS:
        options->endpoint_count = 0;
        return parse_list(options, value, add_endpoint);
    case OPTION_LEADER_ONLY:
        options->is_leader_only = 1;
        return 0;
    case OPTION_CLIENTS:
        return parse_u32(value, 1, 1000000, &options->clients);
    case OPTION_CONNS:
        return parse_u32(value, 1, 60000, &options->connections);
    case OPTION_TOTAL:
        return parse_number(value, 1, UINT64_MAX, &options->total);
    case OPTION_DURATION:
        return parse_duration(value, &options->duration_us);
    case OPTION_RATE:
        return parse_number(value, 1, 100000000, &options->rate);
    case OPTION_TIMEOUT:
        return parse_duration(value, &options->timeout_us);
    case OPTION_KEY_SIZE:
        return parse_u32(value, 1, 1 << 20, &options->key_size);
    case OPTION_VALUE_SIZE:
        return parse_u32(value, 0, 64 << 20, &options->value_size);
    case OPTION_KEYS:
        return parse_number(value, 0, UINT64_MAX, &options->keys);
    case OPTION_RANDOM:
        options->is_random = 1;
        return 0;
    case OPTION_SEED:
        return parse_number(value, 0, UINT64_MAX, &options->seed);
    case OPTION_READS:
        return parse_u32(value, 0, 100, &options->read_percent);
    case OPTION_SERIALIZABLE:
        options->is_serializable = 1;
        return 0;
    case OPTION_PID:
        return parse_list(options, value, add_pid);
    case 'w':
        options->is_json = strcmp(value, "json") == 0;
        return options->is_json || strcmp(value, "table") == 0 ? 0 : -1;
    default:
        return -1;
    }
}

static int parse_mode(const char *text, enum bench_mode *mode)
{
    static const char *const NAMES[] = {[BENCH_PUT] = "put",
                                        [BENCH_GET] = "get",
                                        [BENCH_MIX] = "mix",
                                        [BENCH_GAP] = "gap",
                                        [BENCH_LEADER] = "leader"};
    for (int i = BENCH_PUT; i <= BENCH_LEADER; i++) {
        if (strcmp(text, NAMES[i]) == 0) {
            *mode = (enum bench_mode)i;
            return 0;
        }
    }
    return -1;
}

/* What was not said, and what does not go together. Returns NULL or what is wrong. */
static const char *complete(struct bench_options *options)
{
    if (options->endpoint_count == 0) {
        (void)add_endpoint(options, "127.0.0.1:2379");
    }
    if (options->connections == 0) {
        options->connections = options->clients < 100 ? options->clients : 100;
    }
    if (options->connections > options->clients) {
        options->connections = options->clients;
    }
    if (options->total == 0 && options->duration_us == 0) {
        options->duration_us = 10000000;
    }
    if (options->timeout_us == 0) {
        options->timeout_us = options->mode == BENCH_GAP ? 200000 : 5000000;
    }
    if ((options->mode == BENCH_GET || options->mode == BENCH_MIX) && options->keys == 0) {
        return "get and mix need --keys: how many different keys there are";
    }
    if (options->is_random && options->keys == 0) {
        return "--random needs --keys: how many different keys to choose from";
    }
    if (options->mode == BENCH_LEADER) {
        options->is_leader_only = 1;
    }
    return NULL;
}

int bench_options_parse(int argc, char **argv, struct bench_options *options, int *exit_code)
{
    *options =
        (struct bench_options){.clients = 1, .key_size = 16, .value_size = 256, .read_percent = 50};
    *exit_code = 2;
    for (;;) {
        const int code = getopt_long(argc, argv, "w:h", LONG_OPTIONS, NULL);
        if (code == -1) {
            break;
        }
        if (code == OPTION_HELP || code == 'h') {
            fputs(HELP, stdout);
            *exit_code = 0;
            return -1;
        }
        if (code == '?') {
            fputs("synod-bench: try 'synod-bench --help'\n", stderr);
            return -1;
        }
        if (take_option(options, code, optarg) != 0) {
            fprintf(stderr, "synod-bench: '%s' is not a value for %s: try 'synod-bench --help'\n",
                    optarg, argv[optind - 1] == optarg ? argv[optind - 2] : argv[optind - 1]);
            return -1;
        }
    }
    if (optind + 1 != argc || parse_mode(argv[optind], &options->mode) != 0) {
        fputs(
            "synod-bench: say what to do: put, get, mix, gap or leader; 'synod-bench --help' tells "
            "more\n",
            stderr);
        return -1;
    }
    const char *wrong = complete(options);
    if (wrong != NULL) {
        fprintf(stderr, "synod-bench: %s\n", wrong);
        return -1;
    }
    return 0;
}
