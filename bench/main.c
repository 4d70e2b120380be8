/* main.c -- synod-bench: load for any server of the etcd v3 API. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/load.h"
#include "bench/options.h"
#include "bench/result.h"
#include "os/os_uv.h"

int main(int argc, char **argv)
{
    static struct bench_options options;
    static struct result result;
    int exit_code;

    if (bench_options_parse(argc, argv, &options, &exit_code) != 0) {
        return exit_code;
    }
    /* Not freed: what registers for the end of a turn stays for the life of the loop. */
    struct os *os = os_uv_new();
    if (os == NULL) {
        fputs("synod-bench: out of memory or descriptors\n", stderr);
        return 1;
    }
    if (options.is_leader_only) {
        if (load_find_leader(os, &options) != 0) {
            return 1;
        }
        if (options.mode == BENCH_LEADER) {
            puts(options.endpoints[0]);
            return 0;
        }
        os = os_uv_new(); /* The search's client is gone: its loop must not turn again. */
        if (os == NULL) {
            fputs("synod-bench: out of memory or descriptors\n", stderr);
            return 1;
        }
    }
    const int error = options.mode == BENCH_GAP ? load_run_gap(os, &options, &result)
                                                : load_run(os, &options, &result);
    if (error != 0) {
        return 1;
    }
    result_print(&result, &options);
    return result.failures == 0 || options.mode == BENCH_GAP ? 0 : 1;
}
