/* model_internal.h -- what the two files of the model share. */
#ifndef TEST_KV_MODEL_INTERNAL_H
#define TEST_KV_MODEL_INTERNAL_H

#include "base/assert.h"
#include "model.h"

typedef Etcdserverpb__RequestOp request_op;
typedef Etcdserverpb__ResponseOp response_op;
typedef Etcdserverpb__ResponseHeader response_header;
typedef Etcdserverpb__Compare compare;

struct pair {
    struct bytes key;
    struct bytes value;
    int64_t create_revision;
    int64_t mod_revision;
    int64_t version;
    int64_t lease;
};

struct model_state {
    size_t count;
    struct pair pairs[]; /* Sorted by key. */
};

static inline struct bytes of(ProtobufCBinaryData data)
{
    return bytes_of(data.data, data.len);
}

/* Cleared memory; it asserts that there is some. */
void *model_take(struct arena *arena, size_t size);

/* True if `key` is in the range of an operation. */
int model_is_in_range(struct bytes key, struct bytes begin, struct bytes end);

/* NULL where the key is absent. */
const struct pair *model_find(const struct model_state *state, struct bytes key);

response_header *model_new_header(struct arena *arena, int64_t revision, int is_inner);

/* Operations within the write under way; a put that has nothing to keep returns NULL. */
Etcdserverpb__RangeResponse *model_do_range(struct model *model, const range_request *r,
                                            struct arena *arena, int is_inner);
Etcdserverpb__PutResponse *model_do_put(struct model *model, const put_request *p,
                                        struct arena *arena, int is_inner);
Etcdserverpb__DeleteRangeResponse *model_do_delete_range(struct model *model,
                                                         const delete_range_request *d,
                                                         struct arena *arena, int is_inner);
void model_end_write(struct model *model);

/* Checks without a state. */
int model_check_range(const range_request *r);
int model_check_put(const put_request *p);

struct model_answer model_failure(int error);
struct model_answer model_success(struct arena *arena, const ProtobufCMessage *message);

#endif /* TEST_KV_MODEL_INTERNAL_H */
