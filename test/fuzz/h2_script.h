/* h2_script.h -- bytes of an HTTP/2 connection, built frame by frame from an input.
 *
 * Random bytes hardly ever make a second frame: lengths, header blocks and prefixes of messages
 * are written right here unless the input asks for something else. */
#ifndef TEST_FUZZ_H2_SCRIPT_H
#define TEST_FUZZ_H2_SCRIPT_H

#include "base/buffer.h"
#include "fuzz.h"

/* The paths that the presets of header blocks name, by number. */
enum {
    H2_PATHS = 10
};

extern const char *const h2_paths[H2_PATHS];

/* Append the next piece: u8 kind, and what the kind asks for. */
void h2_script_piece(struct buffer *to, struct feed *feed);

#endif /* TEST_FUZZ_H2_SCRIPT_H */
