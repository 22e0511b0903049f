/* SPDX-License-Identifier: MIT */
/* The situations of canonical_stage.h. */
#include "canonical_stage.h"

#include <stdlib.h>

static struct rig_segment offer_of(const struct stage *stage)
{
    return (struct rig_segment){.seq = 0xfffffe00 + stage->shift,
                                .window = 60000,
                                .mss = 1000,
                                .sack = true,
                                .timestamps = true,
                                .tsval = 70000 + stage->shift};
}

static struct stage *stage_new(uint32_t shift, void (*change)(struct duet_config *config))
{
    struct stage *stage = calloc(1, sizeof *stage);
    struct duet_config config;
    assert_non_null(stage);
    rig_config(&config);
    config.window_scaling = false;
    if (change != NULL)
        change(&config);
    rig_start(&stage->rig, &config);
    stage->shift = shift;
    stage->rig.now = (duet_time)(1000 + shift) * DUET_MILLISECOND;
    stage->conn.tuple = rig_tuple(80, 4000);
    return stage;
}

void stage_end(struct stage *stage)
{
    rig_end(&stage->rig);
    free(stage);
}

static void pass_ms(struct stage *stage, duet_time ms)
{
    rig_pass(&stage->rig, stage->rig.now + ms * DUET_MILLISECOND);
}

struct tcp_conn *stage_conn(const struct stage *stage)
{
    for (uint32_t i = 0; i < stage->rig.stack->conns.fresh; i++)
        if (conn_at(stage->rig.stack, i)->generation != 0)
            return conn_at(stage->rig.stack, i);
    fail();
    return NULL;
}

/* ---- situations ---- */

static void calm(struct stage *stage)
{
    const struct rig_segment offer = offer_of(stage);
    rig_accept(&stage->rig, &stage->conn, &offer);
    pass_ms(stage, 20);
    rig_say(&stage->rig, &stage->conn, DUET_PSH, 0, "unread", 6);
    stage->conn.seq += 6;
    pass_ms(stage, 600); /* the ACK has left */
    rig_drain(&stage->rig);
}

static void ack_delayed(struct stage *stage)
{
    const struct rig_segment offer = offer_of(stage);
    rig_accept(&stage->rig, &stage->conn, &offer);
    pass_ms(stage, 20);
    rig_say(&stage->rig, &stage->conn, DUET_PSH, 0, "unread", 6);
}

static void syn_sent(struct stage *stage)
{
    const struct duet_connect_options options = {.local = {stage->conn.tuple.local, 80},
                                                 .remote = {stage->conn.tuple.remote, 4000}};
    assert_int_equal(duet_connect(stage->rig.stack, stage->rig.now, &options, &stage->conn.handle),
                     DUET_OK);
    assert_true(rig_output(&stage->rig, NULL, &stage->conn.first));
    stage->conn.iss = stage->conn.first.seq;
    stage->conn.irs = 0x1234 + stage->shift; /* not known to the stack */
}

static void in_flight(struct stage *stage)
{
    const struct rig_segment offer = offer_of(stage);
    rig_accept(&stage->rig, &stage->conn, &offer);
    rig_write(&stage->rig, &stage->conn, "text", 4);
    assert_int_equal(rig_drain(&stage->rig), 1);
}

