/* tamper_writes.c -- ways to spoil writes, revisions, txns and what nobody knows. */
#include "tamper.h"
#include "tamper_places.h"

/* -- What was there before ------------------------------------------------------------------ */

int tamper_what_was_there_before_a_put_is_wrong(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_put_with_older, &place)) {
        return 0;
    }
    *place.item = *find_older(history, place.item);
    return 1;
}

int tamper_what_was_there_before_a_put_is_missing(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_put, &place)) {
        return 0;
    }
    place.step->item_count = 0;
    return 1;
}

int tamper_what_was_there_before_a_deletion_is_wrong(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_delete_with_older, &place)) {
        return 0;
    }
    *place.item = *find_older(history, place.item);
    return 1;
}

static int is_delete_of_range(const struct chronicle *history, const struct place *place)
{
    return is_delete(history, place) && !place->step->wants_items;
}

int tamper_a_deletion_counts_too_many(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_delete_of_range, &place)) {
        return 0;
    }
    place.step->count++;
    return 1;
}

static int is_delete_of_one(const struct chronicle *history, const struct place *place)
{
    return is_delete(history, place) && place->step->end == place->step->key + 1;
}

/* Its key was there, and is there still. */
int tamper_a_deletion_says_nothing_was_there(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_delete_of_one, &place)) {
        return 0;
    }
    place.step->count = 0;
    place.step->item_count = 0;
    place.operation->revision--;
    return 1;
}

/* -- Revisions ------------------------------------------------------------------------------ */

static int is_late_put(const struct chronicle *history, const struct place *place)
{
    return is_put(history, place) && place->operation->revision > history->base + 1;
}

int tamper_a_revision_is_given_twice(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_late_put, &place)) {
        return 0;
    }
    place.operation->revision--;
    return 1;
}

/* As if a txn that changes nothing took one. */
int tamper_a_revision_is_given_to_nobody(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_late_put, &place)) {
        return 0;
    }
    shift_revisions(history, place.operation->revision);
    return 1;
}

int tamper_two_revisions_are_exchanged(struct chronicle *history, struct prng *prng)
{
    struct place one;
    struct place other;
    if (!find_step(history, prng, is_put, &one) || !find_step(history, prng, is_put, &other) ||
        one.operation == other.operation) {
        return 0;
    }
    const int64_t revision = one.operation->revision;
    one.operation->revision = other.operation->revision;
    other.operation->revision = revision;
    return 1;
}

int tamper_a_read_tells_an_old_revision(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_get, &place) ||
        place.operation->revision <= history->base + 1) {
        return 0;
    }
    place.operation->revision--;
    return 1;
}

/* Of which others are told only later that it was given. */
int tamper_a_read_tells_a_revision_of_the_future(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_any_get, &place)) {
        return 0;
    }
    place.operation->revision++;
    return 1;
}

/* -- Writes --------------------------------------------------------------------------------- */

static int is_by_put(const struct chronicle *history, const struct place *place)
{
    struct operation *writer = find_writer((struct chronicle *)history, place->item->value);
    return is_get(history, place) && writer != NULL && writer->kind == OPERATION_PUT &&
           is_done(writer);
}

int tamper_a_write_that_was_seen_is_dropped(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_by_put, &place)) {
        return 0;
    }
    drop_operation(history, find_writer(history, place.item->value));
    return 1;
}

/* One is added, with a revision of its own, just before a read that does not show it. */
int tamper_an_acknowledged_write_is_lost(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_get, &place)) {
        return 0;
    }
    const struct step put = {
        .kind = STEP_PUT, .key = place.item->key, .number = new_value(history)};
    const int64_t revision = place.operation->revision + 1;
    for (size_t i = 0; i < history->operation_count; i++) {
        history->operations[i].begin_us *= 4; /* Room between one and the next. */
        history->operations[i].end_us *= 4;
    }
    shift_revisions(history, revision);
    place.operation->revision = revision;
    const struct chronicle_who who = {.begin_us = place.operation->begin_us - 2};
    const size_t added = chronicle_begin(history, OPERATION_PUT, &who);
    (void)chronicle_add(history, &put);
    history->operations[added].revision = revision;
    chronicle_end(history, added, OUTCOME_DONE, who.begin_us + 1);
    return 1;
}

int tamper_an_acknowledged_write_is_said_not_to_be_done(struct chronicle *history,
                                                        struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_by_put, &place)) {
        return 0;
    }
    find_writer(history, place.item->value)->outcome = OUTCOME_NOT_DONE;
    return 1;
}

