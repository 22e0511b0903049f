/* SPDX-License-Identifier: MIT */
/* A watched stack (config.watch) remembers what it was: whatever goes back, whatever a refused segment
 * changes, and each packet that is not as it must be, is named. The state, or the bytes of a packet,
 * are spoilt by hand; the watch is asked as the doors ask it. */
#include "rig.h"

#include <stdlib.h>

#include "base/bytes.h"

enum { IP = 20, TCP = IP + 20 };

static const struct rig_segment offer = {
    .seq = 0xfffffff0, .window = 6000, .mss = 1000, .sack = true, .timestamps = true, .tsval = 7};

/* A connection with text in flight, text held behind a hole, and a packet of it that has just left. */
struct subject {
    struct rig rig;
    struct rig_conn conn;
    struct duet_stack *s;
    struct tcp_conn *c;
    struct tcp_transfer *t;
    struct watch_conn *w;
    struct duet_packet packet;
    struct tcp_segment seg;
    struct tcp_options options;
    bool as_reply;
};

static struct subject *subject_new(void)
{
    struct subject *x = calloc(1, sizeof *x);
    assert_non_null(x);
    struct duet_config config;
    rig_config(&config);
    config.receive_buffer = 200000;
    rig_start(&x->rig, &config);
    x->conn.tuple = rig_tuple(80, 4000);
    struct rig_segment syn = offer;
    syn.scaling = true;
    syn.scale = 0;
    rig_accept(&x->rig, &x->conn, &syn);
    rig_say(&x->rig, &x->conn, DUET_PSH, 20, "0123456789", 10);
    rig_write(&x->rig, &x->conn, "hello", 5);
    assert_true(rig_output(&x->rig, NULL, NULL));
    x->packet = x->rig.packet;
    x->s = x->rig.stack;
    x->c = conn_at(x->s, x->conn.handle.index);
    x->t = transfer_of(x->s, x->c);
    x->w = watch_of(x->s, x->c);
    x->seg.options = &x->options;
    assert_non_null(x->t);
    assert_null(duet_check(x->s));
    return x;
}

static void subject_free(struct subject *x)
{
    rig_end(&x->rig);
    free(x);
}

static void expect_broken(const char *row, const struct subject *x, const char *number)
{
    const char *broken = duet_check(x->s);
    if (broken == NULL || strncmp(broken, number, 4) != 0)
        fail_msg("%s: %s, not %s", row, broken == NULL ? "nothing" : broken, number);
}

/* ---- what goes back ---- */

static void una_goes_back(struct subject *x)
{
    x->c->snd.una = seq_sub(x->c->snd.una, 1);
}
static void nxt_goes_back(struct subject *x)
{
    x->c->snd.nxt = seq_sub(x->c->snd.nxt, 1);
}
static void a_byte_is_lost_from_the_queue(struct subject *x)
{
    x->t->send.length--;
}
static void text_beyond_every_window(struct subject *x)
{
    x->c->snd.nxt = seq_add(x->w->right, 2);
}
static void right_edge_goes_back(struct subject *x)
{
    x->c->rcv.adv = seq_sub(x->c->rcv.adv, 1);
}
static void rcv_nxt_goes_back(struct subject *x)
{
    x->c->rcv.nxt = seq_sub(x->c->rcv.nxt, 1);
}
static void text_behind_the_fin(struct subject *x)
{
    x->w->flags |= TCP_CONN_FIN_RECEIVED;
    x->c->flags |= TCP_CONN_FIN_RECEIVED;
    x->c->rcv.nxt = seq_add(x->c->rcv.nxt, 1);
}
static void state_goes_back(struct subject *x)
{
    x->w->state = DUET_CLOSE_WAIT;
}
static void fin_is_forgotten(struct subject *x)
{
    x->w->flags |= TCP_CONN_FIN_SENT;
}
static void backoff_is_forgotten(struct subject *x)
{
    x->w->retransmissions = 3;
}
static void clock_goes_back(struct subject *x)
{
    x->s->watch->now = x->s->now + 1;
}
static void fin_acked_without_text(struct subject *x)
{
    tcp_conn_end(x->s, x->c, TCP_RULE_ABORT, DUET_OK);
    x->c->flags |= TCP_CONN_FIN_ACKED;
    x->c->left.unacknowledged = 1;
}

