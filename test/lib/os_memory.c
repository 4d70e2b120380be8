/* os_memory.c -- os.h in memory, for tests: a disk that forgets, a clock that stands still. */
#include "os_memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "os_memory_internal.h"

/* -- Time and chance --------------------------------------------------------------------- */

static uint64_t now_us(struct os *os)
{
    return machine_of(os)->now;
}

static uint64_t wall_ms(struct os *os)
{
    return machine_of(os)->now / 1000;
}

static void fill_random(struct os *os, void *out, size_t size)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)prng_next(&machine_of(os)->prng);
    }
}

static struct os_timer *timer_new(struct os *os, os_callback callback, void *context)
{
    struct machine *machine = machine_of(os);
    struct os_timer *timer = calloc(1, sizeof *timer); /* May fail, if a test wants it to. */
    if (timer != NULL) {
        *timer = (struct os_timer){
            .machine = machine, .next = machine->timers, .callback = callback, .context = context};
        machine->timers = timer;
    }
    return timer;
}

static void timer_start(struct os_timer *timer, uint64_t delay_us)
{
    timer->due = timer->machine->now + delay_us + 1;
}

static void timer_stop(struct os_timer *timer)
{
    timer->due = 0;
}

static void timer_free(struct os_timer *timer)
{
    struct os_timer **at = &timer->machine->timers;
    while (*at != timer) {
        at = &(*at)->next;
    }
    *at = timer->next;
    free(timer);
}

void os_memory_advance(struct os *os, uint64_t us)
{
    struct machine *machine = machine_of(os);
    machine->now += us;
    for (;;) {
        struct os_timer *timer = machine->timers;
        while (timer != NULL && (timer->due == 0 || timer->due > machine->now)) {
            timer = timer->next;
        }
        if (timer == NULL) {
            return;
        }
        timer->due = 0;
        timer->callback(timer->context); /* May free it, and start others. */
    }
}

/* -- Crashing ---------------------------------------------------------------------------- */

struct chance {
    struct prng *prng;
    uint64_t lost; /* In 100. */
    uint64_t torn;
};

static enum os_memory_fate decide_by_chance(void *context, const char *path, uint64_t offset)
{
    const struct chance *chance = context;
    const uint64_t draw = prng_below(chance->prng, 100);
    (void)path;
    (void)offset;
    if (draw < chance->lost) {
        return OS_MEMORY_LOST;
    }
    return draw < chance->lost + chance->torn ? OS_MEMORY_TORN : OS_MEMORY_KEPT;
}

void os_memory_restart(struct os *os)
{
    struct machine *machine = machine_of(os);
    assert(os_memory_open_count(os) == 0);
    machine->is_dead = 0;
    machine->die_at = 0;
    os_memory_fail_at(os, 0, 0, 0);
}

void os_memory_crash(struct os *os, os_memory_judge judge, void *context)
{
    struct machine *machine = machine_of(os);
    static const uint64_t REGIMES[][2] = {{100, 0}, {0, 0}, {30, 30}, {0, 100}, {80, 10}};
    const uint64_t *regime = REGIMES[prng_below(&machine->prng, 5)];
    struct chance chance = {&machine->prng, regime[0], regime[1]};
    os_memory_restart(os);
    if (judge == NULL) {
        judge = decide_by_chance;
        context = &chance;
    }
    memory_land(machine, judge, context);
}

/* -- The machine ------------------------------------------------------------------------- */

static struct os_functions functions = {
    .now_us = now_us,
    .wall_ms = wall_ms,
    .random = fill_random,
    .timer_new = timer_new,
    .timer_start = timer_start,
    .timer_stop = timer_stop,
    .timer_free = timer_free,
    .work = memory_job_submit,
};

struct os *os_memory_new(uint64_t seed)
{
    struct machine *machine = memory_grow(NULL, sizeof *machine);
    memory_set_disk_functions(&functions);
    *machine =
        (struct machine){.os = {.functions = &functions}, .prng = {seed}, .now = 1000 * 1000};
    memory_put_name(&machine->names, "/", DIRECTORY);
    memory_put_name(&machine->durable, "/", DIRECTORY);
    return &machine->os;
}

void os_memory_free(struct os *os)
{
    struct machine *machine = machine_of(os);
    assert(machine->files_open == 0 && machine->timers == NULL);
    while (machine->write_count > 0) {
        memory_forget_write(machine, machine->write_count - 1);
    }
    for (size_t i = 0; i < machine->content_count; i++) {
        memory_image_drop(&machine->contents[i].cache);
        memory_image_drop(&machine->contents[i].disk);
        memory_image_drop(&machine->contents[i].before);
    }
    free(machine->contents);
    free(machine->names.items);
    free(machine->durable.items);
    free(machine->writes);
    free(machine->changes);
    free(machine);
}

