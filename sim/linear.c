/* linear.c -- can one order of events explain what clients saw? In O(n log n). */
#include "sim/linear.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/world.h"

/* One version of one key, as its writer or a reader tells. */
struct version {
    int64_t revision;
    uint64_t value; /* 0: deleted. */
    uint32_t key;
    uint32_t is_acked; /* Else known from a reader alone. */
    const struct operation *writer;
};

struct check {
    const struct linear *history;
    struct version *versions; /* By key, then revision. */
    size_t count;
    char *text;
    size_t size;
};

void linear_init(struct linear *history, uint32_t keys)
{
    *history = (struct linear){.keys = keys};
}

void linear_deinit(struct linear *history)
{
    free(history->operations);
    history->operations = NULL;
}

size_t linear_begin(struct linear *history, const struct operation *operation)
{
    if (history->count == history->capacity) {
        history->capacity = history->capacity == 0 ? 256 : history->capacity * 2;
        history->operations =
            realloc(history->operations, history->capacity * sizeof *history->operations);
        if (history->operations == NULL) {
            abort();
        }
    }
    history->operations[history->count] = *operation;
    return history->count++;
}

static const char *wrong(struct check *check, const char *what, const struct operation *operation)
{
    snprintf(check->text, check->size,
             "linearizability: %s: client %" PRIu32 ", key %" PRIu32 ", began at %" PRIu64
             " us, ended at %" PRIu64 " us, revision %" PRId64 ", wrote %" PRIu64 ", saw %" PRIu64
             " of revision %" PRId64,
             what, operation->client, operation->key, operation->begin_us, operation->end_us,
             operation->revision, operation->value, operation->seen, operation->seen_mod);
    return check->text;
}

/* -- The versions of each key -------------------------------------------------------------- */

static int has_written(const struct operation *operation)
{
    return operation->outcome == OUTCOME_DONE &&
           (operation->kind == OPERATION_PUT || operation->has_written);
}

static int has_read(const struct operation *operation)
{
    return operation->outcome == OUTCOME_DONE &&
           (operation->kind == OPERATION_GET ||
            (operation->kind == OPERATION_SWAP && !operation->has_written));
}

static int compare_versions(const void *left, const void *right)
{
    const struct version *l = left;
    const struct version *r = right;
    if (l->key != r->key) {
        return l->key < r->key ? -1 : 1;
    }
    if (l->revision != r->revision) {
        return l->revision < r->revision ? -1 : 1;
    }
    return (int)r->is_acked - (int)l->is_acked;
}

static int compare_values(const void *left, const void *right)
{
    const struct operation *l = *(const struct operation *const *)left;
    const struct operation *r = *(const struct operation *const *)right;
    return l->value == r->value ? 0 : l->value < r->value ? -1 : 1;
}

/* The operation that wrote a value. */
static const struct operation *writer_of(const struct operation **writers, size_t count,
                                         uint64_t value)
{
    const struct operation key = {.value = value};
    const struct operation *wanted = &key;
    const struct operation **found =
        count == 0 ? NULL : bsearch(&wanted, writers, count, sizeof *writers, compare_values);
    return found == NULL ? NULL : *found;
}

/* Every version that somebody acknowledged or saw. */
static const char *collect_versions(struct check *check, const struct operation **writers,
                                    size_t writer_count)
{
    const struct linear *history = check->history;
    for (size_t i = 0; i < history->count; i++) {
        const struct operation *operation = &history->operations[i];
        if (has_written(operation)) {
            check->versions[check->count++] = (struct version){
                .revision = operation->revision,
                .value = operation->kind == OPERATION_DELETE ? 0 : operation->value,
                .key = operation->key,
                .is_acked = 1,
                .writer = operation};
        }
        if (!has_read(operation) || operation->seen_mod == 0) {
            continue;
        }
        const struct operation *writer = writer_of(writers, writer_count, operation->seen);
        if (writer == NULL || writer->key != operation->key ||
            writer->outcome == OUTCOME_NOT_DONE) {
            return wrong(check, "a value that nobody can have written", operation);
        }
        if (operation->seen_mod > operation->revision) {
            return wrong(check, "a value from the future", operation);
        }
        if (writer->outcome == OUTCOME_DONE && writer->revision != operation->seen_mod) {
            return wrong(check, "a value at another revision than its own", operation);
        }
        check->versions[check->count++] = (struct version){.revision = operation->seen_mod,
                                                           .value = operation->seen,
                                                           .key = operation->key,
                                                           .writer = writer};
    }
    return NULL;
}

