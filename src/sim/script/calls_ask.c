/* SPDX-License-Identifier: MIT */
/* Calls of ours that ask: state, status, events, outcome, rules and edges. They change nothing. */
#include <string.h>

#include "sim/script/player.h"
#include "sim/script/values.h"

enum { LEAST_PORT = 256 }; /* a number from here on that is no descriptor is a remote port */

/* ---- whose status ---- */

static bool same_pair(const struct flow *flow, const struct duet_status *status)
{
    return flow->local.port == status->local.port && flow->remote.port == status->remote.port &&
           duet_address_equal(&flow->remote.address, &status->remote.address) &&
           duet_address_equal(&flow->local.address, &status->local.address);
}

/* Among all records, half-open and TIME-WAIT too. False: there is none of this pair. */
static bool find_status(struct player *player, const struct flow *flow, struct duet_status *status)
{
    uint64_t cursor = 0;
    struct duet_handle handle;
    struct duet_status each;
    bool found = false;
    memset(status, 0, sizeof(*status));
    while (duet_next_status(player->stack, &cursor, &handle, &each)) {
        if (each.state == DUET_LISTEN || !same_pair(flow, &each)) {
            continue;
        }
        /* What is over and not yet let go may have a successor on the same pair. */
        if (!found || status->state == DUET_CLOSED) {
            *status = each;
            found = true;
        }
    }
    return found;
}

/* No argument: the current pair; a small number: a descriptor; a large one: a remote port. The
 * status of what is gone is all zeros, which is CLOSED. */
static bool status_of(struct player *player, const struct call_state *state, bool has_fd,
                      struct duet_status *status)
{
    memset(status, 0, sizeof(*status));
    int64_t number = -1;
    if (has_fd && !argument_number(player, state, 0, -1, &number)) {
        return false;
    }
    struct sock *sock = has_fd && number >= 0 ? sock_find_any(player, (int)number) : NULL;
    if (sock != NULL) {
        if (sock->has_handle && duet_status(player->stack, sock->handle, status) == DUET_OK) {
            return true;
        }
        memset(status, 0, sizeof(*status));
        if (sock->kind == SOCK_CONNECTION) {
            (void)find_status(player, player_flow(player, &sock->local, &sock->remote), status);
        }
        return true;
    }
    if (!has_fd) {
        if (player->current != NULL) {
            (void)find_status(player, player->current, status);
        }
        return true;
    }
    for (unsigned i = 0; i < player->flow_count; i++) {
        if (player->flows[i]->remote.port == number &&
            find_status(player, player->flows[i], status)) {
            return true;
        }
    }
    return number >= LEAST_PORT || player_broken(player, "%s(): there is no descriptor %lld",
                                                 state->call->name, (long long)number);
}

static enum call_status call_state(struct player *player, struct call_state *state,
                                   struct call_result *result)
{
    struct duet_status status;
    if (!status_of(player, state, state->call->count > 0, &status)) {
        return CALL_WRONG;
    }
    result->text = duet_state_name(status.state);
    return CALL_DONE;
}

/* ---- fields of the status ---- */

enum field_kind {
    FIELD_U8,
    FIELD_BOOL,
    FIELD_INT,
    FIELD_U32,
    FIELD_SENT,
    FIELD_RECEIVED,
    FIELD_TIME,
    FIELD_CONTROLLER
};

struct status_field {
    const char *name;
    enum field_kind kind;
    size_t offset;
};

#define FIELD(kind, name)                                                                          \
    {                                                                                              \
#name, kind, offsetof(struct duet_status, name)                                            \
    }

static const struct status_field fields[] = {
    FIELD(FIELD_SENT, snd_una),
    FIELD(FIELD_SENT, snd_nxt),
    FIELD(FIELD_SENT, snd_up),
    FIELD(FIELD_RECEIVED, rcv_nxt),
    FIELD(FIELD_RECEIVED, rcv_up),
    FIELD(FIELD_U32, snd_wnd),
    FIELD(FIELD_U32, rcv_wnd),
    FIELD(FIELD_U32, send_queued),
    FIELD(FIELD_U32, receive_queued),
    FIELD(FIELD_U32, send_room),
    FIELD(FIELD_U32, urgent_left),
    FIELD(FIELD_U32, send_mss),
    FIELD(FIELD_U32, congestion_window),
    FIELD(FIELD_U32, slow_start_threshold),
    FIELD(FIELD_U32, in_flight),
    FIELD(FIELD_CONTROLLER, controller),
    FIELD(FIELD_TIME, smoothed_rtt),
    FIELD(FIELD_TIME, rtt_variance),
    FIELD(FIELD_TIME, rto),
    FIELD(FIELD_TIME, rtt_min),
    FIELD(FIELD_TIME, user_timeout),
    FIELD(FIELD_U32, retransmissions),
    FIELD(FIELD_U32, retransmitted),
    FIELD(FIELD_U8, send_scale),
    FIELD(FIELD_U8, receive_scale),
    FIELD(FIELD_BOOL, timestamps),
    FIELD(FIELD_BOOL, sack),
    FIELD(FIELD_U8, ecn),
    FIELD(FIELD_BOOL, ecn_capable),
    FIELD(FIELD_U32, ecn_received),
    FIELD(FIELD_U32, ecn_reported),
    FIELD(FIELD_BOOL, peer_fin_received),
    FIELD(FIELD_BOOL, fin_acknowledged),
    FIELD(FIELD_INT, error),
    FIELD(FIELD_U32, backlog_used),
    FIELD(FIELD_U32, half_open),
};

