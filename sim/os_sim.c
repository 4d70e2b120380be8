/* os_sim.c -- os.h for one node of a simulation.
 *
 * A job on a worker runs at once, as far as the program can see, and returns later; until then
 * the disk treats its calls as not certain to have happened.
 *
 * A process can die between any two of its calls to the os. Its stack is then still there, and
 * runs on until it is back in the world's loop; but from that call on nothing that it does
 * happens, so nobody but itself can tell. */
#include "sim/os_sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/os_sim_internal.h"

struct job {
    struct list link; /* In os_sim.jobs, or, once it was told, in os_sim.told. */
    struct os_sim *sim;
    struct os_work *work; /* NULL: it was told when the process died. */
    uint64_t disk_job;    /* 0: it has not run, ... */
    int has_event;        /* ... and will not, unless this will come. */
};

struct os_listener {
    struct os_sim *sim;
};

/* -- Death ---------------------------------------------------------------------------------- */

static void die(struct os_sim *sim)
{
    sim->is_dead = 1;
    sim->dies_at = 0;
    sim->hook_count = 0;
    sim->is_turn_due = 0;
    sim->paused_until_us = 0;
    os_sim_timers_stop(sim);
    if (sim->has_power_cut) {
        disk_power_cycle(sim->disk);
    } else {
        disk_process_died(sim->disk);
    }
    net_node_died(sim->net, sim->node);
}

int os_sim_is_gone(struct os_sim *sim)
{
    sim->calls++;
    if (!sim->is_dead && sim->dies_at != 0 && sim->calls >= sim->dies_at) {
        die(sim);
        sim->on_death(sim->on_death_context);
    }
    return sim->is_dead;
}

void os_sim_die_at(struct os_sim *sim, uint64_t calls, os_callback callback, void *context)
{
    assert(calls > 0 && !sim->is_dead);
    sim->dies_at = sim->calls + calls;
    sim->on_death = callback;
    sim->on_death_context = context;
}

void os_sim_live_on(struct os_sim *sim)
{
    sim->dies_at = 0;
}

void os_sim_set_power(struct os_sim *sim, int fails_with_process)
{
    sim->has_power_cut = fails_with_process;
}

int os_sim_is_dead(const struct os_sim *sim)
{
    return sim->is_dead;
}

/* -- Turns -------------------------------------------------------------------------------- */

int os_sim_defer(struct os_sim *sim, world_handler handler, void *object, uint64_t argument)
{
    if (!os_sim_is_paused(sim)) {
        return 0;
    }
    world_defer(sim->world, sim->paused_until_us, handler, object, argument);
    return 1;
}

static void end_turn(void *object, uint64_t life)
{
    struct os_sim *sim = object;
    if (sim->life != life || sim->is_dead || os_sim_defer(sim, end_turn, object, life)) {
        return;
    }
    sim->is_turn_due = 0;
    for (uint32_t i = 0; i < sim->hook_count && !sim->is_dead; i++) {
        sim->hooks[i].callback(sim->hooks[i].context);
    }
}

void os_sim_touch(struct os_sim *sim)
{
    if (!sim->is_turn_due && !sim->is_dead) {
        sim->is_turn_due = 1;
        world_after(sim->world, world_below(sim->world, sim->options.turn_us_max + 1), end_turn,
                    sim, sim->life);
    }
}

static int turn_end(struct os *os, os_callback callback, void *context)
{
    struct os_sim *sim = os_sim_of(os);
    assert(sim->hook_count < OS_SIM_HOOKS_MAX);
    sim->hooks[sim->hook_count].callback = callback;
    sim->hooks[sim->hook_count++].context = context;
    os_sim_touch(sim);
    return 0;
}

void os_sim_pause(struct os_sim *sim, uint64_t duration_us)
{
    sim->paused_until_us = sim->world->now_us + duration_us;
    net_pause(sim->net, sim->node, sim->paused_until_us);
}

int os_sim_is_paused(const struct os_sim *sim)
{
    return sim->world->now_us < sim->paused_until_us;
}

