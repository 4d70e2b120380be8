/* os_sim.c -- os.h for one node of a simulation.
 *
 * A job on a worker runs at once, as far as the program can see, and returns later; until then
 * the disk treats its calls as not certain to have happened. */
#include "sim/os_sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/list.h"

enum {
    HOOKS_MAX = 8
};

struct os_timer {
    struct list link; /* In os_sim.timers. */
    struct os_sim *sim;
    os_callback callback;
    void *context;
    uint64_t due_us;     /* When it fires, while it runs. */
    uint64_t pending_us; /* The earliest event on its way for it; 0: none. */
    uint32_t events;     /* On their way. */
    int is_running;
    int is_dead; /* Freed by its owner: kept until no event names it. */
};

struct os_file {
    struct os_sim *sim;
    struct disk_file *file;
    int has_lock;
    uint64_t life;
};

struct job {
    struct list link; /* In os_sim.jobs, or, once it was told, in os_sim.told. */
    struct os_sim *sim;
    struct os_work *work; /* NULL: it was told when the process died. */
    uint64_t disk_job;    /* 0: it was asked for by a dead process, and never ran. */
};

struct os_listener {
    struct os_sim *sim;
};

struct os_sim {
    struct os os; /* First: an os * is an os_sim *. */
    struct world *world;
    struct net *net;
    struct disk *disk;
    struct os_sim_options options;
    uint32_t node;
    uint64_t life;
    int is_dead;
    int is_locked;
    int is_turn_due;
    uint64_t now_us; /* As of the beginning of this turn. */
    struct list timers;
    struct list jobs; /* Run, not yet returned. */
    struct list told; /* Told to a dead process; an event still names them. */
    struct {
        os_callback callback;
        void *context;
    } hooks[HOOKS_MAX];
    uint32_t hook_count;
};

static struct os_sim *sim_of(struct os *os)
{
    return (struct os_sim *)os;
}

/* -- Turns -------------------------------------------------------------------------------- */

static void end_turn(void *object, uint64_t life)
{
    struct os_sim *sim = object;
    if (sim->life != life || sim->is_dead) {
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
    struct os_sim *sim = sim_of(os);
    assert(sim->hook_count < HOOKS_MAX);
    sim->hooks[sim->hook_count].callback = callback;
    sim->hooks[sim->hook_count++].context = context;
    os_sim_touch(sim);
    return 0;
}

/* -- Time and chance ---------------------------------------------------------------------- */

static uint64_t now_us(struct os *os)
{
    return sim_of(os)->world->now_us;
}

static uint64_t wall_ms(struct os *os)
{
    return sim_of(os)->world->now_us / 1000;
}

static void random_bytes(struct os *os, void *out, size_t size)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)world_below(sim_of(os)->world, 256);
    }
}

static struct os_timer *timer_new(struct os *os, os_callback callback, void *context)
{
    struct os_timer *timer = world_allocate(sizeof *timer);
    timer->sim = sim_of(os);
    timer->callback = callback;
    timer->context = context;
    list_append(&timer->sim->timers, &timer->link);
    return timer;
}

static void forget_timer(struct os_timer *timer)
{
    list_remove(&timer->link);
    free(timer);
}

static void timer_fires(void *object, uint64_t at_us);

/* A timer is moved far more often than it fires. So moving it later only notes that; the event
 * that is on its way finds out, and makes the next. */
static void await(struct os_timer *timer)
{
    struct world *world = timer->sim->world;
    if (timer->pending_us == 0 || timer->pending_us > timer->due_us) {
        timer->pending_us = timer->due_us;
        timer->events++;
        world_after(world, timer->due_us - world->now_us, timer_fires, timer, timer->due_us);
    }
}

static void timer_fires(void *object, uint64_t at_us)
{
    struct os_timer *timer = object;
    struct world *world = timer->sim->world;
    timer->events--;
    if (at_us == timer->pending_us) {
        timer->pending_us = 0;
    }
    if (timer->is_dead && timer->events == 0) {
        forget_timer(timer);
    } else if (timer->is_running && timer->due_us > world->now_us) {
        await(timer);
    } else if (timer->is_running) {
        timer->is_running = 0;
        os_sim_touch(timer->sim);
        timer->callback(timer->context);
    }
}

