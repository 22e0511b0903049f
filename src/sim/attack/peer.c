/* SPDX-License-Identifier: MIT */
/* A peer that behaves until the row lets it misbehave. */
#include "base/check.h"
#include "sim/attack/attack.h"

#define PEER_ISS UINT32_C(0xffffff00) /* so that its numbers wrap soon */

const struct forged peer_plain = {.window = 65535,
                                  .options = {.present = DUET_TRACE_MSS, .mss = 1460}};

const struct forged peer_full = {
    .window = 65535,
    .options =
        {
            .present = DUET_TRACE_MSS | DUET_TRACE_WINDOW_SCALE | DUET_TRACE_SACK_PERMITTED |
                       DUET_TRACE_TIMESTAMPS,
            .mss = 1460,
            .window_scale = 7,
            .tsval = 1000,
        },
};

static void add_timestamps(const struct peer *peer, struct forged *segment)
{
    if (!peer->timestamps)
        return;
    segment->options.present |= DUET_TRACE_TIMESTAMPS;
    segment->options.tsval = peer->tsval;
    segment->options.tsecr = peer->tsecr;
}

void peer_say(struct peer *peer, uint16_t flags, uint32_t ahead, uint32_t beyond,
              const uint8_t *text, uint32_t length)
{
    struct forged segment = {
        .seq = peer->seq + ahead,
        .ack = peer->ack + beyond,
        .flags = DUET_ACK | flags,
        .window = peer->window,
        .text = text,
        .length = length,
    };

    add_timestamps(peer, &segment);
    target_send(peer->target, &peer->ends, &segment);
}

static void take_offer(struct peer *peer, const struct forged *offer, const struct seen *seen)
{
    bool both = (offer->options.present & seen->tcp.options.present & DUET_TRACE_TIMESTAMPS) != 0;

    peer->iss = seen->tcp.seq;
    peer->ack = seen->tcp.seq + 1;
    peer->offered = seen->tcp.options;
    peer->timestamps = both;
    peer->tsval = offer->options.tsval;
    peer->tsecr = seen->tcp.options.tsval;
}

bool peer_syn(struct peer *peer, struct target *target, const struct ends *ends,
              const struct forged *offer)
{
    struct forged syn = *offer;
    struct seen seen;

    *peer = (struct peer){
        .target = target,
        .ends = *ends,
        .irs = PEER_ISS,
        .seq = PEER_ISS + 1,
        .window = offer->window,
    };
    syn.flags |= DUET_SYN;
    syn.seq = PEER_ISS;
    target_send(target, ends, &syn);
    while (target_next(target, &seen)) {
        if (seen.ip.protocol != IP_PROTOCOL_TCP ||
            (seen.tcp.flags & (DUET_SYN | DUET_ACK)) != (DUET_SYN | DUET_ACK) ||
            seen.tcp.destination_port != ends->remote_port ||
            !duet_address_equal(&seen.ip.destination, &ends->remote))
            continue;
        take_offer(peer, offer, &seen);
        return true;
    }
    return false;
}

void peer_third(struct peer *peer)
{
    peer_say(peer, 0, 0, 0, NULL, 0);
}

bool peer_accepted(struct peer *peer)
{
    struct target *target = peer->target;
    struct duet_socket_address remote = {.port = 0};

    while (duet_accept(target->stack, target->now, target->listener, &peer->handle, &remote) ==
           DUET_OK)
        if (remote.port == peer->ends.remote_port &&
            duet_address_equal(&remote.address, &peer->ends.remote))
            return true;
    return false;
}

bool peer_open(struct peer *peer, struct target *target, uint16_t remote_port,
               const struct forged *offer)
{
    const struct ends ends = ends_of(TARGET_PORT, remote_port);

    if (!attack_expect(target->attack, peer_syn(peer, target, &ends, offer),
                       "an honest SYN is not answered"))
        return false;
    peer_third(peer);
    return attack_expect(target->attack, peer_accepted(peer), "an honest peer is not accepted");
}

static bool call(struct peer *peer, struct target *target, uint16_t remote_port)
{
    const struct duet_connect_options options = {
        .remote = {ends_of(1, remote_port).remote, remote_port}};
    struct seen seen = {0};

    *peer = (struct peer){.target = target, .irs = PEER_ISS, .seq = PEER_ISS};
    if (!attack_expect(target->attack,
                       duet_connect(target->stack, target->now, &options, &peer->handle) ==
                               DUET_OK &&
                           target_next(target, &seen),
                       "the target cannot call"))
        return false;
    peer->ends = ends_of(seen.tcp.source_port, remote_port);
    peer->iss = seen.tcp.seq;
    peer->ack = seen.tcp.seq + 1;
    peer->offered = seen.tcp.options;
    return true;
}

bool peer_called(struct peer *peer, struct target *target, uint16_t remote_port,
                 const struct forged *offer)
{
    struct forged answer = *offer;

    if (!call(peer, target, remote_port))
        return false;
    peer->window = offer->window;
    peer->timestamps =
        (offer->options.present & peer->offered.present & DUET_TRACE_TIMESTAMPS) != 0;
    peer->tsval = offer->options.tsval;
    peer->tsecr = peer->offered.tsval;
    answer.flags |= DUET_SYN | DUET_ACK;
    answer.seq = peer->seq++;
    answer.ack = peer->ack;
    answer.options.tsecr = peer->tsecr;
    target_send(target, &peer->ends, &answer);
    target_drain(target);
    return true;
}

