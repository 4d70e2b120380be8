/* xmalloc.c -- memory, or the end of the program. */
#include "cli/xmalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "synod: out of memory\n");
        exit(1);
    }
    return memory;
}

void *xmalloc(size_t size)
{
    return checked(malloc(size == 0 ? 1 : size));
}

void *xcalloc(size_t count, size_t size)
{
    return checked(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size));
}

void *xrealloc(void *memory, size_t size)
{
    return checked(realloc(memory, size == 0 ? 1 : size));
}

char *xstrndup(const char *text, size_t size)
{
    char *copy = xmalloc(size + 1);
    if (size > 0) { /* Of nothing there may be no pointer. */
        memcpy(copy, text, size);
    }
    copy[size] = '\0';
    return copy;
}
