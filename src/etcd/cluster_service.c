/* cluster_service.c -- etcdserverpb.Cluster: MemberList.
 *
 * The members are those of the founding table. The addresses for clients are known of this
 * member alone: the others' are not part of the table, and so theirs are left empty. */
#include "base/assert.h"
#include "etcd/etcd_internal.h"
#include "etcd/message_answer.h"
#include "rpc.pb-c.h"

static size_t count_texts(const char *const *texts)
{
    size_t count = 0;
    while (texts[count] != NULL) {
        count++;
    }
    return count;
}

static void describe(const struct etcd_server *server, uint32_t index, Etcdserverpb__Member *to)
{
    const struct etcd_member *member = &server->options.members[index];
    etcdserverpb__member__init(to);
    to->id = replica_member_id(server->options.replica, index);
    to->name = (char *)(uintptr_t)member->name;
    to->peerurls = (char **)(uintptr_t)member->peer_urls;
    to->n_peerurls = count_texts(member->peer_urls);
    to->clienturls = (char **)(uintptr_t)member->client_urls;
    to->n_clienturls = count_texts(member->client_urls);
}

static void answer_list(struct request *request)
{
    const struct etcd_server *server = request->server;
    Etcdserverpb__Member members[SYNOD_MEMBERS_MAX];
    Etcdserverpb__Member *pointers[SYNOD_MEMBERS_MAX];
    assert(server->options.member_count <= SYNOD_MEMBERS_MAX);
    for (uint32_t i = 0; i < server->options.member_count; i++) {
        describe(server, i, &members[i]);
        pointers[i] = &members[i];
    }
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__MemberListResponse answer = ETCDSERVERPB__MEMBER_LIST_RESPONSE__INIT;
    answer.header = message_answer_header(server, &header);
    answer.members = pointers;
    answer.n_members = server->options.member_count;
    message_answer(request, &answer.base);
}

void cluster_service_member_list(struct request *request)
{
    const struct bytes message = request_message(request);
    Etcdserverpb__MemberListRequest *list =
        etcdserverpb__member_list_request__unpack(NULL, message.size, message.data);
    if (list == NULL) {
        request_fail(request, failure_of_message());
        return;
    }
    const int is_linearizable = list->linearizable;
    etcdserverpb__member_list_request__free_unpacked(list, NULL);
    if (is_linearizable) {
        request_wait_for_state(request, answer_list);
    } else {
        answer_list(request);
    }
}
