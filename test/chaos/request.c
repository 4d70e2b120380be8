/* request.c -- operations as requests of the etcd v3 API, and what their answers say.
 *
 *   operation   request                                             what its answer tells
 *   PUT         Put                                                 header.revision: its own
 *   DELETE      DeleteRange                                         deleted, header.revision
 *   GET         Range, linearizable                                 the value, its revisions
 *   TXN         Txn: if mod_revision(key) = expected put, else get  succeeded, or as GET
 *
 * Some puts and deletions ask what was there before.
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

static void find_words(const struct step *step, struct words *words)
{
    words->key.data = (uint8_t *)words->key_text;
    words->key.len =
        (size_t)snprintf(words->key_text, sizeof words->key_text, "chaos/%" PRIu32, step->key);
    words->value.data = (uint8_t *)words->value_text;
    words->value.len = step->kind == STEP_PUT ? write_value(step->number, words->value_text) : 0;
}

static void append(struct buffer *to, const ProtobufCMessage *message)
{
    uint8_t *room = buffer_reserve(to, protobuf_c_message_get_packed_size(message));
    assert(room != NULL);
    buffer_commit(to, protobuf_c_message_pack(message, room));
}

static void append_put(struct buffer *to, const struct words *words, int wants_previous)
{
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    put.key = words->key;
    put.value = words->value;
    put.prev_kv = wants_previous;
    append(to, &put.base);
}

static void append_delete(struct buffer *to, const struct words *words, int wants_previous)
{
    Etcdserverpb__DeleteRangeRequest deletion = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    deletion.key = words->key;
    deletion.prev_kv = wants_previous;
    append(to, &deletion.base);
}

static void append_get(struct buffer *to, const struct words *words)
{
    Etcdserverpb__RangeRequest get = ETCDSERVERPB__RANGE_REQUEST__INIT;
    get.key = words->key;
    append(to, &get.base);
}

static void append_txn(struct buffer *to, const struct words *words, int64_t expected)
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

/* The one step of an operation; of a txn the one that is done if the compare holds. */
static struct step *step_of(const struct chronicle *history, const struct operation *operation)
{
    return &history->steps[operation->first_step + operation->compare_count];
}

const char *request_encode(const struct chronicle *history, size_t index, struct buffer *to)
{
    const struct operation *operation = &history->operations[index];
    const struct step *step = step_of(history, operation);
    struct words words;
    find_words(step, &words);
    switch (operation->kind) {
    case OPERATION_PUT:
        append_put(to, &words, step->wants_items);
        return "/etcdserverpb.KV/Put";
    case OPERATION_DELETE:
        append_delete(to, &words, step->wants_items);
        return "/etcdserverpb.KV/DeleteRange";
    case OPERATION_GET:
        append_get(to, &words);
        return "/etcdserverpb.KV/Range";
    default:
        assert(operation->kind == OPERATION_TXN && operation->compare_count == 1);
        append_txn(to, &words, (int64_t)history->steps[operation->first_step].number);
        return "/etcdserverpb.KV/Txn";
    }
}

/* -- Answers -------------------------------------------------------------------------------- */

/* An answer that is being noted. */
struct answer {
    struct chronicle *history;
    struct operation *operation;
    size_t step; /* Whose answer it is. */
};

static int note_revision(const struct answer *answer, const Etcdserverpb__ResponseHeader *header)
{
    answer->operation->revision = header == NULL ? 0 : header->revision;
    return answer->operation->revision > 0 ? 0 : -1;
}

/* None, or one: only one key is ever asked for. */
static int note_items(const struct answer *answer, Mvccpb__KeyValue *const *items, size_t count)
{
    if (count > 1) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        const struct seen_item item = {
            .value = read_value(&items[i]->value),
            .create = items[i]->create_revision,
            .mod = items[i]->mod_revision,
            .version = (uint32_t)items[i]->version,
            .key = answer->history->steps[answer->step].key,
        };
        chronicle_see(answer->history, answer->step, &item);
    }
    return 0;
}

static int decode_put(const struct answer *answer, struct bytes message)
{
    Etcdserverpb__PutResponse *put =
        etcdserverpb__put_response__unpack(NULL, message.size, message.data);
    int outcome = put == NULL ? -1 : note_revision(answer, put->header);
    if (put != NULL) {
        outcome |= note_items(answer, &put->prev_kv, put->prev_kv != NULL);
        etcdserverpb__put_response__free_unpacked(put, NULL);
    }
    return outcome;
}

static int decode_delete(const struct answer *answer, struct bytes message)
{
    Etcdserverpb__DeleteRangeResponse *deletion =
        etcdserverpb__delete_range_response__unpack(NULL, message.size, message.data);
    int outcome = deletion == NULL ? -1 : note_revision(answer, deletion->header);
    if (deletion != NULL) {
        answer->history->steps[answer->step].count = (uint32_t)deletion->deleted;
        outcome |= note_items(answer, deletion->prev_kvs, deletion->n_prev_kvs);
        etcdserverpb__delete_range_response__free_unpacked(deletion, NULL);
    }
    return outcome;
}

static int note_range(const struct answer *answer, const Etcdserverpb__RangeResponse *range)
{
    if (range == NULL) {
        return -1;
    }
    answer->history->steps[answer->step].count = (uint32_t)range->count;
    answer->history->steps[answer->step].has_more = range->more != 0;
    return note_items(answer, range->kvs, range->n_kvs);
}

static int decode_get(const struct answer *answer, struct bytes message)
{
    Etcdserverpb__RangeResponse *range =
        etcdserverpb__range_response__unpack(NULL, message.size, message.data);
    int outcome = range == NULL ? -1 : note_revision(answer, range->header);
    if (range != NULL) {
        outcome |= note_range(answer, range);
        etcdserverpb__range_response__free_unpacked(range, NULL);
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

static int decode_txn(const struct answer *answer, struct bytes message)
{
    Etcdserverpb__TxnResponse *txn =
        etcdserverpb__txn_response__unpack(NULL, message.size, message.data);
    int outcome = txn == NULL ? -1 : note_revision(answer, txn->header);
    if (txn != NULL) {
        const struct answer other = {answer->history, answer->operation, answer->step + 1};
        answer->operation->has_succeeded = txn->succeeded != 0;
        if (txn->n_responses != 1) {
            outcome = -1;
        } else if (!txn->succeeded) {
            outcome |= note_range(&other, range_of(txn->responses[0]));
        }
        etcdserverpb__txn_response__free_unpacked(txn, NULL);
    }
    return outcome;
}

int request_decode(struct chronicle *history, size_t index, struct bytes message)
{
    struct operation *operation = &history->operations[index];
    const struct answer answer = {history, operation,
                                  (size_t)(step_of(history, operation) - history->steps)};
    switch (operation->kind) {
    case OPERATION_PUT:
        return decode_put(&answer, message);
    case OPERATION_DELETE:
        return decode_delete(&answer, message);
    case OPERATION_GET:
        return decode_get(&answer, message);
    default:
        return decode_txn(&answer, message);
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
