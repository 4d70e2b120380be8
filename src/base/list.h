/* list.h -- doubly linked lists whose links live in the things that are linked. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stddef.h>

/* Both the head of a list and a link in it. A head or link that is in no list points to
 * itself, so removing twice is harmless. */
struct list {
    struct list *next;
    struct list *previous;
};

static inline void list_init(struct list *list)
{
    list->next = list;
    list->previous = list;
}

static inline int list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *link)
{
    link->previous = head->previous;
    link->next = head;
    head->previous->next = link;
    head->previous = link;
}

static inline void list_remove(struct list *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    list_init(link);
}

/* The structure of type `type` whose member `member` is the link `link`. */
#define LIST_ITEM(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Visit every link. The one visited may be removed, no other. */
#define LIST_FOREACH(head, link, following)                                                        \
    for ((link) = (head)->next, (following) = (link)->next; (link) != (head);                      \
         (link) = (following), (following) = (link)->next)

#endif /* BASE_LIST_H */
