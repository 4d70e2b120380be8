/* os_sim_internal.h -- one node of a simulation: its clock, its workers, its end. */
#ifndef SIM_OS_SIM_INTERNAL_H
#define SIM_OS_SIM_INTERNAL_H

#include "base/list.h"
#include "sim/os_sim.h"

enum {
    OS_SIM_HOOKS_MAX = 8
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
    int has_power_cut; /* When the process dies, so does the machine. */
    int is_locked;
    int is_turn_due;
    uint64_t paused_until_us;
    struct {
        uint64_t world_us; /* At this moment of the world ... */
        uint64_t local_us; /* ... the node's clock showed this, ... */
        uint32_t rate_ppm; /* ... and since then it runs at this rate. */
    } clock;
    uint64_t calls;   /* To the os, which the node's process has made. */
    uint64_t dies_at; /* The process dies at this call; 0: it does not. */
    struct os_sim_trouble trouble;
    os_callback on_death;
    void *on_death_context;
    struct list timers;
    struct list jobs; /* Run, not yet returned. */
    struct list told; /* Told to a dead process; an event still names them. */
    struct {
        os_callback callback;
        void *context;
    } hooks[OS_SIM_HOOKS_MAX];
    uint32_t hook_count;
};

/* The clock and the timers, for the table. */
uint64_t os_sim_now_us(struct os *os);
uint64_t os_sim_wall_ms(struct os *os);
struct os_timer *os_sim_timer_new(struct os *os, os_callback callback, void *context);
void os_sim_timer_start(struct os_timer *timer, uint64_t delay_us);
void os_sim_timer_stop(struct os_timer *timer);
void os_sim_timer_free(struct os_timer *timer);

/* No timer of the dead process rings; free them all. */
void os_sim_timers_stop(struct os_sim *sim);
void os_sim_timers_free(struct os_sim *sim);

static inline struct os_sim *os_sim_of(struct os *os)
{
    return (struct os_sim *)os;
}

/* Count a call to the os. Returns 1 if the process is dead, perhaps since this very call: then
 * the call must not happen. */
int os_sim_is_gone(struct os_sim *sim);

/* Files and directories, for the table. */
int os_sim_file_open(struct os *os, const char *path, unsigned flags, struct os_file **file);
void os_sim_file_close(struct os_file *file);
int64_t os_sim_file_size(struct os_file *file);
int os_sim_file_is_direct(const struct os_file *file);
int64_t os_sim_file_read(struct os_file *file, uint64_t offset, void *to, size_t size);
int os_sim_file_write(struct os_file *file, uint64_t offset, const void *from, size_t size);
int os_sim_file_sync(struct os_file *file);
int os_sim_file_truncate(struct os_file *file, uint64_t size);
int os_sim_dir_create(struct os *os, const char *path);
int os_sim_dir_check(struct os *os, const char *path);
int os_sim_dir_sync(struct os *os, const char *path);
int os_sim_dir_list(struct os *os, const char *path, void (*visit)(void *context, const char *name),
                    void *context);
int64_t os_sim_dir_free_bytes(struct os *os, const char *path);
int os_sim_rename(struct os *os, const char *from, const char *to);
int os_sim_remove(struct os *os, const char *path);

/* The handler must wait until the process goes on: it is called again then. */
int os_sim_defer(struct os_sim *sim, world_handler handler, void *object, uint64_t argument);

#endif /* SIM_OS_SIM_INTERNAL_H */
