/* item_test.c -- which version of a key may follow which: a snapshot that says otherwise lies. */
#include <string.h>

#include "kv/item.h"
#include "test.h"

/* A version as it is said to be. */
struct said {
    int64_t create_revision;
    int64_t mod_revision;
    int64_t version; /* 0: a tombstone. */
    int64_t lease;
    uint32_t value_size;
    uint32_t sub;
};

static struct item *item_of(const struct said *said)
{
    static const uint8_t value[8] = {0};
    struct item *item =
        item_new(bytes_of((const uint8_t *)"k", 1), bytes_of(value, said->value_size));
    assert_non_null(item);
    item->create_revision = said->create_revision;
    item->mod_revision = said->mod_revision;
    item->version = said->version;
    item->lease = said->lease;
    item->sub = said->sub;
    return item;
}

static int may_follow(const struct said *newer, const struct said *older)
{
    struct item *item = item_of(newer);
    struct item *before = older == NULL ? NULL : item_of(older);
    const int answer = item_may_follow(item, before);
    item_free(item);
    if (before != NULL) {
        item_free(before);
    }
    return answer;
}

/* Second put of a key that was made in revision 5; and the tombstone behind it. */
static const struct said PUT = {.create_revision = 5, .mod_revision = 7, .version = 2};
static const struct said TOMBSTONE = {.mod_revision = 9};

TEST(item, may_follow_a_put_as_the_next_put_or_as_its_tombstone)
{
    assert_true(may_follow(&(struct said){5, 8, 3, 0, 4, 0}, &PUT));
    assert_true(may_follow(&(struct said){5, 7, 3, 0, 4, 1}, &PUT)); /* In the same revision. */
    assert_true(may_follow(&TOMBSTONE, &PUT));
    assert_false(may_follow(&(struct said){5, 8, 4, 0, 4, 0}, &PUT)); /* A version is missing. */
    assert_false(may_follow(&(struct said){8, 8, 3, 0, 4, 0}, &PUT)); /* Made anew, undeleted. */
    assert_false(may_follow(&(struct said){5, 6, 3, 0, 4, 0}, &PUT)); /* Written before it. */
    assert_false(may_follow(&(struct said){5, 7, 3, 0, 4, 0}, &PUT)); /* At once with it. */
}

TEST(item, may_follow_a_tombstone_as_a_new_key_alone)
{
    assert_true(may_follow(&(struct said){10, 10, 1, 0, 4, 0}, &TOMBSTONE));
    assert_false(may_follow(&(struct said){5, 10, 1, 0, 4, 0}, &TOMBSTONE));
    assert_false(may_follow(&(struct said){10, 10, 2, 0, 4, 0}, &TOMBSTONE));
    assert_false(may_follow(&(struct said){0, 10, 0, 0, 0, 0}, &TOMBSTONE)); /* Deleted twice. */
}

TEST(item, may_be_a_tombstone_with_nothing_in_it_alone)
{
    assert_false(may_follow(&TOMBSTONE, NULL)); /* Of what? */
    assert_false(may_follow(&(struct said){5, 9, 0, 0, 0, 0}, &PUT));
    assert_false(may_follow(&(struct said){0, 9, 0, 3, 0, 0}, &PUT));
    assert_false(may_follow(&(struct said){0, 9, 0, 0, 4, 0}, &PUT));
}

/* What was before may have been compacted away. */
TEST(item, may_be_the_first_that_is_left_if_its_numbers_agree)
{
    assert_true(may_follow(&PUT, NULL));
    assert_true(may_follow(&(struct said){5, 5, 1, 0, 4, 0}, NULL));
    assert_false(may_follow(&(struct said){5, 7, 1, 0, 4, 0}, NULL)); /* The first made it. */
    assert_false(may_follow(&(struct said){0, 7, 2, 0, 4, 0}, NULL));
    assert_false(may_follow(&(struct said){8, 7, 2, 0, 4, 0}, NULL));
    assert_true(may_follow(&(struct said){5, 7, 3, 0, 4, 0}, NULL));
    assert_false(may_follow(&(struct said){5, 7, 4, 0, 4, 0}, NULL)); /* Of three revisions. */
    assert_false(may_follow(&(struct said){5, 7, INT64_MAX, 0, 4, 0}, NULL));
}

TEST(bytes, are_whole_if_they_are_somewhere_or_nothing)
{
    assert_true(bytes_is_whole(bytes_of("x", 1)));
    assert_true(bytes_is_whole(bytes_of(NULL, 0)));
    assert_false(bytes_is_whole(bytes_of(NULL, 1)));
}
