/* search.c -- the two searches: the wide one, and the one that remembers its way. */
#include "sim/explore/search.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"
#include "sim/explore/frontier.h"
#include "sim/explore/visited.h"

struct search {
    const struct search_options *options;
    struct world_parts parts;
    struct visited visited;
    struct frontier levels[2]; /* This one, and the next: see `turn`. */
    uint32_t turn;
    struct search_result *result;
    double begun;
    _Atomic uint64_t states;
    _Atomic uint64_t steps;
    _Atomic uint32_t is_over; /* A claim is broken, or there is no more room. */
    _Atomic uint32_t is_full;
    pthread_mutex_t mutex; /* Of the violation. */
};

/* A thread of the search. */
struct seeker {
    struct search *search;
    struct explorer *explorer;
    struct frontier_chunk *out;
    uint64_t states;
    uint64_t steps;
};

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct frontier *this_level(struct search *search)
{
    return &search->levels[search->turn];
}

static struct frontier *next_level(struct search *search)
{
    return &search->levels[1 - search->turn];
}

/* Of memory, for what grows. */
static uint64_t bytes_used(struct search *search)
{
    return search->visited.slot_count * sizeof(uint64_t) + atomic_load(&search->levels[0].bytes) +
           atomic_load(&search->levels[1].bytes);
}

/* -- The wide search ------------------------------------------------------------------------ */

static void hand_over(struct seeker *seeker)
{
    struct search *search = seeker->search;
    const uint64_t states = atomic_fetch_add(&search->states, seeker->states) + seeker->states;
    if (search->options->states_max != 0 && states >= search->options->states_max) {
        atomic_store(&search->is_over, 1);
    }
    if (bytes_used(search) > search->options->bytes_max) {
        atomic_store(&search->is_full, 1);
        atomic_store(&search->is_over, 1);
    }
    atomic_fetch_add(&search->steps, seeker->steps);
    seeker->states = 0;
    seeker->steps = 0;
    frontier_give(next_level(search), seeker->out);
    seeker->out = frontier_chunk_new();
}

/* A state that a step led to: if it is new, it belongs to the next level. */
static int reach(void *context, __attribute__((unused)) const struct action *action,
                 const struct state *state)
{
    struct seeker *seeker = context;
    struct search *search = seeker->search;
    if (seeker->out->used + SPACE_STATE_BYTES_MAX > FRONTIER_CHUNK_BYTES) {
        hand_over(seeker);
    }
    uint8_t *to = seeker->out->bytes + seeker->out->used;
    const uint32_t size = space_encode(&search->parts, state, to);
    const int is_new = visited_add(&search->visited, XXH3_64bits(to, size));
    seeker->steps++;
    if (is_new < 0) {
        atomic_store(&search->is_full, 1);
        atomic_store(&search->is_over, 1);
    } else if (is_new) {
        seeker->out->used += size;
        seeker->out->count++;
        seeker->states++;
    }
    return 0;
}

static void note_violation(struct search *search, const struct violation *violation)
{
    pthread_mutex_lock(&search->mutex);
    if (search->result->violation.claim == NULL) {
        search->result->violation = *violation;
    }
    pthread_mutex_unlock(&search->mutex);
    atomic_store(&search->is_over, 1);
}

static void *seek(void *context)
{
    struct seeker *seeker = context;
    struct search *search = seeker->search;
    struct frontier_chunk *chunk;
    struct violation violation = {0};
    while (!atomic_load(&search->is_over) && (chunk = frontier_take(this_level(search))) != NULL) {
        uint32_t at = 0;
        for (uint32_t i = 0; i < chunk->count && !atomic_load(&search->is_over); i++) {
            struct state state;
            at += space_decode(&search->parts, chunk->bytes + at, &state);
            if (space_expand(seeker->explorer, &state, reach, seeker, &violation) != 0) {
                note_violation(search, &violation);
            }
        }
        free(chunk);
    }
    hand_over(seeker);
    return NULL;
}

