/* record.c -- operations of a history as the store's requests, and its answers as theirs. */
#include "sim/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* -- Names ---------------------------------------------------------------------------------- */

size_t record_key(uint32_t key, char to[RECORD_KEY_MAX])
{
    return (size_t)snprintf(to, RECORD_KEY_MAX, "key-%07" PRIu32, key);
}

size_t record_value(uint64_t value, char to[RECORD_VALUE_MAX])
{
    /* Some values are longer: batches and snapshots should not all look alike. */
    const int width = value % 5 == 0 ? 40 : 1;
    return (size_t)snprintf(to, RECORD_VALUE_MAX, "%0*" PRIu64, width, value);
}

static uint32_t number_of_key(struct bytes name)
{
    char text[RECORD_KEY_MAX] = {0};
    assert(name.size > 4 && name.size < sizeof text);
    memcpy(text, name.data, name.size);
    return (uint32_t)strtoul(text + 4, NULL, 10);
}

/* UINT64_MAX, which nobody writes, if it is not exactly what somebody would write. */
static uint64_t number_of_value(struct bytes value)
{
    char text[RECORD_VALUE_MAX] = {0};
    char again[RECORD_VALUE_MAX];
    if (value.size == 0 || value.size >= sizeof text) {
        return UINT64_MAX;
    }
    memcpy(text, value.data, value.size);
    const uint64_t number = strtoull(text, NULL, 10);
    return record_value(number, again) == value.size && memcmp(text, again, value.size) == 0
               ? number
               : UINT64_MAX;
}

/* -- Requests, as etcd's messages ----------------------------------------------------------- */

static void put_bytes(struct buffer *to, const void *data, size_t size)
{
    if (buffer_append(to, data, size) != 0) {
        abort();
    }
}

static void put_varint(struct buffer *to, uint64_t value)
{
    uint8_t bytes[10];
    size_t size = 0;
    while (value >= 128) {
        bytes[size++] = (uint8_t)(value | 128);
        value >>= 7;
    }
    bytes[size++] = (uint8_t)value;
    put_bytes(to, bytes, size);
}

static void put_number(struct buffer *to, uint32_t field, uint64_t value)
{
    put_varint(to, field << 3);
    put_varint(to, value);
}

static void put_field(struct buffer *to, uint32_t field, const void *data, size_t size)
{
    put_varint(to, field << 3 | 2);
    put_varint(to, size);
    put_bytes(to, data, size);
}

static void put_key(struct buffer *to, uint32_t field, uint32_t key)
{
    char name[RECORD_KEY_MAX];
    put_field(to, field, name, record_key(key, name));
}

static void put_value(struct buffer *to, uint32_t field, uint64_t value)
{
    char text[RECORD_VALUE_MAX];
    put_field(to, field, text, record_value(value, text));
}

static void put_keys(struct buffer *to, const struct step *step)
{
    put_key(to, 1, step->key);
    if (step->end != step->key + 1) {
        put_key(to, 2, step->end);
    }
}

static void put_compare(struct buffer *to, const struct step *step)
{
    static const uint8_t RELATIONS[] = {0, KV_EQUAL, KV_NOT_EQUAL, KV_LESS, KV_GREATER};
    static const uint8_t TARGETS[] = {0, KV_TARGET_MOD, KV_TARGET_CREATE, KV_TARGET_VERSION,
                                      KV_TARGET_VALUE};
    static const uint8_t FIELDS[] = {0, 6, 5, 4, 7}; /* Of what is compared with. */
    put_number(to, 1, RELATIONS[step->relation]);
    put_number(to, 2, TARGETS[step->target]);
    put_key(to, 3, step->key);
    if (step->target == TARGET_VALUE) {
        put_value(to, FIELDS[step->target], step->number);
    } else {
        put_number(to, FIELDS[step->target], step->number);
    }
}

static void put_step(struct buffer *to, const struct step *step, int is_serializable)
{
    switch (step->kind) {
    case STEP_PUT:
        put_key(to, 1, step->key);
        put_value(to, 2, step->number);
        put_number(to, 4, step->wants_items);
        break;
    case STEP_DELETE:
        put_keys(to, step);
        put_number(to, 3, step->wants_items);
        break;
    case STEP_GET:
        put_keys(to, step);
        put_number(to, 3, step->limit);
        put_number(to, 4, step->number);
        put_number(to, 7, is_serializable != 0);
        put_number(to, 9, !step->wants_items);
        break;
    case STEP_COMPARE:
        put_compare(to, step);
        break;
    default:
        put_number(to, 1, step->number);
        break;
    }
}

static void put_txn(struct buffer *to, const struct chronicle *history,
                    const struct operation *operation)
{
    static const uint8_t KINDS[] = {0, KV_OP_PUT, KV_OP_DELETE_RANGE, KV_OP_RANGE};
    const uint32_t count =
        (uint32_t)operation->compare_count + operation->then_count + operation->else_count;
    struct buffer inner = {0};
    struct buffer op = {0};
    for (uint32_t i = 0; i < count; i++) {
        const struct step *step = &history->steps[operation->first_step + i];
        buffer_clear(&inner, SIZE_MAX);
        buffer_clear(&op, SIZE_MAX);
        put_step(&inner, step, 0);
        if (step->kind == STEP_COMPARE) {
            put_field(to, 1, buffer_bytes(&inner).data, buffer_size(&inner));
        } else {
            put_field(&op, KINDS[step->kind], buffer_bytes(&inner).data, buffer_size(&inner));
            put_field(to, step->place, buffer_bytes(&op).data, buffer_size(&op));
        }
    }
    buffer_deinit(&inner);
    buffer_deinit(&op);
}

