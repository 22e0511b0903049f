/* SPDX-License-Identifier: MIT */
/* Links are indices, so a list stays right when the block that holds it is copied elsewhere. */
#include "base/list.h"

#include "base/check.h"

static struct list_link *link_at(const struct list *list, uint32_t index)
{
    void *link = list->links + (size_t)index * list->stride;
    return link;
}

void list_init(struct list *list, void *link_of_record_0, size_t stride)
{
    *list = (struct list){
        .links = link_of_record_0,
        .stride = stride,
        .first = LIST_NONE,
        .last = LIST_NONE,
    };
}

void list_link_init(struct list_link *link)
{
    link->next = LIST_OFF;
    link->prev = LIST_NONE;
}

bool list_has(const struct list *list, uint32_t index)
{
    return link_at(list, index)->next != LIST_OFF;
}

void list_append(struct list *list, uint32_t index)
{
    struct list_link *link = link_at(list, index);
    CHECK(index < LIST_OFF);
    CHECK(link->next == LIST_OFF);

    link->next = LIST_NONE;
    link->prev = list->last;
    if (list->last == LIST_NONE)
        list->first = index;
    else
        link_at(list, list->last)->next = index;
    list->last = index;
    list->count++;
}

void list_remove(struct list *list, uint32_t index)
{
    struct list_link *link = link_at(list, index);
    CHECK(link->next != LIST_OFF);
    CHECK(list->count > 0);

    if (link->prev == LIST_NONE) {
        CHECK(list->first == index);
        list->first = link->next;
    } else {
        link_at(list, link->prev)->next = link->next;
    }
    if (link->next == LIST_NONE) {
        CHECK(list->last == index);
        list->last = link->prev;
    } else {
        link_at(list, link->next)->prev = link->prev;
    }
    list->count--;
    list_link_init(link);
}

uint32_t list_pop(struct list *list)
{
    const uint32_t index = list->first;
    if (index == LIST_NONE)
        return index;
    struct list_link *link = link_at(list, index);
    CHECK(link->next != LIST_OFF);
    CHECK(list->count > 0);
    list->first = link->next;
    if (link->next == LIST_NONE)
        list->last = LIST_NONE;
    else
        link_at(list, link->next)->prev = LIST_NONE;
    list->count--;
    list_link_init(link);
    return index;
}

bool list_is_sound(const struct list *list)
{
    uint32_t count = 0;
    uint32_t prev = LIST_NONE;
    for (uint32_t index = list->first; index != LIST_NONE; index = link_at(list, index)->next) {
        if (link_at(list, index)->prev != prev || ++count > list->count)
            return false;
        prev = index;
    }
    return prev == list->last && count == list->count;
}
