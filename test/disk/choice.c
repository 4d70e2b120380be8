/* choice.c -- every way in which what is pending may land, or as many as there is time for.
 *
 *   all      up to all_max items: every subset of them, 2^n
 *   many     more: none, all, every one or two that land alone, every one or two that are lost
 *            alone, every beginning, and so many drawn by chance
 *   torn     one block of those lands in part; up to torn_max items: with every subset of the
 *            others; more: with none, all, those before it, those behind it
 *
 * A torn block keeps a subset of its eight sectors: a beginning, an end, every other one (16
 * patterns), or any at all (254). Two torn blocks at once are left to chance (the unit tests of
 * the log): a flush is whole or not, and one torn block of it is enough for not. */
#include "test/disk/choice.h"

#include <string.h>

#include "base/assert.h"
#include "base/prng.h"

struct chooser {
    const struct os_memory_item *items;
    size_t count;
    const struct choice_limits *limits;
    void (*visit)(void *context, const uint8_t *kept);
    void *context;
    uint8_t kept[CHOICE_ITEMS_MAX];
};

static void visit_subset(struct chooser *chooser, uint64_t subset)
{
    for (size_t i = 0; i < chooser->count; i++) {
        chooser->kept[i] = (subset >> i & 1) != 0 ? OS_MEMORY_WHOLE : 0;
    }
    chooser->visit(chooser->context, chooser->kept);
}

/* Items [from, to) land, and no other. */
static void visit_range(struct chooser *chooser, size_t from, size_t to)
{
    memset(chooser->kept, 0, chooser->count);
    memset(chooser->kept + from, OS_MEMORY_WHOLE, to - from);
    chooser->visit(chooser->context, chooser->kept);
}

/* Items i and k, which may be one, are `landed` and the others are not so. */
static void visit_pair(struct chooser *chooser, size_t i, size_t k, uint8_t landed)
{
    memset(chooser->kept, (uint8_t)~landed, chooser->count);
    chooser->kept[i] = landed;
    chooser->kept[k] = landed;
    chooser->visit(chooser->context, chooser->kept);
}

static void visit_many(struct chooser *chooser)
{
    struct prng prng = {chooser->count};
    for (size_t to = 0; to <= chooser->count; to++) {
        visit_range(chooser, 0, to);
    }
    for (size_t i = 0; i < chooser->count; i++) {
        for (size_t k = i; k < chooser->count; k++) {
            visit_pair(chooser, i, k, OS_MEMORY_WHOLE);
            visit_pair(chooser, i, k, 0);
        }
    }
    for (size_t drawn = 0; drawn < chooser->limits->drawn; drawn++) {
        for (size_t i = 0; i < chooser->count; i++) {
            chooser->kept[i] = prng_chance(&prng, 1, 2) ? OS_MEMORY_WHOLE : 0;
        }
        chooser->visit(chooser->context, chooser->kept);
    }
}

/* -- Torn --------------------------------------------------------------------------------- */

static int is_pattern_wanted(unsigned pattern, int is_any)
{
    const unsigned ends = ~pattern & 0xff;
    const int is_beginning = (pattern & (pattern + 1)) == 0;
    const int is_end = (ends & (ends + 1)) == 0;
    return is_any || is_beginning || is_end || pattern == 0x55 || pattern == 0xaa;
}

/* Item `torn` lands as the pattern says, with subsets of the others. */
static void visit_torn(struct chooser *chooser, size_t torn, uint8_t pattern)
{
    const size_t count = chooser->count;
    if (count <= chooser->limits->torn_max) {
        for (uint64_t subset = 0; subset < (uint64_t)1 << count; subset++) {
            if ((subset >> torn & 1) != 0) {
                continue; /* The same as without it. */
            }
            for (size_t i = 0; i < count; i++) {
                chooser->kept[i] = (subset >> i & 1) != 0 ? OS_MEMORY_WHOLE : 0;
            }
            chooser->kept[torn] = pattern;
            chooser->visit(chooser->context, chooser->kept);
        }
        return;
    }
    for (unsigned sides = 0; sides < 4; sides++) {
        memset(chooser->kept, (sides & 1) != 0 ? OS_MEMORY_WHOLE : 0, torn);
        memset(chooser->kept + torn, (sides & 2) != 0 ? OS_MEMORY_WHOLE : 0, count - torn);
        chooser->kept[torn] = pattern;
        chooser->visit(chooser->context, chooser->kept);
    }
}

void choice_each(const struct os_memory_item *items, size_t count,
                 const struct choice_limits *limits,
                 void (*visit)(void *context, const uint8_t *kept), void *context)
{
    struct chooser chooser = {items, count, limits, visit, context, {0}};
    assert(count <= CHOICE_ITEMS_MAX && limits->all_max < 64);
    if (count <= limits->all_max) {
        for (uint64_t subset = 0; subset < (uint64_t)1 << count; subset++) {
            visit_subset(&chooser, subset);
        }
    } else {
        visit_many(&chooser);
    }
    for (size_t torn = 0; torn < count && limits->is_torn; torn++) {
        for (unsigned pattern = 1; pattern < OS_MEMORY_WHOLE; pattern++) {
            if (items[torn].kind == OS_MEMORY_BLOCK &&
                is_pattern_wanted(pattern, limits->is_any_torn)) {
                visit_torn(&chooser, torn, (uint8_t)pattern);
            }
        }
    }
}
