/* SPDX-License-Identifier: MIT */
/* Section A of the attack table: counters that go round, and what is borrowed when things fail. */
#include <string.h>

#include "sim/attack/attack.h"

/* ---- A12 ---- */

#define ISN_TICK (4 * DUET_MICROSECOND)

/* A target at such a time that its first call has this initial sequence number. */
static struct target *target_with_iss(struct attack *attack, uint32_t iss)
{
    struct duet_config config;
    struct target *target;
    struct peer peer;
    uint32_t first = 0;

    target_config(attack, &config);
    config.port_first = config.port_last = 50000;
    target = target_new(attack, &config);
    if (target != NULL && peer_called(&peer, target, 1000, &peer_plain))
        first = peer.iss;
    target_free(target);
    target = target_new(attack, &config);
    if (target != NULL)
        target->now = (duet_time)(uint32_t)(iss - first) * ISN_TICK;
    return target;
}

/* Data both ways, half of the peer's out of order, then both close. */
static void run_life(struct attack *attack, struct target *target, struct peer *peer)
{
    static const uint8_t text[1000];
    struct duet_status status;
    uint32_t came = 0, delivered = 0;

    for (unsigned i = 0; i < 40; i++) {
        (void)duet_send(target->stack, target->now, peer->handle, text, sizeof text, 0);
        came += peer_take(peer);
        peer_say(peer, 0, 1000, 0, text, 1000);
        peer_say(peer, 0, 0, 0, text, 1000);
        peer->seq += 2000;
        peer->tsval++;
        delivered += peer_delivered(peer);
        target_pass(target, target->now + DUET_MILLISECOND);
    }
    came += peer_take(peer);
    attack_expect(attack, came == 40000 && delivered == 80000,
                  "from ISS %u: %u bytes came and %u were delivered", peer->iss, came, delivered);
    peer_say(peer, DUET_FIN, 0, 0, NULL, 0);
    peer->seq++;
    duet_close(target->stack, target->now, peer->handle);
    peer_take(peer);
    peer->ack++;
    peer_say(peer, 0, 0, 0, NULL, 0);
    attack_expect(attack, !peer_status(peer, &status) || status.state == DUET_CLOSED,
                  "from ISS %u: the connection does not close", peer->iss);
}

static void live_from(struct attack *attack, uint32_t iss, uint32_t tsval)
{
    struct target *target = target_with_iss(attack, iss);
    struct forged offer = peer_full;
    struct peer peer;

    if (target == NULL)
        return;
    offer.options.tsval = tsval;
    if (peer_called(&peer, target, 1000, &offer)) {
        attack_expect(attack, peer.iss == iss, "the ISS is %u and not %u", peer.iss, iss);
        run_life(attack, target, &peer);
    }
    target_free(target);
}

/* More bytes than sequence numbers, in packets as large as they get. */
static void go_round(struct attack *attack)
{
    enum { PIECE = 65000 };
    struct duet_config config;
    struct target *target;
    struct peer peer;
    uint64_t got = 0;

    target_config(attack, &config);
    config.mtu = 65535;
    config.offload = DUET_OFFLOAD_CHECKSUM_IN | DUET_OFFLOAD_CHECKSUM_OUT;
    config.receive_buffer = config.receive_buffer_initial = 256 * 1024;
    target = target_new(attack, &config);
    if (target == NULL || !peer_open(&peer, target, 1000, &peer_full)) {
        target_free(target);
        return;
    }
    while (got < (UINT64_C(1) << 32) + (1 << 20) && !attack_failed(attack)) {
        const struct forged segment = {
            .seq = peer.seq,
            .ack = peer.ack,
            .flags = DUET_ACK,
            .window = 1000,
            .options = {.present = DUET_TRACE_TIMESTAMPS,
                        .tsval = peer.tsval + (uint32_t)(got >> 10)},
        };
        struct duet_packet packet = {.data = target->in, .flags = DUET_PACKET_CHECKED};
        uint32_t size = forge(target->in, &peer.ends, &segment);
        const void *bytes;
        size_t room;

        forge_ip(target->in, &peer.ends, IP_PROTOCOL_TCP, size - IPV4_HEADER + PIECE);
        packet.length = packet.size = size + PIECE;
        attack->result->packets++;
        attack->result->bytes += packet.length;
        duet_input(target->stack, target->now += 10 * DUET_MICROSECOND, &packet);
        peer.seq += PIECE;
        while (duet_receive_peek(target->stack, peer.handle, &bytes, &room) == DUET_OK) {
            got += room;
            duet_receive_consume(target->stack, target->now, peer.handle, room);
        }
        target_pass(target, target->now);
        attack_expect(attack, got % PIECE == 0 && peer_state(&peer) == DUET_ESTABLISHED,
                      "after %llu bytes the stream stops", (unsigned long long)got);
        attack_expect(attack, got > 0, "nothing is delivered");
    }
    target_free(target);
}

