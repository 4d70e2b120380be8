/* message_answer.c -- answers that a protobuf library encodes. */
#include "etcd/message_answer.h"

#include "base/assert.h"

Etcdserverpb__ResponseHeader *message_answer_header(const struct etcd_server *server,
                                                    Etcdserverpb__ResponseHeader *header)
{
    const struct kv_header values = etcd_server_header(server, 0);
    etcdserverpb__response_header__init(header);
    header->cluster_id = values.cluster_id;
    header->member_id = values.member_id;
    header->raft_term = values.raft_term;
    header->revision = kv_revision(etcd_server_kv(server));
    return header;
}

void message_answer(struct request *request, const ProtobufCMessage *message)
{
    struct buffer *to = etcd_server_scratch(request->server);
    const size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *room = buffer_reserve(to, size);
    if (room == NULL) {
        request_reply_scratch(request, -1);
        return;
    }
    const size_t written = protobuf_c_message_pack(message, room);
    assert(written == size);
    buffer_commit(to, written);
    request_reply_scratch(request, 0);
}
