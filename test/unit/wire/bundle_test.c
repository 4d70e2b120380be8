/* bundle_test.c -- commands in bundles, bundles in the value of an entry. */
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "test.h"
#include "wire/wire.h"

enum {
    VALUE_MAX = 8192,
    COMMANDS = 5
};

/* Two bundles; command number i is i * 3 bytes of value i. */
static size_t make_value(uint8_t *value)
{
    size_t size = 0;
    for (uint64_t b = 0; b < 2; b++) {
        uint8_t *const head = value + size;
        size += WIRE_BUNDLE_SIZE;
        const size_t start = size;
        for (uint32_t i = 0; i < COMMANDS; i++) {
            uint8_t text[3 * COMMANDS];
            memset(text, (int)i, sizeof text);
            wire_encode_command(100 + i, bytes_of(text, (size_t)i * 3), value + size);
            size += wire_command_size((size_t)i * 3);
        }
        wire_encode_bundle(&(struct wire_bundle){.origin = 7 + b,
                                                 .incarnation = 8 + b,
                                                 .sequence = 9 + b,
                                                 .low = 10 + b,
                                                 .count = COMMANDS,
                                                 .commands = bytes_of(NULL, size - start)},
                           head);
    }
    return size;
}

TEST(bundle, gives_commands_back_in_their_order)
{
    uint8_t value[VALUE_MAX];
    struct bytes rest = bytes_of(value, make_value(value));
    struct wire_bundle bundle;
    assert_true(wire_bundles_are_valid(rest));
    for (uint64_t b = 0; b < 2; b++) {
        assert_int_equal(wire_next_bundle(&rest, &bundle), 1);
        assert_int_equal(bundle.origin, 7 + b);
        assert_int_equal(bundle.incarnation, 8 + b);
        assert_int_equal(bundle.sequence, 9 + b);
        assert_int_equal(bundle.low, 10 + b);
        assert_int_equal(bundle.count, COMMANDS);
        for (uint32_t i = 0; i < COMMANDS; i++) {
            uint32_t kind = 0;
            struct bytes command = {0};
            assert_int_equal(wire_next_command(&bundle.commands, &kind, &command), 1);
            assert_int_equal(kind, 100 + i);
            assert_int_equal(command.size, i * 3);
            for (size_t k = 0; k < command.size; k++) {
                assert_int_equal(command.data[k], i);
            }
        }
        assert_int_equal(bundle.commands.size, 0);
        assert_int_equal(wire_next_command(&bundle.commands, &(uint32_t){0}, &(struct bytes){0}),
                         0);
    }
    assert_int_equal(wire_next_bundle(&rest, &bundle), 0);
}

TEST(bundle, pads_with_zeroes_to_multiples_of_eight)
{
    uint8_t bytes[32];
    assert_int_equal(wire_command_size(0), 8);
    assert_int_equal(wire_command_size(1), 16);
    assert_int_equal(wire_command_size(8), 16);
    assert_int_equal(wire_command_size(9), 24);
    memset(bytes, 0xff, sizeof bytes);
    wire_encode_command(1, bytes_of_text("abc"), bytes);
    assert_memory_equal(bytes + 8, "abc\0\0\0\0\0", 8);
    assert_int_equal(bytes[16], 0xff);
}

TEST(bundle, refuses_a_value_cut_at_any_byte)
{
    uint8_t value[VALUE_MAX];
    const size_t whole = make_value(value);
    for (size_t size = 0; size < whole; size++) {
        uint8_t *copy = malloc(size + (size == 0));
        assert_non_null(copy);
        memcpy(copy, value, size);
        /* The end of the first bundle is as good an end as any. */
        assert_int_equal(wire_bundles_are_valid(bytes_of(copy, size)), size == whole / 2);
        free(copy);
    }
}

TEST(bundle, survives_every_flipped_bit)
{
    uint8_t value[VALUE_MAX];
    const size_t whole = make_value(value);
    for (size_t bit = 0; bit < 8 * whole; bit++) {
        uint8_t *copy = malloc(whole);
        assert_non_null(copy);
        memcpy(copy, value, whole);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        (void)wire_bundles_are_valid(bytes_of(copy, whole));
        free(copy);
    }
}

static int is_valid_with(size_t at, uint32_t number)
{
    uint8_t value[VALUE_MAX];
    const size_t size = make_value(value);
    put_u32(value + at, number);
    return wire_bundles_are_valid(bytes_of(value, size));
}

TEST(bundle, believes_no_count_and_no_size)
{
    assert_true(is_valid_with(32, COMMANDS));
    assert_false(is_valid_with(32, COMMANDS + 1)); /* Commands in the first bundle. */
    assert_false(is_valid_with(32, COMMANDS - 1));
    assert_false(is_valid_with(32, 0));
    assert_false(is_valid_with(36, UINT32_MAX)); /* Its bytes. */
    assert_false(is_valid_with(36, UINT32_MAX - 7));
    assert_false(is_valid_with(36, 8));
    assert_false(is_valid_with(36, 12));
    assert_false(is_valid_with(WIRE_BUNDLE_SIZE, UINT32_MAX)); /* Bytes of its first command. */
    assert_false(is_valid_with(WIRE_BUNDLE_SIZE, 1000));
    assert_false(wire_bundles_are_valid((struct bytes){0}));
}
