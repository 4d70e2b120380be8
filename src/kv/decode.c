/* decode.c -- etcd's KV request messages, scanned in place: any bytes in, a request or an error.
 *
 * A message is a run of fields: a varint (field number << 3 | type), then by type
 *
 *     0  a varint            numbers, booleans, enums
 *     1  8 bytes             none here, skipped
 *     2  a varint size, then so many bytes: bytes, and messages inside messages
 *     5  4 bytes             none here, skipped
 *
 * Validity: a varint is at most 10 bytes and 64 bits; a field number is 1 to 2^29 - 1; a size
 * ends inside its message; a known field has its type; nothing is above 2 GiB. Groups (types 3
 * and 4), which proto3 does not have, are refused. Unknown fields are skipped. Of a field that
 * is repeated though it is not a list, the last one counts, as proto3 says; that goes for the
 * operations of a RequestOp too (a oneof): the last one replaces the others, and those are not
 * looked into.
 *
 * Txns are nested by the sender's will: 1.5 MiB can hold 390,000 levels. So the work is a queue,
 * not a stack: a txn found inside another is only linked in, with its bytes unread, and decoded
 * when its turn comes. To pass over it until then is a jump by its size, so no byte is read
 * more than twice, however deep it lies. */
#include "kv/decode.h"

#include "base/assert.h"
#include "base/mutant.h"

enum {
    TYPE_VARINT = 0,
    TYPE_FIXED64 = 1,
    TYPE_BYTES = 2,
    TYPE_FIXED32 = 5,
};

enum {
    FIELD_NUMBER_MAX = (1 << 29) - 1
};

struct scanner {
    const uint8_t *at;
    const uint8_t *end;
};

struct field {
    struct bytes bytes; /* Of TYPE_BYTES. */
    uint64_t value;     /* Of TYPE_VARINT. */
    uint32_t number;
    uint32_t type;
};

static struct scanner scanner_of(struct bytes message)
{
    static const uint8_t nothing[1];
    const uint8_t *data = message.data == NULL ? nothing : message.data;
    return (struct scanner){.at = data, .end = data + message.size};
}

/* Returns whether there was a varint. */
static int read_varint(struct scanner *s, uint64_t *value)
{
    uint64_t sum = 0;

    assert(value != NULL);
    assert(s->at <= s->end);
    for (uint32_t shift = 0;; shift += 7) {
        if (s->at == s->end) {
            return 0;
        }
        const uint8_t byte = *s->at++;
        if (shift == 63 && byte > 1 && (byte >= 0x80 || !MUTANT(159))) {
            return 0; /* More than 64 bits. */
        }
        sum |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = sum;
            return 1;
        }
    }
}

static int read_bytes(struct scanner *s, uint64_t size, struct bytes *bytes)
{
    assert(s->at <= s->end);
    if (size > (uint64_t)(s->end - s->at) && !MUTANT(158)) {
        return 0;
    }
    *bytes = bytes_of(s->at, (size_t)size);
    s->at += size;
    assert(s->at <= s->end);
    return 1;
}

