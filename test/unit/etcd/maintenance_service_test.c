/* maintenance_service_test.c -- Status, Alarm, HashKV, MemberList. */
#include <string.h>

#include "front.h"
#include "synod/error.h"

#define STATUS      "/etcdserverpb.Maintenance/Status"
#define ALARM       "/etcdserverpb.Maintenance/Alarm"
#define HASH_KV     "/etcdserverpb.Maintenance/HashKV"
#define MEMBER_LIST "/etcdserverpb.Cluster/MemberList"

static Etcdserverpb__StatusResponse *ask_status(struct front *front)
{
    struct outcome outcome;
    front_call(front, STATUS, bytes_of("", 0), 0, &outcome);
    assert_int_equal(outcome.code, GRPC_OK);
    const struct bytes message = buffer_bytes(&outcome.message);
    Etcdserverpb__StatusResponse *status =
        etcdserverpb__status_response__unpack(NULL, message.size, message.data);
    assert_non_null(status);
    outcome_deinit(&outcome);
    return status;
}

TEST(status, tells_how_the_member_is)
{
    struct front *front = front_new();
    front_put(front, "key", "value");
    Etcdserverpb__StatusResponse *status = ask_status(front);
    assert_string_equal(status->version, ETCD_API_VERSION);
    assert_int_equal(status->leader, 100);
    assert_int_equal(status->raftterm, 9);
    assert_int_equal(status->raftindex, 12);
    assert_int_equal(status->raftappliedindex, 11);
    assert_int_equal(status->n_errors, 0);
    assert_true(status->dbsize > 8);
    assert_int_equal(status->dbsizequota, 1 << 30);
    assert_int_equal(status->header->revision, 2);
    etcdserverpb__status_response__free_unpacked(status, NULL);
    front_free(front);
}

/* Clients compare the parts of the version as numbers. */
TEST(status, has_a_version_of_three_numbers)
{
    int parts = 1;
    for (const char *at = ETCD_API_VERSION; *at != '\0'; at++) {
        parts += *at == '.';
        assert_true(*at == '.' || (*at >= '0' && *at <= '9'));
    }
    assert_int_equal(parts, 3);
}

TEST(status, is_answered_without_a_leader_and_says_so)
{
    struct front *front = front_new();
    front->replica.status.has_leader = 0;
    front->replica.refusal = SYNOD_ERR_NO_LEADER;
    Etcdserverpb__StatusResponse *status = ask_status(front);
    assert_int_equal(status->leader, 0);
    assert_int_equal(status->n_errors, 1);
    assert_string_equal(status->errors[0], "etcdserver: no leader");
    etcdserverpb__status_response__free_unpacked(status, NULL);
    front_free(front);
}

TEST(alarm, has_none_to_list_and_cannot_be_raised_by_hand)
{
    struct front *front = front_new();
    struct outcome outcome;
    Etcdserverpb__AlarmRequest alarm = ETCDSERVERPB__ALARM_REQUEST__INIT;
    front_send(front, ALARM, &alarm.base, &outcome);
    assert_int_equal(outcome.code, GRPC_OK);
    const struct bytes message = buffer_bytes(&outcome.message);
    Etcdserverpb__AlarmResponse *answer =
        etcdserverpb__alarm_response__unpack(NULL, message.size, message.data);
    assert_non_null(answer);
    assert_int_equal(answer->n_alarms, 0);
    etcdserverpb__alarm_response__free_unpacked(answer, NULL);
    outcome_deinit(&outcome);
    alarm.action = ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE;
    alarm.alarm = ETCDSERVERPB__ALARM_TYPE__NOSPACE;
    front_send(front, ALARM, &alarm.base, &outcome);
    assert_int_equal(outcome.code, GRPC_UNIMPLEMENTED);
    front_call(front, ALARM, bytes_of("\x08", 1), 0, &outcome);
    assert_int_equal(outcome.code, GRPC_INTERNAL);
    front_free(front);
}

