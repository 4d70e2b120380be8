/* farm.c -- many seeds, on all the cores of the machine.
 *
 * A seed is a world of its own, so each job takes every jobs-th seed and writes what came of it
 * into one pipe. A result is smaller than PIPE_BUF, so no two of them mix.
 *
 * A seed may end the process that runs it: a job is two processes. One of them runs the seeds, and
 * notes in memory that both share which of them it is at; the other waits for it. If it dies in a
 * seed, that has failed, and another process goes on behind it. */
#include "sim/farm.h"

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct parcel {
    uint64_t seed;
    struct run_result result;
};

_Static_assert(sizeof(struct parcel) <= PIPE_BUF, "a parcel is written whole or not at all");

/* Where a job is: what is left of a process that has died. */
struct place {
    _Atomic uint64_t next; /* The seed that runs, or will; counted from the first. */
    _Atomic int is_running;
};

struct job {
    const struct farm_options *options;
    struct place *place;
    uint64_t end_s;
    int to;
};

static uint64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

/* -- A job ---------------------------------------------------------------------------------- */

static void deliver(const struct job *job, const struct parcel *parcel)
{
    if (write(job->to, parcel, sizeof *parcel) != (ssize_t)sizeof *parcel) {
        _exit(1);
    }
}

static void silence(void)
{
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere >= 0) {
        (void)dup2(nowhere, STDERR_FILENO);
    }
}

_Noreturn static void run_the_rest(const struct job *job)
{
    const struct farm_options *options = job->options;
    struct place *place = job->place;
    struct run_options run = options->run;
    struct parcel parcel;
    if (options->is_quiet) {
        silence();
    }
    while (place->next < options->seeds && now_s() < job->end_s) {
        run.seed = options->run.seed + place->next;
        parcel.seed = run.seed;
        place->is_running = 1;
        (void)alarm(options->seconds_each);
        run_seed(&run, &parcel.result);
        place->is_running = 0;
        place->next += options->jobs;
        deliver(job, &parcel);
    }
    _exit(0);
}

static void describe_death(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status)) {
        snprintf(text, size, "crash: signal %d (%s) ended its process", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    } else {
        snprintf(text, size, "crash: it ended its process, with status %d", WEXITSTATUS(status));
    }
}

/* Returns 0 if it was no seed that has ended the process. */
static int report_death(const struct job *job, int status)
{
    struct place *place = job->place;
    struct parcel parcel = {.seed = job->options->run.seed + place->next};
    if (!place->is_running) {
        return 0;
    }
    describe_death(status, parcel.result.failure, sizeof parcel.result.failure);
    place->is_running = 0;
    place->next += job->options->jobs;
    deliver(job, &parcel);
    return 1;
}

_Noreturn static void work(const struct job *job)
{
    int status;
    do {
        const pid_t child = fork();
        if (child == 0) {
            run_the_rest(job);
        }
        if (child < 0 || waitpid(child, &status, 0) != child) {
            _exit(1);
        }
    } while (report_death(job, status));
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* -- All of them ---------------------------------------------------------------------------- */

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

/* Returns how many of the jobs could be begun. */
static uint32_t begin(const struct farm_options *options, struct place *places, const int *ends)
{
    const uint64_t end_s = options->seconds == 0 ? UINT64_MAX : now_s() + options->seconds;
    uint32_t begun = 0;
    fflush(NULL); /* Or a seed that calls exit() prints it again. */
    for (uint32_t i = 0; i < options->jobs; i++) {
        const struct job job = {options, &places[i], end_s, ends[1]};
        places[i].next = i;
        const pid_t child = fork();
        if (child == 0) {
            (void)close(ends[0]);
            work(&job);
        }
        begun += child > 0;
    }
    return begun;
}

int farm_run(const struct farm_options *options, farm_callback callback, void *context)
{
    const size_t size = options->jobs * sizeof(struct place);
    int ends[2];
    struct place *places =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (places == MAP_FAILED) {
        return -1;
    }
    if (pipe(ends) != 0) {
        (void)munmap(places, size);
        return -1;
    }
    const uint32_t begun = begin(options, places, ends);
    (void)close(ends[1]);
    int outcome = collect(ends[0], callback, context);
    (void)close(ends[0]);
    for (uint32_t job = 0; job < begun; job++) {
        int status;
        if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            outcome = -1;
        }
    }
    (void)munmap(places, size);
    return begun == options->jobs ? outcome : -1;
}