static void shut(struct peer *peer)
{
    duet_shutdown(peer->target->stack, peer->target->now, peer->handle);
    target_drain(peer->target);
}

static void send_fin(struct peer *peer, uint32_t beyond)
{
    peer_say(peer, DUET_FIN, 0, beyond, NULL, 0);
    peer->seq++;
    peer->ack += beyond;
    target_drain(peer->target);
}

static void acknowledge_fin(struct peer *peer)
{
    peer->ack++;
    peer_say(peer, 0, 0, 0, NULL, 0);
    target_drain(peer->target);
}

static void walk(struct peer *peer, enum duet_state state)
{
    switch (state) {
    case DUET_FIN_WAIT_1:
        shut(peer);
        return;
    case DUET_FIN_WAIT_2:
        shut(peer);
        acknowledge_fin(peer);
        return;
    case DUET_CLOSE_WAIT:
        send_fin(peer, 0);
        return;
    case DUET_CLOSING:
        shut(peer);
        send_fin(peer, 0);
        return;
    case DUET_LAST_ACK:
        send_fin(peer, 0);
        shut(peer);
        return;
    case DUET_TIME_WAIT:
        shut(peer);
        send_fin(peer, 1);
        return;
    case DUET_CLOSED:
    case DUET_LISTEN:
    case DUET_SYN_SENT:
    case DUET_SYN_RECEIVED:
    case DUET_ESTABLISHED:
    case DUET_STATES:
        return;
    }
}

bool peer_reach(struct peer *peer, struct target *target, uint16_t remote_port,
                enum duet_state state, const struct forged *offer)
{
    const struct ends listening = ends_of(TARGET_PORT, remote_port);

    if (state == DUET_SYN_SENT)
        return call(peer, target, remote_port);
    if (state == DUET_SYN_RECEIVED)
        return peer_syn(peer, target, &listening, offer);
    if (state == DUET_CLOSED || state == DUET_LISTEN) {
        *peer = (struct peer){
            .target = target,
            .ends = ends_of(state == DUET_LISTEN ? TARGET_PORT : TARGET_PORT + 1, remote_port),
            .seq = PEER_ISS,
            .window = offer->window,
        };
        return true;
    }
    if (!peer_called(peer, target, remote_port, offer))
        return false;
    walk(peer, state);
    return attack_expect(target->attack, peer_state(peer) == state, "%s cannot be reached",
                         duet_state_name(state));
}

uint32_t peer_take(struct peer *peer)
{
    uint32_t fresh = 0;
    struct seen seen;

    while (target_next(peer->target, &seen)) {
        uint32_t end = seen.tcp.seq + seen.tcp.text_length + ((seen.tcp.flags & DUET_FIN) != 0);

        if (seen.ip.protocol != IP_PROTOCOL_TCP ||
            seen.tcp.destination_port != peer->ends.remote_port)
            continue;
        if ((seen.tcp.options.present & DUET_TRACE_TIMESTAMPS) != 0)
            peer->tsecr = seen.tcp.options.tsval;
        if (seen.tcp.text_length > 0 && (int32_t)(end - peer->ack) > 0) {
            fresh += end - peer->ack;
            peer->ack = end;
        }
    }
    return fresh;
}

bool peer_status(const struct peer *peer, struct duet_status *status)
{
    return duet_status(peer->target->stack, peer->handle, status) == DUET_OK;
}

enum duet_state peer_state(const struct peer *peer)
{
    struct duet_status status;

    return peer_status(peer, &status) ? status.state : DUET_CLOSED;
}

uint32_t peer_delivered(struct peer *peer)
{
    uint8_t bytes[4096];
    uint32_t all = 0;
    int64_t got;

    while ((got = duet_receive(peer->target->stack, peer->target->now, peer->handle, bytes,
                               sizeof bytes)) > 0)
        all += (uint32_t)got;
    return all;
}

/* ---- a peer that asks for more than it takes ---- */

enum { PLENTY = 64 * 1024 };
static const uint8_t plenty[PLENTY];

void peer_refill(struct peer *peer)
{
    (void)duet_send(peer->target->stack, peer->target->now, peer->handle, plenty, sizeof plenty, 0);
}

void peer_hungry_config(struct attack *attack, struct duet_config *config)
{
    target_config(attack, config);
    config->send_buffer = config->send_buffer_initial = 1 << 20;
    config->pages_max = 4096;
}

bool peer_hungry_with(struct attack *attack, struct target **target, struct peer *peer,
                      const struct forged *offer, const struct duet_config *config)
{
    *target = target_new(attack, config);
    if (*target == NULL || !peer_open(peer, *target, 1000, offer)) {
        target_free(*target);
        return false;
    }
    for (unsigned i = 0; i < 8; i++)
        peer_refill(peer);
    return true;
}

bool peer_hungry(struct attack *attack, struct target **target, struct peer *peer,
                 const struct forged *offer)
{
    struct duet_config config;

    peer_hungry_config(attack, &config);
    return peer_hungry_with(attack, target, peer, offer, &config);
}

struct duet_status peer_status_now(const struct peer *peer)
{
    struct duet_status status = {.state = DUET_CLOSED};

    (void)peer_status(peer, &status);
    return status;
}
