/* disk_image.c -- the bytes of files, in pages that images share as long as they are alike.
 *
 * Most of what a disk keeps is what readers see, so most pages have two owners: making a write last
 * costs no copy, and half of the memory is not there to be walked through. Whoever writes into a
 * page that has another owner gets one of its own first. No page: zeroes. Behind the end of an
 * image the bytes of its last page are zero.
 *
 * A log is written in whole blocks, mostly a few hundred bytes and zeroes behind. So a page knows
 * how many of its bytes may be anything else, and the rest is neither copied nor fetched. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/disk_internal.h"

struct page {
    uint32_t owners;
    uint32_t used;     /* From here on all bytes are zero. */
    struct page *next; /* Of those that nobody has. */
    uint8_t bytes[DISK_PAGE_SIZE];
};

enum {
    SLAB_PAGES = 32, /* The pages of a small disk come in a few steps. */
    STRIDE = 512     /* Zeroes are looked for in such steps. */
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
        slab->pages[i].used = DISK_PAGE_SIZE; /* Nobody knows. */
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

/* Write bytes into a page that has one owner. */
static void fill(struct page *page, size_t offset, const uint8_t *from, size_t size)
{
    memcpy(page->bytes + offset, from, size);
    page->used = page->used < offset + size ? (uint32_t)(offset + size) : page->used;
}

/* From there on the page, which has one owner, is zero. */
static void clear_from(struct page *page, size_t offset)
{
    if (page->used > offset) {
        memset(page->bytes + offset, 0, page->used - offset);
        page->used = (uint32_t)offset;
    }
}

/* A page that is this image's alone; what it holds is unknown. */
static struct page *new_page(struct image *image, uint64_t index)
{
    struct page *page = image->pages[index];
    if (page == NULL || page->owners > 1) {
        page = take_page(image);
        drop_page(image, index);
        image->pages[index] = page;
    }
    return page;
}

/* A page that is this image's alone, and holds what it held. */
static struct page *own_page(struct image *image, uint64_t index)
{
    const struct page *before = image->pages[index];
    struct page *own = new_page(image, index);
    if (before == NULL) {
        clear_from(own, 0);
    } else if (before != own) { /* It has another owner still. */
        fill(own, 0, before->bytes, before->used);
        clear_from(own, before->used);
    }
    return own;
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
        clear_from(own_page(image, size / DISK_PAGE_SIZE), end);
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

/* Of a piece of a page so many bytes may be anything but zero. */
static size_t used_of(const struct page *page, uint64_t offset, size_t piece)
{
    const size_t at = offset % DISK_PAGE_SIZE;
    const size_t used = page == NULL || page->used <= at ? 0 : page->used - at;
    return used < piece ? used : piece;
}

void image_read(const struct image *image, uint64_t offset, uint8_t *to, size_t size)
{
    assert(offset + size <= image->size);
    while (size > 0) {
        const size_t piece = piece_of(offset, size);
        const size_t used = used_of(image->pages[offset / DISK_PAGE_SIZE], offset, piece);
        if (used > 0) {
            memcpy(to, image_look(image, offset), used);
        }
        memset(to + used, 0, piece - used);
        offset += piece;
        to += piece;
        size -= piece;
    }
}

/* How much of a whole page of bytes comes before the zeroes at its end, in whole strides. */
static size_t measure(const uint8_t *from)
{
    size_t used = DISK_PAGE_SIZE;
    while (used > 0 && memcmp(from + used - STRIDE, ZEROES, STRIDE) == 0) {
        used -= STRIDE;
    }
    return used;
}

static void write_page(struct image *image, uint64_t index, const uint8_t *from)
{
    const size_t used = measure(from);
    if (used == 0) {
        drop_page(image, index);
    } else {
        struct page *page = new_page(image, index);
        fill(page, 0, from, used);
        clear_from(page, used);
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
        if (piece == DISK_PAGE_SIZE) {
            write_page(image, index, from);
        } else {
            fill(own_page(image, index), offset % DISK_PAGE_SIZE, from, piece);
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
            fill(own_page(image, index), offset % DISK_PAGE_SIZE, image_look(other, offset), piece);
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
