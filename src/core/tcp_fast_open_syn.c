/* SPDX-License-Identifier: MIT */
/* Fast Open (RFC 7413), the end that opens. tcp_fast_open.c says what it is about.
 *
 * Theory of operation. The user asks for it, connection by connection, and queues text before the
 * SYN leaves. What the SYN carries then depends on what the path cache knows of the server:
 *
 *   nothing            the option without a cookie: it asks for one            no text
 *   a cookie           the cookie, and text up to the MSS that came with it
 *   that it failed     no option                                               no text
 *
 * A SYN that is sent again is a plain one: whatever swallowed the first may not like the option or
 * the text (4.2.2). Then, and when the server takes neither text nor cookie, Fast Open counts as
 * failed there for config.fast_open_pause (4.1.3.1); a SYN,ACK that acknowledges text takes that
 * back. SND.NXT stands behind the text from the first SYN on, for the server may have it whatever
 * became of the SYN,ACK. Text that the SYN,ACK does not acknowledge goes again at once, as data.
 */
#include "base/bytes.h"
#include "core/state.h"

#include <string.h>

/* The user has asked for it, before the SYN has left. */
void tcp_fast_open_want(const struct duet_stack *s, const struct tcp_conn *c)
{
    transfer_at(s, c)->fast_open = TCP_FAST_OPEN_WANTED;
}

/* Text that fits on the SYN: the MSS that came with the cookie counts no options (RFC 6691). */
static uint32_t text_of_syn(struct duet_stack *s, struct tcp_conn *c, uint16_t mss)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    uint32_t path = (uint32_t)c->mtu - ip_header_size(&c->tuple.remote) - TCP_HEADER;
    uint32_t room = min_u32(mss, path) - TCP_OPTIONS_MAX;
    bool may = !t->urgent && flight_reserve(s, c, 1) == 1;
    return may ? min_u32(t->send.length, room) : 0;
}

/* The option of a first SYN, and the bytes of text that it carries. */
uint32_t tcp_fast_open_syn(struct duet_stack *s, struct tcp_conn *c, struct tcp_header *header)
{
    struct tcp_transfer *t = transfer_of(s, c);
    const struct duet_address *server = &c->tuple.remote;
    if (c->state != DUET_SYN_SENT || t->fast_open != TCP_FAST_OPEN_WANTED ||
        conn_is(c, TCP_CONN_SYN_RETRANSMITTED))
        return 0;
    if (path_cookie_is_barred(s, server)) {
        t->fast_open = TCP_FAST_OPEN_NONE;
        return 0;
    }
    t->fast_open = TCP_FAST_OPEN_TRIED;
    header->options.present |= DUET_TRACE_FAST_OPEN;
    struct path_cookie cookie;
    if (!path_cookie_get(s, server, &cookie)) {
        count_rule(s, TCP_RULE_FAST_OPEN_ASKED);
        return 0;
    }
    header->options.cookie_length = cookie.length;
    memcpy(header->options.cookie, cookie.bytes, cookie.length);
    uint32_t length = text_of_syn(s, c, cookie.mss);
    if (length > 0 && length == t->send.length)
        header->flags |= DUET_PSH;
    count_rule(s, TCP_RULE_FAST_OPEN_SYN);
    return length;
}

static void bar(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule)
{
    path_cookie_bar(s, &c->tuple.remote, s->now + s->config.fast_open_pause);
    tcp_rule(s, c, rule, NULL);
}

/* The SYN is about to be sent again. */
void tcp_fast_open_syn_timeout(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t->fast_open == TCP_FAST_OPEN_TRIED && !conn_is(c, TCP_CONN_SYN_RETRANSMITTED))
        bar(s, c, TCP_RULE_FAST_OPEN_FAILED);
}

/* The SYN,ACK of an active open, which acknowledges our SYN and maybe text. What it says about the
 * cookie is kept, and what it acknowledges is dropped; the rest goes again. */
void tcp_fast_open_answered(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg)
{
    struct tcp_transfer *t = transfer_of(s, c);
    struct flight_segment segment;
    uint32_t taken = seq_distance(seq_add(c->snd.iss, 1), seg->ack);
    uint32_t sent = seq_distance(seq_add(c->snd.iss, 1), c->snd.nxt);
    bool has_cookie =
        (seg->options->present & DUET_TRACE_FAST_OPEN) != 0 && seg->options->cookie_length > 0;
    if (t->fast_open != TCP_FAST_OPEN_TRIED)
        return;
    t->fast_open = TCP_FAST_OPEN_NONE;
    if (has_cookie) {
        struct path_cookie cookie = {.length = seg->options->cookie_length, .mss = c->peer_mss};
        memcpy(cookie.bytes, seg->options->cookie, cookie.length);
        path_cookie_put(s, &c->tuple.remote, &cookie);
        tcp_rule(s, c, TCP_RULE_FAST_OPEN_COOKIE, seg);
    }
    if (sent == 0)
        return;
    tcp_probe_schedule(s, c); /* the answer is a sign of life */
    if (taken > 0) {
        path_cookie_bar(s, &c->tuple.remote, 0);
        tcp_rule(s, c, TCP_RULE_FAST_OPEN_TAKEN, seg);
        while (flight_acked(s, c, seg->ack, &segment))
            continue;
        tcp_send_acked(s, c, taken);
    } else if (has_cookie) {
        tcp_rule(s, c, TCP_RULE_FAST_OPEN_NOT_TAKEN, seg);
    } else {
        bar(s, c, TCP_RULE_FAST_OPEN_NOT_TAKEN);
    }
}