static void exchange_times(struct operation *one, struct operation *other)
{
    const struct operation kept = *one;
    one->begin_us = other->begin_us;
    one->end_us = other->end_us;
    other->begin_us = kept.begin_us;
    other->end_us = kept.end_us;
}

/* What was written first and seen then, is now seen first and written then. */
int tamper_real_time_is_reversed(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_by_put, &place)) {
        return 0;
    }
    exchange_times(find_writer(history, place.item->value), place.operation);
    return 1;
}

int tamper_an_answer_comes_before_its_call(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_put, &place)) {
        return 0;
    }
    place.operation->end_us = place.operation->begin_us - 1;
    return 1;
}

/* The whole read is moved to before the put. */
int tamper_a_read_returns_before_what_it_shows_was_put(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_by_put, &place) ||
        find_writer(history, place.item->value)->begin_us < 2) {
        return 0;
    }
    place.operation->end_us = find_writer(history, place.item->value)->begin_us - 1;
    if (place.operation->begin_us > place.operation->end_us) {
        place.operation->begin_us = place.operation->end_us;
    }
    return 1;
}

/* The whole put is moved to after the read. */
int tamper_a_write_begins_after_it_was_seen(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_by_put, &place)) {
        return 0;
    }
    struct operation *writer = find_writer(history, place.item->value);
    writer->begin_us = place.operation->end_us + 1;
    if (writer->end_us < writer->begin_us) {
        writer->end_us = writer->begin_us;
    }
    return 1;
}

/* -- Transactions --------------------------------------------------------------------------- */

static int has_name(const struct chronicle *history, const struct step *compare)
{
    for (size_t i = 0; i < history->item_count; i++) {
        if (history->items[i].key == compare->key &&
            history->items[i].mod == (int64_t)compare->number) {
            return 1;
        }
    }
    return compare->number == 0;
}

/* A txn with one compare for equality, with a revision that somebody saw. */
static int is_swap(const struct chronicle *history, const struct place *place)
{
    const struct step *compare = &history->steps[place->operation->first_step];
    return place->operation->compare_count == 1 && compare->target == TARGET_MOD &&
           compare->relation == RELATION_EQUAL && has_name(history, compare);
}

static int is_swap_done(const struct chronicle *history, const struct place *place)
{
    return is_swap(history, place) && place->operation->has_succeeded;
}

static int is_swap_failed(const struct chronicle *history, const struct place *place)
{
    return is_swap(history, place) && !place->operation->has_succeeded;
}

int tamper_a_txn_succeeds_against_its_compare(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_swap_done, &place)) {
        return 0;
    }
    history->steps[place.operation->first_step].relation = RELATION_NOT_EQUAL;
    return 1;
}

int tamper_a_txn_fails_against_its_compare(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_swap_failed, &place)) {
        return 0;
    }
    history->steps[place.operation->first_step].relation = RELATION_NOT_EQUAL;
    return 1;
}

/* Shown by a get, and put by a txn that wrote something else as well. */
static int is_by_txn(const struct chronicle *history, const struct place *place)
{
    const struct operation *writer = find_writer((struct chronicle *)history, place->item->value);
    uint32_t writes = 0;
    uint32_t count;
    if (!is_get(history, place) || writer == NULL || !is_done(writer)) {
        return 0;
    }
    const struct step *steps = chronicle_branch(history, writer, writer->has_succeeded, &count);
    for (uint32_t i = 0; i < count; i++) {
        writes += steps[i].kind == STEP_PUT || (steps[i].kind == STEP_DELETE && steps[i].count > 0);
    }
    return writes > 1;
}

static int is_by_txn_with_older(const struct chronicle *history, const struct place *place)
{
    return is_by_txn(history, place) && find_older(history, place->item) != NULL;
}

/* The other part of it is seen. */
int tamper_a_txn_is_half_applied(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_by_txn_with_older, &place)) {
        return 0;
    }
    *place.item = *find_older(history, place.item);
    return 1;
}

/* One of its puts comes one revision after the rest. */
int tamper_a_txn_takes_two_revisions(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_by_txn, &place)) {
        return 0;
    }
    const uint64_t value = place.item->value;
    shift_revisions(history, place.item->mod + 1);
    for (size_t i = 0; i < history->item_count; i++) {
        struct seen_item *item = &history->items[i];
        if (item->value == value) {
            item->create += item->create == item->mod;
            item->mod++;
        }
    }
    return 1;
}

