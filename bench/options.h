/* options.h -- what the command line asked for. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

enum bench_mode {
    BENCH_PUT = 1,
    BENCH_GET,
    BENCH_MIX,
    BENCH_GAP,
    BENCH_LEADER,
};

enum {
    ENDPOINTS_MAX = 16,
    PIDS_MAX = 16,
    ADDRESS_SIZE = 256,
};

struct bench_options {
    enum bench_mode mode;
    char endpoints[ENDPOINTS_MAX][ADDRESS_SIZE]; /* "host:port". */
    size_t endpoint_count;
    uint32_t clients; /* Operations in flight. */
    uint32_t connections;
    uint64_t total;       /* Operations; 0: until the time is over. */
    uint64_t duration_us; /* 0: until the operations are done. */
    uint64_t timeout_us;  /* Of one operation. */
    uint64_t rate;        /* Operations per second; 0: as fast as answers come. */
    uint64_t keys;        /* How many different keys; 0: a new one for each put. */
    uint64_t seed;        /* Of random keys. */
    uint32_t key_size;
    uint32_t value_size;
    uint32_t read_percent; /* BENCH_MIX. */
    int is_random;
    int is_serializable;
    int is_leader_only;
    int is_json;
    int pids[PIDS_MAX]; /* Servers to measure. */
    size_t pid_count;
};

/* Read the command line. Returns 0; on --help, or on a mistake (told on standard error), the
 * program is to exit, and `exit_code` says with what. */
int bench_options_parse(int argc, char **argv, struct bench_options *options, int *exit_code);

#endif /* BENCH_OPTIONS_H */
