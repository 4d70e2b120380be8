/* model.c -- the store, written a second time in the most naive way: the judge of the tests. */
#include "model_internal.h"

#include <stdlib.h>

enum {
    KEYS_MAX = 4096
};

void *model_take(struct arena *arena, size_t size)
{
    void *memory = arena_allocate(arena, size == 0 ? 1 : size);
    assert(memory != NULL);
    return memset(memory, 0, size == 0 ? 1 : size);
}

static struct bytes copy_bytes(struct arena *arena, struct bytes from)
{
    uint8_t *to = model_take(arena, from.size);
    if (from.size > 0) {
        memcpy(to, from.data, from.size);
    }
    return bytes_of(to, from.size);
}

static struct model_state *copy_state(struct arena *arena, const struct model_state *state)
{
    struct model_state *copy =
        model_take(arena, sizeof *copy + (state->count + 1) * sizeof(struct pair));
    memcpy(copy, state, sizeof *copy + state->count * sizeof(struct pair));
    return copy;
}

void model_init(struct model *model)
{
    *model = (struct model){.revision = 1, .compacted = -1, .capacity = 16};
    model->states = calloc(model->capacity, sizeof *model->states);
    assert(model->states != NULL);
    model->states[1] = model_take(&model->memory, sizeof(struct model_state));
    model->now = model->states[1];
}

void model_deinit(struct model *model)
{
    arena_deinit(&model->memory);
    free(model->states);
}

size_t model_key_count(const struct model *model, int64_t revision)
{
    return model->states[revision]->count;
}

/* -- State ----------------------------------------------------------------------------------- */

static int64_t now(const struct model *model)
{
    return model->revision + model->is_changed;
}

static const struct model_state *state_at(const struct model *model, int64_t revision)
{
    return revision > model->revision ? model->now : model->states[revision];
}

int model_is_in_range(struct bytes key, struct bytes begin, struct bytes end)
{
    if (end.size == 0) {
        return bytes_equal(key, begin);
    }
    if (bytes_compare(key, begin) < 0) {
        return 0;
    }
    return (end.size == 1 && end.data[0] == 0) || bytes_compare(key, end) < 0;
}

const struct pair *model_find(const struct model_state *state, struct bytes key)
{
    for (size_t i = 0; i < state->count; i++) {
        if (bytes_equal(state->pairs[i].key, key)) {
            return &state->pairs[i];
        }
    }
    return NULL;
}

static void begin_change(struct model *model)
{
    model->is_changed = 1;
    model->now = copy_state(&model->memory, model->now);
}

static void set(struct model *model, struct bytes key, struct bytes value, int64_t lease)
{
    const int64_t revision = model->revision + 1;
    size_t at = 0;

    begin_change(model);
    struct model_state *state = model->now;
    while (at < state->count && bytes_compare(state->pairs[at].key, key) < 0) {
        at++;
    }
    if (at == state->count || !bytes_equal(state->pairs[at].key, key)) {
        memmove(state->pairs + at + 1, state->pairs + at,
                (state->count - at) * sizeof(struct pair));
        state->pairs[at] =
            (struct pair){.key = copy_bytes(&model->memory, key), .create_revision = revision};
        state->count++;
    }
    struct pair *pair = &state->pairs[at];
    pair->value = copy_bytes(&model->memory, value);
    pair->mod_revision = revision;
    pair->version++;
    pair->lease = lease;
}

static void unset(struct model *model, struct bytes key)
{
    begin_change(model);
    struct model_state *state = model->now;
    size_t kept = 0;
    for (size_t i = 0; i < state->count; i++) {
        if (!bytes_equal(state->pairs[i].key, key)) {
            state->pairs[kept++] = state->pairs[i];
        }
    }
    assert(kept + 1 == state->count);
    state->count = kept;
}

void model_end_write(struct model *model)
{
    if (!model->is_changed) {
        return;
    }
    model->is_changed = 0;
    model->revision++;
    if ((size_t)model->revision >= model->capacity) {
        model->capacity *= 2;
        model->states = realloc(model->states, model->capacity * sizeof *model->states);
        assert(model->states != NULL);
    }
    model->states[model->revision] = model->now;
}

/* -- Messages -------------------------------------------------------------------------------- */

response_header *model_new_header(struct arena *arena, int64_t revision, int is_inner)
{
    response_header *header = model_take(arena, sizeof *header);
    etcdserverpb__response_header__init(header);
    header->revision = revision;
    if (!is_inner) {
        header->cluster_id = 1;
        header->member_id = 2;
        header->raft_term = 3;
    }
    return header;
}

