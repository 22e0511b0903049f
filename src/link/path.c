/* SPDX-License-Identifier: MIT */
/* A path: a bottleneck, a delay, loss and reordering, in each direction its own. See duet/link.h.
 *
 *     send -> queue, drop-tail -> transmission at the rate -> lost? -> delay, late? -> receive
 *
 * Everything that will happen to a packet is decided when it is sent. The queue is not a list but
 * the instant at which the transmitter will have sent all it has taken: what waits is as many bytes
 * as the rate carries until then. Fractions of a nanosecond are carried from packet to packet, so
 * the rate holds exactly over any number of them.
 *
 * Chances are integers out of 2^32, and every packet behind the bottleneck draws the same numbers
 * whatever becomes of it. So the outcome is the same on every machine, and whether packets are lost
 * does not change which ones are late. Knows nothing of what is in a packet.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/prng.h"
#include "duet/link.h"
#include "link/path_transit.h"

enum { PATH_MTU = 1500, PATH_MTU_MIN = 576, PATH_MTU_MAX = 65535 };
enum { MILLION = 1000000, PATH_BURST_MAX = MILLION };

#define PATH_RATE_MIN  UINT64_C(1000)
#define PATH_RATE_MAX  UINT64_C(1000000000000)
#define PATH_DELAY_MAX (3600 * DUET_SECOND)

/* A byte takes 8 bits of 10^9 nanoseconds: bytes * this / rate. */
#define BYTE_BY_RATE (8 * (uint64_t)DUET_SECOND)

#define CHANCE_ONE (UINT64_C(1) << 32)

struct direction {
    struct duet_path_direction is;
    duet_time queue_time; /* to transmit a full queue; DUET_NEVER: no limit */
    uint64_t loss;        /* chances out of CHANCE_ONE: to lose a packet, or to turn bad ... */
    uint64_t recovery;    /* ... and to turn good again after a packet is lost */
    uint64_t late;
    bool is_bad;
    duet_time pause;  /* that ends a run of losses */
    duet_time latest; /* when the latest packet had been transmitted */
    struct prng loss_prng, late_prng;
    duet_time free_at;  /* when the transmitter will have sent all it has */
    uint64_t free_rest; /* and this many parts of 1 / rate nanoseconds */
    struct transit transit;
    struct duet_path_counts counts;
};

struct path;

struct path_end {
    struct duet_link link; /* first, so that a link is an end */
    struct path *path;
    struct path_end *other;
    struct direction out; /* what this end sends */
    bool closed;
};

struct path {
    struct path_end ends[2];
};

static struct path_end *end_of(struct duet_link *link)
{
    return (struct path_end *)(void *)link;
}

static const struct path_end *const_end_of(const struct duet_link *link)
{
    return (const struct path_end *)(const void *)link;
}

/* ---- chance ---- */

static bool draw(struct prng *prng, uint64_t chance)
{
    return prng_next(prng) >> 32 < chance;
}

/* Gilbert's model. In its long run the bad state takes loss / (loss + recovery) of all packets,
 * which is the share asked for, and a stay in it lasts 1 / recovery packets. */
static void set_chances(struct direction *d)
{
    const uint64_t loss = d->is.loss, burst = d->is.burst < 1 ? 1 : d->is.burst;

    d->late = d->is.reorder * CHANCE_ONE / MILLION;
    d->recovery = CHANCE_ONE / burst;
    if (burst == 1 || loss == MILLION)
        d->loss = loss * CHANCE_ONE / MILLION;
    else
        d->loss = loss * CHANCE_ONE / (burst * (MILLION - loss));
}

static bool is_lost(struct direction *d, duet_time done)
{
    const bool is_after_pause = done - d->latest > d->pause;

    d->latest = done;
    if (d->is.loss == 0)
        return false;
    if (d->is.burst <= 1 || d->is.loss == MILLION)
        return draw(&d->loss_prng, d->loss);
    if (is_after_pause)
        d->is_bad = false;
    d->is_bad = d->is_bad ? !draw(&d->loss_prng, d->recovery) : draw(&d->loss_prng, d->loss);
    return d->is_bad;
}

/* How much longer than the others this packet takes. */
static duet_time lateness(struct direction *d)
{
    if (d->late == 0 || !draw(&d->late_prng, d->late))
        return 0;
    return (duet_time)prng_below(&d->late_prng, (uint64_t)d->is.reorder_delay + 1);
}

/* ---- the bottleneck ---- */

/* The instant at which the packet will have been transmitted. False: the queue is full. */
static bool transmit(struct direction *d, duet_time now, uint32_t length, duet_time *done)
{
    duet_time start = d->free_at > now ? d->free_at : now;
    uint64_t rest = d->free_at > now ? d->free_rest : 0;
    uint64_t work;

    *done = now;
    if (d->is.rate == 0)
        return true;
    work = length * BYTE_BY_RATE + rest;
    *done = start + (duet_time)(work / d->is.rate);
    if (*done - now > d->queue_time)
        return false;
    d->free_at = *done;
    d->free_rest = work % d->is.rate;
    return true;
}

