/* os_memory_disk.c -- the disk of os_memory: what is written, what is pending, what lands. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "os_memory_internal.h"

void *memory_grow(void *memory, size_t size)
{
    void *grown = realloc(memory, size == 0 ? 1 : size);
    if (grown == NULL) {
        grown = realloc(memory, size == 0 ? 1 : size);
    }
    assert(grown != NULL);
    return grown;
}

/* -- Names ------------------------------------------------------------------------------- */

static struct name *find_name(const struct names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].path, path) == 0) {
            return &names->items[i];
        }
    }
    return NULL;
}

void memory_drop_name(struct names *names, const char *path)
{
    struct name *name = find_name(names, path);
    if (name != NULL) {
        *name = names->items[--names->count];
    }
}

void memory_put_name(struct names *names, const char *path, int content)
{
    memory_drop_name(names, path);
    names->items = memory_grow(names->items, (names->count + 1) * sizeof *names->items);
    struct name *name = &names->items[names->count++];
    assert(strlen(path) < PATH_BYTES);
    *name = (struct name){.content = content};
    strncpy(name->path, path, PATH_BYTES - 1);
}

/* True if `path` lies directly in `directory`. */
static int is_in(const char *path, const char *directory)
{
    const size_t size = strcmp(directory, "/") == 0 ? 0 : strlen(directory);
    return strncmp(path, directory, size) == 0 && path[size] == '/' && path[size + 1] != '\0' &&
           strchr(path + size + 1, '/') == NULL;
}

/* False if the change makes no sense on these names: then an earlier one was lost. */
static int apply_change(struct names *names, const struct pending_change *change)
{
    const struct name *name = find_name(names, change->from);
    if (change->kind == CHANGE_CREATE) {
        memory_put_name(names, change->from, change->content);
        return 1;
    }
    if (name == NULL) {
        return 0;
    }
    const int content = name->content;
    memory_drop_name(names, change->from);
    if (change->kind == CHANGE_RENAME) {
        memory_put_name(names, change->to, content);
    }
    return 1;
}

static void add_change(struct machine *machine, enum change_kind kind, const char *from,
                       const char *to, int content)
{
    machine->changes =
        memory_grow(machine->changes, (machine->change_count + 1) * sizeof *machine->changes);
    struct pending_change *change = &machine->changes[machine->change_count++];
    *change = (struct pending_change){.kind = kind, .content = content};
    assert(strlen(from) < PATH_BYTES && strlen(to) < PATH_BYTES);
    strncpy(change->from, from, PATH_BYTES - 1);
    strncpy(change->to, to, PATH_BYTES - 1);
    apply_change(&machine->names, change);
}

void memory_copy_names(struct names *to, const struct names *from)
{
    to->items = memory_grow(to->items, from->count * sizeof *to->items);
    if (from->count > 0) {
        memcpy(to->items, from->items, from->count * sizeof *to->items);
    }
    to->count = from->count;
}

/* -- Bytes ------------------------------------------------------------------------------- */

/* The allocation behind so many bytes: a power of two, so that a file that grows is not copied
 * each time. */
static size_t capacity_of(size_t size)
{
    size_t capacity = OS_BLOCK_SIZE;
    while (capacity < size) {
        capacity *= 2;
    }
    return capacity;
}

void memory_put_bytes(uint8_t **data, size_t *size, size_t offset, const void *from, size_t count)
{
    if (offset + count > *size) {
        if (*data == NULL || capacity_of(*size) != capacity_of(offset + count)) {
            *data = memory_grow(*data, capacity_of(offset + count));
        }
        memset(*data + *size, 0, offset + count - *size);
        *size = offset + count;
    }
    if (count > 0) {
        memcpy(*data + offset, from, count);
    }
}

int memory_new_content(struct machine *machine)
{
    machine->contents =
        memory_grow(machine->contents, (machine->content_count + 1) * sizeof *machine->contents);
    machine->contents[machine->content_count] = (struct content){0};
    return (int)machine->content_count++;
}

void memory_forget_write(struct machine *machine, size_t index)
{
    free(machine->writes[index].data);
    machine->write_count--;
    memmove(&machine->writes[index], &machine->writes[index + 1],
            (machine->write_count - index) * sizeof *machine->writes);
}

struct content *memory_content_at(struct machine *machine, const char *path)
{
    const struct name *name = find_name(&machine->names, path);
    return name == NULL || name->content == DIRECTORY ? NULL : &machine->contents[name->content];
}

/* -- Failing and dying ------------------------------------------------------------------- */

/* What an operation of this kind has to return before it does anything; 0: go on. */
static int refuse(struct machine *machine, unsigned kind)
{
    if (machine->is_dead) {
        return -EIO;
    }
    if ((machine->fail_mask & kind) != 0 && machine->fail_after > 0 && --machine->fail_after == 0) {
        machine->has_failed = 1;
        return machine->fail_error;
    }
    return 0;
}

