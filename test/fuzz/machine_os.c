/* machine_os.c -- a machine in memory with everything: os_pair's streams, os_memory's disk. */
#include "machine_os.h"

#include "base/assert.h"

/* What gets an os gets the pair's; what gets a file, the disk's own functions can be given. */
static struct os *disk;
static struct os_functions functions;

static void work(__attribute__((unused)) struct os *os, struct os_work *item)
{
    os_work(disk, item);
}

static int file_open(__attribute__((unused)) struct os *os, const char *path, unsigned flags,
                     struct os_file **file)
{
    return os_file_open(disk, path, flags, file);
}

static int dir_create(__attribute__((unused)) struct os *os, const char *path)
{
    return os_dir_create(disk, path);
}

static int dir_check(__attribute__((unused)) struct os *os, const char *path)
{
    return os_dir_check(disk, path);
}

static int dir_sync(__attribute__((unused)) struct os *os, const char *path)
{
    return os_dir_sync(disk, path);
}

static int dir_list(__attribute__((unused)) struct os *os, const char *path,
                    void (*visit)(void *context, const char *name), void *context)
{
    return os_dir_list(disk, path, visit, context);
}

static int64_t dir_free_bytes(__attribute__((unused)) struct os *os, const char *path)
{
    return os_dir_free_bytes(disk, path);
}

static int rename_file(__attribute__((unused)) struct os *os, const char *from, const char *to)
{
    return os_rename(disk, from, to);
}

static int remove_file(__attribute__((unused)) struct os *os, const char *path)
{
    return os_remove(disk, path);
}

static void start(struct machine_os *machine)
{
    machine->pair = os_pair_new();
    const struct os_functions *files = machine->disk->functions;
    functions = *machine->pair->os.functions;
    functions.work = work;
    functions.file_open = file_open;
    functions.file_close = files->file_close;
    functions.file_size = files->file_size;
    functions.file_is_direct = files->file_is_direct;
    functions.file_read = files->file_read;
    functions.file_write = files->file_write;
    functions.file_sync = files->file_sync;
    functions.file_truncate = files->file_truncate;
    functions.dir_create = dir_create;
    functions.dir_check = dir_check;
    functions.dir_sync = dir_sync;
    functions.dir_list = dir_list;
    functions.dir_free_bytes = dir_free_bytes;
    functions.rename = rename_file;
    functions.remove = remove_file;
    machine->pair->os.functions = &functions;
    disk = machine->disk;
}

void machine_os_init(struct machine_os *machine)
{
    machine->disk = os_memory_new(1);
    start(machine);
}

void machine_os_drain(struct machine_os *machine)
{
    os_memory_run(machine->disk);
}

void machine_os_restart(struct machine_os *machine)
{
    os_pair_free(machine->pair);
    assert(os_memory_open_count(machine->disk) == 0);
    os_memory_restart(machine->disk);
    start(machine);
}

void machine_os_settle(struct machine_os *machine)
{
    /* What a job brings may send something, and what arrives may ask for a job. */
    do {
        os_pair_settle(machine->pair);
    } while (os_memory_step(machine->disk));
}

void machine_os_advance(struct machine_os *machine, uint64_t us)
{
    enum {
        STEP_US = 20000
    };
    machine_os_settle(machine);
    for (uint64_t left = us; left > 0;) {
        const uint64_t some = left < STEP_US ? left : STEP_US;
        os_pair_advance(machine->pair, some);
        machine_os_settle(machine);
        left -= some;
    }
}

void machine_os_deinit(struct machine_os *machine)
{
    os_pair_free(machine->pair);
    assert(os_memory_open_count(machine->disk) == 0);
    os_memory_free(machine->disk);
}
