/* SPDX-License-Identifier: MIT */
/* A path: its rate, delay, queue, losses and late packets, to the nanosecond and the packet. */
#include <errno.h>

#include "duet/link.h"
#include "unit.h"

#define MS DUET_MILLISECOND

enum { SIZE = 1000, MANY = 200000 };

static void open_path(const struct duet_path_direction *from_a, uint64_t seed, struct duet_link **a,
                      struct duet_link **b)
{
    const struct duet_path_options options = {.from_a = *from_a, .seed = seed};

    assert_int_equal(duet_path_pair(&options, a, b), 0);
}

static void close_path(struct duet_link *a, struct duet_link *b)
{
    a->close(a);
    b->close(b);
}

/* A packet that carries its tag, and the same byte to its end. */
static void send_packet(struct duet_link *link, duet_time now, uint32_t tag, uint32_t length)
{
    uint8_t data[1500];
    struct duet_packet packet = {.data = data, .size = sizeof(data), .length = length, .tag = tag};

    memset(data, (int)(tag & 0xff), length);
    assert_true(link->send(link, now, &packet));
}

/* The tag of the packet that has arrived by now, or -1. */
static int64_t receive_packet(struct duet_link *link, duet_time now)
{
    uint8_t data[1500];
    struct duet_packet packet = {.data = data, .size = sizeof(data)};

    if (!link->receive(link, now, &packet))
        return -1;
    assert_true(packet.length > 0);
    assert_int_equal(data[0], packet.tag & 0xff);
    assert_int_equal(data[packet.length - 1], packet.tag & 0xff);
    return packet.tag;
}

static void packet_takes_transmission_and_delay(void **state)
{
    const struct duet_path_direction direction = {.rate = 8000000, .delay = 10 * MS};
    struct duet_link *a, *b;

    (void)state;
    open_path(&direction, 1, &a, &b);
    assert_int_equal(b->deadline(b), DUET_NEVER);
    send_packet(a, 5 * MS, 7, SIZE); /* 8000 bits: 1 ms */
    assert_int_equal(b->deadline(b), 16 * MS);
    assert_int_equal(receive_packet(b, 16 * MS - 1), -1);
    assert_int_equal(receive_packet(b, 16 * MS), 7);
    assert_int_equal(b->deadline(b), DUET_NEVER);
    close_path(a, b);
}

static void rate_holds_exactly_over_many_packets(void **state)
{
    /* 8000 bits at 7 Mbit/s are 1142857 1/7 ns: the sevenths must not be forgotten. */
    const struct duet_path_direction direction = {.rate = 7000000};
    struct duet_link *a, *b;
    duet_time last = 0;

    (void)state;
    open_path(&direction, 1, &a, &b);
    for (uint32_t i = 0; i < 7000; i++)
        send_packet(a, 0, i, SIZE);
    for (uint32_t i = 0; i < 7000; i++) {
        last = b->deadline(b);
        assert_int_equal(receive_packet(b, last), i);
    }
    assert_int_equal(last, 8 * DUET_SECOND);
    close_path(a, b);
}

static void idle_transmitter_saves_nothing_up(void **state)
{
    const struct duet_path_direction direction = {.rate = 8000000};
    struct duet_link *a, *b;

    (void)state;
    open_path(&direction, 1, &a, &b);
    send_packet(a, 0, 1, SIZE);
    send_packet(a, 100 * MS, 2, SIZE);
    send_packet(a, 100 * MS, 3, SIZE);
    assert_int_equal(receive_packet(b, 1 * MS), 1);
    assert_int_equal(receive_packet(b, 101 * MS - 1), -1);
    assert_int_equal(receive_packet(b, 101 * MS), 2);
    assert_int_equal(receive_packet(b, 102 * MS - 1), -1);
    assert_int_equal(receive_packet(b, 102 * MS), 3);
    close_path(a, b);
}

