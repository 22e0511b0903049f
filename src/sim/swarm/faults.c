/* SPDX-License-Identifier: MIT */
/* What strikes single packets. When the next one is struck is drawn in advance (the number of
 * packets until then is geometric, so each is struck with the same chance), and the earliest of all
 * is kept, so that the others cost one comparison. */
#include <string.h>

#include "base/check.h"
#include "sim/swarm/forge.h"
#include "sim/swarm/swarm.h"
#include "wire/checksum.h"
#include "wire/ip.h"

/* ---- when ---- */

/* Packets until the next hit. An exponential of integers only: -log2 of a number is its count of
 * leading zeros and a fraction, near enough for luck and the same on every machine. */
static uint32_t draw_gap(uint64_t luck, uint32_t rate)
{
    uint64_t mean = 1000000 / rate;
    unsigned zeros = 0;
    uint64_t fraction, logarithm;

    luck |= 1;
    while ((luck & UINT64_C(1) << 63) == 0) {
        luck <<= 1;
        zeros++;
    }
    fraction = luck >> 31 & UINT32_MAX; /* of [1, 2) above 1 */
    logarithm = ((uint64_t)(zeros + 1) << 32) - fraction;
    /* ln 2 = 0.693 = 45426 / 65536 */
    return 1 + (uint32_t)((mean * (logarithm >> 16) * 45426) >> 32);
}

static uint32_t listed(const struct swarm *w, const struct host *host, unsigned fault,
                       uint32_t after)
{
    uint32_t next = UINT32_MAX;

    for (uint32_t i = 0; i < w->recipe->hit_count; i++) {
        const struct duet_sim_hit *hit = &w->recipe->hits[i];

        if (hit->fault == fault && hit->host == host->number && hit->number > after)
            next = min_u32(next, hit->number);
    }
    return next;
}

static void draw_next(const struct swarm *w, struct host *host, unsigned fault)
{
    struct strike *strike = &host->strikes[fault];
    uint32_t rate = w->plan.rates[fault];
    uint32_t last = strike->ordinal == 0 ? 0 : strike->next;

    if (w->recipe->has_hits) {
        strike->next = rate == 0 ? UINT32_MAX : listed(w, host, fault, last);
    } else if (rate == 0) {
        strike->next = UINT32_MAX;
    } else {
        uint64_t luck = luck_number(w->recipe->seed, LUCK_HIT, (uint64_t)fault << 8 | host->number,
                                    strike->ordinal);

        strike->next = last + draw_gap(luck, rate);
    }
    strike->ordinal++;
}

static void find_next(struct host *host)
{
    host->next_strike = UINT32_MAX;
    for (unsigned fault = 0; fault < SWARM_PACKET_FAULTS; fault++)
        host->next_strike = min_u32(host->next_strike, host->strikes[fault].next);
}

void faults_open(struct swarm *w, struct host *host)
{
    for (unsigned fault = 0; fault < SWARM_PACKET_FAULTS; fault++)
        draw_next(w, host, fault);
    find_next(host);
}

/* ---- what ---- */

struct deed {
    struct swarm *w;
    struct host *from;
    uint32_t slot;
    struct prng prng;
    duet_time *later; /* than usual */
};

/* Each does one deed. False: the packet does not go on. */
static bool lose(struct deed *deed)
{
    packets_give(deed->w, deed->slot);
    return false;
}

static bool duplicate(struct deed *deed)
{
    duet_time behind = (duet_time)prng_below(&deed->prng, 50 * DUET_MILLISECOND);

    network_pass(deed->w, packets_copy(deed->w, deed->slot), *deed->later + behind);
    return true;
}

static bool reorder(struct deed *deed)
{
    *deed->later += (duet_time)luck_scale(&deed->prng, 1, 500) * DUET_MILLISECOND;
    return true;
}

static bool delay(struct deed *deed)
{
    *deed->later += (duet_time)prng_below(&deed->prng, 20 * DUET_MILLISECOND);
    return true;
}

static bool corrupt(struct deed *deed)
{
    uint8_t *bytes = packet_bytes(&deed->w->packets, deed->slot);
    uint32_t words = deed->w->packets.slots[deed->slot].length / 2;
    uint32_t at = (uint32_t)prng_below(&deed->prng, words) * 2;
    uint16_t was = bytes_get16(bytes + at);
    uint16_t is = (uint16_t)(was ^ luck_between(&deed->prng, 1, UINT16_MAX));

    /* All ones and all zeros are the same number to the checksum. */
    if ((was == 0 && is == UINT16_MAX) || (was == UINT16_MAX && is == 0))
        is = 1;
    bytes_put16(bytes + at, is);
    return true;
}

