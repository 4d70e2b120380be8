/* model.h -- what the store held at every revision, as far as the judge knows: a model of its own.
 *
 * Independent of src/kv on purpose: an array of versions for each key, in order of revision. A
 * version is a put's or, with value 0, a deletion's. One that nobody told of may be put in
 * between later; the versions behind it are then counted anew. */
#ifndef CHECK_MODEL_H
#define CHECK_MODEL_H

#include <stddef.h>
#include <stdint.h>

struct version {
    int64_t revision;
    int64_t create;     /* Of a put: the revision of the first since the key was absent. */
    int64_t seen_until; /* Somebody saw the key like this at that revision: no write of it is
                         * between. */
    uint64_t value;     /* 0: the key was deleted. */
    uint32_t number;    /* Of a put: how many since the key was absent. */
    uint32_t operation; /* Who wrote it: an index into the history. */
    int is_guess;       /* Nobody saw it: it is here because something must be. */
};

struct model_key {
    struct version *versions;
    size_t count;
    size_t capacity;
    int64_t settled; /* What the key was up to here is certain, its count of puts too. */
};

struct model {
    struct model_key *keys;
    uint32_t key_count;
};

void model_init(struct model *model, uint32_t key_count);
void model_deinit(struct model *model);

/* The last version at or below a revision, or NULL: the key was never written. Borrowed until
 * the next write of the key. */
struct version *model_at(const struct model *model, uint32_t key, int64_t revision);

/* True if the key is there at a revision. */
int model_has(const struct model *model, uint32_t key, int64_t revision);

/* Enter a version: revision, value, operation and is_guess of it are read. No other version of
 * the key has this revision. */
void model_enter(struct model *model, uint32_t key, const struct version *version);

#endif /* CHECK_MODEL_H */
