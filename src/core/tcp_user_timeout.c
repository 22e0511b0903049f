/* SPDX-License-Identifier: MIT */
/* The user timeout option (RFC 5482): each end says how long it will keep trying, so that both can
 * wait out the same silence, or neither holds a connection that the other has given up.
 *
 * Theory of operation. The option is advice, is never acknowledged and may be lost; nothing depends
 * on it. The RFC's variables, and where they live:
 *
 *   ENABLED       TCP_CONN_USER_TIMEOUT_OPTION   off unless the configuration or the user says so;
 *                                                without it the option is neither sent nor read
 *   CHANGEABLE    not TCP_CONN_USER_TIMEOUT_SET  false once the user has set its own timeout
 *   ADV_UTO       the timeout of the user, or config.user_timeout
 *   REMOTE_UTO    of the latest acceptable segment that carries one; not kept
 *   L_LIMIT       config.user_timeout_min, and above the RTO of the moment
 *   U_LIMIT       config.user_timeout_max
 *   USER_TIMEOUT  user_timeout_ms
 *
 * What is adopted is max(min(U_LIMIT, max(ADV_UTO, REMOTE_UTO)), L_LIMIT), in synchronized states
 * only: a SYN cannot change how long an attempt to connect takes. A half-open record has no room
 * for the value on a SYN; that is why the option is sent twice. It stands on the SYN, on segments
 * that begin at ISS+1, the first data of the stream, and on an empty segment of its own after each
 * change.
 */
#include "base/bytes.h"
#include "core/state.h"

enum { IN_MINUTES = 0x8000, VALUE_MAX = 0x7fff };
enum { MS_A_SECOND = 1000, SECONDS_A_MINUTE = 60 };

static uint32_t to_ms(duet_time time)
{
    return (uint32_t)(time / DUET_MILLISECOND);
}

/* ---- the option's value ---- */

/* The shortest time that is not less: seconds as far as 15 bits reach (9 hours), then minutes. */
uint16_t tcp_user_timeout_encode(uint32_t ms)
{
    uint32_t seconds = max_u32(1, ms / MS_A_SECOND + (ms % MS_A_SECOND != 0));
    if (seconds <= VALUE_MAX)
        return (uint16_t)seconds;
    uint32_t minutes = (seconds + SECONDS_A_MINUTE - 1) / SECONDS_A_MINUTE;
    return (uint16_t)(IN_MINUTES | min_u32(minutes, VALUE_MAX));
}

/* In ms: at most 32767 minutes, which 31 bits hold. */
uint32_t tcp_user_timeout_decode(uint16_t value)
{
    uint32_t unit = (value & IN_MINUTES) != 0 ? SECONDS_A_MINUTE * MS_A_SECOND : MS_A_SECOND;
    return (value & VALUE_MAX) * unit;
}

/* ---- sending ---- */

/* ADV_UTO. Who never gives up says the longest time that it would adopt. */
static uint32_t advertised_ms(const struct duet_stack *s, uint32_t flags, uint32_t user_timeout_ms)
{
    bool is_set = (flags & TCP_CONN_USER_TIMEOUT_SET) != 0;
    uint32_t ms = is_set ? user_timeout_ms : to_ms(s->config.user_timeout);
    return ms != 0 ? ms : to_ms(s->config.user_timeout_max);
}

static void put(const struct duet_stack *s, uint32_t flags, uint32_t user_timeout_ms,
                struct tcp_options *options)
{
    if ((flags & TCP_CONN_USER_TIMEOUT_OPTION) == 0)
        return;
    options->present |= DUET_TRACE_USER_TIMEOUT;
    options->user_timeout = tcp_user_timeout_encode(advertised_ms(s, flags, user_timeout_ms));
}

/* Must the next segment be an empty one that tells of a change? That is an acknowledgement owed for
 * this reason. */
bool tcp_user_timeout_is_due(const struct tcp_conn *c)
{
    return (c->owes & TCP_OWES_ACK) != 0 && c->why == TCP_RULE_USER_TIMEOUT_CHANGED;
}

/* The option for a segment that is about to be built, whose text_length is known. Text has given
 * room only while tcp_user_timeout_room() says so. */
void tcp_user_timeout_put(const struct duet_stack *s, const struct tcp_conn *c,
                          struct tcp_header *header)
{
    bool has_room = header->text_length == 0 || tcp_user_timeout_room(c) != 0;
    bool is_carrier = (header->flags & DUET_SYN) != 0 ||
                      tcp_user_timeout_is_first_data(c, seq_of(header->seq)) ||
                      tcp_user_timeout_is_due(c);
    if (has_room && is_carrier)
        put(s, c->flags, c->user_timeout_ms, &header->options);
}

/* The same for the SYN,ACK of a half-open record. */
void tcp_user_timeout_put_syn_ack(const struct duet_stack *s, const struct tcp_listener *listener,
                                  struct tcp_options *options)
{
    put(s, listener->flags, listener->user_timeout_ms, options);
}

/* The user has changed what is advertised. */
void tcp_user_timeout_changed(struct duet_stack *s, struct tcp_conn *c)
{
    bool is_told = c->state >= DUET_ESTABLISHED && c->state < DUET_TIME_WAIT;
    if (!is_told || !conn_is(c, TCP_CONN_USER_TIMEOUT_OPTION))
        return;
    if (!tcp_user_timeout_is_due(c))
        count_rule(s, TCP_RULE_USER_TIMEOUT_CHANGED);
    tcp_owe(s, c, TCP_OWES_ACK, TCP_RULE_USER_TIMEOUT_CHANGED);
    c->why = TCP_RULE_USER_TIMEOUT_CHANGED; /* goes before other reasons: it needs the option */
}

/* ---- receiving ---- */

/* A segment has passed the checks of its sequence number and its ACK. */
void tcp_user_timeout_arrives(struct duet_stack *s, struct tcp_conn *c,
                              const struct tcp_segment *seg)
{
    bool has = (seg->options->present & DUET_TRACE_USER_TIMEOUT) != 0;
    if (!has || seg->is_outside || !conn_is(c, TCP_CONN_USER_TIMEOUT_OPTION))
        return;
    uint32_t remote = tcp_user_timeout_decode(seg->options->user_timeout);
    if (remote == 0) {
        tcp_rule(s, c, TCP_RULE_USER_TIMEOUT_ZERO, seg);
        return;
    }
    if (conn_is(c, TCP_CONN_USER_TIMEOUT_SET)) {
        tcp_rule(s, c, TCP_RULE_USER_TIMEOUT_KEPT, seg);
        return;
    }
    uint32_t wanted = max_u32(advertised_ms(s, c->flags, c->user_timeout_ms), remote);
    uint32_t least = max_u32(to_ms(s->config.user_timeout_min), to_ms(tcp_rto(c)) + 1);
    c->user_timeout_ms = max_u32(min_u32(wanted, to_ms(s->config.user_timeout_max)), least);
    tcp_rule(s, c, TCP_RULE_USER_TIMEOUT_ADOPTED, seg);
}

/* When an idle connection is first probed: later than the user timeout, where that follows the
 * peer, or a probe would end what both agreed to wait for (RFC 5482, 4.2). */
uint32_t tcp_user_timeout_before_probe(const struct tcp_conn *c)
{
    bool is_agreed = conn_is(c, TCP_CONN_USER_TIMEOUT_OPTION) && c->user_timeout_ms != 0;
    return is_agreed ? max_u32(c->keepalive_idle_ms, c->user_timeout_ms + 1) : c->keepalive_idle_ms;
}
