/* SPDX-License-Identifier: MIT */
/* Virtual time: the stack lives from one deadline to the next, and what it sends is kept until a
 * line of the script expects it. Nothing here waits.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/coverage.h"
#include "sim/history.h"
#include "sim/script/player.h"

enum {
    IDLE_WAKES_MAX = 100000, /* at one instant: a stack that asks for more goes round in circles */
    PACKETS_MAX = 1000000,   /* in one drain */
};

static bool core_start(struct player *player)
{
    const struct duet_config *config = &player->settings.config;
    size_t size = duet_stack_footprint(config);
    player->memory = size > 0 ? malloc(size) : NULL;
    if (player->memory == NULL) {
        return player_broken(player, "a stack with this configuration cannot be made");
    }
    int error = duet_stack_init(player->memory, size, config, &player->stack);
    if (error != DUET_OK) {
        player->stack = NULL;
        return player_broken(player, "a stack with this configuration cannot be made: %s",
                             duet_error_sentence(error));
    }
    player->rule_marks = must_allocate(duet_rule_count() * sizeof(uint64_t));
    return true;
}

static void core_stop(struct player *player)
{
    if (player->stack != NULL) {
        player->result->hash = history_add_stack(player->result->hash, player->stack);
        duet_coverage_note(player->stack);
    }
    free(player->memory);
    free(player->rule_marks);
}

static void take_trace(struct player *player)
{
    struct duet_trace_event event;
    while (duet_next_trace(player->stack, &event)) {
        duet_recorder_trace(player->recorder, ENGINE_TESTED, &event);
        player->result->hash = history_add_event(player->result->hash, &event);
    }
}

void engine_sent(struct player *player, duet_time time, struct duet_packet *packet)
{
    duet_recorder_arrived(player->recorder, ENGINE_SCRIPT, time, packet);
    player_conclude_peer(player, ENGINE_SCRIPT, packet->data, packet->length, false);
    struct outbound *sent = must_allocate(sizeof(*sent) + packet->length);
    sent->time = time;
    sent->partial = (packet->flags & DUET_PACKET_CHECKSUM_PARTIAL) != 0;
    sent->length = packet->length;
    memcpy(sent->bytes, packet->data, packet->length);
    *player->sent_end = sent;
    player->sent_end = &sent->next;
}

/* After each door and call. */
static void core_check(struct player *player)
{
    const char *broken = duet_check(player->stack);
    if (broken != NULL) {
        (void)player_fail(player, "an invariant is broken: %s", broken);
    }
}

static void core_drain(struct player *player)
{
    uint8_t bytes[PACKET_BYTES_MAX];
    take_trace(player);
    core_check(player);
    for (unsigned count = 0; count < PACKETS_MAX; count++) {
        struct duet_event event;
        while (duet_next_event(player->stack, &event)) {
            sockets_event(player, &event);
        }
        struct duet_packet packet = {.data = bytes, .size = sizeof(bytes)};
        if (!duet_output(player->stack, player->now, &packet)) {
            take_trace(player);
            return;
        }
        duet_time time = packet.departure > player->now ? packet.departure : player->now;
        packet.tag = duet_recorder_sent(player->recorder, ENGINE_TESTED, time, &packet);
        take_trace(player);
        player->result->hash = history_add(player->result->hash, (uint64_t)time);
        player->result->hash = history_add_bytes(player->result->hash, packet.data, packet.length);
        engine_sent(player, time, &packet);
        core_check(player);
    }
    (void)player_fail(player, "the stack does not stop sending");
}

/* ---- any system ---- */

void engine_retry(struct player *player)
{
    if (player->pending.call == NULL) {
        return;
    }
    struct call_result result = {0};
    enum call_status status = sockets_call(player, &player->pending, &result);
    engine_drain(player);
    if (status == CALL_BLOCKS) {
        return;
    }
    const struct call_event *call = player->pending.call;
    player->pending.call = NULL;
    const struct event *event = player->event;
    player->event = player->pending_event; /* a problem is that line's */
    duet_time late = player->now - player->pending_due;
    duet_time tolerance = (duet_time)player->settings.rules.tolerance_usecs * DUET_MICROSECOND;
    if (status == CALL_DONE && sockets_judge(player, call, &result) &&
        (late > tolerance || -late > tolerance)) {
        (void)player_fail(player, "%s() returned at %.6f s, not at %.6f s", call->name,
                          (double)player->now / 1e9, (double)player->pending_due / 1e9);
    }
    player->event = event;
}

static duet_time next_instant(const struct player *player)
{
    duet_time next = duet_deadline(player->stack);
    if (player->pending.call != NULL && player->pending.deadline < next) {
        next = player->pending.deadline;
    }
    return next;
}

static bool core_step(struct player *player, duet_time limit, bool inclusive)
{
    duet_time next = next_instant(player);
    bool due = next < limit || (inclusive && next == limit);
    if (!due || player->over) {
        player->now = limit > player->now ? limit : player->now;
        return false;
    }
    player->idle_wakes = next > player->now ? 0 : player->idle_wakes + 1;
    if (player->idle_wakes > IDLE_WAKES_MAX) {
        return player_fail(player, "the stack asks again and again to be woken at %.6f s",
                           (double)next / 1e9);
    }
    player->now = next > player->now ? next : player->now;
    duet_expire(player->stack, player->now);
    engine_drain(player);
    engine_retry(player);
    return !player->over;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): what a struct duet_packet points to is not const */
static void core_inject(struct player *player, uint8_t *bytes, uint32_t length)
{
    struct duet_packet packet = {.data = bytes, .size = length, .length = length};
    packet.tag = duet_recorder_sent(player->recorder, ENGINE_SCRIPT, player->now, &packet);
    player_conclude_peer(player, ENGINE_SCRIPT, bytes, length, true);
    duet_recorder_arrived(player->recorder, ENGINE_TESTED, player->now, &packet);
    duet_input(player->stack, player->now, &packet);
    engine_drain(player);
    engine_retry(player);
}

static const struct call_entry *core_calls(unsigned i)
{
    const struct call_entry *const tables[] = {calls_open(),    calls_data(), calls_end(),
                                               calls_options(), calls_poll(), calls_duet(),
                                               calls_ask(),     NULL};
    return tables[i];
}

const struct system system_core = {
    .name = "duet",
    .patience = 24 * 3600 * DUET_SECOND,
    .start = core_start,
    .stop = core_stop,
    .step = core_step,
    .inject = core_inject,
    .drain = core_drain,
    .calls = core_calls,
};

/* ---- the way there ---- */

bool engine_start(struct player *player)
{
    if (duet_recorder_new(&player->recorder) != 0) {
        player->recorder = NULL;
        return player_broken(player, "out of memory");
    }
    duet_recorder_name(player->recorder, ENGINE_TESTED, player->system->name,
                       player->system != &system_core);
    duet_recorder_name(player->recorder, ENGINE_SCRIPT, "script", true);
    player->started = player->system->start(player);
    return player->started;
}

void engine_stop(struct player *player)
{
    player->system->stop(player);
    duet_recorder_free(player->recorder);
    while (player->sent != NULL) {
        struct outbound *next = player->sent->next;
        free(player->sent);
        player->sent = next;
    }
}

bool engine_step(struct player *player, duet_time limit, bool inclusive)
{
    if (!player->started) {
        player->now = limit > player->now ? limit : player->now;
        return false;
    }
    return player->system->step(player, limit, inclusive);
}

void engine_inject(struct player *player, uint8_t *bytes, uint32_t length)
{
    player->system->inject(player, bytes, length);
}

void engine_drain(struct player *player)
{
    player->system->drain(player);
}