_Static_assert(PLACE_THEN == 2 && PLACE_ELSE == 3, "they are the fields of etcd's TxnRequest");

uint32_t record_encode(const struct chronicle *history, size_t index, struct buffer *to)
{
    static const uint8_t COMMANDS[] = {0, KV_COMMAND_PUT, KV_COMMAND_DELETE_RANGE,
                                       0, KV_COMMAND_TXN, KV_COMMAND_COMPACT};
    const struct operation *operation = &history->operations[index];
    if (operation->kind == OPERATION_TXN) {
        put_txn(to, history, operation);
    } else {
        put_step(to, &history->steps[operation->first_step], operation->is_serializable);
    }
    return COMMANDS[operation->kind];
}

/* -- Answers -------------------------------------------------------------------------------- */

static void note_item(struct chronicle *history, uint32_t step, const struct item *item)
{
    const struct seen_item seen = {
        .value = number_of_value(item_value(item)),
        .create = item->create_revision,
        .mod = item->mod_revision,
        .version = (uint32_t)item->version,
        .key = number_of_key(item_key(item)),
    };
    chronicle_see(history, step, &seen);
}

static void note_range(struct chronicle *history, uint32_t step,
                       const struct kv_range_result *result)
{
    history->steps[step].count = (uint32_t)result->count;
    history->steps[step].has_more = result->has_more;
    for (size_t i = 0; i < result->item_count; i++) {
        note_item(history, step, result->items[i]);
    }
}

static void note_put(struct chronicle *history, uint32_t step, const struct kv_put_result *result)
{
    if (result->previous != NULL) {
        note_item(history, step, result->previous);
    }
}

static void note_delete(struct chronicle *history, uint32_t step,
                        const struct kv_delete_range_result *result)
{
    history->steps[step].count = (uint32_t)result->deleted;
    for (size_t i = 0; i < result->item_count; i++) {
        note_item(history, step, result->items[i]);
    }
}

static void note_txn(struct chronicle *history, struct operation *operation,
                     const struct kv_txn_result *result)
{
    const uint32_t then = operation->first_step + operation->compare_count;
    const uint32_t first = result->has_succeeded ? then : then + operation->then_count;
    assert(result->response_count ==
           (result->has_succeeded ? operation->then_count : operation->else_count));
    operation->has_succeeded = result->has_succeeded;
    for (uint32_t i = 0; i < result->response_count; i++) {
        const struct kv_response *response = &result->responses[i];
        if (response->kind == KV_OP_RANGE) {
            note_range(history, first + i, &response->range);
        } else if (response->kind == KV_OP_PUT) {
            note_put(history, first + i, &response->put);
        } else {
            note_delete(history, first + i, &response->delete_range);
        }
    }
}

static enum operation_outcome outcome_of(int error)
{
    assert(error == 0 || error == KV_ERR_COMPACTED || error == KV_ERR_FUTURE);
    return error == 0                  ? OUTCOME_DONE
           : error == KV_ERR_COMPACTED ? OUTCOME_COMPACTED
                                       : OUTCOME_FUTURE;
}

enum operation_outcome record_result(struct chronicle *history, size_t index,
                                     const struct kv_result *result)
{
    struct operation *operation = &history->operations[index];
    if (result->error != 0) {
        return outcome_of(result->error);
    }
    switch (result->kind) {
    case KV_COMMAND_PUT:
        operation->revision = result->put.revision;
        note_put(history, operation->first_step, &result->put);
        break;
    case KV_COMMAND_DELETE_RANGE:
        operation->revision = result->delete_range.revision;
        note_delete(history, operation->first_step, &result->delete_range);
        break;
    case KV_COMMAND_TXN:
        operation->revision = result->txn.revision;
        note_txn(history, operation, &result->txn);
        break;
    default:
        operation->revision = result->compaction.revision;
        break;
    }
    return OUTCOME_DONE;
}

enum operation_outcome record_get(struct chronicle *history, size_t index, const struct kv *kv,
                                  int64_t revision)
{
    struct operation *operation = &history->operations[index];
    const struct step *step = &history->steps[operation->first_step];
    char key[RECORD_KEY_MAX];
    char end[RECORD_KEY_MAX];
    const int64_t now = revision == 0 ? kv_revision(kv) : revision;
    struct kv_range_request request = {.key = bytes_of(key, record_key(step->key, key)),
                                       .limit = step->limit,
                                       .revision = (int64_t)step->number,
                                       .is_count_only = !step->wants_items};
    struct arena arena = {0};
    struct kv_range_result result;

    assert(operation->kind == OPERATION_GET);
    if (step->end != step->key + 1) {
        request.range_end = bytes_of(end, record_key(step->end, end));
    }
    if (request.revision > now) {
        return OUTCOME_FUTURE;
    }
    request.revision = request.revision != 0 ? request.revision : revision;
    const int error = kv_range(kv, &request, &arena, &result);
    if (error == 0) {
        operation->revision = now;
        note_range(history, operation->first_step, &result);
    }
    arena_deinit(&arena);
    return outcome_of(error);
}
