/* SPDX-License-Identifier: MIT */
/* Fast Open (RFC 7413): the first text of a connection rides on the SYN, and is read before the
 * handshake ends. Cookies, and the end that listens; the end that opens is in tcp_fast_open_syn.c.
 *
 * Theory of operation. A SYN proves nothing about its sender, so its text must wait for the third
 * segment, unless the sender has shown before that it gets packets sent to its address: by a
 * cookie, which such a SYN,ACK brought. The cookie is a keyed hash of the address and of the number
 * of the present interval of config.fast_open_key_life; that of the interval before is taken, too,
 * and answered with a fresh one. So the key changes with the clock of the stack, nothing is stored,
 * and a cookie lives between one and two intervals. Whoever steals one can use it from that address
 * alone, and what that costs is bounded:
 *
 *   listener.fast_open_max      attempts in SYN-RECEIVED at a time; beyond it a SYN is a plain one
 *   a RST in SYN-RECEIVED       frees the connection, but its place counts for one or two
 *                               config.syn_timeout more (RFC 7413, 5.1), or a flood of spoofed SYNs
 *                               that their victims reset would not be bounded at all
 *   nothing but a SYN,ACK       to whom showed no valid cookie (I-40); who did, gets no more than
 *                               the initial window before the handshake ends (4.2.2)
 *
 * An attempt is a connection in SYN-RECEIVED, at once in the accept queue; half-open records and
 * their 56 bytes know nothing of it. SYN text with a FIN or URG waits for the third segment as
 * ever. A SYN that was duplicated in the network, and arrives when the connection it made is gone,
 * makes another: the text can reach the user twice (6.1), and no cookie can help it. That is why
 * nobody gets this who has not asked for it.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/user.h"

#include <string.h>

/* SipHash gives 8 bytes; RFC 7413 allows 4 to 16. */
enum { COOKIE_SIZE = 8 };

/* ---- cookies ---- */

enum cookie {
    COOKIE_NONE,    /* no option, or it asks for one */
    COOKIE_CURRENT, /* ours, for this address, of the present interval */
    COOKIE_FORMER,  /* of the interval before */
    COOKIE_FOREIGN, /* none of these */
};

static int64_t interval_of(const struct duet_stack *s)
{
    return s->now / s->config.fast_open_key_life;
}

static uint64_t cookie_for(const struct duet_stack *s, const struct duet_address *address,
                           int64_t interval)
{
    uint8_t message[sizeof *address + 8]; /* the same on every machine */
    memcpy(message, address, sizeof *address);
    for (unsigned i = 0; i < 8; i++)
        message[sizeof *address + i] = (uint8_t)((uint64_t)interval >> 8 * i);
    return siphash_2_4(&s->cookie_key, message, sizeof message);
}

static enum cookie judge_cookie(const struct duet_stack *s, const struct duet_address *address,
                                const struct tcp_options *options)
{
    if ((options->present & DUET_TRACE_FAST_OPEN) == 0 || options->cookie_length == 0)
        return COOKIE_NONE;
    if (options->cookie_length != COOKIE_SIZE)
        return COOKIE_FOREIGN;
    uint64_t shown;
    memcpy(&shown, options->cookie, sizeof shown);
    int64_t interval = interval_of(s);
    if (shown == cookie_for(s, address, interval))
        return COOKIE_CURRENT;
    bool is_former = interval > 0 && shown == cookie_for(s, address, interval - 1);
    return is_former ? COOKIE_FORMER : COOKIE_FOREIGN;
}

/* Puts the cookie of the present interval on a SYN,ACK. */
void tcp_fast_open_grant(struct duet_stack *s, const struct duet_address *remote,
                         struct tcp_options *options)
{
    uint64_t cookie = cookie_for(s, remote, interval_of(s));
    options->present |= DUET_TRACE_FAST_OPEN;
    options->cookie_length = COOKIE_SIZE;
    memcpy(options->cookie, &cookie, sizeof cookie);
    count_rule(s, TCP_RULE_FAST_OPEN_GRANTED);
}

/* Does this SYN deserve a cookie on the SYN,ACK: did it ask, or show one that will not do? */
bool tcp_fast_open_is_asked(const struct duet_stack *s, const struct tcp_listener *listener,
                            const struct duet_address *remote, const struct tcp_segment *seg)
{
    bool has = (seg->options->present & DUET_TRACE_FAST_OPEN) != 0;
    return has && listener->fast_open_max > 0 &&
           judge_cookie(s, remote, seg->options) != COOKIE_CURRENT;
}

