/* SPDX-License-Identifier: MIT */
/* Numbers that nobody outside may guess: initial sequence numbers (RFC 9293, 3.4.1), timestamp
 * offsets (RFC 7323, 7.1) and ephemeral ports (RFC 6056, algorithm 4). Each is SipHash-2-4 of the
 * pair of sockets; the keys are drawn from the secret of the configuration. The first two are the halves
 * of one hash: of a pseudorandom function one half says nothing about the other, and who sees the one
 * number sees the other, too. */
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

/* The lower half is F of the ISN, the upper one the timestamp offset. A connection asks for it several
 * times while it opens, so the latest one is kept. */
static uint64_t number_of(const struct duet_stack *s, const struct tcp_tuple *tuple)
{
    const struct pair_number *kept = &s->numbered;
    return kept->is_set && tuple_eq(&kept->tuple, tuple) ? kept->number
                                                         : hash_of(&s->isn_key, tuple);
}

static uint64_t keep_number(struct duet_stack *s, const struct tcp_tuple *tuple)
{
    uint64_t number = number_of(s, tuple);
    s->numbered = (struct pair_number){.number = number, .tuple = *tuple, .is_set = true};
    return number;
}

/* A connection of the pair may begin: what else is waited for comes meanwhile. */
void tcp_isn_prepare(struct duet_stack *s, const struct tcp_tuple *tuple)
{
    if (FEATURE_FAST_PATH)
        (void)keep_number(s, tuple);
}

static int64_t tick_now(const struct duet_stack *s)
{
    return s->now / (4 * DUET_MICROSECOND);
}

/* ISN = M + F(localip, localport, remoteip, remoteport, secretkey): M ticks every 4 microseconds.
 */
struct seq tcp_isn(const struct duet_stack *s, const struct tcp_tuple *tuple)
{
    return seq_of((uint32_t)tick_now(s) + (uint32_t)number_of(s, tuple));
}

/* The one of a connection that begins now. RFC 9293, 3.4.1, counts on M to outrun what connections send;
 * where the clock stands still, M goes on without it. It steps over the numbers that a short
 * incarnation of the same pair has used, so that the next one takes no segment of it for its own, by a
 * length that nobody but this peer can know. 18 minutes ahead it waits for the clock, so that it never laps
 * those who come back within an MSL. */
struct seq tcp_isn_take(struct duet_stack *s, const struct tcp_tuple *tuple)
{
    enum { STEP_LEAST = 0x8001, AHEAD_MOST = 1 << 28 };
    uint64_t hash = keep_number(s, tuple);
    int64_t ahead = s->isn_tick - tick_now(s);
    if (ahead < 0)
        s->isn_tick = tick_now(s);
    else
        s->isn_tick += ahead < AHEAD_MOST ? STEP_LEAST + (int64_t)(hash >> 48) : 1;
    return seq_of((uint32_t)s->isn_tick + (uint32_t)hash);
}

uint32_t tcp_timestamp_offset(const struct duet_stack *s, const struct tcp_tuple *tuple)
{
    return (uint32_t)(number_of(s, tuple) >> 32);
}

uint32_t tcp_timestamp_offset_take(struct duet_stack *s, const struct tcp_tuple *tuple)
{
    return (uint32_t)(keep_number(s, tuple) >> 32);
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
