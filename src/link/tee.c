/* SPDX-License-Identifier: MIT */
/* The tee: a link around a link that shows a recorder what passes, in both directions, and
 * changes nothing but the tag. A packet gets its tag when it is sent here; the links below carry
 * it along, so that the tee at the other end tells which packet it was that arrived.
 */
#include <errno.h>
#include <stdlib.h>

#include "duet/link.h"
#include "duet/observe.h"

struct tee {
    struct duet_link link; /* first, so that a pointer to one is a pointer to the other */
    struct duet_link *inner;
    struct duet_recorder *recorder;
    unsigned end;
};

static struct tee *tee_of(struct duet_link *link)
{
    return (struct tee *)link;
}

static bool tee_send(struct duet_link *link, duet_time now, const struct duet_packet *packet)
{
    struct tee *tee = tee_of(link);
    struct duet_packet tagged = *packet;

    tagged.tag = duet_recorder_sent(tee->recorder, tee->end, now, packet);
    if (tee->inner->send(tee->inner, now, &tagged))
        return true;
    duet_recorder_unsent(tee->recorder, tagged.tag);
    link->error = tee->inner->error;
    return false;
}

static bool tee_receive(struct duet_link *link, duet_time now, struct duet_packet *packet)
{
    struct tee *tee = tee_of(link);

    if (!tee->inner->receive(tee->inner, now, packet)) {
        link->error = tee->inner->error;
        return false;
    }
    duet_recorder_arrived(tee->recorder, tee->end, now, packet);
    return true;
}

static duet_time tee_deadline(const struct duet_link *link)
{
    const struct tee *tee = (const struct tee *)link;

    return tee->inner->deadline(tee->inner);
}

static int tee_descriptor(const struct duet_link *link)
{
    const struct tee *tee = (const struct tee *)link;

    return tee->inner->descriptor(tee->inner);
}

static void tee_close(struct duet_link *link)
{
    struct tee *tee = tee_of(link);

    tee->inner->close(tee->inner);
    free(tee);
}

int duet_tee(struct duet_link *inner, struct duet_recorder *recorder, unsigned end,
             struct duet_link **link)
{
    struct tee *tee;

    if (end >= DUET_RECORDER_ENDS) {
        errno = EINVAL;
        return -1;
    }
    tee = malloc(sizeof *tee);
    if (tee == NULL)
        return -1;
    *tee = (struct tee){
        .link = {.send = tee_send,
                 .receive = tee_receive,
                 .deadline = tee_deadline,
                 .descriptor = tee_descriptor,
                 .close = tee_close,
                 .mtu = inner->mtu,
                 .offload = inner->offload & ~(uint32_t)DUET_OFFLOAD_GATHER},
        .inner = inner,
        .recorder = recorder,
        .end = end,
    };
    *link = &tee->link;
    return 0;
}