/* Sort, and let everything said about one version agree. */
static const char *merge_versions(struct check *check)
{
    size_t kept = 0;
    if (check->count > 0) {
        qsort(check->versions, check->count, sizeof *check->versions, compare_versions);
    }
    for (size_t i = 0; i < check->count; i++) {
        struct version *last = kept == 0 ? NULL : &check->versions[kept - 1];
        const struct version *next = &check->versions[i];
        if (last == NULL || last->key != next->key || last->revision != next->revision) {
            check->versions[kept++] = *next;
        } else if (last->value != next->value || (last->is_acked && next->is_acked)) {
            snprintf(check->text, check->size,
                     "linearizability: key %" PRIu32 " has two values at revision %" PRId64
                     ": %" PRIu64 " and %" PRIu64,
                     next->key, next->revision, last->value, next->value);
            return check->text;
        }
    }
    check->count = kept;
    return NULL;
}

/* The last version of a key at or below a revision, or NULL. */
static const struct version *version_at(const struct check *check, uint32_t key, int64_t revision)
{
    size_t low = 0;
    size_t high = check->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct version *version = &check->versions[middle];
        if (version->key < key || (version->key == key && version->revision <= revision)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0 || check->versions[low - 1].key != key) {
        return NULL;
    }
    return &check->versions[low - 1];
}

/* -- The three rules ----------------------------------------------------------------------- */

/* A deletion whose outcome nobody learned leaves no value behind that anybody could see: it
 * may explain an absence. */
static int may_be_deleted(const struct check *check, const struct operation *reader)
{
    for (size_t i = 0; i < check->history->count; i++) {
        const struct operation *operation = &check->history->operations[i];
        if (operation->kind == OPERATION_DELETE && operation->key == reader->key &&
            operation->begin_us <= reader->end_us &&
            (operation->outcome == OUTCOME_UNKNOWN || operation->outcome == OUTCOME_PENDING)) {
            return 1;
        }
    }
    return 0;
}

/* Rule 2. What an operation saw, or was decided by, must be the last version known to be there
 * then: one that it does not see, and that is newer, was missed. */
static const char *check_seen(struct check *check, const struct operation *operation)
{
    const int is_swap = operation->kind == OPERATION_SWAP;
    const int has_swapped = is_swap && operation->has_written;
    const int64_t at = operation->revision - has_swapped;
    const struct version *version = version_at(check, operation->key, at);
    const int64_t mod = version == NULL || version->value == 0 ? 0 : version->revision;
    const int64_t seen = has_swapped ? operation->expected : operation->seen_mod;

    if ((has_read(operation) || has_swapped) && seen != mod &&
        (seen != 0 || !may_be_deleted(check, operation))) {
        return wrong(check, has_swapped ? "a swap that should have failed" : "a stale read",
                     operation);
    }
    if (is_swap && !has_swapped && operation->seen_mod == operation->expected) {
        return wrong(check, "a swap that should have succeeded", operation);
    }
    return NULL;
}

static const char *check_reads(struct check *check)
{
    const char *outcome = NULL;
    for (size_t i = 0; i < check->history->count && outcome == NULL; i++) {
        if (check->history->operations[i].outcome == OUTCOME_DONE) {
            outcome = check_seen(check, &check->history->operations[i]);
        }
    }
    return outcome;
}

