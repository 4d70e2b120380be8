/* hash.c -- hashes that are not secrets: of a key, and of a long run of bytes.
 *
 * The library's header brings <assert.h> with it, whose assert() would replace ours wherever it
 * is included second. So it is included here alone. */
#include "kv/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"

_Static_assert(sizeof(XXH64_state_t) <= sizeof(struct hash), "a state must fit");

uint64_t hash_of(struct bytes bytes)
{
    assert(bytes.data != NULL || bytes.size == 0);
    return XXH3_64bits(bytes.data, bytes.size);
}

void hash_begin(struct hash *hash)
{
    XXH64_state_t state;
    assert(hash != NULL);
    XXH64_reset(&state, 0);
    memcpy(hash->state, &state, sizeof state);
}

/* Copied out and in, as the library's type is not that of the memory; it is 88 bytes. */
void hash_add(struct hash *hash, const void *data, size_t size)
{
    XXH64_state_t state;
    assert(data != NULL || size == 0);
    memcpy(&state, hash->state, sizeof state);
    XXH64_update(&state, data, size);
    memcpy(hash->state, &state, sizeof state);
}

uint64_t hash_value(const struct hash *hash)
{
    XXH64_state_t state;
    assert(hash != NULL);
    memcpy(&state, hash->state, sizeof state);
    return XXH64_digest(&state);
}
