/* SPDX-License-Identifier: MIT */
/* Section C of the attack table: numbers that nobody may guess, and channels that tell of others. */
#include <stdlib.h>
#include <string.h>

#include "duet/isn.h"
#include "observe/statistics.h"
#include "sim/attack/attack.h"

#define DEVIATIONS_MOST 6.0
#define BITS_MOST       0.01
enum { PAIRED_TRIALS = 100000 };

/* ---- C1 ---- */

enum { NUMBERS = 1000000, REPEATED_PAIRS = 100 };

static uint64_t pair_of(const struct ends *ends)
{
    return (uint64_t)ends->remote.bytes[14] << 24 | (uint64_t)ends->remote.bytes[15] << 16 |
           ends->remote_port;
}

/* The answer to one SYN, and the record of it forgotten. */
static bool ask_isn(struct target *target, const struct ends *ends, struct duet_isn_sample *sample)
{
    struct peer peer;

    if (!peer_syn(&peer, target, ends, &peer_plain))
        return false;
    *sample = (struct duet_isn_sample){target->now, pair_of(ends), peer.iss};
    peer_say(&peer, DUET_RST, 0, 0, NULL, 0);
    return true;
}

/* SYNs, one in 100 of a pair of sockets that was there before. How many were answered. */
static size_t collect_numbers(struct attack *attack, struct target *target,
                              struct duet_isn_sample *samples)
{
    for (uint32_t i = 0; i < NUMBERS; i++) {
        struct ends ends = ends_of(TARGET_PORT, (uint16_t)(1024 + i % 60000));

        ends.remote = duet_ipv4(192, 168, (uint8_t)(i >> 16), 1);
        if (i % 100 == 99) {
            ends.remote = duet_ipv4(10, 0, 0, 3);
            ends.remote_port = (uint16_t)(1024 + i / 100 % REPEATED_PAIRS);
        }
        target->now += 50 * DUET_MICROSECOND;
        if (!attack_expect(attack, ask_isn(target, &ends, &samples[i]), "a SYN is not answered"))
            return i;
    }
    return NUMBERS;
}

static void judge_numbers(struct attack *attack, const struct duet_isn_sample *samples,
                          size_t count)
{
    struct duet_isn_report report;

    if (!attack_expect(attack, duet_isn_judge(samples, count, &report) == 0, "no memory"))
        return;
    attack_expect(attack, report.verdict == DUET_ISN_RFC9293, "the numbers look %s: %s",
                  duet_isn_verdict_name(report.verdict), duet_isn_verdict_sentence(report.verdict));
    attack_expect(
        attack, report.uniformity_top < DEVIATIONS_MOST && report.uniformity_low < DEVIATIONS_MOST,
        "chi-square is %.1f and %.1f deviations off", report.uniformity_top, report.uniformity_low);
    attack_did(attack,
               "%.1f bits are left to guess, serial correlation %.4f, chi-square %.1f deviations; "
               "%.0f %% of repeats had grown; no start without entropy",
               report.spread_bits, report.serial_correlation, report.uniformity_top,
               100 * report.monotone);
}

/* A generator that failed, or stopped half way. */
static void refuse_bad_secrets(struct attack *attack)
{
    struct duet_config config;
    uint8_t good[DUET_SECRET_SIZE];

    target_config(attack, &config);
    memcpy(good, config.secret, sizeof good);
    for (unsigned kept = 0; kept + 8 <= DUET_SECRET_SIZE; kept++) {
        memcpy(config.secret, good, sizeof good);
        memset(config.secret + kept, 0, sizeof good - kept);
        attack_expect(attack, duet_stack_footprint(&config) == 0,
                      "a stack starts with %u bytes of entropy", kept);
    }
    memcpy(config.secret + 16, config.secret, 16);
    memcpy(config.secret, good, 16);
    memcpy(config.secret + 16, good, 16);
    attack_expect(attack, duet_stack_footprint(&config) == 0,
                  "a stack starts with the same 16 bytes twice");
    memset(config.secret, 0xff, sizeof config.secret);
    attack_expect(attack, duet_stack_footprint(&config) == 0, "a stack starts without entropy");
}

void attack_C1(struct attack *attack)
{
    struct target *target = target_small(attack);
    struct duet_isn_sample *samples = calloc(NUMBERS, sizeof *samples);

    attack_sent(attack,
                "%u SYNs, one in 100 of them from pairs of sockets seen before; secrets of 0 to 24 "
                "bytes, repeated ones, constant ones",
                NUMBERS);
    refuse_bad_secrets(attack);
    if (samples != NULL && target != NULL)
        judge_numbers(attack, samples, collect_numbers(attack, target, samples));
    attack_expect(attack, samples != NULL, "no memory");
    free(samples);
    target_free(target);
}

/* ---- side channels: does what happens to B show in what A gets? ---- */

enum { ANSWERS_MAX = 32, SPOOFED = 12, PROBES = 12 };

struct channel {
    struct target *target;
    struct peer a, b;
    uint64_t counts[2][ANSWERS_MAX];
};

