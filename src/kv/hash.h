/* hash.h -- hashes that are not secrets: of a key, and of a long run of bytes. */
#ifndef KV_HASH_H
#define KV_HASH_H

#include "base/bytes.h"

/* XXH3 of some bytes. Never leaves the process. */
uint64_t hash_of(struct bytes bytes);

/* XXH64 with seed 0 of bytes that come in pieces; it may be copied. */
struct hash {
    uint64_t state[11];
};

void hash_begin(struct hash *hash);
void hash_add(struct hash *hash, const void *data, size_t size);

/* Of all that was added so far; more may follow. */
uint64_t hash_value(const struct hash *hash);

#endif /* KV_HASH_H */
