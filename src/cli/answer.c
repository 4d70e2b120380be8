/* answer.c -- what a server's answer says, read from its bytes. */
#include "cli/answer.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "kv.pb-c.h"
#include "rpc.pb-c.h"

ProtobufCMessage *answer_unpack(const ProtobufCMessageDescriptor *type, struct bytes message)
{
    return protobuf_c_message_unpack(type, NULL, message.size, message.data);
}

int answer_has_value(struct bytes message, const struct answer_value *value)
{
    Etcdserverpb__RangeResponse *answer =
        etcdserverpb__range_response__unpack(NULL, message.size, message.data);
    if (answer == NULL) {
        return 0;
    }
    const int has_it = answer->n_kvs == 1 && answer->kvs[0]->value.len == value->size &&
                       XXH3_64bits(answer->kvs[0]->value.data, value->size) == value->hash;
    etcdserverpb__range_response__free_unpacked(answer, NULL);
    return has_it;
}

int answer_read_leader(struct bytes message, struct answer_leader *to)
{
    Etcdserverpb__StatusResponse *answer =
        etcdserverpb__status_response__unpack(NULL, message.size, message.data);
    if (answer == NULL) {
        return -1;
    }
    const int has_header = answer->header != NULL;
    if (has_header) {
        *to = (struct answer_leader){.member = answer->header->member_id,
                                     .leader = answer->leader,
                                     .term = answer->raftterm};
    }
    etcdserverpb__status_response__free_unpacked(answer, NULL);
    return has_header ? 0 : -1;
}
