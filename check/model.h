/* model.h -- what the store held at every revision, as far as the judge knows: a model of its own.
 *
 * Independent of src/kv on purpose: an array of versions for each key, in order of revision. A
 * version is a put's or, with value 0, a deletion's. Versions are entered in order, and the last
 * ones can be taken back: whoever tries something marks where the model stood. */
#ifndef CHECK_MODEL_H
#define CHECK_MODEL_H

#include <stddef.h>
#include <stdint.h>

struct version {
    int64_t revision;
    int64_t create;     /* Of a put: the revision of the first since the key was absent. */
    uint64_t value;     /* 0: the key was deleted. */
    uint32_t number;    /* Of a put: how many since the key was absent. */
    uint32_t operation; /* Who wrote it: an index into the history. */
};

struct model_key {
    struct version *versions;
    size_t count;
    size_t capacity;
};

struct model {
    struct model_key *keys;
    uint32_t key_count;
    uint32_t *entered; /* Keys of all versions, in the order in which they were entered. */
    size_t entered_count;
    size_t entered_capacity;
};

void model_init(struct model *model, uint32_t key_count);
void model_deinit(struct model *model);

/* The last version at or below a revision, or NULL: the key was never written. Borrowed until
 * the next write of the key. */
const struct version *model_at(const struct model *model, uint32_t key, int64_t revision);

/* True if the key is there at a revision. */
int model_has(const struct model *model, uint32_t key, int64_t revision);

/* What the key becomes by a write: revision, value and operation of `write` are read. */
struct version model_next(const struct version *before, const struct version *write);

/* Enter a write, whose revision is above that of every other version of the key. */
void model_enter(struct model *model, uint32_t key, const struct version *write);

/* Where the model stands, and back to there: everything entered since is gone. */
size_t model_mark(const struct model *model);
void model_undo(struct model *model, size_t mark);

#endif /* CHECK_MODEL_H */
