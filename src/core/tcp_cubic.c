/* SPDX-License-Identifier: MIT */
/* CUBIC (RFC 9438): after congestion the window returns quickly to just below where it was, stays
 * there for a while, and then looks for more, by a curve of time instead of round trips.
 *
 * Theory of operation. A stage of congestion avoidance begins with the first acknowledgement of new
 * data at or above ssthresh. From then on, with t the time in this stage,
 *
 *   W(t) = C (t - K)^3 + W_max                              in bytes: C is 0.4 segments a second^3
 *
 *   cwnd ^                                          .
 *        |                                         .      K: when the curve is at W_max
 *  W_max +- - - - - - - - - . . - - - - - - - . . '          negative if the stage began beyond it
 *        |           . '         '  '  '  '
 *        |       .
 *        |    .
 *  start +  .
 *        +--+------------------------+------------> t
 *           0                        K
 *
 * and beside it W_est, the window that Reno would have. Each acknowledgement moves cwnd towards the
 * larger of the two. On congestion W_max becomes what cwnd was, or, when that is less than the time
 * before, even less (fast convergence), and seven tenths of the flight remain.
 *
 * In numbers. Windows are bytes up to 2^30, times microseconds. K comes from an integer cube root
 * that is right to a microsecond from one second on and to a quarter of a millisecond below, where
 * the curve is flat; (t - K) counts up to 400 s, where the curve is beyond any window. cwnd stays
 * within one segment of the formula (tests/model proves it).
 *
 * Time in which the application did not fill the window does not count in t: the clock is put
 * forward over it, by each acknowledgement that finds the window unused and after each pause.
 *
 * Idle connections keep cwnd, ssthresh and in two bits where W_max lies relative to ssthresh
 * (enum tcp_plateau). A new transfer record begins its stage with the cwnd of then and that W_max,
 * which is the same point of the same curve. The time spent since is not needed for that.
 */
#include "base/bytes.h"
#include "core/tcp_controller.h"

/* beta = 7/10, SHOULD. */
enum { BETA = 7, BETA_OF = 10 };
/* alpha = 3 (1 - beta) / (1 + beta) = 9/17, SHOULD. */
enum { ALPHA = 9, ALPHA_OF = 17 };
/* Fast convergence: (1 + beta) / 2. */
enum { CONVERGE = 17, CONVERGE_OF = 20 };
enum { EST_ONE = 1 << 20 };               /* of the fraction of W_est */
enum { CUBE_MAX_US = 400 * 1000 * 1000 }; /* 0.4 * 400^3 segments of 64 bytes: above 1.5 * 2^30 */

static uint64_t now_us(const struct duet_stack *s)
{
    return (uint64_t)s->now_us;
}

/* ---- the curve ---- */

/* The largest r with r^3 <= n, bit by bit. n is less than 2^63: 2^31 * 2.5 * 10^9 is, whatever the
 * segments. */
static uint32_t cube_root(uint64_t n)
{
    uint64_t root = 0;
    for (unsigned bit = 1u << 20; bit != 0; bit >>= 1) {
        uint64_t next = root | bit;
        if (next * next * next <= n)
            root = next;
    }
    return (uint32_t)root;
}

/* How long the curve takes over a height: cbrt(height / (C * mss)) seconds. The root is taken in
 * milliseconds, and what remains of n between two cubes gives the microseconds. */
static int32_t time_for(uint32_t height, uint32_t mss)
{
    uint64_t n = (uint64_t)height * UINT64_C(2500000000) / mss; /* 10^9 / 0.4 */
    uint64_t root = cube_root(n);
    uint64_t step = 3 * root * root + 3 * root + 1; /* (root + 1)^3 - root^3 */
    return (int32_t)(root * 1000 + (n - root * root * root) * 1000 / step);
}

/* The height that the curve gains in a time: C * mss * time^3. */
static uint64_t height_after(uint32_t time_us, uint32_t mss)
{
    uint64_t t = min_u32(time_us, CUBE_MAX_US);
    uint64_t cube = t * t / 100000000 * t / 10000; /* s^3, times 10^6; t^3 would need 87 bits */
    return cube * mss / 2500000;
}

