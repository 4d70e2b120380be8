/* encode.c -- the store's results as etcd's KV response messages.
 *
 * Protobuf puts the size of a message before the message, so sizes come first: each size_*()
 * below says what its put_*() will write, the buffer is asked for the sum once, and the writing
 * has no checks but one at the end. Fields with value 0 are left out, as proto3 does.
 *
 * The answers of a txn are one array in the order of writing, where each is followed by those
 * nested in it. So sizes are summed up by one walk from the end to the front - whatever is nested
 * has been added to its parent by then - and written by one walk from the front to the end, since
 * a message that holds others ends just where they end. No recursion. */
#include "kv/encode.h"

#include "base/assert.h"

enum {
    TYPE_VARINT = 0,
    TYPE_BYTES = 2
};

/* Field numbers. All messages have their header at 1, and all tags are below 128. */
enum {
    FIELD_HEADER = 1,
    HEADER_CLUSTER_ID = 1,
    HEADER_MEMBER_ID = 2,
    HEADER_REVISION = 3,
    HEADER_RAFT_TERM = 4,
    ITEM_KEY = 1,
    ITEM_CREATE_REVISION = 2,
    ITEM_MOD_REVISION = 3,
    ITEM_VERSION = 4,
    ITEM_VALUE = 5,
    ITEM_LEASE = 6,
    RANGE_ITEMS = 2,
    RANGE_MORE = 3,
    RANGE_COUNT = 4,
    PUT_PREVIOUS = 2,
    DELETE_RANGE_DELETED = 2,
    DELETE_RANGE_PREVIOUS = 3,
    TXN_SUCCEEDED = 2,
    TXN_RESPONSES = 3,
};

/* -- Fields: their sizes, and themselves ----------------------------------------------------- */

static size_t size_varint(uint64_t value)
{
    const uint32_t bits = 64 - (uint32_t)__builtin_clzll(value | 1);
    assert(bits >= 1 && bits <= 64);
    return (bits + 6) / 7;
}

static size_t size_number(uint64_t value)
{
    return value == 0 ? 0 : 1 + size_varint(value);
}

/* Of a field that is there even when it is empty. */
static size_t size_message(size_t size)
{
    assert(size <= SIZE_MAX / 2);
    return 1 + size_varint(size) + size;
}

static size_t size_bytes(size_t size)
{
    return size == 0 ? 0 : size_message(size);
}

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
    assert(at != NULL);
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_tag(uint8_t *at, uint32_t number, uint32_t type)
{
    assert(number >= 1 && number < 16);
    assert(type == TYPE_VARINT || type == TYPE_BYTES);
    *at++ = (uint8_t)(number << 3 | type);
    return at;
}

static uint8_t *put_number(uint8_t *at, uint32_t number, uint64_t value)
{
    assert(at != NULL);
    return value == 0 ? at : put_varint(put_tag(at, number, TYPE_VARINT), value);
}

static uint8_t *put_size(uint8_t *at, uint32_t number, size_t size)
{
    assert(at != NULL);
    return put_varint(put_tag(at, number, TYPE_BYTES), size);
}

