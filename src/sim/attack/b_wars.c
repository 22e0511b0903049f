/* SPDX-License-Identifier: MIT */
/* Section B of the attack table: two ends that answer each other (draft-gont-tcpm-tcp-seq-validation
 * tells of three ways in which honest ends begin it). */
#include <string.h>

#include "base/bytes.h"
#include "sim/attack/attack.h"
#include "wire/checksum.h"

enum { WAR_PORT = 7000, CONTROL_MOST = 10 };

/* Two stacks and the wire between them, which may change what it carries. */
struct war {
    struct target *ends[2];
    struct duet_handle handles[2];
    uint32_t shift; /* added to the sequence numbers of what they send */
};

static struct target *end_at(struct attack *attack, uint8_t host)
{
    struct duet_config config;

    target_config(attack, &config);
    config.interfaces[0].address = duet_ipv4(10, 0, 0, host);
    config.interface_count = 1;
    return target_new(attack, &config);
}

static void shift_numbers(uint8_t *bytes, uint32_t length, uint32_t shift)
{
    uint8_t *tcp = bytes + IPV4_HEADER;
    struct ip_packet ip;
    struct checksum sum = {0};

    if (shift == 0 || ip_parse(bytes, length, &ip) != IP_OK)
        return;
    bytes_put32(tcp + 4, bytes_get32(tcp + 4) + shift);
    bytes_put16(tcp + 16, 0);
    checksum_add_pseudo(&sum, &ip.source, &ip.destination, IP_PROTOCOL_TCP, ip.payload_length);
    checksum_add(&sum, tcp, ip.payload_length);
    bytes_put16(tcp + 16, checksum_finish(&sum));
}

/* Carries packets until both are silent; how many. Both keep the same time. */
static unsigned carry(struct war *war, duet_time for_how_long)
{
    duet_time until = war->ends[0]->now + for_how_long;
    unsigned packets = 0;

    while (war->ends[0]->now <= until && packets < 100000) {
        bool moved = false;

        for (unsigned i = 0; i < 2; i++) {
            struct target *from = war->ends[i], *to = war->ends[1 - i];
            struct seen seen;

            if (!target_next(from, &seen))
                continue;
            moved = true;
            packets++;
            shift_numbers(from->out, from->packet.length, war->shift);
            target_input(to, from->out, from->packet.length);
        }
        if (moved)
            continue;
        for (unsigned i = 0; i < 2; i++)
            duet_expire(war->ends[i]->stack, war->ends[i]->now += DUET_MILLISECOND);
    }
    return packets;
}

static bool begin(struct attack *attack, struct war *war)
{
    *war = (struct war){.ends = {end_at(attack, 1), end_at(attack, 2)}};
    return war->ends[0] != NULL && war->ends[1] != NULL;
}

static void end(struct war *war)
{
    target_free(war->ends[0]);
    target_free(war->ends[1]);
}

static bool call(struct war *war, unsigned from, uint16_t local_port, uint16_t remote_port)
{
    const struct duet_connect_options options = {
        .local = {.port = local_port},
        .remote = {duet_ipv4(10, 0, 0, (uint8_t)(2 - from)), remote_port}};

    return duet_connect(war->ends[from]->stack, war->ends[from]->now, &options,
                        &war->handles[from]) == DUET_OK;
}

/* A connection whose numbers no longer fit: either end has something to say once. */
static void desynchronize(struct attack *attack, uint32_t shift)
{
    struct war war;
    unsigned packets;

    if (begin(attack, &war) && call(&war, 0, 0, TARGET_PORT)) {
        (void)carry(&war, DUET_SECOND);
        war.shift = shift;
        duet_set(war.ends[0]->stack, war.ends[0]->now, war.handles[0], DUET_OPTION_KEEPALIVE, 1);
        duet_set(war.ends[0]->stack, war.ends[0]->now, war.handles[0], DUET_OPTION_KEEPALIVE_IDLE,
                 9000);
        packets = carry(&war, 10 * DUET_SECOND);
        attack_expect(attack, packets >= 1 && packets <= CONTROL_MOST,
                      "numbers shifted by %u: %u packets in 10 s", shift, packets);
    }
    end(&war);
}

