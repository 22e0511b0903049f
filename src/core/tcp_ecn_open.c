/* SPDX-License-Identifier: MIT */
/* Agreement on ECN: what a SYN asks for, what a SYN,ACK answers, and what follows when they come
 * twice, differ, or do not come at all (RFC 3168, 6.1.1; RFC 9768, 3.1).
 *
 * Theory of operation. The bits AE, CWR and ECE of a SYN and of its SYN,ACK are looked up in two
 * tables; the first pair sets the mode of a connection, which never changes after (9768, 3.1.5).
 *
 *        SYN                        SYN,ACK that agrees
 *        111 accurate, else classic 010 011 100 110 by the ECN field of the SYN; 001: classic
 *        011 classic                001
 *        000 none                   000
 *
 * What may go wrong on the path has a way out: a SYN or SYN,ACK that asks for ECN and is not
 * answered is repeated once, then sent without. Who sent or got a packet without ECN beside one
 * with it cannot know which of them the peer has seen: it stays in its mode and reports what
 * arrives, but sends nothing that may be marked (TCP_ECN_MUTE).
 *
 * Three times running that only the SYN without ECN was answered, and SYNs to that host do not ask
 * for config.ecn_pause; then one asks again, and if it fares like those before, the pause begins
 * anew. The path cache remembers it (path.h).
 *
 * This file must not know how congestion is reported or answered: that is tcp_ecn.c.
 */
#include "base/check.h"
#include "core/state.h"

enum { SYN_ACCURATE = 7, SYN_CLASSIC = 3, SYN_PLAIN = 0, SYN_ACK_CLASSIC = 1, R_CEP_INITIAL = 5 };

/* Repeats of a SYN or SYN,ACK that still speak of ECN (9768, 3.1.4.1 and 3.2.3.2.2; RFC 3168,
 * 6.1.1.1 leaves the number open). */
enum { REPEATS_WITH_ECN = 1 };

/* ---- the tables ---- */

enum tcp_ecn_mode tcp_ecn_of_syn(enum duet_ecn wanted, unsigned ace)
{
    if (wanted == DUET_ECN_OFF || ace == SYN_PLAIN)
        return TCP_ECN_NOT;
    /* Combinations without a meaning yet count as 111 (9768, 3.1.3). */
    return ace == SYN_CLASSIC ? TCP_ECN_CLASSIC : TCP_ECN_ACCURATE;
}

enum tcp_ecn_mode tcp_ecn_of_syn_ack(enum duet_ecn wanted, unsigned ace)
{
    switch (wanted) {
    case DUET_ECN_OFF:
    case DUET_ECN_ANSWER:
        return TCP_ECN_NOT;
    case DUET_ECN_REQUEST: /* AE was another protocol's when RFC 3168 was written: not looked at */
        return (ace & 3) == SYN_ACK_CLASSIC ? TCP_ECN_CLASSIC : TCP_ECN_NOT;
    case DUET_ECN_REQUEST_ACCURATE:
        break;
    }
    if (ace == SYN_ACK_CLASSIC)
        return TCP_ECN_CLASSIC;
    return ace == 0 || ace == SYN_ACCURATE ? TCP_ECN_NOT : TCP_ECN_ACCURATE;
}

unsigned tcp_ecn_encoding(unsigned ip_ecn)
{
    static const uint8_t encoding[] = {
        [TCP_NOT_ECT] = 2, [TCP_ECT_1] = 3, [TCP_ECT_0] = 4, [TCP_CE] = 6};
    return encoding[ip_ecn & 3];
}

/* ---- half-open records ---- */

static unsigned half_ecn(const struct tcp_half_open *half)
{
    return (unsigned)half->flags >> TCP_HALF_OPEN_ECN_SHIFT;
}

static void set_half_ecn(struct tcp_half_open *half, unsigned ecn)
{
    const unsigned below = (1u << TCP_HALF_OPEN_ECN_SHIFT) - 1;
    half->flags = (uint8_t)((half->flags & below) | ecn << TCP_HALF_OPEN_ECN_SHIFT);
}