static uint8_t *put_bytes(uint8_t *at, uint32_t number, struct bytes bytes)
{
    assert(at != NULL);
    assert(bytes_is_whole(bytes));
    if (bytes.size == 0) {
        return at;
    }
    at = put_size(at, number, bytes.size);
    memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

/* -- Header and key-value -------------------------------------------------------------------- */

static size_t size_header(const struct kv_header *header, int64_t revision)
{
    assert(header != NULL);
    return size_number(header->cluster_id) + size_number(header->member_id) +
           size_number((uint64_t)revision) + size_number(header->raft_term);
}

static uint8_t *put_header(uint8_t *at, const struct kv_header *header, int64_t revision)
{
    assert(at != NULL);
    assert(header != NULL);
    at = put_size(at, FIELD_HEADER, size_header(header, revision));
    at = put_number(at, HEADER_CLUSTER_ID, header->cluster_id);
    at = put_number(at, HEADER_MEMBER_ID, header->member_id);
    at = put_number(at, HEADER_REVISION, (uint64_t)revision);
    return put_number(at, HEADER_RAFT_TERM, header->raft_term);
}

static struct bytes shown_value(const struct item *item, int is_keys_only)
{
    assert(!item_is_tombstone(item));
    return is_keys_only ? bytes_of(NULL, 0) : item_value(item);
}

static size_t size_item(const struct item *item, int is_keys_only)
{
    assert(item->key_size > 0);
    return size_bytes(item->key_size) + size_number((uint64_t)item->create_revision) +
           size_number((uint64_t)item->mod_revision) + size_number((uint64_t)item->version) +
           size_bytes(shown_value(item, is_keys_only).size) + size_number((uint64_t)item->lease);
}

static uint8_t *put_item(uint8_t *at, uint32_t number, const struct item *item, int is_keys_only)
{
    assert(at != NULL);
    assert(!item_is_tombstone(item));
    assert(item->key_size > 0);
    at = put_size(at, number, size_item(item, is_keys_only));
    at = put_bytes(at, ITEM_KEY, item_key(item));
    at = put_number(at, ITEM_CREATE_REVISION, (uint64_t)item->create_revision);
    at = put_number(at, ITEM_MOD_REVISION, (uint64_t)item->mod_revision);
    at = put_number(at, ITEM_VERSION, (uint64_t)item->version);
    at = put_bytes(at, ITEM_VALUE, shown_value(item, is_keys_only));
    return put_number(at, ITEM_LEASE, (uint64_t)item->lease);
}

/* -- The bodies of the responses ------------------------------------------------------------- */

static size_t size_range(const struct kv_header *header, const struct kv_range_result *result)
{
    assert(header != NULL);
    size_t size = size_message(size_header(header, result->revision));
    assert(result->item_count == 0 || result->items != NULL);
    for (size_t i = 0; i < result->item_count; i++) {
        size += size_message(size_item(result->items[i], result->is_keys_only));
    }
    return size + size_number(result->has_more) + size_number((uint64_t)result->count);
}

static uint8_t *put_range(uint8_t *at, const struct kv_header *header,
                          const struct kv_range_result *result)
{
    assert(at != NULL);
    assert(result->item_count == 0 || result->items != NULL);
    at = put_header(at, header, result->revision);
    for (size_t i = 0; i < result->item_count; i++) {
        at = put_item(at, RANGE_ITEMS, result->items[i], result->is_keys_only);
    }
    at = put_number(at, RANGE_MORE, result->has_more);
    return put_number(at, RANGE_COUNT, (uint64_t)result->count);
}

static size_t size_put(const struct kv_header *header, const struct kv_put_result *result)
{
    assert(result->previous == NULL || !item_is_tombstone(result->previous));
    const size_t size = size_message(size_header(header, result->revision));
    return result->previous == NULL ? size : size + size_message(size_item(result->previous, 0));
}

static uint8_t *put_put(uint8_t *at, const struct kv_header *header,
                        const struct kv_put_result *result)
{
    assert(at != NULL);
    at = put_header(at, header, result->revision);
    return result->previous == NULL ? at : put_item(at, PUT_PREVIOUS, result->previous, 0);
}

static size_t size_delete_range(const struct kv_header *header,
                                const struct kv_delete_range_result *result)
{
    assert(header != NULL);
    size_t size = size_message(size_header(header, result->revision));
    assert(result->item_count == 0 || result->items != NULL);
    for (size_t i = 0; i < result->item_count; i++) {
        size += size_message(size_item(result->items[i], 0));
    }
    return size + size_number((uint64_t)result->deleted);
}

static uint8_t *put_delete_range(uint8_t *at, const struct kv_header *header,
                                 const struct kv_delete_range_result *result)
{
    assert(at != NULL);
    assert(result->item_count == 0 || result->items != NULL);
    at = put_header(at, header, result->revision);
    at = put_number(at, DELETE_RANGE_DELETED, (uint64_t)result->deleted);
    for (size_t i = 0; i < result->item_count; i++) {
        at = put_item(at, DELETE_RANGE_PREVIOUS, result->items[i], 0);
    }
    return at;
}

/* -- Txn ------------------------------------------------------------------------------------- */

static const struct kv_header inner_header = {0};

/* The size of one answer without those nested in it. */
static size_t size_own(const struct kv_response *response)
{
    assert(response->kind >= KV_OP_RANGE && response->kind <= KV_OP_TXN);
    switch (response->kind) {
    case KV_OP_RANGE:
        return size_range(&inner_header, &response->range);
    case KV_OP_PUT:
        return size_put(&inner_header, &response->put);
    case KV_OP_DELETE_RANGE:
        return size_delete_range(&inner_header, &response->delete_range);
    default:
        assert(response->kind == KV_OP_TXN);
        return size_message(size_header(&inner_header, 0)) + size_number(response->has_succeeded);
    }
}

/* Set encoded_size of every answer; returns the sum of those that are in no other. */
static size_t size_responses(const struct kv_txn_result *result)
{
    size_t sum = 0;

    assert(result->response_count == 0 || result->responses != NULL);
    for (size_t i = 0; i < result->response_count; i++) {
        result->responses[i].encoded_size = 0;
    }
    for (size_t i = result->response_count; i > 0; i--) {
        struct kv_response *response = &result->responses[i - 1];
        response->encoded_size += size_own(response);
        const size_t size = size_message(size_message(response->encoded_size));
        if (response->parent == NULL) {
            sum += size;
        } else {
            assert(response->parent < response);
            response->parent->encoded_size += size;
        }
    }
    return sum;
}

static uint8_t *put_response(uint8_t *at, const struct kv_response *response)
{
    assert(response->kind >= KV_OP_RANGE && response->kind <= KV_OP_TXN);
    assert(response->encoded_size > 0);
    at = put_size(at, TXN_RESPONSES, size_message(response->encoded_size));
    at = put_size(at, response->kind, response->encoded_size);
    switch (response->kind) {
    case KV_OP_RANGE:
        return put_range(at, &inner_header, &response->range);
    case KV_OP_PUT:
        return put_put(at, &inner_header, &response->put);
    case KV_OP_DELETE_RANGE:
        return put_delete_range(at, &inner_header, &response->delete_range);
    default:
        at = put_header(at, &inner_header, 0);
        return put_number(at, TXN_SUCCEEDED, response->has_succeeded);
    }
}

/* -- Whole messages -------------------------------------------------------------------------- */

/* What was written must be what was counted: anything else would corrupt memory or the answer. */
static int finish(struct buffer *to, const uint8_t *begin, const uint8_t *end, size_t size)
{
    assert(begin != NULL && end >= begin);
    assert((size_t)(end - begin) == size);
    buffer_commit(to, size);
    return 0;
}

int encode_range(struct buffer *to, const struct kv_header *header,
                 const struct kv_range_result *result)
{
    assert(to->start <= to->end);
    assert(header != NULL);
    const size_t size = size_range(header, result);
    uint8_t *begin = buffer_reserve(to, size);
    return begin == NULL ? -1 : finish(to, begin, put_range(begin, header, result), size);
}

int encode_put(struct buffer *to, const struct kv_header *header,
               const struct kv_put_result *result)
{
    assert(to->start <= to->end);
    assert(header != NULL);
    const size_t size = size_put(header, result);
    uint8_t *begin = buffer_reserve(to, size);
    return begin == NULL ? -1 : finish(to, begin, put_put(begin, header, result), size);
}

int encode_delete_range(struct buffer *to, const struct kv_header *header,
                        const struct kv_delete_range_result *result)
{
    assert(to->start <= to->end);
    assert(header != NULL);
    const size_t size = size_delete_range(header, result);
    uint8_t *begin = buffer_reserve(to, size);
    return begin == NULL ? -1 : finish(to, begin, put_delete_range(begin, header, result), size);
}

int encode_compaction(struct buffer *to, const struct kv_header *header,
                      const struct kv_compaction_result *result)
{
    assert(to->start <= to->end);
    assert(header != NULL);
    const size_t size = size_message(size_header(header, result->revision));
    uint8_t *begin = buffer_reserve(to, size);
    return begin == NULL ? -1
                         : finish(to, begin, put_header(begin, header, result->revision), size);
}

int encode_txn(struct buffer *to, const struct kv_header *header, struct kv_txn_result *result)
{
    assert(to->start <= to->end);
    assert(header != NULL);
    const size_t size = size_message(size_header(header, result->revision)) +
                        size_number(result->has_succeeded) + size_responses(result);
    uint8_t *begin = buffer_reserve(to, size);
    if (begin == NULL) {
        return -1;
    }
    uint8_t *at = put_header(begin, header, result->revision);
    at = put_number(at, TXN_SUCCEEDED, result->has_succeeded);
    for (size_t i = 0; i < result->response_count; i++) {
        at = put_response(at, &result->responses[i]);
    }
    return finish(to, begin, at, size);
}

int encode_result(struct buffer *to, const struct kv_header *header, struct kv_result *result)
{
    assert(result->error == 0 && result->lost == 0);
    switch (result->kind) {
    case KV_COMMAND_PUT:
        return encode_put(to, header, &result->put);
    case KV_COMMAND_DELETE_RANGE:
        return encode_delete_range(to, header, &result->delete_range);
    case KV_COMMAND_TXN:
        return encode_txn(to, header, &result->txn);
    default:
        assert(result->kind == KV_COMMAND_COMPACT);
        return encode_compaction(to, header, &result->compaction);
    }
}
