/* SPDX-License-Identifier: MIT */
/* What can be set for one connection, or for all that a listener accepts. */
#include "base/bytes.h"
#include "core/user.h"

/* The fields that a listener hands on and a connection owns, so that one function sets both. */
struct settings {
    uint32_t *flags, *receive_limit, *send_limit, *user_timeout_ms, *keepalive_idle_ms;
    uint16_t *mtu;
    uint8_t *dscp, *ttl;
    uint16_t headers; /* IP and TCP header of this family */
};

static int set_flag(uint32_t *flags, uint32_t flag, uint32_t value)
{
    if (value > 1)
        return DUET_E_ARG;
    *flags = value == 1 ? *flags | flag : *flags & ~flag;
    return DUET_OK;
}

static int set_number(uint32_t *field, uint32_t value, uint32_t least, uint32_t most)
{
    if (value < least || value > most)
        return DUET_E_ARG;
    *field = value;
    return DUET_OK;
}

static int set_limit(const struct duet_stack *s, uint32_t *limit, uint32_t value, uint32_t most)
{
    if (value < 1 || value > most)
        return DUET_E_ARG;
    *limit = min_u32(value, tcp_most_held(s)) | TCP_LIMIT_FIXED;
    return DUET_OK;
}

static int set_small(uint8_t *field, uint32_t value, uint32_t least, uint32_t most)
{
    if (value < least || value > most)
        return DUET_E_ARG;
    *field = (uint8_t)value;
    return DUET_OK;
}

static int set_mss(const struct duet_stack *s, const struct settings *to, uint32_t value)
{
    if (value != 0 && (value < 88 || value > UINT16_MAX - 40))
        return DUET_E_ARG;
    uint32_t mtu = value == 0 ? s->config.mtu : min_u32(value + to->headers, s->config.mtu);
    *to->mtu = (uint16_t)mtu;
    return set_flag(to->flags, TCP_CONN_MSS_SET, value != 0);
}

/* From here on it is the user's, and the peer's advice does not change it (RFC 5482, 3.1). */
static int set_user_timeout(const struct settings *to, uint32_t value)
{
    int error = set_number(to->user_timeout_ms, value, 0, INT32_MAX);
    return error != DUET_OK ? error : set_flag(to->flags, TCP_CONN_USER_TIMEOUT_SET, 1);
}

static int set(const struct duet_stack *s, const struct settings *to, enum duet_option option,
               uint32_t value)
{
    switch (option) {
    case DUET_OPTION_NODELAY:
        return set_flag(to->flags, TCP_CONN_NODELAY, value);
    case DUET_OPTION_KEEPALIVE:
        return set_flag(to->flags, TCP_CONN_KEEPALIVE, value);
    case DUET_OPTION_KEEPALIVE_IDLE:
        return set_number(to->keepalive_idle_ms, value, 1, INT32_MAX);
    case DUET_OPTION_USER_TIMEOUT:
        return set_user_timeout(to, value);
    case DUET_OPTION_USER_TIMEOUT_ADVERTISE:
        return set_flag(to->flags, TCP_CONN_USER_TIMEOUT_OPTION,
                        FEATURE_USER_TIMEOUT || value == 0 ? value : UINT32_MAX);
    case DUET_OPTION_DSCP:
        return set_small(to->dscp, value, 0, 63);
    case DUET_OPTION_TTL:
        return set_small(to->ttl, value, 1, 255);
    case DUET_OPTION_RECEIVE_BUFFER:
        return set_limit(s, to->receive_limit, value, s->config.receive_buffer);
    case DUET_OPTION_SEND_BUFFER:
        return set_limit(s, to->send_limit, value, s->config.send_buffer);
    case DUET_OPTION_ERROR_REPORTS:
        return set_flag(to->flags, TCP_CONN_ERROR_REPORTS, value);
    case DUET_OPTION_DELAYED_ACK:
        return set_flag(to->flags, TCP_CONN_NO_DELAYED_ACK, value <= 1 ? 1 - value : value);
    case DUET_OPTION_MSS:
        return set_mss(s, to, value);
    case DUET_OPTION_CONTROLLER:
    case DUET_OPTION_ECN:
        break; /* set_controller(), set_ecn() */
    }
    return DUET_E_ARG;
}

