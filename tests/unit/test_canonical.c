/* SPDX-License-Identifier: MIT */
/* The canonical form (tcp_canonical.c): states that differ only in what cannot matter have the same number, states that
 * differ in what matters have not.
 *
 * Each situation is played twice, at another time and so with other ISNs on both sides: the numbers must be equal. Then
 * one field after the other is changed by hand, and the number changes or does not, as the table says. */
#include "canonical_stage.h"

#include "core/tcp_canonical.h"
#include "core/tcp_flight_ring.h"

#include <stdlib.h>

static struct duet_canonical canonical_of(const struct stage *stage)
{
    const struct duet_canonical_base base = {{{stage->conn.iss}, 1}, {{stage->conn.irs}, 1}};
    struct duet_canonical canonical;
    duet_canonical(stage->rig.stack, &base, &canonical);
    return canonical;
}

static uint64_t number_of(const struct stage *stage)
{
    return canonical_of(stage).hash;
}

/* ---- what cannot matter ---- */

static void another_time_and_other_isns_are_the_same_state(void **state)
{
    (void)state;
    /* Whole ticks of every clock: 16 ms are a number of milliseconds and of the wheel's 1024 ns. */
    static const uint32_t shifts[] = {16, 5008, 77777776, 0x80000000};
    for (unsigned i = 0; i < stage_situations; i++) {
        struct stage *first = stage_play(i, 0);
        for (unsigned k = 0; k < COUNT_OF(shifts); k++) {
            struct stage *other = stage_play(i, shifts[k]);
            const struct duet_canonical a = canonical_of(first), b = canonical_of(other);
            EXPECT_EQUAL(stage_name(i), a.hash, b.hash);
            EXPECT(stage_name(i), (a.deadline == DUET_NEVER) == (b.deadline == DUET_NEVER));
            if (a.deadline != DUET_NEVER)
                EXPECT_EQUAL(stage_name(i), a.deadline - first->rig.now,
                             b.deadline - other->rig.now);
            stage_end(other);
        }
        stage_end(first);
    }
}

static void situations_are_different_states(void **state)
{
    (void)state;
    uint64_t numbers[64];
    assert_in_range(stage_situations, 1, COUNT_OF(numbers));
    for (unsigned i = 0; i < stage_situations; i++) {
        struct stage *stage = stage_play(i, 0);
        numbers[i] = number_of(stage);
        for (unsigned k = 0; k < i; k++)
            EXPECT(stage_name(i), numbers[i] != numbers[k]);
        stage_end(stage);
    }
}

static void what_was_in_a_hole_of_the_other_ring_is_left_out(void **state)
{
    (void)state;
    struct stage *stage = stage_play(stage_named("TIME-WAIT, around a hole"), 0);
    const struct time_wait_ring *ring = &stage->rig.stack->time_wait;
    const uint64_t before = number_of(stage);
    unsigned holes = 0;
    for (uint64_t at = ring->age.head; at < ring->age.tail; at++) {
        struct tcp_time_wait *record = &ring->records[age_ring_index(&ring->age, at)];
        if ((record->flags & TCP_TIME_WAIT_ALIVE) != 0)
            continue;
        holes++;
        record->rcv_nxt.raw ^= 1;
    }
    assert_int_equal(holes, 1);
    assert_int_equal(number_of(stage), before);
    stage_end(stage);
}

static void every_listener_counts(void **state)
{
    (void)state;
    struct stage *stage = stage_play(stage_named("calm"), 0);
    struct duet_stack *s = stage->rig.stack;
    const struct duet_listen_options options = {.local = {.port = 81}, .backlog = 8};
    struct duet_handle handle;
    const uint64_t one = number_of(stage);
    assert_int_equal(duet_listen(s, stage->rig.now, &options, &handle), DUET_OK);
    const uint64_t two = number_of(stage);
    EXPECT("another listener", one != two);
    assert_true(s->listeners[1].used);
    s->listeners[1].backlog ^= 1;
    EXPECT("another backlog of it", number_of(stage) != two);
    stage_end(stage);
}