static void full_queue_drops_the_last_packet(void **state)
{
    const struct duet_path_direction direction = {.rate = 8000000, .queue = 3 * SIZE};
    struct duet_path_counts counts;
    struct duet_link *a, *b;

    (void)state;
    open_path(&direction, 1, &a, &b);
    for (uint32_t i = 1; i <= 5; i++)
        send_packet(a, 0, i, SIZE);
    duet_path_counts(a, &counts);
    assert_int_equal(counts.sent, 5);
    assert_int_equal(counts.overflown, 2);
    /* At 0.999 ms a byte of the first one is left, so there is no room for a whole packet. */
    send_packet(a, MS - 1000, 6, SIZE);
    send_packet(a, MS, 7, SIZE);
    for (uint32_t i = 1; i <= 3; i++)
        assert_int_equal(receive_packet(b, 10 * MS), i);
    assert_int_equal(receive_packet(b, 10 * MS), 7);
    assert_int_equal(receive_packet(b, 10 * MS), -1);
    duet_path_counts(a, &counts);
    assert_int_equal(counts.overflown, 3);
    close_path(a, b);
}

/* Sends MANY packets and looks at which arrive: how many are lost, in how many runs. */
static uint64_t count_losses(uint32_t loss, uint32_t burst, uint64_t seed, uint64_t *runs)
{
    const struct duet_path_direction direction = {.loss = loss, .burst = burst};
    struct duet_path_counts counts;
    struct duet_link *a, *b;
    uint64_t lost = 0;
    bool was_lost = false;

    *runs = 0;
    open_path(&direction, seed, &a, &b);
    for (uint32_t i = 0; i < MANY; i++) {
        bool is_lost;

        send_packet(a, i, i, 40);
        is_lost = receive_packet(b, i) < 0;
        lost += is_lost;
        *runs += is_lost && !was_lost;
        was_lost = is_lost;
    }
    duet_path_counts(a, &counts);
    assert_int_equal(counts.lost, lost);
    assert_int_equal(counts.sent, MANY);
    close_path(a, b);
    return lost;
}

static void losses_have_their_share_and_length(void **state)
{
    /* Bounds of about four standard deviations; runs of independent losses have length 1/(1-p). */
    static const struct {
        const char *row;
        uint32_t loss, burst;
        uint64_t least, most;         /* packets lost */
        uint64_t run_least, run_most; /* mean length of a run, in hundredths */
    } rows[] = {
        {"none", 0, 1, 0, 0, 0, 0},
        {"one in a thousand", 1000, 1, 140, 260, 100, 110},
        {"one in a hundred", 10000, 0, 1820, 2180, 100, 106},
        {"one in twenty", 50000, 1, 9610, 10390, 102, 110},
        {"one in twenty in runs of 8", 50000, 8, 8500, 11500, 730, 870},
        {"one in a hundred in runs of 4", 10000, 4, 1500, 2500, 340, 460},
        {"all", 1000000, 1, MANY, MANY, MANY * 100, MANY * 100},
        {"all in runs", 1000000, 8, MANY, MANY, MANY * 100, MANY * 100},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t runs, lost = count_losses(rows[i].loss, rows[i].burst, 1, &runs);

        EXPECT(rows[i].row, lost >= rows[i].least && lost <= rows[i].most);
        EXPECT(rows[i].row, runs == 0 ? lost == 0
                                      : lost * 100 / runs >= rows[i].run_least &&
                                            lost * 100 / runs <= rows[i].run_most);
    }
}

/* Sends pairs of packets with a pause between the two, on a path on which losses come in long runs:
 * how often both were lost. */
static unsigned count_lost_pairs(duet_time pause)
{
    /* 10 packets of 1500 bytes take 120 ms at 1 Mbit/s. */
    const struct duet_path_direction direction = {.rate = 1000000, .loss = 300000, .burst = 10};
    struct duet_link *a, *b;
    unsigned pairs = 0;

    open_path(&direction, 1, &a, &b);
    for (uint32_t i = 0; i < 1000; i++) {
        const duet_time now = (duet_time)i * DUET_SECOND;
        bool is_first_lost;

        send_packet(a, now, 1, 40);
        is_first_lost = receive_packet(b, now + 10 * MS) < 0;
        send_packet(a, now + pause, 2, 40);
        pairs += receive_packet(b, now + pause + 10 * MS) < 0 && is_first_lost;
    }
    close_path(a, b);
    return pairs;
}