static void what_goes_back_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *row, *number;
        void (*spoil)(struct subject *subject);
    } rows[] = {
        {"SND.UNA goes back", "I-02", una_goes_back},
        {"SND.NXT goes back", "I-02", nxt_goes_back},
        {"a byte is lost from the queue", "I-01", a_byte_is_lost_from_the_queue},
        {"text beyond every window", "I-03", text_beyond_every_window},
        {"right edge goes back", "I-12", right_edge_goes_back},
        {"RCV.NXT goes back", "I-13", rcv_nxt_goes_back},
        {"text behind the FIN", "I-17", text_behind_the_fin},
        {"state goes back", "I-21", state_goes_back},
        {"FIN is forgotten", "I-21", fin_is_forgotten},
        {"backoff is forgotten", "I-29", backoff_is_forgotten},
        {"clock goes back", "I-59", clock_goes_back},
        {"FIN acknowledged without the text", "I-54", fin_acked_without_text},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct subject *x = subject_new();
        rows[i].spoil(x);
        watch_settled(x->s, x->c);
        expect_broken(rows[i].row, x, rows[i].number);
        subject_free(x);
    }
}

/* ---- segments that arrive ---- */

static void refused_moves_the_window(struct subject *x)
{
    x->s->watch->dropped = TCP_RULE_ACK_TOO_OLD;
    x->c->snd.wnd++;
}
static void refused_ends_the_recovery(struct subject *x)
{
    x->s->watch->dropped = TCP_RULE_PAWS_REJECTED;
    x->t->recover = seq_add(x->t->recover, 1);
}
static void refused_is_held(struct subject *x)
{
    x->s->watch->dropped = TCP_RULE_SEQ_UNACCEPTABLE;
    reassembly_of(x->s, x->c)->held.count++;
}
static void reset_of_another_number(struct subject *x)
{
    x->seg.has_rst = true;
    x->seg.arrived_seq = seq_add(x->c->rcv.nxt, 1);
    tcp_conn_end(x->s, x->c, TCP_RULE_RST_EXACT, DUET_E_RESET);
}
static void ts_recent_of_a_later_segment(struct subject *x)
{
    x->seg.arrived_seq = seq_add(x->c->rcv.acked, 1);
    x->options.tsval = x->c->ts_recent = 99;
}
static void ts_recent_of_no_segment(struct subject *x)
{
    x->seg.arrived_seq = x->c->rcv.acked;
    x->options.tsval = 98;
    x->c->ts_recent = 99;
}

static void what_an_arrival_may_not_change_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *row, *number;
        void (*spoil)(struct subject *subject);
    } rows[] = {
        {"a refused segment moves the window", "I-43", refused_moves_the_window},
        {"a refused segment ends recovery", "I-43", refused_ends_the_recovery},
        {"a refused segment is held", "I-43", refused_is_held},
        {"a RST of another number", "I-44", reset_of_another_number},
        {"TS.Recent of a later segment", "I-46", ts_recent_of_a_later_segment},
        {"TS.Recent of no segment", "I-46", ts_recent_of_no_segment},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct subject *x = subject_new();
        watch_before(x->s, x->c);
        rows[i].spoil(x);
        watch_after(x->s, x->c, &x->seg);
        expect_broken(rows[i].row, x, rows[i].number);
        subject_free(x);
    }
}

