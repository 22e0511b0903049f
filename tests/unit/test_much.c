/* SPDX-License-Identifier: MIT */
/* One packet that says a great deal about what is in flight: it is followed as far as one packet may ask,
 * and what is left of it follows at once, by the timer or by the next one. */
#include "rig.h"

#include <stdlib.h>

enum { COUNT = 250, MSS = 500 };

struct flight {
    struct rig rig;
    struct rig_conn conn;
};

/* COUNT segments are in flight; conn->ack is the first of them. */
static struct flight *fly(void)
{
    static const uint8_t text[COUNT * MSS];
    struct flight *f = calloc(1, sizeof *f);
    struct duet_config config;
    assert_non_null(f);
    rig_config(&config);
    config.send_buffer = config.send_buffer_initial = sizeof text;
    config.pages_max = 4096;
    config.pacing = false;
    rig_start(&f->rig, &config);
    f->conn.tuple = rig_tuple(80, 4000);
    rig_accept(&f->rig, &f->conn,
               &(struct rig_segment){.seq = 0xfffffff0,
                                     .window = 65535,
                                     .mss = MSS,
                                     .sack = true,
                                     .scaling = true,
                                     .scale = 4});
    conn_at(f->rig.stack, f->conn.handle.index)->cwnd = sizeof text;
    rig_write(&f->rig, &f->conn, text, sizeof text);
    rig_drain(&f->rig);
    EXPECT_EQUAL("all of it", rig_status(&f->rig, &f->conn).in_flight, sizeof text);
    return f;
}

static void land(struct flight *f)
{
    rig_end(&f->rig);
    free(f);
}

/* Segments [from, to) have come, and nothing before them. */
static void say_sack(struct flight *f, uint32_t from, uint32_t to)
{
    struct rig_segment ack = {.flags = DUET_ACK,
                              .seq = f->conn.seq,
                              .ack = f->conn.ack,
                              .window = f->conn.window,
                              .blocks = 1};
    ack.block[0].left = f->conn.ack + from * MSS;
    ack.block[0].right = f->conn.ack + to * MSS;
    rig_input(&f->rig, &f->conn.tuple, &ack);
}

/* Every other one has come, the rest goes again: each segment has a story of its own. */
static void mix(struct flight *f)
{
    for (uint32_t i = 1; i < COUNT; i += 2)
        say_sack(f, i, i + 1);
    rig_drain(&f->rig);
    f->rig.now += DUET_MILLISECOND;
}

static uint32_t missing(const struct flight *f)
{
    return f->conn.ack + COUNT * MSS - rig_status(&f->rig, &f->conn).snd_una;
}

/* We have closed, and the timer has run out: all is owed once more. */
static struct flight *time_out(void)
{
    struct flight *f = fly();
    duet_shutdown(f->rig.stack, f->rig.now, f->conn.handle);
    rig_drain(&f->rig);
    mix(f);
    f->rig.now += 10 * DUET_SECOND;
    duet_expire(f->rig.stack, f->rig.now);
    return f;
}

static void all_is_acknowledged_at_once(void **state)
{
    (void)state;
    struct flight *f = fly();
    f->conn.ack += COUNT * MSS;
    rig_say(&f->rig, &f->conn, 0, 0, NULL, 0);
    EXPECT_EQUAL("sent once, in order: in one", rig_status(&f->rig, &f->conn).in_flight, 0);
    EXPECT_EQUAL("whole", rig_hits(&f->rig, TCP_RULE_ACK_OF_MUCH), 0);
    land(f);
}

static void the_rest_follows_by_itself(void **state)
{
    (void)state;
    struct flight *f = fly();
    mix(f);
    const struct rig_conn before = f->conn;
    f->conn.ack += COUNT * MSS;
    rig_say(&f->rig, &f->conn, 0, 0, NULL, 0);
    f->conn = before;
    EXPECT_EQUAL("a part", rig_hits(&f->rig, TCP_RULE_ACK_OF_MUCH), 1);
    EXPECT("a part", missing(f) > 0 && missing(f) < COUNT * MSS);
    rig_pass(&f->rig, f->rig.now + 100 * DUET_MICROSECOND);
    EXPECT_EQUAL("all", missing(f), 0);
    EXPECT_EQUAL("nothing of it goes again", rig_drain(&f->rig), 0);
    land(f);
}

static void the_next_acknowledgement_says_it_too(void **state)
{
    (void)state;
    struct flight *f = fly();
    unsigned said = 0;
    mix(f);
    const struct rig_conn before = f->conn;
    f->conn.ack += COUNT * MSS;
    do {
        rig_say(&f->rig, &f->conn, 0, 0, NULL, 0);
        said++;
    } while (rig_status(&f->rig, &f->conn).snd_una != f->conn.ack && said < COUNT);
    f->conn = before;
    EXPECT("a few times", said > 1 && said < 20);
    rig_pass(&f->rig, f->rig.now + DUET_SECOND);
    EXPECT_EQUAL("all", missing(f), 0);
    land(f);
}