/* A RST that waits for the link echoes a timestamp, and has none of its own. */
static void reset_that_waits(void **state)
{
    (void)state;
    const struct rig_segment stray = {
        .flags = DUET_ACK, .seq = 1, .ack = 2, .timestamps = true, .tsval = 70000};
    const struct tcp_tuple stranger = rig_tuple(79, 4000);
    uint64_t numbers[2];
    for (unsigned i = 0; i < 2; i++) {
        struct stage *stage = stage_play(stage_named("calm"), 0);
        numbers[i] = number_of(stage);
        struct rig_segment segment = stray;
        segment.tsval += i;
        rig_input(&stage->rig, &stranger, &segment);
        EXPECT("the RST counts", number_of(stage) != numbers[i]);
        numbers[i] = number_of(stage);
        stage_end(stage);
    }
    EXPECT("and so does its echo", numbers[0] != numbers[1]);
}

/* Bytes between members have no meaning, and no compiler need keep them. */
static void what_lies_between_members_is_left_out(void **state)
{
    (void)state;
    struct stage *stage = stage_play(stage_named("recovery"), 0);
    struct tcp_conn *c = stage_conn(stage);
    struct tcp_transfer *t = transfer_of(stage->rig.stack, c);
    const uint64_t before = number_of(stage);
    const size_t holes[][2] = {
        {END_OF(struct tcp_transfer, cc.round.css_rounds),
         offsetof(struct tcp_transfer, cc.credit)},
        {END_OF(struct tcp_transfer, mtu.cut), offsetof(struct tcp_transfer, mtu.excuse_end)},
        {END_OF(struct tcp_transfer, rack.probe_spent), offsetof(struct tcp_transfer, prr)},
        {END_OF(struct tcp_transfer, verify.withheld), offsetof(struct tcp_transfer, timer)},
    };
    for (unsigned i = 0; i < COUNT_OF(holes); i++) {
        assert_true(holes[i][0] < holes[i][1]);
        memset((uint8_t *)t + holes[i][0], 0xa5, holes[i][1] - holes[i][0]);
        EXPECT_EQUAL("of a transfer", number_of(stage), before);
    }
    const size_t from = END_OF(struct tcp_conn, telling), to = offsetof(struct tcp_conn, timer);
    memset((uint8_t *)c + from, 0xa5, to - from);
    EXPECT_EQUAL("of a connection", number_of(stage), before);
    stage_end(stage);
}

/* Numbers near the base keep their distance; of those far from it only the direction matters. */
static void numbers_far_from_the_base_are_all_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t base, raw, is;
    } rows[] = {
        {"the base", 0xfffffff0, 0xfffffff0, 0x10000},
        {"across the wrap", 0xfffffff0, 0x10, 0x10020},
        {"just near", 5, 5 + 0xffff, 0x1ffff},
        {"just far", 5, 5 + 0x10000, UINT32_MAX},
        {"half way round, but for one", 5, 0x80000004, UINT32_MAX},
        {"half way round", 5, 0x80000005, UINT32_MAX - 1},
        {"just near, below", 5, 5u - 0x10000, 0},
        {"just far, below", 5, 5u - 0x10001, UINT32_MAX - 1},
    };
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct seq seq = seq_of(rows[i].raw);
        const struct duet_canonical_isns base = {.isns = {rows[i].base}, .count = 1};
        from_base(&seq, &base);
        EXPECT_EQUAL(rows[i].name, seq.raw, rows[i].is);
    }
    const struct duet_canonical_isns none = {.count = 0};
    struct seq seq = seq_of(5);
    from_base(&seq, &none);
    assert_true(seq.raw == UINT32_MAX);
}