static void pause_ends_a_run_of_losses(void **state)
{
    unsigned short_pause, long_pause;

    (void)state;
    /* A run begins with a chance of 3 in 70, goes on with 9 in 10, and is over with the pair. */
    short_pause = count_lost_pairs(119 * MS);
    long_pause = count_lost_pairs(121 * MS);
    assert_in_range(short_pause, 20, 60);
    assert_in_range(long_pause, 0, 8);
}

static void late_packets_are_within_their_bound_and_overtaken(void **state)
{
    const struct duet_path_direction direction = {
        .delay = 10 * MS, .reorder = 100000, .reorder_delay = 3 * MS};
    struct duet_path_counts counts;
    struct duet_link *a, *b;
    int64_t before = -1;
    uint64_t overtaken = 0;
    duet_time last = 0;

    (void)state;
    open_path(&direction, 1, &a, &b);
    for (uint32_t i = 0; i < 10000; i++)
        send_packet(a, (duet_time)i * 100 * DUET_MICROSECOND, i, 40);
    for (uint32_t i = 0; i < 10000; i++) {
        const duet_time arrival = b->deadline(b);
        const int64_t tag = receive_packet(b, arrival);
        const duet_time took = arrival - tag * 100 * DUET_MICROSECOND;

        assert_in_range(took, 10 * MS, 13 * MS);
        assert_true(arrival >= last);
        last = arrival;
        overtaken += tag < before;
        before = tag > before ? tag : before;
    }
    assert_int_equal(b->deadline(b), DUET_NEVER);
    duet_path_counts(a, &counts);
    assert_in_range(counts.late, 880, 1120); /* a tenth, give or take four standard deviations */
    assert_true(overtaken > 0 && overtaken <= counts.late);
    close_path(a, b);
}

/* What arrives of the first thousand packets, as a number. */
static uint64_t pattern(uint64_t seed, uint32_t reorder, uint64_t rate)
{
    const struct duet_path_direction direction = {
        .rate = rate, .loss = 50000, .reorder = reorder, .reorder_delay = 3 * MS};
    struct duet_link *a, *b;
    uint64_t hash = 0;
    bool arrived[1000] = {false};
    int64_t tag;

    open_path(&direction, seed, &a, &b);
    for (uint32_t i = 0; i < 1000; i++)
        send_packet(a, 0, i, 40);
    while ((tag = receive_packet(b, DUET_SECOND * 1000)) >= 0)
        arrived[tag] = true;
    for (uint32_t i = 0; i < 1000; i++)
        hash = hash * 31 + arrived[i];
    close_path(a, b);
    return hash;
}

static void same_seed_loses_the_same_packets(void **state)
{
    (void)state;
    assert_int_equal(pattern(1, 0, 0), pattern(1, 0, 0));
    assert_int_equal(pattern(1, 0, 0), pattern(1, 0, 1000000));     /* whatever the rate */
    assert_int_equal(pattern(1, 0, 0), pattern(1, 50000, 1000000)); /* and though some are late */
    assert_true(pattern(1, 0, 0) != pattern(2, 0, 0));
}

static void directions_are_apart(void **state)
{
    const struct duet_path_options options = {.from_a = {.delay = 1 * MS, .loss = 1000000},
                                              .from_b = {.rate = 8000000, .delay = 2 * MS}};
    struct duet_link *a, *b;

    (void)state;
    assert_int_equal(duet_path_pair(&options, &a, &b), 0);
    send_packet(a, 0, 1, SIZE);
    send_packet(b, 0, 2, SIZE);
    assert_int_equal(receive_packet(b, 100 * MS), -1);
    assert_int_equal(receive_packet(a, 3 * MS - 1), -1);
    assert_int_equal(receive_packet(a, 3 * MS), 2);
    close_path(a, b);
}

