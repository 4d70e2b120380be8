/* os_memory_job.c -- jobs for the worker threads of os_memory: one after the other, or in turns.
 *
 * Real jobs run side by side. Where os_memory_interleave() asked for it, each has a stack of its
 * own here and stops before every operation on the disk; os_memory_step() then lets one of them
 * go on. So their operations mix, and the mixture follows from the seed. */
#include <stdlib.h>
#include <ucontext.h>

#include "base/assert.h"
#include "os_memory_internal.h"

enum {
    STACK_BYTES = 256 << 10
};

struct memory_job {
    struct os_work *work;
    ucontext_t loop; /* Where to go back to. */
    ucontext_t here; /* Where it stopped. */
    int is_over;
    void *stack;
};

static struct memory_job *starting; /* makecontext() passes no pointers. */

void memory_job_submit(struct os *os, struct os_work *work)
{
    struct machine *machine = machine_of(os);
    assert(machine->submitted_count < JOBS_MAX);
    machine->submitted[machine->submitted_count++] = work;
}

static struct os_work *take_work(struct os_work **list, size_t *count, size_t index)
{
    struct os_work *work = list[index];
    list[index] = list[--*count];
    return work;
}

static void finish(struct machine *machine, struct os_work *work)
{
    assert(machine->finished_count < JOBS_MAX);
    machine->finished[machine->finished_count++] = work;
}

/* -- In turns ------------------------------------------------------------------------------ */

static void run_job(void)
{
    struct memory_job *job = starting;
    job->work->run(job->work);
    job->is_over = 1;
    swapcontext(&job->here, &job->loop);
    assert_unreachable("a job that is over has no more turns");
}

static void resume(struct machine *machine, struct memory_job *job)
{
    machine->running = job;
    swapcontext(&job->loop, &job->here);
    machine->running = NULL;
    if (!job->is_over) {
        assert(machine->begun_count < JOBS_MAX);
        machine->begun[machine->begun_count++] = job;
        return;
    }
    finish(machine, job->work);
    free(job->stack);
    free(job);
}

static void begin(struct machine *machine, struct os_work *work)
{
    struct memory_job *job = memory_grow(NULL, sizeof *job);
    *job = (struct memory_job){.work = work, .stack = memory_grow(NULL, STACK_BYTES)};
    getcontext(&job->here);
    job->here.uc_stack.ss_sp = job->stack;
    job->here.uc_stack.ss_size = STACK_BYTES;
    makecontext(&job->here, run_job, 0);
    starting = job;
    resume(machine, job);
}

void memory_job_yield(struct machine *machine)
{
    struct memory_job *job = machine->running;
    if (job != NULL) {
        swapcontext(&job->here, &job->loop);
    }
}

void os_memory_interleave(struct os *os)
{
    machine_of(os)->is_interleaved = 1;
}

/* -- A step -------------------------------------------------------------------------------- */

static void run_whole(struct machine *machine, struct os_work *work)
{
    work->run(work);
    finish(machine, work);
}

int os_memory_step(struct os *os)
{
    struct machine *machine = machine_of(os);
    const size_t all = machine->submitted_count + machine->begun_count + machine->finished_count;
    if (all == 0) {
        return 0;
    }
    size_t index = prng_below(&machine->prng, all);
    if (index < machine->submitted_count) {
        struct os_work *work = take_work(machine->submitted, &machine->submitted_count, index);
        (machine->is_interleaved ? begin : run_whole)(machine, work);
        return 1;
    }
    index -= machine->submitted_count;
    if (index < machine->begun_count) {
        struct memory_job *job = machine->begun[index];
        machine->begun[index] = machine->begun[--machine->begun_count];
        resume(machine, job);
        return 1;
    }
    struct os_work *work =
        take_work(machine->finished, &machine->finished_count, index - machine->begun_count);
    work->done(work);
    return 1;
}

void os_memory_run(struct os *os)
{
    while (os_memory_step(os)) {
    }
}