static void what_was_in_a_hole_of_the_ring_is_left_out(void **state)
{
    (void)state;
    struct stage *stage = stage_play(stage_named("half open, around a hole"), 0);
    const struct half_open_ring *ring = &stage->rig.stack->half_open;
    const uint64_t before = number_of(stage);
    unsigned holes = 0;
    for (uint64_t at = ring->age.head; at < ring->age.tail; at++) {
        struct tcp_half_open *half = &ring->records[age_ring_index(&ring->age, at)];
        if ((half->flags & TCP_HALF_OPEN_ALIVE) != 0)
            continue;
        holes++;
        half->peer_mss ^= 1;
        half->irs.raw ^= 1;
    }
    assert_int_equal(holes, 1);
    assert_int_equal(number_of(stage), before);
    stage_end(stage);
}

/* Of what shares a word with others, which no table can name. */
static void bits_matter_or_do_not(void **state)
{
    (void)state;
    struct stage *stage = stage_play(stage_named("recovery"), 0);
    struct tcp_conn *c = stage_conn(stage);
    const uint64_t before = number_of(stage);
#define BITS(field, matters)                                                                       \
    do {                                                                                           \
        c->field ^= 1u;                                                                            \
        EXPECT(#field, (number_of(stage) != before) == (matters));                                 \
        c->field ^= 1u;                                                                            \
    } while (0)
    BITS(rule, false);
    BITS(why, false);
    BITS(controller, true);
    BITS(plateau, true);
    BITS(send_scale, true);
    BITS(receive_scale, true);
    BITS(ecn, true);
    BITS(ecn_count, true);
    BITS(reordering_seen, true);
    BITS(reordering_persist, true);
    BITS(reordering_widening, true);
    BITS(quick, true);
    BITS(events, true);
#undef BITS
    stage_end(stage);
}

/* 0 and never have meanings of their own, which a time that is just now does not take on. */
static void now_is_another_time_than_none(void **state)
{
    (void)state;
    struct stage *stage = stage_play(stage_named("recovery"), 0);
    struct tcp_transfer *t = transfer_of(stage->rig.stack, stage_conn(stage));
    const duet_time times[] = {0, DUET_NEVER, -DUET_NEVER, stage->rig.stack->now,
                               stage->rig.stack->now + 1};
    uint64_t numbers[COUNT_OF(times)];
    for (unsigned i = 0; i < COUNT_OF(times); i++) {
        t->rack.reorder_at = times[i];
        numbers[i] = number_of(stage);
        for (unsigned k = 0; k < i; k++)
            EXPECT("another number", numbers[i] != numbers[k]);
    }
    stage_end(stage);
}

/* A snapshot holds all that the number is made of: it brings the state back after anything else. */
static void snapshot_brings_the_number_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * stage_situations; i++) {
        /* The second time where the table of guessed cookies is of an interval long ago. */
        struct stage *stage = stage_play(i / 2, i % 2 == 0 ? 0 : 500000);
        struct duet_stack *s = stage->rig.stack;
        uint8_t *kept = malloc(duet_snapshot_size(s));
        const uint64_t before = number_of(stage);
        assert_non_null(kept);
        (void)duet_snapshot(s, kept);
        const duet_time now = stage->rig.now;
        rig_pass(&stage->rig, now + 400 * DUET_SECOND);
        (void)rig_drain(&stage->rig);
        rig_pass(&stage->rig, now + 800 * DUET_SECOND);
        s->buffers.pages.used ^= 1; /* of what has ended nothing else changes any more */
        EXPECT(stage_name(i / 2), number_of(stage) != before);
        duet_restore(s, kept);
        EXPECT_EQUAL(stage_name(i / 2), number_of(stage), before);
        assert_null(duet_check(s));
        free(kept);
        stage_end(stage);
    }
}

/* ---- field by field ---- */

enum owner {
    CONN,
    TRANSFER,
    FLIGHT_0,
    FLIGHT_1,
    FLIGHT_4,
    REASSEMBLY,
    HALF,
    WAIT,
    LISTENER,
    REPLY,
    PATH,
    ECN,
    STACK
};