/* A real RST, a segment for many, an ICMP error: whoever answers is named. */
static void answer_that_must_not_be_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *row;
        uint16_t flags; /* of the segment */
        uint8_t protocol, first, destination;
        bool is_named;
    } rows[] = {
        {"a SYN is refused", DUET_SYN, 6, 0, 10, false}, {"a RST is not", DUET_RST, 6, 0, 10, true},
        {"a SYN for many", DUET_SYN, 6, 0, 224, true},   {"an ICMP error", 0, 1, 3, 10, true},
        {"an echo request", 0, 1, 8, 10, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct subject *x = subject_new();
        const struct tcp_tuple nobody = rig_tuple(9, 9);
        const struct rig_segment segment = {.flags = DUET_SYN};
        uint64_t before = x->s->replies.tail;
        rig_input(&x->rig, &nobody, &segment);
        struct duet_packet packet = {.data = x->rig.in, .length = TCP};
        x->rig.in[9] = rows[i].protocol;
        x->rig.in[16] = rows[i].destination;
        x->rig.in[IP] = rows[i].first;
        x->rig.in[IP + 13] = (uint8_t)rows[i].flags;
        watch_input(x->s, &packet, before);
        if (rows[i].is_named)
            expect_broken(rows[i].row, x, "I-36");
        else
            EXPECT(rows[i].row, duet_check(x->s) == NULL);
        subject_free(x);
    }
}

/* ---- packets that leave ---- */

/* The checksum of the segment anew, after its bytes were changed. */
static void sum_again(struct subject *x)
{
    uint8_t *bytes = x->packet.data;
    const uint32_t length = x->packet.length - IP;
    uint8_t tail[4] = {0, 6, (uint8_t)(length >> 8), (uint8_t)length};
    bytes_put16(bytes + IP + 16, 0);
    uint32_t sum = rig_sum(rig_sum(0, bytes + 12, 8), tail, sizeof tail);
    bytes_put16(bytes + IP + 16, (uint16_t)(0xffff - rig_sum(sum, bytes + IP, length)));
}

static void add_to_seq(struct subject *x, uint32_t n)
{
    bytes_put32(x->packet.data + IP + 4, bytes_get32(x->packet.data + IP + 4) + n);
}

