/* model_txn.c -- the model's txns: checks, the walk for conflicts, compares, execution. */
#include "model_internal.h"

/* -- Checks ---------------------------------------------------------------------------------- */

static int check_txn(const txn_request *t, size_t ops_max);

static int check_op(const request_op *op, size_t ops_max)
{
    switch ((int)op->request_case) {
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
        return model_check_range(op->request_range);
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
        return model_check_put(op->request_put);
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
        return op->request_delete_range->key.len == 0 ? KV_ERR_EMPTY_KEY : 0;
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN:
        return check_txn(op->request_txn, ops_max);
    default:
        return KV_ERR_KEY_NOT_FOUND;
    }
}

static int check_txn(const txn_request *t, size_t ops_max)
{
    size_t longest = t->n_compare;
    longest = t->n_success > longest ? t->n_success : longest;
    longest = t->n_failure > longest ? t->n_failure : longest;
    if (longest > ops_max) {
        return KV_ERR_TOO_MANY_OPS;
    }
    for (size_t i = 0; i < t->n_compare; i++) {
        if (t->compare[i]->key.len == 0) {
            return KV_ERR_EMPTY_KEY;
        }
    }
    int error = 0;
    for (size_t i = 0; i < t->n_success && error == 0; i++) {
        error = check_op(t->success[i], ops_max - longest);
    }
    for (size_t i = 0; i < t->n_failure && error == 0; i++) {
        error = check_op(t->failure[i], ops_max - longest);
    }
    return error;
}

/* Keys that a list of operations puts, and ranges that it deletes. */
struct effects {
    struct bytes begins[1024];
    struct bytes ends[1024];
    struct bytes keys[1024];
    size_t put_count;
    size_t delete_count;
};

static int has_put(const struct effects *effects, struct bytes key)
{
    for (size_t i = 0; i < effects->put_count; i++) {
        if (bytes_equal(effects->keys[i], key)) {
            return 1;
        }
    }
    return 0;
}

static int deletes(const struct effects *effects, struct bytes key)
{
    for (size_t i = 0; i < effects->delete_count; i++) {
        /* A range end of one zero byte is no open end here: the range is empty. */
        const int is_open = effects->ends[i].size == 1 && effects->ends[i].data[0] == 0;
        if (!is_open && model_is_in_range(key, effects->begins[i], effects->ends[i])) {
            return 1;
        }
    }
    return 0;
}

static int add_put(struct effects *effects, struct bytes key)
{
    assert(effects->put_count < 1024);
    effects->keys[effects->put_count++] = key;
    return deletes(effects, key);
}

static void add_deletions(struct effects *effects, const struct effects *more)
{
    for (size_t i = 0; i < more->delete_count; i++) {
        assert(effects->delete_count < 1024);
        effects->begins[effects->delete_count] = more->begins[i];
        effects->ends[effects->delete_count++] = more->ends[i];
    }
}

static int find_conflict(request_op **ops, size_t count, struct effects *effects,
                         struct arena *arena);

/* etcd's walk, step by step: the puts of a nested txn against what came before it ... */
static int add_nested(const txn_request *nested, struct effects *effects, struct arena *arena)
{
    struct effects *then = model_take(arena, sizeof *then);
    struct effects *otherwise = model_take(arena, sizeof *otherwise);
    int is_conflict = find_conflict(nested->success, nested->n_success, then, arena) ||
                      find_conflict(nested->failure, nested->n_failure, otherwise, arena);

    for (size_t i = 0; i < then->put_count; i++) {
        is_conflict = is_conflict || has_put(effects, then->keys[i]);
    }
    for (size_t i = 0; i < otherwise->put_count; i++) {
        is_conflict = is_conflict || has_put(effects, otherwise->keys[i]);
    }
    for (size_t i = 0; i < then->put_count; i++) {
        is_conflict = add_put(effects, then->keys[i]) || is_conflict;
    }
    for (size_t i = 0; i < otherwise->put_count; i++) {
        is_conflict = add_put(effects, otherwise->keys[i]) || is_conflict;
    }
    add_deletions(effects, then);
    add_deletions(effects, otherwise);
    return is_conflict;
}

/* ... where what came before are the list's own deletions and the nested txns before it; the
 * list's own puts come last. */
static int find_conflict(request_op **ops, size_t count, struct effects *effects,
                         struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE) {
            effects->begins[effects->delete_count] = of(ops[i]->request_delete_range->key);
            effects->ends[effects->delete_count++] = of(ops[i]->request_delete_range->range_end);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN &&
            add_nested(ops[i]->request_txn, effects, arena)) {
            return 1;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT) {
            const struct bytes key = of(ops[i]->request_put->key);
            if (has_put(effects, key) || add_put(effects, key)) {
                return 1;
            }
        }
    }
    return 0;
}

/* -- Txn --------------------------------------------------------------------------------------- */

