/* os_memory_image.c -- bytes of files that several machines, or a cache and a disk, share.
 *
 * A test that tries a million states of one disk copies the machine for each. What is written is
 * a few blocks, so the rest is shared, and an image is copied when one of its users changes it. */
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"
#include "os_memory_internal.h"

struct image {
    size_t users;
    size_t size;
    size_t capacity;
    int is_lent;   /* A test holds a pointer to the bytes: not shared, and never trusted. */
    int is_hashed; /* `hash` is that of the bytes as they are. */
    uint64_t hash;
    uint8_t bytes[];
};

/* The room behind so many bytes: a power of two, so that a file that grows is not copied each
 * time. */
static size_t capacity_of(size_t size)
{
    size_t capacity = OS_BLOCK_SIZE;
    while (capacity < size) {
        capacity *= 2;
    }
    return capacity;
}

static struct image *clone_image(const struct image *image, size_t capacity)
{
    struct image *clone = memory_grow(NULL, sizeof *clone + capacity);
    *clone = (struct image){.users = 1, .capacity = capacity};
    if (image != NULL) {
        assert(image->size <= capacity);
        memcpy(clone->bytes, image->bytes, image->size);
        clone->size = image->size;
    }
    return clone;
}

/* Make it this user's alone, with room for `size` bytes. */
static struct image *own_image(struct image **image, size_t size)
{
    const size_t capacity = capacity_of(size);
    if (*image == NULL || (*image)->users > 1) {
        const size_t kept = *image == NULL ? 0 : (*image)->capacity;
        struct image *clone = clone_image(*image, kept > capacity ? kept : capacity);
        memory_image_drop(image);
        *image = clone;
    } else if ((*image)->capacity < capacity) {
        *image = memory_grow(*image, sizeof **image + capacity);
        (*image)->capacity = capacity;
    }
    (*image)->is_hashed = 0;
    return *image;
}

size_t memory_image_size(const struct image *image)
{
    return image == NULL ? 0 : image->size;
}

const uint8_t *memory_image_bytes(const struct image *image)
{
    return image == NULL ? NULL : image->bytes;
}

struct image *memory_image_share(struct image *image)
{
    if (image == NULL) {
        return NULL;
    }
    if (image->is_lent) {
        return clone_image(image, image->capacity);
    }
    image->users++;
    return image;
}

void memory_image_drop(struct image **image)
{
    if (*image != NULL && --(*image)->users == 0) {
        free(*image);
    }
    *image = NULL;
}

void memory_image_resize(struct image **image, size_t size)
{
    struct image *owned = own_image(image, size);
    if (size > owned->size) {
        memset(owned->bytes + owned->size, 0, size - owned->size);
    }
    owned->size = size;
}

void memory_image_put(struct image **image, size_t offset, const void *from, size_t count)
{
    const size_t size = memory_image_size(*image);
    struct image *owned = own_image(image, offset + count > size ? offset + count : size);
    if (offset + count > owned->size) {
        memset(owned->bytes + owned->size, 0, offset + count - owned->size);
        owned->size = offset + count;
    }
    if (count > 0) {
        memcpy(owned->bytes + offset, from, count);
    }
}

uint8_t *memory_image_lend(struct image **image)
{
    struct image *owned = own_image(image, memory_image_size(*image));
    owned->is_lent = 1;
    return owned->bytes;
}

uint64_t memory_image_hash(struct image *image)
{
    if (image == NULL) {
        return 0;
    }
    if (!image->is_hashed || image->is_lent) {
        image->hash = XXH3_64bits(image->bytes, image->size);
        image->is_hashed = 1;
    }
    return image->hash;
}