/* An operation changed something. -EIO if it was the last: it stays pending. */
static int count_change(struct machine *machine)
{
    machine->operations++;
    if (machine->die_at > 0 && --machine->die_at == 0) {
        machine->is_dead = 1;
        return -EIO;
    }
    return 0;
}

/* True if the directory that `path` lies in is there. */
static int has_parent(const struct machine *machine, const char *path)
{
    for (size_t i = 0; i < machine->names.count; i++) {
        const struct name *name = &machine->names.items[i];
        if (name->content == DIRECTORY && is_in(path, name->path)) {
            return 1;
        }
    }
    return 0;
}

/* -- Files ------------------------------------------------------------------------------- */

static int file_open(struct os *os, const char *path, unsigned flags, struct os_file **file)
{
    struct machine *machine = machine_of(os);
    const int error = refuse(machine, OS_MEMORY_OPEN);
    if (error != 0) {
        return error;
    }
    const struct name *name = find_name(&machine->names, path);
    if (name != NULL && name->content == DIRECTORY) {
        return -EISDIR;
    }
    if (name != NULL && (flags & OS_FILE_EXCLUSIVE) != 0) {
        return -EEXIST;
    }
    if (name == NULL && ((flags & OS_FILE_CREATE) == 0 || !has_parent(machine, path))) {
        return -ENOENT;
    }
    if (name == NULL) {
        add_change(machine, CHANGE_CREATE, path, "", memory_new_content(machine));
        if (count_change(machine) != 0) {
            return -EIO;
        }
        name = find_name(&machine->names, path);
    }
    *file = memory_grow(NULL, sizeof **file);
    **file = (struct os_file){.machine = machine, .content = name->content, .flags = flags};
    machine->files_open++;
    return 0;
}

static void file_close(struct os_file *file)
{
    file->machine->files_open--;
    free(file);
}

static int64_t file_size(struct os_file *file)
{
    return file->machine->is_dead ? -EIO
                                  : (int64_t)file->machine->contents[file->content].cache_size;
}

static int is_aligned(const struct os_file *file, uint64_t offset, const void *memory, size_t size)
{
    return (file->flags & OS_FILE_DIRECT) == 0 ||
           (offset % OS_BLOCK_SIZE == 0 && size % OS_BLOCK_SIZE == 0 &&
            (uintptr_t)memory % OS_BLOCK_SIZE == 0);
}

static int64_t file_read(struct os_file *file, uint64_t offset, void *to, size_t size)
{
    const struct content *content = &file->machine->contents[file->content];
    const int error = refuse(file->machine, OS_MEMORY_READ);
    assert(is_aligned(file, offset, to, size));
    if (error != 0) {
        return error;
    }
    if (offset >= content->cache_size) {
        return 0;
    }
    const size_t left = content->cache_size - offset;
    const size_t count = size < left ? size : left;
    if (count > 0) {
        memcpy(to, content->cache + offset, count);
    }
    return (int64_t)count;
}

static int file_write(struct os_file *file, uint64_t offset, const void *from, size_t size)
{
    struct machine *machine = file->machine;
    struct content *content = &machine->contents[file->content];
    const int error = refuse(machine, OS_MEMORY_WRITE);
    assert(is_aligned(file, offset, from, size));
    assert((file->flags & OS_FILE_WRITE) != 0);
    if (error != 0) {
        return error;
    }
    memory_put_bytes(&content->cache, &content->cache_size, offset, from, size);
    machine->writes =
        memory_grow(machine->writes, (machine->write_count + 1) * sizeof *machine->writes);
    uint8_t *copy = memory_grow(NULL, size);
    memcpy(copy, from, size);
    machine->writes[machine->write_count++] =
        (struct pending_write){file->content, offset, size, copy};
    return count_change(machine);
}

static int file_sync(struct os_file *file)
{
    struct machine *machine = file->machine;
    struct content *content = &machine->contents[file->content];
    int error = refuse(machine, OS_MEMORY_SYNC);
    if (error == 0) {
        error = count_change(machine);
    }
    for (size_t i = 0; i < machine->write_count && error == 0;) {
        const struct pending_write *write = &machine->writes[i];
        if (write->content != file->content) {
            i++;
            continue;
        }
        memory_put_bytes(&content->disk, &content->disk_size, write->offset, write->data,
                         write->size);
        memory_forget_write(machine, i);
    }
    return error;
}

/* -- Directories ------------------------------------------------------------------------- */

static int dir_create(struct os *os, const char *path)
{
    struct machine *machine = machine_of(os);
    const int error = refuse(machine, OS_MEMORY_DIR_CREATE);
    if (error != 0) {
        return error;
    }
    if (find_name(&machine->names, path) != NULL) {
        return -EEXIST;
    }
    if (!has_parent(machine, path)) {
        return -ENOENT;
    }
    add_change(machine, CHANGE_CREATE, path, "", DIRECTORY);
    return count_change(machine);
}