static bool truncate(struct deed *deed)
{
    struct packet_slot *info = &deed->w->packets.slots[deed->slot];

    info->length = (uint32_t)luck_between(&deed->prng, 1, info->length);
    return true;
}

static bool pad(struct deed *deed)
{
    struct packet_slot *info = &deed->w->packets.slots[deed->slot];
    uint8_t *end = packet_bytes(&deed->w->packets, deed->slot) + info->length;
    uint32_t more = (uint32_t)luck_between(&deed->prng, 1, 46);

    more = min_u32(more, deed->w->packets.room - info->length);
    for (uint32_t i = 0; i < more; i++)
        end[i] = (uint8_t)prng_next(&deed->prng);
    info->length += more;
    return true;
}

static bool mark(struct deed *deed)
{
    uint8_t *bytes = packet_bytes(&deed->w->packets, deed->slot);

    if (forge_ecn(bytes) == 1 || forge_ecn(bytes) == 2)
        forge_set_ecn(bytes, 3);
    return true;
}

static bool split(struct deed *deed)
{
    forge_split(deed->w, deed->slot, &deed->prng, *deed->later);
    return true;
}

static bool merge(struct deed *deed)
{
    return forge_hold(deed->w, deed->from, deed->slot);
}

static bool inject_rst(struct deed *deed)
{
    forge_stranger(deed->w, deed->slot, DUET_SIM_INJECT_RST, &deed->prng);
    return true;
}

static bool inject_syn(struct deed *deed)
{
    forge_stranger(deed->w, deed->slot, DUET_SIM_INJECT_SYN, &deed->prng);
    return true;
}

static bool inject_data(struct deed *deed)
{
    forge_stranger(deed->w, deed->slot, DUET_SIM_INJECT_DATA, &deed->prng);
    return true;
}

static bool inject_icmp(struct deed *deed)
{
    forge_stranger(deed->w, deed->slot, DUET_SIM_INJECT_ICMP, &deed->prng);
    return true;
}

/* An old packet of this host comes again, if it is not older than any segment may be. This one is
 * kept for the next time. */
static bool replay(struct deed *deed)
{
    struct swarm *w = deed->w;
    struct host *from = deed->from;
    uint32_t kept = min_u32(from->copy_count, REPLAY_COPIES);
    struct replay_copy *copy;

    if (kept > 0) {
        copy = &from->copies[prng_below(&deed->prng, kept)];
        if (w->now - copy->sent_at < SWARM_LIFETIME)
            network_pass(w, packets_copy(w, (uint32_t)copy->slot), 0);
    }
    copy = &from->copies[from->copy_count++ % REPLAY_COPIES];
    if (from->copy_count > REPLAY_COPIES)
        packets_give(w, (uint32_t)copy->slot);
    copy->slot = (int32_t)packets_copy(w, deed->slot);
    copy->sent_at = w->now;
    return true;
}

static bool (*const deeds[SWARM_PACKET_FAULTS])(struct deed *deed) = {
    [DUET_SIM_LOSS] = lose,
    [DUET_SIM_DUPLICATE] = duplicate,
    [DUET_SIM_REORDER] = reorder,
    [DUET_SIM_JITTER] = delay,
    [DUET_SIM_CORRUPT] = corrupt,
    [DUET_SIM_TRUNCATE] = truncate,
    [DUET_SIM_PAD] = pad,
    [DUET_SIM_SPLIT] = split,
    [DUET_SIM_MERGE] = merge,
    [DUET_SIM_MARK] = mark,
    [DUET_SIM_INJECT_RST] = inject_rst,
    [DUET_SIM_INJECT_SYN] = inject_syn,
    [DUET_SIM_INJECT_DATA] = inject_data,
    [DUET_SIM_INJECT_ICMP] = inject_icmp,
    [DUET_SIM_REPLAY] = replay,
};

static bool strike(struct deed *deed, unsigned fault)
{
    struct swarm *w = deed->w;
    struct host *from = deed->from;

    deed->prng =
        luck_for(w->recipe->seed, LUCK_DEED, (uint64_t)fault << 8 | from->number, from->sent);
    network_count(w, (enum duet_sim_fault)fault, from, from->sent);
    network_finish_checksum(w, deed->slot);
    return deeds[fault](deed);
}

bool faults_strike(struct swarm *w, struct host *from, uint32_t slot, duet_time *later)
{
    struct deed deed = {.w = w, .from = from, .slot = slot};
    bool goes_on = true;

    deed.later = later;
    if (w->has_healed) {
        from->next_strike = UINT32_MAX;
        return true;
    }
    for (unsigned fault = 0; fault < SWARM_PACKET_FAULTS; fault++) {
        if (from->strikes[fault].next > from->sent)
            continue;
        if (goes_on)
            goes_on = strike(&deed, fault);
        draw_next(w, from, fault);
    }
    find_next(from);
    return goes_on;
}
