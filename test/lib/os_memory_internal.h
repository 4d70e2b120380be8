/* os_memory_internal.h -- what the two files of os_memory share: the machine. */
#ifndef TEST_OS_MEMORY_INTERNAL_H
#define TEST_OS_MEMORY_INTERNAL_H

#include "os_memory.h"

enum {
    PATH_BYTES = 256,
    DIRECTORY = -1
};

/* A file's bytes. Never freed before the machine: names, files and writes hold its index. */
struct content {
    uint8_t *cache; /* As the running program sees it. */
    size_t cache_size;
    uint8_t *disk; /* What is durable. */
    size_t disk_size;
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
    int has_failed;
};

static inline struct machine *machine_of(const struct os *os)
{
    return (struct machine *)(uintptr_t)os;
}

/* realloc, which our own needs are never refused: a test that makes the n-th allocation fail
 * means the program's. */
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

/* Put bytes at an offset; what is between it and the old end becomes zeroes. */
void memory_put_bytes(uint8_t **data, size_t *size, size_t offset, const void *from, size_t count);

/* Drop a pending write. */
void memory_forget_write(struct machine *machine, size_t index);

/* Let the pending writes and changes land as the judge says. */
void memory_land(struct machine *machine, os_memory_judge judge, void *context);

/* The functions of the table that are about files and directories. */
void memory_set_disk_functions(struct os_functions *functions);

#endif /* TEST_OS_MEMORY_INTERNAL_H */
