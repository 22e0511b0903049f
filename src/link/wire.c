/* SPDX-License-Identifier: MIT */
/* A wire inside this process: two ends, and what one sends the other receives after a fixed delay.
 *
 * Every direction is a list of copied packets in the order of their arrival. A packet arrives delay
 * after it leaves, and it leaves when it is sent or at its departure time, whichever is later; of
 * packets that arrive at the same instant the one sent first comes first. The list is searched from
 * its end, where packets in order of time belong, so ordinary sending costs nothing.
 *
 * Offload fields travel as they are: the wire itself asks for none (offload is 0), but a caller who
 * sets link->offload may send large packets from one duet to another.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "duet/link.h"

enum { WIRE_MTU = 1500 };

struct wire_packet {
    struct wire_packet *next, *prev;
    duet_time arrival;
    struct duet_packet packet; /* data points behind this struct */
};

struct wire;

struct wire_end {
    struct duet_link link; /* first, so that a link is a wire end */
    struct wire *wire;
    struct wire_end *other;
    bool closed;
    struct wire_packet *first, *last; /* on their way to this end, by arrival */
};

struct wire {
    struct wire_end ends[2];
    duet_time delay;
};

static struct wire_end *wire_end(struct duet_link *link)
{
    return (struct wire_end *)(void *)link;
}

static duet_time add_time(duet_time at, duet_time more)
{
    return at > DUET_NEVER - more ? DUET_NEVER : at + more;
}

static void insert_by_arrival(struct wire_end *end, struct wire_packet *node)
{
    struct wire_packet *after = end->last;

    while (after != NULL && after->arrival > node->arrival)
        after = after->prev;
    node->prev = after;
    node->next = after != NULL ? after->next : end->first;
    if (node->prev != NULL)
        node->prev->next = node;
    else
        end->first = node;
    if (node->next != NULL)
        node->next->prev = node;
    else
        end->last = node;
}

static void take_first(struct wire_end *end)
{
    struct wire_packet *node = end->first;

    end->first = node->next;
    if (end->first != NULL)
        end->first->prev = NULL;
    else
        end->last = NULL;
    free(node);
}

static bool wire_send(struct duet_link *link, duet_time now, const struct duet_packet *packet)
{
    struct wire_end *end = wire_end(link);
    struct wire_packet *node;

    if (end->other->closed)
        return true; /* a wire nobody holds: sending works, arriving does not */
    node = malloc(sizeof(*node) + packet->length);
    if (node == NULL) {
        link->error = ENOMEM;
        return false;
    }
    node->packet = *packet;
    node->packet.data = (uint8_t *)(node + 1);
    memcpy(node->packet.data, packet->data, packet->length);
    node->arrival = add_time(packet->departure > now ? packet->departure : now, end->wire->delay);
    insert_by_arrival(end->other, node);
    return true;
}

static bool wire_receive(struct duet_link *link, duet_time now, struct duet_packet *packet)
{
    struct wire_end *end = wire_end(link);

    while (end->first != NULL && end->first->arrival <= now) {
        const struct duet_packet *arrived = &end->first->packet;

        if (arrived->length > packet->size) { /* would be cut: as good as lost */
            link->error = EMSGSIZE;
            take_first(end);
            continue;
        }
        memcpy(packet->data, arrived->data, arrived->length);
        packet->length = arrived->length;
        packet->segment_size = arrived->segment_size;
        packet->checksum_start = arrived->checksum_start;
        packet->checksum_offset = arrived->checksum_offset;
        packet->flags = arrived->flags;
        packet->departure = arrived->departure;
        packet->tag = arrived->tag;
        take_first(end);
        return true;
    }
    return false;
}

static duet_time wire_deadline(const struct duet_link *link)
{
    const struct wire_end *end = (const struct wire_end *)(const void *)link;

    return end->first != NULL ? end->first->arrival : DUET_NEVER;
}

static int wire_descriptor(const struct duet_link *link)
{
    (void)link;
    return -1;
}

/* The two ends are one piece of memory, freed with the second of them. */
static void wire_close(struct duet_link *link)
{
    struct wire_end *end = wire_end(link);

    while (end->first != NULL)
        take_first(end);
    end->closed = true;
    if (end->other->closed)
        free(end->wire);
}

int duet_wire_pair(duet_time delay, struct duet_link **a, struct duet_link **b)
{
    struct wire *wire;

    if (delay < 0) {
        errno = EINVAL;
        return -1;
    }
    wire = calloc(1, sizeof(*wire));
    if (wire == NULL)
        return -1;
    wire->delay = delay;
    for (int i = 0; i < 2; i++) {
        struct wire_end *end = &wire->ends[i];

        end->wire = wire;
        end->other = &wire->ends[1 - i];
        end->link = (struct duet_link){.send = wire_send,
                                       .receive = wire_receive,
                                       .deadline = wire_deadline,
                                       .descriptor = wire_descriptor,
                                       .close = wire_close,
                                       .mtu = WIRE_MTU};
    }
    *a = &wire->ends[0].link;
    *b = &wire->ends[1].link;
    return 0;
}