/* W(t). */
static uint32_t curve_at(const struct tcp_cubic_curve *curve, uint64_t t_us, uint32_t mss)
{
    int64_t from_k = (int64_t)t_us - curve->k_us;
    uint32_t distance = from_k < 0 ? (uint32_t)-from_k : (uint32_t)from_k;
    uint64_t height = height_after(distance, mss);
    if (from_k < 0)
        return height < curve->w_max ? curve->w_max - (uint32_t)height : 0;
    return height < CWND_MAX ? curve->w_max + (uint32_t)height : 2u * CWND_MAX;
}

/* ---- a stage of congestion avoidance ---- */

static void begin_stage(struct duet_stack *s, struct tcp_conn *c, struct tcp_cc_memory *m)
{
    struct tcp_cubic_curve *curve = &m->cubic;
    uint32_t mss = tcp_send_mss(c);
    if (c->plateau == TCP_PLATEAU_NEXT) { /* 4.8, 4.10: K is 0 */
        c->plateau = TCP_PLATEAU_SSTHRESH;
        curve->w_max = c->cwnd;
    }
    if (curve->cwnd_prior == 0)
        curve->cwnd_prior = c->cwnd;
    /* Rounded so that W(0) is cwnd or just below it, never above. */
    if (c->cwnd < curve->w_max)
        curve->k_us = time_for(curve->w_max - c->cwnd, mss) + 1;
    else
        curve->k_us = -time_for(c->cwnd - curve->w_max, mss);
    curve->t_us = 0;
    curve->counted_us = (uint32_t)now_us(s);
    curve->w_est = c->cwnd;
    m->est_credit = 0;
    m->credit = 0;
}

static void count_time(const struct duet_stack *s, struct tcp_cubic_curve *curve)
{
    uint32_t passed = (uint32_t)now_us(s) - curve->counted_us;
    uint64_t t = (uint64_t)curve->t_us + passed;
    curve->t_us = t < INT32_MAX ? (uint32_t)t : INT32_MAX;
    curve->counted_us += passed;
}

/* 4.3: Reno's window, by alpha segments a round trip until it is where it was before the latest
 * congestion, then by one. */
static void grow_estimate(const struct tcp_conn *c, struct tcp_cc_memory *m, uint32_t bytes)
{
    bool is_back = m->cubic.w_est >= m->cubic.cwnd_prior;
    uint64_t gain = (uint64_t)bytes * tcp_send_mss(c) * (is_back ? 1 : ALPHA);
    uint64_t of = (uint64_t)c->cwnd * (is_back ? 1 : ALPHA_OF);
    uint64_t fraction = m->est_credit + gain % of * EST_ONE / of;
    uint64_t whole = m->cubic.w_est + gain / of + fraction / EST_ONE;
    m->est_credit = (uint32_t)(fraction % EST_ONE);
    m->cubic.w_est = whole < CWND_MAX ? (uint32_t)whole : CWND_MAX;
}

/* 4.4, 4.5: where the curve is one round trip from now, of which bytes are their share. */
static void follow_curve(struct tcp_conn *c, struct tcp_cc_memory *m, uint32_t bytes)
{
    uint64_t next_trip = (uint64_t)m->cubic.t_us + (c->srtt_us >> 3);
    uint32_t target = curve_at(&m->cubic, next_trip, tcp_send_mss(c));
    target = max_u32(c->cwnd, min_u32(target, c->cwnd + c->cwnd / 2));
    uint64_t share = (uint64_t)(target - c->cwnd) * bytes + m->credit;
    m->credit = (uint32_t)(share % c->cwnd);
    c->cwnd += (uint32_t)(share / c->cwnd);
}

