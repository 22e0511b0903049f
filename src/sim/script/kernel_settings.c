/* SPDX-License-Identifier: MIT */
/* What a script asks of the stack, asked of the kernel: fields of struct duet_config become settings
 * of the namespace, commands that only set something are obeyed there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/script/kernel.h"

static void set_number(const char *name, int64_t value)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64, value);
    (void)kernel_host_set(name, text);
}

/* Half of a buffer of Linux is for its own bookkeeping: RFC 9293 counts text only. The scale of the
 * window is chosen by the whole of the largest. */
static void set_memory(const char *name, uint32_t most, uint32_t usual)
{
    char text[64];
    bool fixed = usual == 0 || usual >= most;
    uint32_t first = 2 * (fixed ? most : usual);
    snprintf(text, sizeof(text), "4096 %" PRIu32 " %" PRIu32, first, fixed ? first : most);
    (void)kernel_host_set(name, text);
}

struct duration_row {
    const char *name;
    duet_time value, usual, unit;
};

static void set_durations(const struct duet_config *config, const struct duet_config *usual)
{
    const struct duration_row rows[] = {
        {"net.ipv4.tcp_fin_timeout", config->fin_wait_2_timeout, usual->fin_wait_2_timeout,
         DUET_SECOND},
        {"net.ipv4.tcp_keepalive_time", config->keepalive_idle, usual->keepalive_idle, DUET_SECOND},
        {"net.ipv4.tcp_keepalive_intvl", config->keepalive_interval, usual->keepalive_interval,
         DUET_SECOND},
        {"net.ipv4.tcp_invalid_ratelimit", config->invalid_ack_spacing, usual->invalid_ack_spacing,
         DUET_MILLISECOND},
        {"net.ipv4.tcp_rto_min_us", config->rto_min, usual->rto_min, DUET_MICROSECOND},
        {"net.ipv4.tcp_rto_max_ms", config->rto_max, usual->rto_max, DUET_MILLISECOND},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].value != rows[i].usual) {
            set_number(rows[i].name, rows[i].value / rows[i].unit);
        }
    }
}

static void set_switches(const struct duet_config *config)
{
    char range[32];
    bool is_cubic = config->controller == DUET_CUBIC;
    (void)kernel_host_set("net.ipv4.tcp_congestion_control", is_cubic ? "cubic" : "reno");
    set_number("net.ipv4.tcp_sack", config->sack);
    set_number("net.ipv4.tcp_timestamps", config->timestamps);
    set_number("net.ipv4.tcp_window_scaling", config->window_scaling);
    set_number("net.ipv4.tcp_rfc1337", !config->time_wait_rst);
    set_number("net.ipv4.tcp_min_snd_mss", config->mss_min);
    set_number("net.ipv4.tcp_synack_retries", config->syn_ack_retries);
    set_number("net.ipv4.tcp_retries1", config->r1_retransmissions);
    set_number("net.ipv4.tcp_keepalive_probes", config->keepalive_probes);
    set_number("net.ipv4.ip_default_ttl", config->ttl);
    snprintf(range, sizeof(range), "%u %u", config->port_first, config->port_last);
    (void)kernel_host_set("net.ipv4.ip_local_port_range", range);
}

/* The first field that was changed and that the kernel has nothing for, or NULL. */
static const char *foreign_field(const struct duet_config *config, const struct duet_config *usual)
{
#define CHANGED(field)                                                                             \
    if (config->field != usual->field) {                                                           \
        return #field;                                                                             \
    }
    CHANGED(any_local_address)
    CHANGED(loopback_allowed)
    CHANGED(connections_max)
    CHANGED(half_open_max)
    CHANGED(time_wait_max)
    CHANGED(transfers_max)
    CHANGED(reassemblies_max)
    CHANGED(ranges_max)
    CHANGED(send_buffer_initial)
    CHANGED(receive_buffer_initial)
    CHANGED(autotune)
    CHANGED(quick_acks)
    CHANGED(listeners_max)
    CHANGED(replies_max)
    CHANGED(paths_max)
    CHANGED(pages_max)
    CHANGED(page_size)
    CHANGED(msl)
    CHANGED(rto_initial)
    CHANGED(pmtu_timeout)
    CHANGED(verify_acks)
    CHANGED(plpmtud)
    CHANGED(mtu_initial)
    CHANGED(syn_timeout)
    CHANGED(user_timeout_option)
    CHANGED(fast_open_key_life)
    CHANGED(fast_open_pause)
    CHANGED(ecn_pause)
    CHANGED(challenge_interval)
    CHANGED(challenge_limit)
    CHANGED(error_reports)
    CHANGED(initial_window)
#undef CHANGED
    bool delay =
        config->delayed_ack != usual->delayed_ack && config->delayed_ack > DUET_MILLISECOND;
    return delay ? "delayed_ack" : NULL;
}

bool kernel_settings_apply(struct player *player)
{
    struct settings usual;
    const struct settings *settings = &player->settings;
    const struct duet_config *config = &settings->config;
    settings_default(&usual);
    const char *foreign = foreign_field(config, &usual.config);
    if (foreign != NULL) {
        return player_skip(player, "it sets %s, for which the kernel has nothing", foreign);
    }
    set_switches(config);
    set_durations(config, &usual.config);
    set_memory("net.ipv4.tcp_rmem", config->receive_buffer, settings->receive_buffer);
    if (config->send_buffer != usual.config.send_buffer) {
        set_memory("net.ipv4.tcp_wmem", config->send_buffer, settings->send_buffer);
    }
    return true;
}

static void assign(void *context, const char *name, const char *value)
{
    struct player *player = context;
    bool good = kernel_host_set(name, value);
    player_log(player, "  %s: %.120s=%.120s", good ? "obeyed" : "ignored", name, value);
}

void kernel_command(struct player *player, const char *command)
{
    settings_assignments(command, assign, player);
}
