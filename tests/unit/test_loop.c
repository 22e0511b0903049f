/* SPDX-License-Identifier: MIT */
/* The loop in real time, over a link that does what the test wants: room and no room, errors of a
 * packet and of the link, deadlines, and descriptors of the caller. Waits are milliseconds. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "duet/loop.h"
#include "wire/ip.h"

#define MS DUET_MILLISECOND

/* A link that takes what it is sent while there is room, and says what it is told to. */
struct test_link {
    struct duet_link link;
    unsigned room;     /* packets it takes */
    int send_error;    /* of a send that fails */
    int receive_error; /* of a receive, 0: there is just nothing */
    unsigned arrive;   /* SYNs for a port where nobody listens */
    uint16_t text;     /* bytes that each of them has */
    unsigned sent, refused;
    uint32_t last_length;
    uint8_t last_flags; /* of the TCP header */
    duet_time last_time;
};

struct fixture {
    struct test_link link;
    struct duet_stack *stack;
    struct duet_loop loop;
    unsigned doors;
};

static bool test_send(struct duet_link *link, duet_time now, const struct duet_packet *packet)
{
    struct test_link *self = (struct test_link *)(void *)link;

    if (self->room == 0) {
        self->refused++;
        link->error = self->send_error;
        return false;
    }
    self->room--;
    self->sent++;
    self->last_length = packet->length;
    self->last_flags = packet->data[20 + 13];
    self->last_time = now;
    return true;
}

static bool test_receive(struct duet_link *link, duet_time now, struct duet_packet *packet)
{
    struct test_link *self = (struct test_link *)(void *)link;
    const struct ip_packet ip = {.source = duet_ipv4(10, 0, 0, 2),
                                 .destination = duet_ipv4(10, 0, 0, 1),
                                 .protocol = 6,
                                 .ttl = 64,
                                 .payload_length = 20u + self->text};
    const uint8_t syn[20] = {0x12, 0x34, 0, 9, [12] = 0x50, [13] = 2, [14] = 0x10};

    (void)now;
    link->error = self->receive_error;
    if (self->arrive == 0)
        return false;
    self->arrive--;
    packet->length = ip_build(packet->data, &ip);
    memcpy(packet->data + packet->length, syn, sizeof syn);
    packet->length += sizeof syn;
    memset(packet->data + packet->length, 0, self->text);
    packet->length += self->text;
    packet->flags = DUET_PACKET_CHECKED;
    packet->segment_size = 0;
    return true;
}

static duet_time test_deadline(const struct duet_link *link)
{
    (void)link;
    return DUET_NEVER;
}

static int test_descriptor(const struct duet_link *link)
{
    (void)link;
    return -1;
}

static void count_door(void *context, duet_time now)
{
    struct fixture *f = context;

    assert_true(now <= duet_loop_now());
    f->doors++;
}

