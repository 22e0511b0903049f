/* SPDX-License-Identifier: MIT */
/* SYN cookies (RFC 4987, 3.6): a SYN is answered without remembering anything; the third segment
 * brings back all that is needed.
 *
 * Theory of operation. Only when every half-open record is in use is a SYN answered so. The ISS is
 *
 *     31       30 28           27                                           0
 *     parity   size of MSS     keyed hash of the sockets, the peer's ISS, and these bits
 *
 * and where the SYN had timestamps, the low 8 bits of our TSval hold the rest: the peer's window
 * shift (4), SACK-permitted (1), what was agreed on ECN (3); they enter the hash, too. The clock of
 * the pair of sockets is not advanced by it, the TSval is the last one with such low bits: the first
 * round trip measured by its echo may seem a quarter of a second too long. Without timestamps the
 * connection has an MSS and nothing else.
 *
 *   key       SipHash-2-4, 128 bits, another one every 60 s; the parity says which of the two live
 *             ones it was. A cookie is good for 60 to 120 s
 *   believed  only by a listener that has sent cookies within the last two intervals
 *   guesses   2^28 to one. From addresses that share one of 1024 keyed counters 1024 wrong ones are
 *             looked at in an interval, then none from there: a SYN from there gets a record again,
 *             and the oldest record goes
 *   dropped   what shows no cookie while cookies are believed: it may be the second segment of an
 *             honest peer whose first is late, which a RST would hurt
 *   lost      a SYN,ACK with a cookie is never sent again; the peer repeats its SYN
 *
 *   spent     a cookie opens one connection. An acknowledgement that the network repeats after its
 *             connection has gone would open another and hand the same text over twice, so the
 *             cookies spent last are remembered, eight in each of up to 256 sets; of a set that
 *             sees more in the life of a cookie the oldest is forgotten
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

#include <string.h>

#define INTERVAL (60 * DUET_SECOND)
enum { HASH_BITS = 28, SIZE_BITS = 3, CODE_BITS = 8, GUESSES_MOST = 1024 };

/* Sizes that peers say most, by https measurements of the kind RFC 4987 speaks of: tunnels, PPPoE,
 * Ethernet, jumbo frames. The largest that is not above what the peer said is kept. */
static const uint16_t sizes[1 << SIZE_BITS] = {0, 536, 1220, 1300, 1360, 1440, 1460, 8940};

/* ---- the cookie ---- */

uint32_t tcp_cookie_interval(const struct duet_stack *s)
{
    return (uint32_t)(s->now / INTERVAL);
}

/* What is hashed has the same bytes on every machine, so that a history can be played again on another. */
static void put_numbers(uint8_t *at, const uint32_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes_put32(at + 4 * i, numbers[i]);
}

/* Half of the key of an interval. */
static uint64_t interval_half(const struct duet_stack *s, uint32_t label)
{
    uint8_t message[4];
    bytes_put32(message, label);
    return siphash_2_4(&s->syn_cookie_key, message, sizeof message);
}

static uint32_t hash_of(const struct duet_stack *s, const struct tcp_tuple *tuple, struct seq irs,
                        uint32_t interval, uint32_t size, uint32_t code)
{
    enum { ADDRESS = sizeof tuple->local.bytes };
    const uint32_t numbers[] = {(uint32_t)tuple->local_port << 16 | tuple->remote_port, irs.raw,
                                interval, size, code};
    uint8_t message[2 * ADDRESS + sizeof numbers];
    memcpy(message, tuple->local.bytes, ADDRESS);
    memcpy(message + ADDRESS, tuple->remote.bytes, ADDRESS);
    put_numbers(message + 2 * ADDRESS, numbers, sizeof numbers / sizeof *numbers);
    struct siphash_key key = {interval_half(s, interval), interval_half(s, ~interval)};
    return (uint32_t)siphash_2_4(&key, message, sizeof message) & ((1u << HASH_BITS) - 1);
}

static struct seq cookie_of(const struct duet_stack *s, const struct tcp_tuple *tuple,
                            struct seq irs, uint32_t interval, uint32_t size, uint32_t code)
{
    uint32_t hash = hash_of(s, tuple, irs, interval, size, code);
    return seq_of((interval & 1) << 31 | size << HASH_BITS | hash);
}

static uint32_t size_class(uint16_t mss)
{
    uint32_t class = (1u << SIZE_BITS) - 1;
    while (sizes[class] > mss)
        class --;
    return class;
}

/* ---- what a SYN asked for, in 8 bits of a timestamp ---- */