/* A connection that is under way changes more than a field. */
static int set_controller(struct duet_stack *s, struct tcp_listener *l, struct tcp_conn *c,
                          uint32_t value)
{
    if (value >= DUET_CONTROLLERS || (value == DUET_CUBIC && !FEATURE_CUBIC))
        return DUET_E_ARG;
    if (l != NULL) {
        l->controller = (uint8_t)value;
        return DUET_OK;
    }
    tcp_cc_choose(s, c, (enum duet_controller)value);
    count_rule(s, TCP_RULE_OPTION_SET);
    return DUET_OK;
}

/* Of a listener it counts for what it accepts; of a connection, for the SYN that has not left. */
static int set_ecn(struct duet_stack *s, struct tcp_listener *l, struct tcp_conn *c, uint32_t value)
{
    if (value > (FEATURE_ECN ? DUET_ECN_REQUEST_ACCURATE : DUET_ECN_OFF))
        return DUET_E_ARG;
    count_rule(s, TCP_RULE_OPTION_SET);
    if (l == NULL)
        return tcp_ecn_set(c, (enum duet_ecn)value);
    l->ecn = (uint8_t)value;
    return DUET_OK;
}

int duet_set(struct duet_stack *s, duet_time now, struct duet_handle handle,
             enum duet_option option, uint32_t value)
{
    stack_now(s, now);
    struct tcp_listener *l = listener_of_handle(s, handle);
    struct tcp_conn *c = conn_of_handle(s, handle);
    if (c != NULL && conn_is(c, TCP_CONN_USER_GONE)) /* it may live on as a small record only */
        return DUET_E_CLOSING;
    if (option == DUET_OPTION_CONTROLLER && (l != NULL || c != NULL))
        return set_controller(s, l, c, value);
    if (option == DUET_OPTION_ECN && (l != NULL || c != NULL))
        return set_ecn(s, l, c, value);
    if (l != NULL) {
        struct settings to = {&l->flags,
                              &l->receive_limit,
                              &l->send_limit,
                              &l->user_timeout_ms,
                              &l->keepalive_idle_ms,
                              &l->mtu,
                              &l->dscp,
                              &l->ttl,
                              (uint16_t)(ip_header_size(&l->local.address) + TCP_HEADER)};
        return set(s, &to, option, value);
    }
    if (c == NULL)
        return DUET_E_NOCONN;
    struct settings to = {&c->flags,
                          &c->receive_limit,
                          &c->send_limit,
                          &c->user_timeout_ms,
                          &c->keepalive_idle_ms,
                          &c->mtu,
                          &c->dscp,
                          &c->ttl,
                          (uint16_t)(ip_header_size(&c->tuple.remote) + TCP_HEADER)};
    int error = set(s, &to, option, value);
    count_rule(s, TCP_RULE_OPTION_SET);
    bool is_user_timeout =
        option == DUET_OPTION_USER_TIMEOUT || option == DUET_OPTION_USER_TIMEOUT_ADVERTISE;
    if (is_user_timeout && error == DUET_OK)
        tcp_user_timeout_changed(s, c);
    bool is_step = option == DUET_OPTION_RECEIVE_BUFFER || option == DUET_OPTION_MSS;
    if (is_step && error == DUET_OK) /* the window may open by smaller steps than before */
        tcp_receive_room(s, c);
    if (option == DUET_OPTION_MSS && c->state >= DUET_ESTABLISHED) { /* one segment always fits */
        c->cwnd = max_u32(c->cwnd, tcp_send_mss(c));
        c->ssthresh = max_u32(c->ssthresh, 2u * tcp_send_mss(c));
    }
    if (c->state >= DUET_ESTABLISHED)
        tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_OPTION_SET); /* Nagle may let go of something */
    tcp_conn_settle(s, c);
    return error;
}