static uint8_t *owner_of(const struct stage *stage, enum owner owner)
{
    struct duet_stack *s = stage->rig.stack;
    switch (owner) {
    case CONN:
        return (uint8_t *)stage_conn(stage);
    case TRANSFER:
        return (uint8_t *)transfer_of(s, stage_conn(stage));
    case FLIGHT_0:
        return (uint8_t *)ring_at(s, &transfer_of(s, stage_conn(stage))->flight, 0);
    case FLIGHT_1:
        return (uint8_t *)ring_at(s, &transfer_of(s, stage_conn(stage))->flight, 1);
    case FLIGHT_4:
        return (uint8_t *)ring_at(s, &transfer_of(s, stage_conn(stage))->flight, 4);
    case REASSEMBLY:
        return (uint8_t *)reassembly_of(s, stage_conn(stage));
    case HALF:
        return (uint8_t *)&s->half_open
            .records[age_ring_index(&s->half_open.age, s->half_open.age.head)];
    case WAIT:
        return (uint8_t *)&s->time_wait
            .records[age_ring_index(&s->time_wait.age, s->time_wait.age.head)];
    case LISTENER:
        return (uint8_t *)&s->listeners[0];
    case REPLY:
        return (uint8_t *)&s->replies.records[s->replies.head % s->replies.capacity];
    case PATH:
        for (uint32_t i = 0; i < s->paths.sets * PATH_WAYS; i++)
            if (s->paths.records[i].is_used)
                return (uint8_t *)&s->paths.records[i];
        break;
    case ECN:
        return (uint8_t *)tcp_accecn_of(s, stage_conn(stage));
    case STACK:
        return (uint8_t *)s;
    }
    fail();
    return NULL;
}

struct field {
    const char *situation, *name;
    enum owner owner;
    size_t offset, size;
    bool matters;
};
#define AT(situation, owner, type, field, matters)                                                 \
    {                                                                                              \
        situation, #field, owner, offsetof(struct type, field), sizeof(((struct type *)0)->field), \
            matters                                                                                \
    }
#define OF_CONN(situation, field, matters)     AT(situation, CONN, tcp_conn, field, matters)
#define OF_TRANSFER(situation, field, matters) AT(situation, TRANSFER, tcp_transfer, field, matters)
#define OF_HOLES(field, matters)               AT("beyond holes", REASSEMBLY, tcp_reassembly, field, matters)
#define OF_HALF(field, matters)                AT("half open", HALF, tcp_half_open, field, matters)
#define OF_WAIT(field, matters)                AT("TIME-WAIT", WAIT, tcp_time_wait, field, matters)
#define OF_LISTENER(field, matters)            AT("half open", LISTENER, tcp_listener, field, matters)
#define OF_REPLY(field, matters)               AT("a reply waits", REPLY, reply, field, matters)
#define OF_PATH(field, matters)                AT("a path is known", PATH, path, field, matters)
#define OF_ECN(field, matters)                 AT("accurate ECN", ECN, tcp_accurate_ecn, field, matters)

