/* search_test.c -- the search tells the shortest way to what it finds, within its memory.
 *
 * Paxos breaks no claim, so these tests claim what is not so. */
#include "sim/explore/search.h"

#include <stdlib.h>
#include <string.h>

#include "sim/explore/story.h"
#include "test.h"

enum {
    MIB = 1 << 20,
    STEP = 1 << 17, /* How finely the bound on memory is looked for. */
};

static int break_claim(struct violation *violation)
{
    violation->claim = "what is not so";
    return -1;
}

static int nobody_applies(__attribute__((unused)) void *context, const struct world_parts *parts,
                          const struct state *state, struct violation *violation)
{
    for (uint32_t m = 0; m < parts->scope->members; m++) {
        if (node_at(parts, state->nodes[m])->applied > 0) {
            return break_claim(violation);
        }
    }
    return 0;
}

/* How many states are reached before the first that takes so many steps, and how far a search is in
 * that. */
struct count {
    uint32_t depth;
    uint64_t before;
    uint64_t reached;
};

static void note_level(void *context, const struct search_result *result)
{
    struct count *count = context;
    if (result->depth == count->depth - 1 && count->before == 0) {
        count->before = result->steps;
    }
}

static int nothing_is_so_far(void *context, __attribute__((unused)) const struct world_parts *parts,
                             __attribute__((unused)) const struct state *state,
                             struct violation *violation)
{
    struct count *count = context;
    return count->reached++ == count->before ? break_claim(violation) : 0;
}

static int nothing_is(__attribute__((unused)) void *context,
                      __attribute__((unused)) const struct world_parts *parts,
                      __attribute__((unused)) const struct state *state,
                      struct violation *violation)
{
    return break_claim(violation);
}

static struct search_options options_of_first_scope(void)
{
    uint32_t count;
    return (struct search_options){
        .scope = scope_list("ci", &count), .bytes_max = 512 * MIB, .threads = 2};
}

static uint32_t steps_of(const char *way)
{
    uint32_t steps = *way != 0;
    for (; *way != 0; way++) {
        steps += *way == ',';
    }
    return steps;
}

/* What happens on a way, as text. */
static char *play(const struct scope *scope, const char *way)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    assert_int_equal(story_tell(scope, way, to, NULL), 0); /* It can happen, and breaks nothing. */
    fclose(to);
    return text;
}

TEST(search, tells_the_shortest_way)
{
    struct search_options options = options_of_first_scope();
    struct search_result result;
    struct violation violation;
    options.claim = nobody_applies;
    search_run(&options, &result);
    assert_string_equal(result.violation.claim, "what is not so");
    assert_false(result.is_whole);
    char *way = search_way(&options, &result, &violation);
    assert_non_null(way);
    assert_string_equal(violation.claim, "what is not so");
    assert_int_equal(steps_of(way), 6); /* Both phases, there and back, and who begins them. */
    assert_int_equal(steps_of(way), result.depth + 1);
    char *text = play(options.scope, way);
    assert_non_null(strstr(text, "applies slot 1"));
    free(text);
    free(way);
}

TEST(search, tells_of_the_first_state)
{
    struct search_options options = options_of_first_scope();
    struct search_result result;
    struct violation violation;
    options.claim = nothing_is;
    search_run(&options, &result);
    assert_string_equal(result.violation.claim, "what is not so");
    char *way = search_way(&options, &result, &violation);
    assert_string_equal(way, "");
    free(way);
}

static void search_anew(const struct search_options *options, struct search_result *result)
{
    struct count *count = options->context;
    count->reached = 0;
    search_run(options, result);
}

/* In as little memory as the search finds it in, the way to it is found as well: where nothing but
 * the ways makes a difference, for the claim is broken as soon as the last level begins. */
TEST(search, has_memory_left_for_the_way)
{
    struct count count = {.depth = 13};
    struct search_options options = options_of_first_scope();
    struct search_result result;
    struct violation violation;
    uint64_t too_few = 0;
    uint64_t enough = 128 * (MIB / STEP);
    options.threads = 1; /* The same memory for the same states. */
    options.context = &count;
    options.states_max = 100000;
    options.on_progress = note_level;
    search_run(&options, &result);
    assert_true(count.before > 20000);
    options.on_progress = NULL;
    options.claim = nothing_is_so_far;
    while (too_few + 1 < enough) {
        const uint64_t middle = (too_few + enough) / 2;
        options.bytes_max = middle * STEP;
        search_anew(&options, &result);
        if (result.violation.claim == NULL) {
            assert_true(result.is_full);
            too_few = middle;
        } else {
            enough = middle;
        }
    }
    options.bytes_max = enough * STEP;
    search_anew(&options, &result);
    assert_non_null(result.violation.claim);
    assert_int_equal(result.depth + 1, count.depth);
    count.reached = 0;
    char *way = search_way(&options, &result, &violation);
    assert_non_null(way);
    assert_int_equal(steps_of(way), count.depth);
    free(play(options.scope, way));
    free(way);
}
