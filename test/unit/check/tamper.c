/* tamper.c -- ways to spoil what reads show. */
#include "tamper.h"
#include "tamper_places.h"

/* -- Reads ---------------------------------------------------------------------------------- */

/* The value alone is that of an older version. */
int tamper_a_read_shows_a_value_of_another_time(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_get_with_older, &place)) {
        return 0;
    }
    place.item->value = find_older(history, place.item)->value;
    return 1;
}

int tamper_a_read_shows_a_value_nobody_put(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_get, &place)) {
        return 0;
    }
    place.item->value = new_value(history);
    return 1;
}

int tamper_a_read_shows_a_value_of_another_key(struct chronicle *history, struct prng *prng)
{
    struct place place;
    struct place other;
    if (!find_item(history, prng, is_get, &place) || !find_item(history, prng, is_get, &other) ||
        place.item->key == other.item->key) {
        return 0;
    }
    place.item->value = other.item->value;
    return 1;
}

/* The whole item is an older one, as it really was then. */
int tamper_a_read_is_stale(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_get_with_older, &place)) {
        return 0;
    }
    *place.item = *find_older(history, place.item);
    return 1;
}

int tamper_a_read_is_stale_long_after(struct chronicle *history, struct prng *prng)
{
    return tamper_a_read_is_stale(history, prng);
}

static int is_in_whole_get(const struct chronicle *history, const struct place *place)
{
    return is_get(history, place) && place->step->limit == 0;
}

int tamper_a_read_misses_a_key(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_in_whole_get, &place)) {
        return 0;
    }
    drop_item(history, &place);
    return 1;
}

int tamper_a_read_in_parallel_misses_a_key(struct chronicle *history, struct prng *prng)
{
    return tamper_a_read_misses_a_key(history, prng);
}

static const struct seen_item *find_deleted(const struct chronicle *history,
                                            const struct place *place)
{
    for (size_t i = 0; i < history->item_count; i++) {
        const struct seen_item *item = &history->items[i];
        if (item->key == place->step->key && item->mod <= place->operation->revision) {
            return item;
        }
    }
    return NULL;
}

static int is_get_of_deleted(const struct chronicle *history, const struct place *place)
{
    return is_get(history, place) && place->step->count == 0 && place->step->wants_items &&
           find_deleted(history, place) != NULL;
}

/* A key that is absent, but had been there, is shown. */
int tamper_a_deleted_key_comes_back(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_get_of_deleted, &place)) {
        return 0;
    }
    const struct seen_item item = *find_deleted(history, &place);
    const size_t step = (size_t)(place.step - history->steps);
    chronicle_see(history, step, &item);
    history->steps[step].count = 1;
    return 1;
}

int tamper_a_version_is_off_by_one(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_any_get, &place)) {
        return 0;
    }
    place.item->version += prng_chance(prng, 1, 2) || place.item->version == 1 ? 1u : UINT32_MAX;
    return 1;
}

int tamper_a_create_revision_is_wrong(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_any_get, &place)) {
        return 0;
    }
    place.item->create += prng_chance(prng, 1, 2) ? 1 : -1;
    return 1;
}

int tamper_a_mod_revision_is_wrong(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_any_get, &place)) {
        return 0;
    }
    place.item->mod += prng_chance(prng, 1, 2) ? 1 : -1;
    return 1;
}

static int is_counting(const struct chronicle *history, const struct place *place)
{
    (void)history;
    return place->operation->kind == OPERATION_GET && !place->step->wants_items;
}

int tamper_a_count_is_wrong(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_counting, &place)) {
        return 0;
    }
    place.step->count += prng_chance(prng, 1, 2) || place.step->count == 0 ? 1u : UINT32_MAX;
    return 1;
}

static int is_cut(const struct chronicle *history, const struct place *place)
{
    (void)history;
    return place->operation->kind == OPERATION_GET && place->step->limit > 0 &&
           place->step->has_more;
}

int tamper_a_limit_is_not_kept(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_cut, &place)) {
        return 0;
    }
    place.step->limit++;
    return 1;
}

int tamper_more_is_said_wrongly(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, is_any_get, &place)) {
        return 0;
    }
    place.step->has_more = !place.step->has_more;
    return 1;
}

static int has_two_items(const struct chronicle *history, const struct place *place)
{
    return is_get(history, place) && place->step->item_count > 1;
}

int tamper_a_range_shows_a_key_twice(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_step(history, prng, has_two_items, &place)) {
        return 0;
    }
    struct seen_item *items = &history->items[place.step->first_item];
    items[1] = items[0];
    return 1;
}

int tamper_a_read_of_the_past_shows_another_past(struct chronicle *history, struct prng *prng)
{
    struct place place;
    if (!find_item(history, prng, is_past_with_older, &place)) {
        return 0;
    }
    *place.item = *find_older(history, place.item);
    return 1;
}
