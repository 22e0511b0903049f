/* SPDX-License-Identifier: MIT */
/* Which TCP a script was written for: see profile.h. */
#include "sim/script/profile.h"

#include <string.h>

/* ---- recognition ---- */

static bool named(const char *value, enum profile *profile)
{
    bool linux_ = value != NULL && strcmp(value, "linux") == 0;
    bool duet = value != NULL && strcmp(value, "duet") == 0;
    if (linux_ || duet) {
        *profile = linux_ ? PROFILE_LINUX : PROFILE_DUET;
    }
    return linux_ || duet;
}

static bool is_ours(const struct call_event *call)
{
    const struct call_entry *const tables[] = {calls_duet(), calls_ask()};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct call_entry *entry = tables[i]; entry->name != NULL; entry++) {
            if (strcmp(entry->name, call->name) == 0) {
                return true;
            }
        }
    }
    return false;
}

enum profile profile_of(const struct script *script, const struct duet_script_options *options)
{
    static const char prefix[] = "profile=";
    enum profile profile = PROFILE_LINUX;
    for (const struct event *i = script->events; i != NULL; i = i->next) {
        profile = i->kind == EVENT_CALL && is_ours(i->call) ? PROFILE_DUET : profile;
    }
    for (const struct script_option *i = script->options; i != NULL; i = i->next) {
        profile = strcmp(i->name, "config") == 0 ? PROFILE_DUET : profile;
    }
    for (size_t i = 0; i < options->setting_count; i++) {
        const char *setting = options->settings[i];
        if (strncmp(setting, prefix, strlen(prefix)) == 0) {
            (void)named(setting + strlen(prefix), &profile);
        }
    }
    for (const struct script_option *i = script->options; i != NULL; i = i->next) {
        if (strcmp(i->name, "profile") == 0) {
            (void)named(i->value, &profile);
        }
    }
    return profile;
}

void profile_apply(struct settings *settings, enum profile profile)
{
    settings->profile = profile;
    if (profile != PROFILE_LINUX) {
        return;
    }
    struct duet_config *config = &settings->config;
    config->msl = 30 * DUET_SECOND;          /* TIME-WAIT lasts 60 s */
    config->time_wait_rst = true;            /* tcp_rfc1337 = 0 */
    config->syn_ack_retries = 5;             /* tcp_synack_retries */
    config->syn_timeout = 127 * DUET_SECOND; /* tcp_syn_retries = 6: 1 + 2 + 4 + ... + 64 */
    config->user_timeout = 924600 * DUET_MILLISECOND; /* tcp_retries2 = 15 */
    config->rttvar_min = 200 * DUET_MILLISECOND;      /* RTO = SRTT + max(4*RTTVAR, 200 ms) */
    config->empty_window_probes = true;               /* SEQ = SND.UNA - 1, no text */
    config->verify_acks = false;                      /* believes every acknowledgement */
    config->pacing = false;                           /* without a queueing discipline that paces */
}

/* ---- quick acknowledgements ---- */

enum { QUICK_ACKS = 16 }; /* TCP_MAX_QUICKACKS */
#define REPLY_TIME                                                                                 \
    (40 * DUET_MILLISECOND) /* TCP_ATO_MIN: what the user sends within it is a reply */

static bool applies(const struct player *player)
{
    return player->settings.profile == PROFILE_LINUX && player->stack != NULL;
}

static void set_delayed(struct player *player, struct sock *sock, bool delayed)
{
    if (sock->has_handle && !sock->user_closed) {
        (void)duet_set(player->stack, player->now, sock->handle, DUET_OPTION_DELAYED_ACK, delayed);
    }
}

static struct flow *flow_of(struct player *player, const struct sock *sock)
{
    return player_flow(player, &sock->local, &sock->remote);
}

static struct sock *sock_of(struct player *player, const struct flow *flow)
{
    for (struct sock *sock = player->socks; sock != NULL; sock = sock->next) {
        if (sock->kind == SOCK_CONNECTION && !sock->closed && flow_of(player, sock) == flow) {
            return sock;
        }
    }
    return NULL;
}

void quick_ack_start(struct player *player, struct sock *sock)
{
    if (applies(player)) {
        set_delayed(player, sock, false);
    }
}

void quick_ack_accepted(struct player *player, struct sock *sock)
{
    if (applies(player) && flow_of(player, sock)->texts_in >= QUICK_ACKS) {
        set_delayed(player, sock, true);
    }
}

void quick_ack_text_in(struct player *player, struct flow *flow)
{
    if (!applies(player)) {
        return;
    }
    struct sock *sock = sock_of(player, flow);
    struct duet_status status;
    bool known = sock != NULL && duet_status(player->stack, sock->handle, &status) == DUET_OK;
    /* After a pause the peer may have begun slow start again, so it gets quick ones again. */
    bool pause = known && flow->texts_in > 0 && player->now - flow->text_in_at > status.rto;
    if (pause && !flow->replies) {
        flow->texts_in = 0;
        set_delayed(player, sock, false);
    }
    if (sock != NULL && flow->texts_in == QUICK_ACKS) {
        set_delayed(player, sock, true);
    }
    flow->texts_in++;
    flow->text_in_at = player->now;
}

void quick_ack_text_out(struct player *player, struct sock *sock)
{
    if (!applies(player)) {
        return;
    }
    struct flow *flow = flow_of(player, sock);
    if (!flow->replies && flow->texts_in > 0 && player->now - flow->text_in_at < REPLY_TIME) {
        flow->replies = true; /* the acknowledgements can ride on the answers */
        set_delayed(player, sock, true);
    }
}