static void sum_left_undone_arrives_as_checked(void **state)
{
    const struct duet_path_options options = {.offload = DUET_OFFLOAD_CHECKSUM_OUT};
    uint8_t data[40] = {1};
    struct duet_packet packet = {.data = data,
                                 .size = sizeof(data),
                                 .length = sizeof(data),
                                 .flags = DUET_PACKET_CHECKSUM_PARTIAL};
    struct duet_link *a, *b;

    (void)state;
    assert_int_equal(duet_path_pair(&options, &a, &b), 0);
    assert_int_equal(a->offload, DUET_OFFLOAD_CHECKSUM_OUT);
    assert_true(a->send(a, 0, &packet));
    packet.flags = 0;
    assert_true(b->receive(b, 0, &packet));
    assert_int_equal(packet.flags, DUET_PACKET_CHECKED);
    close_path(a, b);
}

static void what_does_not_fit_is_refused(void **state)
{
    const struct duet_path_direction direction = {0};
    uint8_t data[2000] = {0};
    struct duet_packet large = {.data = data, .size = 2000, .length = 1501};
    struct duet_packet many = {.data = data, .size = 2000, .length = 1500, .segment_size = 700};
    struct duet_packet small_room = {.data = data, .size = 100};
    struct duet_link *a, *b;

    (void)state;
    open_path(&direction, 1, &a, &b);
    assert_false(a->send(a, 0, &large));
    assert_int_equal(a->error, EMSGSIZE);
    assert_false(a->send(a, 0, &many));
    assert_int_equal(a->error, EINVAL);
    send_packet(a, 0, 1, 101); /* as good as lost: the receiver has no room for it */
    send_packet(a, 0, 2, 100);
    assert_true(b->receive(b, 0, &small_room));
    assert_int_equal(small_room.tag, 2);
    assert_int_equal(b->error, EMSGSIZE);
    close_path(a, b);
}

static void one_end_outlives_the_other(void **state)
{
    const struct duet_path_direction direction = {
        .delay = MS, .reorder = 500000, .reorder_delay = MS};
    struct duet_link *a, *b;

    (void)state;
    open_path(&direction, 1, &a, &b);
    for (uint32_t i = 0; i < 1000; i++)
        send_packet(a, 0, i, SIZE);
    send_packet(b, 0, 1, SIZE);
    a->close(a);
    send_packet(b, 0, 2, SIZE); /* to nobody */
    assert_true(receive_packet(b, 10 * MS) >= 0);
    b->close(b); /* with packets still on their way */
}

static void options_out_of_range_are_refused(void **state)
{
    static const struct {
        const char *row;
        struct duet_path_options options;
    } rows[] = {
        {"a rate too small", {.from_a = {.rate = 999}}},
        {"a rate too large", {.from_b = {.rate = UINT64_C(1000000000001)}}},
        {"a negative delay", {.from_a = {.delay = -1}}},
        {"a delay of days", {.from_a = {.delay = 100000 * DUET_SECOND}}},
        {"a queue without room for a packet", {.from_a = {.rate = 1000, .queue = 1499}}},
        {"more lost than sent", {.from_a = {.loss = 1000001}}},
        {"runs too long", {.from_a = {.burst = 1000001}}},
        {"more late than sent", {.from_b = {.reorder = 1000001}}},
        {"a negative lateness", {.from_a = {.reorder_delay = -1}}},
        {"an MTU too small", {.mtu = 575}},
        {"an MTU too large", {.mtu = 65536}},
        {"large packets", {.offload = DUET_OFFLOAD_SEGMENT}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct duet_link *a, *b;

        errno = 0;
        EXPECT(rows[i].row, duet_path_pair(&rows[i].options, &a, &b) == -1);
        EXPECT_EQUAL(rows[i].row, errno, EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packet_takes_transmission_and_delay),
        cmocka_unit_test(rate_holds_exactly_over_many_packets),
        cmocka_unit_test(idle_transmitter_saves_nothing_up),
        cmocka_unit_test(full_queue_drops_the_last_packet),
        cmocka_unit_test(losses_have_their_share_and_length),
        cmocka_unit_test(pause_ends_a_run_of_losses),
        cmocka_unit_test(late_packets_are_within_their_bound_and_overtaken),
        cmocka_unit_test(same_seed_loses_the_same_packets),
        cmocka_unit_test(directions_are_apart),
        cmocka_unit_test(sum_left_undone_arrives_as_checked),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(one_end_outlives_the_other),
        cmocka_unit_test(options_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