static bool half_is_accurate(const struct tcp_half_open *half)
{
    return half_ecn(half) >= TCP_HALF_OPEN_ECN_ACCURATE_MUTE;
}

uint16_t tcp_ecn_half_open_begin(struct duet_stack *s, struct tcp_half_open *half,
                                 const struct tcp_segment *seg)
{
    const struct tcp_listener *listener =
        seg->ace == SYN_PLAIN ? NULL : demux_listener(s, &half->tuple);
    if (listener == NULL)
        return 0;
    enum tcp_ecn_mode mode = tcp_ecn_of_syn((enum duet_ecn)listener->ecn, seg->ace);
    if (mode == TCP_ECN_CLASSIC) {
        stack_rule(s, &half->tuple, DUET_SYN_RECEIVED, TCP_RULE_ECN_CLASSIC);
        set_half_ecn(half, TCP_HALF_OPEN_ECN_CLASSIC);
        return tcp_ecn_flag_bits(SYN_ACK_CLASSIC);
    }
    if (mode == TCP_ECN_NOT)
        return 0;
    stack_rule(s, &half->tuple, DUET_SYN_RECEIVED, TCP_RULE_ECN_ACCURATE);
    set_half_ecn(half, TCP_HALF_OPEN_ECN_ACCURATE + seg->ip_ecn);
    return tcp_ecn_flag_bits(tcp_ecn_encoding(seg->ip_ecn));
}

/* A server that knows no ECN for this connection goes on so; one in a mode answers a plain SYN by
 * it when the mode is accurate (9768, 3.1.5), but a classic SYN,ACK only answers a classic SYN
 * (RFC 3168, 6.1.1). */
enum tcp_verdict tcp_ecn_half_open_again(struct tcp_half_open *half, const struct tcp_segment *seg,
                                         uint16_t *flags)
{
    enum tcp_ecn_mode asked = tcp_ecn_of_syn(DUET_ECN_ANSWER, seg->ace);
    *flags = 0;
    if (half_ecn(half) == TCP_HALF_OPEN_ECN_NOT)
        return TCP_CONTINUE;
    if (asked != TCP_ECN_NOT && half_is_accurate(half) != (asked == TCP_ECN_ACCURATE))
        return TCP_DROP;
    if (half_is_accurate(half)) {
        if (asked == TCP_ECN_NOT)
            set_half_ecn(half, TCP_HALF_OPEN_ECN_ACCURATE_MUTE);
        else if (half_ecn(half) != TCP_HALF_OPEN_ECN_ACCURATE_MUTE)
            set_half_ecn(half, TCP_HALF_OPEN_ECN_ACCURATE + seg->ip_ecn);
        *flags = tcp_ecn_flag_bits(tcp_ecn_encoding(seg->ip_ecn));
    } else if (asked == TCP_ECN_NOT) {
        set_half_ecn(half, TCP_HALF_OPEN_ECN_CLASSIC_MUTE);
    } else {
        *flags = tcp_ecn_flag_bits(SYN_ACK_CLASSIC);
    }
    return TCP_CONTINUE;
}

uint16_t tcp_ecn_half_open_repeat(struct duet_stack *s, struct tcp_half_open *half,
                                  unsigned repeats)
{
    unsigned ecn = half_ecn(half);
    if (ecn == TCP_HALF_OPEN_ECN_CLASSIC)
        return tcp_ecn_flag_bits(SYN_ACK_CLASSIC);
    if (ecn < TCP_HALF_OPEN_ECN_ACCURATE)
        return 0;
    if (repeats <= REPEATS_WITH_ECN)
        return tcp_ecn_flag_bits(tcp_ecn_encoding(ecn - TCP_HALF_OPEN_ECN_ACCURATE));
    stack_rule(s, &half->tuple, DUET_SYN_RECEIVED, TCP_RULE_ECN_SYN_ACK_PLAIN);
    set_half_ecn(half, TCP_HALF_OPEN_ECN_ACCURATE_MUTE);
    return 0;
}

