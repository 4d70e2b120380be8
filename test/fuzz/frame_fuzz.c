/* frame_fuzz.c -- a frame between members and the hello in it, as bytes from anybody.
 *
 * What is taken for a hello is printable, and what it is written as is a hello again. */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "peer/frame.h"

static void check_hello(const struct frame_hello *hello)
{
    uint8_t body[FRAME_HELLO_SIZE_MAX];
    struct frame_hello again;
    assert(strlen(hello->address) > 0);
    assert(frame_is_printable(bytes_of_text(hello->name), PEER_NAME_SIZE_MAX));
    assert(frame_is_printable(bytes_of_text(hello->address), PEER_ADDRESS_SIZE_MAX));
    const size_t size = frame_encode_hello(body, hello);
    assert(size <= sizeof body);
    const char *wrong = frame_decode_hello(bytes_of(body, size), &again);
    assert(wrong == NULL && strcmp(again.name, hello->name) == 0);
    assert(strcmp(again.address, hello->address) == 0);
    assert(again.member == hello->member && again.cluster_key == hello->cluster_key);
}

/* A frame with a wrong checksum is not intact, and with the right one it is. */
static void check_frame(struct bytes frame)
{
    const struct bytes body =
        bytes_of(frame.data + FRAME_HEADER_SIZE, frame.size - FRAME_HEADER_SIZE);
    struct frame_header header = frame_decode_header(frame.data);
    header.body_size = (uint32_t)body.size;
    uint8_t *right = malloc(frame.size);
    assert(right != NULL);
    memcpy(right, frame.data, frame.size);
    frame_encode_header(right, &header, &body, 1);
    assert(frame_is_intact(bytes_of(right, frame.size)));
    assert(!frame_is_intact(frame) || memcmp(right, frame.data, 4) != 0 ||
           memcmp(right, frame.data, frame.size) == 0);
    free(right);
}

FUZZ(frame)
{
    struct frame_hello hello;
    if (input.size >= FRAME_HEADER_SIZE) {
        check_frame(input);
    }
    if (frame_decode_hello(input, &hello) == NULL) {
        check_hello(&hello);
    }
}
