/* h2_script.c -- bytes of an HTTP/2 connection, built frame by frame from an input. */
#include "h2_script.h"

#include "base/assert.h"

enum {
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_PING = 6,
    FRAME_WINDOW_UPDATE = 8,
    FRAME_HEADER_SIZE = 9,
    END_STREAM = 1,
    END_HEADERS = 4,
    STREAMS = 8,     /* Numbers are mostly among the first so many. */
    TEXT_MAX = 126,  /* What a length of one byte can say in a header block. */
    PREFIX_SIZE = 5, /* Of a gRPC message. */
};

const char *const h2_paths[H2_PATHS] = {
    "/t.S/Echo", "/t.S/Hold", "/t.S/Fail", "/t.S/Grow", "/t.S/Chat",
    "/t.S/Feed", "/echo?a=b", "/pieces",   "/hold",     "/none",
};

struct field {
    const char *name;
    const char *value;
};

static const struct field GRPC_REQUEST[] = {
    {":method", "POST"}, {":scheme", "http"},
    {":authority", "a"}, {"content-type", "application/grpc"},
    {"te", "trailers"},  {NULL, NULL},
};
static const struct field PLAIN_REQUEST[] = {
    {":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {NULL, NULL}};
static const struct field ANSWER[] = {
    {":status", "200"}, {"content-type", "application/grpc"}, {NULL, NULL}};
static const struct field TRAILERS[] = {{"grpc-status", "0"}, {"grpc-message", ""}, {NULL, NULL}};

/* What an input may add. */
static const struct field EXTRAS[] = {
    {"grpc-timeout", "1S"},
    {"grpc-timeout", "99999999H"},
    {"grpc-timeout", "x"},
    {"grpc-encoding", "gzip"},
    {"grpc-encoding", "identity"},
    {"token", "t"},
    {"content-length", "5"},
    {"content-length", "0"},
    {":path", "*"},
    {":method", "CONNECT"},
    {":status", "404"},
    {":status", "100"},
    {"grpc-status", "5"},
    {"grpc-status", "99999999999"},
    {"grpc-message", "a%20b%"},
    {"connection", "close"},
    {"content-type", "application/json"},
    {"", ""},
};

static void append(struct buffer *to, const void *data, size_t size)
{
    const int error = size == 0 ? 0 : buffer_append(to, data, size);
    assert(error == 0);
}

static void append_u8(struct buffer *to, uint8_t value)
{
    append(to, &value, 1);
}

static void append_frame(struct buffer *to, uint8_t type, uint8_t flags, uint32_t stream,
                         struct bytes payload)
{
    const uint8_t header[FRAME_HEADER_SIZE] = {(uint8_t)(payload.size >> 16),
                                               (uint8_t)(payload.size >> 8),
                                               (uint8_t)payload.size,
                                               type,
                                               flags,
                                               0,
                                               0,
                                               (uint8_t)(stream >> 8),
                                               (uint8_t)stream};
    append(to, header, sizeof header);
    append(to, payload.data, payload.size);
}

/* -- Header blocks ------------------------------------------------------------------------ */

/* A literal that enters no table (RFC 7541, 6.2.2). */
static void append_field(struct buffer *block, struct bytes name, struct bytes value)
{
    assert(name.size <= TEXT_MAX && value.size <= TEXT_MAX);
    append_u8(block, 0);
    append_u8(block, (uint8_t)name.size);
    append(block, name.data, name.size);
    append_u8(block, (uint8_t)value.size);
    append(block, value.data, value.size);
}

static void append_preset(struct buffer *block, const struct field *fields)
{
    for (; fields->name != NULL; fields++) {
        append_field(block, bytes_of_text(fields->name), bytes_of_text(fields->value));
    }
}

static void append_extra(struct buffer *block, struct feed *feed)
{
    const uint32_t count = sizeof EXTRAS / sizeof *EXTRAS;
    const uint8_t which = feed_u8(feed);
    if (which % 2 == 0) {
        const struct field *extra = &EXTRAS[which / 2 % count];
        append_field(block, bytes_of_text(extra->name), bytes_of_text(extra->value));
        return;
    }
    const struct bytes name = feed_take(feed, which / 2 % TEXT_MAX);
    append_field(block, name, feed_take(feed, feed_u8(feed) % TEXT_MAX));
}

/* u8 preset and path, u8 count of extra fields. */
static void append_headers(struct buffer *to, struct feed *feed, uint8_t flags, uint32_t stream)
{
    struct buffer block = {0};
    const uint8_t preset = feed_u8(feed);
    const struct bytes path = bytes_of_text(h2_paths[preset / 8 % H2_PATHS]);
    switch (preset % 8) {
    case 0:
    case 1:
    case 2:
        append_preset(&block, GRPC_REQUEST);
        append_field(&block, bytes_of_text(":path"), path);
        break;
    case 3:
        append_preset(&block, PLAIN_REQUEST);
        append_field(&block, bytes_of_text(":path"), path);
        break;
    case 4:
    case 5:
        append_preset(&block, ANSWER);
        break;
    case 6:
        append_preset(&block, TRAILERS);
        break;
    default:
        break;
    }
    for (uint32_t left = feed_u8(feed) % 4; left > 0; left--) {
        append_extra(&block, feed);
    }
    append_frame(to, FRAME_HEADERS, flags ^ END_HEADERS, stream, buffer_bytes(&block));
    buffer_deinit(&block);
}

/* -- Other frames ------------------------------------------------------------------------- */

/* A gRPC message with its prefix; sometimes not the right one. */
static void append_message(struct buffer *to, struct feed *feed, uint8_t flags, uint32_t stream)
{
    struct buffer payload = {0};
    const struct bytes message = feed_take(feed, feed_u8(feed));
    const uint8_t odd = feed_u8(feed);
    const uint8_t prefix[PREFIX_SIZE] = {odd == 1, odd == 2, 0, odd == 3,
                                         (uint8_t)(message.size + (odd == 4))};
    append(&payload, prefix, sizeof prefix);
    append(&payload, message.data, message.size);
    append_frame(to, FRAME_DATA, flags, stream, buffer_bytes(&payload));
    buffer_deinit(&payload);
}

static void append_number(struct buffer *to, struct feed *feed, uint8_t type, uint32_t stream)
{
    uint8_t number[4];
    const uint32_t value = (uint32_t)feed_number(feed);
    for (uint32_t i = 0; i < 4; i++) {
        number[i] = (uint8_t)(value >> (24 - 8 * i));
    }
    append_frame(to, type, 0, stream, bytes_of(number, sizeof number));
}

void h2_script_piece(struct buffer *to, struct feed *feed)
{
    const uint8_t kind = feed_u8(feed);
    const uint8_t where = feed_u8(feed);
    const uint32_t stream = where < 250 ? (where / 2 % STREAMS) * 2u + 1 : where - 250u;
    const uint8_t flags = where % 2 == 0 ? 0 : END_STREAM;
    switch (kind % 10) {
    case 0:
    case 1:
    case 2:
        append_headers(to, feed, flags, stream);
        break;
    case 3:
    case 4:
        append_message(to, feed, flags, stream);
        break;
    case 5:
        append_frame(to, FRAME_SETTINGS, flags, 0, feed_take(feed, kind / 10 % 4 * 6u));
        break;
    case 6:
        append_number(to, feed, kind < 128 ? FRAME_WINDOW_UPDATE : FRAME_RST_STREAM,
                      where == 255 ? 0 : stream);
        break;
    case 7:
        append_frame(to, FRAME_PING, flags, 0, bytes_of("12345678", 8));
        break;
    case 8: {
        const uint8_t type = feed_u8(feed);
        append_frame(to, type, kind / 10, stream, feed_take(feed, feed_u8(feed)));
        break;
    }
    default: {
        const struct bytes raw = feed_take(feed, 1u + feed_u8(feed));
        append(to, raw.data, raw.size);
    }
    }
}
