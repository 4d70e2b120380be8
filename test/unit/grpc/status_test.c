/* status_test.c -- codes, texts, time-outs and message framing. */
#include "grpc/status.h"

#include <string.h>

#include "grpc/message.h"
#include "test.h"

TEST(status, names_every_code_and_no_other)
{
    assert_string_equal(grpc_code_name(GRPC_OK), "OK");
    assert_string_equal(grpc_code_name(GRPC_UNAUTHENTICATED), "Unauthenticated");
    assert_string_equal(grpc_code_name((enum grpc_code)17), "Unknown");
    assert_string_equal(grpc_code_name((enum grpc_code) - 1), "Unknown");
}

/* What gRPC's specification demands of grpc-message, for every byte there is. */
TEST(status, gives_back_every_text_that_it_encoded)
{
    char text[256];
    char back[GRPC_TEXT_MAX + 1];
    uint8_t encoded[GRPC_TEXT_ENCODED_MAX];
    for (int i = 1; i < 256; i++) {
        text[i - 1] = (char)i;
    }
    text[255] = '\0';
    const size_t size = grpc_text_encode(text, encoded);
    for (size_t i = 0; i < size; i++) {
        assert_in_range(encoded[i], 0x20, 0x7e);
    }
    grpc_text_decode(bytes_of(encoded, size), back);
    assert_string_equal(back, text);
}

TEST(status, cuts_a_text_that_is_too_long)
{
    static char text[5000];
    uint8_t encoded[GRPC_TEXT_ENCODED_MAX];
    char back[GRPC_TEXT_MAX + 1];
    memset(text, '%', sizeof text - 1);
    assert_int_equal(grpc_text_encode(text, encoded), GRPC_TEXT_ENCODED_MAX);
    grpc_text_decode(bytes_of(text, sizeof text - 1), back);
    assert_int_equal(strlen(back), GRPC_TEXT_MAX);
}

TEST(status, decodes_a_bad_text_as_it_stands)
{
    char back[GRPC_TEXT_MAX + 1];
    grpc_text_decode(bytes_of_text("50% of %4, %zz %00 %41%"), back);
    assert_string_equal(back, "50% of %4, %zz ? A%");
}

TEST(status, reads_every_unit_of_a_timeout)
{
    static const struct {
        const char *text;
        uint64_t us;
    } cases[] = {
        {"1H", 3600000000}, {"2M", 120000000}, {"3S", 3000000}, {"100m", 100000}, {"7u", 7},
        {"1500n", 2},       {"0S", 1},         {"", 0},         {"5", 0},         {"S", 0},
        {"123456789S", 0},  {"1x", 0},         {"-1S", 0},      {"1 S", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(grpc_timeout_decode(bytes_of_text(cases[i].text)), cases[i].us);
    }
}

/* Never shorter than asked, and by no more than one part in a million longer. */
TEST(status, writes_timeouts_that_read_the_same)
{
    for (uint64_t us = 1; us < (uint64_t)1 << 48; us = us * 3 + 1) {
        char text[GRPC_TIMEOUT_SIZE];
        const size_t size = grpc_timeout_encode(us, text);
        assert_int_equal(size, strlen(text));
        const uint64_t back = grpc_timeout_decode(bytes_of(text, size));
        assert_true(back >= us && back - us <= us / 100000);
    }
    char text[GRPC_TIMEOUT_SIZE];
    grpc_timeout_encode(UINT64_MAX, text);
    assert_string_equal(text, "99999999H");
}

/* Feed a piece to the reader; each message that becomes whole is written to `to`, with a dot
 * behind it. Returns the bytes written. */
static size_t read_messages(struct message_reader *reader, struct bytes piece, char *to)
{
    size_t size = 0;
    while (message_reader_feed(reader, &piece, 100) == MESSAGE_WHOLE) {
        const struct bytes body = buffer_bytes(&reader->body);
        for (size_t i = 0; i < body.size; i++) {
            to[size++] = (char)body.data[i];
        }
        to[size++] = '.';
        message_reader_next(reader);
    }
    assert_int_equal(piece.size, 0);
    return size;
}

TEST(message, is_put_together_from_pieces_of_any_size)
{
    static const uint8_t wire[] = "\0\0\0\0\3abc\0\0\0\0\0\0\0\0\0\2de";
    const size_t size = sizeof wire - 1;
    for (size_t piece = 1; piece <= size; piece++) {
        struct message_reader reader = {0};
        char found[32] = "";
        size_t length = 0;
        for (size_t at = 0; at < size; at += piece) {
            const size_t some = piece < size - at ? piece : size - at;
            length += read_messages(&reader, bytes_of(wire + at, some), found + length);
        }
        assert_string_equal(found, "abc..de.");
        assert_true(message_reader_is_at_rest(&reader));
        buffer_deinit(&reader.body);
    }
}

/* A prefix alone must not claim memory. */
TEST(message, claims_no_memory_before_its_bytes_arrive)
{
    struct message_reader reader = {0};
    struct bytes data = bytes_of("\0\0\x10\0\0", 5);
    assert_int_equal(message_reader_feed(&reader, &data, 2 << 20), MESSAGE_WANTS_MORE);
    assert_true(reader.body.capacity <= 16384);
    assert_false(message_reader_is_at_rest(&reader));
    buffer_deinit(&reader.body);
}

TEST(message, is_refused_where_it_is_compressed_or_too_large)
{
    struct message_reader reader = {0};
    struct bytes data = bytes_of("\1\0\0\0\1x", 6);
    assert_int_equal(message_reader_feed(&reader, &data, 100), MESSAGE_COMPRESSED);
    reader = (struct message_reader){0};
    data = bytes_of("\0\0\0\0\x65", 5);
    assert_int_equal(message_reader_feed(&reader, &data, 100), MESSAGE_TOO_LARGE);
    assert_int_equal(reader.body.capacity, 0);
}