static int dir_check(struct os *os, const char *path)
{
    const struct machine *machine = machine_of(os);
    const struct name *name = find_name(&machine->names, path);
    if (machine->is_dead) {
        return -EIO;
    }
    if (name == NULL) {
        return -ENOENT;
    }
    return name->content == DIRECTORY ? 0 : -ENOTDIR;
}

static int dir_sync(struct os *os, const char *path)
{
    struct machine *machine = machine_of(os);
    int error = refuse(machine, OS_MEMORY_DIR_SYNC);
    if (error == 0) {
        error = count_change(machine);
    }
    size_t kept = 0;
    for (size_t i = 0; i < machine->change_count && error == 0; i++) {
        if (is_in(machine->changes[i].from, path)) {
            apply_change(&machine->durable, &machine->changes[i]);
        } else {
            machine->changes[kept++] = machine->changes[i];
        }
    }
    machine->change_count = error == 0 ? kept : machine->change_count;
    return error;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(left, right);
}

static int dir_list(struct os *os, const char *path, void (*visit)(void *context, const char *name),
                    void *context)
{
    struct machine *machine = machine_of(os);
    const int error = refuse(machine, OS_MEMORY_LIST);
    if (error != 0) {
        return error;
    }
    const struct name *name = find_name(&machine->names, path);
    if (name == NULL || name->content != DIRECTORY) {
        return -ENOENT;
    }
    /* The visitor may remove what it visits. */
    char(*paths)[PATH_BYTES] = memory_grow(NULL, machine->names.count * PATH_BYTES);
    size_t count = 0;
    for (size_t i = 0; i < machine->names.count; i++) {
        if (is_in(machine->names.items[i].path, path)) {
            memcpy(paths[count++], machine->names.items[i].path, PATH_BYTES);
        }
    }
    qsort(paths, count, PATH_BYTES, compare_names);
    for (size_t i = 0; i < count; i++) {
        visit(context, strrchr(paths[i], '/') + 1);
    }
    free(paths);
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
    struct machine *machine = machine_of(os);
    const int error = refuse(machine, OS_MEMORY_RENAME);
    if (error != 0) {
        return error;
    }
    if (find_name(&machine->names, from) == NULL) {
        return -ENOENT;
    }
    add_change(machine, CHANGE_RENAME, from, to, 0);
    return count_change(machine);
}

static int remove_file(struct os *os, const char *path)
{
    struct machine *machine = machine_of(os);
    const int error = refuse(machine, OS_MEMORY_REMOVE);
    if (error != 0) {
        return error;
    }
    if (find_name(&machine->names, path) == NULL) {
        return -ENOENT;
    }
    add_change(machine, CHANGE_REMOVE, path, "", 0);
    return count_change(machine);
}

void memory_set_disk_functions(struct os_functions *functions)
{
    functions->file_open = file_open;
    functions->file_close = file_close;
    functions->file_size = file_size;
    functions->file_read = file_read;
    functions->file_write = file_write;
    functions->file_sync = file_sync;
    functions->dir_create = dir_create;
    functions->dir_check = dir_check;
    functions->dir_sync = dir_sync;
    functions->dir_list = dir_list;
    functions->dir_free_bytes = dir_free_bytes;
    functions->rename = rename_file;
    functions->remove = remove_file;
}

/* -- Landing ----------------------------------------------------------------------------- */

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
    memory_put_bytes(&content->disk, &content->disk_size, write->offset + at + from,
                     write->data + at + from, count);
}

static void land_write(struct machine *machine, const struct pending_write *write,
                       os_memory_judge judge, void *context)
{
    struct content *content = &machine->contents[write->content];
    size_t at = 0;
    while (at < write->size) {
        const size_t to_boundary = OS_BLOCK_SIZE - (write->offset + at) % OS_BLOCK_SIZE;
        const size_t left = write->size - at;
        const size_t size = left < to_boundary ? left : to_boundary;
        const enum os_memory_fate fate =
            judge(context, path_of(machine, write->content), write->offset + at);
        if (fate == OS_MEMORY_KEPT) {
            memory_put_bytes(&content->disk, &content->disk_size, write->offset + at,
                             write->data + at, size);
        } else if (fate == OS_MEMORY_TORN) {
            tear(machine, content, write, at, size);
        }
        at += size;
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
            apply_change(&machine->durable, change);
        }
    }
    machine->change_count = 0;
    memory_copy_names(&machine->names, &machine->durable);
    for (size_t i = 0; i < machine->content_count; i++) {
        struct content *content = &machine->contents[i];
        content->cache_size = 0;
        memory_put_bytes(&content->cache, &content->cache_size, 0, content->disk,
                         content->disk_size);
    }
}