static int64_t field_value(const struct duet_status *status, const struct status_field *field,
                           uint32_t remote_offset)
{
    const uint8_t *at = (const uint8_t *)status + field->offset;
    uint32_t number = 0;
    switch (field->kind) {
    case FIELD_U8:
        return *at;
    case FIELD_BOOL:
        return *at != 0;
    case FIELD_INT:
        return *(const int *)(const void *)at;
    case FIELD_TIME:
        return *(const duet_time *)(const void *)at / DUET_MILLISECOND;
    case FIELD_U32:
    case FIELD_CONTROLLER:
    case FIELD_SENT:
    case FIELD_RECEIVED:
        break;
    }
    memcpy(&number, at, sizeof(number));
    number -= field->kind == FIELD_SENT ? status->iss : 0;
    number -= field->kind == FIELD_RECEIVED ? remote_offset : 0;
    return number;
}

static const char *word_of(const struct expression *expression)
{
    bool word = expression->kind == EXPRESSION_NAME || expression->kind == EXPRESSION_STRING;
    return word ? expression->text : "";
}

/* An error by its name without DUET_E_. */
static enum call_status returns_error(struct call_result *result, int error)
{
    result->text = error == DUET_OK ? "OK" : duet_error_name(error) + strlen("DUET_E_");
    return CALL_DONE;
}

static enum call_status call_status_field(struct player *player, struct call_state *state,
                                          struct call_result *result)
{
    struct duet_status status;
    bool has_fd = state->call->count == 2;
    const char *name = word_of(argument(state, has_fd ? 1 : 0));
    if (!status_of(player, state, has_fd, &status)) {
        return CALL_WRONG;
    }
    if (status.state == DUET_CLOSED && status.local.port == 0) {
        result->duet_error = DUET_E_NOCONN;
        return call_returns(result, -1);
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(fields[i].name, name) == 0) {
            int64_t value = field_value(&status, &fields[i], player->settings.remote_isn);
            if (fields[i].kind == FIELD_CONTROLLER) {
                result->text = value == DUET_CUBIC ? "CUBIC" : "NEWRENO";
                return CALL_DONE;
            }
            return fields[i].kind == FIELD_INT ? returns_error(result, (int)value)
                                               : call_returns(result, value);
        }
    }
    (void)player_broken(player, "status(): there is no field '%s'", name);
    return CALL_WRONG;
}

/* ---- events, outcome, last error ---- */

static struct sock *asked_sock(struct player *player, const struct call_state *state)
{
    int64_t fd = -1;
    if (!argument_number(player, state, 0, -1, &fd)) {
        return NULL;
    }
    struct sock *sock = fd >= 0 ? sock_find_any(player, (int)fd) : NULL;
    if (sock == NULL) {
        (void)player_broken(player, "%s(): there never was a descriptor %lld", state->call->name,
                            (long long)fd);
    }
    return sock;
}

static enum call_status call_event(struct player *player, struct call_state *state,
                                   struct call_result *result)
{
    static const char *const names[SOCK_EVENT_BITS] = {"ACCEPTABLE", "CONNECTED",   "READABLE",
                                                       "WRITABLE",   "PEER_CLOSED", "URGENT",
                                                       "SOFT_ERROR", "FIN_ACKED",   "CLOSED"};
    struct sock *sock = asked_sock(player, state);
    if (sock == NULL) {
        return CALL_WRONG;
    }
    const char *name = word_of(argument(state, 1));
    for (unsigned i = 0; i < SOCK_EVENT_BITS; i++) {
        if (strcmp(names[i], name) == 0) {
            return call_returns(result, sock->counts[i]);
        }
    }
    (void)player_broken(player, "event(): there is no event '%s'", name);
    return CALL_WRONG;
}