static void random_bytes(struct os *os, void *out, size_t size)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)world_below(os_sim_of(os)->world, 256);
    }
}

/* -- Workers ------------------------------------------------------------------------------ */

/* All that a worker does happens at one moment. Returns 0 if that was the end of the process. */
static int run_job(struct job *job)
{
    struct os_sim *sim = job->sim;
    job->disk_job = disk_job_begin(sim->disk);
    job->work->run(job->work);
    if (sim->is_dead) {
        return 0;
    }
    disk_job_end(sim->disk);
    return 1;
}

static void job_returns(void *object, uint64_t argument)
{
    struct job *job = object;
    struct os_sim *sim = job->sim;
    struct os_work *item = job->work;
    if (item != NULL && (sim->is_dead || os_sim_defer(sim, job_returns, object, argument))) {
        return; /* os_sim_drain() tells it, or it is told later. */
    }
    if (item != NULL && job->disk_job == 0 && !run_job(job)) {
        return;
    }
    if (item != NULL) {
        disk_job_returned(sim->disk, job->disk_job);
    }
    list_remove(&job->link);
    free(job);
    if (item != NULL) {
        item->done(item);
        os_sim_touch(sim);
    }
}

static uint64_t job_time(struct os_sim *sim)
{
    const struct os_sim_options *options = &sim->options;
    if (world_chance(sim->world, options->stall_ppm, 1000000)) {
        return options->stall_us;
    }
    return options->flush_us_min +
           world_below(sim->world, options->flush_us_max - options->flush_us_min + 1);
}

static void work(struct os *os, struct os_work *os_work_item)
{
    struct os_sim *sim = os_sim_of(os);
    struct job *job = world_allocate(sizeof *job);
    job->work = os_work_item;
    job->sim = sim;
    list_append(&sim->jobs, &job->link);
    if (os_sim_is_gone(sim)) {
        return; /* os_sim_drain() */
    }
    const uint32_t late = sim->options.late_percent;
    const int is_late = late > 0 && world_chance(sim->world, late, 100);
    if (is_late || run_job(job)) {
        job->has_event = 1;
        world_after(sim->world, job_time(sim), job_returns, job, 0);
    }
}

/* A job of which an event is on its way stays until that comes; it may never have been made, and
 * then the job stays until the end. */
void os_sim_drain(struct os_sim *sim)
{
    assert(sim->is_dead);
    while (!list_is_empty(&sim->jobs)) {
        struct job *job = LIST_ITEM(sim->jobs.next, struct job, link);
        struct os_work *item = job->work;
        list_remove(&job->link);
        if (job->disk_job == 0) {
            item->run(item); /* In the name of the dead: every call in it fails. */
        }
        if (job->has_event || job->disk_job != 0) {
            job->work = NULL;
            list_append(&sim->told, &job->link);
        } else {
            free(job);
        }
        item->done(item);
    }
}

/* -- Streams ------------------------------------------------------------------------------ */

static int listen_on(struct os *os, const char *address, os_accept_callback accept, void *context,
                     struct os_listener **listener)
{
    (void)address;
    struct os_sim *sim = os_sim_of(os);
    if (os_sim_is_gone(sim)) {
        return -EIO;
    }
    const int error = net_listen(sim->net, sim->node, accept, context);
    if (error == 0) {
        *listener = world_allocate(sizeof **listener);
        (*listener)->sim = sim;
    }
    return error;
}

static int listener_port(const struct os_listener *listener)
{
    return (int)listener->sim->node;
}

static void listener_close(struct os_listener *listener)
{
    if (!listener->sim->is_dead) {
        net_unlisten(listener->sim->net, listener->sim->node);
    }
    free(listener);
}

static int connect_to(struct os *os, const char *address, const struct os_stream_events *events,
                      void *context, struct os_stream **stream)
{
    struct os_sim *sim = os_sim_of(os);
    if (os_sim_is_gone(sim)) {
        return -EIO;
    }
    *stream = net_connect(sim->net, sim->node, address, events, context);
    return 0;
}