/* ---- places ---- */

/* Lets go of the places of attempts that were reset long enough ago. */
static void age_places(const struct duet_stack *s, struct tcp_listener *listener)
{
    int64_t interval = s->now / s->config.syn_timeout;
    if (interval == listener->fast_open_interval)
        return;
    bool is_next = interval == listener->fast_open_interval + 1;
    listener->fast_open_reset[1] = is_next ? listener->fast_open_reset[0] : 0;
    listener->fast_open_reset[0] = 0;
    listener->fast_open_interval = interval;
}

static bool has_place(const struct duet_stack *s, struct tcp_listener *listener)
{
    age_places(s, listener);
    uint64_t taken = (uint64_t)listener->fast_open_pending + listener->fast_open_reset[0] +
                     listener->fast_open_reset[1];
    return taken < listener->fast_open_max;
}

bool tcp_fast_open_is_attempt(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    return t != NULL && t->fast_open == TCP_FAST_OPEN_PENDING;
}

/* The listener that an attempt counts for, NULL if it has gone. */
static struct tcp_listener *listener_of(const struct duet_stack *s, const struct tcp_transfer *t)
{
    struct tcp_listener *listener = &s->listeners[t->listener];
    bool is_same = listener->used && listener->generation == t->listener_generation;
    return is_same ? listener : NULL;
}

/* For duet_check(): is it one of those that its listener counts? */
bool tcp_fast_open_is_counted(const struct duet_stack *s, const struct tcp_conn *c)
{
    return tcp_fast_open_is_attempt(s, c) && listener_of(s, transfer_of(s, c)) != NULL;
}

static void leave_place(const struct duet_stack *s, struct tcp_transfer *t, bool by_reset)
{
    struct tcp_listener *listener = listener_of(s, t);
    t->fast_open = TCP_FAST_OPEN_NONE;
    if (listener == NULL)
        return;
    CHECK(listener->fast_open_pending > 0);
    listener->fast_open_pending--;
    age_places(s, listener);
    if (by_reset)
        listener->fast_open_reset[0]++;
}

/* The handshake of an attempt has ended well. */
void tcp_fast_open_syn_acked(const struct duet_stack *s, const struct tcp_conn *c)
{
    if (tcp_fast_open_is_attempt(s, c))
        leave_place(s, transfer_of(s, c), false);
}

/* The connection is about to end. If nobody has accepted it yet, nobody hears of its text. */
void tcp_fast_open_ended(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule)
{
    if (!tcp_fast_open_is_attempt(s, c))
        return;
    leave_place(s, transfer_of(s, c), rule == TCP_RULE_RST_EXACT);
    if (conn_is(c, TCP_CONN_UNACCEPTED))
        buffer_clear(&s->buffers, &c->receive);
}

/* ---- a SYN arrives ---- */

/* Why the SYN is a plain one after all, or FAST_OPEN_ACCEPTED. NONE: it never was another. */
static enum tcp_rule judge_syn(const struct duet_stack *s, struct tcp_listener *listener,
                               const struct tcp_tuple *tuple, const struct tcp_segment *seg)
{
    bool is_eligible = listener->fast_open_max > 0 && seg->text_length > 0 && !seg->has_urg;
    enum cookie cookie = judge_cookie(s, &tuple->remote, seg->options);
    if (!is_eligible || cookie == COOKIE_NONE)
        return TCP_RULE_NONE;
    if (cookie == COOKIE_FOREIGN)
        return TCP_RULE_FAST_OPEN_FOREIGN_COOKIE;
    if (!has_place(s, listener))
        return TCP_RULE_FAST_OPEN_LIMIT;
    return TCP_RULE_FAST_OPEN_ACCEPTED;
}

/* The connection of an attempt, in SYN-RECEIVED. NULL: no records for it. */
static struct tcp_conn *make_attempt(struct duet_stack *s, const struct tcp_half_open *half,
                                     struct tcp_listener *listener)
{
    struct tcp_conn *c = tcp_conn_new(s, &half->tuple);
    if (c == NULL)
        return NULL;
    tcp_conn_from_half_open(s, c, half, listener);
    if (tcp_borrow_transfer(s, c))
        return c;
    tcp_accecn_return(s, c);
    tcp_conn_unmake(s, c);
    return NULL;
}