/* In a half of the trials, chosen by chance, poke(B); in all, count what probing A brings. */
static double measure(struct channel *channel, void (*poke)(struct channel *, unsigned),
                      void (*probe)(struct channel *, unsigned), unsigned trials)
{
    struct target *target = channel->target;

    memset(channel->counts, 0, sizeof channel->counts);
    for (unsigned trial = 0; trial < trials; trial++) {
        bool pokes = prng_next(&target->attack->prng) & 1;
        unsigned answers = 0;
        struct seen seen;

        for (unsigned i = 0; pokes && i < SPOOFED; i++)
            poke(channel, i);
        target_drain(target);
        for (unsigned i = 0; i < PROBES; i++) {
            probe(channel, i);
            while (target_next(target, &seen))
                answers += duet_address_equal(&seen.ip.destination, &channel->a.ends.remote) &&
                           seen.tcp.destination_port == channel->a.ends.remote_port;
        }
        channel->counts[pokes][answers < ANSWERS_MAX ? answers : ANSWERS_MAX - 1]++;
        target_pass(target, target->now + 977 * DUET_MILLISECOND);
    }
    return statistics_mutual_information(&channel->counts[0][0], 2, ANSWERS_MAX);
}

static void say_syn(struct peer *peer, unsigned i)
{
    const struct forged syn = {.flags = DUET_SYN, .seq = peer->seq + 100 + i, .window = 1000};

    target_send(peer->target, &peer->ends, &syn);
}

static void poke_syn(struct channel *channel, unsigned i)
{
    say_syn(&channel->b, i);
}

static void probe_syn(struct channel *channel, unsigned i)
{
    say_syn(&channel->a, i);
}

static void poke_ghost(struct channel *channel, unsigned i)
{
    peer_say(&channel->b, i % 2 == 0 ? DUET_RST : 0, 1 + i, 1000 + i, NULL, 0);
}

/* B belongs to another host, whose packets the attacker forges. */
static bool open_channel(struct channel *channel, struct target *target)
{
    struct ends ends = ends_of(TARGET_PORT, 1001);

    *channel = (struct channel){.target = target};
    ends.remote = duet_ipv4(10, 0, 0, 77);
    if (target == NULL || !peer_open(&channel->a, target, 1000, &peer_plain) ||
        !peer_syn(&channel->b, target, &ends, &peer_plain))
        return false;
    peer_third(&channel->b);
    return peer_accepted(&channel->b);
}

void attack_C5(struct attack *attack)
{
    struct target *target = target_small(attack);
    struct channel channel;
    double syn, ghost, worst;

    attack_sent(
        attack,
        "twice %u trials: in a half of them %u forged segments at another connection (SYNs; "
        "RSTs and ghosts), in all %u segments that ask for challenge ACKs on the attacker's "
        "own",
        PAIRED_TRIALS, SPOOFED, PROBES);
    if (!open_channel(&channel, target)) {
        target_free(target);
        return;
    }
    syn = measure(&channel, poke_syn, probe_syn, PAIRED_TRIALS);
    ghost = measure(&channel, poke_ghost, probe_syn, PAIRED_TRIALS);
    worst = syn > ghost ? syn : ghost;
    attack_expect(attack, worst < BITS_MOST,
                  "the attacker's own answers tell %.3f bits about the other connection", worst);
    attack_expect(attack, target_hits(target, "CHALLENGE_LIMIT") > 0, "no limit was ever reached");
    attack_did(attack, "limits each connection alone: %.5f bits leak", worst);
    target_free(target);
}

/* ---- C6 ---- */

void attack_C6(struct attack *attack)
{
    enum { PACKETS = 20000 };
    struct target *target = target_small(attack);
    struct channel channel;
    struct seen seen;

    attack_sent(attack,
                "%u segments and echo requests that ask for answers on one connection, while "
                "others are forged at another",
                PACKETS);
    if (!open_channel(&channel, target)) {
        target_free(target);
        return;
    }
    for (unsigned i = 0; i < PACKETS; i++) {
        static const uint8_t echo[] = "ping";

        poke_ghost(&channel, i);
        probe_syn(&channel, i);
        target_icmp(target, &channel.a.ends, 8, 0, i, echo, sizeof echo);
        while (target_next(target, &seen)) {
            attack_expect(attack, seen.ip.identification == 0,
                          "a packet that is never cut carries identification %u",
                          seen.ip.identification);
            attack_expect(attack, (target->out[6] & 0x40) != 0, "a packet may be cut");
        }
        target->now += 7 * DUET_MILLISECOND;
    }
    attack_did(attack, "sent every packet with DF and identification 0: there is no counter");
    target_free(target);
}

/* ---- C7 ---- */

enum { PORT_CALLS = 1000000, GUESSES = 200000, PORT_BINS = 256 };

