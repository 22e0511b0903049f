/* SPDX-License-Identifier: MIT */
/* The stack that is attacked: packets in, packets out, time as a number. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "duet/trace.h"
#include "host/coverage.h"
#include "host/steps.h"
#include "sim/attack/attack.h"

enum { TARGET_BACKLOG = 64 };

void target_config(struct attack *attack, struct duet_config *config)
{
    duet_config_default(config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config->secret[i] = (uint8_t)prng_next(&attack->prng);
    config->interfaces[0] = (struct duet_interface){ends_of(1, 1).local, 24};
    config->interfaces[1] = (struct duet_interface){ends6_of(1, 1).local, 64};
    config->interface_count = 2;
    config->connections_max = 64;
    config->half_open_max = 64;
    config->time_wait_max = 64;
    config->transfers_max = 64;
    config->reassemblies_max = 64;
    config->accurate_ecn_max = 16;
    config->ranges_max = 1024;
    config->listeners_max = 16;
    config->replies_max = 64;
    config->paths_max = 64;
    config->pages_max = 1024;
    config->page_size = 2048;
    config->send_buffer = 256 * 1024;
    config->receive_buffer = 64 * 1024;
    config->pacing = false;
    config->autotune = false;
}

static bool start(struct target *target)
{
    const struct duet_listen_options options = {.local = {.port = TARGET_PORT},
                                                .backlog = TARGET_BACKLOG};

    target->size = duet_stack_footprint(&target->config);
    target->block = target->size == 0 ? NULL : malloc(target->size);
    return target->block != NULL &&
           duet_stack_init(target->block, target->size, &target->config, &target->stack) ==
               DUET_OK &&
           duet_listen(target->stack, 0, &options, &target->listener) == DUET_OK;
}

struct target *target_new(struct attack *attack, const struct duet_config *config)
{
    struct target *target = calloc(1, sizeof *target);

    if (target == NULL) {
        attack_expect(attack, false, "no memory");
        return NULL;
    }
    target->attack = attack;
    target->config = *config;
    if (start(target))
        return target;
    attack_expect(attack, false, "the stack does not start");
    free(target->block);
    free(target);
    return NULL;
}

struct target *target_small(struct attack *attack)
{
    struct duet_config config;

    target_config(attack, &config);
    return target_new(attack, &config);
}

void target_check(struct target *target)
{
    const char *broken = duet_check(target->stack);

    attack_expect(target->attack, broken == NULL, "an invariant is broken: %s",
                  broken == NULL ? "" : broken);
}

void target_free(struct target *target)
{
    if (target == NULL)
        return;
    target_check(target);
    target->attack->result->answers += target->packets_out;
    duet_coverage_note(target->stack);
    free(target->block);
    free(target);
}

uint64_t target_hits(const struct target *target, const char *rule)
{
    for (unsigned i = 0; i < duet_rule_count(); i++)
        if (strcmp(duet_rule(i)->name, rule) == 0)
            return duet_rule_hits(target->stack, i);
    unreachable("every row names rules that exist");
}

struct duet_counters target_counters(const struct target *target)
{
    struct duet_counters counters;

    duet_counters(target->stack, &counters);
    return counters;
}

/* ---- in ---- */

static void note_steps(const struct target *target, uint64_t before)
{
    uint64_t *most = &target->attack->result->steps, steps = steps_counted() - before;

    *most = steps > *most ? steps : *most;
}

static void input(struct target *target, const struct duet_packet *packet)
{
    target->attack->result->packets++;
    target->attack->result->bytes += packet->length;
    uint64_t before = steps_counted();
    duet_input(target->stack, target->now, packet);
    note_steps(target, before);
}

void target_input(struct target *target, uint8_t *bytes, uint32_t length)
{
    struct duet_packet packet = {.size = length, .length = length};

    packet.data = bytes;
    input(target, &packet);
}

void target_input_at_edge(struct target *target, const uint8_t *bytes, uint32_t length)
{
    const struct duet_packet packet = {
        .data = guard_place(bytes, length), .size = length, .length = length};

    if (attack_expect(target->attack, packet.data != NULL, "no memory for a guard page"))
        input(target, &packet);
}

void target_send(struct target *target, const struct ends *ends, const struct forged *segment)
{
    target_input(target, target->in, forge(target->in, ends, segment));
}

void target_icmp(struct target *target, const struct ends *ends, uint8_t type, uint8_t code,
                 uint32_t mtu, const uint8_t *quote, uint32_t length)
{
    target_input(target, target->in, forge_icmp(target->in, ends, type, code, mtu, quote, length));
}

/* ---- out ---- */

bool target_next(struct target *target, struct seen *seen)
{
    target->packet = (struct duet_packet){.data = target->out, .size = sizeof target->out};
    if (!duet_output(target->stack, target->now, &target->packet))
        return false;
    target->packets_out++;
    target->bytes_out += target->packet.length;
    *seen = (struct seen){0};
    if (!attack_expect(target->attack,
                       ip_parse(target->out, target->packet.length, &seen->ip) == IP_OK,
                       "a packet left that is not sound IP"))
        return true;
    if (seen->ip.protocol == IP_PROTOCOL_TCP)
        attack_expect(target->attack,
                      tcp_parse(seen->ip.payload, seen->ip.payload_length, &seen->tcp) ==
                          TCP_WIRE_OK,
                      "a segment left that is not sound TCP");
    return true;
}

unsigned target_drain(struct target *target)
{
    unsigned packets = 0;

    for (;;) {
        uint64_t before = steps_counted();

        target->packet = (struct duet_packet){.data = target->out, .size = sizeof target->out};
        if (!duet_output(target->stack, target->now, &target->packet))
            return packets;
        note_steps(target, before);
        packets++;
        target->packets_out++;
        target->bytes_out += target->packet.length;
    }
}

unsigned target_pass(struct target *target, duet_time until)
{
    unsigned packets = target_drain(target);

    while (duet_deadline(target->stack) <= until) {
        duet_time next = duet_deadline(target->stack);

        target->now = next > target->now ? next : target->now;
        duet_expire(target->stack, target->now);
        packets += target_drain(target);
    }
    target->now = until > target->now ? until : target->now;
    return packets;
}

void target_take_events(struct target *target)
{
    struct duet_event event;

    while (duet_next_event(target->stack, &event))
        continue;
}
