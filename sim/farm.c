/* farm.c -- many seeds, on all the cores of the machine.
 *
 * A seed is a world of its own, so each process takes every jobs-th seed and writes what came of
 * it into one pipe. A result is smaller than PIPE_BUF, so no two of them mix. */
#include "sim/farm.h"

#include <limits.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct parcel {
    uint64_t seed;
    struct run_result result;
};

_Static_assert(sizeof(struct parcel) <= PIPE_BUF, "a parcel is written whole or not at all");

static uint64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static void work(const struct farm_options *options, uint32_t job, int to)
{
    const uint64_t end = options->seconds == 0 ? UINT64_MAX : now_s() + options->seconds;
    struct run_options run = options->run;
    struct parcel parcel;
    for (uint64_t i = job; i < options->seeds && now_s() < end; i += options->jobs) {
        run.seed = options->run.seed + i;
        parcel.seed = run.seed;
        run_seed(&run, &parcel.result);
        if (write(to, &parcel, sizeof parcel) != (ssize_t)sizeof parcel) {
            _exit(1);
        }
    }
    _exit(0);
}

static int collect(int from, farm_callback callback, void *context)
{
    struct parcel parcel;
    size_t have = 0;
    for (;;) {
        const ssize_t got = read(from, (char *)&parcel + have, sizeof parcel - have);
        if (got <= 0) {
            return have == 0 ? (int)got : -1;
        }
        have += (size_t)got;
        if (have == sizeof parcel) {
            callback(context, parcel.seed, &parcel.result);
            have = 0;
        }
    }
}

int farm_run(const struct farm_options *options, farm_callback callback, void *context)
{
    int ends[2];
    uint32_t begun = 0;
    if (pipe(ends) != 0) {
        return -1;
    }
    for (uint32_t job = 0; job < options->jobs; job++) {
        const pid_t child = fork();
        if (child == 0) {
            (void)close(ends[0]);
            work(options, job, ends[1]);
        }
        begun += child > 0;
    }
    (void)close(ends[1]);
    int outcome = collect(ends[0], callback, context);
    (void)close(ends[0]);
    for (uint32_t job = 0; job < begun; job++) {
        int status;
        if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            outcome = -1;
        }
    }
    return begun == options->jobs ? outcome : -1;
}
