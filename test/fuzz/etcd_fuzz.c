/* etcd_fuzz.c -- a whole server of one member, and a client that asks for anything.
 *
 * From the bytes of a connection to the disk and back: the front end, the replica and the store
 * are the real ones. The input is a run of requests:
 *
 * Request   u8 method, u8 (from 192 on: a time limit of so many tenths of a second), a message
 * Message   u8 count of fields, then each u8: which number in its low four bits, what follows in
 *           the others: text of a few keys, a number, a message within, or any bytes
 *
 * Each request has one outcome, an answer is one that a client's library can read, and at the end
 * the store is sound. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "etcd/etcd_internal.h"
#include "fuzz.h"
#include "grpc/client.h"
#include "kv.pb-c.h"
#include "kv/kv.h"
#include "replica_rig.h"
#include "rpc.pb-c.h"

enum {
    FIELDS_MAX = 6,
    DEPTH_MAX = 4, /* Of messages in messages. */
    REQUESTS_MAX = 40,
    MILLISECOND = 1000
};

struct front {
    struct replica_rig *rig;
    struct etcd_server *server;
    struct grpc_client *client;
    struct grpc_channel *channel;
    const char *path; /* Of the request under way; NULL: it has its outcome. */
};

/* -- Messages ----------------------------------------------------------------------------- */

static void append(struct buffer *to, const void *data, size_t size)
{
    const int error = buffer_append(to, data, size);
    assert(error == 0);
}

static void append_varint(struct buffer *to, uint64_t number)
{
    uint8_t byte;
    do {
        byte = (uint8_t)(number % 128 + (number >= 128 ? 128 : 0));
        append(to, &byte, 1);
        number /= 128;
    } while (number > 0);
}

static void append_bytes(struct buffer *to, uint64_t field, struct bytes bytes)
{
    append_varint(to, field << 3 | 2);
    append_varint(to, bytes.size);
    append(to, bytes.data, bytes.size);
}

static void append_message(struct buffer *to, struct feed *feed, uint32_t depth);

static void append_field(struct buffer *to, struct feed *feed, uint32_t depth)
{
    /* The first few mean something everywhere; 64 is the end of a comparison's range. */
    static const uint64_t FIELDS[] = {1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8, 11, 64};
    static const char KEYS[] = "kabzz\0kkabz";
    const uint8_t tag = feed_u8(feed);
    const uint64_t field = FIELDS[tag % 16];
    if (tag < 96) {
        const uint8_t which = feed_u8(feed);
        append_bytes(to, field, bytes_of(KEYS + which % 8, (which / 8 + 1u) % 4));
    } else if (tag < 192) {
        append_varint(to, field << 3);
        append_varint(to, feed_number(feed));
    } else if (tag < 240 && depth < DEPTH_MAX) {
        struct buffer within = {0};
        append_message(&within, feed, depth + 1);
        append_bytes(to, field, buffer_bytes(&within));
        buffer_deinit(&within);
    } else {
        const struct bytes any = feed_take(feed, feed_u8(feed));
        append(to, any.data, any.size);
    }
}

static void append_message(struct buffer *to, struct feed *feed, uint32_t depth)
{
    const uint32_t count = feed_u8(feed) % (FIELDS_MAX + 1);
    for (uint32_t i = 0; i < count; i++) {
        append_field(to, feed, depth);
    }
}

/* -- Answers ------------------------------------------------------------------------------ */