static const struct field fields[] = {
    OF_CONN("calm", tuple.local, true),
    OF_CONN("calm", tuple.remote_port, true),
    OF_CONN("calm", generation, false),
    OF_CONN("calm", owes, true),
    OF_CONN("calm", error, true),
    OF_CONN("calm", flags, true),
    OF_CONN("calm", snd.una, true),
    OF_CONN("calm", snd.nxt, true),
    OF_CONN("calm", snd.wl1, true),
    OF_CONN("calm", snd.wl2, true),
    OF_CONN("calm", snd.wnd, true),
    OF_CONN("calm", snd.wnd_max, true),
    OF_CONN("calm", rcv.nxt, true),
    OF_CONN("calm", rcv.adv, true),
    OF_CONN("calm", rcv.acked, true),
    OF_CONN("calm", rcv.up, true),
    OF_CONN("calm", receive.length, true),
    OF_CONN("calm", sent_at, true),
    OF_CONN("calm", mtu, true),
    OF_CONN("calm", peer_mss, true),
    OF_CONN("calm", receive_mss, true),
    OF_CONN("calm", ts_recent, true),
    OF_CONN("calm", ts_offset, true),
    OF_CONN("calm", srtt_us, true),
    OF_CONN("calm", rttvar_us, true),
    OF_CONN("calm", rto_us, true),
    OF_CONN("calm", rtt_min_us, true),
    OF_CONN("calm", cwnd, true),
    OF_CONN("calm", ssthresh, true),
    OF_CONN("calm", receive_limit, true),
    OF_CONN("calm", send_limit, true),
    OF_CONN("calm", user_timeout_ms, true),
    OF_CONN("calm", keepalive_idle_ms, true),
    OF_CONN("calm", heard, false), /* no timer counts from it */
    OF_CONN("keep-alive", heard, true),
    OF_CONN("TIME-WAIT of a user", heard, true),
    OF_CONN("FIN-WAIT-2", heard, true),
    OF_CONN("calm", delayed_ack_us, false), /* none is delayed */
    OF_CONN("an ACK is delayed", delayed_ack_us, true),
    OF_CONN("calm", challenge_from, false), /* nothing was answered */
    OF_CONN("calm", invalid_ack_at, false), /* long ago */
    OF_CONN("challenged", challenge_from, true),
    OF_CONN("challenged", invalid_ack_at, true),
    OF_CONN("challenged", challenges, true),
    OF_CONN("calm", probes, true),
    OF_CONN("calm", dscp, true),
    OF_CONN("calm", ttl, true),
    OF_CONN("calm", retransmitted, false),
    OF_CONN("calm", tuned_at, false), /* nothing is tuned */
    OF_CONN("calm", tuned_to, false),
    OF_CONN("calm, tuned", tuned_at, true),
    OF_CONN("calm, tuned", tuned_to, true),
    OF_CONN("calm", timer.deadline, false), /* is not armed */
    OF_CONN("recovery", timer.deadline, true),
    OF_CONN("not accepted yet", listener, true),
    OF_CONN("SYN-SENT", snd.wl1, false), /* nothing is known of the peer */
    OF_CONN("SYN-SENT", snd.wl2, false),
    OF_CONN("SYN-SENT", rcv.nxt, false),
    OF_CONN("SYN-SENT", rcv.adv, false),
    OF_CONN("SYN-SENT", rcv.acked, false),
    OF_CONN("SYN-SENT", rcv.up, false),
    OF_CONN("SYN-SENT", snd.nxt, true),
    /* Of what has ended only the outcome is left. */
    OF_CONN("reset by the peer", left.unacknowledged, true),
    OF_CONN("reset by the peer", left.unread, true),
    OF_CONN("reset by the peer", error, true),
    OF_CONN("reset by the peer", flags, true),
    OF_CONN("reset by the peer", snd.una, false),
    OF_CONN("reset by the peer", rcv.nxt, false),
    OF_CONN("reset by the peer", srtt_us, false),
    OF_CONN("reset by the peer", heard, false),

    OF_TRANSFER("recovery", up, false), /* nothing is urgent */
    OF_TRANSFER("recovery", small, true),
    OF_TRANSFER("recovery", recover, true),
    OF_TRANSFER("recovery", ecn_end, true), /* loss is answered, too */
    OF_TRANSFER("in flight", ecn_end, false),
    OF_TRANSFER("in flight", rack.sent_us, false), /* nothing was delivered */
    OF_TRANSFER("in flight", rack.end, false),
    OF_TRANSFER("in flight", undo.una, false), /* nothing can be undone */
    OF_TRANSFER("in flight", undo.tsval, false),
    OF_TRANSFER("in flight", rtt_min_since, true),

    OF_TRANSFER("recovery", deadline, true),
    OF_TRANSFER("recovery", rto_at, true),
    OF_TRANSFER("recovery", progress, true),
    OF_TRANSFER("recovery", last_sent, true),
    OF_TRANSFER("recovery", pace_at, false), /* nobody paces */
    OF_TRANSFER("recovery, paced", pace_at, true),
    OF_TRANSFER("recovery", ecn_hold, true),
    OF_TRANSFER("recovery", flight_before, true),
    OF_TRANSFER("recovery", rtt_min_us, true),
    OF_TRANSFER("recovery", timer, true),
    OF_TRANSFER("recovery", phase, true),
    OF_TRANSFER("recovery", retransmissions, true),
    OF_TRANSFER("recovery", dupacks, true),
    OF_TRANSFER("recovery", ecn_answered, true),
    OF_TRANSFER("recovery", ecn_reduced, true),
    OF_TRANSFER("recovery", ecn_marked, true),
    OF_TRANSFER("recovery", r1_told, true),
    OF_TRANSFER("recovery", disorder_end, true),
    OF_TRANSFER("recovery", disorder_answered, true),
    OF_TRANSFER("recovery", probed, true),
    OF_TRANSFER("recovery", paced, true),
    OF_TRANSFER("recovery", fast_open, true),
    OF_TRANSFER("recovery", why, false),
    OF_TRANSFER("recovery", listener_generation, false),
    OF_TRANSFER("recovery", rest, false), /* nothing was put off */
    OF_TRANSFER("recovery", cc.cubic.w_max, true),
    OF_TRANSFER("recovery", cc.cubic.k_us, true),
    OF_TRANSFER("recovery", cc.cubic.counted_us, false), /* no stage has begun */
    OF_TRANSFER("recovery", cc.saved.cubic.counted_us, false),
    OF_TRANSFER("recovery", cc.saved.cwnd, true),
    OF_TRANSFER("recovery", cc.round.end, true),
    OF_TRANSFER("recovery", cc.round.min_us, true),
    OF_TRANSFER("recovery", cc.full_until, true),
    OF_TRANSFER("recovery", cc.risky_until, true),
    OF_TRANSFER("recovery", cc.credit, true),
    OF_TRANSFER("recovery", mtu.probe_start, false), /* nothing is probed, nor judged */
    OF_TRANSFER("recovery", mtu.probe_end, false),
    OF_TRANSFER("recovery", mtu.judged_at, false),
    OF_TRANSFER("recovery", mtu.claim_seq, false),
    OF_TRANSFER("recovery", mtu.excuse_end, false),
    OF_TRANSFER("recovery", mtu.epoch, true),
    OF_TRANSFER("recovery", mtu.size_acked, true),
    OF_TRANSFER("recovery", rack.sent_us, true),
    OF_TRANSFER("recovery", rack.rtt_us, true),
    OF_TRANSFER("recovery", rack.end, true),
    OF_TRANSFER("recovery", rack.fack, true),
    OF_TRANSFER("recovery", rack.dsack_round, false), /* in none */
    OF_TRANSFER("recovery", rack.probe_end, false),   /* no probe is out */
    OF_TRANSFER("recovery", rack.probe_spent, true),
    OF_TRANSFER("recovery", prr.recover_fs, true),
    OF_TRANSFER("recovery", prr.delivered, true),
    OF_TRANSFER("recovery", prr.out, true),
    OF_TRANSFER("recovery", undo.una, true),
    OF_TRANSFER("recovery", undo.tsval, true),
    OF_TRANSFER("recovery", undo.resent, true),
    OF_TRANSFER("recovery", undo.undone_at, false), /* nothing was undone */
    OF_TRANSFER("recovery", flight.sacked, true),
    OF_TRANSFER("recovery", flight.lost, true),
    OF_TRANSFER("recovery", flight.start, true),
    OF_TRANSFER("recovery", flight.fresh, true),
    OF_TRANSFER("recovery", flight.latest_us, true),
    OF_TRANSFER("recovery", flight.latest_end, true),
    AT("recovery", FLIGHT_0, flight_record, end, true),
    AT("recovery", FLIGHT_0, flight_record, sent_us, true),
    AT("recovery", FLIGHT_1, flight_record, end, true),
    AT("recovery", FLIGHT_4, flight_record, sent_us, true),

    OF_HOLES(held.count, true),
    OF_HOLES(recent[0], true),
    OF_HOLES(recent[1], true),
    OF_HOLES(recent[2], false), /* there are two */
    OF_HOLES(recent_count, true),
    OF_HOLES(fin, true),
    OF_HOLES(duplicate.left, true),
    OF_HOLES(duplicate.right, true),
    OF_HOLES(has_fin, true),
    OF_HOLES(has_duplicate, true),

    OF_HALF(tuple.remote_port, true),
    OF_HALF(iss, true),
    OF_HALF(irs, true),
    OF_HALF(ts_recent, true),
    OF_HALF(created_us, true),
    OF_HALF(peer_mss, true),

    OF_WAIT(tuple.remote_port, true),
    OF_WAIT(snd_nxt, true),
    OF_WAIT(rcv_nxt, true),
    OF_WAIT(ts_recent, true),
    OF_WAIT(expires_us, true),
    OF_WAIT(window, true),

    OF_LISTENER(local, true),
    OF_LISTENER(generation, false),
    OF_LISTENER(flags, true),
    OF_LISTENER(backlog, true),
    OF_LISTENER(queue.count, true),
    OF_LISTENER(queue.first, false), /* which place */
    OF_LISTENER(next_in_bucket, false),
    OF_LISTENER(events, true),
    OF_LISTENER(used, true),
    OF_LISTENER(fast_open_max, true),
    OF_LISTENER(fast_open_interval, false), /* no Fast Open */
    OF_LISTENER(cookies_until, true),

    OF_REPLY(tuple.remote_port, true),
    OF_REPLY(seq, true),
    OF_REPLY(ack, true),
    OF_REPLY(flags, true),
    OF_REPLY(window, true),
    OF_REPLY(rule, false),
    OF_REPLY(ttl, true),

    OF_PATH(mtu, true),
    OF_PATH(probe, true),
    OF_PATH(used, false),
    OF_PATH(again_at, true),
    OF_PATH(probe_at, true),

    OF_ECN(received[0], true),
    OF_ECN(reported[1], true),
    OF_ECN(flags, true),
    OF_ECN(marks_received, false),
    OF_ECN(marks_reported, false),

    AT("calm", STACK, duet_stack, counters.packets_in, false),
    AT("calm", STACK, duet_stack, generation, false),
    AT("calm", STACK, duet_stack, port_choices, false),
    AT("calm", STACK, duet_stack, buffers.pages.used, true),
    AT("calm", STACK, duet_stack, conns.used, true),
};

