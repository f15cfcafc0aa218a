/*
 * Intrusive doubly-linked circular list, analogous to Linux's <linux/list.h>.
 * A node that is on no list points to itself, so that list_del is safe to repeat.
 */
#pragma once

#include <stdbool.h>

#include "lib/macros.h"

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(name)                                                                            \
    {                                                                                              \
        &(name), &(name)                                                                           \
    }

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}
static inline bool list_is_singular(const struct list *l)
{
    return !list_empty(l) && l->next == l->prev;
}
static inline void list_insert_(struct list *n, struct list *prev, struct list *next)
{
    next->prev = n;
    n->next = next;
    n->prev = prev;
    prev->next = n;
}
/* Adds n right after head: it becomes the first. */
static inline void list_add(struct list *n, struct list *head)
{
    list_insert_(n, head, head->next);
}
static inline void list_add_tail(struct list *n, struct list *head)
{
    list_insert_(n, head->prev, head);
}
static inline void list_del(struct list *n)
{
    n->next->prev = n->prev;
    n->prev->next = n->next;
    list_init(n);
}
static inline void list_move_tail(struct list *n, struct list *head)
{
    list_del(n);
    list_add_tail(n, head);
}
/* Moves all of from to the end of to; from is left empty. */
static inline void list_splice_tail(struct list *from, struct list *to)
{
    if (!list_empty(from)) {
        struct list *first = from->next, *last = from->prev, *at = to->prev;
        first->prev = at;
        at->next = first;
        last->next = to;
        to->prev = last;
        list_init(from);
    }
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first_entry(head, type, member)                                                       \
    (list_empty(head) ? NULL : list_entry((head)->next, type, member))
#define list_for_each(pos, head) for (pos = (head)->next; pos != (head); pos = pos->next)
#define list_for_each_entry(pos, head, member)                                                     \
    for (pos = list_entry((head)->next, __typeof__(*pos), member); &pos->member != (head);         \
         pos = list_entry(pos->member.next, __typeof__(*pos), member))
/* The body may delete pos, and nothing else. */
#define list_for_each_entry_safe(pos, tmp, head, member)                                           \
    for (pos = list_entry((head)->next, __typeof__(*pos), member),                                 \
        tmp = list_entry(pos->member.next, __typeof__(*pos), member);                              \
         &pos->member != (head);                                                                   \
         pos = tmp, tmp = list_entry(tmp->member.next, __typeof__(*tmp), member))