/* -- Life --------------------------------------------------------------------------------- */

static const struct os_functions FUNCTIONS = {
    .now_us = os_sim_now_us,
    .wall_ms = os_sim_wall_ms,
    .random = random_bytes,
    .timer_new = os_sim_timer_new,
    .timer_start = os_sim_timer_start,
    .timer_stop = os_sim_timer_stop,
    .timer_free = os_sim_timer_free,
    .turn_end = turn_end,
    .work = work,
    .file_open = os_sim_file_open,
    .file_close = os_sim_file_close,
    .file_size = os_sim_file_size,
    .file_is_direct = os_sim_file_is_direct,
    .file_read = os_sim_file_read,
    .file_write = os_sim_file_write,
    .file_sync = os_sim_file_sync,
    .file_truncate = os_sim_file_truncate,
    .dir_create = os_sim_dir_create,
    .dir_check = os_sim_dir_check,
    .dir_sync = os_sim_dir_sync,
    .dir_list = os_sim_dir_list,
    .dir_free_bytes = os_sim_dir_free_bytes,
    .rename = os_sim_rename,
    .remove = os_sim_remove,
    .listen = listen_on,
    .listener_port = listener_port,
    .listener_close = listener_close,
    .connect = connect_to,
};

/* A machine may have been up for as long as makes a number of 32 bits wrap within the minute. */
static uint64_t draw_time(struct world *world)
{
    static const uint64_t WRAPS_US[] = {
        UINT64_C(1) << 32,          /* Of microseconds, ... */
        (UINT64_C(1) << 31) * 1000, /* ... and of milliseconds, with a sign or without. */
        (UINT64_C(1) << 32) * 1000,
    };
    const uint64_t young = world_below(world, 1000000000);
    const uint64_t before = world_below(world, 30000000);
    const uint64_t which = world_below(world, 3);
    return world_chance(world, 1, 2) ? WRAPS_US[which] - before : young;
}

struct os_sim *os_sim_new(struct world *world, struct net *net, uint32_t node,
                          const struct os_sim_options *options)
{
    struct os_sim *sim = world_allocate(sizeof *sim);
    sim->os.functions = &FUNCTIONS;
    sim->world = world;
    sim->net = net;
    sim->node = node;
    sim->options = *options;
    sim->disk = disk_new(world);
    sim->has_power_cut = 1;
    sim->clock.rate_ppm = 1000000;
    sim->clock.local_us = draw_time(world);
    list_init(&sim->timers);
    list_init(&sim->jobs);
    list_init(&sim->told);
    return sim;
}

void os_sim_set_options(struct os_sim *sim, const struct os_sim_options *options)
{
    sim->options = *options;
}

void os_sim_set_trouble(struct os_sim *sim, const struct os_sim_trouble *trouble)
{
    sim->trouble = *trouble;
}

static void free_jobs(struct list *jobs)
{
    while (!list_is_empty(jobs)) {
        struct job *job = LIST_ITEM(jobs->next, struct job, link);
        list_remove(&job->link);
        free(job);
    }
}

void os_sim_free(struct os_sim *sim)
{
    os_sim_timers_free(sim);
    free_jobs(&sim->jobs);
    free_jobs(&sim->told);
    disk_free(sim->disk);
    free(sim);
}

struct os *os_sim_os(struct os_sim *sim)
{
    return &sim->os;
}

struct disk *os_sim_disk(struct os_sim *sim)
{
    return sim->disk;
}

void os_sim_kill(struct os_sim *sim)
{
    if (!sim->is_dead) {
        die(sim);
    }
    os_sim_drain(sim);
}

void os_sim_revive(struct os_sim *sim)
{
    assert(sim->is_dead && list_is_empty(&sim->jobs));
    os_sim_timers_stop(sim);
    net_pause(sim->net, sim->node, 0);
    sim->life++;
    sim->is_dead = 0;
    sim->is_locked = 0;
}
