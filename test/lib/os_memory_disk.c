/* os_memory_disk.c -- the disk of os_memory: what is written, what is pending, what lands. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "os_memory_internal.h"

__attribute__((weak)) void *memory_realloc(void *memory, size_t size)
{
    return realloc(memory, size);
}

void *memory_grow(void *memory, size_t size)
{
    void *grown = memory_realloc(memory, size == 0 ? 1 : size);
    assert(grown != NULL);
    return grown;
}

/* -- Names ------------------------------------------------------------------------------- */

struct name *memory_find_name(const struct names *names, const char *path)
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
    struct name *name = memory_find_name(names, path);
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

int memory_apply_change(struct names *names, const struct pending_change *change)
{
    const struct name *name = memory_find_name(names, change->from);
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
    memory_apply_change(&machine->names, change);
}

void memory_copy_names(struct names *to, const struct names *from)
{
    to->items = memory_grow(to->items, from->count * sizeof *to->items);
    if (from->count > 0) {
        memcpy(to->items, from->items, from->count * sizeof *to->items);
    }
    to->count = from->count;
}

/* -- Contents ---------------------------------------------------------------------------- */

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
    const struct name *name = memory_find_name(&machine->names, path);
    return name == NULL || name->content == DIRECTORY ? NULL : &machine->contents[name->content];
}

/* -- Failing and dying ------------------------------------------------------------------- */

/* What an operation of this kind has to return before it does anything; 0: go on. */
static int refuse(struct machine *machine, unsigned kind)
{
    memory_job_yield(machine);
    if (machine->is_dead) {
        return -EIO;
    }
    if ((machine->fail_mask & kind) == 0 || machine->fail_after == 0) {
        return 0;
    }
    if (--machine->fail_after > 0) {
        return 0;
    }
    machine->fail_after = machine->fails_on ? 1 : 0;
    machine->has_failed = 1;
    return machine->fail_error;
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
    const struct name *name = memory_find_name(&machine->names, path);
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
        name = memory_find_name(&machine->names, path);
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

static int file_is_direct(const struct os_file *file)
{
    return (file->flags & OS_FILE_DIRECT) != 0 && !file->machine->has_no_direct;
}

static int64_t file_size(struct os_file *file)
{
    return file->machine->is_dead
               ? -EIO
               : (int64_t)memory_image_size(file->machine->contents[file->content].cache);
}

static int is_aligned(const struct os_file *file, uint64_t offset, const void *memory, size_t size)
{
    return (file->flags & OS_FILE_DIRECT) == 0 ||
           (offset % OS_BLOCK_SIZE == 0 && size % OS_BLOCK_SIZE == 0 &&
            (uintptr_t)memory % OS_BLOCK_SIZE == 0);
}

static int64_t file_read(struct os_file *file, uint64_t offset, void *to, size_t size)
{
    const int error = refuse(file->machine, OS_MEMORY_READ);
    const struct content *content = &file->machine->contents[file->content];
    assert(is_aligned(file, offset, to, size));
    if (error != 0) {
        return error;
    }
    const size_t end = memory_image_size(content->cache);
    if (offset >= end) {
        return 0;
    }
    const size_t count = size < end - offset ? size : end - offset;
    if (count > 0) {
        memcpy(to, memory_image_bytes(content->cache) + offset, count);
    }
    return (int64_t)count;
}

static void add_write(const struct os_file *file, uint64_t offset, struct bytes data)
{
    struct machine *machine = file->machine;
    memory_image_put(&machine->contents[file->content].cache, offset, data.data, data.size);
    machine->writes =
        memory_grow(machine->writes, (machine->write_count + 1) * sizeof *machine->writes);
    uint8_t *copy = memory_grow(NULL, data.size);
    memcpy(copy, data.data, data.size);
    machine->writes[machine->write_count++] =
        (struct pending_write){.content = file->content,
                               .offset = offset,
                               .size = data.size,
                               .data = copy,
                               .is_direct = file_is_direct(file)};
}

/* A write that fails may have got half way. */
static int file_write(struct os_file *file, uint64_t offset, const void *from, size_t size)
{
    struct machine *machine = file->machine;
    const int error = refuse(machine, OS_MEMORY_WRITE);
    assert(is_aligned(file, offset, from, size));
    assert((file->flags & OS_FILE_WRITE) != 0);
    if (error != 0) {
        const size_t half = size / 2 / OS_BLOCK_SIZE * OS_BLOCK_SIZE;
        if (!machine->is_dead && half > 0) {
            add_write(file, offset, bytes_of(from, half));
        }
        return error;
    }
    add_write(file, offset, bytes_of(from, size));
    return count_change(machine);
}

/* What the disk holds now where the write is to go becomes the older version of it. */
static void remember(struct content *content, const struct pending_write *write)
{
    const size_t size = memory_image_size(content->disk);
    const size_t left = write->offset < size ? size - write->offset : 0;
    const size_t count = write->size < left ? write->size : left;
    if (write->offset + write->size > memory_image_size(content->before)) {
        memory_image_resize(&content->before, write->offset + write->size);
    }
    if (count > 0) {
        memory_image_put(&content->before, write->offset,
                         memory_image_bytes(content->disk) + write->offset, count);
    }
}

/* After a sync that failed the page cache takes what was written for clean: reads go on seeing
 * it, but no later sync brings it to the disk. Direct writes are not in the page cache. */
static void orphan_writes(struct machine *machine, int content)
{
    for (size_t i = 0; i < machine->write_count; i++) {
        struct pending_write *write = &machine->writes[i];
        write->is_orphaned |= write->content == content && !write->is_direct;
    }
}

static int file_sync(struct os_file *file)
{
    struct machine *machine = file->machine;
    int error = refuse(machine, OS_MEMORY_SYNC); /* Another job may have made a file meanwhile. */
    struct content *content = &machine->contents[file->content];
    if (error != 0 && !machine->is_dead) {
        orphan_writes(machine, file->content);
    }
    if (error == 0) {
        error = count_change(machine);
    }
    for (size_t i = 0; i < machine->write_count && error == 0;) {
        const struct pending_write *write = &machine->writes[i];
        if (write->content != file->content || write->is_orphaned) {
            i++;
            continue;
        }
        if (machine->is_remembering) {
            remember(content, write);
        }
        memory_image_put(&content->disk, write->offset, write->data, write->size);
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
    if (memory_find_name(&machine->names, path) != NULL) {
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
    const struct name *name = memory_find_name(&machine->names, path);
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
            memory_apply_change(&machine->durable, &machine->changes[i]);
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
    const struct name *name = memory_find_name(&machine->names, path);
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
    if (memory_find_name(&machine->names, from) == NULL) {
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
    if (memory_find_name(&machine->names, path) == NULL) {
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
    functions->file_is_direct = file_is_direct;
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
