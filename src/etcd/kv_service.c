/* kv_service.c -- etcdserverpb.KV: Range, Put, DeleteRange, Txn, Compact.
 *
 *   request                            where it is answered
 *   Range, serializable                here and now, from the state as it is
 *   Range                              here, once the state is as new as the request
 *   Txn of ranges only                 as a Range; serializable if all of its ranges are
 *   Put, DeleteRange, Txn, Compact     when the log's command with its bytes was applied
 *
 * What can be refused without the state is refused before anything is proposed, in etcd's
 * order: the message, its fields, its size. The command in the log is the request's own bytes,
 * so what was checked here is decoded again there; nothing is encoded twice. */
#include "base/assert.h"
#include "etcd/etcd_internal.h"
#include "kv/decode.h"

/* -- Range ---------------------------------------------------------------------------- */

/* Decode and check. True if all is well; else the request was answered. */
static int decode_range_request(struct request *request, struct kv_range_request *range)
{
    int error = decode_range(request_message(request), range);
    if (error == 0) {
        error = kv_check_range(range);
    }
    if (error != 0) {
        request_fail_store(request, error);
    }
    return error == 0;
}

static void answer_range(struct request *request, struct kv_range_request *range)
{
    struct etcd_server *server = request->server;
    struct kv_range_result result;

    arena_reset(&server->arena);
    range->answer_max = server->options.answer_max;
    const int error = kv_range(etcd_server_kv(server), range, &server->arena, &result);
    if (error != 0) {
        request_fail_store(request, error);
        return;
    }
    const struct kv_header header = etcd_server_header(server, 0);
    request_reply_scratch(request, encode_range(etcd_server_scratch(server), &header, &result));
}

static void on_range_ready(struct request *request)
{
    struct kv_range_request range;
    if (decode_range_request(request, &range)) {
        answer_range(request, &range);
    }
}

void kv_service_range(struct request *request)
{
    struct kv_range_request range;
    if (!decode_range_request(request, &range)) {
        return;
    }
    if (range.is_serializable) {
        if (request_may_look(request)) {
            answer_range(request, &range);
        }
    } else {
        request_wait_for_state(request, on_range_ready);
    }
}

/* -- Changes -------------------------------------------------------------------------- */

static void on_applied(struct request *request, const void *outcome)
{
    /* The result is the machine's until it applies the next command; encoding a txn's answer
     * writes sizes into it, which nobody else reads. */
    struct kv_result *result = (struct kv_result *)(uintptr_t)outcome;
    if (result->error != 0) {
        request_fail_store(request, result->error);
        return;
    }
    struct etcd_server *server = request->server;
    const struct kv_header header = etcd_server_header(server, result->term);
    const int error =
        result->lost != 0 ? -1 : encode_result(etcd_server_scratch(server), &header, result);
    request_reply_done(request, error);
}

/* Submit it, if what was decoded is in order. */
static void submit(struct request *request, enum kv_command command, int error)
{
    if (error != 0) {
        request_fail_store(request, error);
        return;
    }
    request_submit(request, command, on_applied);
}

void kv_service_put(struct request *request)
{
    struct kv_put_request put;
    const int error = decode_put(request_message(request), &put);
    submit(request, KV_COMMAND_PUT, error != 0 ? error : kv_check_put(&put));
}

void kv_service_delete_range(struct request *request)
{
    struct kv_delete_range_request deletion;
    const int error = decode_delete_range(request_message(request), &deletion);
    submit(request, KV_COMMAND_DELETE_RANGE, error != 0 ? error : kv_check_delete_range(&deletion));
}

void kv_service_compact(struct request *request)
{
    struct kv_compaction_request compaction;
    const int error = decode_compaction(request_message(request), &compaction);
    submit(request, KV_COMMAND_COMPACT, error);
}

/* -- Txn ------------------------------------------------------------------------------ */

/* Decode and check a txn into the arena. 0 or a negative enum kv_error. */
static int decode_txn_request(struct request *request, struct kv_txn_request **txn)
{
    struct etcd_server *server = request->server;
    const int32_t ops_max = server->options.txn_ops_max;
    arena_reset(&server->arena);
    const int error = decode_txn(request_message(request), ops_max, &server->arena, txn);
    return error != 0 ? error : kv_check_txn(*txn, ops_max, &server->arena);
}

static void answer_txn(struct request *request, struct kv_txn_request *txn)
{
    struct etcd_server *server = request->server;
    struct kv_txn_result result;

    assert(kv_txn_is_read_only(txn));
    txn->answer_max = server->options.answer_max;
    const int error = kv_txn(etcd_server_kv(server), txn, &server->arena, &result);
    if (error != 0 || result.lost != 0) {
        request_fail_store(request, error != 0 ? error : result.lost);
        return;
    }
    const struct kv_header header = etcd_server_header(server, 0);
    request_reply_scratch(request, encode_txn(etcd_server_scratch(server), &header, &result));
}

static void on_txn_ready(struct request *request)
{
    struct kv_txn_request *txn;
    const int error = decode_txn_request(request, &txn);
    if (error != 0) {
        request_fail_store(request, error);
        return;
    }
    answer_txn(request, txn);
}

/* Its ranges say that they may be behind. One without ranges is all compares, and nobody said
 * that their outcome may be old. (etcd does answer it from old state.) */
static int asks_for_stale_state(const struct kv_txn_request *txn)
{
    return txn->success.count + txn->failure.count > 0 && kv_txn_is_serializable(txn);
}

void kv_service_txn(struct request *request)
{
    struct kv_txn_request *txn;
    const int error = decode_txn_request(request, &txn);
    if (error != 0 || !kv_txn_is_read_only(txn)) {
        submit(request, KV_COMMAND_TXN, error);
    } else if (asks_for_stale_state(txn)) {
        if (request_may_look(request)) {
            answer_txn(request, txn);
        }
    } else {
        request_wait_for_state(request, on_txn_ready);
    }
}
