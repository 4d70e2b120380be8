/* load.h -- drive servers with operations and measure them: what the subcommands do. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "bench/options.h"
#include "bench/result.h"
#include "os/os.h"

/* Find the endpoint that leads, and keep only it in the options. 0, or -1 where none of them
 * says so (told on standard error). Runs the loop. */
int load_find_leader(struct os *os, struct bench_options *options);

/* put, get, mix: run to the end. Runs the loop. Returns 0, or -1 where no connection could be
 * made (told on standard error). */
int load_run(struct os *os, const struct bench_options *options, struct result *result);

/* gap: the same for one client that goes from endpoint to endpoint. */
int load_run_gap(struct os *os, const struct bench_options *options, struct result *result);

#endif /* BENCH_LOAD_H */