static void set_up(struct fixture *f)
{
    struct duet_config config;
    size_t size;
    void *memory;

    memset(f, 0, sizeof(*f));
    f->link.link = (struct duet_link){.send = test_send,
                                      .receive = test_receive,
                                      .deadline = test_deadline,
                                      .descriptor = test_descriptor,
                                      .mtu = 1500};
    f->link.room = 100;
    duet_config_default(&config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config.secret[i] = (uint8_t)(i * i);
    config.interface_count = 1;
    config.interfaces[0] = (struct duet_interface){duet_ipv4(10, 0, 0, 1), 24};
    config.offload = DUET_OFFLOAD_CHECKSUM_IN;
    config.rto_initial = 20 * MS;
    config.rto_min = 20 * MS;
    size = duet_stack_footprint(&config);
    memory = malloc(size);
    assert_non_null(memory);
    assert_int_equal(duet_stack_init(memory, size, &config, &f->stack), DUET_OK);
    assert_int_equal(duet_loop_init(&f->loop, f->stack, &f->link.link), 0);
    f->loop.after = count_door;
    f->loop.context = f;
}

static void tear_down(struct fixture *f)
{
    duet_loop_free(&f->loop);
    free(f->stack); /* which stands where its memory begins */
}

static void connect_somewhere(struct fixture *f)
{
    const struct duet_connect_options options = {.remote = {duet_ipv4(10, 0, 0, 2), 80}};
    struct duet_handle connection;

    assert_int_equal(duet_connect(f->stack, duet_loop_now(), &options, &connection), DUET_OK);
}

static void nothing_to_do_lasts_until_the_time_given(void **state)
{
    struct fixture f;
    duet_time until;

    (void)state;
    set_up(&f);
    until = duet_loop_now() + 3 * MS;
    assert_int_equal(duet_loop_run(&f.loop, until), 0);
    assert_true(duet_loop_now() >= until);
    assert_int_equal(f.link.sent, 0);
    assert_int_equal(f.doors, 0);
    tear_down(&f);
}

static void what_is_owed_is_sent(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    connect_somewhere(&f);
    assert_int_equal(duet_loop_run(&f.loop, duet_loop_now() + 1 * MS), 1);
    assert_int_equal(f.link.sent, 1);
    assert_int_equal(f.link.last_flags & 2, 2); /* SYN */
    assert_true(f.doors >= 1);
    tear_down(&f);
}

static void caller_hears_of_a_packet_before_its_answer_leaves(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.link.arrive = 1;
    assert_int_equal(duet_loop_run(&f.loop, duet_loop_now() + 1 * MS), 1);
    assert_int_equal(f.link.arrive, 0);
    assert_int_equal(f.link.sent, 0);
    assert_int_equal(duet_loop_run(&f.loop, duet_loop_now() + 1 * MS), 1);
    assert_int_equal(f.link.sent, 1);
    assert_int_equal(f.link.last_flags & 4, 4); /* RST */
    tear_down(&f);
}

/* 64 of small packets; of large ones a mebibyte, and what is left of the last. */
static void turn_takes_a_bounded_number_of_packets_and_bytes(void **state)
{
    static const struct {
        uint16_t text;
        unsigned taken;
    } rows[] = {{0, 64}, {16000, 64}, {16500, 64}, {30000, 35}, {60000, 18}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f;

        set_up(&f);
        f.link.arrive = 100;
        f.link.text = rows[i].text;
        assert_int_equal(duet_loop_run(&f.loop, duet_loop_now() + 1 * MS), 1);
        assert_int_equal(100 - f.link.arrive, rows[i].taken);
        tear_down(&f);
    }
}

static void timers_run_without_any_packet(void **state)
{
    struct fixture f;
    duet_time begin, limit;

    (void)state;
    set_up(&f);
    connect_somewhere(&f);
    begin = duet_loop_now();
    limit = begin + 5 * DUET_SECOND;
    while (f.link.sent < 2 && duet_loop_now() < limit)
        (void)duet_loop_run(&f.loop, limit);
    assert_int_equal(f.link.sent, 2); /* the SYN, and again after 20 ms */
    assert_true(f.link.last_time - begin >= 20 * MS);
    tear_down(&f);
}

static void packet_without_room_is_kept_and_sent_later(void **state)
{
    struct fixture f;
    duet_time limit = duet_loop_now() + 5 * DUET_SECOND;

    (void)state;
    set_up(&f);
    f.link.room = 0;
    connect_somewhere(&f);
    (void)duet_loop_run(&f.loop, duet_loop_now() + 3 * MS);
    assert_true(f.link.refused >= 1);
    assert_true(f.link.refused < 20); /* it does not spin */
    f.link.room = 1;
    while (f.link.sent == 0 && duet_loop_now() < limit)
        (void)duet_loop_run(&f.loop, limit);
    assert_int_equal(f.link.sent, 1);
    assert_int_equal(f.link.last_flags & 2, 2);
    tear_down(&f);
}

static void packet_that_cannot_be_sent_is_lost_like_any_other(void **state)
{
    struct fixture f;
    duet_time limit = duet_loop_now() + 5 * DUET_SECOND;

    (void)state;
    set_up(&f);
    f.link.room = 0;
    f.link.send_error = EMSGSIZE;
    connect_somewhere(&f);
    assert_int_equal(duet_loop_run(&f.loop, limit), 1);
    assert_int_equal(f.link.refused, 1);
    f.link.room = 1;
    while (f.link.sent == 0 && duet_loop_now() < limit)
        assert_true(duet_loop_run(&f.loop, limit) >= 0);
    assert_int_equal(f.link.sent, 1); /* the retransmission */
    tear_down(&f);
}

static void broken_link_ends_the_run_with_its_error(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.link.receive_error = ENETDOWN;
    errno = 0;
    assert_int_equal(duet_loop_run(&f.loop, DUET_NEVER), -1);
    assert_int_equal(errno, ENETDOWN);
    f.link.receive_error = 0;
    f.link.room = 0;
    f.link.send_error = EIO;
    connect_somewhere(&f);
    assert_int_equal(duet_loop_run(&f.loop, DUET_NEVER), -1);
    assert_int_equal(errno, EIO);
    tear_down(&f);
}

static void descriptor_of_the_caller_ends_the_wait(void **state)
{
    struct fixture f;
    struct pollfd also = {.events = POLLIN};
    int pipes[2];

    (void)state;
    set_up(&f);
    assert_int_equal(pipe(pipes), 0);
    also.fd = pipes[0];
    f.loop.also = &also;
    f.loop.also_count = 1;
    assert_int_equal(duet_loop_run(&f.loop, duet_loop_now() + 2 * MS), 0);
    assert_int_equal(also.revents, 0);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    assert_int_equal(duet_loop_run(&f.loop, DUET_NEVER), 1);
    assert_int_equal(also.revents, POLLIN);
    f.loop.also_count = DUET_LOOP_ALSO_MAX + 1;
    assert_int_equal(duet_loop_run(&f.loop, DUET_NEVER), -1);
    assert_int_equal(errno, EINVAL);
    close(pipes[0]);
    close(pipes[1]);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_do_lasts_until_the_time_given),
        cmocka_unit_test(what_is_owed_is_sent),
        cmocka_unit_test(caller_hears_of_a_packet_before_its_answer_leaves),
        cmocka_unit_test(turn_takes_a_bounded_number_of_packets_and_bytes),
        cmocka_unit_test(timers_run_without_any_packet),
        cmocka_unit_test(packet_without_room_is_kept_and_sent_later),
        cmocka_unit_test(packet_that_cannot_be_sent_is_lost_like_any_other),
        cmocka_unit_test(broken_link_ends_the_run_with_its_error),
        cmocka_unit_test(descriptor_of_the_caller_ends_the_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