static void timer_start(struct os_timer *timer, uint64_t delay_us)
{
    timer->is_running = 1;
    timer->due_us = timer->sim->world->now_us + (delay_us == 0 ? 1 : delay_us);
    await(timer);
}

static void timer_stop(struct os_timer *timer)
{
    timer->is_running = 0;
}

static void timer_free(struct os_timer *timer)
{
    timer->is_running = 0;
    timer->is_dead = 1;
    if (timer->events == 0) {
        forget_timer(timer);
    }
}

/* -- Workers ------------------------------------------------------------------------------ */

static void job_returns(void *object, uint64_t argument)
{
    struct job *job = object;
    struct os_sim *sim = job->sim;
    struct os_work *item = job->work;
    (void)argument;
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
    struct os_sim *sim = sim_of(os);
    struct job *job = world_allocate(sizeof *job);
    job->work = os_work_item;
    job->sim = sim;
    list_append(&sim->jobs, &job->link);
    if (sim->is_dead) {
        return; /* os_sim_drain() */
    }
    job->disk_job = disk_job_begin(sim->disk);
    os_work_item->run(os_work_item);
    disk_job_end(sim->disk);
    world_after(sim->world, job_time(sim), job_returns, job, 0);
}

void os_sim_drain(struct os_sim *sim)
{
    assert(sim->is_dead);
    while (!list_is_empty(&sim->jobs)) {
        struct job *job = LIST_ITEM(sim->jobs.next, struct job, link);
        struct os_work *item = job->work;
        list_remove(&job->link);
        if (job->disk_job == 0) {
            item->run(item); /* Asked for by the dead: every call in it fails. */
            free(job);
        } else {
            job->work = NULL;
            list_append(&sim->told, &job->link);
        }
        item->done(item);
    }
}

/* -- Files -------------------------------------------------------------------------------- */

static int file_open(struct os *os, const char *path, unsigned flags, struct os_file **file)
{
    struct os_sim *sim = sim_of(os);
    struct disk_file *found;
    if (sim->is_dead) {
        return -EIO;
    }
    const int error = disk_open(sim->disk, path, (flags & OS_FILE_CREATE) != 0,
                                (flags & OS_FILE_EXCLUSIVE) != 0, &found);
    if (error != 0) {
        return error;
    }
    if ((flags & OS_FILE_LOCK) != 0) {
        if (sim->is_locked) {
            return -EWOULDBLOCK;
        }
        sim->is_locked = 1;
    }
    *file = world_allocate(sizeof **file);
    **file = (struct os_file){
        .sim = sim, .file = found, .has_lock = (flags & OS_FILE_LOCK) != 0, .life = sim->life};
    return 0;
}

static void file_close(struct os_file *file)
{
    if (file->has_lock && file->life == file->sim->life) {
        file->sim->is_locked = 0;
    }
    free(file);
}

static int64_t file_size(struct os_file *file)
{
    return file->sim->is_dead ? -EIO : (int64_t)disk_size(file->file);
}

static int64_t file_read(struct os_file *file, uint64_t offset, void *to, size_t size)
{
    return file->sim->is_dead ? -EIO : (int64_t)disk_read(file->file, offset, to, size);
}

static int file_write(struct os_file *file, uint64_t offset, const void *from, size_t size)
{
    if (file->sim->is_dead) {
        return -EIO;
    }
    disk_write(file->file, offset, from, size);
    return 0;
}

static int file_sync(struct os_file *file)
{
    if (file->sim->is_dead) {
        return -EIO;
    }
    disk_sync(file->file);
    return 0;
}

static int file_truncate(struct os_file *file, uint64_t size)
{
    if (file->sim->is_dead) {
        return -EIO;
    }
    disk_truncate(file->file, size);
    return 0;
}

