/* os_memory_crash.c -- the disk of os_memory after the power was lost: what lands, what not. */
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"
#include "os_memory_internal.h"

/* -- As a judge says ---------------------------------------------------------------------- */

static const char *path_of(const struct machine *machine, int content)
{
    for (size_t i = 0; i < machine->names.count; i++) {
        if (machine->names.items[i].content == content) {
            return machine->names.items[i].path;
        }
    }
    return "";
}

/* Some bytes of the block are new: from its start to somewhere, or from somewhere to its end. */
static void tear(struct machine *machine, struct content *content,
                 const struct pending_write *write, size_t at, size_t size)
{
    const size_t cut = prng_below(&machine->prng, size);
    const size_t from = prng_chance(&machine->prng, 1, 2) ? 0 : cut;
    const size_t count = from == 0 ? cut : size - cut;
    memory_image_put(&content->disk, write->offset + at + from, write->data + at + from, count);
}

/* Bytes of the write, from `at` on, that lie in one block. */
static size_t piece_at(const struct pending_write *write, size_t at)
{
    const size_t to_boundary = OS_BLOCK_SIZE - (write->offset + at) % OS_BLOCK_SIZE;
    const size_t left = write->size - at;
    return left < to_boundary ? left : to_boundary;
}

static void land_write(struct machine *machine, const struct pending_write *write,
                       os_memory_judge judge, void *context)
{
    struct content *content = &machine->contents[write->content];
    size_t size;
    for (size_t at = 0; at < write->size; at += size) {
        size = piece_at(write, at);
        const enum os_memory_fate fate =
            judge(context, path_of(machine, write->content), write->offset + at);
        if (fate == OS_MEMORY_KEPT) {
            memory_image_put(&content->disk, write->offset + at, write->data + at, size);
        } else if (fate == OS_MEMORY_TORN) {
            tear(machine, content, write, at, size);
        }
    }
}

/* What lies in a directory that is not there any more is not there either. */
static void drop_orphans(struct names *names)
{
    size_t i = 0;
    while (i < names->count) {
        char parent[PATH_BYTES];
        memcpy(parent, names->items[i].path, PATH_BYTES);
        char *slash = strrchr(parent, '/');
        slash[slash == parent ? 1 : 0] = '\0';
        if (memory_find_name(names, parent) != NULL) {
            i++;
        } else {
            memory_drop_name(names, names->items[i].path);
            i = 0; /* It may have been the parent of others. */
        }
    }
}

void memory_land(struct machine *machine, os_memory_judge judge, void *context)
{
    for (size_t i = 0; i < machine->write_count; i++) {
        land_write(machine, &machine->writes[i], judge, context);
    }
    while (machine->write_count > 0) {
        memory_forget_write(machine, machine->write_count - 1);
    }
    for (size_t i = 0; i < machine->change_count; i++) {
        const struct pending_change *change = &machine->changes[i];
        if (judge(context, change->from, UINT64_MAX) != OS_MEMORY_LOST) {
            memory_apply_change(&machine->durable, change);
        }
    }
    machine->change_count = 0;
    drop_orphans(&machine->durable);
    memory_copy_names(&machine->names, &machine->durable);
    for (size_t i = 0; i < machine->content_count; i++) {
        struct content *content = &machine->contents[i];
        memory_image_drop(&content->cache);
        content->cache = memory_image_share(content->disk);
    }
}

/* -- As a list says ----------------------------------------------------------------------- */

/* True if the i-th write is the first that is pending of its file and makes it longer, or one
 * after it does; `end` is set to the length that it will have. */
static int has_length(const struct machine *machine, size_t i, size_t *end)
{
    const int content = machine->writes[i].content;
    *end = memory_image_size(machine->contents[content].disk);
    const size_t size = *end;
    for (size_t k = 0; k < machine->write_count; k++) {
        const struct pending_write *write = &machine->writes[k];
        if (write->content == content && k < i) {
            return 0;
        }
        if (write->content == content && write->offset + write->size > *end) {
            *end = write->offset + write->size;
        }
    }
    return *end > size;
}

/* Visits everything that is pending, always in the same order. */
struct walk {
    struct machine *machine;
    void (*length)(struct walk *walk, int content, size_t end);
    void (*piece)(struct walk *walk, const struct pending_write *write, size_t at, size_t size);
    void (*change)(struct walk *walk, const struct pending_change *change);
    struct machine *to;           /* Where it lands. */
    const uint8_t *kept;          /* What of it. */
    struct os_memory_item *items; /* Or the list that is made of it. */
    size_t capacity;
    size_t count; /* Visited so far. */
};