static void open_both(struct attack *attack, bool close)
{
    struct war war;
    unsigned packets;

    if (begin(attack, &war) && call(&war, 0, WAR_PORT, WAR_PORT) &&
        call(&war, 1, WAR_PORT, WAR_PORT)) {
        packets = carry(&war, 10 * DUET_SECOND);
        attack_expect(attack, packets <= CONTROL_MOST, "a simultaneous open takes %u packets",
                      packets);
        if (close) {
            duet_close(war.ends[0]->stack, war.ends[0]->now, war.handles[0]);
            duet_close(war.ends[1]->stack, war.ends[1]->now, war.handles[1]);
            packets = carry(&war, 10 * DUET_SECOND);
            attack_expect(attack, packets <= CONTROL_MOST, "a simultaneous close takes %u packets",
                          packets);
        }
    }
    end(&war);
}

/* A stack that calls its own socket over loopback, whose packets come back to it. */
static void call_oneself(struct attack *attack)
{
    struct duet_config config;
    struct target *target;
    const struct duet_connect_options options = {.local = {duet_ipv4(10, 0, 0, 1), WAR_PORT},
                                                 .remote = {duet_ipv4(10, 0, 0, 1), WAR_PORT}};
    struct duet_handle handle;
    struct seen seen;
    unsigned packets = 0;

    target_config(attack, &config);
    config.loopback_allowed = true;
    target = target_new(attack, &config);
    if (target == NULL || duet_connect(target->stack, 0, &options, &handle) != DUET_OK) {
        target_free(target);
        return;
    }
    while (packets < 1000 && target_next(target, &seen)) {
        packets++;
        memcpy(target->in, target->out, target->packet.length);
        target_input(target, target->in, target->packet.length);
    }
    attack_expect(attack, packets <= CONTROL_MOST, "a call to oneself takes %u packets", packets);
    target_free(target);
}

void attack_B12(struct attack *attack)
{
    attack_sent(attack,
                "two ends whose numbers were shifted by +-2^0 to 2^31, simultaneous open and "
                "close, a call to oneself");
    for (unsigned bit = 0; bit < 32; bit++) {
        desynchronize(attack, UINT32_C(1) << bit);
        desynchronize(attack, 0u - (UINT32_C(1) << bit));
    }
    open_both(attack, false);
    open_both(attack, true);
    call_oneself(attack);
    attack_did(attack, "fell silent after at most %u packets in 10 s each time", CONTROL_MOST);
}

/* ---- B10 ---- */

void attack_B10(struct attack *attack)
{
    static const uint8_t text[200000];
    struct target *target = target_small(attack);
    struct forged offer = peer_full;
    struct peer peer;
    uint64_t before, wire;
    uint32_t came = 0, given = 0;

    attack_sent(attack, "a SYN with MSS 48, then %zu bytes asked for in writes of 7 bytes and more",
                sizeof text);
    offer.options.mss = 48;
    if (target == NULL || !peer_open(&peer, target, 1000, &offer)) {
        target_free(target);
        return;
    }
    before = target->bytes_out;
    for (unsigned turn = 0; turn < 20000 && came < sizeof text; turn++) {
        uint32_t left = (uint32_t)sizeof text - given;
        uint32_t most = turn % 3 == 0 ? 7 : 3000;
        int64_t took =
            duet_send(target->stack, target->now, peer.handle, text, most < left ? most : left, 0);

        given += took > 0 ? (uint32_t)took : 0;
        came += peer_take(&peer);
        peer_say(&peer, 0, 0, 0, NULL, 0);
        duet_expire(target->stack, target->now += DUET_MILLISECOND);
    }
    wire = target->bytes_out - before;
    attack_expect(attack, came == sizeof text, "%u bytes came of %zu", came, sizeof text);
    attack_expect(attack, wire * 10 <= (uint64_t)came * 14, "%llu bytes on the wire for %u",
                  (unsigned long long)wire, came);
    attack_did(attack, "sent segments of at least the floor: %llu %% of the text on the wire",
               (unsigned long long)(wire * 100 / came));
    target_free(target);
}
