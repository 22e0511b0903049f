/* SPDX-License-Identifier: MIT */
/* Watching the kernel's end of a connection from the other side of the link. See kernel_watch.h.
 *
 * The kernel handles a packet in the very call that hands it over, so the state asked right after
 * is the one it led to. A packet of the kernel's is recorded when it is read, and the state asked
 * then; the two may be apart when the kernel is far ahead of us, which a connection with pauses
 * never is. */
#include "kernel_watch.h"

#include <stdlib.h>

#include "duet/trace.h"

struct watch_link {
    struct duet_link link; /* first, so that a link is a watch link */
    struct kernel_watch *watch;
};

/* What the watch wants to know of a segment. */
struct segment {
    uint16_t source, destination;
    uint32_t ack, end; /* end: the number after the last of text, SYN and FIN */
    unsigned flags;
};

static uint32_t number(const uint8_t *at, unsigned bytes)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

/* The TCP segment in a packet of the connection's family without extension headers, which is all
 * that a kernel sends on a link of its own. False: something else, which is nobody's business here.
 */
static bool read_segment(const struct duet_packet *packet, struct segment *segment)
{
    const uint8_t *bytes = packet->data;
    bool is_ipv6 = packet->length >= 40 && bytes[0] >> 4 == 6;
    uint32_t header = is_ipv6 ? 40 : packet->length >= 20 ? 4U * (bytes[0] & 15) : 0;
    uint32_t text;
    const uint8_t *tcp = bytes + header;

    if (header < 20 || packet->length < header + 20 || bytes[is_ipv6 ? 6 : 9] != 6)
        return false;
    segment->source = (uint16_t)number(tcp, 2);
    segment->destination = (uint16_t)number(tcp + 2, 2);
    segment->ack = number(tcp + 8, 4);
    segment->flags = number(tcp + 12, 2) & 0x1ff;
    text = packet->length - header - 4U * (tcp[12] >> 4);
    segment->end = number(tcp + 4, 4) + text + ((segment->flags & DUET_SYN) != 0) +
                   ((segment->flags & DUET_FIN) != 0);
    return true;
}

static void conclude(struct kernel_watch *watch, duet_time now, const struct segment *segment,
                     bool is_departure)
{
    bool acks_fin = watch->fin_left && segment->ack == watch->fin_ack;

    watch->state = duet_kernel_infer(watch->state, is_departure, segment->flags, acks_fin);
    duet_recorder_state(watch->recorder, watch->end, now, watch->state, true);
}

static bool ask(struct kernel_watch *watch, duet_time now)
{
    if (duet_kernel_state(&watch->kernel, &watch->peer, *watch->socket, &watch->state) < 0)
        return false;
    duet_recorder_state(watch->recorder, watch->end, now, watch->state, false);
    return true;
}

void kernel_watch_ask(struct kernel_watch *watch, duet_time now)
{
    if (ask(watch, now))
        return;
    duet_recorder_state(watch->recorder, watch->end, now, watch->state, true);
}

static bool watch_send(struct duet_link *link, duet_time now, const struct duet_packet *packet)
{
    struct kernel_watch *watch = ((struct watch_link *)(void *)link)->watch;
    bool sent = watch->inner->send(watch->inner, now, packet);
    struct segment segment;

    link->error = watch->inner->error;
    if (!sent)
        return false;
    watch->sent(watch->context);
    duet_recorder_arrived(watch->recorder, watch->end, now, packet);
    if (!read_segment(packet, &segment))
        return true;
    watch->peer.port = segment.source;
    watch->kernel.port = segment.destination;
    if (!ask(watch, now))
        conclude(watch, now, &segment, false);
    return true;
}

static bool watch_receive(struct duet_link *link, duet_time now, struct duet_packet *packet)
{
    struct kernel_watch *watch = ((struct watch_link *)(void *)link)->watch;
    struct segment segment;

    do {
        bool received = watch->inner->receive(watch->inner, now, packet);

        link->error = watch->inner->error;
        if (!received)
            return false;
    } while (!read_segment(packet, &segment));
    packet->tag = duet_recorder_sent(watch->recorder, watch->end, now, packet);
    watch->kernel.port = segment.source;
    watch->peer.port = segment.destination;
    if (segment.flags & DUET_FIN) {
        watch->fin_left = true;
        watch->fin_ack = segment.end;
    }
    if (!ask(watch, now))
        conclude(watch, now, &segment, true);
    return true;
}

static duet_time watch_deadline(const struct duet_link *link)
{
    struct duet_link *inner = ((const struct watch_link *)(const void *)link)->watch->inner;

    return inner->deadline(inner);
}

static int watch_descriptor(const struct duet_link *link)
{
    struct duet_link *inner = ((const struct watch_link *)(const void *)link)->watch->inner;

    return inner->descriptor(inner);
}

static void watch_close(struct duet_link *link)
{
    struct watch_link *self = (struct watch_link *)(void *)link;

    self->watch->inner->close(self->watch->inner);
    free(self);
}

int kernel_watch_link(struct kernel_watch *watch, struct duet_link **link)
{
    struct watch_link *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return -1;
    self->link =
        (struct duet_link){.send = watch_send,
                           .receive = watch_receive,
                           .deadline = watch_deadline,
                           .descriptor = watch_descriptor,
                           .close = watch_close,
                           .mtu = watch->inner->mtu,
                           .offload = watch->inner->offload & ~(uint32_t)DUET_OFFLOAD_GATHER};
    self->watch = watch;
    *link = &self->link;
    return 0;
}
