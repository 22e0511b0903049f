/* SPDX-License-Identifier: MIT */
/* The user timeout option (RFC 5482): its value, by a table, and what a script cannot say: the
 * packets of a link that cuts, and what is said of a timeout of never. */
#include "rig.h"

#include "base/bytes.h"

#define MINUTE 60000u

/* 5482-1: one bit of unit, 15 bits of value; what is sent is never zero (5482-2) nor less than the
 * time meant. */
static void value(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t ms;
        uint16_t wire;
        uint32_t back;
    } rows[] = {
        {"nothing", 0, 1, 1000},
        {"a millisecond", 1, 1, 1000},
        {"a second", 1000, 1, 1000},
        {"a bit more", 1001, 2, 2000},
        {"300 s", 300000, 300, 300000},
        {"the last in seconds", 32767000, 0x7fff, 32767000},
        {"one more is minutes", 32768000, 0x8000 | 547, 547 * MINUTE},
        {"24 days", 24 * 1440 * MINUTE, 0xffff, 32767 * MINUTE},
        {"the longest", 32767 * MINUTE, 0xffff, 32767 * MINUTE},
        {"beyond it", UINT32_MAX, 0xffff, 32767 * MINUTE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EXPECT_EQUAL(rows[i].name, tcp_user_timeout_encode(rows[i].ms), rows[i].wire);
        EXPECT_EQUAL(rows[i].name, tcp_user_timeout_decode(rows[i].wire), rows[i].back);
    }
    EXPECT_EQUAL("120 min", tcp_user_timeout_decode(0x8078), 120 * MINUTE);
    EXPECT_EQUAL("zero", tcp_user_timeout_decode(0), 0);
    EXPECT_EQUAL("zero minutes", tcp_user_timeout_decode(0x8000), 0);
}

static struct tcp_options options_of(const struct rig *rig)
{
    struct tcp_header header;
    assert_int_equal(tcp_parse(rig->out + 20, rig->packet.length - 20, &header), TCP_WIRE_OK);
    return header.options;
}

/* rig_connect() would stumble over the option: the next packet, whatever it is. */
static bool next_packet(struct rig *rig)
{
    rig->packet = (struct duet_packet){.data = rig->out, .size = sizeof rig->out};
    return duet_output(rig->stack, rig->now, &rig->packet);
}

static struct duet_handle connect_with_the_option(struct rig *rig, struct tcp_tuple *tuple,
                                                  uint32_t *iss)
{
    const struct duet_connect_options options = {.local = {rig_tuple(4000, 80).local, 4000},
                                                 .remote = {rig_tuple(4000, 80).remote, 80}};
    struct duet_handle handle;
    *tuple = rig_tuple(4000, 80);
    assert_int_equal(duet_connect(rig->stack, rig->now, &options, &handle), DUET_OK);
    assert_true(next_packet(rig));
    struct tcp_header syn;
    assert_int_equal(tcp_parse(rig->out + 20, rig->packet.length - 20, &syn), TCP_WIRE_OK);
    *iss = syn.seq;
    const struct rig_segment answer = {
        .flags = DUET_SYN | DUET_ACK, .seq = 7000, .ack = *iss + 1, .window = 65535, .mss = 1460};
    rig_input(rig, tuple, &answer);
    return handle;
}

/* A link that cuts repeats the header in each segment: all of them have given room (5482-6). */
static void link_that_cuts(void **state)
{
    (void)state;
    struct rig *rig = test_malloc(sizeof *rig);
    struct duet_config config;
    rig_config(&config);
    config.user_timeout_option = true;
    config.offload = DUET_OFFLOAD_SEGMENT;
    rig_start(rig, &config);
    struct tcp_tuple tuple;
    uint32_t iss;
    static const uint8_t text[8000];
    const struct duet_handle handle = connect_with_the_option(rig, &tuple, &iss);
    assert_int_equal(duet_send(rig->stack, 0, handle, text, sizeof text, 0), sizeof text);
    while (next_packet(rig)) {
        const struct tcp_options options = options_of(rig);
        const uint32_t header = 20 + 20 + tcp_options_size(&options);
        const uint32_t segment =
            rig->packet.segment_size != 0 ? rig->packet.segment_size : rig->packet.length - header;
        EXPECT("fits the link when cut", header + segment <= config.mtu);
        EXPECT_EQUAL("first data carries it", (options.present & DUET_TRACE_USER_TIMEOUT) != 0,
                     bytes_get32(rig->out + 24) == iss + 1);
    }
    rig_end(rig);
    test_free(rig);
}

/* Who never gives up says the longest time that it would adopt. */
static void never_is_said_as_the_upper_limit(void **state)
{
    (void)state;
    struct rig *rig = test_malloc(sizeof *rig);
    struct duet_config config;
    rig_config(&config);
    config.user_timeout_option = true;
    config.user_timeout = 0;
    rig_start(rig, &config);
    struct tcp_tuple tuple;
    uint32_t iss;
    const struct duet_handle handle = connect_with_the_option(rig, &tuple, &iss);
    EXPECT_EQUAL("on the SYN", options_of(rig).user_timeout, 3600);
    assert_true(next_packet(rig));
    EXPECT_EQUAL("on the ACK", options_of(rig).user_timeout, 3600);
    assert_int_equal(duet_set(rig->stack, 0, handle, DUET_OPTION_USER_TIMEOUT, 0), DUET_OK);
    assert_true(next_packet(rig));
    EXPECT_EQUAL("set by the user", options_of(rig).user_timeout, 3600);
    assert_false(next_packet(rig));
    rig_end(rig);
    test_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(value),
        cmocka_unit_test(link_that_cuts),
        cmocka_unit_test(never_is_said_as_the_upper_limit),
    };
    return cmocka_run_group_tests_name("user timeout", tests, NULL, NULL);
}