/* Of ten segments the second to fourth and the sixth have arrived, the fifth is found lost and goes out again. */
static void in_recovery(struct stage *stage)
{
    static const uint8_t text[10000];
    const struct rig_segment offer = offer_of(stage);
    rig_accept(&stage->rig, &stage->conn, &offer);
    pass_ms(stage, 20);
    rig_write(&stage->rig, &stage->conn, text, sizeof text);
    assert_true(rig_drain(&stage->rig) >= 6);
    pass_ms(stage, 20);
    const uint32_t mss = 1000 - 12;
    struct rig_segment report = {.flags = DUET_ACK,
                                 .seq = stage->conn.seq,
                                 .ack = stage->conn.ack,
                                 .window = 60000,
                                 .timestamps = true,
                                 .tsval = stage->conn.tsval + 40,
                                 .tsecr = stage->conn.tsecr,
                                 .blocks = 1,
                                 .block = {{stage->conn.ack + mss, stage->conn.ack + 2 * mss}}};
    for (unsigned i = 0; i < 3; i++) {
        report.block[0].right = stage->conn.ack + (2 + i) * mss;
        rig_input(&stage->rig, &stage->conn.tuple, &report);
    }
    report.blocks = 2;
    report.block[1] = report.block[0];
    report.block[0].left = stage->conn.ack + 5 * mss;
    report.block[0].right = stage->conn.ack + 6 * mss;
    rig_input(&stage->rig, &stage->conn.tuple, &report);
    assert_true(stage_conn(stage)->transfer != POOL_NONE);
    assert_int_equal(transfer_of(stage->rig.stack, stage_conn(stage))->phase, TCP_PHASE_RECOVERY);
    rig_drain(&stage->rig);
}

/* Two holes, a FIN behind them, and something that came twice. */
static void beyond_holes(struct stage *stage)
{
    const struct rig_segment offer = offer_of(stage);
    rig_accept(&stage->rig, &stage->conn, &offer);
    pass_ms(stage, 20);
    rig_say(&stage->rig, &stage->conn, 0, 10, "abcde", 5);
    rig_say(&stage->rig, &stage->conn, DUET_FIN, 30, "fghij", 5);
    rig_drain(&stage->rig);
    rig_say(&stage->rig, &stage->conn, 0, 10, "abcde", 5);
}

/* Open at a listener whose SYN had flags; *listener is to be accepted from. */
static void opened(struct stage *stage, uint16_t flags, struct duet_handle *listener)
{
    const struct duet_listen_options options = {
        .local = {stage->conn.tuple.local, stage->conn.tuple.local_port}, .backlog = 8};
    struct rig_segment syn = offer_of(stage), answer;
    assert_int_equal(duet_listen(stage->rig.stack, stage->rig.now, &options, listener), DUET_OK);
    syn.flags = flags;
    rig_input(&stage->rig, &stage->conn.tuple, &syn);
    assert_true(rig_output(&stage->rig, NULL, &answer));
    stage->conn = (struct rig_conn){.tuple = stage->conn.tuple,
                                    .irs = syn.seq,
                                    .iss = answer.seq,
                                    .seq = syn.seq + 1,
                                    .ack = answer.seq + 1,
                                    .window = 60000,
                                    .timestamps = true,
                                    .tsval = syn.tsval,
                                    .tsecr = answer.tsval};
}

static void half_open(struct stage *stage)
{
    struct duet_handle listener;
    opened(stage, DUET_SYN, &listener);
}

/* And behind it one that a RST has ended, and one more: a hole in the ring of records. */
static void half_open_around_a_hole(struct stage *stage)
{
    struct rig_segment syn = offer_of(stage), rst = {.flags = DUET_RST, .seq = syn.seq + 1};
    const struct tcp_tuple ended = rig_tuple(80, 3998);
    half_open(stage);
    syn.flags = DUET_SYN;
    for (uint16_t port = 3998; port < 4000; port++) {
        const struct tcp_tuple other = rig_tuple(80, port);
        rig_input(&stage->rig, &other, &syn);
        rig_drain(&stage->rig);
    }
    rig_input(&stage->rig, &ended, &rst);
    assert_int_equal(stage->rig.stack->half_open.age.alive, 2);
}

static void time_wait(struct stage *stage)
{
    const struct rig_segment offer = offer_of(stage);
    stage->conn = rig_time_wait(&stage->rig, stage->conn.tuple, NOBODY, &offer);
    assert_int_equal(stage->rig.stack->time_wait.age.alive, 1);
}

/* The interval in which answers are counted is the record's own, whatever the hour. */
static void time_wait_that_answered(struct stage *stage)
{
    time_wait(stage);
    rig_say(&stage->rig, &stage->conn, 0, 100000, NULL, 0);
    assert_int_equal(rig_drain(&stage->rig), 1);
}

