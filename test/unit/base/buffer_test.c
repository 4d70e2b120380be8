/* buffer_test.c -- what base/buffer promises, claim by claim. */
#include "base/buffer.h"

#include "test.h"

TEST(buffer, holds_nothing_when_all_zero)
{
    struct buffer buffer = {0};
    assert_int_equal(buffer_size(&buffer), 0);
    assert_int_equal(buffer_bytes(&buffer).size, 0);
    buffer_deinit(&buffer);
}

TEST(buffer, has_a_place_for_nothing_too)
{
    struct buffer buffer = {0};
    assert_non_null(buffer_reserve(&buffer, 0)); /* NULL would mean that there is no memory. */
    buffer_commit(&buffer, 0);
    assert_int_equal(buffer_size(&buffer), 0);
    buffer_deinit(&buffer);
}

TEST(buffer, gives_back_in_order_what_was_appended)
{
    struct buffer buffer = {0};
    assert_int_equal(buffer_append(&buffer, "one ", 4), 0);
    assert_int_equal(buffer_append(&buffer, "", 0), 0);
    assert_int_equal(buffer_append(&buffer, "two", 3), 0);
    assert_true(bytes_equal(buffer_bytes(&buffer), bytes_of_text("one two")));
    buffer_consume(&buffer, 4);
    assert_true(bytes_equal(buffer_bytes(&buffer), bytes_of_text("two")));
    buffer_consume(&buffer, 3);
    assert_int_equal(buffer.start, 0);
    buffer_deinit(&buffer);
}

/* Appending and consuming at random, against a plain count: the n-th byte is always n mod 251. */
TEST(buffer, keeps_every_byte_while_it_grows_and_slides)
{
    struct buffer buffer = {0};
    size_t in = 0;
    size_t out = 0;
    uint32_t chance = 1;
    for (int round = 0; round < 5000; round++) {
        chance = chance * 1664525u + 1013904223u;
        const size_t size = (chance >> 16) % 700;
        uint8_t *to = buffer_reserve(&buffer, size);
        assert_non_null(to);
        for (size_t i = 0; i < size; i++) {
            to[i] = (uint8_t)(in++ % 251);
        }
        buffer_commit(&buffer, size);
        chance = chance * 1664525u + 1013904223u;
        size_t eat = (chance >> 16) % 750;
        eat = eat < buffer_size(&buffer) ? eat : buffer_size(&buffer);
        for (size_t i = 0; i < eat; i++) {
            assert_int_equal(buffer_bytes(&buffer).data[i], out++ % 251);
        }
        buffer_consume(&buffer, eat);
        assert_int_equal(buffer_size(&buffer), in - out);
    }
    buffer_deinit(&buffer);
}

TEST(buffer, refuses_a_size_that_no_machine_has_and_stays_as_it_was)
{
    struct buffer buffer = {0};
    assert_int_equal(buffer_append(&buffer, "kept", 4), 0);
    assert_null(buffer_reserve(&buffer, SIZE_MAX - 2));
    assert_true(bytes_equal(buffer_bytes(&buffer), bytes_of_text("kept")));
    buffer_deinit(&buffer);
}

TEST(buffer, gives_back_memory_above_what_it_may_keep)
{
    struct buffer buffer = {0};
    assert_non_null(buffer_reserve(&buffer, 10000));
    buffer_commit(&buffer, 10000);
    buffer_clear(&buffer, 100000);
    assert_true(buffer.capacity >= 10000);
    assert_int_equal(buffer_size(&buffer), 0);
    buffer_clear(&buffer, 9000);
    assert_int_equal(buffer.capacity, 0);
}
