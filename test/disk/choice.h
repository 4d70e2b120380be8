/* choice.h -- every way in which what is pending may land, or as many as there is time for. */
#ifndef TEST_DISK_CHOICE_H
#define TEST_DISK_CHOICE_H

#include <stddef.h>
#include <stdint.h>

#include "os_memory.h"

enum {
    CHOICE_ITEMS_MAX = 256
};

/* How far to go. */
struct choice_limits {
    size_t all_max;  /* With so many items or fewer: every subset of them lands. */
    size_t torn_max; /* With so many or fewer: one block torn, and every subset of the others. */
    size_t drawn;    /* Subsets drawn by chance, where there are more than all_max items. */
    int is_torn;     /* Blocks are torn at all ... */
    int is_any_torn; /* ... into every subset of their sectors, not into SOME_PATTERNS. */
};

/* Visit the choices, always in the same order. kept[i] is as os_memory_aftermath() wants it. */
void choice_each(const struct os_memory_item *items, size_t count,
                 const struct choice_limits *limits,
                 void (*visit)(void *context, const uint8_t *kept), void *context);

#endif /* TEST_DISK_CHOICE_H */
