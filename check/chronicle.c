/* chronicle.c -- what clients did and what they were told: what the judges judge. */
#include "check/chronicle.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum {
    CAPACITY_MIN = 256
};

void chronicle_init(struct chronicle *history)
{
    *history = (struct chronicle){.base = CHRONICLE_BASE_REVISION};
}

void chronicle_deinit(struct chronicle *history)
{
    free(history->operations);
    free(history->steps);
    free(history->items);
    free(history->states);
    *history = (struct chronicle){0};
}

/* Room for one element more. */
static void *grow(void *elements, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) {
        return elements;
    }
    *capacity = *capacity == 0 ? CAPACITY_MIN : *capacity * 2;
    void *grown = realloc(elements, *capacity * size);
    if (grown == NULL) {
        abort();
    }
    return grown;
}

static void *copy_of(const void *elements, size_t count, size_t size)
{
    void *copy = malloc(count == 0 ? size : count * size);
    if (copy == NULL) {
        abort();
    }
    if (count > 0) {
        memcpy(copy, elements, count * size);
    }
    return copy;
}

void chronicle_copy(struct chronicle *history, const struct chronicle *from)
{
    *history = *from;
    history->operation_capacity = from->operation_count == 0 ? 1 : from->operation_count;
    history->step_capacity = from->step_count == 0 ? 1 : from->step_count;
    history->item_capacity = from->item_count == 0 ? 1 : from->item_count;
    history->state_capacity = from->state_count == 0 ? 1 : from->state_count;
    history->operations =
        copy_of(from->operations, from->operation_count, sizeof *from->operations);
    history->steps = copy_of(from->steps, from->step_count, sizeof *from->steps);
    history->items = copy_of(from->items, from->item_count, sizeof *from->items);
    history->states = copy_of(from->states, from->state_count, sizeof *from->states);
}

/* -- Recording ------------------------------------------------------------------------------ */

size_t chronicle_begin(struct chronicle *history, enum operation_kind kind,
                       const struct chronicle_who *who)
{
    assert(who->member < CHRONICLE_MEMBERS_MAX);
    assert(history->step_count < UINT32_MAX);
    history->operations = grow(history->operations, history->operation_count,
                               &history->operation_capacity, sizeof *history->operations);
    history->operations[history->operation_count] = (struct operation){
        .begin_us = who->begin_us,
        .client = who->client,
        .member = who->member,
        .first_step = (uint32_t)history->step_count,
        .kind = (uint8_t)kind,
        .outcome = OUTCOME_UNKNOWN,
        .has_succeeded = kind != OPERATION_TXN,
    };
    return history->operation_count++;
}

size_t chronicle_add(struct chronicle *history, const struct step *step)
{
    assert(history->operation_count > 0);
    struct operation *operation = &history->operations[history->operation_count - 1];
    const int is_compare = step->kind == STEP_COMPARE;
    struct step added = *step;

    assert(operation->kind == OPERATION_TXN || operation->then_count == 0);
    added.place = is_compare ? PLACE_IF : step->place == 0 ? PLACE_THEN : step->place;
    added.end = step->end == 0 ? step->key + 1 : step->end;
    assert(added.key < CHRONICLE_KEYS_MAX);
    uint16_t *count = is_compare                  ? &operation->compare_count
                      : added.place == PLACE_THEN ? &operation->then_count
                                                  : &operation->else_count;
    assert(*count < CHRONICLE_STEPS_MAX);
    *count = (uint16_t)(*count + 1);
    assert(!is_compare || operation->then_count + operation->else_count == 0);
    assert(added.place != PLACE_THEN || operation->else_count == 0);
    if (history->key_count <= added.key) {
        history->key_count = added.key + 1;
    }
    history->steps =
        grow(history->steps, history->step_count, &history->step_capacity, sizeof *history->steps);
    history->steps[history->step_count] = added;
    return history->step_count++;
}

void chronicle_see(struct chronicle *history, size_t index, const struct seen_item *item)
{
    assert(index < history->step_count);
    struct step *step = &history->steps[index];
    assert(item->key < CHRONICLE_KEYS_MAX);
    assert(step->item_count == 0 || step->first_item + step->item_count == history->item_count);
    history->items =
        grow(history->items, history->item_count, &history->item_capacity, sizeof *history->items);
    if (step->item_count == 0) {
        step->first_item = (uint32_t)history->item_count;
    }
    if (history->key_count <= item->key) {
        history->key_count = item->key + 1;
    }
    step->item_count++;
    history->items[history->item_count++] = *item;
}

void chronicle_end(struct chronicle *history, size_t operation, enum operation_outcome outcome,
                   uint64_t end_us)
{
    assert(operation < history->operation_count);
    history->operations[operation].outcome = (uint8_t)outcome;
    history->operations[operation].end_us = end_us;
}

void chronicle_restart(struct chronicle *history, uint32_t member, uint64_t at_us)
{
    const struct chronicle_who who = {.member = member, .begin_us = at_us};
    const size_t at = chronicle_begin(history, OPERATION_RESTART, &who);
    chronicle_end(history, at, OUTCOME_DONE, at_us);
}

void chronicle_report(struct chronicle *history, const struct state_report *report)
{
    assert(report->member < CHRONICLE_MEMBERS_MAX);
    history->states = grow(history->states, history->state_count, &history->state_capacity,
                           sizeof *history->states);
    history->states[history->state_count++] = *report;
}

/* -- Reading -------------------------------------------------------------------------------- */

const struct step *chronicle_branch(const struct chronicle *history,
                                    const struct operation *operation, int has_succeeded,
                                    uint32_t *count)
{
    const uint32_t then = operation->first_step + operation->compare_count;
    *count = has_succeeded ? operation->then_count : operation->else_count;
    return &history->steps[has_succeeded ? then : then + operation->then_count];
}

/* Whether a branch writes: as its answers say, or whether it could. */
static int does_write(const struct chronicle *history, const struct operation *operation,
                      int has_succeeded, int is_answered)
{
    uint32_t count;
    const struct step *steps = chronicle_branch(history, operation, has_succeeded, &count);
    int does = 0;
    for (uint32_t i = 0; i < count; i++) {
        does |= steps[i].kind == STEP_PUT ||
                (steps[i].kind == STEP_DELETE && (!is_answered || steps[i].count > 0));
    }
    return does;
}

int chronicle_has_written(const struct chronicle *history, const struct operation *operation)
{
    return operation->outcome == OUTCOME_DONE &&
           does_write(history, operation, operation->has_succeeded, 1);
}

int chronicle_may_have_written(const struct chronicle *history, const struct operation *operation)
{
    return operation->outcome == OUTCOME_UNKNOWN &&
           (does_write(history, operation, 0, 0) || does_write(history, operation, 1, 0));
}