static void version_of_ip(struct subject *x)
{
    x->packet.data[0] = 0x46;
}
static void length_of_ip(struct subject *x)
{
    x->packet.length--;
}
static void may_be_fragmented(struct subject *x)
{
    x->packet.data[6] = 0;
}
static void checksum_of_ip(struct subject *x)
{
    x->packet.data[10] ^= 1;
}
static void checksum_of_tcp(struct subject *x)
{
    x->packet.data[IP + 16] ^= 1;
}
static void header_of_tcp(struct subject *x)
{
    x->packet.data[IP + 12] = 0xf0;
}
static void reserved_bit(struct subject *x)
{
    x->packet.data[IP + 12] |= 8;
    sum_again(x);
}
static void idle_urgent_pointer(struct subject *x)
{
    x->packet.data[IP + 19] = 1;
    sum_again(x);
}
static void no_ack_bit(struct subject *x)
{
    x->packet.data[IP + 13] &= (uint8_t)~DUET_ACK;
    bytes_put32(x->packet.data + IP + 8, 0);
    sum_again(x);
}
static void idle_ack_number(struct subject *x)
{
    x->packet.data[IP + 13] &= (uint8_t)~DUET_ACK;
    sum_again(x);
}
static void options_end_early(struct subject *x)
{
    x->packet.data[TCP] = 0;
    sum_again(x);
}
static void unknown_option(struct subject *x)
{
    x->packet.data[TCP + 2] = 99;
    sum_again(x);
}
static void mss_on_data(struct subject *x)
{
    memcpy(x->packet.data + TCP, "\x02\x04\x05\xb4", 4);
    sum_again(x);
}
static void scale_on_data(struct subject *x)
{
    memcpy(x->packet.data + TCP, "\x03\x03\x01\x01", 4);
    sum_again(x);
}
static void option_too_long(struct subject *x)
{
    x->packet.data[TCP + 3] = 200;
    sum_again(x);
}
static void larger_than_the_link(struct subject *x)
{
    x->s->config.mtu = 576;
    x->packet.length = 600;
    bytes_put16(x->packet.data + 2, 600);
    bytes_put16(x->packet.data + 10, 0);
    bytes_put16(x->packet.data + 10, (uint16_t)(0xffff - rig_sum(0, x->packet.data, IP)));
}
static void ack_of_another_number(struct subject *x)
{
    x->packet.data[IP + 11] ^= 1;
    sum_again(x);
}
static void another_source(struct subject *x)
{
    x->packet.data[15] = 77;
    bytes_put16(x->packet.data + 10, 0);
    bytes_put16(x->packet.data + 10, (uint16_t)(0xffff - rig_sum(0, x->packet.data, IP)));
    sum_again(x);
}
static void of_no_connection(struct subject *x)
{
    x->packet.data[IP + 3] ^= 1;
    sum_again(x);
}
static void text_behind_the_end(struct subject *x)
{
    add_to_seq(x, 1);
    sum_again(x);
}
static void fin_too_early(struct subject *x)
{
    x->packet.data[IP + 13] |= DUET_FIN;
    x->w->end = seq_add(x->w->end, 1);
    sum_again(x);
}
static void text_to_a_stranger(struct subject *x)
{
    tcp_inherit_state(x->c, DUET_SYN_RECEIVED);
}
static void beyond_the_window(struct subject *x)
{
    x->w->nxt = x->c->snd.una;
    x->c->snd.wnd = 4;
}
static void beyond_the_congestion_window(struct subject *x)
{
    x->w->nxt = x->c->snd.una;
    x->c->peer_mss = 25; /* one byte and our options */
    x->c->cwnd = 0;
}
static void edge_not_remembered(struct subject *x)
{
    x->c->rcv.adv = seq_add(x->c->rcv.adv, 1);
}
static void window_taken_back(struct subject *x)
{
    uint16_t window = bytes_get16(x->packet.data + IP + 14);
    bytes_put16(x->packet.data + IP + 14, (uint16_t)(window - 2));
    sum_again(x);
}
static void tsval_goes_back(struct subject *x)
{
    x->w->tsval++;
}
static void tsecr_of_another(struct subject *x)
{
    x->c->ts_recent++;
}
static void timestamps_not_agreed(struct subject *x)
{
    x->c->flags &= ~(uint32_t)TCP_CONN_TIMESTAMPS;
}
static void sack_of_what_is_not_held(struct subject *x)
{
    x->packet.data[TCP + 12 + 7] += 12; /* the left edge, up to the right edge but one */
    x->packet.data[TCP + 12 + 11] += 12;
    sum_again(x);
}
static void sack_of_nothing(struct subject *x)
{
    memcpy(x->packet.data + TCP + 12 + 4, x->packet.data + TCP + 12 + 8, 4);
    sum_again(x);
}
static void sack_not_agreed(struct subject *x)
{
    x->c->flags &= ~(uint32_t)TCP_CONN_SACK;
}
static void text_on_a_reset(struct subject *x)
{
    x->packet.data[IP + 13] |= DUET_RST;
    x->as_reply = true;
    sum_again(x);
}
static void text_of_a_reply(struct subject *x)
{
    x->as_reply = true;
}
static void reply_without_ack(struct subject *x)
{
    x->packet.length -= 5;
    bytes_put16(x->packet.data + 2, (uint16_t)x->packet.length);
    bytes_put16(x->packet.data + 10, 0);
    bytes_put16(x->packet.data + 10, (uint16_t)(0xffff - rig_sum(0, x->packet.data, IP)));
    no_ack_bit(x);
    x->as_reply = true;
}
static void packets_without_end(struct subject *x)
{
    x->s->watch->outputs = UINT32_MAX - 1;
}

