/* random.h -- requests drawn from a seed, as protobuf-c's messages in an arena. */
#ifndef TEST_KV_RANDOM_H
#define TEST_KV_RANDOM_H

#include "base/arena.h"
#include "base/prng.h"
#include "kv.pb-c.h"
#include "kv/kv.h"

struct random {
    struct prng prng;
    struct arena *arena;
    int64_t revision; /* Of the store that is asked: revisions are drawn around it. */
    int64_t compacted;
};

Etcdserverpb__RangeRequest *random_range(struct random *r);
Etcdserverpb__PutRequest *random_put(struct random *r);
Etcdserverpb__DeleteRangeRequest *random_delete_range(struct random *r);
Etcdserverpb__CompactionRequest *random_compaction(struct random *r);

/* Nested up to `depth` levels below it. */
Etcdserverpb__TxnRequest *random_txn(struct random *r, int depth);

/* A message's bytes, in the arena. */
struct bytes random_pack(struct random *r, const ProtobufCMessage *message);

#endif /* TEST_KV_RANDOM_H */
