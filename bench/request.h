/* request.h -- the few messages of etcd's API that a load generator needs, by hand.
 *
 * A general encoder would be a third of the client's time per operation. */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define REQUEST_PUT_PATH    "/etcdserverpb.KV/Put"
#define REQUEST_RANGE_PATH  "/etcdserverpb.KV/Range"
#define REQUEST_STATUS_PATH "/etcdserverpb.Maintenance/Status"

enum {
    REQUEST_OVERHEAD = 32
}; /* Bytes of a message beside its key and value, at most. */

/* PutRequest {key = 1, value = 2}. `to` has room for both and REQUEST_OVERHEAD. The size. */
size_t request_encode_put(uint8_t *to, struct bytes key, struct bytes value);

/* RangeRequest {key = 1, serializable = 7} for one key. */
size_t request_encode_get(uint8_t *to, struct bytes key, int is_serializable);

/* True if a RangeResponse has a key in it (kvs = 2). */
int request_has_key(struct bytes range_response);

/* From a StatusResponse: header = 1 {member_id = 2} and leader = 4. 0, or -1 if it is none. */
int request_decode_status(struct bytes message, uint64_t *member, uint64_t *leader);

#endif /* BENCH_REQUEST_H */
