/* SPDX-License-Identifier: MIT */
/* What lasts for a while on the link of one host, in its clock or among its applications. Each kind
 * of fault is a pair of functions, for its beginning and its end. */
#include "sim/swarm/forge.h"
#include "sim/swarm/swarm.h"

enum {
    RATE_LEAST = 64 * 1000 / 8, /* bytes a second of a slow link */
    RATE_MOST = 50 * 1000 * 1000 / 8,
    QUEUE_SHORT = 20 * 1000 * 1000, /* ns */
    QUEUE_MOST = 2 * 1000 * 1000 * 1000,
    LATE_MOST = 2 * 1000 * 1000 * 1000,
    AHEAD_MOST = 600, /* s */
    BACK_MOST = 30,
};

/* Does anything stand in the way of what this host sends? */
static void judge_trouble(const struct swarm *w, struct host *host)
{
    host->is_troubled = host->out_blocked != 0 || host->mtu < w->plan.mtu || host->strip != 0 ||
                        host->rewrite != 0 || host->bleaches || host->held != SWARM_NONE;
}

/* ---- what a packet meets ---- */

static void meddle(struct swarm *w, struct host *from, uint32_t slot)
{
    network_finish_checksum(w, slot);
    if (from->strip != 0)
        forge_strip(w, from, slot);
    if (from->rewrite != 0)
        forge_rewrite(w, from, slot);
    if (from->bleaches)
        forge_set_ecn(packet_bytes(&w->packets, slot), 0);
}

bool weather_touch(struct swarm *w, struct host *from, uint32_t slot)
{
    uint32_t length;

    if (from->held != SWARM_NONE) {
        network_finish_checksum(w, slot);
        forge_release(w, from, (int32_t)slot);
        judge_trouble(w, from);
    }
    length = w->packets.slots[slot].length;
    if (from->out_blocked != 0) {
        packets_give(w, slot);
        return false;
    }
    if (length > from->mtu && length <= w->plan.mtu) { /* what was joined is cut again */
        if (!from->hole)
            forge_too_big(w, slot, from->mtu);
        packets_give(w, slot);
        return false;
    }
    if (from->strip != 0 || from->rewrite != 0 || from->bleaches)
        meddle(w, from, slot);
    return true;
}

/* ---- links ---- */

static void slow_link(struct host *host, uint64_t strength)
{
    uint64_t rate = (strength >> 60 & 1) != 0 ? (uint64_t)RATE_LEAST << strength % 10
                                              : RATE_LEAST + strength % RATE_MOST;

    host->byte_time = (duet_time)(1000000000 / rate);
}

static void begin_rate_limit(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)w;
    slow_link(host, episode->strength);
    host->queue = QUEUE_SHORT + (duet_time)(episode->strength >> 32) % QUEUE_SHORT;
}

static void begin_deep_buffer(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)w;
    slow_link(host, episode->strength);
    host->queue = QUEUE_MOST;
}

static void end_rate(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)w, (void)episode;
    host->byte_time = 0;
}

static void begin_mtu(struct swarm *w, struct host *host, const struct episode *episode)
{
    uint32_t least = w->plan.ipv6 ? 1280 : 576;

    host->mtu = least + (uint32_t)(episode->strength % (w->plan.mtu - least + 1));
    host->hole = episode->fault == DUET_SIM_BLACK_HOLE;
}

static void end_mtu(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)episode;
    host->mtu = w->plan.mtu;
}

static void begin_mute(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)w, (void)episode;
    host->out_blocked++;
}

static void end_mute(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)w, (void)episode;
    host->out_blocked--;
}

static void begin_cut(struct swarm *w, struct host *host, const struct episode *episode)
{
    begin_mute(w, host, episode);
    host->in_blocked++;
}

static void end_cut(struct swarm *w, struct host *host, const struct episode *episode)
{
    end_mute(w, host, episode);
    host->in_blocked--;
}

/* ---- middleboxes ---- */

static uint16_t options_of(uint64_t strength)
{
    static const uint16_t choices[] = {
        DUET_TRACE_MSS,
        DUET_TRACE_WINDOW_SCALE,
        DUET_TRACE_SACK_PERMITTED,
        DUET_TRACE_TIMESTAMPS,
        DUET_TRACE_SACK,
        DUET_TRACE_OTHER,
        DUET_TRACE_TIMESTAMPS | DUET_TRACE_SACK_PERMITTED | DUET_TRACE_WINDOW_SCALE,
        UINT16_MAX,
    };

    return choices[strength % 8];
}

static void begin_strip(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)w;
    host->strip = options_of(episode->strength);
    host->strips_all = (episode->strength >> 8 & 3) == 0;
}

static void end_strip(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)w, (void)episode;
    host->strip = 0;
}