/* By a little; a time of long ago by much, because nothing is before it. */
static void change(uint8_t *at, size_t size)
{
    duet_time time = 0;
    if (size == sizeof time)
        memcpy(&time, at, size);
    if (time == -DUET_NEVER) {
        time /= 2;
        memcpy(at, &time, size);
    } else {
        *at ^= 1;
    }
}

static void each_field_matters_or_does_not(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT_OF(fields); i++) {
        const struct field *field = &fields[i];
        struct stage *stage = stage_play(stage_named(field->situation), 0);
        const uint64_t before = number_of(stage);
        change(owner_of(stage, field->owner) + field->offset, field->size);
        if ((number_of(stage) != before) != field->matters) {
            print_error("%s: %s: the number %s\n", field->situation, field->name,
                        field->matters ? "is the same" : "is another");
            fail();
        }
        stage_end(stage);
    }
}

/* TIME-WAIT answers so often in an interval: how often it has decides, of an interval that is over
 * nothing does. When the next one begins follows from how long the record has. */
static void answers_of_time_wait_count_in_their_interval(void **state)
{
    (void)state;
    struct stage *stage = stage_play(stage_named("TIME-WAIT"), 0);
    struct duet_stack *s = stage->rig.stack;
    struct tcp_time_wait *record = (void *)owner_of(stage, WAIT);
    const uint32_t now = time_wait_interval(s, record);
    record->interval = now & 63u;
    const uint64_t none = number_of(stage);
    record->answers = 3;
    EXPECT("three in this one", number_of(stage) != none);
    record->interval = (now + 1u) & 63u;
    EXPECT("three in one that is over", number_of(stage) == none);
    stage_end(stage);
}

