/* input.h -- all that comes on standard input. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include <stddef.h>
#include <stdint.h>

enum {
    INPUT_SIZE_MAX = 16 << 20 /* In bytes; no server takes so much. */
};

/* Read standard input to its end: the bytes, to be freed, and their number in *size. NULL if it
 * cannot be read, or is more than INPUT_SIZE_MAX: "synod COMMAND: ..." says so on standard error,
 * for half of a value or of a transaction is another one. */
uint8_t *input_read(const char *command, size_t *size);

#endif /* CLI_INPUT_H */
