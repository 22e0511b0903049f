/* SPDX-License-Identifier: MIT */
/* Section G of the attack table: calls at the wrong time, with the wrong arguments, and secrets. */
#include <stdlib.h>
#include <string.h>

#include "duet/trace.h"
#include "sim/attack/attack.h"

/* ---- G1 ---- */

enum { STEPS = 100000, HANDLES = 64 };

struct chaos {
    struct target *target;
    struct duet_handle handles[HANDLES]; /* stale ones stay */
    uint8_t bytes[2000];
};

static struct duet_handle *any(struct chaos *chaos)
{
    return &chaos->handles[prng_below(&chaos->target->attack->prng, HANDLES)];
}

static void call_something(struct chaos *chaos)
{
    struct target *target = chaos->target;
    struct prng *prng = &target->attack->prng;
    struct duet_stack *stack = target->stack;
    duet_time now = target->now;
    const struct duet_connect_options call = {
        .remote = {ends_of(1, 1).remote, (uint16_t)(1 + prng_below(prng, 20))}};
    const struct duet_listen_options listen = {
        .local = {.port = (uint16_t)(90 + prng_below(prng, 8))}, .backlog = 2};
    struct duet_socket_address remote;

    switch (prng_below(prng, 12)) {
    case 0:
        (void)duet_connect(stack, now, &call, any(chaos));
        return;
    case 1:
        (void)duet_listen(stack, now, &listen, any(chaos));
        return;
    case 2:
        (void)duet_accept(stack, now, *any(chaos), any(chaos), &remote);
        return;
    case 3:
        (void)duet_accept(stack, now, target->listener, any(chaos), NULL);
        return;
    case 4:
        (void)duet_send(stack, now, *any(chaos), chaos->bytes, prng_below(prng, 2000), 0);
        return;
    case 5:
        (void)duet_receive(stack, now, *any(chaos), chaos->bytes, prng_below(prng, 2000));
        return;
    case 6:
        (void)duet_shutdown(stack, now, *any(chaos));
        return;
    case 7:
        (void)duet_close(stack, now, *any(chaos));
        return;
    case 8:
        (void)duet_abort(stack, now, *any(chaos));
        return;
    case 9:
        (void)duet_connect_listener(stack, now, *any(chaos), &call.remote, any(chaos));
        return;
    case 10:
        target_take_events(target);
        return;
    default:
        (void)duet_set(stack, now, *any(chaos), (enum duet_option)prng_below(prng, 14),
                       (uint32_t)prng_below(prng, 1000));
        return;
    }
}

/* A packet that fits some connection, or nearly. */
static void answer_something(struct chaos *chaos, const struct seen *seen)
{
    struct prng *prng = &chaos->target->attack->prng;
    const struct ends ends = {seen->ip.source, seen->ip.destination, seen->tcp.source_port,
                              seen->tcp.destination_port};
    const struct forged segment = {
        .seq = seen->tcp.ack + (uint32_t)prng_below(prng, 3),
        .ack = seen->tcp.seq + seen->tcp.text_length + (uint32_t)prng_below(prng, 3),
        .flags = (uint16_t)(DUET_ACK | (prng_next(prng) & (DUET_SYN | DUET_FIN | DUET_PSH))),
        .window = (uint16_t)prng_next(prng),
        .text = chaos->bytes,
        .length = (uint32_t)prng_below(prng, 300),
    };

    target_send(chaos->target, &ends, &segment);
}

/* The record of a connection that is over is used again: its old handle must lead nowhere. */
static void try_stale_handles(struct attack *attack)
{
    struct target *target = target_small(attack);
    struct duet_handle old = {0, 0};
    struct duet_status status;

    for (uint16_t i = 0; target != NULL && i < 200; i++) {
        struct peer peer;

        if (!peer_open(&peer, target, (uint16_t)(1000 + i), &peer_plain))
            break;
        attack_expect(attack, duet_status(target->stack, old, &status) == DUET_E_NOCONN,
                      "the handle of a connection that is over leads to another");
        old = peer.handle;
        duet_abort(target->stack, target->now, peer.handle);
        target_take_events(target);
        target_drain(target);
    }
    target_free(target);
}

