/* wire_bundle_fuzz.c -- the value of an entry: bundles of commands, from any member.
 *
 * What is valid can be read to its end, and writing it again gives the bytes that came, but for
 * the bytes that pad a command, which nobody looks at. */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "wire/wire.h"

/* The bytes of one bundle, head and commands, written anew. */
static void check_bundle(const struct wire_bundle *bundle, const uint8_t *at)
{
    uint8_t head[WIRE_BUNDLE_SIZE];
    struct bytes rest = bundle->commands;
    struct bytes command;
    uint32_t kind;

    wire_encode_bundle(bundle, head);
    assert(memcmp(head, at, sizeof head) == 0);
    for (uint32_t i = 0; i < bundle->count; i++) {
        const uint8_t *from = rest.data;
        const int more = wire_next_command(&rest, &kind, &command);
        assert(more == 1);
        const size_t size = wire_command_size(command.size);
        assert(from + size == rest.data);
        uint8_t *again = malloc(size);
        assert(again != NULL);
        wire_encode_command(kind, command, again);
        assert(memcmp(again, from, WIRE_COMMAND_SIZE + command.size) == 0);
        free(again);
    }
    assert(rest.size == 0);
}

FUZZ(wire_bundle)
{
    struct bytes rest = input;
    struct wire_bundle bundle;
    struct bytes command;
    uint32_t kind;
    int more = 1;

    const int is_valid = wire_bundles_are_valid(input);
    while (more > 0) {
        const uint8_t *at = rest.data;
        more = wire_next_bundle(&rest, &bundle);
        if (more > 0 && is_valid) {
            check_bundle(&bundle, at);
        }
        while (more > 0 && wire_next_command(&bundle.commands, &kind, &command) > 0) {
        }
    }
    assert(!is_valid || (more == 0 && input.size > 0));
}
