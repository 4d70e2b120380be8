/* scope_test.c -- the worlds of the explorer, as they are written down. */
#include "sim/explore/scope.h"

#include <stdlib.h>
#include <string.h>

#include "sim/explore/story.h"
#include "test.h"

/* Play a way through a scope; what is drawn is the caller's to free. */
static char *play(const struct scope *scope, const char *way, int code)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    assert_int_equal(story_tell(scope, way, to, NULL), code);
    fclose(to);
    return text;
}

static const struct scope *scope_of(const char *depth, const char *name)
{
    uint32_t count = 0;
    const struct scope *scopes = scope_list(depth, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(scopes[i].name, name) == 0) {
            return &scopes[i];
        }
    }
    return NULL;
}

TEST(scope, has_a_prologue_that_can_happen)
{
    static const char *const DEPTHS[] = {"ci", "release"};
    uint32_t prologues = 0;
    for (size_t i = 0; i < 2; i++) {
        uint32_t count = 0;
        const struct scope *scopes = scope_list(DEPTHS[i], &count);
        for (uint32_t k = 0; k < count; k++) {
            free(play(&scopes[k], "", 0));
            prologues += scopes[k].prologue != NULL;
        }
    }
    assert_true(prologues >= 4);
}

/* C has voted for v1, and v2 is chosen: what the prologue is there for. */
TEST(scope, f_goes_on_where_a_value_is_learned_over_another_vote)
{
    char *text = play(scope_of("ci", "f"), "b>c:learn,fc,cc", 0);
    assert_non_null(strstr(text, "a to c: ACCEPT 2.a [1: v1]"));
    assert_non_null(strstr(text, "b to c: LEARN [1: v2]"));
    assert_non_null(strstr(text, "c: starts again"));
    free(text);
    free(play(scope_of("ci", "f"), "b>c:read", 2)); /* Nobody has sent that. */
}

/* A long time-out ends a candidacy; a short one repeats it, though two of them pass. */
TEST(scope, a3_repeats_and_gives_nothing_up)
{
    char *text = play(scope_of("release", "a3"), "sa,ta,ta,fa,a>b:prepare", 0);
    assert_non_null(strstr(text, "a: waits until it says again"));
    assert_non_null(strstr(text, "a to b: PREPARE 2.a"));
    free(text);
    free(play(scope_of("release", "a3"), "sa,ta,ta,fa,a>b:prepare,fb,b>a:promise,pa", 0));
}
