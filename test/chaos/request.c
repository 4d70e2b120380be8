/* request.c -- operations as requests of the etcd v3 API, and what their answers say.
 *
 *   operation   request                                             what its answer tells
 *   PUT         Put                                                 header.revision: its own
 *   DELETE      DeleteRange                                         deleted, header.revision
 *   GET         Range, linearizable                                 the value, its mod_revision
 *   SWAP        Txn: if mod_revision(key) = expected put, else get  succeeded, or as GET
 *
 * What a failed call says of a write (a read that failed has happened to nobody):
 *
 *   failure                               outcome    because
 *   no call was made (no connection)      not done   nothing was sent
 *   Unavailable "etcdserver: no leader"   not done   the server gave it up before proposing it
 *   Unavailable, anything else            unknown    it may be in a log already
 *   DeadlineExceeded, Canceled            unknown    the same
 *   ResourceExhausted                     unknown    refused at the door, or no memory for the
 *                                                    answer when it was done: the words are one
 *   anything else                         a finding  no correct server answers that here */
#include "test/chaos/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "kv.pb-c.h"

enum {
    KEY_SIZE_MAX = 24,
    NUMBER_SIZE_MAX = 24,
    VALUE_SIZE_MAX = 65536,
};

/* -- Values --------------------------------------------------------------------------------- */

/* How many digits the value of this number has. Every eighth or so is long: batches, segments
 * and snapshots should not all look alike. Its size follows from its number, so a value that
 * was cut or mixed with another one is known. */
static int width_of(uint64_t number)
{
    const uint64_t mixed = number * 0x9e3779b97f4a7c15u >> 32;
    return mixed % 8 == 0 ? (int)(mixed / 8 % VALUE_SIZE_MAX) : (int)(mixed / 8 % 64);
}

static size_t write_value(uint64_t number, char to[VALUE_SIZE_MAX + NUMBER_SIZE_MAX])
{
    return (size_t)snprintf(to, VALUE_SIZE_MAX + NUMBER_SIZE_MAX, "%0*" PRIu64,
                            width_of(number) + 1, number);
}

/* The number of a value; UINT64_MAX if it is not exactly what somebody wrote. */
static uint64_t read_value(const ProtobufCBinaryData *value)
{
    char text[VALUE_SIZE_MAX + NUMBER_SIZE_MAX];
    char tail[NUMBER_SIZE_MAX] = {0};
    const size_t tail_size = value->len < sizeof tail ? value->len : sizeof tail - 1;
    if (value->len == 0) {
        return UINT64_MAX;
    }
    memcpy(tail, value->data + value->len - tail_size, tail_size);
    const uint64_t number = strtoull(tail, NULL, 10);
    const size_t size = write_value(number, text);
    return size == value->len && memcmp(text, value->data, size) == 0 ? number : UINT64_MAX;
}

/* -- Requests ------------------------------------------------------------------------------- */

/* A key, and where there is one a value: what the messages borrow. */
struct words {
    char key_text[KEY_SIZE_MAX];
    char value_text[VALUE_SIZE_MAX + NUMBER_SIZE_MAX];
    ProtobufCBinaryData key;
    ProtobufCBinaryData value;
};

static void find_words(const struct operation *operation, struct words *words)
{
    words->key.data = (uint8_t *)words->key_text;
    words->key.len =
        (size_t)snprintf(words->key_text, sizeof words->key_text, "chaos/%" PRIu32, operation->key);
    words->value.data = (uint8_t *)words->value_text;
    words->value.len = operation->value == 0 ? 0 : write_value(operation->value, words->value_text);
}

static void append(struct buffer *to, const ProtobufCMessage *message)
{
    uint8_t *room = buffer_reserve(to, protobuf_c_message_get_packed_size(message));
    assert(room != NULL);
    buffer_commit(to, protobuf_c_message_pack(message, room));
}

static void append_put(struct buffer *to, const struct words *words)
{
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    put.key = words->key;
    put.value = words->value;
    append(to, &put.base);
}

static void append_delete(struct buffer *to, const struct words *words)
{
    Etcdserverpb__DeleteRangeRequest deletion = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    deletion.key = words->key;
    append(to, &deletion.base);
}

static void append_get(struct buffer *to, const struct words *words)
{
    Etcdserverpb__RangeRequest get = ETCDSERVERPB__RANGE_REQUEST__INIT;
    get.key = words->key;
    append(to, &get.base);
}

static void append_swap(struct buffer *to, const struct words *words, int64_t expected)
{
    Etcdserverpb__Compare compare = ETCDSERVERPB__COMPARE__INIT;
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__RangeRequest get = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RequestOp success = ETCDSERVERPB__REQUEST_OP__INIT;
    Etcdserverpb__RequestOp failure = ETCDSERVERPB__REQUEST_OP__INIT;
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;

    compare.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD;
    compare.key = words->key;
    compare.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
    compare.mod_revision = expected;
    put.key = words->key;
    put.value = words->value;
    get.key = words->key;
    success.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    success.request_put = &put;
    failure.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    failure.request_range = &get;

    txn.compare = (Etcdserverpb__Compare *[]){&compare};
    txn.success = (Etcdserverpb__RequestOp *[]){&success};
    txn.failure = (Etcdserverpb__RequestOp *[]){&failure};
    txn.n_compare = 1;
    txn.n_success = 1;
    txn.n_failure = 1;
    append(to, &txn.base);
}

