/* model.c -- what the store held at every revision, as far as the judge knows. */
#include "check/model.h"

#include <stdlib.h>
#include <string.h>

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

struct version *model_at(const struct model *model, uint32_t key, int64_t revision)
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

/* Count puts from one version on, until a version is reached that is as it should be. */
static void count_anew(struct model_key *key, size_t from)
{
    for (size_t i = from; i < key->count; i++) {
        const struct version *before = i == 0 ? NULL : &key->versions[i - 1];
        const int was_there = before != NULL && before->value != 0;
        struct version *version = &key->versions[i];
        version->number = version->value == 0 ? 0 : was_there ? before->number + 1 : 1;
        version->create = version->value == 0 ? 0 : was_there ? before->create : version->revision;
        if (version->value == 0 && i > from) {
            break;
        }
    }
}

void model_enter(struct model *model, uint32_t index, const struct version *version)
{
    assert(index < model->key_count);
    struct model_key *key = &model->keys[index];
    const size_t at = count_at(key, version->revision);
    assert(at == 0 || key->versions[at - 1].revision < version->revision);
    if (key->count == key->capacity) {
        key->capacity = key->capacity == 0 ? 4 : key->capacity * 2;
        key->versions = realloc(key->versions, key->capacity * sizeof *key->versions);
        if (key->versions == NULL) {
            abort();
        }
    }
    memmove(key->versions + at + 1, key->versions + at, (key->count - at) * sizeof *key->versions);
    key->versions[at] = *version;
    key->versions[at].seen_until = version->revision;
    key->count++;
    count_anew(key, at);
}
