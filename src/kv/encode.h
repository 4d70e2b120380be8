/* encode.h -- the store's results as etcd's KV response messages.
 *
 * Each appends one message to `to`, byte for byte what a protobuf library would write, and
 * returns 0, or -1 without memory: then nothing was appended. */
#ifndef KV_ENCODE_H
#define KV_ENCODE_H

#include "base/buffer.h"
#include "kv/kv.h"

/* What an answer's header says besides the revision, which is the result's. */
struct kv_header {
    uint64_t cluster_id;
    uint64_t member_id;
    uint64_t raft_term;
};

int encode_range(struct buffer *to, const struct kv_header *header,
                 const struct kv_range_result *result);
int encode_put(struct buffer *to, const struct kv_header *header,
               const struct kv_put_result *result);
int encode_delete_range(struct buffer *to, const struct kv_header *header,
                        const struct kv_delete_range_result *result);
int encode_compaction(struct buffer *to, const struct kv_header *header,
                      const struct kv_compaction_result *result);

/* Writes the encoded_size fields of the result. The answers inside have headers with a
 * revision only, those of nested txns empty ones, as etcd's have. */
int encode_txn(struct buffer *to, const struct kv_header *header, struct kv_txn_result *result);

/* Whichever of them the result is; it has no error and was not lost. */
int encode_result(struct buffer *to, const struct kv_header *header, struct kv_result *result);

#endif /* KV_ENCODE_H */
