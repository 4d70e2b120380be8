/* request.c -- operations as requests of the etcd v3 API, and what their answers say.
 *
 *   operation   request         what its answer tells
 *   PUT         Put             header.revision: its own; what was there before, if it is asked
 *   DELETE      DeleteRange     how many keys, header.revision; what was there before, the same
 *   GET         Range           items or a count, more, header.revision: of the state it is from
 *   TXN         Txn             which branch was taken, and of each of its steps the same
 *   COMPACT     Compact         header.revision
 *
 * What a failed call says of the operation:
 *
 *   failure                               outcome    because
 *   no call was made (no connection)      not done   nothing was sent
 *   Unavailable "etcdserver: no leader"   not done   the server gave it up before proposing it
 *   Unavailable, anything else            unknown    it may be in a log already
 *   DeadlineExceeded, Canceled            unknown    the same
 *   ResourceExhausted                     unknown    refused at the door, or it was done and its
 *                                                    answer could not be given: words may differ
 *   OutOfRange "... has been compacted"   compacted  where it names a revision; of a txn nothing
 *   OutOfRange "... future revision"      future     was done then
 *   anything else                         a finding  no correct server answers that here
 *
 * A get that failed otherwise has happened to nobody: not done. */
#include "test/chaos/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/xmalloc.h"
#include "kv.pb-c.h"

enum {
    KEY_SIZE_MAX = 24,
    NUMBER_SIZE_MAX = 24,
    VALUE_SIZE_MAX = 65536,
    STEPS_MAX = 16, /* Of an operation. */
};

static const char KEY_PREFIX[] = "chaos/";

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

/* A step as a message, with what that borrows. */
struct words {
    char key_text[KEY_SIZE_MAX];
    char end_text[KEY_SIZE_MAX];
    ProtobufCBinaryData key;
    ProtobufCBinaryData end;   /* Empty for one key. */
    ProtobufCBinaryData value; /* Of what names one, in memory of its own. */
    union {
        Etcdserverpb__PutRequest put;
        Etcdserverpb__DeleteRangeRequest deletion;
        Etcdserverpb__RangeRequest range;
        Etcdserverpb__CompactionRequest compaction;
        Etcdserverpb__Compare compare;
    } as;
    Etcdserverpb__RequestOp op; /* Within a txn. */
};

/* Keys are in the order of their numbers. */
static ProtobufCBinaryData name_key(uint32_t key, char text[KEY_SIZE_MAX])
{
    const int size = snprintf(text, KEY_SIZE_MAX, "%s%07" PRIu32, KEY_PREFIX, key);
    return (ProtobufCBinaryData){.data = (uint8_t *)text, .len = (size_t)size};
}

static void find_words(const struct step *step, struct words *words)
{
    const int has_value =
        step->kind == STEP_PUT || (step->kind == STEP_COMPARE && step->target == TARGET_VALUE);
    words->key = name_key(step->key, words->key_text);
    if (step->end != step->key + 1) {
        words->end = name_key(step->end, words->end_text);
    }
    if (has_value) {
        words->value.data = xmalloc(VALUE_SIZE_MAX + NUMBER_SIZE_MAX);
        words->value.len = write_value(step->number, (char *)words->value.data);
    }
}

static void fill_put(const struct step *step, struct words *words)
{
    words->as.put = (Etcdserverpb__PutRequest)ETCDSERVERPB__PUT_REQUEST__INIT;
    words->as.put.key = words->key;
    words->as.put.value = words->value;
    words->as.put.prev_kv = step->wants_items;
    words->op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    words->op.request_put = &words->as.put;
}

static void fill_deletion(const struct step *step, struct words *words)
{
    words->as.deletion = (Etcdserverpb__DeleteRangeRequest)ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    words->as.deletion.key = words->key;
    words->as.deletion.range_end = words->end;
    words->as.deletion.prev_kv = step->wants_items;
    words->op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
    words->op.request_delete_range = &words->as.deletion;
}

static void fill_range(const struct step *step, int is_serializable, struct words *words)
{
    words->as.range = (Etcdserverpb__RangeRequest)ETCDSERVERPB__RANGE_REQUEST__INIT;
    words->as.range.key = words->key;
    words->as.range.range_end = words->end;
    words->as.range.limit = step->limit;
    words->as.range.revision = (int64_t)step->number;
    words->as.range.serializable = is_serializable;
    words->as.range.count_only = !step->wants_items;
    words->op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    words->op.request_range = &words->as.range;
}

static void fill_compare(const struct step *step, struct words *words)
{
    static const Etcdserverpb__Compare__CompareResult RELATIONS[] = {
        [RELATION_EQUAL] = ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL,
        [RELATION_NOT_EQUAL] = ETCDSERVERPB__COMPARE__COMPARE_RESULT__NOT_EQUAL,
        [RELATION_LESS] = ETCDSERVERPB__COMPARE__COMPARE_RESULT__LESS,
        [RELATION_GREATER] = ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER,
    };
    Etcdserverpb__Compare *compare = &words->as.compare;
    *compare = (Etcdserverpb__Compare)ETCDSERVERPB__COMPARE__INIT;
    compare->result = RELATIONS[step->relation];
    compare->key = words->key;
    switch (step->target) {
    case TARGET_MOD:
        compare->target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD;
        compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
        compare->mod_revision = (int64_t)step->number;
        break;
    case TARGET_CREATE:
        compare->target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE;
        compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
        compare->create_revision = (int64_t)step->number;
        break;
    case TARGET_VERSION:
        compare->target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION;
        compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
        compare->version = (int64_t)step->number;
        break;
    default:
        compare->target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE;
        compare->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE;
        compare->value = words->value;
        break;
    }
}