/* Duplicate acknowledgements and SACKs beyond every small counter. */
static void repeat_events(struct attack *attack)
{
    enum { EVENTS = 1 << 17 };
    static const uint8_t text[30000];
    struct target *target = target_small(attack);
    struct peer peer;
    struct duet_status status;

    if (target == NULL || !peer_open(&peer, target, 1000, &peer_full)) {
        target_free(target);
        return;
    }
    (void)duet_send(target->stack, target->now, peer.handle, text, sizeof text, 0);
    target_drain(target);
    for (uint32_t i = 0; i < EVENTS; i++) {
        const struct forged segment = {
            .seq = peer.seq,
            .ack = peer.ack,
            .flags = DUET_ACK,
            .window = 65535,
            .options = {.present = DUET_TRACE_SACK | DUET_TRACE_TIMESTAMPS,
                        .sack_count = 1,
                        .tsval = peer.tsval,
                        .tsecr = peer.tsecr,
                        .sack = {{peer.ack + 1000 + i % 5000, peer.ack + 2500 + i % 5000}}},
        };

        target_send(target, &peer.ends, &segment);
        target_drain(target);
    }
    target_check(target);
    attack_expect(attack,
                  peer_status(&peer, &status) && status.congestion_window <= 4 * sizeof text,
                  "after 2^17 events the congestion window is wrong");
    target_free(target);
}

void attack_A12(struct attack *attack)
{
    static const uint32_t numbers[] = {0,           0x7fff0000u, 0x7fffffffu, 0x80000000u,
                                       0xffff0000u, 0xffffffffu, 0xfffffff0u};
    enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

    attack_sent(attack,
                "lives from %u initial numbers and timestamps around 0, 2^31 and 2^32; 4 "
                "GiB in one connection; 2^17 duplicate ACKs with SACK",
                NUMBERS);
    for (unsigned i = 0; i < NUMBERS; i++)
        for (unsigned j = 0; j < NUMBERS; j++)
            live_from(attack, numbers[i], numbers[j]);
    go_round(attack);
    repeat_events(attack);
    attack_did(attack, "every life ended well and every byte was delivered");
}

/* ---- A15 ---- */

/* Everything at once on a stack with one record of each kind, then the end of it. */
static void run_short_of(struct attack *attack, const struct duet_config *config)
{
    static const uint8_t text[3000];
    struct target *target = target_new(attack, config);
    struct peer peers[3];
    struct duet_counters counters;
    bool open[3];

    if (target == NULL)
        return;
    for (unsigned i = 0; i < 3; i++) {
        const struct ends ends = ends_of(TARGET_PORT, (uint16_t)(1000 + i));

        open[i] = peer_syn(&peers[i], target, &ends, &peer_full);
        if (open[i])
            peer_third(&peers[i]);
        open[i] = open[i] && peer_accepted(&peers[i]);
    }
    for (unsigned turn = 0; turn < 200; turn++) {
        struct peer *peer = &peers[turn % 3];
        static const uint16_t flags[] = {DUET_RST, DUET_SYN, 0, DUET_FIN, DUET_URG, 0};

        target_icmp(target, &peers[0].ends, 8, 0, turn, text, 40);
        if (!open[turn % 3])
            continue;
        (void)duet_send(target->stack, target->now, peer->handle, text, sizeof text, 0);
        peer_say(peer, flags[turn % 6], 1 + 100 * (turn % 50), turn % 7 == 0 ? 1000000 : 0, text,
                 turn % 4 == 0 ? 0 : 50);
        if (turn % 5 == 0)
            target_pass(target, target->now + 300 * DUET_MILLISECOND);
        target_check(target);
    }
    for (unsigned i = 0; i < 3; i++)
        if (open[i])
            duet_abort(target->stack, target->now, peers[i].handle);
    target_pass(target, target->now + 1000 * DUET_SECOND);
    target_take_events(target);
    counters = target_counters(target);
    attack_expect(attack,
                  counters.connections == 0 && counters.half_open == 0 && counters.pages_used == 0,
                  "%u connections, %u half-open and %u pages were never given back",
                  counters.connections, counters.half_open, counters.pages_used);
    target_free(target);
}

void attack_A15(struct attack *attack)
{
    struct duet_config config;

    attack_sent(attack, "RST, SYN, text, FIN, URG and echoes at stacks that are short of one kind "
                        "of record after the other, over every limit of answers");
    target_config(attack, &config);
    uint32_t *const scarce[] = {
        &config.connections_max, &config.half_open_max, &config.time_wait_max,
        &config.transfers_max,   &config.ranges_max,    &config.reassemblies_max,
        &config.replies_max,     &config.paths_max,     &config.accurate_ecn_max,
    };
    for (unsigned i = 0; i < sizeof scarce / sizeof scarce[0]; i++) {
        uint32_t plenty = *scarce[i];

        *scarce[i] = 1;
        run_short_of(attack, &config);
        *scarce[i] = plenty;
    }
    for (config.pages_max = 1; config.pages_max < 24; config.pages_max++)
        run_short_of(attack, &config);
    config.challenge_limit = 1;
    run_short_of(attack, &config);
    attack_did(attack, "gave back every record and page of every pool, each once");
}