static void avoid_congestion(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes)
{
    struct tcp_cc_memory *m = &transfer_at(s, c)->cc;
    if (m->cubic.w_est == 0)
        begin_stage(s, c, m);
    count_time(s, &m->cubic);
    bytes = min_u32(bytes, c->cwnd); /* more than a window is no more than a round trip */
    grow_estimate(c, m, bytes);
    if (curve_at(&m->cubic, m->cubic.t_us, tcp_send_mss(c)) <= m->cubic.w_est)
        c->cwnd = max_u32(c->cwnd, m->cubic.w_est);
    else
        follow_curve(c, m, bytes);
}

/* ---- the controller ---- */

static void begin(struct tcp_conn *c, struct tcp_cc_memory *m)
{
    uint64_t before = (uint64_t)c->ssthresh * BETA_OF / BETA; /* at most 2^30 * 10 / 7 */
    switch ((enum tcp_plateau)c->plateau) {
    case TCP_PLATEAU_NEXT:
        return;
    case TCP_PLATEAU_SSTHRESH:
        m->cubic.w_max = c->ssthresh;
        m->cubic.cwnd_prior = c->ssthresh;
        return;
    case TCP_PLATEAU_LOSS:
        m->cubic.w_max = (uint32_t)before;
        m->cubic.cwnd_prior = (uint32_t)before;
        return;
    case TCP_PLATEAU_CONVERGENCE:
        m->cubic.w_max = (uint32_t)(before * CONVERGE / CONVERGE_OF);
        m->cubic.cwnd_prior = (uint32_t)before;
        return;
    }
}

static void acked(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes, bool used)
{
    struct tcp_cubic_curve *curve = &transfer_at(s, c)->cc.cubic;
    if (c->cwnd < c->ssthresh)
        curve->w_est = 0; /* slow start: whatever comes after it is a new stage */
    if (!used) {
        curve->counted_us = (uint32_t)now_us(s);
    } else {
        bytes = tcp_slow_start(s, c, bytes); /* some are left only where it has ended */
        if (bytes > 0)
            avoid_congestion(s, c, bytes);
    }
    tcp_hystart_round(s, c);
}

static void paused(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_cubic_curve *curve = &transfer_at(s, c)->cc.cubic;
    if (curve->w_est != 0)
        curve->counted_us = (uint32_t)now_us(s);
}

/* 4.6 takes ssthresh from the flight. Where the window was full the flight is the window without the
 * part of a segment that it has grown by; of a window of five segments that part is a tenth on average,
 * and would be lost at each congestion. So there the window counts, as 4.6 allows where it has not
 * grown unused, which it never does here (tcp_cc_acked). */
static uint32_t window_in_use(const struct tcp_conn *c, uint32_t flight)
{
    bool is_full = flight < c->cwnd && c->cwnd - flight < tcp_send_mss(c);
    return is_full ? c->cwnd : flight;
}

/* 4.6, 4.7. After a timeout W_max will be where the next stage begins (4.8). */
static void congestion(struct duet_stack *s, struct tcp_conn *c, enum tcp_congestion kind,
                       uint32_t flight)
{
    struct tcp_cubic_curve *curve = &transfer_at(s, c)->cc.cubic;
    uint32_t in_use = window_in_use(c, flight);
    curve->cwnd_prior = c->cwnd;
    curve->w_est = 0;
    if (kind == TCP_CONGESTION_TIMEOUT) {
        c->plateau = TCP_PLATEAU_NEXT;
    } else if (kind == TCP_CONGESTION_GOES_ON) {
        c->plateau = TCP_PLATEAU_LOSS;
    } else if (c->cwnd < curve->w_max) {
        curve->w_max = (uint32_t)((uint64_t)c->cwnd * CONVERGE / CONVERGE_OF);
        c->plateau = TCP_PLATEAU_CONVERGENCE;
    } else {
        curve->w_max = c->cwnd;
        c->plateau = TCP_PLATEAU_LOSS;
    }
    tcp_reduce_window(c, kind, in_use, BETA, BETA_OF);
}

const struct tcp_controller tcp_cubic = {
    .begin = begin,
    .acked = acked,
    .rtt = tcp_hystart_rtt,
    .congestion = congestion,
    .paused = paused,
    .pacing_rate = tcp_window_rate,
};
