/* result.h -- what a run measured, and how it is told. */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include <stdint.h>

#include "bench/histogram.h"
#include "bench/options.h"

enum {
    ERRORS_MAX = 16, /* Different texts that are told apart. */
    ERROR_SIZE = 160,
};

struct result {
    uint64_t operations;  /* That succeeded. */
    uint64_t failures;    /* That did not. */
    double seconds;       /* From the first request to the last answer. */
    double client_cpu_us; /* Of this process, per operation. */
    double server_cpu_us; /* Of the processes in --pid, per operation; 0: not asked for. */
    uint64_t server_rss_bytes[PIDS_MAX];
    struct histogram latency; /* In nanoseconds, of the operations that succeeded. */
    struct {
        char text[ERROR_SIZE];
        uint64_t count;
    } errors[ERRORS_MAX];
    uint64_t gap_us; /* BENCH_GAP: the longest time between two acknowledged puts. */
};

/* Count a failure under its text. */
void result_fail(struct result *result, const char *text);

/* The CPU time that the processes have used, in microseconds; those that are gone count 0. */
double result_server_cpu_us(const struct bench_options *options);

/* Of this process, in microseconds. */
double result_client_cpu_us(void);

/* Read the memory of the processes in --pid. */
void result_read_memory(struct result *result, const struct bench_options *options);

/* Print it on standard output, as a table or as one JSON object. */
void result_print(const struct result *result, const struct bench_options *options);

/* Show how far the run is, in one line of standard error that is written over; nothing where
 * that is no terminal. `share` is 0..1; above 1 the line is taken away. */
void result_show_progress(const struct result *result, double seconds, double share);

#endif /* BENCH_RESULT_H */