enum { CODE_NONE = 1 << CODE_BITS }; /* the SYN had no timestamps */

static uint32_t code_of(const struct tcp_half_open *half)
{
    if ((half->flags & TCP_HALF_OPEN_TIMESTAMPS) == 0)
        return CODE_NONE;
    uint32_t sack = (half->flags & TCP_HALF_OPEN_SACK) != 0;
    return (uint32_t)half->peer_scale | sack << 4 |
           (uint32_t)half->flags >> TCP_HALF_OPEN_ECN_SHIFT << 5;
}

static void take_code(struct tcp_half_open *half, uint32_t code)
{
    half->peer_scale = TCP_HALF_OPEN_NO_SCALING;
    if (code == CODE_NONE)
        return;
    half->peer_scale = code & 15;
    half->flags = (uint8_t)(TCP_HALF_OPEN_TIMESTAMPS | (code >> 4 & 1 ? TCP_HALF_OPEN_SACK : 0) |
                            code >> 5 << TCP_HALF_OPEN_ECN_SHIFT);
}

/* The latest timestamp that is not in the future and ends in these bits. */
static uint32_t stamp_with(const struct duet_stack *s, const struct tcp_tuple *tuple, uint32_t code)
{
    uint32_t now = tcp_timestamp(s, tcp_timestamp_offset(s, tuple));
    uint32_t stamp = (now & ~((1u << CODE_BITS) - 1)) | code;
    return (int32_t)(stamp - now) > 0 ? stamp - (1u << CODE_BITS) : stamp;
}

/* ---- guesses ---- */

static uint16_t *guesses_from(struct duet_stack *s, const struct duet_address *remote)
{
    uint32_t interval = tcp_cookie_interval(s);
    if (s->syn_guess_interval != interval) {
        memset(s->syn_guesses, 0, sizeof s->syn_guesses);
        s->syn_guess_interval = interval;
    }
    uint8_t message[sizeof remote->bytes + 4];
    memcpy(message, remote->bytes, sizeof remote->bytes);
    bytes_put32(message + sizeof remote->bytes, interval);
    return &s->syn_guesses[siphash_1_3(&s->syn_cookie_key, message, sizeof message) %
                           SYN_GUESS_TABLE];
}

/* ---- SYN ---- */

/* Without timestamps nothing but the size is kept, so nothing else may be agreed. */
static void forget_what_is_not_kept(struct tcp_half_open *half)
{
    if ((half->flags & TCP_HALF_OPEN_TIMESTAMPS) != 0)
        return;
    half->flags = 0;
    half->peer_scale = TCP_HALF_OPEN_NO_SCALING;
}

/* Answers a SYN for which there is no record. False: cookies are not believed from there. */
bool tcp_cookie_syn(struct duet_stack *s, struct tcp_listener *listener,
                    const struct tcp_tuple *tuple, const struct tcp_segment *seg)
{
    if (!s->config.syn_cookies || *guesses_from(s, &tuple->remote) >= GUESSES_MOST)
        return false;
    struct tcp_half_open half = half_open_of_syn(s, tuple, seg, seg->seq);
    uint16_t ecn = 0;
    if ((half.flags & TCP_HALF_OPEN_TIMESTAMPS) != 0)
        ecn = tcp_ecn_half_open_begin(s, &half, seg);
    forget_what_is_not_kept(&half);
    uint32_t code = code_of(&half);
    uint32_t size = size_class(half.peer_mss == 0 ? 0 : half.peer_mss);
    half.iss = cookie_of(s, tuple, half.irs, tcp_cookie_interval(s), size, code);
    listener->cookies_until = s->now + 2 * INTERVAL;
    stack_rule(s, tuple, DUET_LISTEN, TCP_RULE_SYN_COOKIE_SENT);
    reply_cookie(s, &half, code == CODE_NONE ? 0 : stamp_with(s, tuple, code), ecn);
    return true;
}

/* ---- the third segment ---- */

/* What the SYN said, if this acknowledges a cookie of ours. */
static bool read_cookie(struct duet_stack *s, const struct tcp_tuple *tuple,
                        const struct tcp_segment *seg, struct tcp_half_open *half)
{
    bool has = (seg->options->present & DUET_TRACE_TIMESTAMPS) != 0 && s->config.timestamps;
    uint32_t code = has ? seg->options->tsecr & ((1u << CODE_BITS) - 1) : CODE_NONE;
    struct seq cookie = seq_sub(seg->ack, 1);
    uint32_t size = cookie.raw >> HASH_BITS & ((1u << SIZE_BITS) - 1);
    uint32_t interval = tcp_cookie_interval(s);
    if ((interval & 1) != cookie.raw >> 31)
        interval--;
    *half = (struct tcp_half_open){
        .tuple = *tuple,
        .iss = cookie,
        .irs = seq_sub(seg->seq, 1),
        .ts_recent = has ? seg->options->tsval : 0,
        .peer_mss = sizes[size],
    };
    take_code(half, code);
    return seq_eq(cookie, cookie_of(s, tuple, half->irs, interval, size, code));
}