uint16_t tcp_ecn_half_open_ace(const struct tcp_half_open *half)
{
    return half_is_accurate(half) ? tcp_ecn_flag_bits(R_CEP_INITIAL) : 0;
}

/* ---- a connection agrees ---- */

static void agree(struct duet_stack *s, struct tcp_conn *c, enum tcp_ecn_mode mode)
{
    c->ecn = (unsigned)mode & 255u;
    c->ecn_count = 0;
    if (!tcp_ecn_is_accurate(c))
        return;
    tcp_ecn_set_count(c, TCP_ECN_COUNT_R_CEP, R_CEP_INITIAL);
    tcp_ecn_set_count(c, TCP_ECN_COUNT_S_CEP, R_CEP_INITIAL);
    tcp_accecn_borrow(s, c);
}

void tcp_ecn_from_half_open(struct duet_stack *s, struct tcp_conn *c,
                            const struct tcp_half_open *half)
{
    unsigned ecn = half_ecn(half);
    if (half_is_accurate(half)) {
        agree(s, c, TCP_ECN_ACCURATE_FIRST);
        if (ecn >= TCP_HALF_OPEN_ECN_ACCURATE)
            tcp_ecn_set_count(c, TCP_ECN_COUNT_RECENT, ecn - TCP_HALF_OPEN_ECN_ACCURATE);
    } else
        agree(s, c, ecn == TCP_HALF_OPEN_ECN_NOT ? TCP_ECN_NOT : TCP_ECN_CLASSIC);
    if (ecn == TCP_HALF_OPEN_ECN_CLASSIC_MUTE || ecn == TCP_HALF_OPEN_ECN_ACCURATE_MUTE)
        tcp_ecn_put(c, TCP_ECN_MUTE);
}

static enum duet_ecn wanted_by(const struct tcp_conn *c)
{
    CHECK(tcp_ecn_mode(c) < TCP_ECN_NOT);
    return (enum duet_ecn)(c->ecn & TCP_ECN_MODE);
}

/* So many SYNs that ask for ECN were not answered that one without has been sent, or will be. */
static bool asks_no_more(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    return t != NULL && t->retransmissions > REPEATS_WITH_ECN;
}

/* In a simultaneous open both SYNs ask, and the lesser one counts at both ends. */
static enum tcp_ecn_mode mode_of_crossing(enum duet_ecn wanted, unsigned ace)
{
    if (wanted < DUET_ECN_REQUEST)
        return TCP_ECN_NOT;
    enum tcp_ecn_mode mode = tcp_ecn_of_syn(wanted, ace);
    return mode == TCP_ECN_ACCURATE && wanted == DUET_ECN_REQUEST ? TCP_ECN_CLASSIC : mode;
}

void tcp_ecn_take_syn(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg)
{
    enum duet_ecn wanted = wanted_by(c);
    bool plain = asks_no_more(s, c);
    enum tcp_ecn_mode mode = mode_of_crossing(wanted, seg->ace);
    CHECK(!conn_is(c, TCP_CONN_PASSIVE));
    agree(s, c, mode == TCP_ECN_ACCURATE ? TCP_ECN_ACCURATE_FIRST : mode);
    if (plain)
        tcp_ecn_put(c, TCP_ECN_MUTE);
    if (mode == TCP_ECN_CLASSIC)
        tcp_rule(s, c, TCP_RULE_ECN_CLASSIC, seg);
    if (mode != TCP_ECN_ACCURATE)
        return;
    tcp_ecn_set_count(c, TCP_ECN_COUNT_RECENT, seg->ip_ecn);
    tcp_rule(s, c, TCP_RULE_ECN_ACCURATE, seg);
}

