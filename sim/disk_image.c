/* disk_image.c -- the bytes of files, and the names that lead to them. */
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sim/disk_internal.h"

/* -- Images ------------------------------------------------------------------------------- */

void image_resize(struct image *image, uint64_t size)
{
    if (size > image->capacity) {
        uint64_t capacity = image->capacity == 0 ? 4096 : image->capacity;
        while (capacity < size) {
            capacity *= 2;
        }
        uint8_t *data = world_allocate(capacity);
        if (image->size > 0) {
            memcpy(data, image->data, image->size);
        }
        free(image->data);
        image->data = data;
        image->capacity = capacity;
    }
    if (size < image->size) {
        memset(image->data + size, 0, image->size - size);
    }
    image->size = size;
}

void image_write(struct image *image, uint64_t offset, const uint8_t *from, size_t size)
{
    if (offset + size > image->size) {
        image_resize(image, offset + size);
    }
    memcpy(image->data + offset, from, size);
}

/* -- Names -------------------------------------------------------------------------------- */

char *name_copy(const char *text)
{
    char *copy = world_allocate(strlen(text) + 1);
    memcpy(copy, text, strlen(text));
    return copy;
}

struct name **name_find(struct name **names, const char *path)
{
    const uint64_t hash = XXH3_64bits(path, strlen(path));
    while (*names != NULL && ((*names)->hash != hash || strcmp((*names)->path, path) != 0)) {
        names = &(*names)->next;
    }
    return names;
}

void name_put(struct name **names, const char *path, struct disk_file *file)
{
    struct name **at = name_find(names, path);
    if (*at == NULL) {
        *at = world_allocate(sizeof **at);
        (*at)->path = name_copy(path);
        (*at)->hash = XXH3_64bits(path, strlen(path));
    }
    (*at)->file = file;
}

void name_remove(struct name **names, const char *path)
{
    struct name **at = name_find(names, path);
    struct name *name = *at;
    if (name != NULL) {
        *at = name->next;
        free(name->path);
        free(name);
    }
}