static void check_answer(const char *path, struct bytes answer)
{
    static const struct {
        const char *path;
        const ProtobufCMessageDescriptor *descriptor;
    } answers[] = {
        {"/etcdserverpb.KV/Range", &etcdserverpb__range_response__descriptor},
        {"/etcdserverpb.KV/Put", &etcdserverpb__put_response__descriptor},
        {"/etcdserverpb.KV/DeleteRange", &etcdserverpb__delete_range_response__descriptor},
        {"/etcdserverpb.KV/Txn", &etcdserverpb__txn_response__descriptor},
        {"/etcdserverpb.KV/Compact", &etcdserverpb__compaction_response__descriptor},
        {"/etcdserverpb.Cluster/MemberList", &etcdserverpb__member_list_response__descriptor},
        {"/etcdserverpb.Maintenance/Status", &etcdserverpb__status_response__descriptor},
        {"/etcdserverpb.Maintenance/HashKV", &etcdserverpb__hash_kvresponse__descriptor},
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (strcmp(answers[i].path, path) == 0) {
            ProtobufCMessage *message =
                protobuf_c_message_unpack(answers[i].descriptor, NULL, answer.size, answer.data);
            assert(message != NULL);
            protobuf_c_message_free_unpacked(message, NULL);
        }
    }
}

static void on_result(void *context, const struct grpc_result *result)
{
    struct front *front = context;
    assert(front->path != NULL);
    if (result->code == GRPC_OK) {
        check_answer(front->path, result->message);
    } else {
        assert(result->text != NULL && result->code <= GRPC_UNAUTHENTICATED);
    }
    front->path = NULL;
}

/* -- The server --------------------------------------------------------------------------- */

static void begin(struct front *front)
{
    static const char *const urls[] = {"http://a:1", NULL};
    static const struct etcd_member members[] = {{"a", urls, urls}};
    struct replica_status status = {0};
    char address[32];
    int port;
    front->rig = replica_rig_new(0);
    while (!status.is_leader) {
        machine_os_advance(&front->rig->machine, 20 * MILLISECOND);
        replica_status(front->rig->replica, &status);
    }
    struct os *os = &front->rig->machine.pair->os;
    const struct etcd_server_options options = {.version = "0",
                                                .replica = front->rig->replica,
                                                .machine = front->rig->store,
                                                .members = members,
                                                .member_count = 1,
                                                .txn_ops_max = 5,
                                                .request_size_max = 1000,
                                                .quota_bytes = 1 << 20};
    int error = etcd_server_new(os, &options, &front->server);
    assert(error == 0);
    error = etcd_server_listen(front->server, "a:0", &port);
    assert(error == 0);
    snprintf(address, sizeof address, "a:%d", port);
    front->client = grpc_client_new(os);
    assert(front->client != NULL);
    error = grpc_channel_open(front->client, address, NULL, NULL, &front->channel);
    assert(error == 0);
    machine_os_settle(&front->rig->machine);
}

static void ask(struct front *front, struct feed *feed)
{
    const uint8_t method = feed_u8(feed);
    const uint8_t limit = feed_u8(feed);
    struct buffer message = {0};
    append_message(&message, feed, 1);
    front->path = etcd_methods[method % ETCD_METHOD_COUNT].path;
    const struct grpc_request request = {
        .path = front->path,
        .message = buffer_bytes(&message),
        .timeout_us = limit < 192 ? 0 : (limit - 191u) * UINT64_C(100) * MILLISECOND};
    const int error = grpc_channel_call(front->channel, &request, on_result, front, NULL);
    assert(error == 0);
    machine_os_settle(&front->rig->machine);
    for (uint32_t i = 0; i < 100 && front->path != NULL; i++) {
        machine_os_advance(&front->rig->machine, 10 * MILLISECOND);
    }
    assert(front->path == NULL); /* A second is enough for one who has nobody to ask. */
    assert(!front->rig->is_failed);
    buffer_deinit(&message);
}

static void end(struct front *front)
{
    kv_check(machine_kv(front->rig->store));
    grpc_channel_close(front->channel);
    etcd_server_stop(front->server);
    machine_os_settle(&front->rig->machine);
    replica_rig_stop(front->rig);
    grpc_client_free(front->client);
    etcd_server_free(front->server);
    replica_rig_free(front->rig);
}

FUZZ(etcd)
{
    struct feed feed = {input};
    struct front front = {0};
    begin(&front);
    for (uint32_t i = 0; i < REQUESTS_MAX && !feed_is_empty(&feed); i++) {
        ask(&front, &feed);
    }
    end(&front);
}