static const ProtobufCMessage *fill(const struct step *step, int is_serializable,
                                    struct words *words)
{
    find_words(step, words);
    words->op = (Etcdserverpb__RequestOp)ETCDSERVERPB__REQUEST_OP__INIT;
    switch (step->kind) {
    case STEP_PUT:
        fill_put(step, words);
        return &words->as.put.base;
    case STEP_DELETE:
        fill_deletion(step, words);
        return &words->as.deletion.base;
    case STEP_GET:
        fill_range(step, is_serializable, words);
        return &words->as.range.base;
    case STEP_COMPARE:
        fill_compare(step, words);
        return &words->as.compare.base;
    default:
        words->as.compaction =
            (Etcdserverpb__CompactionRequest)ETCDSERVERPB__COMPACTION_REQUEST__INIT;
        words->as.compaction.revision = (int64_t)step->number;
        return &words->as.compaction.base;
    }
}

static void append(struct buffer *to, const ProtobufCMessage *message)
{
    uint8_t *room = buffer_reserve(to, protobuf_c_message_get_packed_size(message));
    assert(room != NULL);
    buffer_commit(to, protobuf_c_message_pack(message, room));
}

static void append_txn(const struct chronicle *history, const struct operation *operation,
                       struct words *words, struct buffer *to)
{
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
    Etcdserverpb__Compare *compares[STEPS_MAX];
    Etcdserverpb__RequestOp *ops[STEPS_MAX];
    for (uint32_t i = 0; i < chronicle_step_count(operation); i++) {
        (void)fill(&history->steps[operation->first_step + i], 0, &words[i]);
        compares[i] = &words[i].as.compare;
        ops[i] = &words[i].op;
    }
    txn.compare = compares;
    txn.n_compare = operation->compare_count;
    txn.success = &ops[operation->compare_count];
    txn.n_success = operation->then_count;
    txn.failure = &ops[operation->compare_count + operation->then_count];
    txn.n_failure = operation->else_count;
    append(to, &txn.base);
}

const char *request_encode(const struct chronicle *history, size_t index, struct buffer *to)
{
    static const char *const PATHS[] = {
        [OPERATION_PUT] = "/etcdserverpb.KV/Put",
        [OPERATION_DELETE] = "/etcdserverpb.KV/DeleteRange",
        [OPERATION_GET] = "/etcdserverpb.KV/Range",
        [OPERATION_TXN] = "/etcdserverpb.KV/Txn",
        [OPERATION_COMPACT] = "/etcdserverpb.KV/Compact",
    };
    const struct operation *operation = &history->operations[index];
    struct words words[STEPS_MAX] = {0};
    assert(chronicle_step_count(operation) <= STEPS_MAX);
    assert(operation->kind != OPERATION_RESTART);
    if (operation->kind == OPERATION_TXN) {
        append_txn(history, operation, words, to);
    } else {
        append(to,
               fill(&history->steps[operation->first_step], operation->is_serializable, &words[0]));
    }
    for (uint32_t i = 0; i < STEPS_MAX; i++) {
        free(words[i].value.data);
    }
    return PATHS[operation->kind];
}

/* -- Answers -------------------------------------------------------------------------------- */

/* The number of a key's name; UINT32_MAX if it is none. */
static uint32_t number_of_key(const ProtobufCBinaryData *name)
{
    char text[KEY_SIZE_MAX] = {0};
    char again[KEY_SIZE_MAX];
    if (name->len < sizeof KEY_PREFIX || name->len >= sizeof text) {
        return UINT32_MAX;
    }
    memcpy(text, name->data, name->len);
    const uint32_t key = (uint32_t)strtoul(text + sizeof KEY_PREFIX - 1, NULL, 10);
    const ProtobufCBinaryData due = name_key(key, again);
    return due.len == name->len && memcmp(again, text, due.len) == 0 ? key : UINT32_MAX;
}

/* What a step's answer shows: these items, of this many. Returns 0, or -1: of a key that nobody
 * named. */
static int note_items(struct chronicle *history, size_t step, Mvccpb__KeyValue *const *items,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct seen_item item = {
            .value = read_value(&items[i]->value),
            .create = items[i]->create_revision,
            .mod = items[i]->mod_revision,
            .version = (uint32_t)items[i]->version,
            .key = number_of_key(&items[i]->key),
        };
        if (item.key >= history->key_count) {
            return -1;
        }
        chronicle_see(history, step, &item);
    }
    return 0;
}