static uint32_t hash_of(struct front *front)
{
    struct outcome outcome;
    front_call(front, HASH_KV, bytes_of("", 0), 0, &outcome);
    assert_int_equal(outcome.code, GRPC_OK);
    const struct bytes message = buffer_bytes(&outcome.message);
    Etcdserverpb__HashKVResponse *answer =
        etcdserverpb__hash_kvresponse__unpack(NULL, message.size, message.data);
    assert_non_null(answer);
    assert_int_equal(answer->hash_revision, answer->header->revision);
    const uint32_t hash = answer->hash;
    etcdserverpb__hash_kvresponse__free_unpacked(answer, NULL);
    outcome_deinit(&outcome);
    return hash;
}

TEST(hash, is_that_of_the_state_whoever_holds_it)
{
    struct front *left = front_new();
    struct front *right = front_new();
    front_put(left, "a", "1");
    front_put(right, "a", "2");
    assert_int_not_equal(hash_of(left), hash_of(right));
    front_free(right);
    right = front_new();
    front_put(right, "a", "1");
    assert_int_equal(hash_of(left), hash_of(right));
    front_free(left);
    front_free(right);
}

/* Thousands of these calls fit into what one turn reads, and each would read the whole store. The
 * store is changed behind its own back here, which whoever reads it again would see. */
TEST(hash, is_not_made_again_for_a_state_that_is_known)
{
    struct front *front = front_new();
    const struct kv_range_request range = {.key = bytes_of_text("a")};
    struct kv_range_result result;
    struct arena arena = {0};

    front_put(front, "a", "1");
    const uint32_t hash = hash_of(front);
    assert_int_equal(kv_range(machine_kv(front->machine), &range, &arena, &result), 0);
    *(uint8_t *)(uintptr_t)item_value(result.items[0]).data = '2';
    assert_int_equal(hash_of(front), hash);
    arena_deinit(&arena);

    front_put(front, "b", "1");
    const uint32_t changed = hash_of(front);
    assert_int_not_equal(changed, hash);
    struct front *other = front_new();
    front_put(other, "a", "2");
    front_put(other, "b", "1");
    assert_int_equal(hash_of(other), changed);
    front_free(other);
    front_free(front);
}

TEST(hash, of_another_revision_is_refused)
{
    struct front *front = front_new();
    struct outcome outcome;
    Etcdserverpb__HashKVRequest request = ETCDSERVERPB__HASH_KVREQUEST__INIT;
    front_put(front, "a", "1");
    front_put(front, "a", "2");
    request.revision = 99;
    front_send(front, HASH_KV, &request.base, &outcome);
    assert_int_equal(outcome.code, GRPC_OUT_OF_RANGE);
    request.revision = 2;
    front_send(front, HASH_KV, &request.base, &outcome);
    assert_int_equal(outcome.code, GRPC_UNIMPLEMENTED);
    request.revision = 3;
    front_send(front, HASH_KV, &request.base, &outcome);
    assert_int_equal(outcome.code, GRPC_OK);
    outcome_deinit(&outcome);
    front_free(front);
}

TEST(member_list, names_the_founding_members_and_our_own_client_url)
{
    struct front *front = front_new();
    struct outcome outcome;
    front_call(front, MEMBER_LIST, bytes_of("", 0), 0, &outcome);
    assert_int_equal(outcome.code, GRPC_OK);
    const struct bytes message = buffer_bytes(&outcome.message);
    Etcdserverpb__MemberListResponse *list =
        etcdserverpb__member_list_response__unpack(NULL, message.size, message.data);
    assert_non_null(list);
    assert_int_equal(list->n_members, 2);
    assert_string_equal(list->members[0]->name, "a");
    assert_int_equal(list->members[0]->id, 100);
    assert_int_equal(list->members[0]->n_clienturls, 0);
    assert_string_equal(list->members[1]->peerurls[0], "http://10.0.0.1:2380");
    assert_string_equal(list->members[1]->clienturls[0], "http://10.0.0.1:2379");
    etcdserverpb__member_list_response__free_unpacked(list, NULL);
    outcome_deinit(&outcome);
    front_free(front);
}
