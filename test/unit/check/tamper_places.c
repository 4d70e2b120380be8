/* tamper_places.c -- finding a place in a history that can be spoiled. */
#include "tamper_places.h"

#include <string.h>

int is_done(const struct operation *operation)
{
    return operation->outcome == OUTCOME_DONE && operation->kind != OPERATION_RESTART;
}

struct wanted {
    place_test test;
    int is_item; /* Items are wanted; else steps. */
    size_t nth;  /* The one to find; SIZE_MAX: none, they are only counted. */
};

/* How many steps of one operation, or their items, pass the test. The `nth` of them is found. */
static size_t find_in(struct chronicle *history, size_t index, const struct wanted *wanted,
                      struct place *found)
{
    struct operation *operation = &history->operations[index];
    size_t count = 0;
    uint32_t steps;
    if (!is_done(operation)) {
        return 0;
    }
    struct step *branch =
        (struct step *)chronicle_branch(history, operation, operation->has_succeeded, &steps);
    for (uint32_t i = 0; i < steps; i++) {
        const uint32_t items = wanted->is_item ? branch[i].item_count : 1;
        for (uint32_t j = 0; j < items; j++) {
            struct place place = {operation, &branch[i],
                                  wanted->is_item ? &history->items[branch[i].first_item + j]
                                                  : NULL};
            if (wanted->test(history, &place) && count++ == wanted->nth) {
                *found = place;
            }
        }
    }
    return count;
}

static int find_place(struct chronicle *history, struct prng *prng, struct wanted *wanted,
                      struct place *found)
{
    size_t count = 0;
    for (size_t i = 0; i < history->operation_count; i++) {
        count += find_in(history, i, wanted, found);
    }
    wanted->nth = count == 0 ? 0 : (size_t)prng_below(prng, count);
    for (size_t i = 0; i < history->operation_count && count > 0; i++) {
        const size_t here = find_in(history, i, wanted, found);
        if (wanted->nth < here) {
            return 1;
        }
        wanted->nth -= here;
    }
    return 0;
}

int find_item(struct chronicle *history, struct prng *prng, place_test test, struct place *found)
{
    struct wanted wanted = {test, 1, SIZE_MAX};
    return find_place(history, prng, &wanted, found);
}

int find_step(struct chronicle *history, struct prng *prng, place_test test, struct place *found)
{
    struct wanted wanted = {test, 0, SIZE_MAX};
    return find_place(history, prng, &wanted, found);
}

/* -- Tests of places ------------------------------------------------------------------------ */

/* A get of its own, of the state as it is. */
int is_get(const struct chronicle *history, const struct place *place)
{
    (void)history;
    return place->operation->kind == OPERATION_GET && place->step->number == 0 &&
           !place->operation->is_serializable;
}

int is_any_get(const struct chronicle *history, const struct place *place)
{
    (void)history;
    return place->operation->kind == OPERATION_GET;
}

int is_past_get(const struct chronicle *history, const struct place *place)
{
    (void)history;
    return place->operation->kind == OPERATION_GET && place->step->number != 0 &&
           !place->operation->is_serializable;
}

int is_put(const struct chronicle *history, const struct place *place)
{
    (void)history;
    return place->operation->kind == OPERATION_PUT;
}

int is_delete(const struct chronicle *history, const struct place *place)
{
    (void)history;
    return place->operation->kind == OPERATION_DELETE && place->step->count > 0;
}

const struct seen_item *find_older(const struct chronicle *history, const struct seen_item *item)
{
    const struct seen_item *found = NULL;
    for (size_t i = 0; i < history->item_count; i++) {
        const struct seen_item *other = &history->items[i];
        if (other->key == item->key && other->mod < item->mod &&
            (found == NULL || other->mod > found->mod)) {
            found = other;
        }
    }
    return found;
}

int is_get_with_older(const struct chronicle *history, const struct place *place)
{
    return is_get(history, place) && find_older(history, place->item) != NULL;
}

int is_past_with_older(const struct chronicle *history, const struct place *place)
{
    return is_past_get(history, place) && find_older(history, place->item) != NULL;
}

int is_put_with_older(const struct chronicle *history, const struct place *place)
{
    return is_put(history, place) && find_older(history, place->item) != NULL;
}

int is_delete_with_older(const struct chronicle *history, const struct place *place)
{
    return is_delete(history, place) && find_older(history, place->item) != NULL;
}

/* -- Tools ---------------------------------------------------------------------------------- */

void drop_item(struct chronicle *history, struct place *place)
{
    struct seen_item *end = &history->items[place->step->first_item + place->step->item_count];
    memmove(place->item, place->item + 1, (size_t)(end - place->item - 1) * sizeof *end);
    place->step->item_count--;
    place->step->count--;
}

void shift_revisions(struct chronicle *history, int64_t from)
{
    for (size_t i = 0; i < history->operation_count; i++) {
        history->operations[i].revision += history->operations[i].revision >= from;
    }
    for (size_t i = 0; i < history->item_count; i++) {
        history->items[i].create += history->items[i].create >= from;
        history->items[i].mod += history->items[i].mod >= from;
    }
    for (size_t i = 0; i < history->step_count; i++) {
        struct step *step = &history->steps[i];
        const int names_revision = step->kind == STEP_GET || step->kind == STEP_COMPACT ||
                                   (step->kind == STEP_COMPARE &&
                                    (step->target == TARGET_MOD || step->target == TARGET_CREATE));
        step->number += names_revision && step->number >= (uint64_t)from;
    }
}

void drop_operation(struct chronicle *history, struct operation *operation)
{
    struct operation *end = &history->operations[history->operation_count];
    memmove(operation, operation + 1, (size_t)(end - operation - 1) * sizeof *end);
    history->operation_count--;
}

struct operation *find_writer(struct chronicle *history, uint64_t value)
{
    for (size_t i = 0; i < history->operation_count; i++) {
        struct operation *operation = &history->operations[i];
        const uint32_t count =
            (uint32_t)operation->compare_count + operation->then_count + operation->else_count;
        for (uint32_t j = 0; j < count; j++) {
            const struct step *step = &history->steps[operation->first_step + j];
            if (step->kind == STEP_PUT && step->number == value) {
                return operation;
            }
        }
    }
    return NULL;
}

uint64_t new_value(const struct chronicle *history)
{
    uint64_t value = 0;
    for (size_t i = 0; i < history->step_count; i++) {
        const struct step *step = &history->steps[i];
        value = step->kind == STEP_PUT && step->number > value ? step->number : value;
    }
    return value + 1;
}