static enum call_status call_outcome(struct player *player, struct call_state *state,
                                     struct call_result *result)
{
    struct sock *sock = asked_sock(player, state);
    if (sock == NULL) {
        return CALL_WRONG;
    }
    const char *name = word_of(argument(state, 1));
    const struct duet_outcome *outcome = &sock->outcome;
    if (!sock->closed) {
        return call_fails(result, errno_number("EAGAIN"));
    }
    if (strcmp(name, "error") == 0) {
        return returns_error(result, outcome->error);
    }
    if (strcmp(name, "rule") == 0) {
        result->text = duet_rule(outcome->rule)->name;
        return CALL_DONE;
    }
    if (strcmp(name, "we_closed_first") == 0) {
        return call_returns(result, outcome->we_closed_first);
    }
    if (strcmp(name, "fin_acknowledged") == 0) {
        return call_returns(result, outcome->fin_acknowledged);
    }
    if (strcmp(name, "peer_fin_received") == 0) {
        return call_returns(result, outcome->peer_fin_received);
    }
    if (strcmp(name, "bytes_unacknowledged") == 0) {
        return call_returns(result, (int64_t)outcome->bytes_unacknowledged);
    }
    if (strcmp(name, "bytes_unread") == 0) {
        return call_returns(result, (int64_t)outcome->bytes_unread);
    }
    (void)player_broken(player, "outcome(): there is no field '%s'", name);
    return CALL_WRONG;
}

static enum call_status call_last_error(struct player *player, struct call_state *state,
                                        struct call_result *result)
{
    struct sock *sock = asked_sock(player, state);
    return sock != NULL ? returns_error(result, sock->last) : CALL_WRONG;
}

/* ---- rules and edges ---- */

static enum call_status call_rule(struct player *player, struct call_state *state,
                                  struct call_result *result)
{
    const char *name = word_of(argument(state, 0));
    for (unsigned i = 1; i < duet_rule_count(); i++) {
        if (strcmp(duet_rule(i)->name, name) != 0) {
            continue;
        }
        uint64_t hits = duet_rule_hits(player->stack, i);
        result->unknown = hits == UINT64_MAX; /* this build does not count */
        if (result->unknown) {
            return call_returns(result, 0);
        }
        if (!state->call->has_result && hits == player->rule_marks[i]) {
            (void)player_fail(player, "the rule %s was not applied (%llu times before)", name,
                              (unsigned long long)hits);
            return CALL_WRONG;
        }
        return call_returns(result, (int64_t)hits);
    }
    (void)player_broken(player, "rule(): there is no rule '%s'", name);
    return CALL_WRONG;
}

/* FIN_WAIT_1 or FIN-WAIT-1. */
static bool is_state(const char *word, enum duet_state state)
{
    const char *name = duet_state_name(state);
    size_t i = 0;
    while (word[i] != '\0' && (word[i] == name[i] || (word[i] == '_' && name[i] == '-'))) {
        i++;
    }
    return word[i] == '\0' && name[i] == '\0';
}

static enum call_status call_edge(struct player *player, struct call_state *state,
                                  struct call_result *result)
{
    const char *from = word_of(argument(state, 0)), *to = word_of(argument(state, 1));
    int64_t hits = -1;
    for (unsigned i = 0; i < duet_edge_count(); i++) {
        const struct duet_edge *edge = duet_edge(i);
        if (is_state(from, edge->from) && is_state(to, edge->to)) {
            uint64_t more = duet_edge_hits(player->stack, i);
            result->unknown = more == UINT64_MAX; /* this build does not count */
            hits = (hits < 0 ? 0 : hits) + (int64_t)(result->unknown ? 0 : more);
        }
    }
    if (hits < 0) {
        (void)player_broken(player, "edge(): there is no edge from '%s' to '%s'", from, to);
        return CALL_WRONG;
    }
    return call_returns(result, hits);
}

static enum call_status call_pause(struct player *player, struct call_state *state,
                                   struct call_result *result)
{
    (void)player;
    (void)state;
    return call_returns(result, 0);
}

const struct call_entry *calls_ask(void)
{
    static const struct call_entry table[] = {
        {"state", 0, 1, call_state, true},
        {"status", 1, 2, call_status_field, true},
        {"event", 2, 2, call_event, true},
        {"outcome", 2, 2, call_outcome, true},
        {"last_error", 1, 1, call_last_error, true},
        {"rule", 1, 1, call_rule, true},
        {"edge", 2, 2, call_edge, true},
        {"pause", 0, 0, call_pause, true},
        {NULL, 0, 0, NULL, false},
    };
    return table;
}
