/* encode_test.c -- sizes and numbers that the property test's small world does not have. */
#include "test.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/prng.h"
#include "kv.pb-c.h"
#include "kv/encode.h"

/* Numbers of every length of a varint, negative ones included. */
static uint64_t number(struct prng *prng)
{
    return prng_next(prng) >> prng_below(prng, 65) % 64;
}

static struct item *new_item(struct prng *prng)
{
    static const uint8_t bytes[70000];
    const size_t key_size = 1 + (size_t)(number(prng) % 300);
    const size_t value_size = (size_t)(number(prng) % sizeof bytes);
    struct item *item = item_new(bytes_of(bytes, key_size), bytes_of(bytes, value_size));
    item->create_revision = (int64_t)number(prng);
    item->mod_revision = (int64_t)number(prng);
    item->version = (int64_t)(number(prng) >> 1) | 1; /* No tombstone. */
    item->lease = (int64_t)number(prng);
    return item;
}

static void fill(Mvccpb__KeyValue *kv, const struct item *item, int is_keys_only)
{
    mvccpb__key_value__init(kv);
    kv->key.data = (uint8_t *)(uintptr_t)item_key(item).data;
    kv->key.len = item->key_size;
    kv->value.data = (uint8_t *)(uintptr_t)item_value(item).data;
    kv->value.len = is_keys_only ? 0 : item->value_size;
    kv->create_revision = item->create_revision;
    kv->mod_revision = item->mod_revision;
    kv->version = item->version;
    kv->lease = item->lease;
}

static void assert_packs_to(const ProtobufCMessage *message, const struct buffer *found)
{
    const size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size + 1);
    assert_int_equal(protobuf_c_message_pack(message, bytes), size);
    assert_true(bytes_equal(bytes_of(bytes, size), buffer_bytes(found)));
    free(bytes);
}

enum {
    ITEMS = 3
};

TEST(encode, writes_what_protobuf_writes_for_numbers_and_sizes_of_any_length)
{
    struct buffer found = {0};

    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct prng prng = {.state = seed};
        const struct kv_header header = {number(&prng), number(&prng), number(&prng)};
        Etcdserverpb__ResponseHeader h = ETCDSERVERPB__RESPONSE_HEADER__INIT;
        Etcdserverpb__RangeResponse range = ETCDSERVERPB__RANGE_RESPONSE__INIT;
        Etcdserverpb__DeleteRangeResponse deletion = ETCDSERVERPB__DELETE_RANGE_RESPONSE__INIT;
        Etcdserverpb__PutResponse put = ETCDSERVERPB__PUT_RESPONSE__INIT;
        Mvccpb__KeyValue kvs[ITEMS];
        Mvccpb__KeyValue *pointers[ITEMS];
        struct item *items[ITEMS];
        const struct item *views[ITEMS];
        const uint8_t is_keys_only = (uint8_t)prng_below(&prng, 2);

        h.cluster_id = header.cluster_id;
        h.member_id = header.member_id;
        h.raft_term = header.raft_term;
        h.revision = (int64_t)number(&prng);
        range.header = deletion.header = put.header = &h;
        for (size_t i = 0; i < ITEMS; i++) {
            items[i] = new_item(&prng);
            views[i] = items[i];
            pointers[i] = &kvs[i];
            fill(&kvs[i], items[i], is_keys_only);
        }
        range.kvs = pointers;
        range.n_kvs = (size_t)prng_below(&prng, ITEMS + 1);
        range.count = (int64_t)number(&prng);
        range.more = (int)prng_below(&prng, 2);
        const struct kv_range_result range_result = {.revision = h.revision,
                                                     .count = range.count,
                                                     .items = views,
                                                     .item_count = range.n_kvs,
                                                     .has_more = (uint8_t)range.more,
                                                     .is_keys_only = is_keys_only};
        assert_int_equal(encode_range(&found, &header, &range_result), 0);
        assert_packs_to(&range.base, &found);
        buffer_clear(&found, SIZE_MAX);

        for (size_t i = 0; i < ITEMS; i++) {
            fill(&kvs[i], items[i], 0);
        }
        deletion.prev_kvs = pointers;
        deletion.n_prev_kvs = range.n_kvs;
        deletion.deleted = (int64_t)number(&prng);
        const struct kv_delete_range_result delete_result = {.revision = h.revision,
                                                             .deleted = deletion.deleted,
                                                             .items = views,
                                                             .item_count = range.n_kvs};
        assert_int_equal(encode_delete_range(&found, &header, &delete_result), 0);
        assert_packs_to(&deletion.base, &found);
        buffer_clear(&found, SIZE_MAX);

        put.prev_kv = &kvs[0];
        const struct kv_put_result put_result = {.revision = h.revision, .previous = items[0]};
        assert_int_equal(encode_put(&found, &header, &put_result), 0);
        assert_packs_to(&put.base, &found);
        buffer_clear(&found, SIZE_MAX);
        for (size_t i = 0; i < ITEMS; i++) {
            item_free(items[i]);
        }
    }
    buffer_deinit(&found);
}

/* 20,000 answers, each nested in the one before: neither stack nor time gives out. */
TEST(encode, writes_a_deep_nest_without_recursion)
{
    enum {
        DEEP = 20000
    };
    struct kv_response *responses = calloc(DEEP, sizeof *responses);
    struct kv_txn_result result = {.responses = responses, .response_count = DEEP};
    const struct kv_header header = {0};
    struct buffer found = {0};

    for (size_t i = 0; i < DEEP; i++) {
        responses[i] =
            (struct kv_response){.kind = KV_OP_TXN, .parent = i == 0 ? NULL : &responses[i - 1]};
    }
    assert_int_equal(encode_txn(&found, &header, &result), 0);
    /* Header, then ResponseOp, response_txn and its empty header, level by level. */
    assert_memory_equal(buffer_bytes(&found).data, "\x0a\x00\x1a", 3);
    assert_memory_equal(found.data + found.end - 6, "\x1a\x04\x22\x02\x0a\x00", 6);
    free(responses);
    buffer_deinit(&found);
}
