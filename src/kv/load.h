/* load.h -- a dump's bytes back into a store. */
#ifndef KV_LOAD_H
#define KV_LOAD_H

#include "kv/kv.h"

struct load;

/* Begin to fill `kv`, which is empty and which nobody reads until the end. NULL without memory. */
struct load *load_new(struct kv *kv);

/* The next bytes of the dump, in pieces of any size. Returns 0, SYNOD_ERR_CORRUPT or
 * SYNOD_ERR_MEMORY: then only load_free() may follow, and the store is to be cleared. */
int load_piece(struct load *load, struct bytes piece);

/* All bytes were given. Returns as load_piece(); on 0 the store is what the dump showed. */
int load_end(struct load *load);

/* Free the load, ended or not; the store stays. */
void load_free(struct load *load);

#endif /* KV_LOAD_H */
