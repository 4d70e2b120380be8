/* request.c -- the few messages of etcd's API that a load generator needs, by hand. */
#include "bench/request.h"

enum {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5,
};

/* One field of a message: its number, and its value as number or bytes. */
struct field {
    uint64_t number;
    uint64_t varint;
    struct bytes bytes;
};

static size_t put_varint(uint8_t *to, uint64_t value)
{
    size_t size = 0;
    while (value >= 0x80) {
        to[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    to[size++] = (uint8_t)value;
    return size;
}

static size_t put_bytes(uint8_t *to, uint8_t number, struct bytes value)
{
    to[0] = (uint8_t)(number << 3 | WIRE_BYTES);
    const size_t head = 1 + put_varint(to + 1, value.size);
    if (value.size > 0) {
        memcpy(to + head, value.data, value.size);
    }
    return head + value.size;
}

size_t request_encode_put(uint8_t *to, struct bytes key, struct bytes value)
{
    const size_t size = put_bytes(to, 1, key);
    return size + put_bytes(to + size, 2, value);
}

size_t request_encode_get(uint8_t *to, struct bytes key, int is_serializable)
{
    size_t size = put_bytes(to, 1, key);
    if (is_serializable) {
        to[size++] = 7 << 3 | WIRE_VARINT;
        to[size++] = 1;
    }
    return size;
}

/* Take a varint from the front. Returns 0, or -1 where there is none. */
static int take_varint(struct bytes *from, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < from->size && i < 10; i++) {
        *value |= (uint64_t)(from->data[i] & 0x7f) << (7 * i);
        if (from->data[i] < 0x80) {
            *from = bytes_of(from->data + i + 1, from->size - i - 1);
            return 0;
        }
    }
    return -1;
}

/* Take `size` bytes from the front. */
static int take_bytes(struct bytes *from, uint64_t size, struct bytes *value)
{
    if (size > from->size) {
        return -1;
    }
    *value = bytes_of(from->data, (size_t)size);
    *from = bytes_of(from->data + size, from->size - (size_t)size);
    return 0;
}

/* Take a field from the front. Returns 0, or -1 at the end or where it is no field. */
static int take_field(struct bytes *from, struct field *field)
{
    uint64_t tag;
    uint64_t size;
    *field = (struct field){0};
    if (take_varint(from, &tag) != 0) {
        return -1;
    }
    field->number = tag >> 3;
    switch (tag & 7) {
    case WIRE_VARINT:
        return take_varint(from, &field->varint);
    case WIRE_FIXED64:
        return take_bytes(from, 8, &field->bytes);
    case WIRE_FIXED32:
        return take_bytes(from, 4, &field->bytes);
    case WIRE_BYTES:
        return take_varint(from, &size) != 0 ? -1 : take_bytes(from, size, &field->bytes);
    default:
        return -1;
    }
}

int request_has_key(struct bytes range_response)
{
    struct field field;
    while (take_field(&range_response, &field) == 0) {
        if (field.number == 2) {
            return 1;
        }
    }
    return 0;
}

/* The member_id of a ResponseHeader; 0 where there is none. */
static uint64_t decode_member(struct bytes header)
{
    uint64_t member = 0;
    struct field field;
    while (take_field(&header, &field) == 0) {
        if (field.number == 2) {
            member = field.varint;
        }
    }
    return member;
}

int request_decode_status(struct bytes message, uint64_t *member, uint64_t *leader)
{
    struct field field;
    *member = 0;
    *leader = 0;
    while (take_field(&message, &field) == 0) {
        if (field.number == 1) {
            *member = decode_member(field.bytes);
        } else if (field.number == 4) {
            *leader = field.varint;
        }
    }
    return *member == 0 ? -1 : 0;
}