const char *request_encode(const struct operation *operation, struct buffer *to)
{
    struct words words;
    find_words(operation, &words);
    switch (operation->kind) {
    case OPERATION_PUT:
        append_put(to, &words);
        return "/etcdserverpb.KV/Put";
    case OPERATION_DELETE:
        append_delete(to, &words);
        return "/etcdserverpb.KV/DeleteRange";
    case OPERATION_GET:
        append_get(to, &words);
        return "/etcdserverpb.KV/Range";
    default:
        append_swap(to, &words, operation->expected);
        return "/etcdserverpb.KV/Txn";
    }
}

/* -- Answers -------------------------------------------------------------------------------- */

static int note_revision(struct operation *operation, const Etcdserverpb__ResponseHeader *header)
{
    operation->revision = header == NULL ? 0 : header->revision;
    return operation->revision > 0 ? 0 : -1;
}

static int note_seen(struct operation *operation, const Etcdserverpb__RangeResponse *range)
{
    if (range == NULL || range->n_kvs > 1) {
        return -1;
    }
    if (range->n_kvs == 1) {
        operation->seen_mod = range->kvs[0]->mod_revision;
        operation->seen = read_value(&range->kvs[0]->value);
    }
    return 0;
}

static int decode_put(struct operation *operation, struct bytes message)
{
    Etcdserverpb__PutResponse *answer =
        etcdserverpb__put_response__unpack(NULL, message.size, message.data);
    const int outcome = answer == NULL ? -1 : note_revision(operation, answer->header);
    operation->has_written = 1;
    if (answer != NULL) {
        etcdserverpb__put_response__free_unpacked(answer, NULL);
    }
    return outcome;
}

static int decode_delete(struct operation *operation, struct bytes message)
{
    Etcdserverpb__DeleteRangeResponse *answer =
        etcdserverpb__delete_range_response__unpack(NULL, message.size, message.data);
    const int outcome = answer == NULL ? -1 : note_revision(operation, answer->header);
    if (answer != NULL) {
        operation->has_written = answer->deleted > 0;
        etcdserverpb__delete_range_response__free_unpacked(answer, NULL);
    }
    return outcome;
}

static int decode_get(struct operation *operation, struct bytes message)
{
    Etcdserverpb__RangeResponse *answer =
        etcdserverpb__range_response__unpack(NULL, message.size, message.data);
    int outcome = answer == NULL ? -1 : note_revision(operation, answer->header);
    if (answer != NULL) {
        outcome |= note_seen(operation, answer);
        etcdserverpb__range_response__free_unpacked(answer, NULL);
    }
    return outcome;
}

/* NULL if that is the answer to something else. */
static const Etcdserverpb__RangeResponse *range_of(const Etcdserverpb__ResponseOp *response)
{
    return response->response_case == ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE
               ? response->response_range
               : NULL;
}

static int decode_swap(struct operation *operation, struct bytes message)
{
    Etcdserverpb__TxnResponse *answer =
        etcdserverpb__txn_response__unpack(NULL, message.size, message.data);
    int outcome = answer == NULL ? -1 : note_revision(operation, answer->header);
    if (answer != NULL) {
        operation->has_written = answer->succeeded;
        if (answer->n_responses != 1) {
            outcome = -1;
        } else if (!answer->succeeded) {
            outcome |= note_seen(operation, range_of(answer->responses[0]));
        }
        etcdserverpb__txn_response__free_unpacked(answer, NULL);
    }
    return outcome;
}

int request_decode(struct operation *operation, struct bytes message)
{
    switch (operation->kind) {
    case OPERATION_PUT:
        return decode_put(operation, message);
    case OPERATION_DELETE:
        return decode_delete(operation, message);
    case OPERATION_GET:
        return decode_get(operation, message);
    default:
        return decode_swap(operation, message);
    }
}

enum operation_outcome request_outcome(const struct operation *operation,
                                       const struct grpc_result *result)
{
    switch (result->code) {
    case GRPC_UNAVAILABLE:
        if (strcmp(result->text, "etcdserver: no leader") == 0) {
            return OUTCOME_NOT_DONE;
        }
        break;
    case GRPC_DEADLINE_EXCEEDED:
    case GRPC_CANCELED:
    case GRPC_RESOURCE_EXHAUSTED:
        break;
    default:
        return 0;
    }
    return operation->kind == OPERATION_GET ? OUTCOME_NOT_DONE : OUTCOME_UNKNOWN;
}
