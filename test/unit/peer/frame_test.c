/* frame_test.c -- what peer/frame promises, claim by claim. */
#include "peer/frame.h"

#include <string.h>

#include "test.h"

static const struct frame_hello hello_of_a = {
    .version_min = 1,
    .version_max = 7,
    .flags = 0x80000001u,
    .cluster_key = 0x1122334455667788u,
    .member = 42,
    .incarnation = 0x500000009u,
    .table_hash = 77,
    .name = "a",
    .address = "10.0.0.1:2380",
};

TEST(frame, header_survives_the_way_into_bytes_and_back)
{
    uint8_t bytes[FRAME_HEADER_SIZE];
    const struct bytes parts[] = {bytes_of_text("he"), bytes_of(NULL, 0), bytes_of_text("llo")};
    const struct frame_header header = {.body_size = 5, .type = 300, .version = 2, .group = 9};
    frame_encode_header(bytes, &header, parts, 3);
    const struct frame_header back = frame_decode_header(bytes);
    assert_int_equal(back.body_size, 5);
    assert_int_equal(back.type, 300);
    assert_int_equal(back.version, 2);
    assert_int_equal(back.group, 9);
    assert_int_equal(bytes[0], 5); /* Little-endian, size first. */
    assert_int_equal(bytes[8], 300 & 0xff);
}

/* Every bit, those of the size included. */
TEST(frame, with_one_wrong_bit_anywhere_is_not_intact)
{
    uint8_t frame[FRAME_HEADER_SIZE + 20];
    struct bytes body = bytes_of(frame + FRAME_HEADER_SIZE, 20);
    const struct frame_header header = {.body_size = 20, .type = 16, .version = 1};
    memset(frame, 'x', sizeof frame);
    frame_encode_header(frame, &header, &body, 1);
    assert_true(frame_is_intact(bytes_of(frame, sizeof frame)));
    for (size_t bit = 0; bit < sizeof frame * 8; bit++) {
        frame[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_false(frame_is_intact(bytes_of(frame, sizeof frame)));
        frame[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

TEST(hello, survives_the_way_into_bytes_and_back)
{
    uint8_t body[FRAME_HELLO_SIZE_MAX];
    struct frame_hello back;
    memset(&back, 0xff, sizeof back);
    const size_t size = frame_encode_hello(body, &hello_of_a);
    assert_null(frame_decode_hello(bytes_of(body, size), &back));
    assert_memory_equal(&back, &hello_of_a, sizeof back);
}

TEST(hello, with_the_longest_name_and_address_fits)
{
    uint8_t body[FRAME_HELLO_SIZE_MAX];
    struct frame_hello hello = hello_of_a;
    struct frame_hello back;
    memset(hello.name, 'n', PEER_NAME_SIZE_MAX);
    memset(hello.address, 'a', PEER_ADDRESS_SIZE_MAX);
    const size_t size = frame_encode_hello(body, &hello);
    assert_true(size <= FRAME_HELLO_SIZE_MAX);
    assert_null(frame_decode_hello(bytes_of(body, size), &back));
    assert_memory_equal(&back, &hello, sizeof back);
}

TEST(hello, cut_short_anywhere_is_refused)
{
    uint8_t body[FRAME_HELLO_SIZE_MAX];
    struct frame_hello back;
    const size_t size = frame_encode_hello(body, &hello_of_a);
    for (size_t cut = 0; cut < size; cut++) {
        assert_non_null(frame_decode_hello(bytes_of(body, cut), &back));
    }
}

TEST(hello, of_a_later_version_may_have_more_at_its_end)
{
    uint8_t body[FRAME_HELLO_SIZE_MAX] = {0};
    struct frame_hello back;
    const size_t size = frame_encode_hello(body, &hello_of_a);
    assert_null(frame_decode_hello(bytes_of(body, size + 100), &back));
    assert_string_equal(back.address, hello_of_a.address);
}

TEST(hello, with_sizes_that_lie_or_names_that_cannot_be_printed_is_refused)
{
    uint8_t body[FRAME_HELLO_SIZE_MAX];
    struct frame_hello back;
    const size_t size = frame_encode_hello(body, &hello_of_a);
    const struct bytes bytes = bytes_of(body, size);

    body[0] ^= 1; /* The magic. */
    assert_non_null(frame_decode_hello(bytes, &back));
    body[0] ^= 1;
    put_u16(body + 48, 0xffff);
    assert_non_null(frame_decode_hello(bytes, &back));
    put_u16(body + 48, 14); /* All of it a name, no address. */
    put_u16(body + 50, 0);
    assert_non_null(frame_decode_hello(bytes, &back));
    put_u16(body + 48, 1);
    put_u16(body + 50, 0xffff);
    assert_non_null(frame_decode_hello(bytes, &back));
    put_u16(body + 50, 13);
    body[52] = '\n';
    assert_non_null(frame_decode_hello(bytes, &back));
    body[52] = 'a';
    body[55] = 0; /* A terminator in the middle of the address. */
    assert_non_null(frame_decode_hello(bytes, &back));
}