static void walk_pending(struct walk *walk)
{
    const struct machine *machine = walk->machine;
    for (size_t i = 0; i < machine->write_count; i++) {
        const struct pending_write *write = &machine->writes[i];
        size_t size;
        size_t end;
        if (has_length(machine, i, &end)) {
            walk->length(walk, write->content, end);
            walk->count++;
        }
        for (size_t at = 0; at < write->size; at += size) {
            size = piece_at(write, at);
            walk->piece(walk, write, at, size);
            walk->count++;
        }
    }
    for (size_t i = 0; i < machine->change_count; i++) {
        walk->change(walk, &machine->changes[i]);
        walk->count++;
    }
}

static void list_item(struct walk *walk, struct os_memory_item item)
{
    if (walk->count < walk->capacity) {
        walk->items[walk->count] = item;
    }
}

static void list_length(struct walk *walk, int content, size_t end)
{
    list_item(walk, (struct os_memory_item){.kind = OS_MEMORY_LENGTH,
                                            .path = path_of(walk->machine, content),
                                            .offset = end});
}

static void list_piece(struct walk *walk, const struct pending_write *write, size_t at, size_t size)
{
    list_item(walk, (struct os_memory_item){.kind = OS_MEMORY_BLOCK,
                                            .path = path_of(walk->machine, write->content),
                                            .offset = write->offset + at,
                                            .size = size});
}

static void list_change(struct walk *walk, const struct pending_change *change)
{
    list_item(walk, (struct os_memory_item){
                        .kind = OS_MEMORY_NAME, .path = change->from, .to = change->to});
}

size_t os_memory_pending(struct os *os, struct os_memory_item *items, size_t capacity)
{
    struct walk walk = {.machine = machine_of(os),
                        .length = list_length,
                        .piece = list_piece,
                        .change = list_change,
                        .items = items,
                        .capacity = capacity};
    walk_pending(&walk);
    return walk.count;
}

static void land_length(struct walk *walk, int content, size_t end)
{
    if (walk->kept[walk->count] != 0) {
        memory_image_resize(&walk->to->contents[content].disk, end);
    }
}

/* Those sectors of the block that are kept, as far as the write goes. */
static void land_piece(struct walk *walk, const struct pending_write *write, size_t at, size_t size)
{
    const uint8_t kept = walk->kept[walk->count];
    struct image **disk = &walk->to->contents[write->content].disk;
    const size_t from = write->offset + at;
    if (kept == OS_MEMORY_WHOLE) {
        memory_image_put(disk, from, write->data + at, size);
        return;
    }
    const size_t block = from / OS_BLOCK_SIZE * OS_BLOCK_SIZE;
    for (size_t i = 0; i < OS_BLOCK_SIZE / OS_MEMORY_SECTOR; i++) {
        const size_t sector = block + i * OS_MEMORY_SECTOR;
        const size_t start = sector > from ? sector : from;
        const size_t stop =
            sector + OS_MEMORY_SECTOR < from + size ? sector + OS_MEMORY_SECTOR : from + size;
        if ((kept >> i & 1) != 0 && start < stop) {
            memory_image_put(disk, start, write->data + (start - write->offset), stop - start);
        }
    }
}

static void land_change(struct walk *walk, const struct pending_change *change)
{
    if (walk->kept[walk->count] != 0) {
        memory_apply_change(&walk->to->durable, change);
    }
}

struct os *os_memory_aftermath(struct os *os, const uint8_t *kept, uint64_t seed)
{
    struct machine *from = machine_of(os);
    struct os *left = os_memory_new(seed);
    struct machine *to = machine_of(left);
    to->now = from->now;
    to->has_no_direct = from->has_no_direct;
    memory_copy_names(&to->durable, &from->durable);
    for (size_t i = 0; i < from->content_count; i++) {
        memory_new_content(to);
        to->contents[i].disk = memory_image_share(from->contents[i].disk);
    }
    struct walk walk = {.machine = from,
                        .length = land_length,
                        .piece = land_piece,
                        .change = land_change,
                        .to = to,
                        .kept = kept};
    walk_pending(&walk);
    memory_copy_names(&to->names, &to->durable);
    for (size_t i = 0; i < to->content_count; i++) {
        to->contents[i].cache = memory_image_share(to->contents[i].disk);
    }
    return left;
}

uint64_t os_memory_fingerprint(struct os *os)
{
    struct machine *machine = machine_of(os);
    uint64_t sum = 0; /* Names have no order. */
    for (size_t i = 0; i < machine->durable.count; i++) {
        const struct name *name = &machine->durable.items[i];
        const uint64_t hash = name->content == DIRECTORY
                                  ? 1
                                  : memory_image_hash(machine->contents[name->content].disk);
        sum += XXH3_64bits_withSeed(name->path, strlen(name->path), hash);
    }
    return sum;
}
