/* disk_image.c -- the bytes of files, in pages that images share as long as they are alike.
 *
 * Most of what a disk keeps is what readers see, so most pages have two owners: making a write last
 * costs no copy, and half of the memory is not there to be walked through. Whoever writes into a
 * page that has another owner gets one of its own first. No page: zeroes. Behind the end of an
 * image the bytes of its last page are zero. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/disk_internal.h"

struct page {
    uint32_t owners;
    struct page *next; /* Of those that nobody has. */
    uint8_t bytes[DISK_PAGE_SIZE];
};

enum {
    SLAB_PAGES = 32 /* The pages of a small disk come in a few steps. */
};

struct slab {
    struct slab *next;
    struct page pages[SLAB_PAGES];
};

static const uint8_t ZEROES[DISK_PAGE_SIZE];

/* -- Pages -------------------------------------------------------------------------------- */

static void grow(struct page_pool *pool)
{
    struct slab *slab = world_reallocate(NULL, sizeof *slab);
    slab->next = pool->slabs;
    pool->slabs = slab;
    for (uint32_t i = 0; i < SLAB_PAGES; i++) {
        slab->pages[i].next = pool->free;
        pool->free = &slab->pages[i];
    }
}

static struct page *take_page(struct image *image)
{
    struct page_pool *pool = image->pool;
    if (pool->free == NULL) {
        grow(pool);
    }
    struct page *page = pool->free;
    pool->free = page->next;
    page->owners = 1;
    return page;
}

static void drop_page(struct image *image, uint64_t index)
{
    struct page *page = image->pages[index];
    image->pages[index] = NULL;
    if (page != NULL && --page->owners == 0) {
        page->next = image->pool->free;
        image->pool->free = page;
    }
}

/* The bytes of a page that is this image's alone. `is_whole`: all of them will be written. */
static uint8_t *own_page(struct image *image, uint64_t index, int is_whole)
{
    struct page *page = image->pages[index];
    if (page == NULL || page->owners > 1) {
        struct page *own = take_page(image);
        if (!is_whole) {
            memcpy(own->bytes, page == NULL ? ZEROES : page->bytes, DISK_PAGE_SIZE);
        }
        drop_page(image, index);
        image->pages[index] = own;
    }
    return image->pages[index]->bytes;
}

void page_pool_deinit(struct page_pool *pool)
{
    while (pool->slabs != NULL) {
        struct slab *slab = pool->slabs;
        pool->slabs = slab->next;
        free(slab);
    }
    pool->free = NULL;
}

/* -- Images ------------------------------------------------------------------------------- */

void image_init(struct image *image, struct page_pool *pool)
{
    *image = (struct image){.pool = pool};
}

void image_deinit(struct image *image)
{
    image_resize(image, 0);
    free(image->pages);
    image->pages = NULL;
}

static uint64_t pages_of(uint64_t size)
{
    return (size + DISK_PAGE_SIZE - 1) / DISK_PAGE_SIZE;
}

static void reserve(struct image *image, uint64_t count)
{
    if (count > image->capacity) {
        uint64_t capacity = image->capacity == 0 ? 16 : image->capacity;
        while (capacity < count) {
            capacity *= 2;
        }
        image->pages = world_reallocate(image->pages, capacity * sizeof(struct page *));
        memset(image->pages + image->capacity, 0,
               (capacity - image->capacity) * sizeof(struct page *));
        image->capacity = capacity;
    }
}

void image_resize(struct image *image, uint64_t size)
{
    reserve(image, pages_of(size));
    for (uint64_t i = pages_of(size); i < pages_of(image->size); i++) {
        drop_page(image, i);
    }
    const uint64_t end = size % DISK_PAGE_SIZE;
    if (size < image->size && end > 0 && image->pages[size / DISK_PAGE_SIZE] != NULL) {
        uint8_t *bytes = own_page(image, size / DISK_PAGE_SIZE, 0);
        memset(bytes + end, 0, DISK_PAGE_SIZE - end);
    }
    image->size = size;
}

const uint8_t *image_look(const struct image *image, uint64_t offset)
{
    assert(offset < image->size);
    const struct page *page = image->pages[offset / DISK_PAGE_SIZE];
    return (page == NULL ? ZEROES : page->bytes) + offset % DISK_PAGE_SIZE;
}

/* How many of the bytes from `offset` on, of which there are `size`, lie in its page. */
static size_t piece_of(uint64_t offset, size_t size)
{
    const size_t left = DISK_PAGE_SIZE - offset % DISK_PAGE_SIZE;
    return left < size ? left : size;
}

void image_read(const struct image *image, uint64_t offset, uint8_t *to, size_t size)
{
    assert(offset + size <= image->size);
    while (size > 0) {
        const size_t piece = piece_of(offset, size);
        memcpy(to, image_look(image, offset), piece);
        offset += piece;
        to += piece;
        size -= piece;
    }
}

void image_write(struct image *image, uint64_t offset, const uint8_t *from, size_t size)
{
    if (offset + size > image->size) {
        image_resize(image, offset + size);
    }
    while (size > 0) {
        const size_t piece = piece_of(offset, size);
        const uint64_t index = offset / DISK_PAGE_SIZE;
        if (piece == DISK_PAGE_SIZE && memcmp(from, ZEROES, DISK_PAGE_SIZE) == 0) {
            drop_page(image, index);
        } else {
            uint8_t *bytes = own_page(image, index, piece == DISK_PAGE_SIZE);
            memcpy(bytes + offset % DISK_PAGE_SIZE, from, piece);
        }
        offset += piece;
        from += piece;
        size -= piece;
    }
}

static void share_page(struct image *image, const struct image *other, uint64_t index)
{
    struct page *page = other->pages[index];
    if (page != image->pages[index]) {
        drop_page(image, index);
        image->pages[index] = page;
        if (page != NULL) {
            page->owners++;
        }
    }
}

void image_share(struct image *image, const struct image *other, uint64_t offset, uint64_t size)
{
    assert(image->pool == other->pool);
    assert(offset + size <= other->size);
    if (offset + size > image->size) {
        image_resize(image, offset + size);
    }
    while (size > 0) {
        const size_t piece = piece_of(offset, size);
        const uint64_t index = offset / DISK_PAGE_SIZE;
        if (piece == DISK_PAGE_SIZE) {
            share_page(image, other, index);
        } else if (image->pages[index] != other->pages[index]) {
            memcpy(own_page(image, index, 0) + offset % DISK_PAGE_SIZE, image_look(other, offset),
                   piece);
        }
        offset += piece;
        size -= piece;
    }
}

void image_become(struct image *image, const struct image *other)
{
    assert(image->pool == other->pool);
    image_resize(image, other->size);
    for (uint64_t i = 0; i < pages_of(other->size); i++) {
        share_page(image, other, i);
    }
}
