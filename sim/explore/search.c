/* search.c -- the two searches: the wide one, and the one that remembers its way.
 *
 * They are the same, but that the second carries with each state that waits the way to it: a byte
 * for each step, which says the how many-th successor it was. So nothing is kept for a state that
 * is done, there as here; and the first search counts as used what the second will need besides.
 * What it finds within its bounds can be told within them. */
#include "sim/explore/search.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"
#include "sim/explore/frontier.h"
#include "sim/explore/visited.h"

enum {
    THREADS_MAX = 64
};

struct search {
    const struct search_options *options;
    struct world_parts parts;
    struct visited visited;
    struct frontier levels[2]; /* This one, and the next: see `turn`. */
    uint32_t turn;
    uint32_t level;      /* How many steps lead to the states of the next one. */
    uint32_t keeps_ways; /* The way to each state goes with it. */
    uint32_t level_last; /* Then: the level whose states need not be kept. */
    struct search_result *result;
    double begun;
    _Atomic uint64_t states;
    _Atomic uint64_t steps;
    _Atomic uint64_t memo_bytes; /* Of all threads. */
    _Atomic uint32_t is_over;    /* A claim is broken, or there is no more room. */
    _Atomic uint32_t is_full;
    pthread_mutex_t mutex;   /* Of what follows, and of the violation. */
    uint8_t *broken_way;     /* To the state in which a claim is broken next, by ... */
    struct action broken_by; /* ... this. */
};