enum tcp_verdict tcp_ecn_take_syn_again(struct duet_stack *s, struct tcp_conn *c,
                                        const struct tcp_segment *seg)
{
    CHECK(!seg->has_rst);
    if (!seg->has_syn || seg->has_ack || !seq_eq(seg->seq, c->rcv.irs) ||
        tcp_ecn_mode(c) <= TCP_ECN_NOT)
        return TCP_CONTINUE;
    CHECK(c->state == DUET_SYN_RECEIVED);
    enum tcp_ecn_mode asked = tcp_ecn_of_syn(DUET_ECN_ANSWER, seg->ace);
    if (asked == TCP_ECN_NOT) {
        tcp_ecn_put(c, TCP_ECN_MUTE);
    } else if (tcp_ecn_is_accurate(c) != (asked == TCP_ECN_ACCURATE)) {
        tcp_conn_reset(s, c, TCP_RULE_ECN_MIXED, DUET_E_RESET);
        return TCP_DROP;
    }
    if (tcp_ecn_is_accurate(c))
        tcp_ecn_set_count(c, TCP_ECN_COUNT_RECENT, seg->ip_ecn);
    return TCP_CONTINUE;
}

/* A SYN,ACK tells how the SYNs that asked have fared. One that agrees answers such a SYN; one that
 * does not, the plain SYN behind them. */
static void learn_of_path(struct duet_stack *s, struct tcp_conn *c, bool has_asked, bool plain,
                          enum tcp_ecn_mode mode)
{
    if (has_asked && (mode != TCP_ECN_NOT || !plain))
        path_ecn_passed(s, &c->tuple.remote);
    else if (plain && path_ecn_failed(s, &c->tuple.remote))
        tcp_rule(s, c, TCP_RULE_ECN_BARRED, NULL);
}

void tcp_ecn_take_syn_ack(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg)
{
    enum duet_ecn wanted = wanted_by(c);
    bool has_asked = wanted >= DUET_ECN_REQUEST;
    bool plain = tcp_ecn_is(c, TCP_ECN_SYN_RESET) || (has_asked && asks_no_more(s, c));
    enum tcp_ecn_mode mode = tcp_ecn_of_syn_ack(wanted, seg->ace);
    learn_of_path(s, c, has_asked, plain, mode);
    agree(s, c, mode);
    if (has_asked && mode == TCP_ECN_NOT)
        tcp_rule(s, c,
                 wanted == DUET_ECN_REQUEST_ACCURATE && seg->ace == SYN_ACCURATE
                     ? TCP_RULE_ECN_REFLECTED
                     : TCP_RULE_ECN_REFUSED,
                 seg);
    if (mode == TCP_ECN_CLASSIC) {
        tcp_rule(s, c, TCP_RULE_ECN_CLASSIC, seg);
        if (plain) /* RFC 3168, 6.1.1: who sent a SYN without ECN sends no ECT */
            tcp_ecn_put(c, TCP_ECN_MUTE);
    }
    if (mode != TCP_ECN_ACCURATE)
        return;
    tcp_rule(s, c, TCP_RULE_ECN_ACCURATE, seg);
    if (seg->ip_ecn == TCP_CE)
        tcp_ecn_set_count(c, TCP_ECN_COUNT_R_CEP, R_CEP_INITIAL + 1);
    tcp_ecn_put(c, TCP_ECN_HANDSHAKE);
    tcp_ecn_set_count(c, TCP_ECN_COUNT_RECENT, seg->ip_ecn);
}

/* Its CE counts if none of a SYN,ACK did before (9768, 3.2.2.2), which is certain only while
 * nothing else has arrived. */