static void begin_rewrite(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)w;
    host->rewrite = episode->strength & 1 ? DUET_TRACE_MSS : DUET_TRACE_WINDOW_SCALE;
}

static void end_rewrite(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)w, (void)episode;
    host->rewrite = 0;
}

static void begin_bleach(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)w, (void)episode;
    host->bleaches = true;
}

static void end_bleach(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)w, (void)episode;
    host->bleaches = false;
}

static void begin_nat(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)w, (void)episode;
    host->translation++;
}

/* ---- the host ---- */

static void begin_jump(struct swarm *w, struct host *host, const struct episode *episode)
{
    bool ahead = (episode->strength >> 7 & 1) != 0;
    uint64_t most = (uint64_t)(ahead ? AHEAD_MOST : BACK_MOST) * DUET_SECOND;
    duet_time far = (duet_time)((episode->strength >> 8) % most >> episode->strength % 20);

    /* Back, but not to before the origin of its clock. */
    if (ahead)
        host->offset += far;
    else if (host->offset + w->now > far)
        host->offset -= far;
    host_reschedule(w, host);
}

static void begin_clock_stall(struct swarm *w, struct host *host, const struct episode *episode)
{
    host->stalled_at = host_now(w, host);
    host->stalled_until = episode->end;
}

static void end_clock_stall(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)episode;
    if (host->stalled_until > w->now)
        host->stalled_until = w->now;
    host_reschedule(w, host);
}

static void begin_late(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)w;
    host->lateness = (duet_time)(episode->strength % LATE_MOST) >> episode->strength % 12;
}

static void end_late(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)episode;
    host->lateness = 0;
    host_reschedule(w, host);
}

static void begin_stall(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)w, (void)episode;
    host->stalled_apps++;
}

static void end_stall(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)episode;
    if (--host->stalled_apps == 0)
        app_stall_over(w, host);
}

static void begin_restart(struct swarm *w, struct host *host, const struct episode *episode)
{
    (void)episode;
    host_restart(w, host);
}

typedef void weather_change(struct swarm *w, struct host *host, const struct episode *episode);

/* EXHAUSTION began when the host was made, and lasts. */
static const struct {
    weather_change *begin, *end;
} kinds[DUET_SIM_FAULTS] = {
    [DUET_SIM_BURST_LOSS] = {begin_mute, end_mute},
    [DUET_SIM_MTU_CHANGE] = {begin_mtu, end_mtu},
    [DUET_SIM_BLACK_HOLE] = {begin_mtu, end_mtu},
    [DUET_SIM_RATE_LIMIT] = {begin_rate_limit, end_rate},
    [DUET_SIM_DEEP_BUFFER] = {begin_deep_buffer, end_rate},
    [DUET_SIM_ONE_WAY] = {begin_mute, end_mute},
    [DUET_SIM_PARTITION] = {begin_cut, end_cut},
    [DUET_SIM_FLAP] = {begin_cut, end_cut},
    [DUET_SIM_NAT] = {begin_nat, NULL},
    [DUET_SIM_STRIP] = {begin_strip, end_strip},
    [DUET_SIM_REWRITE] = {begin_rewrite, end_rewrite},
    [DUET_SIM_BLEACH] = {begin_bleach, end_bleach},
    [DUET_SIM_CLOCK_JUMP] = {begin_jump, NULL},
    [DUET_SIM_CLOCK_STALL] = {begin_clock_stall, end_clock_stall},
    [DUET_SIM_LATE_TIMERS] = {begin_late, end_late},
    [DUET_SIM_STALL] = {begin_stall, end_stall},
    [DUET_SIM_RESTART] = {begin_restart, NULL},
};

void weather_begin(struct swarm *w, uint32_t number)
{
    struct episode *episode = &w->plan.episodes[number];
    struct host *host = &w->hosts[episode->host];

    if (w->has_healed)
        return;
    network_count(w, episode->fault, host, episode->number);
    if (kinds[episode->fault].begin != NULL)
        kinds[episode->fault].begin(w, host, episode);
    episode->is_on = true;
    if (kinds[episode->fault].end != NULL)
        swarm_note(w, episode->end, AGENDA_END, number);
    judge_trouble(w, host);
}

void weather_end(struct swarm *w, uint32_t number)
{
    struct episode *episode = &w->plan.episodes[number];
    struct host *host = &w->hosts[episode->host];

    if (!episode->is_on)
        return;
    episode->is_on = false;
    if (kinds[episode->fault].end != NULL)
        kinds[episode->fault].end(w, host, episode);
    judge_trouble(w, host);
}

void weather_release(struct swarm *w, struct host *host)
{
    forge_release(w, host, SWARM_NONE);
    judge_trouble(w, host);
}

void weather_heal(struct swarm *w)
{
    for (uint32_t i = 0; i < w->plan.episode_count; i++)
        weather_end(w, i);
}
