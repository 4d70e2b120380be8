/* input.c -- all that comes on standard input, or nothing. */
#include "cli/input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/xmalloc.h"

uint8_t *input_read(const char *command, size_t *size)
{
    uint8_t *data = NULL;
    size_t capacity = 0;
    size_t taken;
    *size = 0;
    do {
        if (*size == capacity) {
            capacity = capacity * 2 + 4096;
            data = xrealloc(data, capacity);
        }
        taken = fread(data + *size, 1, capacity - *size, stdin);
        *size += taken;
    } while (taken > 0 && *size <= INPUT_SIZE_MAX);
    if (ferror(stdin)) {
        fprintf(stderr, "synod %s: cannot read standard input: %s\n", command, strerror(errno));
    } else if (*size > INPUT_SIZE_MAX) {
        fprintf(stderr, "synod %s: standard input has more than %d bytes, which no server takes\n",
                command, INPUT_SIZE_MAX);
    } else {
        return data;
    }
    free(data);
    return NULL;
}