static void tell_progress(struct search *search)
{
    struct search_result *result = search->result;
    result->states = atomic_load(&search->states);
    result->steps = atomic_load(&search->steps);
    result->nodes = search->parts.nodes.count;
    result->messages = search->parts.messages.count;
    result->seconds = now_seconds() - search->begun;
    if (search->options->on_progress != NULL) {
        search->options->on_progress(search->options->context, result);
    }
}

/* One level by all threads, the caller's among them. */
static void seek_level(struct search *search, struct seeker *seekers)
{
    const uint32_t threads = this_level(search)->count < 1000 ? 1 : search->options->threads;
    pthread_t ids[64];
    for (uint32_t i = 1; i < threads; i++) {
        const int error = pthread_create(&ids[i], NULL, seek, &seekers[i]);
        assert(error == 0);
    }
    (void)seek(&seekers[0]);
    for (uint32_t i = 1; i < threads; i++) {
        (void)pthread_join(ids[i], NULL);
    }
}

/* See that the table has room for a level that grows as the last one did, and then some; but for
 * no more than will be looked at. */
static int make_room(struct search *search, uint64_t before)
{
    const uint64_t states = atomic_load(&search->states);
    const uint64_t max = search->options->states_max;
    const uint64_t growth = before == 0 ? 8 : 2 + this_level(search)->count / before;
    const uint64_t expected = this_level(search)->count * growth;
    const uint64_t left = max > states ? max - states : 0;
    const uint64_t more = max != 0 && expected > left ? left : expected;
    const uint64_t used = bytes_used(search);
    const uint64_t bytes_max = search->options->bytes_max;
    return visited_reserve(&search->visited, states, more + 1000000,
                           bytes_max > used ? bytes_max - used : 0);
}

static void seek_all(struct search *search, struct seeker *seekers)
{
    struct search_result *result = search->result;
    uint64_t before = 0;
    while (this_level(search)->count > 0 && !atomic_load(&search->is_over)) {
        const uint64_t here = this_level(search)->count;
        if (make_room(search, before) != 0) {
            result->is_full = 1;
            return;
        }
        before = here;
        seek_level(search, seekers);
        if (!atomic_load(&search->is_over)) {
            result->depth++;
            result->frontier = here;
        }
        search->turn = 1 - search->turn;
        tell_progress(search);
    }
    result->is_full = atomic_load(&search->is_full);
    result->is_whole = this_level(search)->count == 0 && !atomic_load(&search->is_over);
}

static void begin(struct search *search, const struct search_options *options,
                  struct search_result *result)
{
    *search = (struct search){.options = options, .result = result, .begun = now_seconds()};
    *result = (struct search_result){0};
    world_parts_init(&search->parts, options->scope);
    visited_init(&search->visited);
    frontier_init(&search->levels[0]);
    frontier_init(&search->levels[1]);
    pthread_mutex_init(&search->mutex, NULL);
}

static void end(struct search *search)
{
    pthread_mutex_destroy(&search->mutex);
    frontier_deinit(&search->levels[0]);
    frontier_deinit(&search->levels[1]);
    visited_deinit(&search->visited);
    world_parts_deinit(&search->parts);
}

void search_run(const struct search_options *options, struct search_result *result)
{
    struct search search;
    struct seeker seekers[64] = {{0}};
    struct state first;
    assert(options->threads >= 1 && options->threads <= 64);
    begin(&search, options, result);
    for (uint32_t i = 0; i < options->threads; i++) {
        seekers[i] = (struct seeker){.search = &search,
                                     .explorer = explorer_new(&search.parts),
                                     .out = frontier_chunk_new()};
    }
    if (space_first(seekers[0].explorer, &first, &result->violation) == 0) {
        (void)reach(&seekers[0], NULL, &first);
        hand_over(&seekers[0]);
        search.turn = 1 - search.turn;
        seek_all(&search, seekers);
        tell_progress(&search);
    }
    for (uint32_t i = 0; i < options->threads; i++) {
        explorer_free(seekers[i].explorer);
        free(seekers[i].out);
    }
    end(&search);
}