struct os *os_memory_copy(struct os *os, uint64_t seed)
{
    const struct machine *from = machine_of(os);
    struct os *copy = os_memory_new(seed);
    struct machine *to = machine_of(copy);
    to->now = from->now;
    to->has_no_direct = from->has_no_direct;
    memory_copy_names(&to->names, &from->names);
    memory_copy_names(&to->durable, &from->durable);
    for (size_t i = 0; i < from->content_count; i++) {
        memory_new_content(to);
        struct content *content = &to->contents[i];
        content->cache = memory_image_share(from->contents[i].cache);
        content->disk = memory_image_share(from->contents[i].disk);
    }
    to->writes = memory_grow(NULL, from->write_count * sizeof *to->writes);
    for (size_t i = 0; i < from->write_count; i++) {
        to->writes[i] = from->writes[i];
        to->writes[i].data = memory_grow(NULL, from->writes[i].size);
        memcpy(to->writes[i].data, from->writes[i].data, from->writes[i].size);
    }
    to->write_count = from->write_count;
    to->changes = memory_grow(NULL, from->change_count * sizeof *to->changes);
    if (from->change_count > 0) {
        memcpy(to->changes, from->changes, from->change_count * sizeof *to->changes);
    }
    to->change_count = from->change_count;
    return copy;
}

void os_memory_fail_at(struct os *os, unsigned mask, uint64_t n, int error)
{
    struct machine *machine = machine_of(os);
    assert(n == 0 || error < 0);
    machine->fail_mask = mask;
    machine->fail_after = n;
    machine->fail_error = error;
    machine->fails_on = 0;
    machine->has_failed = 0;
}

void os_memory_fail_from(struct os *os, unsigned mask, uint64_t n, int error)
{
    os_memory_fail_at(os, mask, n, error);
    machine_of(os)->fails_on = 1;
}

int os_memory_has_failed(const struct os *os)
{
    return machine_of(os)->has_failed;
}

void os_memory_die_at(struct os *os, uint64_t n)
{
    machine_of(os)->die_at = n;
}

void os_memory_die(struct os *os)
{
    machine_of(os)->is_dead = 1;
}

int os_memory_is_dead(const struct os *os)
{
    return machine_of(os)->is_dead;
}

uint64_t os_memory_fail_left(const struct os *os)
{
    return machine_of(os)->fail_after;
}

uint64_t os_memory_changes(const struct os *os)
{
    return machine_of(os)->operations;
}

size_t os_memory_open_count(const struct os *os)
{
    const struct machine *machine = machine_of(os);
    return machine->files_open + machine->submitted_count + machine->begun_count +
           machine->finished_count;
}

/* -- Damaging ---------------------------------------------------------------------------- */

uint8_t *os_memory_bytes(struct os *os, const char *path, size_t *size)
{
    struct content *content = memory_content_at(machine_of(os), path);
    if (content == NULL) {
        return NULL;
    }
    *size = memory_image_size(content->cache);
    return memory_image_lend(&content->cache);
}

const uint8_t *os_memory_look(const struct os *os, const char *path, size_t *size)
{
    const struct content *content = memory_content_at(machine_of(os), path);
    *size = content == NULL ? 0 : memory_image_size(content->cache);
    return content == NULL ? NULL : memory_image_bytes(content->cache);
}

void os_memory_refuse_direct(struct os *os)
{
    machine_of(os)->has_no_direct = 1;
}

void os_memory_remember(struct os *os)
{
    machine_of(os)->is_remembering = 1;
}

const uint8_t *os_memory_before(const struct os *os, const char *path, size_t *size)
{
    const struct content *content = memory_content_at(machine_of(os), path);
    *size = content == NULL ? 0 : memory_image_size(content->before);
    return content == NULL ? NULL : memory_image_bytes(content->before);
}

void os_memory_overwrite(struct os *os, const char *path, size_t offset, struct bytes bytes)
{
    struct content *content = memory_content_at(machine_of(os), path);
    assert(content != NULL && offset + bytes.size <= memory_image_size(content->disk));
    memory_image_drop(&content->cache);
    memory_image_put(&content->disk, offset, bytes.data, bytes.size);
    content->cache = memory_image_share(content->disk);
}

void os_memory_cut(struct os *os, const char *path, size_t size)
{
    struct content *content = memory_content_at(machine_of(os), path);
    assert(content != NULL && size <= memory_image_size(content->cache));
    memory_image_resize(&content->cache, size);
    if (size < memory_image_size(content->disk)) {
        memory_image_resize(&content->disk, size);
    }
}

void os_memory_vanish(struct os *os, const char *path)
{
    memory_drop_name(&machine_of(os)->names, path);
    memory_drop_name(&machine_of(os)->durable, path);
}

void os_memory_put(struct os *os, const char *path, const void *data, size_t size)
{
    struct machine *machine = machine_of(os);
    if (memory_content_at(machine, path) == NULL) {
        const int index = memory_new_content(machine);
        memory_put_name(&machine->names, path, index);
        memory_put_name(&machine->durable, path, index);
    }
    struct content *content = memory_content_at(machine, path);
    memory_image_drop(&content->cache);
    memory_image_drop(&content->disk);
    memory_image_put(&content->cache, 0, data, size);
    memory_image_put(&content->disk, 0, data, size);
}