static int note_put(struct chronicle *history, size_t step, const Etcdserverpb__PutResponse *put)
{
    return put == NULL ? -1 : note_items(history, step, &put->prev_kv, put->prev_kv != NULL);
}

static int note_deletion(struct chronicle *history, size_t step,
                         const Etcdserverpb__DeleteRangeResponse *deletion)
{
    if (deletion == NULL) {
        return -1;
    }
    history->steps[step].count = (uint32_t)deletion->deleted;
    return note_items(history, step, deletion->prev_kvs, deletion->n_prev_kvs);
}

static int note_range(struct chronicle *history, size_t step,
                      const Etcdserverpb__RangeResponse *range)
{
    if (range == NULL) {
        return -1;
    }
    history->steps[step].count = (uint32_t)range->count;
    history->steps[step].has_more = range->more != 0;
    return note_items(history, step, range->kvs, range->n_kvs);
}

/* The answer of one step of a txn; -1 if it is that of something else. */
static int note_response(struct chronicle *history, size_t step,
                         const Etcdserverpb__ResponseOp *response)
{
    switch (history->steps[step].kind) {
    case STEP_PUT:
        return response->response_case != ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT
                   ? -1
                   : note_put(history, step, response->response_put);
    case STEP_DELETE:
        return response->response_case != ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE
                   ? -1
                   : note_deletion(history, step, response->response_delete_range);
    default:
        return response->response_case != ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE
                   ? -1
                   : note_range(history, step, response->response_range);
    }
}

static int note_txn(struct chronicle *history, struct operation *operation,
                    const Etcdserverpb__TxnResponse *txn)
{
    uint32_t count;
    int outcome = 0;
    operation->has_succeeded = txn->succeeded != 0;
    const struct step *steps =
        chronicle_branch(history, operation, operation->has_succeeded, &count);
    const size_t first = (size_t)(steps - history->steps);
    if (txn->n_responses != count) {
        return -1;
    }
    for (uint32_t i = 0; i < count && outcome == 0; i++) {
        outcome = note_response(history, first + i, txn->responses[i]);
    }
    return outcome;
}

static int note_revision(struct operation *operation, const Etcdserverpb__ResponseHeader *header)
{
    operation->revision = header == NULL ? 0 : header->revision;
    return operation->revision > 0 ? 0 : -1;
}

static int note_answer(struct chronicle *history, struct operation *operation,
                       const ProtobufCMessage *message)
{
    const size_t step = operation->first_step;
    const void *answer = message;
    const Etcdserverpb__PutResponse *put = answer;
    const Etcdserverpb__DeleteRangeResponse *deletion = answer;
    const Etcdserverpb__RangeResponse *range = answer;
    const Etcdserverpb__TxnResponse *txn = answer;
    const Etcdserverpb__CompactionResponse *compaction = answer;
    switch (operation->kind) {
    case OPERATION_PUT:
        return note_revision(operation, put->header) | note_put(history, step, put);
    case OPERATION_DELETE:
        return note_revision(operation, deletion->header) | note_deletion(history, step, deletion);
    case OPERATION_GET:
        return note_revision(operation, range->header) | note_range(history, step, range);
    case OPERATION_TXN:
        return note_revision(operation, txn->header) | note_txn(history, operation, txn);
    default:
        return note_revision(operation, compaction->header);
    }
}

int request_decode(struct chronicle *history, size_t index, struct bytes message)
{
    static const ProtobufCMessageDescriptor *const ANSWERS[] = {
        [OPERATION_PUT] = &etcdserverpb__put_response__descriptor,
        [OPERATION_DELETE] = &etcdserverpb__delete_range_response__descriptor,
        [OPERATION_GET] = &etcdserverpb__range_response__descriptor,
        [OPERATION_TXN] = &etcdserverpb__txn_response__descriptor,
        [OPERATION_COMPACT] = &etcdserverpb__compaction_response__descriptor,
    };
    struct operation *operation = &history->operations[index];
    ProtobufCMessage *answer =
        protobuf_c_message_unpack(ANSWERS[operation->kind], NULL, message.size, message.data);
    if (answer == NULL) {
        return -1;
    }
    const int outcome = note_answer(history, operation, answer);
    protobuf_c_message_free_unpacked(answer, NULL);
    return outcome;
}

/* A revision was refused, which it named. */
static enum operation_outcome refusal(const struct chronicle *history,
                                      const struct operation *operation, const char *text)
{
    int is_named = 0;
    for (uint32_t i = 0; i < chronicle_step_count(operation); i++) {
        const struct step *step = &history->steps[operation->first_step + i];
        is_named |= step->kind == STEP_COMPACT || (step->kind == STEP_GET && step->number != 0);
    }
    return !is_named                                    ? 0
           : strstr(text, "has been compacted") != NULL ? OUTCOME_COMPACTED
           : strstr(text, "future revision") != NULL    ? OUTCOME_FUTURE
                                                        : 0;
}

enum operation_outcome request_outcome(const struct chronicle *history, size_t index,
                                       const struct grpc_result *result)
{
    const struct operation *operation = &history->operations[index];
    switch (result->code) {
    case GRPC_OUT_OF_RANGE:
        return refusal(history, operation, result->text);
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
