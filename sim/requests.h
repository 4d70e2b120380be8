/* requests.h -- what clients ask for: operations of every kind, drawn by chance. */
#ifndef SIM_REQUESTS_H
#define SIM_REQUESTS_H

#include "base/prng.h"
#include "check/chronicle.h"

struct requests_options {
    uint32_t keys;
    uint32_t width; /* Keys in a range, at most. */
    uint32_t txn_percent;
    uint32_t delete_percent;
    uint32_t get_percent;    /* The rest are puts, but for a compaction now and then. */
    uint32_t large_permille; /* So many of a thousand values are large: RECORD_LARGE. */
    uint32_t compact_permille;
    int is_plain; /* No operation of several keys, no txn but a compare-and-put of one key,
                   * no past revisions, nothing serializable. */
};

/* What a client saw last: compares are made with that. */
struct requests_memory {
    uint32_t key;
    int64_t mod; /* 0: it was absent. */
    uint64_t value;
};

struct requests {
    const struct requests_options *options; /* All three are borrowed. */
    struct prng *prng;
    struct chronicle *history;
    int64_t revision; /* The greatest so far: the past is some way behind it. */
    uint64_t value_last;
};

/* Begin an operation in the history, of any kind. Returns its index there. */
size_t requests_begin(struct requests *requests, const struct chronicle_who *who,
                      const struct requests_memory *memory);

/* The same for a put, or a get, of one key, or a get of those from `key` on and below `end`. */
size_t requests_begin_put(struct requests *requests, const struct chronicle_who *who, uint32_t key);
size_t requests_begin_get(struct requests *requests, const struct chronicle_who *who, uint32_t key);
size_t requests_begin_range(struct requests *requests, const struct chronicle_who *who,
                            uint32_t key, uint32_t end);

/* Its client has learned the answer: what it remembers, and the greatest revision. */
void requests_note(struct requests *requests, size_t operation, struct requests_memory *memory);

#endif /* SIM_REQUESTS_H */