static void packet_that_is_not_as_it_must_be_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *row, *number;
        void (*spoil)(struct subject *subject);
    } rows[] = {
        {"version of IP", "I-35", version_of_ip},
        {"length of IP", "I-35", length_of_ip},
        {"may be fragmented", "I-35", may_be_fragmented},
        {"checksum of IP", "I-35", checksum_of_ip},
        {"checksum of TCP", "I-35", checksum_of_tcp},
        {"header of TCP", "I-35", header_of_tcp},
        {"reserved bit", "I-35", reserved_bit},
        {"urgent pointer that means nothing", "I-42", idle_urgent_pointer},
        {"ACK number that means nothing", "I-42", idle_ack_number},
        {"options end early", "I-42", options_end_early},
        {"unknown option", "I-35", unknown_option},
        {"MSS on data", "I-35", mss_on_data},
        {"scale on data", "I-35", scale_on_data},
        {"option too long", "I-35", option_too_long},
        {"larger than the link takes", "I-35", larger_than_the_link},
        {"no ACK bit", "I-20", no_ack_bit},
        {"ACK of another number", "I-20", ack_of_another_number},
        {"another source", "I-41", another_source},
        {"of no connection", "I-41", of_no_connection},
        {"text behind the end", "I-10", text_behind_the_end},
        {"FIN too early", "I-10", fin_too_early},
        {"text to a stranger", "I-40", text_to_a_stranger},
        {"beyond the window", "I-04", beyond_the_window},
        {"beyond the congestion window", "I-06", beyond_the_congestion_window},
        {"edge not remembered", "I-12", edge_not_remembered},
        {"window taken back", "I-12", window_taken_back},
        {"TSval goes back", "I-38", tsval_goes_back},
        {"TSecr of another", "I-38", tsecr_of_another},
        {"timestamps not agreed", "I-38", timestamps_not_agreed},
        {"SACK of what is not held", "I-18", sack_of_what_is_not_held},
        {"SACK of nothing", "I-18", sack_of_nothing},
        {"SACK not agreed", "I-18", sack_not_agreed},
        {"text on a RST", "I-36", text_on_a_reset},
        {"text of a reply", "I-40", text_of_a_reply},
        {"reply without ACK", "I-20", reply_without_ack},
        {"packets without end", "I-34", packets_without_end},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct subject *x = subject_new();
        rows[i].spoil(x);
        watch_output(x->s, &x->packet, x->as_reply);
        expect_broken(rows[i].row, x, rows[i].number);
        subject_free(x);
    }
}

/* The same packet unspoilt, and one that the link is to sum. */
static void packet_as_it_must_be_breaks_nothing(void **state)
{
    (void)state;
    struct subject *x = subject_new();
    watch_output(x->s, &x->packet, false);
    assert_null(duet_check(x->s));
    subject_free(x);
}

static void timer_that_is_due_after_all_have_run_is_named(void **state)
{
    (void)state;
    struct subject *x = subject_new();
    wheel_arm(&x->s->wheel, conn_index(x->s, x->c), x->s->now);
    watch_expired(x->s);
    expect_broken("due", x, "I-33");
    subject_free(x);
}

/* The block copied away and put back is the same watched stack: what was seen since is forgotten. */
static void block_put_back_is_watched_from_there(void **state)
{
    (void)state;
    struct subject *x = subject_new();
    void *copy = malloc(x->rig.size);
    assert_non_null(copy);
    memcpy(copy, x->rig.block, x->rig.size);
    rig_say(&x->rig, &x->conn, DUET_PSH, 0, "0123456789", 10);
    assert_null(duet_check(x->s));
    memcpy(x->rig.block, copy, x->rig.size);
    rig_say(&x->rig, &x->conn, DUET_PSH, 0, "0123456789", 10);
    assert_null(duet_check(x->s));
    free(copy);
    subject_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_back_is_named),
        cmocka_unit_test(what_an_arrival_may_not_change_is_named),
        cmocka_unit_test(answer_that_must_not_be_is_named),
        cmocka_unit_test(packet_that_is_not_as_it_must_be_is_named),
        cmocka_unit_test(packet_as_it_must_be_breaks_nothing),
        cmocka_unit_test(timer_that_is_due_after_all_have_run_is_named),
        cmocka_unit_test(block_put_back_is_watched_from_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
