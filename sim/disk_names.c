/* disk_names.c -- the names that lead to files. */
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sim/disk_internal.h"

char *name_copy(const char *text)
{
    char *copy = world_allocate(strlen(text) + 1);
    memcpy(copy, text, strlen(text));
    return copy;
}

static uint64_t hash_path(const char *path)
{
    return XXH3_64bits(path, strlen(path));
}

/* What leads to the name in its list, or to the list's end. */
static struct name **find_link(struct names *names, const char *path)
{
    const uint64_t hash = hash_path(path);
    struct name **link = &names->lists[hash % NAMES_LISTS];
    while (*link != NULL && ((*link)->hash != hash || strcmp((*link)->path, path) != 0)) {
        link = &(*link)->next;
    }
    return link;
}

struct name *name_find(const struct names *names, const char *path)
{
    const uint64_t hash = hash_path(path);
    struct name *name = names->lists[hash % NAMES_LISTS];
    while (name != NULL && (name->hash != hash || strcmp(name->path, path) != 0)) {
        name = name->next;
    }
    return name;
}

void name_put(struct names *names, const char *path, struct disk_file *file)
{
    struct name **link = find_link(names, path);
    if (*link == NULL) {
        *link = world_allocate(sizeof **link);
        (*link)->path = name_copy(path);
        (*link)->hash = hash_path(path);
    }
    (*link)->file = file;
}

static void drop(struct name **link)
{
    struct name *name = *link;
    *link = name->next;
    free(name->path);
    free(name);
}

void name_remove(struct names *names, const char *path)
{
    struct name **link = find_link(names, path);
    if (*link != NULL) {
        drop(link);
    }
}

struct name *name_next(const struct names *names, const struct name *name)
{
    if (name != NULL && name->next != NULL) {
        return name->next;
    }
    for (uint64_t i = name == NULL ? 0 : name->hash % NAMES_LISTS + 1; i < NAMES_LISTS; i++) {
        if (names->lists[i] != NULL) {
            return names->lists[i];
        }
    }
    return NULL;
}

void names_clear(struct names *names)
{
    for (uint32_t i = 0; i < NAMES_LISTS; i++) {
        while (names->lists[i] != NULL) {
            drop(&names->lists[i]);
        }
    }
}

int name_is_in(const char *path, const char *directory)
{
    const char *slash = strrchr(path, '/');
    const size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    return strlen(directory) == length && strncmp(path, directory, length) == 0;
}

static int is_orphan(const struct names *names, const struct name *name)
{
    char *parent = name_copy(name->path);
    char *slash = strrchr(parent, '/');
    int is_alone = 0;
    if (slash != NULL) {
        *slash = 0;
        is_alone = name_find(names, parent) == NULL;
    }
    free(parent);
    return is_alone;
}

void names_drop_orphans(struct names *names)
{
    const struct name *name = name_next(names, NULL);
    while (name != NULL) {
        if (is_orphan(names, name)) {
            name_remove(names, name->path);
            name = NULL; /* It may have been a directory, and made others orphans. */
        }
        name = name_next(names, name);
    }
}
