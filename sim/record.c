/* record.c -- operations of a history as the store's requests, and its answers as theirs. */
#include "sim/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/prng.h"

/* -- Names ---------------------------------------------------------------------------------- */

/* At least `width` digits, with zeroes in front. Each answer is told from others by its values, so
 * this is done so often that the format strings of the C library would be seen in a profile. */
static size_t write_digits(char *to, uint64_t number, size_t width)
{
    size_t size = 1;
    for (uint64_t left = number / 10; left != 0; left /= 10) {
        size++;
    }
    size = size < width ? width : size;
    for (size_t i = size; i > 0; i--) {
        to[i - 1] = (char)('0' + number % 10);
        number /= 10;
    }
    to[size] = 0;
    return size;
}

/* Of anything else, some number. */
static uint64_t read_digits(const uint8_t *text, size_t size)
{
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++) {
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    return number;
}

size_t record_key(uint32_t key, char to[RECORD_KEY_MAX])
{
    memcpy(to, "key-", 4);
    return 4 + write_digits(to + 4, key, 7);
}

size_t record_value(uint64_t value, char to[RECORD_VALUE_MAX])
{
    /* Some values are longer: batches and snapshots should not all look alike. */
    const int is_large = (value & RECORD_LARGE) != 0;
    const size_t width = is_large ? RECORD_VALUE_MAX - 4 : value % 5 == 0 ? 40 : 1;
    return write_digits(to, value, width);
}

static uint32_t number_of_key(struct bytes name)
{
    assert(name.size > 4 && name.size < RECORD_KEY_MAX);
    return (uint32_t)read_digits(name.data + 4, name.size - 4);
}

/* UINT64_MAX, which nobody writes, if it is not exactly what somebody would write. */
static uint64_t number_of_value(struct bytes value)
{
    char again[RECORD_VALUE_MAX];
    if (value.size == 0 || value.size >= sizeof again) {
        return UINT64_MAX;
    }
    const uint64_t number = read_digits(value.data, value.size);
    return record_value(number, again) == value.size && memcmp(value.data, again, value.size) == 0
               ? number
               : UINT64_MAX;
}

/* -- Spellings ------------------------------------------------------------------------------ */

/* A get can be said so, and its answer says the same. */
struct spelling {
    int32_t sort_order; /* enum kv_sort_order. */
    int32_t sort_target;
    uint8_t is_keys_only;
    uint8_t has_filters; /* They let everything pass. */
};

/* Some bits that are the step's, or the operation's, whenever they are asked for. */
static uint64_t draw_bits(uint64_t index)
{
    struct prng prng = {.state = index};
    return prng_next(&prng);
}

/* A limit shows the first of what was sorted, and a history knows no order but that of the keys. */
static struct spelling spell_get(const struct step *step, size_t index)
{
    const uint64_t bits = draw_bits(index);
    struct spelling spelling = {.is_keys_only = (bits & 3) == 0, .has_filters = (bits & 12) == 0};
    if (step->limit == 0 && (bits & 48) == 0) {
        spelling.sort_order = (int32_t)(bits >> 6 & 255) % (KV_SORT_DESCEND + 1);
        spelling.sort_target = (int32_t)(bits >> 14 & 255) % (KV_SORT_VALUE + 1);
    }
    return spelling;
}

/* How many steps of a branch are done by the txn itself; the rest is left to a txn within it. */
static uint32_t spell_branch(size_t operation, uint32_t count)
{
    const uint64_t bits = draw_bits(~(uint64_t)operation);
    return (bits & 3) != 0 ? count : (uint32_t)(bits >> 2 & 255) % (count + 1);
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

static void put_get(struct buffer *to, const struct step *step, size_t index)
{
    const struct spelling spelling = spell_get(step, index);
    put_keys(to, step);
    put_number(to, 3, step->limit);
    put_number(to, 4, step->number);
    put_number(to, 5, (uint64_t)spelling.sort_order);
    put_number(to, 6, (uint64_t)spelling.sort_target);
    put_number(to, 8, spelling.is_keys_only);
    put_number(to, 9, !step->wants_items);
    if (spelling.has_filters) {
        put_number(to, 10, 1); /* Nothing was made before, or will be after. */
        put_number(to, 11, INT64_MAX);
        put_number(to, 12, 1);
        put_number(to, 13, INT64_MAX);
    }
}

static void put_step(struct buffer *to, const struct chronicle *history, size_t index)
{
    const struct step *step = &history->steps[index];
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
        put_get(to, step, index);
        break;
    case STEP_COMPARE:
        put_compare(to, step);
        break;
    default:
        put_number(to, 1, step->number);
        put_number(to, 2, draw_bits(index) & 1); /* Physical: it makes no difference here. */
        break;
    }
}

/* Steps of an operation, from one on and so many. */
struct steps {
    const struct chronicle *history;
    uint32_t first;
    uint32_t count;
};

static void put_compares(struct buffer *to, const struct steps *compares)
{
    struct buffer inner = {0};
    for (uint32_t i = 0; i < compares->count; i++) {
        buffer_clear(&inner, SIZE_MAX);
        put_step(&inner, compares->history, compares->first + i);
        put_field(to, 1, buffer_bytes(&inner).data, buffer_size(&inner));
    }
    buffer_deinit(&inner);
}

