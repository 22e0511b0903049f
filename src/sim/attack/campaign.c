/* SPDX-License-Identifier: MIT */
/* The long campaign: blind segments and errors at live connections, as many as there is time for, and
 * what chance says of them.
 *
 * Half of the injections draw their numbers freely; the probability of each to have an effect is
 * added up from the width of what RFC 5961 and RFC 5927 accept. The other half is wrong by
 * construction and must have none. Virtual time hardly moves, so that what is in flight stays so.
 */
#include "observe/statistics.h"
#include "sim/attack/attack.h"

enum { VICTIMS = 16, FLIGHT = 3000, TEXT = 100 };
enum kind { RST, SYN, TEXT_SEGMENT, FIN, ERROR, KINDS };
#define NUMBERS 4294967296.0

struct victim {
    struct peer peer;
    struct duet_status before;
};

struct campaign {
    struct attack attack;
    struct duet_attack_result result;
    struct target *target;
    struct victim victims[VICTIMS];
    uint16_t next_port;
    double variance;
};

/* A connection with bytes in flight, from a host of its own. */
static bool revive(struct campaign *campaign, struct victim *victim)
{
    static const uint8_t text[FLIGHT];
    struct target *target = campaign->target;
    struct ends ends = ends_of(TARGET_PORT, campaign->next_port++);

    ends.remote = duet_ipv4(10, 0, 1, (uint8_t)(1 + (victim - campaign->victims)));
    if (!peer_syn(&victim->peer, target, &ends, &peer_plain))
        return false;
    peer_third(&victim->peer);
    if (!peer_accepted(&victim->peer))
        return false;
    (void)duet_send(target->stack, target->now, victim->peer.handle, text, sizeof text, 0);
    target_drain(target);
    return peer_status(&victim->peer, &victim->before);
}

static void forget(struct campaign *campaign, struct victim *victim)
{
    duet_abort(campaign->target->stack, campaign->target->now, victim->peer.handle);
    target_take_events(campaign->target);
    target_drain(campaign->target);
}

static uint32_t draw(struct campaign *campaign)
{
    return (uint32_t)prng_next(&campaign->attack.prng);
}

static bool has_effect(const struct victim *victim)
{
    struct duet_status now;

    return !peer_status(&victim->peer, &now) || now.state != victim->before.state ||
           now.rcv_nxt != victim->before.rcv_nxt || now.snd_una != victim->before.snd_una ||
           now.send_mss != victim->before.send_mss;
}

/* Of an injection whose numbers were drawn freely. */
static double chance_of(enum kind kind, const struct duet_status *status)
{
    double acks = (double)(status->snd_nxt - status->iss); /* ISS+1 to SND.NXT */

    switch (kind) {
    case RST:
        return 1 / NUMBERS; /* RCV.NXT */
    case TEXT_SEGMENT: /* TEXT places at which it brings something new, and an ACK that counts */
        return TEXT / NUMBERS * (acks / NUMBERS);
    case FIN:
        return 1 / NUMBERS * (acks / NUMBERS);
    case ERROR:
        return status->in_flight / NUMBERS;
    case SYN:
    case KINDS:
        break;
    }
    return 0;
}

static void inject_error(struct campaign *campaign, struct victim *victim, uint32_t seq)
{
    uint8_t quote[IPV4_HEADER + TCP_HEADER];
    uint32_t size = forge_quote(quote, &victim->peer.ends, seq, 1500);

    target_icmp(campaign->target, &victim->peer.ends, 3, 4, 1000, quote, size);
}

/* wrong: whatever was drawn is moved to where it cannot count. */
static void inject(struct campaign *campaign, struct victim *victim, enum kind kind, bool wrong)
{
    static const uint8_t text[TEXT] = "injected";
    static const uint16_t flags[KINDS] = {DUET_RST, DUET_SYN, DUET_ACK | DUET_PSH,
                                          DUET_ACK | DUET_FIN, 0};
    const struct duet_status *status = &victim->before;
    struct forged segment = {.seq = draw(campaign),
                             .ack = draw(campaign),
                             .flags = flags[kind],
                             .window = (uint16_t)draw(campaign)};

    if (kind == ERROR) {
        uint32_t out = status->snd_nxt + draw(campaign) % (1u << 31);

        inject_error(campaign, victim, wrong ? out : segment.seq);
        return;
    }
    if (kind == TEXT_SEGMENT) {
        segment.text = text;
        segment.length = TEXT;
    }
    if (wrong && kind == RST && segment.seq == status->rcv_nxt)
        segment.seq++;
    if (wrong && (kind == TEXT_SEGMENT || kind == FIN))
        segment.ack = status->snd_nxt + 1 + segment.ack % (1u << 30);
    target_send(campaign->target, &victim->peer.ends, &segment);
}

static bool run(struct campaign *campaign, uint64_t injections, struct duet_attack_campaign *result)
{
    for (uint64_t i = 0; i < injections; i++) {
        struct victim *victim = &campaign->victims[draw(campaign) % VICTIMS];
        enum kind kind = (enum kind)(draw(campaign) % KINDS);
        bool wrong = i % 2 == 1;
        double chance = wrong ? 0 : chance_of(kind, &victim->before);

        result->wrong += wrong;
        result->expected += chance;
        campaign->variance += chance * (1 - chance);
        inject(campaign, victim, kind, wrong);
        if (i % 32 == 0)
            target_drain(campaign->target);
        if (!has_effect(victim))
            continue;
        result->effects++;
        result->wrong_effects += wrong;
        forget(campaign, victim);
        if (!revive(campaign, victim))
            return false;
    }
    return true;
}

int duet_attack_campaign(uint64_t injections, uint64_t seed, struct duet_attack_campaign *result)
{
    static struct campaign campaign;
    struct duet_config config;
    bool good;
    double spread;

    campaign = (struct campaign){.attack = {.result = &campaign.result}, .next_port = 2000};
    *result = (struct duet_attack_campaign){.injections = injections};
    prng_seed(&campaign.attack.prng, seed);
    target_config(&campaign.attack, &config);
    config.plpmtud = false;
    campaign.target = target_new(&campaign.attack, &config);
    good = campaign.target != NULL;
    for (unsigned i = 0; good && i < VICTIMS; i++)
        good = revive(&campaign, &campaign.victims[i]);
    good = good && run(&campaign, injections, result) && !attack_failed(&campaign.attack);
    target_free(campaign.target);
    spread = 6 * statistics_root(campaign.variance);
    result->expected_at_least = result->expected > spread ? result->expected - spread : 0;
    result->expected_at_most = result->expected + spread + 1;
    return good ? 0 : -1;
}