void attack_G1(struct attack *attack)
{
    static struct chaos chaos;
    struct seen seen;

    attack_sent(attack,
                "%u random calls on live and stale handles between packets that nearly fit, "
                "and every event's handle closed or used at once",
                STEPS);
    try_stale_handles(attack);
    memset(&chaos, 0, sizeof chaos);
    chaos.target = target_small(attack);
    for (unsigned i = 0; chaos.target != NULL && i < STEPS; i++) {
        struct duet_event event;
        const struct ends caller = ends_of(TARGET_PORT, (uint16_t)(1000 + i % 500));
        const struct forged syn = {.flags = DUET_SYN, .seq = i, .window = 1000};

        call_something(&chaos);
        if (i % 7 == 0)
            target_send(chaos.target, &caller, &syn);
        if (target_next(chaos.target, &seen) && seen.ip.protocol == IP_PROTOCOL_TCP)
            answer_something(&chaos, &seen);
        if (i % 5 == 0 && duet_next_event(chaos.target->stack, &event)) {
            *any(&chaos) = event.handle;
            if (i % 2 == 0)
                (void)duet_abort(chaos.target->stack, chaos.target->now, event.handle);
            call_something(&chaos);
        }
        if (i % 64 == 0)
            target_check(chaos.target);
        if (i % 16 == 0)
            duet_expire(chaos.target->stack, chaos.target->now += 40 * DUET_MILLISECOND);
    }
    attack_did(attack, "told stale handles by their generation, kept every invariant");
    target_free(chaos.target);
}

/* ---- G2 ---- */

static void call_with_extremes(struct target *target, struct duet_handle handle)
{
    static const uint32_t values[] = {0, 1, 255, 65535, 65536, 0x7fffffff, 0xffffffff};
    struct duet_stack *stack = target->stack;
    uint8_t byte = 0;
    void *room;
    const void *peek;
    size_t size;

    attack_expect(target->attack, duet_send(stack, target->now, handle, &byte, 0, 0) <= 0,
                  "sending nothing sent something");
    attack_expect(target->attack, duet_receive(stack, target->now, handle, &byte, 0) <= 0,
                  "receiving nothing received something");
    for (unsigned option = 0; option < 20; option++)
        for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++)
            (void)duet_set(stack, target->now, handle, (enum duet_option)option, values[i]);
    size = SIZE_MAX;
    if (duet_send_reserve(stack, handle, &room, &size) == DUET_OK)
        attack_expect(target->attack,
                      duet_send_commit(stack, target->now, handle, size + 1, 0) != DUET_OK,
                      "more was committed than reserved");
    size = SIZE_MAX;
    if (duet_receive_peek(stack, handle, &peek, &size) == DUET_OK)
        attack_expect(target->attack,
                      duet_receive_consume(stack, target->now, handle, SIZE_MAX) != DUET_OK,
                      "more was consumed than there was");
    (void)duet_receive_consume(stack, target->now, handle, 0);
    target_check(target);
}

void attack_G2(struct attack *attack)
{
    static const struct duet_handle odd[] = {
        {0, 0}, {UINT32_MAX, UINT32_MAX}, {0x80000000u, 1}, {5, 7}};

    attack_sent(attack, "every call with sizes of 0 and SIZE_MAX, options and values out of range, "
                        "handles that never were, in every state");
    for (unsigned state = 0; state < DUET_STATES; state++) {
        struct target *target = target_small(attack);
        struct peer peer;

        if (target == NULL ||
            !peer_reach(&peer, target, 1000, (enum duet_state)state, &peer_plain)) {
            target_free(target);
            return;
        }
        call_with_extremes(target, peer.handle);
        for (unsigned i = 0; i < sizeof odd / sizeof odd[0]; i++)
            call_with_extremes(target, odd[i]);
        call_with_extremes(target, target->listener);
        target_pass(target, target->now + 10 * DUET_SECOND);
        target_free(target);
    }
    attack_did(attack, "refused each by an error code, and asserted nothing");
}

