/* SPDX-License-Identifier: MIT */
/* Section C of the attack table: segments of somebody who cannot see the connection (RFC 5961), in
 * every state and with every kind of number. */
#include <string.h>

#include "sim/attack/attack.h"

enum { REMOTE_PORT = 2000, STATE_COUNT = DUET_STATES };

/* Sequence numbers relative to RCV.NXT, each a class of its own. */
enum { CLASSES = 6 };

static uint32_t ahead_of(struct attack *attack, unsigned class, uint32_t window)
{
    switch (class) {
    case 0:
        return UINT32_MAX; /* one before */
    case 1:
        return 0;
    case 2:
        return 1;
    case 3:
        return window - 1;
    case 4:
        return window;
    default:
        return (uint32_t)prng_next(&attack->prng) | 2;
    }
}

/* The window that a target in this state has. */
static uint32_t window_of(const struct peer *peer)
{
    struct duet_status status;

    return peer_status(peer, &status) && status.rcv_wnd > 0 ? status.rcv_wnd : 65535;
}

/* States by what is left of a pair of sockets: also of half-open records, which have no handle. */
static enum duet_state state_of(const struct peer *peer)
{
    struct duet_status status;
    struct duet_handle handle;
    uint64_t cursor = 0;

    while (duet_next_status(peer->target->stack, &cursor, &handle, &status))
        if (status.remote.port == peer->ends.remote_port &&
            duet_address_equal(&status.remote.address, &peer->ends.remote))
            return status.state;
    return DUET_CLOSED;
}

static void send_flags(struct peer *peer, uint16_t flags, uint32_t ahead, uint32_t ack)
{
    const struct forged segment = {
        .seq = peer->seq + ahead, .ack = ack, .flags = flags, .window = peer->window};

    target_send(peer->target, &peer->ends, &segment);
}

static unsigned count_resets(struct target *target)
{
    struct seen seen;
    unsigned resets = 0;

    while (target_next(target, &seen))
        resets += (seen.tcp.flags & DUET_RST) != 0;
    return resets;
}

/* A pristine connection in this state, on a target of its own. */
static struct target *fresh(struct attack *attack, struct peer *peer, enum duet_state state)
{
    struct target *target = target_small(attack);

    if (target == NULL)
        return NULL;
    if (peer_reach(peer, target, REMOTE_PORT, state, &peer_plain)) {
        target_drain(target);
        return target;
    }
    target_free(target);
    return NULL;
}

/* ---- C2 ---- */

static bool may_reset(enum duet_state state, unsigned class)
{
    return class == 1 && state >= DUET_SYN_RECEIVED && state != DUET_TIME_WAIT;
}

static void try_reset(struct attack *attack, enum duet_state state, unsigned class, uint16_t flags)
{
    struct peer peer;
    struct target *target = fresh(attack, &peer, state);
    bool was, is;

    if (target == NULL)
        return;
    was = state_of(&peer) == state;
    send_flags(&peer, DUET_RST | flags, ahead_of(attack, class, window_of(&peer)),
               flags == 0 ? 0 : peer.ack + 7);
    is = state_of(&peer) == state;
    if (state != DUET_CLOSED && state != DUET_LISTEN)
        attack_expect(attack, was && is != may_reset(state, class),
                      "RST of class %u in %s: the connection %s", class, duet_state_name(state),
                      is ? "lives" : "is gone");
    attack_expect(attack, count_resets(target) == 0, "a RST was answered by a RST");
    target_free(target);
}

void attack_C2(struct attack *attack)
{
    attack_sent(attack, "RST and RST,ACK one before, at, one behind, at the last and behind the "
                        "last byte of the window, and anywhere, in all eleven states");
    for (unsigned state = 0; state < STATE_COUNT; state++)
        for (unsigned class = 0; class < CLASSES; class ++) {
            try_reset(attack, (enum duet_state)state, class, 0);
            try_reset(attack, (enum duet_state)state, class, DUET_ACK);
        }
    attack_did(attack, "ended connections at RCV.NXT only; in SYN-SENT for no other than the ISS "
                       "acknowledged, in TIME-WAIT never");
}

/* ---- C3 ---- */

