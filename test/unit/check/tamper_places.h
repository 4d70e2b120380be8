/* tamper_places.h -- finding a place in a history that can be spoiled. */
#ifndef TEST_CHECK_TAMPER_PLACES_H
#define TEST_CHECK_TAMPER_PLACES_H

#include "base/prng.h"
#include "check/chronicle.h"

/* An operation that is done, a step of its branch, and an item of the step, or no item. */
struct place {
    struct operation *operation;
    struct step *step;
    struct seen_item *item;
};

typedef int (*place_test)(const struct chronicle *history, const struct place *place);

/* A place that passes the test, picked by chance. Returns 0 if there is none. The pointers hold
 * until something is added to the history. */
int find_item(struct chronicle *history, struct prng *prng, place_test test, struct place *found);
int find_step(struct chronicle *history, struct prng *prng, place_test test, struct place *found);

int is_done(const struct operation *operation);
int is_get(const struct chronicle *history, const struct place *place); /* Of the present. */
int is_any_get(const struct chronicle *history, const struct place *place);
int is_past_get(const struct chronicle *history, const struct place *place);
int is_put(const struct chronicle *history, const struct place *place);
int is_delete(const struct chronicle *history, const struct place *place); /* Of something. */
int is_get_with_older(const struct chronicle *history, const struct place *place);
int is_past_with_older(const struct chronicle *history, const struct place *place);
int is_put_with_older(const struct chronicle *history, const struct place *place);
int is_delete_with_older(const struct chronicle *history, const struct place *place);

/* An item that shows the same key as it was some time before; NULL: nobody saw it then. */
const struct seen_item *find_older(const struct chronicle *history, const struct seen_item *item);

/* The operation that put a value, or may have, whatever became of it; NULL: none. */
struct operation *find_writer(struct chronicle *history, uint64_t value);

/* Take an item out of its step, an operation out of the history. */
void drop_item(struct chronicle *history, struct place *place);
void drop_operation(struct chronicle *history, struct operation *operation);

/* Every revision from `from` on becomes one greater. */
void shift_revisions(struct chronicle *history, int64_t from);

/* A value that nobody put. */
uint64_t new_value(const struct chronicle *history);

#endif /* TEST_CHECK_TAMPER_PLACES_H */
