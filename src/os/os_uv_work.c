/* os_uv_work.c -- jobs on libuv's pool of threads, in memory that is there from the start.
 *
 * Starting a job cannot fail: a flush that could not be started for want of memory would be a
 * lost write. So the loop has a fixed number of places in libuv's queue, and work that finds
 * none waits in a list that runs through the jobs themselves. */
#include <stdlib.h>

#include "base/assert.h"
#include "os/os_uv_internal.h"

/* A flush of the log must not wait behind the writing of a snapshot, the filling of a segment and
 * the reading of old entries, nor behind look-ups of names, of which libuv lets as many run as half
 * of the threads, and none of which can be called back: so never fewer than 8. The variable is read
 * when the pool is first used, and only makes it larger here. */
enum {
    THREAD_COUNT_MIN = 8
};

void os_uv_work_init(struct os_uv *uv)
{
    const char *wanted = getenv("UV_THREADPOOL_SIZE");
    if (wanted == NULL || strtoul(wanted, NULL, 10) < THREAD_COUNT_MIN) {
        setenv("UV_THREADPOOL_SIZE", "8", 1);
    }
    for (size_t i = 0; i < OS_UV_JOB_COUNT; i++) {
        uv->jobs[i].request.data = &uv->jobs[i];
        uv->jobs[i].next = uv->jobs_free;
        uv->jobs_free = &uv->jobs[i];
    }
}

static void run(uv_work_t *request)
{
    struct os_uv_job *job = request->data;
    job->work->run(job->work);
}

static void on_done(uv_work_t *request, int status);

static void submit(struct os_uv *uv, struct os_uv_job *job, struct os_work *work)
{
    job->work = work;
    const int result = uv_queue_work(&uv->loop, &job->request, run, on_done);
    assert(result == 0);
}

/* The place is passed on before the owner is told, who may well have the next job. */
static void on_done(uv_work_t *request, int status)
{
    assert(status == 0); /* Nobody cancels. */
    struct os_uv_job *job = request->data;
    struct os_uv *uv = LIST_ITEM(request->loop, struct os_uv, loop);
    struct os_work *finished = job->work;
    struct os_work *next = uv->waiting_first;
    if (next != NULL) {
        uv->waiting_first = next->next;
        submit(uv, job, next);
    } else {
        job->work = NULL;
        job->next = uv->jobs_free;
        uv->jobs_free = job;
    }
    finished->done(finished);
}

void os_uv_work(struct os *os, struct os_work *work)
{
    struct os_uv *uv = os_uv_of(os);
    assert(work->run != NULL && work->done != NULL);
    work->next = NULL;
    if (uv->jobs_free != NULL) {
        struct os_uv_job *job = uv->jobs_free;
        uv->jobs_free = job->next;
        submit(uv, job, work);
    } else if (uv->waiting_first == NULL) {
        uv->waiting_first = work;
        uv->waiting_last = work;
    } else {
        uv->waiting_last->next = work;
        uv->waiting_last = work;
    }
}