/* Is this an acknowledgement that may show a cookie? A RST has been seen to before. */
static bool may_be_third(const struct duet_stack *s, const struct tcp_listener *listener,
                         const struct tcp_segment *seg)
{
    return seg->has_ack && !seg->has_syn && s->now < listener->cookies_until;
}

/* ---- spent ---- */

/* A server of few connections has many of them, one after the other, in the life of a cookie. */
enum { SPENT_WAYS = 8, SPENT_SETS = 16, SPENT_SETS_MOST = 256 };

static uint32_t spent_sets(const struct duet_config *config)
{
    uint32_t most = SPENT_SETS_MOST / SPENT_SETS;
    return min_u32(config->connections_max, most) * SPENT_SETS;
}

uint32_t tcp_cookies_kept(const struct duet_config *config)
{
    return config->syn_cookies ? spent_sets(config) * SPENT_WAYS : 0;
}

/* The set that a cookie belongs to, the latest first. An empty place is 0, which is no cookie but by
 * a chance of one to 2^32. */
static uint32_t *spent_set(const struct duet_stack *s, struct seq cookie)
{
    return s->spent_cookies + (size_t)(cookie.raw % spent_sets(&s->config)) * SPENT_WAYS;
}

static bool is_spent(const struct duet_stack *s, struct seq cookie)
{
    const uint32_t *set = spent_set(s, cookie);
    for (unsigned i = 0; i < SPENT_WAYS; i++)
        if (set[i] == cookie.raw)
            return true;
    return false;
}

static void spend(struct duet_stack *s, struct seq cookie)
{
    uint32_t *set = spent_set(s, cookie);
    memmove(set + 1, set, (SPENT_WAYS - 1) * sizeof *set);
    set[0] = cookie.raw;
}

/* The connection begins here, if there is room for it. */
static void begin(struct duet_stack *s, struct tcp_listener *listener,
                  const struct tcp_half_open *half, struct tcp_segment *seg)
{
    enum tcp_rule refusal = TCP_RULE_NONE;
    uint32_t index = POOL_NONE;
    if (listener->queue.count >= listener->backlog)
        refusal = TCP_RULE_ACCEPT_QUEUE_FULL;
    else if ((index = pool_take(&s->conns)) == POOL_NONE)
        refusal = TCP_RULE_NO_CONNECTION_LEFT;
    if (refusal != TCP_RULE_NONE) {
        stack_rule(s, &half->tuple, DUET_LISTEN, refusal);
        return;
    }
    spend(s, half->iss);
    tcp_record_edge(s, &half->tuple, DUET_LISTEN, DUET_SYN_RECEIVED, TCP_RULE_SYN_COOKIE_ACCEPTED);
    demux_add(s, &half->tuple, DEMUX_CONN, index);
    struct tcp_conn *c = tcp_conn_make(s, index, &half->tuple);
    tcp_conn_from_half_open(s, c, half, listener);
    tcp_segment_arrives(s, c, seg);
    tcp_conn_settle(s, c);
}

/* True: the segment is done with, because it shows a cookie, or ought to. */
bool tcp_cookie_arrives(struct duet_stack *s, struct tcp_listener *listener,
                        const struct tcp_tuple *tuple, struct tcp_segment *seg)
{
    if (!may_be_third(s, listener, seg))
        return false;
    uint16_t *guesses = guesses_from(s, &tuple->remote);
    if (*guesses >= GUESSES_MOST) {
        stack_rule(s, tuple, DUET_LISTEN, TCP_RULE_SYN_COOKIE_LIMIT);
        return true;
    }
    struct tcp_half_open half;
    if (!read_cookie(s, tuple, seg, &half)) {
        ++*guesses;
        stack_rule(s, tuple, DUET_LISTEN, TCP_RULE_SYN_COOKIE_WRONG);
        return true;
    }
    if (is_spent(s, half.iss)) {
        stack_rule(s, tuple, DUET_LISTEN, TCP_RULE_SYN_COOKIE_SPENT);
        return false;
    }
    begin(s, listener, &half, seg);
    return true;
}