/* Returns whether there was a well-formed field. */
static int read_field(struct scanner *s, struct field *field)
{
    uint64_t tag;
    uint64_t size;

    assert(s->at < s->end);
    if (!read_varint(s, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX) {
        return 0;
    }
    field->number = (uint32_t)(tag >> 3);
    assert(field->number >= 1 && field->number <= FIELD_NUMBER_MAX);
    field->type = (uint32_t)(tag & 7);
    switch (field->type) {
    case TYPE_VARINT:
        return read_varint(s, &field->value);
    case TYPE_FIXED64:
        return read_bytes(s, 8, &field->bytes);
    case TYPE_BYTES:
        return read_varint(s, &size) && read_bytes(s, size, &field->bytes);
    case TYPE_FIXED32:
        return read_bytes(s, 4, &field->bytes);
    default:
        return 0;
    }
}

/* Each takes the value of a field if it is of the right type, and returns whether it is. */

static int take_bytes(const struct field *field, struct bytes *to)
{
    assert(to != NULL);
    assert(field->type != TYPE_BYTES || bytes_is_whole(field->bytes));
    if (field->type != TYPE_BYTES) {
        return 0;
    }
    *to = field->bytes;
    return 1;
}

static int take_int64(const struct field *field, int64_t *to)
{
    assert(field->number >= 1 && field->number <= FIELD_NUMBER_MAX);
    assert(to != NULL);
    if (field->type != TYPE_VARINT) {
        return 0;
    }
    *to = (int64_t)field->value;
    return 1;
}

static int take_enum(const struct field *field, int32_t *to)
{
    assert(field->number >= 1 && field->number <= FIELD_NUMBER_MAX);
    assert(to != NULL);
    if (field->type != TYPE_VARINT) {
        return 0;
    }
    *to = (int32_t)(uint32_t)field->value;
    return 1;
}

static int take_bool(const struct field *field, uint8_t *to)
{
    assert(field->number >= 1 && field->number <= FIELD_NUMBER_MAX);
    assert(to != NULL);
    if (field->type != TYPE_VARINT) {
        return 0;
    }
    *to = field->value != 0;
    return 1;
}

/* True if a decoded view is empty or lies in its message: what "view" promises. */
static int is_inside(struct bytes view, struct bytes message)
{
    return view.size == 0 || (view.data >= message.data && view.size <= message.size &&
                              view.data + view.size <= message.data + message.size);
}

/* One reading loop for all messages: read fields until the end, giving each to `take`, which
 * returns whether it is fit. Inlined, so that each message has its own tight loop. */
typedef int (*take_field)(const struct field *field, void *request);

static inline __attribute__((always_inline)) int scan(struct bytes message, void *request,
                                                      take_field take)
{
    struct scanner s = scanner_of(message);
    struct field field;

    assert(bytes_is_whole(message));
    assert(request != NULL);
    if (message.size > INT32_MAX) {
        return KV_ERR_MALFORMED;
    }
    while (s.at < s.end) {
        if (!read_field(&s, &field) || !take(&field, request)) {
            return KV_ERR_MALFORMED;
        }
    }
    return 0;
}

/* -- Messages without nesting -------------------------------------------------------------- */

static int take_range_field(const struct field *field, void *request)
{
    struct kv_range_request *range = request;

    assert(field->number >= 1 && field->number <= FIELD_NUMBER_MAX);
    switch (field->number) {
    case 1:
        return take_bytes(field, &range->key);
    case 2:
        return take_bytes(field, &range->range_end);
    case 3:
        return take_int64(field, &range->limit);
    case 4:
        return take_int64(field, &range->revision);
    case 5:
        return take_enum(field, &range->sort_order);
    case 6:
        return take_enum(field, &range->sort_target);
    case 7:
        return take_bool(field, &range->is_serializable);
    case 8:
        return take_bool(field, &range->is_keys_only);
    case 9:
        return take_bool(field, &range->is_count_only);
    case 10:
        return take_int64(field, &range->min_mod_revision);
    case 11:
        return take_int64(field, &range->max_mod_revision);
    case 12:
        return take_int64(field, &range->min_create_revision);
    case 13:
        return take_int64(field, &range->max_create_revision);
    default:
        return 1;
    }
}

int decode_range(struct bytes message, struct kv_range_request *request)
{
    *request = (struct kv_range_request){0};
    const int error = scan(message, request, take_range_field);
    assert(error == 0 || error == KV_ERR_MALFORMED);
    assert(is_inside(request->key, message));
    assert(is_inside(request->range_end, message));
    return error;
}

static int take_put_field(const struct field *field, void *request)
{
    struct kv_put_request *put = request;

    assert(field->number >= 1 && field->number <= FIELD_NUMBER_MAX);
    switch (field->number) {
    case 1:
        return take_bytes(field, &put->key);
    case 2:
        return take_bytes(field, &put->value);
    case 3:
        return take_int64(field, &put->lease);
    case 4:
        return take_bool(field, &put->wants_previous);
    case 5:
        return take_bool(field, &put->ignores_value);
    case 6:
        return take_bool(field, &put->ignores_lease);
    default:
        return 1;
    }
}

int decode_put(struct bytes message, struct kv_put_request *request)
{
    *request = (struct kv_put_request){0};
    const int error = scan(message, request, take_put_field);
    assert(error == 0 || error == KV_ERR_MALFORMED);
    assert(is_inside(request->key, message));
    assert(is_inside(request->value, message));
    return error;
}

static int take_delete_range_field(const struct field *field, void *request)
{
    struct kv_delete_range_request *deletion = request;

    assert(field->number >= 1 && field->number <= FIELD_NUMBER_MAX);
    switch (field->number) {
    case 1:
        return take_bytes(field, &deletion->key);
    case 2:
        return take_bytes(field, &deletion->range_end);
    case 3:
        return take_bool(field, &deletion->wants_previous);
    default:
        return 1;
    }
}

int decode_delete_range(struct bytes message, struct kv_delete_range_request *request)
{
    *request = (struct kv_delete_range_request){0};
    const int error = scan(message, request, take_delete_range_field);
    assert(error == 0 || error == KV_ERR_MALFORMED);
    assert(is_inside(request->key, message));
    assert(is_inside(request->range_end, message));
    return error;
}

static int take_compaction_field(const struct field *field, void *request)
{
    struct kv_compaction_request *compaction = request;

    assert(field->number >= 1 && field->number <= FIELD_NUMBER_MAX);
    switch (field->number) {
    case 1:
        return take_int64(field, &compaction->revision);
    case 2:
        return take_bool(field, &compaction->is_physical);
    default:
        return 1;
    }
}

int decode_compaction(struct bytes message, struct kv_compaction_request *request)
{
    *request = (struct kv_compaction_request){0};
    const int error = scan(message, request, take_compaction_field);
    assert(error == 0 || error == KV_ERR_MALFORMED);
    assert(request->is_physical <= 1);
    return error;
}

/* -- Txn ----------------------------------------------------------------------------------- */

/* A compare while it is read: which member of the oneof came last decides at the end. */
struct compare_draft {
    struct kv_compare *compare;
    uint32_t operand; /* Field number of the member; 0: none. */
};

static int take_compare_field(const struct field *field, void *request)
{
    struct compare_draft *draft = request;
    struct kv_compare *compare = draft->compare;

    assert(compare != NULL);
    switch (field->number) {
    case 1:
        return take_enum(field, &compare->result);
    case 2:
        return take_enum(field, &compare->target);
    case 3:
        return take_bytes(field, &compare->key);
    case 4:
    case 5:
    case 6:
    case 8:
        draft->operand = field->number;
        return take_int64(field, &compare->number);
    case 7:
        draft->operand = field->number;
        return take_bytes(field, &compare->value);
    case 64:
        return take_bytes(field, &compare->range_end);
    default:
        return 1;
    }
}

/* The member of the oneof that goes with a target; 0 where none does. */
static uint32_t operand_of(int32_t target)
{
    switch (target) {
    case KV_TARGET_VERSION:
        return 4;
    case KV_TARGET_CREATE:
        return 5;
    case KV_TARGET_MOD:
        return 6;
    case KV_TARGET_VALUE:
        return 7;
    case KV_TARGET_LEASE:
        return 8;
    default:
        return 0;
    }
}

/* What one call of decode_txn() works with. */
struct txn_decoder {
    struct arena *arena;
    struct kv_txn_request *txn;  /* The one being read. */
    struct kv_txn_request *last; /* The end of the queue. */
    int32_t ops_max;
    int error; /* The first one; 0: none. */
};

static int fail(struct txn_decoder *decoder, int error)
{
    assert(error < 0);
    assert(error != 0 && decoder->error == 0);
    decoder->error = error;
    return 0;
}

static int add_compare(struct txn_decoder *decoder, struct bytes message)
{
    struct kv_txn_request *txn = decoder->txn;
    struct kv_compare *compare = arena_allocate(decoder->arena, sizeof *compare);

    assert(txn->success.txn == txn);
    assert((txn->compare_count == 0) == (txn->first_compare == NULL));
    if (compare == NULL) {
        return fail(decoder, KV_ERR_NO_MEMORY);
    }
    *compare = (struct kv_compare){0};
    struct compare_draft draft = {.compare = compare};
    if (scan(message, &draft, take_compare_field) != 0) {
        return fail(decoder, KV_ERR_MALFORMED);
    }
    assert(is_inside(compare->key, message));
    assert(is_inside(compare->value, message));
    if (draft.operand != operand_of(compare->target)) {
        compare->number = 0;
        compare->value = bytes_of(NULL, 0);
    }
    if (txn->last_compare == NULL) {
        txn->first_compare = compare;
    } else {
        txn->last_compare->next = compare;
    }
    txn->last_compare = compare;
    if (txn->compare_count++ == (uint32_t)decoder->ops_max) {
        return fail(decoder, KV_ERR_TOO_MANY_OPS);
    }
    return 1;
}

/* The last member of the oneof: its number and its bytes, unread. */
struct op_draft {
    struct bytes message;
    uint32_t kind;
};

static int take_op_field(const struct field *field, void *request)
{
    struct op_draft *draft = request;

    assert(draft != NULL);
    if (field->number < KV_OP_RANGE || field->number > KV_OP_TXN) {
        return 1;
    }
    draft->kind = field->number;
    return take_bytes(field, &draft->message);
}

static void init_txn(struct kv_txn_request *txn, struct bytes message, struct kv_op *parent)
{
    assert(parent == NULL || parent->kind == KV_OP_TXN);
    assert(bytes_is_whole(message));
    *txn = (struct kv_txn_request){.parent = parent, .encoded = message};
    txn->depth = parent == NULL ? 0 : parent->branch->txn->depth + 1;
    txn->success.txn = txn;
    txn->failure.txn = txn;
}

/* A nested txn: link it in and queue it. */
static int queue_txn(struct txn_decoder *decoder, struct kv_op *op, struct bytes message)
{
    assert(op->kind == KV_OP_TXN);
    assert(decoder->last->next == NULL);
    op->txn = arena_allocate(decoder->arena, sizeof *op->txn);
    if (op->txn == NULL) {
        return KV_ERR_NO_MEMORY;
    }
    init_txn(op->txn, message, op);
    /* Each level around it has used up one operation. */
    if (op->txn->depth > (uint32_t)decoder->ops_max || op->txn->depth > KV_DEPTH_MAX) {
        return KV_ERR_TOO_MANY_OPS;
    }
    decoder->last->next = op->txn;
    decoder->last = op->txn;
    assert(op->txn->parent == op);
    return 0;
}

/* Decode what an operation holds. Returns 0 or an error. */
static int decode_op(struct txn_decoder *decoder, struct kv_op *op, struct bytes message)
{
    static const size_t sizes[] = {
        [KV_OP_RANGE] = sizeof(struct kv_range_request),
        [KV_OP_PUT] = sizeof(struct kv_put_request),
        [KV_OP_DELETE_RANGE] = sizeof(struct kv_delete_range_request),
    };

    assert(op->kind <= KV_OP_TXN);
    assert(decoder->error == 0);
    if (op->kind == 0) {
        return 0;
    }
    if (op->kind == KV_OP_TXN) {
        return queue_txn(decoder, op, message);
    }
    void *request = arena_allocate(decoder->arena, sizes[op->kind]);
    if (request == NULL) {
        return KV_ERR_NO_MEMORY;
    }
    switch (op->kind) {
    case KV_OP_RANGE:
        op->range = request;
        return decode_range(message, op->range);
    case KV_OP_PUT:
        op->put = request;
        return decode_put(message, op->put);
    default:
        op->delete_range = request;
        return decode_delete_range(message, op->delete_range);
    }
}

static int add_op(struct txn_decoder *decoder, struct kv_branch *branch, struct bytes message)
{
    struct op_draft draft = {0};
    struct kv_op *op = arena_allocate(decoder->arena, sizeof *op);

    assert(branch->txn == decoder->txn);
    assert((branch->count == 0) == (branch->first == NULL));
    if (op == NULL) {
        return fail(decoder, KV_ERR_NO_MEMORY);
    }
    if (scan(message, &draft, take_op_field) != 0) {
        return fail(decoder, KV_ERR_MALFORMED);
    }
    assert(is_inside(draft.message, message));
    *op = (struct kv_op){.branch = branch, .kind = draft.kind};
    const int error = decode_op(decoder, op, draft.message);
    if (error != 0) {
        return fail(decoder, error);
    }
    if (branch->last == NULL) {
        branch->first = op;
    } else {
        branch->last->next = op;
    }
    branch->last = op;
    if (branch->count++ == (uint32_t)decoder->ops_max) {
        return fail(decoder, KV_ERR_TOO_MANY_OPS);
    }
    return 1;
}

static int take_txn_field(const struct field *field, void *request)
{
    struct txn_decoder *decoder = request;

    assert(decoder->txn != NULL);
    assert(decoder->error == 0);
    if (field->number < 1 || field->number > 3) {
        return 1;
    }
    if (field->type != TYPE_BYTES) {
        return 0;
    }
    switch (field->number) {
    case 1:
        return add_compare(decoder, field->bytes);
    case 2:
        return add_op(decoder, &decoder->txn->success, field->bytes);
    default:
        return add_op(decoder, &decoder->txn->failure, field->bytes);
    }
}

int decode_txn(struct bytes message, int32_t ops_max, struct arena *arena,
               struct kv_txn_request **request)
{
    struct txn_decoder decoder = {.arena = arena, .ops_max = ops_max};

    assert(bytes_is_whole(message));
    assert(ops_max > 0);
    *request = arena_allocate(arena, sizeof **request);
    if (*request == NULL) {
        return KV_ERR_NO_MEMORY;
    }
    init_txn(*request, message, NULL);
    decoder.last = *request;
    for (decoder.txn = *request; decoder.txn != NULL; decoder.txn = decoder.txn->next) {
        const int error = scan(decoder.txn->encoded, &decoder, take_txn_field);
        if (error != 0) {
            assert(decoder.error <= 0);
            return decoder.error != 0 ? decoder.error : error;
        }
    }
    return 0;
}