static void time_wait_of_user(struct stage *stage)
{
    const struct rig_segment offer = offer_of(stage);
    stage->conn = rig_time_wait(&stage->rig, stage->conn.tuple, USER, &offer);
    assert_int_equal(stage_conn(stage)->state, DUET_TIME_WAIT);
}

/* Three of them, of which a RST has ended the second. */
static void time_wait_around_a_hole(struct stage *stage)
{
    const struct rig_segment offer = offer_of(stage);
    const struct age_ring *age = &stage->rig.stack->time_wait.age;
    stage->conn = rig_time_wait(&stage->rig, stage->conn.tuple, NOBODY, &offer);
    const struct rig_conn ended = rig_time_wait(&stage->rig, rig_tuple(80, 3998), NOBODY, &offer);
    (void)rig_time_wait(&stage->rig, rig_tuple(80, 3999), NOBODY, &offer);
    rig_say(&stage->rig, &ended, DUET_RST, 0, NULL, 0);
    assert_int_equal(age->alive, 2);
    assert_int_equal(age->tail - age->head, 3);
}

/* The record has taken over; the handle waits for its user to hear of it. */
static void time_wait_is_not_told_yet(struct stage *stage)
{
    const struct rig_segment offer = offer_of(stage);
    rig_accept(&stage->rig, &stage->conn, &offer);
    assert_int_equal(duet_shutdown(stage->rig.stack, stage->rig.now, stage->conn.handle), DUET_OK);
    rig_drain(&stage->rig);
    stage->conn.ack++;
    rig_say(&stage->rig, &stage->conn, DUET_FIN, 0, NULL, 0);
    rig_drain(&stage->rig);
    assert_int_equal(duet_close(stage->rig.stack, stage->rig.now, stage->conn.handle), DUET_OK);
    assert_true(conn_is(stage_conn(stage), TCP_CONN_DETACHED));
}

/* A probe of the path MTU is in flight. */
static void path_is_probed(struct stage *stage)
{
    static const uint8_t text[10000];
    const struct duet_address remote = stage->conn.tuple.remote;
    struct rig_segment offer = offer_of(stage);
    offer.mss = 1460;
    rig_accept(&stage->rig, &stage->conn, &offer);
    pass_ms(stage, 20);
    struct path *path = path_obtain(stage->rig.stack, &remote);
    path->search_low = path->mtu = 1300;
    stage->rig.stack->paths.epoch++;
    rig_write(&stage->rig, &stage->conn, text, sizeof text);
    rig_drain(&stage->rig);
    assert_true(transfer_of(stage->rig.stack, stage_conn(stage))->mtu.probing);
}

/* What is half open expires before the connection beside it has a timer to run out. */
static void half_open_beside_a_silent_connection(struct stage *stage)
{
    struct rig_segment syn = offer_of(stage);
    const struct tcp_tuple other = rig_tuple(80, 4001);
    calm(stage);
    assert_int_equal(
        duet_set(stage->rig.stack, stage->rig.now, stage->conn.handle, DUET_OPTION_KEEPALIVE, 1),
        DUET_OK);
    syn.flags = DUET_SYN;
    rig_input(&stage->rig, &other, &syn);
    rig_drain(&stage->rig);
    assert_int_equal(stage->rig.stack->half_open.age.alive, 1);
}

/* It was lost, and what was sent beside it will tell why. */
static void path_is_judged(struct stage *stage)
{
    path_is_probed(stage);
    const uint32_t first = stage->conn.ack, probe = 1460 - 12, mss = 1300 - 52;
    const struct rig_segment report = {.flags = DUET_ACK,
                                       .seq = stage->conn.seq,
                                       .ack = first,
                                       .window = 60000,
                                       .timestamps = true,
                                       .tsval = stage->conn.tsval,
                                       .tsecr = stage->conn.tsecr,
                                       .blocks = 1,
                                       .block = {{first + probe, first + probe + 3 * mss}}};
    pass_ms(stage, 20);
    rig_input(&stage->rig, &stage->conn.tuple, &report);
    assert_true(transfer_of(stage->rig.stack, stage_conn(stage))->mtu.judging);
    rig_drain(&stage->rig);
}

