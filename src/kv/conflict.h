/* conflict.h -- whether a txn puts a key twice, or puts what it deletes. */
#ifndef KV_CONFLICT_H
#define KV_CONFLICT_H

#include "kv/kv.h"

/* 0, KV_ERR_DUPLICATE_KEY or KV_ERR_NO_MEMORY. Every key in `request` is set. Writes the fields
 * of the request that are marked as scratch of kv_check_txn(); `arena` holds more of it. */
int conflict_check(struct kv_txn_request *request, struct arena *arena);

#endif /* KV_CONFLICT_H */