/* -- Old reads and compactions -------------------------------------------------------------- */

static int is_old_get(const struct chronicle *history, const struct place *place)
{
    if (place->operation->kind != OPERATION_GET || !place->operation->is_serializable) {
        return 0;
    }
    for (size_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        if (is_done(operation) && operation->member == place->operation->member &&
            operation->end_us < place->operation->begin_us && operation->revision > history->base) {
            return 1;
        }
    }
    return 0;
}

/* It shows the empty store, though its member has told of a later one. */
int tamper_an_old_read_is_older_than_its_member(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_old_get, &place)) {
        return 0;
    }
    place.operation->revision = history->base;
    place.step->number = 0;
    place.step->count = 0;
    place.step->item_count = 0;
    place.step->has_more = 0;
    return 1;
}

static uint64_t find_compacted(const struct chronicle *history)
{
    uint64_t compacted = 0;
    for (size_t i = 0; i < history->step_count; i++) {
        const struct step *step = &history->steps[i];
        compacted =
            step->kind == STEP_COMPACT && step->number > compacted ? step->number : compacted;
    }
    return compacted;
}

static int is_get_of_kept(const struct chronicle *history, const struct place *place)
{
    return is_past_get(history, place) && place->step->number >= find_compacted(history);
}

int tamper_a_read_is_refused_as_compacted_for_no_reason(struct chronicle *history,
                                                        struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_get_of_kept, &place)) {
        return 0;
    }
    place.operation->outcome = OUTCOME_COMPACTED;
    return 1;
}

int tamper_a_read_is_refused_as_future_for_no_reason(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_past_get, &place)) {
        return 0;
    }
    place.operation->outcome = OUTCOME_FUTURE;
    return 1;
}

/* The greatest revision that was compacted before an operation began. */
static uint64_t find_compacted_before(const struct chronicle *history,
                                      const struct operation *before)
{
    uint64_t compacted = 0;
    for (size_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->kind == OPERATION_COMPACT && is_done(operation) &&
            operation->end_us < before->begin_us) {
            const uint64_t revision = history->steps[operation->first_step].number;
            compacted = revision > compacted ? revision : compacted;
        }
    }
    return compacted;
}

static int is_get_after_compaction(const struct chronicle *history, const struct place *place)
{
    return is_get(history, place) && find_compacted_before(history, place->operation) > 1;
}

int tamper_what_was_compacted_is_read(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_get_after_compaction, &place)) {
        return 0;
    }
    place.step->number = find_compacted_before(history, place.operation) - 1;
    return 1;
}

/* -- What nobody knows ---------------------------------------------------------------------- */

static int is_by_unknown(const struct chronicle *history, const struct place *place)
{
    const struct operation *writer = find_writer((struct chronicle *)history, place->item->value);
    return is_get(history, place) && writer != NULL && writer->outcome == OUTCOME_UNKNOWN;
}

/* A get of the key that began after another had ended, and shows something newer. */
static struct seen_item *find_newer(struct chronicle *history, const struct operation *after,
                                    const struct seen_item *item, size_t *index)
{
    for (*index = 0; *index < history->operation_count; (*index)++) {
        const struct operation *operation = &history->operations[*index];
        const struct step *step = &history->steps[operation->first_step];
        if (operation->kind == OPERATION_GET && is_done(operation) &&
            operation->begin_us > after->end_us && step->key == item->key &&
            step->item_count == 1 && history->items[step->first_item].mod > item->mod) {
            return &history->items[step->first_item];
        }
    }
    return NULL;
}

/* It was seen; then another value was; and then it is seen again. */
int tamper_an_unknown_write_is_seen_at_two_revisions(struct chronicle *history, struct prng *prng)
{
    struct place place;
    size_t second;
    size_t third;
    if (!find_item(history, prng, is_by_unknown, &place) ||
        find_newer(history, place.operation, place.item, &second) == NULL) {
        return 0;
    }
    struct seen_item *again = find_newer(history, &history->operations[second], place.item, &third);
    if (again == NULL) {
        return 0;
    }
    again->value = place.item->value;
    return 1;
}

int tamper_an_unknown_write_is_seen_before_it_began(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_by_unknown, &place)) {
        return 0;
    }
    find_writer(history, place.item->value)->begin_us = place.operation->end_us + 1;
    return 1;
}