void tcp_ecn_take_syn_ack_again(struct duet_stack *s, struct tcp_conn *c,
                                const struct tcp_segment *seg)
{
    (void)s;
    bool is_copy = seg->has_ack && seq_eq(seg->seq, c->rcv.irs) &&
                   seq_eq(seg->ack, seq_add(c->snd.iss, 1)) && !conn_is(c, TCP_CONN_PASSIVE);
    bool agrees = tcp_ecn_of_syn_ack(DUET_ECN_REQUEST_ACCURATE, seg->ace) == TCP_ECN_ACCURATE;
    if (!tcp_ecn_is_accurate(c) || !is_copy || !agrees || (c->owes & TCP_OWES_ACK) == 0)
        return;
    bool is_fresh = seq_eq(c->rcv.nxt, seq_add(c->rcv.irs, 1)) &&
                    tcp_ecn_count(c, TCP_ECN_COUNT_R_CEP) == R_CEP_INITIAL;
    if (is_fresh && seg->ip_ecn == TCP_CE)
        tcp_ecn_set_count(c, TCP_ECN_COUNT_R_CEP, R_CEP_INITIAL + 1);
    tcp_ecn_put(c, TCP_ECN_HANDSHAKE);
    tcp_ecn_set_count(c, TCP_ECN_COUNT_RECENT, seg->ip_ecn);
}

/* ---- our SYN ---- */

static uint16_t syn_bits(struct duet_stack *s, struct tcp_conn *c)
{
    enum duet_ecn wanted = wanted_by(c);
    if (wanted < DUET_ECN_REQUEST)
        return 0;
    if (asks_no_more(s, c)) {
        tcp_rule(s, c, TCP_RULE_ECN_SYN_PLAIN, NULL);
        return 0;
    }
    if (!conn_is(c, TCP_CONN_SYN_RETRANSMITTED) && path_ecn_is_barred(s, &c->tuple.remote)) {
        tcp_ecn_set_mode(c, (enum tcp_ecn_mode)DUET_ECN_ANSWER);
        tcp_rule(s, c, TCP_RULE_ECN_SYN_BARRED, NULL);
        return 0;
    }
    return tcp_ecn_flag_bits(wanted == DUET_ECN_REQUEST ? SYN_CLASSIC : SYN_ACCURATE);
}

/* The bits of a SYN, or of the SYN,ACK of a connection in SYN-RECEIVED. */
uint16_t tcp_ecn_syn_bits(struct duet_stack *s, struct tcp_conn *c)
{
    if (c->state == DUET_SYN_SENT)
        return syn_bits(s, c);
    if (tcp_ecn_mode(c) == TCP_ECN_CLASSIC)
        return tcp_ecn_flag_bits(SYN_ACK_CLASSIC);
    if (!tcp_ecn_is_accurate(c))
        return 0;
    if (asks_no_more(s, c)) {
        tcp_rule(s, c, TCP_RULE_ECN_SYN_ACK_PLAIN, NULL);
        tcp_ecn_put(c, TCP_ECN_MUTE);
        return 0;
    }
    return tcp_ecn_flag_bits(tcp_ecn_encoding(tcp_ecn_count(c, TCP_ECN_COUNT_RECENT)));
}

/* Middleboxes were seen that answer such a SYN by RST. A port where nobody listens costs one more
 * round trip by this. */
bool tcp_ecn_retries_plain(struct duet_stack *s, struct tcp_conn *c)
{
    if (wanted_by(c) < DUET_ECN_REQUEST || asks_no_more(s, c))
        return false;
    tcp_ecn_set_mode(c, (enum tcp_ecn_mode)DUET_ECN_ANSWER);
    tcp_ecn_put(c, TCP_ECN_SYN_RESET);
    c->flags |= TCP_CONN_SYN_RETRANSMITTED;
    transfer_at(s, c)->timing = false;
    tcp_rule(s, c, TCP_RULE_ECN_SYN_RESET, NULL);
    tcp_owe(s, c, TCP_OWES_SYN, TCP_RULE_ECN_SYN_RESET);
    return true;
}

int tcp_ecn_set(struct tcp_conn *c, enum duet_ecn wanted)
{
    bool syn_waits = c->state == DUET_SYN_SENT && (c->owes & TCP_OWES_SYN) != 0 &&
                     !conn_is(c, TCP_CONN_SYN_RETRANSMITTED);
    if (!syn_waits)
        return DUET_E_PERM;
    tcp_ecn_set_mode(c, (enum tcp_ecn_mode)wanted);
    return DUET_OK;
}