static void try_syn(struct attack *attack, enum duet_state state, unsigned class, uint16_t flags)
{
    struct peer peer;
    struct target *target = fresh(attack, &peer, state);

    if (target == NULL)
        return;
    if (state == DUET_TIME_WAIT && (flags & DUET_ACK) == 0 && class != 0) {
        target_free(target); /* RFC 6191 lets a new incarnation begin: see C9 */
        return;
    }
    send_flags(&peer, DUET_SYN | flags, ahead_of(attack, class, window_of(&peer)), peer.ack);
    attack_expect(attack, state_of(&peer) == state, "a SYN of class %u changes %s", class,
                  duet_state_name(state));
    attack_expect(attack, count_resets(target) == 0, "a SYN is answered by RST in %s",
                  duet_state_name(state));
    target_free(target);
}

void attack_C3(struct attack *attack)
{
    attack_sent(attack, "SYN and SYN,ACK of six classes of sequence numbers in every synchronized "
                        "state");
    for (unsigned state = DUET_ESTABLISHED; state < STATE_COUNT; state++)
        for (unsigned class = 0; class < CLASSES; class ++) {
            try_syn(attack, (enum duet_state)state, class, 0);
            try_syn(attack, (enum duet_state)state, class, DUET_ACK);
        }
    attack_did(attack, "challenged or ignored each, kept its state, sent no RST");
}

/* ---- C4 ---- */

enum { GHOSTS = 65536 };

void attack_C4(struct attack *attack)
{
    static const uint8_t text[10] = "injected!";
    struct target *target = target_small(attack);
    struct peer peer;
    struct duet_status status;
    uint32_t before;

    attack_sent(attack,
                "text right after the handshake that acknowledges ISS-k and SND.NXT+k for k "
                "of 0 to %u, and at random",
                GHOSTS);
    if (target == NULL || !peer_open(&peer, target, REMOTE_PORT, &peer_plain)) {
        target_free(target);
        return;
    }
    (void)duet_send(target->stack, 0, peer.handle, text, sizeof text,
                    0); /* one segment in flight */
    target_drain(target);
    for (uint32_t k = 0; k <= GHOSTS; k++) {
        peer_say(&peer, DUET_URG, 0, UINT32_MAX - k, text, sizeof text);
        peer_say(&peer, DUET_PSH, 0, sizeof text + 1 + k, text, sizeof text);
        if (k % 64 == 0)
            target_drain(target);
    }
    attack_expect(attack, peer_delivered(&peer) == 0,
                  "text with a ghost acknowledgement was "
                  "delivered");
    attack_expect(attack,
                  peer_status(&peer, &status) && status.rcv_nxt == peer.seq &&
                      status.urgent_left == 0 && status.snd_una == peer.ack,
                  "a ghost acknowledgement has moved something");
    before = (uint32_t)target->packets_out;
    attack_expect(attack, before <= 2 + target->config.challenge_limit,
                  "%u packets answered ghosts of one moment", before);
    peer_say(&peer, DUET_PSH, 0, 0, text, sizeof text);
    attack_expect(attack, peer_delivered(&peer) == sizeof text, "honest text is not delivered");
    attack_did(attack, "delivered nothing, moved nothing, answered within the limit of the "
                       "connection");
    target_free(target);
}

/* ---- C12 ---- */

void attack_C12(struct attack *attack)
{
    enum { TRIES = 1000 };
    static const uint8_t text[100];
    struct target *target = target_small(attack);
    struct peer peer;

    attack_sent(attack,
                "%u segments in the window with a timestamp far ahead: a wrong "
                "acknowledgement, or not the next byte",
                TRIES);
    if (target == NULL || !peer_open(&peer, target, REMOTE_PORT, &peer_full)) {
        target_free(target);
        return;
    }
    for (uint32_t i = 0; i < TRIES; i++) {
        uint32_t tsval = peer.tsval;

        peer.tsval += (1u << 30) + i;
        peer_say(&peer, 0, 0, 1 + (uint32_t)prng_next(&attack->prng) % (1u << 31), text,
                 sizeof text);
        peer_say(&peer, 0, 2000 + i, 0, text, 1);
        peer.tsval = tsval;
        target_drain(target);
    }
    for (unsigned i = 0; i < 15; i++) {
        peer_say(&peer, 0, 0, 0, text, sizeof text);
        peer.seq += sizeof text;
    }
    attack_expect(attack, peer_delivered(&peer) >= 15 * sizeof text,
                  "the connection is frozen by a forged timestamp");
    attack_did(attack, "kept the timestamp of the honest peer, whose text is delivered");
    target_free(target);
}