/* An acknowledgement of all comes, with a FIN. */
static void nothing_of_the_rest_goes_again(void **state)
{
    (void)state;
    struct flight *f = time_out();
    f->conn.ack = rig_status(&f->rig, &f->conn).snd_nxt;
    rig_say(&f->rig, &f->conn, DUET_FIN, 0, NULL, 0);
    EXPECT_EQUAL("a part", rig_hits(&f->rig, TCP_RULE_ACK_OF_MUCH), 1);
    EXPECT_EQUAL("so far", rig_status(&f->rig, &f->conn).state, DUET_CLOSING);
    struct rig_segment reply;
    assert_true(rig_output(&f->rig, &f->conn.tuple, &reply));
    EXPECT_EQUAL("its FIN is acknowledged, and it may be gone", reply.length, 0);
    EXPECT_EQUAL("so nothing goes again", rig_drain(&f->rig), 0);
    rig_pass(&f->rig, f->rig.now + 100 * DUET_MICROSECOND);
    EXPECT_EQUAL("all", rig_status(&f->rig, &f->conn).state, DUET_TIME_WAIT);
    land(f);
}

/* Our FIN is not among it: the peer waits for that. */
static void behind_the_rest_the_fin_goes_again(void **state)
{
    (void)state;
    struct flight *f = time_out();
    f->conn.ack = rig_status(&f->rig, &f->conn).snd_nxt - 1;
    rig_say(&f->rig, &f->conn, 0, 0, NULL, 0);
    EXPECT_EQUAL("a part", rig_hits(&f->rig, TCP_RULE_ACK_OF_MUCH), 1);
    EXPECT("something goes", rig_drain(&f->rig) > 0);
    rig_pass(&f->rig, f->rig.now + 100 * DUET_MICROSECOND);
    EXPECT_EQUAL("all but the FIN", rig_status(&f->rig, &f->conn).snd_una, f->conn.ack);
    land(f);
}

/* The rest reaches our FIN, and the connection ends by the timer. */
static void the_rest_reaches_the_fin(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool peer_first;
        enum duet_state then;
    } rows[] = {{"LAST-ACK", true, DUET_CLOSED}, {"FIN-WAIT-1", false, DUET_FIN_WAIT_2}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct flight *f = fly();
        if (rows[i].peer_first) {
            rig_say(&f->rig, &f->conn, DUET_FIN, 0, NULL, 0);
            f->conn.seq++;
        }
        duet_shutdown(f->rig.stack, f->rig.now, f->conn.handle);
        rig_drain(&f->rig);
        mix(f);
        f->conn.ack = rig_status(&f->rig, &f->conn).snd_nxt;
        rig_say(&f->rig, &f->conn, 0, 0, NULL, 0);
        EXPECT_EQUAL(rows[i].name, rig_hits(&f->rig, TCP_RULE_ACK_OF_MUCH), 1);
        EXPECT(rows[i].name, rig_status(&f->rig, &f->conn).state != rows[i].then);
        rig_pass(&f->rig, f->rig.now + 100 * DUET_MICROSECOND);
        EXPECT_EQUAL(rows[i].name, rig_status(&f->rig, &f->conn).state, rows[i].then);
        EXPECT_EQUAL(rows[i].name, rig_drain(&f->rig), 0);
        land(f);
    }
}

/* A block of many: the rest of it is taken when it comes again, and nothing of it seems lost. */
static void a_block_of_many(void **state)
{
    (void)state;
    struct flight *f = fly();
    uint32_t sacked = 0;
    say_sack(f, 1, COUNT);
    for (unsigned n = 1; n < 20 && sacked < COUNT - 1; n++) {
        const struct tcp_flight *flight =
            &transfer_of(f->rig.stack, conn_at(f->rig.stack, f->conn.handle.index))->flight;
        EXPECT("more each time, never much",
               flight->sacked_count > sacked && flight->sacked_count <= n * FLIGHT_ALLOWANCE);
        EXPECT("but for the first", flight->lost <= MSS);
        sacked = flight->sacked_count;
        say_sack(f, 1, COUNT);
    }
    EXPECT_EQUAL("all", sacked, COUNT - 1);
    land(f);
}

/* All but the last are lost, more than one packet may find: the timer finds the rest. */
static void many_are_lost(void **state)
{
    (void)state;
    struct flight *f = fly();
    const struct tcp_flight *flight =
        &transfer_of(f->rig.stack, conn_at(f->rig.stack, f->conn.handle.index))->flight;
    f->rig.now += DUET_SECOND / 10;
    for (uint32_t i = COUNT - 3; i < COUNT; i++)
        say_sack(f, i, i + 1);
    EXPECT("some", flight->lost > 0 && flight->lost < (COUNT - 3) * MSS);
    rig_pass(&f->rig, f->rig.now + 100 * DUET_MICROSECOND);
    EXPECT_EQUAL("all", flight->lost, (COUNT - 3) * MSS);
    land(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_acknowledged_at_once),
        cmocka_unit_test(the_rest_follows_by_itself),
        cmocka_unit_test(the_next_acknowledgement_says_it_too),
        cmocka_unit_test(nothing_of_the_rest_goes_again),
        cmocka_unit_test(behind_the_rest_the_fin_goes_again),
        cmocka_unit_test(the_rest_reaches_the_fin),
        cmocka_unit_test(a_block_of_many),
        cmocka_unit_test(many_are_lost),
    };
    return cmocka_run_group_tests_name("much", tests, NULL, NULL);
}
