/* SPDX-License-Identifier: MIT */
/* Forging segments; see attacker.h. */
#include "sim/attacker.h"

#include "base/prng.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { ATTACKER_TTL = 64, ATTACKER_WINDOW = 1024 };

static struct attacker *attacker_of(struct world_user *user)
{
    return (struct attacker *)(void *)user;
}

static duet_time attacker_deadline(const struct world_user *user)
{
    const struct attacker *attacker = (const struct attacker *)(const void *)user;

    if (attacker->at == ATTACKER_FORGERIES_MAX || attacker->forgeries[attacker->at].at_ms == 0)
        return DUET_NEVER;
    return attacker->forgeries[attacker->at].at_ms * DUET_MILLISECOND;
}

/* Aims at the connection that the victim has; without one, at its listener. */
static void aim(const struct attacker *attacker, const struct attacker_forgery *forgery,
                struct tcp_header *tcp)
{
    const struct actor *victim = &attacker->actors[forgery->victim];
    struct world *world = attacker->user.world;
    struct duet_status status;
    struct prng prng;

    prng_seed(&prng, world_seed(world) + forgery->at_ms);
    tcp->source_port = WORLD_PORT;
    tcp->destination_port = WORLD_PORT;
    tcp->seq = (uint32_t)prng_next(&prng);
    tcp->flags = forgery->flags;
    tcp->window = ATTACKER_WINDOW;
    if (victim->has_connection &&
        duet_status(world_stack(world, forgery->victim), victim->connection, &status) == DUET_OK) {
        tcp->source_port = status.remote.port;
        tcp->destination_port = status.local.port;
        tcp->seq = status.rcv_nxt + forgery->ahead;
        tcp->ack = status.snd_nxt;
    }
    if ((tcp->flags & DUET_ACK) == 0)
        tcp->ack = 0;
}

static void forge(const struct attacker *attacker, const struct attacker_forgery *forgery)
{
    struct world *world = attacker->user.world;
    struct tcp_header tcp = {0};
    struct checksum sum = {0};
    uint8_t segment[TCP_HEADER + TCP_OPTIONS_MAX];
    uint8_t packet[IPV6_HEADER + sizeof segment];
    struct ip_packet ip = {
        .source = world_address(world, WORLD_HOSTS - 1 - forgery->victim),
        .destination = world_address(world, forgery->victim),
        .protocol = IP_PROTOCOL_TCP,
        .ttl = ATTACKER_TTL,
    };
    uint32_t header;
    uint16_t check;

    aim(attacker, forgery, &tcp);
    ip.payload_length = tcp_build(segment, &tcp);
    checksum_add_pseudo(&sum, &ip.source, &ip.destination, ip.protocol, ip.payload_length);
    checksum_add(&sum, segment, ip.payload_length);
    check = checksum_finish(&sum);
    header = ip_build(packet, &ip);
    for (uint32_t i = 0; i < ip.payload_length; i++)
        packet[header + i] = segment[i];
    packet[header + 16] = (uint8_t)(check >> 8);
    packet[header + 17] = (uint8_t)check;
    world_inject(world, forgery->victim, packet, header + ip.payload_length);
}

static bool attacker_act(struct world_user *user)
{
    struct attacker *attacker = attacker_of(user);
    const struct attacker_forgery *forgery = &attacker->forgeries[attacker->at];

    if (world_now(user->world) < attacker_deadline(user))
        return false;
    attacker->at++;
    if (forgery->say != NULL)
        world_note(user->world, forgery->say);
    forge(attacker, forgery);
    return true;
}

void attacker_start(struct attacker *attacker, struct world *world,
                    const struct attacker_forgery *forgeries, const struct actor *actors)
{
    *attacker = (struct attacker){
        .user = {.act = attacker_act, .deadline = attacker_deadline},
        .forgeries = forgeries,
        .actors = actors,
    };
    /* Where it sits does not matter; it acts after the users of both hosts. */
    world_add_user(world, &attacker->user, WORLD_HOSTS - 1);
}