/* A window of the least round trip begins with its transfer, before there is a sample. One that is over makes room at
 * the next sample, however long it has been over. */
static void window_of_the_least_round_trip_counts_until_it_is_over(void **state)
{
    (void)state;
    struct stage *stage = stage_play(stage_named("in flight"), 0);
    struct tcp_transfer *t = transfer_of(stage->rig.stack, stage_conn(stage));
    const uint32_t now_ms = stage->rig.stack->now_ms;
    const uint32_t ages[] = {0, 1, RTT_MIN_WINDOW_MS - 1, RTT_MIN_WINDOW_MS};
    uint64_t numbers[COUNT_OF(ages)];
    assert_int_equal(t->rtt_min_us, 0);
    for (unsigned i = 0; i < COUNT_OF(ages); i++) {
        t->rtt_min_since = now_ms - ages[i];
        numbers[i] = number_of(stage);
        for (unsigned k = 0; k < i; k++)
            EXPECT("another number", numbers[i] != numbers[k]);
    }
    t->rtt_min_since = now_ms - 2 * RTT_MIN_WINDOW_MS;
    EXPECT("the same number", number_of(stage) == numbers[COUNT_OF(ages) - 1]);
    stage_end(stage);
}

/* What is left of a connection counts from its own ISN, however far that of the next one is. */
static void numbers_of_an_earlier_connection(void **state)
{
    (void)state;
    struct stage *stage = stage_play(stage_named("TIME-WAIT"), 0);
    const struct rig_conn *conn = &stage->conn;
    const struct duet_canonical_base base = {{{conn->iss, conn->iss + 1000000}, 2},
                                             {{conn->irs, conn->irs + 1000000}, 2}};
    struct tcp_time_wait *record = (void *)owner_of(stage, WAIT);
    struct duet_canonical before, after;
    struct seq *const numbers[] = {&record->snd_nxt, &record->rcv_nxt};
    duet_canonical(stage->rig.stack, &base, &before);
    for (unsigned i = 0; i < COUNT_OF(numbers); i++) {
        numbers[i]->raw++;
        duet_canonical(stage->rig.stack, &base, &after);
        EXPECT("another number", after.hash != before.hash);
        numbers[i]->raw--;
    }
    stage_end(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_time_and_other_isns_are_the_same_state),
        cmocka_unit_test(situations_are_different_states),
        cmocka_unit_test(what_was_in_a_hole_of_the_ring_is_left_out),
        cmocka_unit_test(what_was_in_a_hole_of_the_other_ring_is_left_out),
        cmocka_unit_test(every_listener_counts),
        cmocka_unit_test(reset_that_waits),
        cmocka_unit_test(what_lies_between_members_is_left_out),
        cmocka_unit_test(numbers_far_from_the_base_are_all_the_same),
        cmocka_unit_test(bits_matter_or_do_not),
        cmocka_unit_test(now_is_another_time_than_none),
        cmocka_unit_test(snapshot_brings_the_number_back),
        cmocka_unit_test(each_field_matters_or_does_not),
        cmocka_unit_test(answers_of_time_wait_count_in_their_interval),
        cmocka_unit_test(window_of_the_least_round_trip_counts_until_it_is_over),
        cmocka_unit_test(numbers_of_an_earlier_connection),
    };
    return cmocka_run_group_tests_name("canonical form", tests, NULL, NULL);
}
