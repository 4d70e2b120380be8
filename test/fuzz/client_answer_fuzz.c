/* client_answer_fuzz.c -- the message in a server's answer, and what our commands show of it.
 *
 * u8 type of the answer, u8 how it is shown, then the message. grpc_client has what is around it.
 * Here the bytes are unpacked and printed as `synod get`, `status` and the others do it, and as the
 * demo looks for its values and the leader. */
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"
#include "cli/answer.h"
#include "cli/render.h"
#include "fuzz.h"

enum {
    TYPES = 6
};

static const ProtobufCMessageDescriptor *type_of(uint8_t type)
{
    const ProtobufCMessageDescriptor *const types[TYPES] = {
        &etcdserverpb__range_response__descriptor,
        &etcdserverpb__put_response__descriptor,
        &etcdserverpb__delete_range_response__descriptor,
        &etcdserverpb__txn_response__descriptor,
        &etcdserverpb__compaction_response__descriptor,
        &etcdserverpb__status_response__descriptor};
    return types[type % TYPES];
}

static void show_status(enum output_format format, ProtobufCMessage *answer)
{
    char silent[] = "cannot connect";
    const struct render_status reports[] = {
        {.endpoint = "a:1", .status = (Etcdserverpb__StatusResponse *)answer},
        {.endpoint = "b:1", .error = silent}};
    render_status(format, reports, 2);
}

static void show(uint8_t type, uint8_t how, ProtobufCMessage *answer)
{
    static const enum output_format FORMATS[] = {OUTPUT_SIMPLE, OUTPUT_TABLE, OUTPUT_JSON,
                                                 OUTPUT_FIELDS};
    const enum output_format format = FORMATS[how % 4];
    const struct render_range range = {.is_value_only = (how & 4) != 0,
                                       .is_count_only = (how & 8) != 0};
    switch (type % TYPES) {
    case 0:
        render_range(format, (const Etcdserverpb__RangeResponse *)answer, &range);
        break;
    case 1:
        render_put(format, (const Etcdserverpb__PutResponse *)answer);
        break;
    case 2:
        render_delete(format, (const Etcdserverpb__DeleteRangeResponse *)answer);
        break;
    case 3:
        render_txn(format, (const Etcdserverpb__TxnResponse *)answer);
        break;
    case 4:
        render_compaction(format, (const Etcdserverpb__CompactionResponse *)answer, how);
        break;
    default:
        show_status(format, answer);
    }
}

/* The demo finds its value where there is one, and no other. */
static void look_for_value(const Etcdserverpb__RangeResponse *answer, struct bytes message)
{
    const ProtobufCBinaryData value =
        answer->n_kvs == 1 ? answer->kvs[0]->value : (ProtobufCBinaryData){0};
    struct answer_value wanted = {.size = (uint32_t)value.len,
                                  .hash = XXH3_64bits(value.data, value.len)};
    assert(answer_has_value(message, &wanted) == (answer->n_kvs == 1));
    wanted.hash++;
    assert(!answer_has_value(message, &wanted));
    if (value.len > 0) { /* A part of it is another one. */
        wanted.size--;
        wanted.hash = XXH3_64bits(value.data, wanted.size);
        assert(!answer_has_value(message, &wanted));
    }
}

static void look_for_leader(const Etcdserverpb__StatusResponse *answer, struct bytes message)
{
    struct answer_leader said = {0};
    const int error = answer_read_leader(message, &said);
    assert((error == 0) == (answer->header != NULL));
    assert(error != 0 ||
           (said.member == answer->header->member_id && said.term == answer->raftterm));
}

FUZZ(client_answer)
{
    struct feed feed = {input};
    const uint8_t type = feed_u8(&feed);
    const uint8_t how = feed_u8(&feed);
    ProtobufCMessage *answer = answer_unpack(type_of(type), feed.rest);
    struct answer_leader said;
    if (answer == NULL) {
        (void)answer_has_value(feed.rest, &(struct answer_value){0});
        (void)answer_read_leader(feed.rest, &said);
        return;
    }
    fuzz_hush();
    show(type, how, answer);
    fuzz_unhush();
    if (type % TYPES == 0) {
        look_for_value((const Etcdserverpb__RangeResponse *)answer, feed.rest);
    } else if (type % TYPES == 5) {
        look_for_leader((const Etcdserverpb__StatusResponse *)answer, feed.rest);
    }
    protobuf_c_message_free_unpacked(answer, NULL);
}
