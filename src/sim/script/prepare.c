/* SPDX-License-Identifier: MIT */
/* Before a script is played: option lines and settings of the command line, the profile, and settings
 * that the script is going to make.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/script/player.h"
#include "sim/script/profile.h"
#include "sim/script/system.h"
#include "sim/script/values.h"

static bool set_pair(struct player *player, const char *pair, bool is_config)
{
    char problem[200] = "", name[64];
    if (is_config) {
        return settings_config(&player->settings, pair, problem, sizeof(problem)) ||
               player_broken(player, "--config: %s", problem);
    }
    const char *equals = strchr(pair, '=');
    size_t length = equals != NULL ? (size_t)(equals - pair) : strlen(pair);
    if (length >= sizeof(name)) {
        return player_broken(player, "there is no option --%s", pair);
    }
    memcpy(name, pair, length);
    name[length] = '\0';
    return settings_option(&player->settings, name, equals != NULL ? equals + 1 : NULL, problem,
                           sizeof(problem)) >= 0 ||
           player_broken(player, "%s", problem);
}

bool player_set_options(struct player *player)
{
    const struct duet_script_options *options = player->options;
    char problem[200] = "";
    settings_default(&player->settings);
    if (player->system == &system_core) {
        profile_apply(&player->settings, profile_of(player->script, options));
    }
    for (size_t i = 0; i < options->setting_count; i++) {
        if (!set_pair(player, options->settings[i], false)) {
            return false;
        }
    }
    for (const struct script_option *i = player->script->options; i != NULL; i = i->next) {
        int result =
            settings_option(&player->settings, i->name, i->value, problem, sizeof(problem));
        if (result < 0) {
            (void)player_broken(player, "%s", problem);
            player->result->line = i->line;
            player->result->column = i->column;
            return false;
        }
        if (result > 0) {
            player_log(player, "line %u: --%s has no effect in virtual time", i->line, i->name);
        }
    }
    return settings_finish(&player->settings, problem, sizeof(problem)) ||
           player_broken(player, "%s", problem);
}

/* Linux has these for each socket, duet for the whole stack, and a script is about one connection:
 * so a value that the script is going to set counts from the start. */
void player_foresee(struct player *player)
{
    static const struct {
        const char *option, *setting;
    } rows[] = {{"TCP_KEEPINTVL", "net.ipv4.tcp_keepalive_intvl"},
                {"TCP_KEEPCNT", "net.ipv4.tcp_keepalive_probes"},
                {"TCP_LINGER2", "net.ipv4.tcp_fin_timeout"},
                {"TCP_SYNCNT", "net.ipv4.tcp_syn_retries"}};
    for (const struct event *i = player->script->events; i != NULL; i = i->next) {
        if (i->kind != EVENT_CALL || strcmp(i->call->name, "setsockopt") != 0 ||
            i->call->count < 4) {
            continue;
        }
        const struct expression *name = i->call->arguments->next->next;
        int64_t value = 0;
        for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
            if (name->kind == EXPRESSION_NAME && strcmp(name->text, rows[row].option) == 0 &&
                expression_number(name->next, &value) && value > 0) {
                char *command = must_format("sysctl %s=%lld", rows[row].setting, (long long)value);
                (void)settings_command(&player->settings, command, NULL, NULL);
                free(command);
            }
        }
    }
}
