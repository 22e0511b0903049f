/* SPDX-License-Identifier: MIT */
/* Numbers that nobody outside may guess: initial sequence numbers (RFC 9293, 3.4.1), timestamp
 * offsets (RFC 7323, 7.1) and ephemeral ports (RFC 6056, algorithm 4). Each is SipHash-2-4 of the
 * pair of sockets under its own key; the keys are drawn from the secret of the configuration. */
#include "core/state.h"

#include <string.h>

/* The pair of sockets as bytes that are the same on every machine, as SipHash reads numbers: a history
 * that is simulated again elsewhere has the same numbers on the wire. */
static uint64_t hash_of(const struct siphash_key *key, const struct tcp_tuple *tuple)
{
    uint8_t message[sizeof *tuple];
    uint8_t *ports = message + sizeof tuple->local + sizeof tuple->remote;

    memcpy(message, tuple, sizeof message);
    ports[0] = (uint8_t)tuple->local_port;
    ports[1] = (uint8_t)(tuple->local_port >> 8);
    ports[2] = (uint8_t)tuple->remote_port;
    ports[3] = (uint8_t)(tuple->remote_port >> 8);
    return siphash_2_4(key, message, sizeof message);
}

static int64_t tick_now(const struct duet_stack *s)
{
    return s->now / (4 * DUET_MICROSECOND);
}

static struct seq isn_at(const struct duet_stack *s, const struct tcp_tuple *tuple, int64_t tick)
{
    return seq_of((uint32_t)tick + (uint32_t)hash_of(&s->isn_key, tuple));
}

/* ISN = M + F(localip, localport, remoteip, remoteport, secretkey): M ticks every 4 microseconds.
 */
struct seq tcp_isn(const struct duet_stack *s, const struct tcp_tuple *tuple)
{
    return isn_at(s, tuple, tick_now(s));
}

/* The one of a connection that begins now. No tick gives two, so that even while the clock stands still
 * the next incarnation does not take segments of the one before for its own. */
struct seq tcp_isn_take(struct duet_stack *s, const struct tcp_tuple *tuple)
{
    int64_t tick = tick_now(s);
    s->isn_tick = tick > s->isn_tick ? tick : s->isn_tick + 1;
    return isn_at(s, tuple, s->isn_tick);
}

uint32_t tcp_timestamp_offset(const struct duet_stack *s, const struct tcp_tuple *tuple)
{
    return (uint32_t)hash_of(&s->timestamp_key, tuple);
}

/* By how much a counter moves on: 1 to 8, drawn anew each time. A destination that sees its own
 * ports then cannot tell whether others share its counter (RFC 6056, 3.3.5 has the same idea). */
static uint32_t port_step(struct duet_stack *s)
{
    uint32_t number = s->port_choices++;
    const uint8_t choice[] = {(uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16),
                              (uint8_t)(number >> 24)};
    return 1 + (uint32_t)(siphash_2_4(&s->port_index_key, choice, sizeof choice) & 7);
}

/* Double-hash port selection: a keyed offset for each destination, and one of PORT_TABLE counters,
 * also chosen by a keyed hash, that moves on with each use. Fills in tuple->local_port and returns
 * it; 0 when every port of the range is taken for this destination. */
uint16_t tcp_choose_port(struct duet_stack *s, struct tcp_tuple *tuple)
{
    tuple->local_port = 0;
    uint32_t range = (uint32_t)(s->config.port_last - s->config.port_first) + 1;
    uint32_t offset = (uint32_t)hash_of(&s->port_key, tuple) % range;
    uint16_t *counter = &s->ports[hash_of(&s->port_index_key, tuple) % PORT_TABLE];
    uint32_t start = offset + *counter;

    for (uint32_t tries = 0; tries < range; tries++) {
        tuple->local_port = (uint16_t)(s->config.port_first + (start + tries) % range);
        if (demux_find(s, tuple).kind != DEMUX_NONE)
            continue;
        *counter = (uint16_t)(*counter + tries + port_step(s));
        return tuple->local_port;
    }
    return 0;
}