/* A thread of the search. */
struct seeker {
    struct search *search;
    struct explorer *explorer;
    struct frontier_chunk *out;
    const uint8_t *way;  /* To the state whose successors are visited, ... */
    uint32_t successors; /* ... of which there were so many so far. */
    uint64_t states;
    uint64_t steps;
    uint64_t memo_bytes; /* As of the last time it was told. */
    struct violation violation;
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

/* What a second search would need besides, for the ways: two bytes too many for each state that
 * waits, and chunks that are not full in either level. */
static uint64_t bytes_of_ways(struct search *search, uint64_t waiting)
{
    const uint64_t states = waiting / space_state_bytes(&search->parts);
    return search->keeps_ways ? 0
                              : states * (search->level + 2) +
                                    2 * search->options->threads * sizeof(struct frontier_chunk);
}

/* Of memory, for all that grows. */
static uint64_t bytes_used(struct search *search)
{
    const uint64_t waiting =
        atomic_load(&search->levels[0].bytes) + atomic_load(&search->levels[1].bytes);
    return search->visited.slot_count * sizeof(uint64_t) + waiting +
           bytes_of_ways(search, waiting) + world_parts_bytes(&search->parts) +
           atomic_load(&search->memo_bytes);
}

/* -- The wide search ------------------------------------------------------------------------ */

static void end_full(struct search *search)
{
    atomic_store(&search->is_full, 1);
    atomic_store(&search->is_over, 1);
}

static void hand_over(struct seeker *seeker)
{
    struct search *search = seeker->search;
    const uint64_t states = atomic_fetch_add(&search->states, seeker->states) + seeker->states;
    const uint64_t memo_bytes = explorer_bytes(seeker->explorer);
    if (search->options->states_max != 0 && states >= search->options->states_max) {
        atomic_store(&search->is_over, 1);
    }
    atomic_fetch_add(&search->memo_bytes, memo_bytes - seeker->memo_bytes);
    seeker->memo_bytes = memo_bytes;
    frontier_give(next_level(search), seeker->out);
    seeker->out = frontier_chunk_new();
    if (bytes_used(search) > search->options->bytes_max) {
        end_full(search);
    }
    atomic_fetch_add(&search->steps, seeker->steps);
    seeker->states = 0;
    seeker->steps = 0;
}

_Static_assert(SPACE_SUCCESSORS_MAX <= UINT8_MAX + 1, "a step of a way is a byte");

/* A new state, with the way to it if that is kept. */
static void keep(struct seeker *seeker, uint32_t size, uint32_t successor)
{
    uint8_t *end = seeker->out->bytes + seeker->out->used + size;
    if (seeker->search->keeps_ways && seeker->search->level > 0) {
        const uint32_t steps = seeker->search->level - 1;
        memcpy(end, seeker->way, steps);
        end[steps] = (uint8_t)successor;
        size += steps + 1;
    }
    seeker->out->used += size;
    seeker->out->count++;
    seeker->states++;
}

/* A state that a step led to: if it is new, it belongs to the next level. */
static int reach(void *context, __attribute__((unused)) const struct action *action,
                 const struct state *state)
{
    struct seeker *seeker = context;
    struct search *search = seeker->search;
    const struct search_options *options = search->options;
    const uint32_t successor = seeker->successors++;
    if (options->claim != NULL &&
        options->claim(options->context, &search->parts, state, &seeker->violation) != 0) {
        return -1;
    }
    seeker->steps++;
    if (search->keeps_ways && search->level == search->level_last) {
        return 0;
    }
    if (seeker->out->used + SPACE_STATE_BYTES_MAX + search->level > FRONTIER_CHUNK_BYTES) {
        hand_over(seeker);
    }
    uint8_t *to = seeker->out->bytes + seeker->out->used;
    const uint32_t size = space_encode(&search->parts, state, to);
    const int is_new = visited_add(&search->visited, XXH3_64bits(to, size));
    if (is_new < 0) {
        end_full(search);
    } else if (is_new) {
        keep(seeker, size, successor);
    }
    return 0;
}

static void note_violation(struct seeker *seeker)
{
    struct search *search = seeker->search;
    pthread_mutex_lock(&search->mutex);
    if (search->result->violation.claim == NULL) {
        search->result->violation = seeker->violation;
        search->broken_by = space_broken_by(seeker->explorer);
        if (search->keeps_ways && search->level > 1) {
            search->broken_way = malloc(search->level - 1);
            assert(search->broken_way != NULL);
            memcpy(search->broken_way, seeker->way, search->level - 1);
        }
    }
    pthread_mutex_unlock(&search->mutex);
    atomic_store(&search->is_over, 1);
}

static void *seek(void *context)
{
    struct seeker *seeker = context;
    struct search *search = seeker->search;
    const uint32_t way_bytes = search->keeps_ways ? search->level - 1 : 0;
    struct frontier_chunk *chunk;
    while (!atomic_load(&search->is_over) && (chunk = frontier_take(this_level(search))) != NULL) {
        uint32_t at = 0;
        for (uint32_t i = 0; i < chunk->count && !atomic_load(&search->is_over); i++) {
            struct state state;
            at += space_decode(&search->parts, chunk->bytes + at, &state);
            seeker->way = chunk->bytes + at;
            seeker->successors = 0;
            at += way_bytes;
            if (space_expand(seeker->explorer, &state, reach, seeker, &seeker->violation) != 0) {
                note_violation(seeker);
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
    pthread_t ids[THREADS_MAX];
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
        search->level++;
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

/* The search itself. `first` is where it began. */
static void seek_from(struct search *search, struct seeker *seekers, struct state *first)
{
    struct search_result *result = search->result;
    const uint32_t threads = search->options->threads;
    assert(threads >= 1 && threads <= THREADS_MAX);
    for (uint32_t i = 0; i < threads; i++) {
        seekers[i] = (struct seeker){.search = search,
                                     .explorer = explorer_new(&search->parts),
                                     .out = frontier_chunk_new()};
    }
    if (space_first(seekers[0].explorer, first, &result->violation) != 0) {
        return;
    }
    if (reach(&seekers[0], NULL, first) != 0) {
        note_violation(&seekers[0]);
        return;
    }
    hand_over(&seekers[0]);
    search->turn = 1 - search->turn;
    seek_all(search, seekers);
    tell_progress(search);
}

static void free_seekers(struct seeker *seekers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        explorer_free(seekers[i].explorer);
        free(seekers[i].out);
    }
}

void search_run(const struct search_options *options, struct search_result *result)
{
    struct search search;
    struct seeker seekers[THREADS_MAX];
    struct state first;
    begin(&search, options, result);
    seek_from(&search, seekers, &first);
    free_seekers(seekers, options->threads);
    end(&search);
}

/* -- The search that remembers --------------------------------------------------------------- */

struct retracing {
    uint32_t left;
    struct action action;
    struct state next;
};

static int is_next(void *context, const struct action *action, const struct state *state)
{
    struct retracing *retracing = context;
    if (retracing->left-- > 0) {
        return 0;
    }
    retracing->action = *action;
    retracing->next = *state;
    return 1;
}

static void add_name(const struct search *search, const struct action *action, char *way)
{
    char name[SPACE_NAME_BYTES];
    space_name_action(&search->parts, action, name);
    strncat(way, *way == 0 ? "" : ",", 2);
    strncat(way, name, SPACE_NAME_BYTES);
}

/* The names of all actions from the first state on, and of the one that breaks the claim. */
static char *tell_way(const struct search *search, struct explorer *explorer, struct state state)
{
    const uint32_t steps = search->level > 0 ? search->level - 1 : 0;
    struct violation none;
    char *way = calloc(steps + 1, SPACE_NAME_BYTES + 1);
    assert(way != NULL);
    for (uint32_t i = 0; i < steps; i++) {
        struct retracing retracing = {.left = search->broken_way[i]};
        const int found = space_expand(explorer, &state, is_next, &retracing, &none);
        assert(found == 1);
        add_name(search, &retracing.action, way);
        state = retracing.next;
    }
    if (search->level > 0) {
        add_name(search, &search->broken_by, way);
    }
    return way;
}

char *search_way(const struct search_options *options, const struct search_result *broken,
                 struct violation *violation)
{
    struct search_result result;
    struct search search;
    struct seeker seekers[THREADS_MAX];
    struct state first;
    assert(broken->violation.claim != NULL);
    begin(&search, options, &result);
    search.keeps_ways = 1;
    search.level_last = broken->depth + 1;
    seek_from(&search, seekers, &first);
    *violation = result.violation;
    char *way = violation->claim != NULL ? tell_way(&search, seekers[0].explorer, first) : NULL;
    free(search.broken_way);
    free_seekers(seekers, options->threads);
    end(&search);
    return way;
}