/* ---- C13 ---- */

enum { FLAG_SETS = 64, SEQ_CLASSES = 7, ACK_CLASSES = 5 };

static uint32_t ack_of(struct attack *attack, const struct peer *peer, unsigned class)
{
    switch (class) {
    case 0:
        return peer->ack - 1;
    case 1:
        return peer->ack;
    case 2:
        return peer->ack + 1;
    case 3:
        return peer->ack + 0x40000000u;
    default:
        return (uint32_t)prng_next(&attack->prng);
    }
}

/* What no segment may do, whatever its flags and numbers. */
static void judge_cell(struct peer *peer, enum duet_state reached, uint16_t flags,
                       unsigned seq_class, enum duet_state before)
{
    struct target *target = peer->target;
    enum duet_state after = state_of(peer);
    bool is_reset = (flags & DUET_RST) != 0, gone = after != before;
    struct seen seen;
    unsigned answers = 0;

    while (target_next(target, &seen)) {
        answers++;
        attack_expect(target->attack, !is_reset || (seen.tcp.flags & DUET_RST) == 0,
                      "a RST is answered by a RST in %s", duet_state_name(before));
        attack_expect(target->attack, seen.tcp.text_length == 0, "text answers a stranger");
    }
    attack_expect(target->attack, answers <= 2, "%u packets answer one in %s", answers,
                  duet_state_name(before));
    if (reached == DUET_LISTEN && (flags & DUET_FIN) != 0)
        attack_expect(target->attack, !gone, "SYN and FIN at once are taken");
    if (before >= DUET_ESTABLISHED && seq_class >= 4 && before != DUET_TIME_WAIT)
        attack_expect(target->attack, !gone, "flags %#x outside the window change %s", flags,
                      duet_state_name(before));
    if (before >= DUET_ESTABLISHED && (flags & (DUET_RST | DUET_ACK)) == 0 &&
        before != DUET_TIME_WAIT)
        attack_expect(target->attack, !gone, "flags %#x without ACK or RST change %s", flags,
                      duet_state_name(before));
    target_check(target);
}

static void try_cell(struct attack *attack, enum duet_state state, uint16_t flags,
                     unsigned seq_class, unsigned ack_class)
{
    struct peer peer;
    struct target *target = fresh(attack, &peer, state);
    uint32_t ahead;
    enum duet_state before;

    if (target == NULL)
        return;
    before = state_of(&peer);
    ahead = seq_class == 6 ? 1u << 31 : ahead_of(attack, seq_class, window_of(&peer));
    send_flags(&peer, flags, ahead, ack_of(attack, &peer, ack_class));
    judge_cell(&peer, state, flags, seq_class, before);
    duet_shutdown(target->stack, target->now, peer.handle); /* no state may stumble over it */
    target_pass(target, target->now + 10 * DUET_SECOND);
    target_free(target);
}

void attack_C13(struct attack *attack)
{
    attack_sent(attack,
                "all 64 sets of flags with 7 classes of sequence numbers and 5 of "
                "acknowledgements in 11 states, then a shutdown: %u connections",
                FLAG_SETS * SEQ_CLASSES * ACK_CLASSES * STATE_COUNT);
    for (unsigned state = 0; state < STATE_COUNT; state++)
        for (unsigned flags = 0; flags < FLAG_SETS; flags++)
            for (unsigned seq = 0; seq < SEQ_CLASSES; seq++)
                for (unsigned ack = 0; ack < ACK_CLASSES; ack++)
                    try_cell(attack, (enum duet_state)state, (uint16_t)flags, seq, ack);
    attack_did(attack, "kept every invariant; nothing outside the window or without ACK or RST "
                       "changed a state; no RST was answered by one");
}
