/* disk_internal.h -- files and names of a simulated disk, for its own files. */
#ifndef SIM_DISK_INTERNAL_H
#define SIM_DISK_INTERNAL_H

#include "sim/disk.h"

enum {
    DISK_PAGE_SIZE = 4096
};

struct page;
struct slab;

/* Memory of pages, and the pages that nobody has now. */
struct page_pool {
    struct slab *slabs;
    struct page *free;
};

/* The bytes of a file: disk_image.c. */
struct image {
    struct page_pool *pool;
    struct page **pages; /* NULL where all is zero. */
    uint64_t capacity;
    uint64_t size;
};

struct disk_file {
    struct disk *disk;
    struct disk_file *next; /* Of disk.files. */
    int is_log;             /* It was made in a folder "wal". */
    int is_reached;         /* By a name or a call: else it goes when no process has it open. */
    struct image seen;
    struct image kept;
    uint64_t synced_from; /* What the last sync made durable lies in here. */
    uint64_t synced_to;
    uint64_t stale_at; /* A sector that was written over since, ... */
    int has_stale;
    uint8_t stale[DISK_SECTOR_SIZE]; /* ... as it was before. */
};

struct name {
    struct name *next;
    uint64_t hash; /* Of the path. */
    char *path;
    struct disk_file *file; /* NULL: a directory. */
};

enum {
    NAMES_LISTS = 64
};

/* By their hashes. */
struct names {
    struct name *lists[NAMES_LISTS];
};

enum call_kind {
    CALL_WRITE = 1,
    CALL_TRUNCATE,
    CALL_SYNC,
    CALL_LINK,
    CALL_UNLINK,
    CALL_RENAME
};

/* Something done and not yet known to be on the disk. */
struct call {
    struct call *next;
    enum call_kind kind;
    uint64_t job; /* 0: it was done outside of any job, and has returned. */
    struct disk_file *file;
    uint64_t offset; /* WRITE: where; TRUNCATE: the size. */
    uint64_t size;
    uint64_t log_write; /* WRITE: its number among those of the log; 0: another file's. */
    uint8_t *data;      /* WRITE: the bytes; NULL: those that readers still see there. */
    char *from;         /* Names. */
    char *to;           /* The same; SYNC of names: of which directory. */
};

struct disk {
    struct world *world;
    struct page_pool pool;
    struct disk_file *files;
    struct names seen;
    struct names kept;
    struct call *calls; /* Oldest first. */
    struct call **last;
    uint64_t job; /* The one that calls belong to now; 0: none. */
    uint64_t job_last;
    uint64_t log_writes; /* So many were made. */
    int has_frail_snapshots;
};

/* The call is over and forgotten; make its effect last. */
void disk_call_free(struct call *call);
void disk_keep(struct disk *disk, const struct call *call);

/* The bytes of a write from its byte `at` on, up to the end of a sector of the file. */
const uint8_t *disk_written(const struct call *call, uint64_t at);

/* Does it make, change or remove a name; in that directory? */
int disk_is_of_names(enum call_kind kind);
int disk_is_in(const struct call *call, const char *directory);

/* Let every sync of `job` take effect; what is left of the job has returned. */
void disk_settle_job(struct disk *disk, uint64_t job);

void disk_file_free(struct disk_file *file);

/* Images share pages with others of the same pool, which outlives them. */
void page_pool_deinit(struct page_pool *pool);
void image_init(struct image *image, struct page_pool *pool);
void image_deinit(struct image *image);

/* What grows is zero. */
void image_resize(struct image *image, uint64_t size);

/* The byte at `offset`, and those behind it up to the end of the sector; borrowed until the image
 * changes. */
const uint8_t *image_look(const struct image *image, uint64_t offset);

void image_read(const struct image *image, uint64_t offset, uint8_t *to, size_t size);
void image_write(struct image *image, uint64_t offset, const uint8_t *from, size_t size);

/* Write what the other one has there; be like it from now on. */
void image_share(struct image *image, const struct image *other, uint64_t offset, uint64_t size);
void image_become(struct image *image, const struct image *other);

/* The name, or NULL; put it there, or change what it leads to; take it away, if it is there; the
 * one behind it, or the first behind NULL, in no order that means anything; take all away. The
 * last copies a path: the caller frees it. */
struct name *name_find(const struct names *names, const char *path);
void name_put(struct names *names, const char *path, struct disk_file *file);
void name_remove(struct names *names, const char *path);
struct name *name_next(const struct names *names, const struct name *name);
void names_clear(struct names *names);
char *name_copy(const char *path);

/* Is the name in that directory, itself and not further down? "": the topmost. */
int name_is_in(const char *path, const char *directory);

/* Take away what is in no directory that is there. */
void names_drop_orphans(struct names *names);

/* True if something written there is not yet known to be on the disk. */
int disk_is_unsettled(const struct disk *disk, const struct disk_file *file, uint64_t offset,
                      uint64_t size);

void disk_wipe(struct disk *disk);

#endif /* SIM_DISK_INTERNAL_H */
