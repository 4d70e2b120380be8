/* xmalloc.h -- memory for programs that have nothing better to do without it than to end. */
#ifndef CLI_XMALLOC_H
#define CLI_XMALLOC_H

#include <stddef.h>

/* `size` bytes, not cleared; free() them. Without memory the program says so and exits 1. */
void *xmalloc(size_t size);

/* The same with all bytes zero. */
void *xcalloc(size_t count, size_t size);

/* `memory`, from these functions or NULL, made larger or smaller. */
void *xrealloc(void *memory, size_t size);

/* A copy of the first `size` bytes of a text, with a NUL after them. */
char *xstrndup(const char *text, size_t size);

#endif /* CLI_XMALLOC_H */