static ProtobufCBinaryData data_of(struct bytes bytes)
{
    return (ProtobufCBinaryData){.len = bytes.size, .data = (uint8_t *)(uintptr_t)bytes.data};
}

static Mvccpb__KeyValue *new_key_value(struct arena *arena, const struct pair *pair)
{
    Mvccpb__KeyValue *kv = model_take(arena, sizeof *kv);
    mvccpb__key_value__init(kv);
    kv->key = data_of(pair->key);
    kv->value = data_of(pair->value);
    kv->create_revision = pair->create_revision;
    kv->mod_revision = pair->mod_revision;
    kv->version = pair->version;
    kv->lease = pair->lease;
    return kv;
}

struct model_answer model_failure(int error)
{
    return (struct model_answer){.error = error};
}

struct model_answer model_success(struct arena *arena, const ProtobufCMessage *message)
{
    uint8_t *to = model_take(arena, protobuf_c_message_get_packed_size(message));
    return (struct model_answer){.bytes = bytes_of(to, protobuf_c_message_pack(message, to))};
}

/* -- Single operations, within the write under way ------------------------------------------- */

static int64_t sort_number(const struct pair *pair, int target)
{
    switch (target) {
    case ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VERSION:
        return pair->version;
    case ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__CREATE:
        return pair->create_revision;
    default:
        return pair->mod_revision;
    }
}

static int sorts_before(const struct pair *left, const struct pair *right, int target)
{
    if (target == ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__KEY) {
        return bytes_compare(left->key, right->key) < 0;
    }
    if (target == ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE) {
        return bytes_compare(left->value, right->value) < 0;
    }
    return sort_number(left, target) < sort_number(right, target);
}

static void sort_pairs(struct pair *pairs, size_t count, const range_request *r)
{
    const int is_down = r->sort_order == ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND;
    for (size_t i = 1; i < count; i++) {
        for (size_t j = i; j > 0; j--) {
            const int is_wrong = is_down
                                     ? sorts_before(&pairs[j - 1], &pairs[j], (int)r->sort_target)
                                     : sorts_before(&pairs[j], &pairs[j - 1], (int)r->sort_target);
            if (!is_wrong) {
                break;
            }
            const struct pair swapped = pairs[j];
            pairs[j] = pairs[j - 1];
            pairs[j - 1] = swapped;
        }
    }
}

static int is_filtered(const range_request *r, const struct pair *pair)
{
    return (r->max_mod_revision != 0 && pair->mod_revision > r->max_mod_revision) ||
           (r->min_mod_revision != 0 && pair->mod_revision < r->min_mod_revision) ||
           (r->max_create_revision != 0 && pair->create_revision > r->max_create_revision) ||
           (r->min_create_revision != 0 && pair->create_revision < r->min_create_revision);
}

Etcdserverpb__RangeResponse *model_do_range(struct model *model, const range_request *r,
                                            struct arena *arena, int is_inner)
{
    const struct model_state *state = state_at(model, r->revision <= 0 ? now(model) : r->revision);
    struct pair *found = model_take(arena, (state->count + 1) * sizeof *found);
    Etcdserverpb__RangeResponse *response = model_take(arena, sizeof *response);
    const int has_filter = r->max_mod_revision != 0 || r->min_mod_revision != 0 ||
                           r->max_create_revision != 0 || r->min_create_revision != 0;
    const int64_t fetched_max =
        r->sort_order != 0 || has_filter || r->limit <= 0 ? KEYS_MAX : r->limit + 1;
    size_t fetched = 0;
    size_t count = 0;

    etcdserverpb__range_response__init(response);
    response->header = model_new_header(arena, now(model), is_inner);
    for (size_t i = 0; i < state->count; i++) {
        if (model_is_in_range(state->pairs[i].key, of(r->key), of(r->range_end))) {
            response->count++;
            if (!r->count_only && (int64_t)fetched++ < fetched_max &&
                !is_filtered(r, &state->pairs[i])) {
                found[count++] = state->pairs[i];
            }
        }
    }
    sort_pairs(found, count, r);
    if (r->limit > 0 && count > (size_t)r->limit) {
        count = (size_t)r->limit;
        response->more = 1;
    }
    response->n_kvs = count;
    response->kvs = model_take(arena, (count + 1) * sizeof *response->kvs);
    for (size_t i = 0; i < count; i++) {
        response->kvs[i] = new_key_value(arena, &found[i]);
        if (r->keys_only) {
            response->kvs[i]->value = data_of(bytes_of(NULL, 0));
        }
    }
    return response;
}