static void put_operations(struct buffer *to, const struct steps *steps, enum step_place place)
{
    static const uint8_t KINDS[] = {0, KV_OP_PUT, KV_OP_DELETE_RANGE, KV_OP_RANGE};
    struct buffer inner = {0};
    struct buffer op = {0};
    for (uint32_t i = 0; i < steps->count; i++) {
        const struct step *step = &steps->history->steps[steps->first + i];
        buffer_clear(&inner, SIZE_MAX);
        buffer_clear(&op, SIZE_MAX);
        put_step(&inner, steps->history, steps->first + i);
        put_field(&op, KINDS[step->kind], buffer_bytes(&inner).data, buffer_size(&inner));
        put_field(to, place, buffer_bytes(&op).data, buffer_size(&op));
    }
    buffer_deinit(&inner);
    buffer_deinit(&op);
}

/* A branch, of which the end may be a txn within the txn. Its compares are those of the whole, and
 * all compares are made before anything is done: so it takes the branch that it stands in. Its
 * other branch is empty: were that taken, the steps would be missed. */
static void put_branch(struct buffer *to, const struct steps *compares, const struct steps *steps,
                       enum step_place place)
{
    const uint32_t own = spell_branch(compares->first, steps->count);
    const struct steps outer = {steps->history, steps->first, own};
    const struct steps inner = {steps->history, steps->first + own, steps->count - own};
    put_operations(to, &outer, place);
    if (inner.count > 0) {
        struct buffer txn = {0};
        struct buffer op = {0};
        put_compares(&txn, compares);
        put_operations(&txn, &inner, place);
        put_field(&op, KV_OP_TXN, buffer_bytes(&txn).data, buffer_size(&txn));
        put_field(to, place, buffer_bytes(&op).data, buffer_size(&op));
        buffer_deinit(&op);
        buffer_deinit(&txn);
    }
}

static void put_txn(struct buffer *to, const struct chronicle *history,
                    const struct operation *operation)
{
    const struct steps compares = {history, operation->first_step, operation->compare_count};
    const struct steps then_steps = {history, compares.first + compares.count,
                                     operation->then_count};
    const struct steps else_steps = {history, then_steps.first + then_steps.count,
                                     operation->else_count};
    put_compares(to, &compares);
    put_branch(to, &compares, &then_steps, PLACE_THEN);
    put_branch(to, &compares, &else_steps, PLACE_ELSE);
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
        put_step(to, history, operation->first_step);
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

/* Below zero, zero or above zero. */
static int compare_by(int32_t target, const struct item *left, const struct item *right)
{
    const int64_t numbers[][2] = {
        [KV_SORT_VERSION] = {left->version, right->version},
        [KV_SORT_CREATE] = {left->create_revision, right->create_revision},
        [KV_SORT_MOD] = {left->mod_revision, right->mod_revision},
    };
    if (target == KV_SORT_KEY) {
        return bytes_compare(item_key(left), item_key(right));
    }
    if (target == KV_SORT_VALUE) {
        return bytes_compare(item_value(left), item_value(right));
    }
    return (numbers[target][0] > numbers[target][1]) - (numbers[target][0] < numbers[target][1]);
}

static int compare_keys(const void *left, const void *right)
{
    return compare_by(KV_SORT_KEY, *(const struct item *const *)left,
                      *(const struct item *const *)right);
}

/* What was asked for in another order came in that order; a history has it in that of the keys. */
static void check_order(const struct spelling *spelling, const struct kv_range_result *result)
{
    for (size_t i = 1; i < result->item_count; i++) {
        const int order = compare_by(spelling->sort_target, result->items[i - 1], result->items[i]);
        assert(spelling->sort_order == KV_SORT_DESCEND ? order >= 0 : order <= 0);
    }
    assert(result->is_keys_only == spelling->is_keys_only);
}

static void note_range(struct chronicle *history, uint32_t step,
                       const struct kv_range_result *result)
{
    const struct spelling spelling = spell_get(&history->steps[step], step);
    check_order(&spelling, result);
    if (result->item_count > 1) {
        qsort(result->items, result->item_count, sizeof *result->items, compare_keys);
    }
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
    uint32_t step = first;
    operation->has_succeeded = result->has_succeeded;
    for (size_t i = 0; i < result->response_count; i++) {
        const struct kv_response *response = &result->responses[i];
        if (response->kind == KV_OP_TXN) { /* What was done within it follows. */
            assert(response->has_succeeded == result->has_succeeded);
        } else if (response->kind == KV_OP_RANGE) {
            note_range(history, step++, &response->range);
        } else if (response->kind == KV_OP_PUT) {
            note_put(history, step++, &response->put);
        } else {
            note_delete(history, step++, &response->delete_range);
        }
    }
    assert(step - first == (result->has_succeeded ? operation->then_count : operation->else_count));
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
    const struct spelling spelling = spell_get(step, operation->first_step);
    struct kv_range_request request = {.key = bytes_of(key, record_key(step->key, key)),
                                       .limit = step->limit,
                                       .revision = (int64_t)step->number,
                                       .min_mod_revision = spelling.has_filters,
                                       .sort_order = spelling.sort_order,
                                       .sort_target = spelling.sort_target,
                                       .is_keys_only = spelling.is_keys_only,
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