/* The last ACK of a connection that its record has taken over waits for the link. */
static void last_ack_waits(struct stage *stage)
{
    const struct rig_segment offer = offer_of(stage);
    rig_accept(&stage->rig, &stage->conn, &offer);
    assert_int_equal(duet_shutdown(stage->rig.stack, stage->rig.now, stage->conn.handle), DUET_OK);
    rig_drain(&stage->rig);
    stage->conn.ack++;
    rig_say(&stage->rig, &stage->conn, DUET_FIN, 0, NULL, 0);
    assert_int_equal(duet_close(stage->rig.stack, stage->rig.now, stage->conn.handle), DUET_OK);
    assert_int_equal(stage->rig.stack->replies.tail - stage->rig.stack->replies.head, 1);
}

static void reset_by_peer(struct stage *stage)
{
    calm(stage);
    rig_write(&stage->rig, &stage->conn, "never acknowledged", 18);
    rig_drain(&stage->rig);
    rig_say(&stage->rig, &stage->conn, DUET_RST, 0, NULL, 0);
    assert_int_equal(stage_conn(stage)->state, DUET_CLOSED);
}

/* An ACK of something unsent, and a RST that is not exact: both answers are limited. */
static void challenged(struct stage *stage)
{
    calm(stage);
    rig_say(&stage->rig, &stage->conn, DUET_RST, 5, NULL, 0);
    rig_say(&stage->rig, &stage->conn, 0, 100000, NULL, 0);
    rig_drain(&stage->rig);
    assert_true(stage_conn(stage)->challenges > 0);
    assert_true(stage_conn(stage)->invalid_ack_at != 0);
}

/* The ACK that answers what is out of the window waits for the link. */
static void reply_waits(struct stage *stage)
{
    half_open(stage);
    rig_say(&stage->rig, &stage->conn, 0, 100000, "x", 1);
    assert_int_equal(stage->rig.stack->replies.tail - stage->rig.stack->replies.head, 1);
}

static void path_known(struct stage *stage)
{
    const struct duet_address remote = stage->conn.tuple.remote;
    calm(stage);
    path_lower(stage->rig.stack, &remote, 1200);
    pass_ms(stage, 10);
}

static void keepalive(struct stage *stage)
{
    calm(stage);
    assert_int_equal(
        duet_set(stage->rig.stack, stage->rig.now, stage->conn.handle, DUET_OPTION_KEEPALIVE, 1),
        DUET_OK);
}

static void fin_wait_2(struct stage *stage)
{
    const struct rig_segment offer = offer_of(stage);
    rig_accept(&stage->rig, &stage->conn, &offer);
    assert_int_equal(duet_close(stage->rig.stack, stage->rig.now, stage->conn.handle), DUET_OK);
    rig_drain(&stage->rig);
    stage->conn.ack++;
    rig_say(&stage->rig, &stage->conn, 0, 0, NULL, 0);
    assert_int_equal(stage_conn(stage)->state, DUET_FIN_WAIT_2);
}

static void fin_wait_2_of_user(struct stage *stage)
{
    const struct rig_segment offer = offer_of(stage);
    rig_accept(&stage->rig, &stage->conn, &offer);
    assert_int_equal(duet_shutdown(stage->rig.stack, stage->rig.now, stage->conn.handle), DUET_OK);
    rig_drain(&stage->rig);
    stage->conn.ack++;
    rig_say(&stage->rig, &stage->conn, 0, 0, NULL, 0);
    assert_int_equal(stage_conn(stage)->state, DUET_FIN_WAIT_2);
}

