/* SPDX-License-Identifier: MIT */
/* The wire inside the process: order, exact times, copies, and that closing frees everything (which
 * the address sanitizer checks). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "duet/link.h"

#define MS DUET_MILLISECOND

static void send_byte(struct duet_link *link, duet_time now, uint8_t value, duet_time departure)
{
    uint8_t data[1] = {value};
    struct duet_packet packet = {
        .data = data, .size = 1, .length = 1, .departure = departure, .tag = value};

    assert_true(link->send(link, now, &packet));
    data[0] = 0xff; /* the wire must have its own copy */
}

/* The byte that has arrived by now, or -1. */
static int receive_byte(struct duet_link *link, duet_time now)
{
    uint8_t data[4] = {0};
    struct duet_packet packet = {.data = data, .size = sizeof(data)};

    if (!link->receive(link, now, &packet))
        return -1;
    assert_int_equal(packet.length, 1);
    assert_int_equal(packet.tag, data[0]);
    return data[0];
}

static void packet_arrives_exactly_after_the_delay(void **state)
{
    struct duet_link *a, *b;

    (void)state;
    assert_int_equal(duet_wire_pair(10 * MS, &a, &b), 0);
    assert_int_equal(b->deadline(b), DUET_NEVER);
    send_byte(a, 5 * MS, 1, 0);
    assert_int_equal(b->deadline(b), 15 * MS);
    assert_int_equal(a->deadline(a), DUET_NEVER);
    assert_int_equal(receive_byte(b, 15 * MS - 1), -1);
    assert_int_equal(receive_byte(a, 100 * MS), -1);
    assert_int_equal(receive_byte(b, 15 * MS), 1);
    assert_int_equal(receive_byte(b, 100 * MS), -1);
    assert_int_equal(b->deadline(b), DUET_NEVER);
    assert_int_equal(a->descriptor(a), -1);
    a->close(a);
    b->close(b);
}

static void both_directions_keep_their_own_order(void **state)
{
    struct duet_link *a, *b;

    (void)state;
    assert_int_equal(duet_wire_pair(1 * MS, &a, &b), 0);
    for (uint8_t i = 0; i < 100; i++) {
        send_byte(a, 0, i, 0);
        send_byte(b, 0, (uint8_t)(100 + i), 0);
    }
    for (uint8_t i = 0; i < 100; i++) {
        assert_int_equal(receive_byte(b, 1 * MS), i);
        assert_int_equal(receive_byte(a, 1 * MS), 100 + i);
    }
    a->close(a);
    b->close(b);
}

static void departure_times_decide_the_order_of_arrival(void **state)
{
    struct duet_link *a, *b;

    (void)state;
    assert_int_equal(duet_wire_pair(10 * MS, &a, &b), 0);
    send_byte(a, 0, 1, 20 * MS);
    send_byte(a, 0, 2, 5 * MS);
    send_byte(a, 1 * MS, 3, 0);
    send_byte(a, 5 * MS, 4, 5 * MS);
    assert_int_equal(b->deadline(b), 11 * MS);
    assert_int_equal(receive_byte(b, 11 * MS), 3);
    assert_int_equal(receive_byte(b, 14 * MS), -1);
    assert_int_equal(receive_byte(b, 15 * MS), 2);
    assert_int_equal(receive_byte(b, 15 * MS), 4);
    assert_int_equal(b->deadline(b), 30 * MS);
    assert_int_equal(receive_byte(b, 30 * MS), 1);
    a->close(a);
    b->close(b);
}

static void offload_fields_travel_with_the_packet(void **state)
{
    struct duet_link *a, *b;
    uint8_t data[3] = {1, 2, 3}, room[3] = {0};
    struct duet_packet sent = {.data = data,
                               .size = 3,
                               .length = 3,
                               .segment_size = 1400,
                               .checksum_start = 20,
                               .checksum_offset = 16,
                               .flags = DUET_PACKET_CHECKSUM_PARTIAL,
                               .departure = 7,
                               .tag = 9};
    struct duet_packet got = {.data = room, .size = sizeof(room)};

    (void)state;
    assert_int_equal(duet_wire_pair(0, &a, &b), 0);
    assert_true(a->send(a, 7, &sent));
    assert_true(b->receive(b, 7, &got));
    assert_int_equal(got.length, 3);
    assert_memory_equal(room, data, 3);
    assert_int_equal(got.segment_size, 1400);
    assert_int_equal(got.checksum_start, 20);
    assert_int_equal(got.checksum_offset, 16);
    assert_int_equal(got.flags, DUET_PACKET_CHECKSUM_PARTIAL);
    assert_int_equal(got.departure, 7);
    assert_int_equal(got.tag, 9);
    a->close(a);
    b->close(b);
}

static void packet_larger_than_the_room_is_lost_and_the_next_one_comes(void **state)
{
    struct duet_link *a, *b;
    uint8_t data[8] = {0};
    struct duet_packet large = {.data = data, .size = 8, .length = 8};

    (void)state;
    assert_int_equal(duet_wire_pair(0, &a, &b), 0);
    assert_true(a->send(a, 0, &large));
    send_byte(a, 0, 2, 0);
    assert_int_equal(receive_byte(b, 0), 2);
    assert_int_equal(b->error, EMSGSIZE);
    a->close(a);
    b->close(b);
}

static void one_end_outlives_the_other(void **state)
{
    struct duet_link *a, *b;

    (void)state;
    assert_int_equal(duet_wire_pair(1 * MS, &a, &b), 0);
    send_byte(a, 0, 1, 0);
    send_byte(a, 0, 2, 0);
    send_byte(b, 0, 3, 0);
    a->close(a);
    send_byte(b, 0, 4, 0); /* to nobody */
    assert_int_equal(receive_byte(b, 1 * MS), 1);
    b->close(b); /* with a packet still on its way */
}

static void negative_delay_is_refused(void **state)
{
    struct duet_link *a, *b;

    (void)state;
    errno = 0;
    assert_int_equal(duet_wire_pair(-1, &a, &b), -1);
    assert_int_equal(errno, EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packet_arrives_exactly_after_the_delay),
        cmocka_unit_test(both_directions_keep_their_own_order),
        cmocka_unit_test(departure_times_decide_the_order_of_arrival),
        cmocka_unit_test(offload_fields_travel_with_the_packet),
        cmocka_unit_test(packet_larger_than_the_room_is_lost_and_the_next_one_comes),
        cmocka_unit_test(one_end_outlives_the_other),
        cmocka_unit_test(negative_delay_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