static int dir_create(struct os *os, const char *path)
{
    return sim_of(os)->is_dead ? -EIO : disk_directory(sim_of(os)->disk, path);
}

static int dir_check(struct os *os, const char *path)
{
    return sim_of(os)->is_dead ? -EIO : disk_has_directory(sim_of(os)->disk, path);
}

static int dir_sync(struct os *os, const char *path)
{
    (void)path;
    return sim_of(os)->is_dead ? -EIO : disk_sync_names(sim_of(os)->disk);
}

static int dir_list(struct os *os, const char *path, void (*visit)(void *context, const char *name),
                    void *context)
{
    if (sim_of(os)->is_dead) {
        return -EIO;
    }
    disk_list(sim_of(os)->disk, path, visit, context);
    return 0;
}

static int64_t dir_free_bytes(struct os *os, const char *path)
{
    (void)os;
    (void)path;
    return INT64_MAX;
}

static int rename_file(struct os *os, const char *from, const char *to)
{
    return sim_of(os)->is_dead ? -EIO : disk_rename(sim_of(os)->disk, from, to);
}

static int remove_file(struct os *os, const char *path)
{
    return sim_of(os)->is_dead ? -EIO : disk_remove(sim_of(os)->disk, path);
}

/* -- Streams ------------------------------------------------------------------------------ */

static int listen_on(struct os *os, const char *address, os_accept_callback accept, void *context,
                     struct os_listener **listener)
{
    (void)address;
    struct os_sim *sim = sim_of(os);
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
    struct os_sim *sim = sim_of(os);
    *stream = net_connect(sim->net, sim->node, address, events, context);
    return 0;
}

static const struct os_functions FUNCTIONS = {
    .now_us = now_us,
    .wall_ms = wall_ms,
    .random = random_bytes,
    .timer_new = timer_new,
    .timer_start = timer_start,
    .timer_stop = timer_stop,
    .timer_free = timer_free,
    .turn_end = turn_end,
    .work = work,
    .file_open = file_open,
    .file_close = file_close,
    .file_size = file_size,
    .file_read = file_read,
    .file_write = file_write,
    .file_sync = file_sync,
    .file_truncate = file_truncate,
    .dir_create = dir_create,
    .dir_check = dir_check,
    .dir_sync = dir_sync,
    .dir_list = dir_list,
    .dir_free_bytes = dir_free_bytes,
    .rename = rename_file,
    .remove = remove_file,
    .listen = listen_on,
    .listener_port = listener_port,
    .listener_close = listener_close,
    .connect = connect_to,
};

/* -- Life --------------------------------------------------------------------------------- */

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
    list_init(&sim->timers);
    list_init(&sim->jobs);
    list_init(&sim->told);
    return sim;
}

void os_sim_set_options(struct os_sim *sim, const struct os_sim_options *options)
{
    sim->options = *options;
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
    while (!list_is_empty(&sim->timers)) {
        forget_timer(LIST_ITEM(sim->timers.next, struct os_timer, link));
    }
    free_jobs(&sim->jobs);
    free_jobs(&sim->told);
    disk_free(sim->disk);
    free(sim);
}

struct os *os_sim_os(struct os_sim *sim)
{
    return &sim->os;
}

void os_sim_kill(struct os_sim *sim)
{
    assert(!sim->is_dead);
    sim->is_dead = 1;
    sim->hook_count = 0;
    sim->is_turn_due = 0;
    disk_power_cycle(sim->disk);
    net_node_died(sim->net, sim->node);
    os_sim_drain(sim);
}

void os_sim_revive(struct os_sim *sim)
{
    assert(sim->is_dead && list_is_empty(&sim->jobs));
    struct list *at;
    struct list *following;
    LIST_FOREACH (&sim->timers, at, following) {
        LIST_ITEM(at, struct os_timer, link)->is_running = 0;
    }
    sim->life++;
    sim->is_dead = 0;
    sim->is_locked = 0;
}