/* One call, its port, and the end of it without a packet that counts. */
static uint16_t call_port(struct target *target, const struct duet_socket_address *remote)
{
    const struct duet_connect_options options = {.remote = *remote};
    struct duet_handle handle;
    struct duet_status status;
    uint16_t port = 0;

    if (duet_connect(target->stack, target->now, &options, &handle) != DUET_OK)
        return 0;
    if (duet_status(target->stack, handle, &status) == DUET_OK)
        port = status.local.port;
    duet_abort(target->stack, target->now, handle);
    target_take_events(target);
    target_drain(target);
    return port;
}

/* The attacker sees the port of a call to itself, then guesses that of the next call to somebody
 * else, by the best of three rules; and of the next call to itself. */
static void guess_ports(struct attack *attack, struct target *target, double *others, double *own)
{
    unsigned hits[3] = {0}, next = 0, best = 0;
    const uint32_t range = 65536 - target->config.port_first;
    uint16_t before = 0;

    for (unsigned i = 0; i < GUESSES; i++) {
        struct duet_socket_address self = {duet_ipv4(203, 0, 113, (uint8_t)(i % 10)), 443};
        struct duet_socket_address victim = {duet_ipv4(198, 51, (uint8_t)(i >> 8), (uint8_t)i),
                                             443};
        uint16_t seen = call_port(target, &self), chosen = call_port(target, &victim);

        hits[0] += chosen == (uint16_t)(seen + 1);
        hits[1] += chosen == seen;
        hits[2] += (uint16_t)(chosen - seen) == before;
        before = (uint16_t)(chosen - seen);
        self.port = 444;
        seen = call_port(target, &self);
        next += call_port(target, &self) == (uint16_t)(seen + 1);
    }
    for (unsigned i = 0; i < 3; i++)
        best = hits[i] > best ? hits[i] : best;
    *others = (double)best / GUESSES * range;
    *own = (double)next / GUESSES;
    attack_expect(attack, *others <= 2, "the next port is guessed %.1f times as often as by chance",
                  *others);
    attack_expect(attack, *own <= 0.5, "the next port to the same host is the last one and one");
}

void attack_C7(struct attack *attack)
{
    struct target *target = target_small(attack);
    uint64_t bins[PORT_BINS] = {0};
    double uniform, others = 0, own = 0;

    attack_sent(attack,
                "%u calls to different hosts, and %u guesses by somebody who sees the ports "
                "of calls to itself",
                PORT_CALLS, GUESSES);
    for (unsigned i = 0; target != NULL && i < PORT_CALLS; i++) {
        struct duet_socket_address remote = {
            duet_ipv4(100, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i), 443};
        uint16_t port = call_port(target, &remote);

        if (!attack_expect(attack, port >= target->config.port_first, "no port was found"))
            break;
        bins[(unsigned)(port - target->config.port_first) * PORT_BINS /
             (65536u - target->config.port_first)]++;
    }
    uniform = statistics_uniformity(bins, PORT_BINS);
    attack_expect(attack, uniform < DEVIATIONS_MOST, "ports are %.1f deviations from uniform",
                  uniform);
    if (target != NULL && !attack_failed(attack))
        guess_ports(attack, target, &others, &own);
    attack_did(attack,
               "ports are uniform (%.1f deviations); guesses hit %.2f times as often as "
               "chance",
               uniform, others);
    target_free(target);
}

/* ---- C8 ---- */

void attack_C8(struct attack *attack)
{
    enum { TUPLES = 20000 };
    struct target *target = target_small(attack);
    struct forged offer = peer_full;
    uint64_t bins[256] = {0};
    double *offsets = calloc(TUPLES, sizeof *offsets), correlation = 1, uniform = 0;

    attack_sent(attack, "%u SYNs with timestamps from different pairs of sockets, each again later",
                TUPLES);
    for (uint32_t i = 0; target != NULL && offsets != NULL && i < TUPLES; i++) {
        const struct ends ends = ends_of(TARGET_PORT, (uint16_t)(1024 + i));
        struct peer first, second;

        if (!attack_expect(attack, peer_syn(&first, target, &ends, &offer), "no answer"))
            break;
        target->now += 3 * DUET_MILLISECOND;
        peer_say(&first, DUET_RST, 0, 0, NULL, 0);
        if (!attack_expect(attack, peer_syn(&second, target, &ends, &offer), "no answer"))
            break;
        peer_say(&second, DUET_RST, 0, 0, NULL, 0);
        attack_expect(attack, second.tsecr - first.tsecr == 3, "a pair's own clock does not go on");
        offsets[i] = (uint32_t)(first.tsecr - (uint32_t)(target->now / DUET_MILLISECOND));
        bins[(uint32_t)offsets[i] >> 24]++;
    }
    if (target != NULL && offsets != NULL) {
        correlation = statistics_correlation(offsets, offsets + 1, TUPLES - 1);
        uniform = statistics_uniformity(bins, 256);
    }
    attack_expect(attack, correlation < 0.05 && correlation > -0.05 && uniform < DEVIATIONS_MOST,
                  "offsets correlate by %.3f and are %.1f deviations from uniform", correlation,
                  uniform);
    attack_did(attack, "gives each pair an offset of its own (correlation %.4f), which stays",
               correlation);
    free(offsets);
    target_free(target);
}