static int holds_for(const compare *c, const struct pair *pair)
{
    const struct pair none = {0};
    const struct pair *p = pair == NULL ? &none : pair;
    int64_t left = 0;
    int64_t right = 0;
    int order = 0;

    switch ((int)c->target) {
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION:
        left = p->version;
        right =
            c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION ? c->version : 0;
        break;
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE:
        left = p->create_revision;
        right = c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION
                    ? c->create_revision
                    : 0;
        break;
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD:
        left = p->mod_revision;
        right = c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION
                    ? c->mod_revision
                    : 0;
        break;
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__LEASE:
        left = p->lease;
        right = c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE ? c->lease : 0;
        break;
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE:
        if (pair == NULL) {
            return 0;
        }
        order = bytes_compare(p->value,
                              c->target_union_case == ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE
                                  ? of(c->value)
                                  : bytes_of(NULL, 0));
        break;
    default:
        break;
    }
    order = left != right ? (left < right ? -1 : 1) : order;
    switch ((int)c->result) {
    case ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL:
        return order == 0;
    case ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER:
        return order > 0;
    case ETCDSERVERPB__COMPARE__COMPARE_RESULT__LESS:
        return order < 0;
    case ETCDSERVERPB__COMPARE__COMPARE_RESULT__NOT_EQUAL:
        return order != 0;
    default:
        return 1;
    }
}

static int holds(const struct model_state *state, const compare *c)
{
    int has_key = 0;
    for (size_t i = 0; i < state->count; i++) {
        if (model_is_in_range(state->pairs[i].key, of(c->key), of(c->range_end))) {
            has_key = 1;
            if (!holds_for(c, &state->pairs[i])) {
                return 0;
            }
        }
    }
    return has_key || holds_for(c, NULL);
}

static int all_hold(const struct model_state *state, const txn_request *t)
{
    for (size_t i = 0; i < t->n_compare; i++) {
        if (!holds(state, t->compare[i])) {
            return 0;
        }
    }
    return 1;
}

/* The checks against the state: puts (is_puts) or ranges. `model` is a scratch copy for the
 * former, on which puts and deletions are tried out. */
static int check_state(struct model *model, const struct model_state *before, const txn_request *t,
                       int is_puts, struct arena *arena)
{
    const int is_success = all_hold(before, t);
    request_op **ops = is_success ? t->success : t->failure;
    const size_t count = is_success ? t->n_success : t->n_failure;
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i++) {
        const request_op *op = ops[i];
        if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN) {
            error = check_state(model, before, op->request_txn, is_puts, arena);
        } else if (!is_puts &&
                   op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE) {
            const int64_t revision = op->request_range->revision;
            error = revision == 0                 ? 0
                    : revision > model->revision  ? KV_ERR_FUTURE
                    : revision < model->compacted ? KV_ERR_COMPACTED
                                                  : 0;
        } else if (is_puts && op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT) {
            const put_request *p = op->request_put;
            if ((p->ignore_value || p->ignore_lease) && model_find(before, of(p->key)) == NULL) {
                error = KV_ERR_KEY_NOT_FOUND;
            } else if (model_do_put(model, p, arena, 1) == NULL) {
                error = KV_ERR_KEY_NOT_FOUND;
            } else if (p->lease != 0) {
                error = KV_ERR_LEASE_NOT_FOUND;
            }
        } else if (is_puts &&
                   op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE) {
            (void)model_do_delete_range(model, op->request_delete_range, arena, 1);
        }
    }
    return error;
}

static Etcdserverpb__TxnResponse *execute(struct model *model, const struct model_state *before,
                                          const txn_request *t, struct arena *arena)
{
    Etcdserverpb__TxnResponse *response = model_take(arena, sizeof *response);
    const int is_success = all_hold(before, t);
    request_op **ops = is_success ? t->success : t->failure;
    const size_t count = is_success ? t->n_success : t->n_failure;

    etcdserverpb__txn_response__init(response);
    response->succeeded = is_success;
    response->header = model_new_header(arena, 0, 1);
    response->n_responses = count;
    response->responses = model_take(arena, (count + 1) * sizeof *response->responses);
    for (size_t i = 0; i < count; i++) {
        response_op *answer = model_take(arena, sizeof *answer);
        etcdserverpb__response_op__init(answer);
        answer->response_case = (Etcdserverpb__ResponseOp__ResponseCase)ops[i]->request_case;
        switch ((int)ops[i]->request_case) {
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
            answer->response_range = model_do_range(model, ops[i]->request_range, arena, 1);
            break;
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
            answer->response_put = model_do_put(model, ops[i]->request_put, arena, 1);
            break;
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
            answer->response_delete_range =
                model_do_delete_range(model, ops[i]->request_delete_range, arena, 1);
            break;
        default:
            answer->response_txn = execute(model, before, ops[i]->request_txn, arena);
            break;
        }
        response->responses[i] = answer;
    }
    return response;
}

/* -- The request ----------------------------------------------------------------------------- */

struct model_answer model_txn(struct model *model, const txn_request *request, int ops_max,
                              struct arena *arena)
{
    struct effects *then = model_take(arena, sizeof *then);
    struct effects *otherwise = model_take(arena, sizeof *otherwise);
    const struct model_state *before = model->now;
    int error = check_txn(request, (size_t)ops_max);

    if (error == 0 && (find_conflict(request->success, request->n_success, then, arena) ||
                       find_conflict(request->failure, request->n_failure, otherwise, arena))) {
        error = KV_ERR_DUPLICATE_KEY;
    }
    if (error == 0) {
        struct model scratch = *model;
        error = check_state(&scratch, before, request, 1, arena);
        model->memory = scratch.memory;
    }
    if (error == 0) {
        error = check_state(model, before, request, 0, arena);
    }
    if (error != 0) {
        return model_failure(error);
    }
    Etcdserverpb__TxnResponse *response = execute(model, before, request, arena);
    model_end_write(model);
    response->header = model_new_header(arena, model->revision, 0);
    return model_success(arena, &response->base);
}