/* ---- G4 ---- */

static uint64_t sum_of(const uint8_t *bytes, size_t size)
{
    uint64_t sum = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(1099511628211);
    return sum;
}

void attack_G4(struct attack *attack)
{
    static uint8_t text[5000];
    struct target *target = target_small(attack);
    struct peer peer;
    uint64_t packet_sum, text_sum;

    attack_sent(attack, "segments of every kind, sends and losses, with a sum over each packet and "
                        "each buffer of the user before and after");
    if (target == NULL || !peer_open(&peer, target, 1000, &peer_full)) {
        target_free(target);
        return;
    }
    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)prng_next(&attack->prng);
    text_sum = sum_of(text, sizeof text);
    for (unsigned i = 0; i < 2000; i++) {
        static const uint16_t flags[] = {0, DUET_PSH, DUET_URG, DUET_FIN, DUET_SYN};
        const struct forged segment = {
            .seq = peer.seq + i % 300,
            .ack = peer.ack,
            .flags = (uint16_t)(DUET_ACK | flags[i % 4]),
            .window = 5000,
            .urgent = (uint16_t)i,
            .options = {.present = DUET_TRACE_TIMESTAMPS, .tsval = peer.tsval, .tsecr = peer.tsecr},
            .text = text,
            .length = 1 + i % 200,
        };
        uint32_t length = forge(target->in, &peer.ends, &segment);

        packet_sum = sum_of(target->in, length);
        target_input(target, target->in, length);
        (void)duet_send(target->stack, target->now, peer.handle, text, sizeof text, 0);
        target_pass(target, target->now + 30 * DUET_MILLISECOND);
        attack_expect(attack, sum_of(target->in, length) == packet_sum, "a packet was written to");
        attack_expect(attack, sum_of(text, sizeof text) == text_sum,
                      "a user's buffer was written to");
    }
    attack_did(attack, "wrote to no packet that came in and to no buffer of the user");
    target_free(target);
}

/* ---- G6 ---- */

static bool contains(const uint8_t *bytes, size_t size, const uint8_t *secret)
{
    for (size_t i = 0; i + 8 <= size; i++)
        for (unsigned part = 0; part < DUET_SECRET_SIZE; part += 8)
            if (memcmp(bytes + i, secret + part, 8) == 0)
                return true;
    return false;
}

void attack_G6(struct attack *attack)
{
    struct duet_config config;
    struct target *target;
    struct duet_trace_event event;
    struct peer peer;
    unsigned packets = 0;

    attack_sent(attack, "handshakes, cookies, resets and echoes of a stack, whose memory, packets "
                        "and trace are searched for any 8 bytes of its secret");
    target_config(attack, &config);
    config.trace_events = 4096;
    config.half_open_max = 4;
    target = target_new(attack, &config);
    for (uint16_t i = 0; target != NULL && i < 500; i++) {
        const struct ends ends = ends_of((uint16_t)(TARGET_PORT + i % 3), (uint16_t)(1000 + i));
        struct seen seen;
        struct forged syn = peer_full;

        syn.flags = DUET_SYN;
        syn.options.present |= DUET_TRACE_FAST_OPEN;
        target_send(target, &ends, &syn);
        while (target_next(target, &seen)) {
            packets++;
            attack_expect(attack, !contains(target->out, target->packet.length, config.secret),
                          "a packet holds a part of the secret");
        }
        if (i % 50 == 0 && peer_open(&peer, target, (uint16_t)(9000 + i), &peer_full))
            duet_abort(target->stack, target->now, peer.handle);
        while (duet_next_trace(target->stack, &event))
            attack_expect(attack, !contains((const uint8_t *)&event, sizeof event, config.secret),
                          "the trace holds a part of the secret");
    }
    if (target == NULL)
        return;
    attack_expect(attack, !contains(target->block, target->size, config.secret),
                  "the block of the stack, and so a snapshot of it, holds a part of the secret");
    attack_did(attack,
               "kept keys derived from it, which never leave the block; the secret itself is "
               "in none of %u packets, the trace, or the block",
               packets);
    target_free(target);
}
