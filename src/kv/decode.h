/* decode.h -- etcd's KV request messages, scanned in place: any bytes in, a request or an error.
 *
 * The requests are views: their bytes stay where they are and must outlive them. What a request
 * holds is not checked here; kv_check_*() does that. All functions return 0 or KV_ERR_MALFORMED,
 * and write their request in either case. */
#ifndef KV_DECODE_H
#define KV_DECODE_H

#include "kv/kv.h"

int decode_range(struct bytes message, struct kv_range_request *request);
int decode_put(struct bytes message, struct kv_put_request *request);
int decode_delete_range(struct bytes message, struct kv_delete_range_request *request);
int decode_compaction(struct bytes message, struct kv_compaction_request *request);

/* A txn's tree is built in `arena`; `*request` is its root. KV_ERR_TOO_MANY_OPS too, as soon as
 * a list is longer or a txn is nested deeper than kv_check_txn() with the same `ops_max` could
 * ever allow, or deeper than KV_DEPTH_MAX; KV_ERR_NO_MEMORY. Time and memory are linear in the
 * message. */
int decode_txn(struct bytes message, int32_t ops_max, struct arena *arena,
               struct kv_txn_request **request);

#endif /* KV_DECODE_H */