Etcdserverpb__PutResponse *model_do_put(struct model *model, const put_request *p,
                                        struct arena *arena, int is_inner)
{
    const struct pair *previous = model_find(model->now, of(p->key));
    Etcdserverpb__PutResponse *response = model_take(arena, sizeof *response);

    if ((p->ignore_value || p->ignore_lease) && previous == NULL) {
        return NULL;
    }
    etcdserverpb__put_response__init(response);
    if (p->prev_kv && previous != NULL) {
        response->prev_kv = new_key_value(arena, previous);
    }
    set(model, of(p->key), p->ignore_value ? previous->value : of(p->value),
        p->ignore_lease ? previous->lease : p->lease);
    response->header = model_new_header(arena, now(model), is_inner);
    return response;
}

Etcdserverpb__DeleteRangeResponse *model_do_delete_range(struct model *model,
                                                         const delete_range_request *d,
                                                         struct arena *arena, int is_inner)
{
    const struct model_state *before = model->now;
    Etcdserverpb__DeleteRangeResponse *response = model_take(arena, sizeof *response);

    etcdserverpb__delete_range_response__init(response);
    response->prev_kvs = model_take(arena, (before->count + 1) * sizeof *response->prev_kvs);
    for (size_t i = 0; i < before->count; i++) {
        const struct pair *pair = &before->pairs[i];
        if (model_is_in_range(pair->key, of(d->key), of(d->range_end))) {
            response->deleted++;
            if (d->prev_kv) {
                response->prev_kvs[response->n_prev_kvs++] = new_key_value(arena, pair);
            }
            unset(model, pair->key);
        }
    }
    response->header = model_new_header(arena, now(model), is_inner);
    return response;
}

/* -- Checks -------------------------------------------------------------------------------- */

int model_check_range(const range_request *r)
{
    if (r->key.len == 0) {
        return KV_ERR_EMPTY_KEY;
    }
    const int order = (int)r->sort_order;
    const int target = (int)r->sort_target;
    return order < 0 || order > 2 || target < 0 || target > 4 ? KV_ERR_INVALID_SORT : 0;
}

int model_check_put(const put_request *p)
{
    if (p->key.len == 0) {
        return KV_ERR_EMPTY_KEY;
    }
    if (p->ignore_value && p->value.len > 0) {
        return KV_ERR_VALUE_PROVIDED;
    }
    return p->ignore_lease && p->lease != 0 ? KV_ERR_LEASE_PROVIDED : 0;
}

/* -- Requests -------------------------------------------------------------------------------- */

struct model_answer model_range(struct model *model, const range_request *request,
                                struct arena *arena)
{
    const int error = model_check_range(request);
    if (error != 0) {
        return model_failure(error);
    }
    if (request->revision > model->revision) {
        return model_failure(KV_ERR_FUTURE);
    }
    if (request->revision > 0 && request->revision < model->compacted) {
        return model_failure(KV_ERR_COMPACTED);
    }
    return model_success(arena, &model_do_range(model, request, arena, 0)->base);
}

struct model_answer model_put(struct model *model, const put_request *request, struct arena *arena)
{
    const int error = model_check_put(request);
    if (error != 0) {
        return model_failure(error);
    }
    if (request->lease != 0) {
        return model_failure(KV_ERR_LEASE_NOT_FOUND);
    }
    const Etcdserverpb__PutResponse *response = model_do_put(model, request, arena, 0);
    model_end_write(model);
    return response == NULL ? model_failure(KV_ERR_KEY_NOT_FOUND)
                            : model_success(arena, &response->base);
}

struct model_answer model_delete_range(struct model *model, const delete_range_request *request,
                                       struct arena *arena)
{
    if (request->key.len == 0) {
        return model_failure(KV_ERR_EMPTY_KEY);
    }
    const Etcdserverpb__DeleteRangeResponse *response =
        model_do_delete_range(model, request, arena, 0);
    model_end_write(model);
    return model_success(arena, &response->base);
}

struct model_answer model_compact(struct model *model, int64_t revision, struct arena *arena)
{
    Etcdserverpb__CompactionResponse response = ETCDSERVERPB__COMPACTION_RESPONSE__INIT;

    if (revision <= model->compacted) {
        return model_failure(KV_ERR_COMPACTED);
    }
    if (revision > model->revision) {
        return model_failure(KV_ERR_FUTURE);
    }
    model->compacted = revision;
    response.header = model_new_header(arena, model->revision, 0);
    return model_success(arena, &response.base);
}