static bool path_send(struct duet_link *link, duet_time now, const struct duet_packet *packet)
{
    struct path_end *end = end_of(link);
    struct direction *d = &end->out;
    duet_time done, late;
    bool lost;

    if (packet->segment_size != 0 || packet->length > link->mtu) {
        link->error = packet->segment_size != 0 ? EINVAL : EMSGSIZE;
        return false;
    }
    d->counts.sent++;
    if (!transmit(d, now, packet->length, &done)) {
        d->counts.overflown++;
        return true;
    }
    lost = is_lost(d, done);
    late = lateness(d);
    d->counts.lost += lost;
    d->counts.late += late > 0 && !lost;
    if (lost || end->other->closed)
        return true;
    if (transit_add(&d->transit, done + d->is.delay + late, late > 0, packet))
        return true;
    link->error = ENOMEM;
    return false;
}

/* ---- arriving ---- */

static bool path_receive(struct duet_link *link, duet_time now, struct duet_packet *packet)
{
    struct transit *transit = &end_of(link)->other->out.transit;

    while (transit_next(transit) <= now) {
        if (transit_take(transit, packet) > packet->length) { /* cut: as good as lost */
            link->error = EMSGSIZE;
            continue;
        }
        if ((packet->flags & DUET_PACKET_CHECKSUM_PARTIAL) != 0)
            packet->flags = DUET_PACKET_CHECKED;
        return true;
    }
    return false;
}

static duet_time path_deadline(const struct duet_link *link)
{
    return transit_next(&const_end_of(link)->other->out.transit);
}

static int path_descriptor(const struct duet_link *link)
{
    (void)link;
    return -1;
}

/* The two ends are one piece of memory, freed with the second of them. */
static void path_close(struct duet_link *link)
{
    struct path_end *end = end_of(link);

    transit_free(&end->other->out.transit);
    end->closed = true;
    if (end->other->closed)
        free(end->path);
}

void duet_path_counts(const struct duet_link *end, struct duet_path_counts *counts)
{
    *counts = const_end_of(end)->out.counts;
}

/* ---- making ---- */

static bool is_valid(const struct duet_path_direction *d, uint32_t mtu)
{
    return (d->rate == 0 || (d->rate >= PATH_RATE_MIN && d->rate <= PATH_RATE_MAX)) &&
           d->delay >= 0 && d->delay <= PATH_DELAY_MAX && (d->queue == 0 || d->queue >= mtu) &&
           d->loss <= MILLION && d->burst <= PATH_BURST_MAX && d->reorder <= MILLION &&
           d->reorder_delay >= 0 && d->reorder_delay <= PATH_DELAY_MAX;
}

static void open_direction(struct direction *d, const struct duet_path_direction *is, uint32_t mtu,
                           uint64_t seed)
{
    d->is = *is;
    d->queue_time = is->rate == 0 || is->queue == 0
                        ? DUET_NEVER
                        : (duet_time)(is->queue * BYTE_BY_RATE / is->rate);
    d->pause = is->rate == 0 ? DUET_NEVER : (duet_time)(is->burst * mtu * BYTE_BY_RATE / is->rate);
    set_chances(d);
    prng_seed(&d->loss_prng, seed);
    prng_seed(&d->late_prng, prng_next(&d->loss_prng));
    transit_init(&d->transit, mtu);
}

int duet_path_pair(const struct duet_path_options *options, struct duet_link **a,
                   struct duet_link **b)
{
    const struct duet_path_direction *directions[2] = {&options->from_a, &options->from_b};
    const uint32_t mtu = options->mtu == 0 ? PATH_MTU : options->mtu;
    const uint32_t sums = DUET_OFFLOAD_CHECKSUM_OUT | DUET_OFFLOAD_CHECKSUM_IN;
    struct path *path;

    if (mtu < PATH_MTU_MIN || mtu > PATH_MTU_MAX || !is_valid(directions[0], mtu) ||
        !is_valid(directions[1], mtu) || (options->offload & ~sums) != 0) {
        errno = EINVAL;
        return -1;
    }
    path = calloc(1, sizeof(*path));
    if (path == NULL)
        return -1;
    for (uint64_t i = 0; i < 2; i++) {
        struct path_end *end = &path->ends[i];

        end->path = path;
        end->other = &path->ends[1 - i];
        end->link = (struct duet_link){.send = path_send,
                                       .receive = path_receive,
                                       .deadline = path_deadline,
                                       .descriptor = path_descriptor,
                                       .close = path_close,
                                       .mtu = mtu,
                                       .offload = options->offload};
        open_direction(&end->out, directions[i], mtu, options->seed * 2 + i);
    }
    *a = &path->ends[0].link;
    *b = &path->ends[1].link;
    return 0;
}
