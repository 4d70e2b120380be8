/* maintenance_service.c -- etcdserverpb.Maintenance: Status, Alarm, HashKV.
 *
 * Status is answered by every member at any time: it is how one looks at a member that is in
 * trouble. HashKV reads the whole store on the loop's thread, once for each state that it is asked
 * about; it is for people and tests. */
#include "etcd/etcd_internal.h"
#include "etcd/message_answer.h"
#include "rpc.pb-c.h"

void maintenance_service_status(struct request *request)
{
    const struct etcd_server *server = request->server;
    struct replica_status status;
    struct kv_stats stats;
    replica_status(server->options.replica, &status);
    kv_stats(etcd_server_kv(server), &stats);

    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__StatusResponse answer = ETCDSERVERPB__STATUS_RESPONSE__INIT;
    char *no_leader[] = {(char *)(uintptr_t)failure_of_no_leader().text};
    answer.header = message_answer_header(server, &header);
    answer.version = (char *)(uintptr_t)ETCD_API_VERSION;
    answer.storageversion = (char *)(uintptr_t)ETCD_STORAGE_VERSION;
    answer.dbsize = (int64_t)(stats.live_bytes + stats.history_bytes);
    answer.dbsizeinuse = (int64_t)stats.live_bytes;
    answer.dbsizequota = (int64_t)server->options.quota_bytes;
    answer.raftindex = status.chosen;
    answer.raftappliedindex = status.applied;
    answer.raftterm = status.term;
    if (status.has_leader) {
        answer.leader = replica_member_id(server->options.replica, status.leader);
    } else {
        answer.errors = no_leader;
        answer.n_errors = 1;
    }
    message_answer(request, &answer.base);
}

/* Nothing raises an alarm yet, so the list is empty. Setting one off by hand would have to stop
 * the whole cluster's writes, and is refused rather than pretended. */
void maintenance_service_alarm(struct request *request)
{
    const struct bytes message = request_message(request);
    Etcdserverpb__AlarmRequest *alarm =
        etcdserverpb__alarm_request__unpack(NULL, message.size, message.data);
    if (alarm == NULL) {
        request_fail(request, failure_of_message());
        return;
    }
    const int is_activation = alarm->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE;
    etcdserverpb__alarm_request__free_unpacked(alarm, NULL);
    if (is_activation) {
        request_fail(request, failure_of_missing("alarms cannot be activated by hand"));
        return;
    }
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__AlarmResponse answer = ETCDSERVERPB__ALARM_RESPONSE__INIT;
    answer.header = message_answer_header(request->server, &header);
    message_answer(request, &answer.base);
}

/* A hash of the state as it is: however many ask for it, the store is read once. One of an older
 * revision is not kept, and is refused. */
void maintenance_service_hash_kv(struct request *request)
{
    const struct etcd_server *server = request->server;
    const struct bytes message = request_message(request);
    Etcdserverpb__HashKVRequest *hash =
        etcdserverpb__hash_kvrequest__unpack(NULL, message.size, message.data);
    if (hash == NULL) {
        request_fail(request, failure_of_message());
        return;
    }
    struct kv *kv = etcd_server_kv(server);
    const int64_t now = kv_revision(kv);
    const int64_t asked = hash->revision > 0 ? hash->revision : now;
    etcdserverpb__hash_kvrequest__free_unpacked(hash, NULL);
    if (!request_may_look(request)) {
        return;
    }
    if (asked > now) {
        request_fail_store(request, KV_ERR_FUTURE);
        return;
    }
    if (asked < kv_compacted(kv)) {
        request_fail_store(request, KV_ERR_COMPACTED);
        return;
    }
    if (asked < now) {
        request_fail(request, failure_of_missing("hashes of older revisions are not kept"));
        return;
    }
    const uint64_t value = kv_hash_kept(kv);
    Etcdserverpb__ResponseHeader header;
    Etcdserverpb__HashKVResponse answer = ETCDSERVERPB__HASH_KVRESPONSE__INIT;
    answer.header = message_answer_header(server, &header);
    answer.hash = (uint32_t)(value ^ (value >> 32));
    answer.compact_revision = kv_compacted(kv);
    answer.hash_revision = now;
    message_answer(request, &answer.base);
}