/* -- The search that remembers --------------------------------------------------------------- */

/* Where a state came from. */
struct origin {
    uint64_t parent; /* The position of a state; that of the first is its own. */
    struct action action;
};

/* All states so far, in the order in which they were reached. */
struct trail {
    struct search search;
    struct explorer *explorer;
    struct origin *origins;
    uint8_t **states; /* Their bytes. */
    uint64_t count;
    uint64_t capacity;
    uint64_t at; /* The one whose successors are visited. */
};

static int remember(void *context, const struct action *action, const struct state *state)
{
    struct trail *trail = context;
    uint8_t bytes[SPACE_STATE_BYTES_MAX];
    const uint32_t size = space_encode(&trail->search.parts, state, bytes);
    if (visited_add(&trail->search.visited, XXH3_64bits(bytes, size)) <= 0) {
        return 0;
    }
    if (trail->count == trail->capacity) {
        trail->capacity = trail->capacity == 0 ? 1024 : 2 * trail->capacity;
        trail->origins = realloc(trail->origins, trail->capacity * sizeof *trail->origins);
        trail->states = realloc(trail->states, trail->capacity * sizeof *trail->states);
        assert(trail->origins != NULL && trail->states != NULL);
    }
    trail->origins[trail->count] = (struct origin){.parent = trail->at};
    if (action != NULL) {
        trail->origins[trail->count].action = *action;
    }
    trail->states[trail->count] = malloc(size);
    assert(trail->states[trail->count] != NULL);
    memcpy(trail->states[trail->count++], bytes, size);
    return 0;
}

/* The names of all actions from the first state to the one at `at`, and then of the last. */
static char *tell_way(const struct trail *trail, struct action last)
{
    uint64_t steps = 1;
    for (uint64_t at = trail->at; at != 0; at = trail->origins[at].parent) {
        steps++;
    }
    char *way = calloc(steps, SPACE_NAME_BYTES);
    assert(way != NULL);
    struct action *actions = calloc(steps, sizeof *actions);
    assert(actions != NULL);
    uint64_t step = steps - 1;
    actions[step] = last;
    for (uint64_t at = trail->at; at != 0; at = trail->origins[at].parent) {
        actions[--step] = trail->origins[at].action;
    }
    for (step = 0; step < steps; step++) {
        char name[SPACE_NAME_BYTES];
        space_name_action(&trail->search.parts, &actions[step], name);
        strncat(way, name, SPACE_NAME_BYTES);
        strncat(way, step + 1 < steps ? "," : "", 2);
    }
    free(actions);
    return way;
}

char *search_way(const struct search_options *options, struct violation *violation)
{
    struct search_result result;
    struct trail trail = {0};
    struct state state;
    char *way = NULL;
    begin(&trail.search, options, &result);
    trail.explorer = explorer_new(&trail.search.parts);
    *violation = (struct violation){0};
    if (space_first(trail.explorer, &state, violation) != 0) {
        way = calloc(1, 1);
    } else {
        (void)remember(&trail, NULL, &state);
    }
    for (; way == NULL && trail.at < trail.count; trail.at++) {
        if (visited_reserve(&trail.search.visited, trail.count, 1000, options->bytes_max) != 0) {
            break;
        }
        (void)space_decode(&trail.search.parts, trail.states[trail.at], &state);
        if (space_expand(trail.explorer, &state, remember, &trail, violation) != 0) {
            way = tell_way(&trail, space_broken_by(trail.explorer));
        }
    }
    for (uint64_t i = 0; i < trail.count; i++) {
        free(trail.states[i]);
    }
    free(trail.states);
    free(trail.origins);
    explorer_free(trail.explorer);
    end(&trail.search);
    return way;
}