static void unaccepted(struct stage *stage)
{
    half_open(stage);
    rig_say(&stage->rig, &stage->conn, 0, 0, NULL, 0);
    rig_drain(&stage->rig);
    assert_true(conn_is(stage_conn(stage), TCP_CONN_UNACCEPTED));
}

static void accurate_ecn(struct stage *stage)
{
    struct duet_handle listener;
    opened(stage, DUET_SYN | DUET_AE | DUET_CWR | DUET_ECE, &listener);
    rig_say(&stage->rig, &stage->conn, 0, 0, NULL, 0);
    assert_int_equal(
        duet_accept(stage->rig.stack, stage->rig.now, listener, &stage->conn.handle, NULL),
        DUET_OK);
    rig_drain(&stage->rig);
    assert_true((stage_conn(stage)->ecn & TCP_ECN_RECORD) != 0);
}

static void paced(struct duet_config *config)
{
    config->pacing = true;
}

static void unwatched(struct duet_config *config)
{
    config->watch = false;
}

static void tuned(struct duet_config *config)
{
    config->autotune = true;
}

static void without_timestamps(struct duet_config *config)
{
    config->timestamps = false;
}

static void resets_in_time_wait(struct duet_config *config)
{
    config->time_wait_rst = true;
}

static void with_accurate_ecn(struct duet_config *config)
{
    config->ecn = DUET_ECN_REQUEST_ACCURATE;
    config->accurate_ecn_max = 4;
}

static const struct {
    const char *name;
    void (*make)(struct stage *stage);
    void (*change)(struct duet_config *config);
} situations[] = {
    {"calm", calm, NULL},
    {"calm, tuned", calm, tuned},
    {"an ACK is delayed", ack_delayed, NULL},
    {"SYN-SENT", syn_sent, NULL},
    {"in flight", in_flight, NULL},
    {"recovery", in_recovery, NULL},
    {"recovery, paced", in_recovery, paced},
    {"beyond holes", beyond_holes, NULL},
    {"half open", half_open, NULL},
    {"half open, without timestamps", half_open, without_timestamps},
    {"half open, around a hole", half_open_around_a_hole, NULL},
    {"TIME-WAIT", time_wait, NULL},
    {"TIME-WAIT that answered", time_wait_that_answered, NULL},
    {"TIME-WAIT of a user", time_wait_of_user, NULL},
    {"TIME-WAIT, around a hole", time_wait_around_a_hole, resets_in_time_wait},
    {"TIME-WAIT, not told yet", time_wait_is_not_told_yet, NULL},
    {"a path is probed", path_is_probed, NULL},
    {"the probe of a path is judged", path_is_judged, NULL},
    {"in flight, without timestamps", in_flight, without_timestamps},
    {"half open beside a silent connection", half_open_beside_a_silent_connection, unwatched},
    {"the last ACK waits", last_ack_waits, NULL},
    {"a reply waits, without timestamps", reply_waits, without_timestamps},
    {"reset by the peer", reset_by_peer, NULL},
    {"challenged", challenged, NULL},
    {"a reply waits", reply_waits, NULL},
    {"a path is known", path_known, NULL},
    {"keep-alive", keepalive, unwatched},
    {"FIN-WAIT-2", fin_wait_2, NULL},
    {"FIN-WAIT-2 of a user", fin_wait_2_of_user, NULL},
    {"not accepted yet", unaccepted, NULL},
    {"accurate ECN", accurate_ecn, with_accurate_ecn},
};

const unsigned stage_situations = COUNT_OF(situations);

const char *stage_name(unsigned situation)
{
    return situations[situation].name;
}

unsigned stage_named(const char *name)
{
    for (unsigned i = 0; i < COUNT_OF(situations); i++)
        if (strcmp(situations[i].name, name) == 0)
            return i;
    fail();
    return 0;
}

struct stage *stage_play(unsigned index, uint32_t shift)
{
    struct stage *stage = stage_new(shift, situations[index].change);
    situations[index].make(stage);
    return stage;
}