/* The text behind the SYN, as step seven would take it in ESTABLISHED. The SYN,ACK acknowledges as
 * much of it as there was memory for. */
static void take_text(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *syn)
{
    struct tcp_segment text = *syn;
    text.has_syn = false;
    text.seq = seq_add(syn->seq, 1);
    text.len = syn->len - 1;
    (void)tcp_trim_right(c, &text);
    tcp_receive_text(s, c, &text);
}

static void occupy_place(const struct duet_stack *s, const struct tcp_conn *c,
                         struct tcp_listener *listener)
{
    struct tcp_transfer *t = transfer_of(s, c);
    t->fast_open = TCP_FAST_OPEN_PENDING;
    t->listener = (uint32_t)(listener - s->listeners);
    t->listener_generation = listener->generation;
    listener->fast_open_pending++;
}

bool tcp_fast_open_listen(struct duet_stack *s, struct tcp_listener *listener,
                          const struct tcp_tuple *tuple, const struct tcp_segment *seg,
                          struct seq iss, enum duet_state from)
{
    enum tcp_rule rule = judge_syn(s, listener, tuple, seg);
    if (rule == TCP_RULE_NONE)
        return false;
    if (rule != TCP_RULE_FAST_OPEN_ACCEPTED) {
        stack_rule(s, tuple, from, rule);
        return false;
    }
    struct tcp_half_open half = half_open_of_syn(s, tuple, seg, iss);
    (void)tcp_ecn_half_open_begin(s, &half, seg); /* its SYN,ACK is the connection's */
    struct tcp_conn *c = make_attempt(s, &half, listener);
    if (c == NULL) {
        stack_rule(s, tuple, from, TCP_RULE_FAST_OPEN_NO_ROOM);
        return false;
    }
    c->snd.wnd = seg->window; /* never scaled on a SYN (RFC 7323, 2.2) */
    c->snd.wnd_max = seg->window;
    occupy_place(s, c, listener);
    tcp_record_edge(s, tuple, from, DUET_SYN_RECEIVED, rule);
    tcp_cc_init(s, c);
    take_text(s, c, seg);
    bool is_former = judge_cookie(s, &tuple->remote, seg->options) == COOKIE_FORMER;
    transfer_at(s, c)->fast_open_grants = is_former;
    tcp_conn_queue_for_accept(s, c);
    tcp_owe(s, c, TCP_OWES_SYN, rule);
    tcp_conn_settle(s, c);
    return true;
}

/* The peer of an attempt repeats its SYN, with or without its text: it missed our SYN,ACK. */
bool tcp_fast_open_syn_repeated(struct duet_stack *s, struct tcp_conn *c,
                                const struct tcp_segment *seg)
{
    bool is_repeat = tcp_fast_open_is_attempt(s, c) && seg->has_syn && !seg->has_ack &&
                     !seg->has_rst && seq_eq(seg->seq, c->rcv.irs);
    if (!is_repeat)
        return false;
    if ((c->owes & TCP_OWES_SYN) == 0) {
        c->flags |= TCP_CONN_SYN_RETRANSMITTED;
        transfer_at(s, c)->timing = false; /* Karn */
        tcp_owe(s, c, TCP_OWES_SYN, TCP_RULE_SYN_REPEATED);
    }
    tcp_rule(s, c, TCP_RULE_SYN_REPEATED, seg);
    return true;
}

/* ---- what an attempt may send ---- */

/* Text before the handshake ends, but not once the SYN,ACK needed a repeat: then something is lost,
 * and one SYN,ACK at a time must do. */
bool tcp_fast_open_may_send(const struct duet_stack *s, const struct tcp_conn *c)
{
    return tcp_fast_open_is_attempt(s, c) && !conn_is(c, TCP_CONN_SYN_RETRANSMITTED);
}

/* The option of the SYN,ACK of an attempt: a fresh cookie for one that will soon be of no use. */
void tcp_fast_open_syn_ack(struct duet_stack *s, const struct tcp_conn *c,
                           struct tcp_options *options)
{
    if (tcp_fast_open_is_attempt(s, c) && transfer_at(s, c)->fast_open_grants)
        tcp_fast_open_grant(s, &c->tuple.remote, options);
}