struct moment {
    uint64_t at_us;
    int64_t revision;
    int is_write;
    int is_end;
    const struct operation *operation;
};

static int compare_moments(const void *left, const void *right)
{
    const struct moment *l = left;
    const struct moment *r = right;
    if (l->at_us != r->at_us) {
        return l->at_us < r->at_us ? -1 : 1;
    }
    return l->is_end - r->is_end; /* At the same moment: they overlap. */
}

static int compare_revisions(const void *left, const void *right)
{
    const struct version *l = left;
    const struct version *r = right;
    return l->revision == r->revision ? 0 : l->revision < r->revision ? -1 : 1;
}

/* When every operation began, with its revision, and when those that ended did. */
static size_t collect_moments(const struct check *check, struct moment *moments)
{
    const struct linear *history = check->history;
    size_t count = 0;
    for (size_t i = 0; i < history->count; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->outcome == OUTCOME_DONE) {
            struct moment moment = {.at_us = operation->begin_us,
                                    .revision = operation->revision,
                                    .is_write = has_written(operation),
                                    .operation = operation};
            moments[count++] = moment;
            moment.at_us = operation->end_us;
            moment.is_end = 1;
            moments[count++] = moment;
        }
    }
    for (size_t i = 0; i < check->count; i++) {
        const struct version *version = &check->versions[i];
        if (!version->is_acked) {
            moments[count++] = (struct moment){.at_us = version->writer->begin_us,
                                               .revision = version->revision,
                                               .is_write = 1,
                                               .operation = version->writer};
        }
    }
    return count;
}

/* Rule 3: a sweep over time, with the greatest revision of what has ended so far. */
static const char *check_real_time(struct check *check)
{
    struct moment *moments =
        world_allocate((2 * check->history->count + check->count) * sizeof *moments);
    const size_t count = collect_moments(check, moments);
    const char *outcome = NULL;
    int64_t ended = 0;

    qsort(moments, count, sizeof *moments, compare_moments);
    for (size_t i = 0; i < count && outcome == NULL; i++) {
        if (moments[i].is_end) {
            ended = moments[i].revision > ended ? moments[i].revision : ended;
        } else if (moments[i].revision < ended + moments[i].is_write) {
            outcome =
                wrong(check, "older than what had ended before it began", moments[i].operation);
        }
    }
    free(moments);
    return outcome;
}

static const char *check_unique(struct check *check)
{
    if (check->count == 0) {
        return NULL;
    }
    qsort(check->versions, check->count, sizeof *check->versions, compare_revisions);
    for (size_t i = 1; i < check->count; i++) {
        if (check->versions[i].revision == check->versions[i - 1].revision) {
            snprintf(check->text, check->size,
                     "linearizability: keys %" PRIu32 " and %" PRIu32
                     " were both written at revision %" PRId64,
                     check->versions[i - 1].key, check->versions[i].key,
                     check->versions[i].revision);
            return check->text;
        }
    }
    return NULL;
}

const char *linear_check(const struct linear *history, char *text, size_t size)
{
    if (history->count == 0) {
        return NULL;
    }
    const struct operation **writers = world_allocate(history->count * sizeof *writers);
    struct check check = {.history = history,
                          .versions = world_allocate(2 * history->count * sizeof(struct version)),
                          .text = text,
                          .size = size};
    size_t writer_count = 0;
    for (size_t i = 0; i < history->count; i++) {
        if (history->operations[i].value != 0) {
            writers[writer_count++] = &history->operations[i];
        }
    }
    if (writer_count > 0) {
        qsort(writers, writer_count, sizeof *writers, compare_values);
    }
    const char *outcome = collect_versions(&check, writers, writer_count);
    outcome = outcome != NULL ? outcome : merge_versions(&check);
    outcome = outcome != NULL ? outcome : check_reads(&check);
    outcome = outcome != NULL ? outcome : check_real_time(&check);
    outcome = outcome != NULL ? outcome : check_unique(&check);
    free(check.versions);
    free(writers);
    return outcome;
}
