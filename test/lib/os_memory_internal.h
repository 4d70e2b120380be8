/* os_memory_internal.h -- what the files of os_memory share: the machine. */
#ifndef TEST_OS_MEMORY_INTERNAL_H
#define TEST_OS_MEMORY_INTERNAL_H

#include "os_memory.h"

enum {
    PATH_BYTES = 256,
    DIRECTORY = -1
};

/* Bytes that may have several users; NULL where there are none. See os_memory_image.c. */
struct image;

/* A file's bytes. Never freed before the machine: names, files and writes hold its index. */
struct content {
    struct image *cache;  /* As the running program sees it. */
    struct image *disk;   /* What is durable. */
    struct image *before; /* Byte for byte what was durable before; see os_memory_remember(). */
};

/* A name of a file or directory. */
struct name {
    char path[PATH_BYTES];
    int content; /* Index, or DIRECTORY. */
};

struct names {
    struct name *items;
    size_t count;
};

/* A write that was not synced. */
struct pending_write {
    int content;
    size_t offset;
    size_t size;
    uint8_t *data;
    int is_direct;   /* It went around the page cache. */
    int is_orphaned; /* A sync of it failed: no later one makes it durable. */
};

enum change_kind {
    CHANGE_CREATE = 1,
    CHANGE_RENAME,
    CHANGE_REMOVE,
};

/* A change of a directory that was not synced. */
struct pending_change {
    enum change_kind kind;
    char from[PATH_BYTES]; /* The name it is about. */
    char to[PATH_BYTES];   /* The new one, of a rename. */
    int content;           /* Of a creation. */
};

/* A job in the middle of its run, where jobs take turns. See os_memory_job.c. */
struct memory_job;

struct os_file {
    struct machine *machine;
    int content;
    unsigned flags;
};

struct os_timer {
    struct machine *machine;
    struct os_timer *next;
    os_callback callback;
    void *context;
    uint64_t due; /* 0: stopped. */
};

/* Jobs that wait to run, and jobs that have run and wait to be done. */
enum {
    JOBS_MAX = 16
};

struct machine {
    struct os os;
    struct prng prng;
    uint64_t now;
    struct os_timer *timers;
    struct os_work *submitted[JOBS_MAX];
    size_t submitted_count;
    struct os_work *finished[JOBS_MAX];
    size_t finished_count;
    struct memory_job *begun[JOBS_MAX]; /* Each waits before an operation. */
    size_t begun_count;
    struct memory_job *running;
    int is_interleaved;
    int is_remembering;
    int has_no_direct; /* The file system takes no direct writes. */
    size_t files_open;
    struct content *contents;
    size_t content_count;
    struct names names;   /* As the running program sees them. */
    struct names durable; /* What a crash leaves. */
    struct pending_write *writes;
    size_t write_count;
    struct pending_change *changes;
    size_t change_count;
    uint64_t operations; /* That changed something. */
    uint64_t die_at;     /* 0: not. */
    int is_dead;
    unsigned fail_mask;
    uint64_t fail_after; /* Operations of the mask until one fails; 0: none. */
    int fail_error;
    int fails_on; /* After that one, too. */
    int has_failed;
};

static inline struct machine *machine_of(const struct os *os)
{
    return (struct machine *)(uintptr_t)os;
}

/* realloc for our own needs: never NULL. A test that makes the program's allocations fail, and
 * realloc() with them, puts one that does not fail in the place of memory_realloc(). */
void *memory_realloc(void *memory, size_t size);
void *memory_grow(void *memory, size_t size);

/* Add a name, or let it stand for something else; take it away. */
void memory_put_name(struct names *names, const char *path, int content);
void memory_drop_name(struct names *names, const char *path);

/* Let `to` have the names of `from`. */
void memory_copy_names(struct names *to, const struct names *from);

/* Index of a new, empty content. */
int memory_new_content(struct machine *machine);

/* The content of a file; NULL if there is none. */
struct content *memory_content_at(struct machine *machine, const char *path);

/* Drop a pending write. */
void memory_forget_write(struct machine *machine, size_t index);

/* False if the change makes no sense on these names: then an earlier one was lost. */
int memory_apply_change(struct names *names, const struct pending_change *change);

/* The functions of the table that are about files and directories. */
void memory_set_disk_functions(struct os_functions *functions);

/* -- os_memory_image.c ------------------------------------------------------------------- */

size_t memory_image_size(const struct image *image);
const uint8_t *memory_image_bytes(const struct image *image);

/* Another user of the same bytes; and one less, who is left with NULL. */
struct image *memory_image_share(struct image *image);
void memory_image_drop(struct image **image);

/* Put bytes at an offset; what is between it and the old end becomes zeroes. */
void memory_image_put(struct image **image, size_t offset, const void *from, size_t count);

/* Cut it off, or let it grow by zeroes. */
void memory_image_resize(struct image **image, size_t size);

/* The bytes, to be changed by whoever has the pointer for as long as the image lives. */
uint8_t *memory_image_lend(struct image **image);

/* Computed once for all users. */
uint64_t memory_image_hash(struct image *image);

/* -- os_memory_job.c --------------------------------------------------------------------- */

void memory_job_submit(struct os *os, struct os_work *work);

/* Let another job have its turn, if this is one and they take turns. */
void memory_job_yield(struct machine *machine);

/* -- os_memory_crash.c ------------------------------------------------------------------- */

/* The name, or NULL. */
struct name *memory_find_name(const struct names *names, const char *path);

/* Let the pending writes and changes land as the judge says. */
void memory_land(struct machine *machine, os_memory_judge judge, void *context);

#endif /* TEST_OS_MEMORY_INTERNAL_H */
