/* model.c -- what the store held at every revision, as far as the judge knows. */
#include "check/model.h"

#include <stdlib.h>

#include "base/assert.h"
#include "check/checker.h"

void model_init(struct model *model, uint32_t key_count)
{
    model->key_count = key_count;
    model->keys = checker_allocate(key_count, sizeof *model->keys);
}

void model_deinit(struct model *model)
{
    for (uint32_t i = 0; i < model->key_count; i++) {
        free(model->keys[i].versions);
    }
    free(model->keys);
    free(model->entered);
}

/* How many versions of the key are at or below a revision. Mostly all of them are. */
static size_t count_at(const struct model_key *key, int64_t revision)
{
    size_t low = 0;
    size_t high = key->count;
    if (high > 0 && key->versions[high - 1].revision <= revision) {
        return high;
    }
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (key->versions[middle].revision <= revision) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct version *model_at(const struct model *model, uint32_t key, int64_t revision)
{
    assert(key < model->key_count);
    const size_t count = count_at(&model->keys[key], revision);
    return count == 0 ? NULL : &model->keys[key].versions[count - 1];
}

int model_has(const struct model *model, uint32_t key, int64_t revision)
{
    const struct version *version = model_at(model, key, revision);
    return version != NULL && version->value != 0;
}

struct version model_next(const struct version *before, const struct version *write)
{
    const int was_there = before != NULL && before->value != 0;
    struct version next = *write;
    next.number = next.value == 0 ? 0 : was_there ? before->number + 1 : 1;
    next.create = next.value == 0 ? 0 : was_there ? before->create : next.revision;
    return next;
}

/* Room for one more. */
static void *grow(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) {
        return array;
    }
    *capacity = *capacity == 0 ? 4 : *capacity * 2;
    void *larger = realloc(array, *capacity * size);
    if (larger == NULL) {
        abort();
    }
    return larger;
}

void model_enter(struct model *model, uint32_t index, const struct version *write)
{
    assert(index < model->key_count);
    struct model_key *key = &model->keys[index];
    const struct version *before = key->count == 0 ? NULL : &key->versions[key->count - 1];
    assert(before == NULL || before->revision < write->revision);
    const struct version next = model_next(before, write);
    key->versions = grow(key->versions, key->count, &key->capacity, sizeof *key->versions);
    key->versions[key->count++] = next;
    model->entered = grow(model->entered, model->entered_count, &model->entered_capacity,
                          sizeof *model->entered);
    model->entered[model->entered_count++] = index;
}

size_t model_mark(const struct model *model)
{
    return model->entered_count;
}

void model_undo(struct model *model, size_t mark)
{
    assert(mark <= model->entered_count);
    while (model->entered_count > mark) {
        model->keys[model->entered[--model->entered_count]].count--;
    }
}
