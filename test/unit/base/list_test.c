/* list_test.c -- what base/list promises, claim by claim. */
#include "base/list.h"

#include "test.h"

struct item {
    int number;
    struct list link;
};

/* The numbers in the list as one decimal number, first digit first. */
static int digits_of(struct list *head)
{
    struct list *link, *following;
    int digits = 0;
    LIST_FOREACH (head, link, following) {
        digits = digits * 10 + LIST_ITEM(link, struct item, link)->number;
    }
    return digits;
}

TEST(list, keeps_the_order_of_appending)
{
    struct list head;
    struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    list_init(&head);
    assert_true(list_is_empty(&head));
    for (int i = 0; i < 3; i++) {
        list_append(&head, &items[i].link);
    }
    assert_false(list_is_empty(&head));
    assert_int_equal(digits_of(&head), 123);
}

TEST(list, stands_removal_twice_and_of_what_was_never_in)
{
    struct list head;
    struct item items[2] = {{.number = 1}, {.number = 2}};
    list_init(&head);
    list_init(&items[1].link);
    list_remove(&items[1].link);
    list_append(&head, &items[0].link);
    list_append(&head, &items[1].link);
    list_remove(&items[0].link);
    list_remove(&items[0].link);
    assert_int_equal(digits_of(&head), 2);
}

TEST(list, can_lose_each_item_as_it_is_visited)
{
    struct list head, *link, *following;
    struct item items[4] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    int visited = 0;
    list_init(&head);
    for (int i = 0; i < 4; i++) {
        list_append(&head, &items[i].link);
    }
    LIST_FOREACH (&head, link, following) {
        visited++;
        list_remove(link);
    }
    assert_int_equal(visited, 4);
    assert_true(list_is_empty(&head));
}
