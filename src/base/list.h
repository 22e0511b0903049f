/* SPDX-License-Identifier: MIT */
/* A doubly linked list through records of a pool, by index: 8 bytes a record, O(1) everywhere.
 * The list does not know the records: it is told where a record's link is (records + index *
 * record_size + link_offset). A record knows whether it is on the list: link.next is LIST_OFF if
 * not. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIST_NONE UINT32_MAX       /* no neighbour */
#define LIST_OFF  (UINT32_MAX - 1) /* in link.next: not on any list */

struct list_link {
    uint32_t next, prev;
};

struct list {
    uint8_t *links; /* address of the link of record 0 */
    size_t stride;  /* bytes from one record to the next */
    uint32_t first, last;
    uint32_t count;
};

void list_init(struct list *list, void *link_of_record_0, size_t stride);
void list_link_init(struct list_link *link); /* before first use of a record */
bool list_has(const struct list *list, uint32_t index);
void list_append(struct list *list, uint32_t index); /* must not be on a list */
void list_remove(struct list *list, uint32_t index); /* must be on this list */
bool list_is_sound(const struct list *list);         /* for checks: walks all of it */
uint32_t list_pop(struct list *list);                /* first record taken off, or LIST_NONE */

#endif
