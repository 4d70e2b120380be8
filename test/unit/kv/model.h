/* model.h -- the store, written a second time in the most naive way: the judge of the tests.
 *
 * It keeps a full copy of all keys for every revision, works on protobuf-c's messages, recurses
 * where txns nest, and answers in protobuf-c's bytes. It shares no code with src/kv but the
 * names of the errors. */
#ifndef TEST_KV_MODEL_H
#define TEST_KV_MODEL_H

#include "base/arena.h"
#include "kv.pb-c.h"
#include "kv/kv.h"

struct model_state;

struct model {
    struct arena memory;         /* All that is remembered. */
    struct model_state **states; /* By revision, from 1. */
    struct model_state *now;     /* The one that the write under way works on. */
    size_t capacity;
    int64_t revision;
    int64_t compacted;
    int is_changed; /* By the write under way. */
};

void model_init(struct model *model);
void model_deinit(struct model *model);

/* An error or a response message, packed, in `arena`. The header of a response has cluster id 1,
 * member id 2 and raft term 3. */
struct model_answer {
    int error;
    struct bytes bytes;
};

typedef Etcdserverpb__RangeRequest range_request;
typedef Etcdserverpb__PutRequest put_request;
typedef Etcdserverpb__DeleteRangeRequest delete_range_request;
typedef Etcdserverpb__TxnRequest txn_request;

struct model_answer model_range(struct model *model, const range_request *request,
                                struct arena *arena);
struct model_answer model_put(struct model *model, const put_request *request, struct arena *arena);
struct model_answer model_delete_range(struct model *model, const delete_range_request *request,
                                       struct arena *arena);
struct model_answer model_txn(struct model *model, const txn_request *request, int ops_max,
                              struct arena *arena);
struct model_answer model_compact(struct model *model, int64_t revision, struct arena *arena);

/* Keys present at a revision. */
size_t model_key_count(const struct model *model, int64_t revision);

#endif /* TEST_KV_MODEL_H */
