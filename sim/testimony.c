/* testimony.c -- what the replicas can tell of writes whose clients learned nothing.
 *
 * A command does not say whose it is, but nearly all of them differ in the values that they put.
 * Of those that are alike (deletions of one key) the one that began first is told the first
 * revision: whatever the truth is, nobody could see the difference. */
#include "sim/testimony.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "kv/hash.h"
#include "sim/record.h"
#include "sim/world.h"

/* A revision that no answer claims. */
struct claim {
    uint64_t command;
    int64_t revision;
    int is_taken;
};

void testimony_deinit(struct testimony *testimony)
{
    free(testimony->commands);
}

static uint64_t hash_command(uint32_t kind, struct bytes message)
{
    return (hash_of(message) ^ kind) | 1;
}

void testimony_note(struct testimony *testimony, int64_t revision, uint32_t kind,
                    struct bytes message)
{
    const size_t at = (size_t)revision;
    if (at >= testimony->capacity) {
        const size_t capacity = at < 1024 ? 2048 : 2 * at;
        uint64_t *commands = world_allocate(capacity * sizeof *commands);
        memset(commands, 0, capacity * sizeof *commands);
        if (testimony->capacity > 0) {
            memcpy(commands, testimony->commands, testimony->capacity * sizeof *commands);
        }
        free(testimony->commands);
        testimony->commands = commands;
        testimony->capacity = capacity;
    }
    if (testimony->commands[at] == 0) {
        testimony->commands[at] = hash_command(kind, message);
    }
}

static int compare_claims(const void *left, const void *right)
{
    const struct claim *l = left;
    const struct claim *r = right;
    if (l->command != r->command) {
        return l->command < r->command ? -1 : 1;
    }
    return (l->revision > r->revision) - (l->revision < r->revision);
}

/* Every revision that was taken, but for those that an answer told its client. */
static size_t collect_claims(const struct testimony *testimony, const struct chronicle *history,
                             struct claim *claims)
{
    size_t count = 0;
    for (size_t i = 0; i < testimony->capacity; i++) {
        claims[i] = (struct claim){testimony->commands[i], (int64_t)i, testimony->commands[i] == 0};
    }
    for (size_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        const size_t revision = (size_t)operation->revision;
        if (chronicle_has_written(history, operation) && revision < testimony->capacity) {
            claims[revision].is_taken = 1;
        }
    }
    for (size_t i = 0; i < testimony->capacity; i++) {
        if (!claims[i].is_taken) {
            claims[count++] = claims[i];
        }
    }
    qsort(claims, count, sizeof *claims, compare_claims);
    return count;
}

/* The first claim of that command that is not taken yet, or NULL. */
static struct claim *find_claim(struct claim *claims, size_t count, uint64_t command)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (claims[middle].command < command) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    while (low < count && claims[low].command == command && claims[low].is_taken) {
        low++;
    }
    return low < count && claims[low].command == command ? &claims[low] : NULL;
}

void testimony_tell(const struct testimony *testimony, struct chronicle *history)
{
    struct claim *claims = world_allocate((testimony->capacity + 1) * sizeof *claims);
    struct buffer message = {0};
    const size_t count = collect_claims(testimony, history, claims);
    for (size_t i = 0; i < history->operation_count; i++) {
        struct operation *operation = &history->operations[i];
        if (!chronicle_may_have_written(history, operation)) {
            continue;
        }
        buffer_clear(&message, SIZE_MAX);
        const uint32_t kind = record_encode(history, i, &message);
        struct claim *claim = find_claim(claims, count, hash_command(kind, buffer_bytes(&message)));
        if (claim == NULL) {
            chronicle_end(history, i, OUTCOME_NOT_DONE, operation->begin_us);
        } else {
            claim->is_taken = 1;
            operation->revision = claim->revision;
        }
    }
    buffer_deinit(&message);
    free(claims);
}
