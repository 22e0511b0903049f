/* SPDX-License-Identifier: MIT */
/* Agreement on ECN, every combination of bits by every wish (RFC 3168, 6.1.1; RFC 9768, 3.1.2 and
 * 3.1.3), and the AccECN option on the wire (9768, 3.2.3). IPv6 throughout: its header has no sum
 * that a mark would change. */
#include "rig.h"

#include "wire/tcp_options.h"

#include <stdlib.h>

enum { LISTENING = 80, ISN_OF_PEER = -3 }; /* its numbers wrap behind the SYN */

static const enum duet_ecn wishes[] = {DUET_ECN_OFF, DUET_ECN_ANSWER, DUET_ECN_REQUEST,
                                       DUET_ECN_REQUEST_ACCURATE};

/* ---- the tables themselves ---- */

/* 3168-1, 3168-2, 9768-4, 9768-5 */
static void syn_by_wish(void **state)
{
    (void)state;
    for (unsigned ace = 0; ace < 8; ace++) {
        assert_int_equal(tcp_ecn_of_syn(DUET_ECN_OFF, ace), TCP_ECN_NOT);
        for (unsigned w = 1; w < COUNT_OF(wishes); w++)
            assert_int_equal(tcp_ecn_of_syn(wishes[w], ace), ace == 0   ? TCP_ECN_NOT
                                                             : ace == 3 ? TCP_ECN_CLASSIC
                                                                        : TCP_ECN_ACCURATE);
    }
}

/* 3168-1, 9768-4, 9768-5 */
static void syn_ack_by_wish(void **state)
{
    (void)state;
    static const enum tcp_ecn_mode accurate[] = {
        TCP_ECN_NOT,      TCP_ECN_CLASSIC,  TCP_ECN_ACCURATE, TCP_ECN_ACCURATE,
        TCP_ECN_ACCURATE, TCP_ECN_ACCURATE, TCP_ECN_ACCURATE, TCP_ECN_NOT};
    for (unsigned ace = 0; ace < 8; ace++) {
        assert_int_equal(tcp_ecn_of_syn_ack(DUET_ECN_OFF, ace), TCP_ECN_NOT);
        assert_int_equal(tcp_ecn_of_syn_ack(DUET_ECN_ANSWER, ace), TCP_ECN_NOT);
        assert_int_equal(tcp_ecn_of_syn_ack(DUET_ECN_REQUEST, ace),
                         (ace & 3) == 1 ? TCP_ECN_CLASSIC : TCP_ECN_NOT);
        assert_int_equal(tcp_ecn_of_syn_ack(DUET_ECN_REQUEST_ACCURATE, ace), accurate[ace]);
    }
}

/* ---- the same on the wire ---- */

static struct rig *rig_new(enum duet_ecn wish)
{
    struct duet_config config;
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig_config(&config);
    config.ecn = (uint8_t)wish;
    rig_start(rig, &config);
    return rig;
}

static void rig_free(struct rig *rig)
{
    rig_end(rig);
    free(rig);
}

static void say(struct rig *rig, const struct tcp_tuple *tuple, const struct rig_segment *segment,
                unsigned ip_ecn)
{
    struct duet_packet packet = {.data = rig->in, .size = sizeof rig->in};
    packet.length = rig_encode(rig->in, tuple, segment);
    rig->in[1] = (uint8_t)(rig->in[1] | ip_ecn << 4);
    duet_input(rig->stack, rig->now, &packet);
    assert_null(duet_check(rig->stack));
}

static unsigned ip_ecn_out(const struct rig *rig)
{
    return rig->packet.data[1] >> 4 & 3;
}

static struct duet_handle listen_at(struct rig *rig)
{
    const struct duet_listen_options options = {.local = {{{0}}, LISTENING}, .backlog = 8};
    struct duet_handle handle;
    assert_int_equal(duet_listen(rig->stack, 0, &options, &handle), DUET_OK);
    return handle;
}

/* 9768-2, 9768-5, 9768-10, 3168-3: every SYN, every field of IP, every wish, up to the first text. */
static void every_syn_is_answered_by_the_table(void **state)
{
    (void)state;
    static const unsigned reflection[] = {2, 3, 4, 6};
    for (unsigned w = 0; w < COUNT_OF(wishes); w++) {
        for (unsigned row = 0; row < 8 * 4; row++) {
            const unsigned ace = row % 8, field = row / 8;
            struct rig *rig = rig_new(wishes[w]);
            struct tcp_tuple tuple = rig_tuple6(LISTENING, 4000);
            struct rig_segment segment = {.flags = DUET_SYN | tcp_ecn_flag_bits(ace),
                                          .seq = (uint32_t)ISN_OF_PEER,
                                          .window = 60000};
            struct rig_segment answer;
            struct duet_handle listener = listen_at(rig), handle;
            const enum tcp_ecn_mode mode = tcp_ecn_of_syn(wishes[w], ace);
            const unsigned bits = mode == TCP_ECN_CLASSIC    ? 1
                                  : mode == TCP_ECN_ACCURATE ? reflection[field]
                                                             : 0;
            say(rig, &tuple, &segment, field);
            assert_true(rig_output(rig, NULL, &answer));
            assert_int_equal(answer.flags, DUET_SYN | DUET_ACK | tcp_ecn_flag_bits(bits));
            assert_int_equal(ip_ecn_out(rig), TCP_NOT_ECT);

            segment.flags = DUET_ACK;
            if (mode == TCP_ECN_ACCURATE)
                segment.flags |= tcp_ecn_flag_bits(2);
            segment.seq++;
            segment.ack = answer.seq + 1;
            say(rig, &tuple, &segment, TCP_NOT_ECT);
            assert_int_equal(duet_accept(rig->stack, 0, listener, &handle, NULL), DUET_OK);
            struct duet_status status;
            assert_int_equal(duet_status(rig->stack, handle, &status), DUET_OK);
            assert_int_equal(status.ecn, mode == TCP_ECN_NOT       ? DUET_ECN_NOT_AGREED
                                         : mode == TCP_ECN_CLASSIC ? DUET_ECN_CLASSIC
                                                                   : DUET_ECN_ACCURATE);
            assert_int_equal(duet_send(rig->stack, 0, handle, "text", 4, 0), 4);
            assert_true(rig_output(rig, NULL, &answer));
            assert_int_equal(ip_ecn_out(rig), mode == TCP_ECN_NOT ? TCP_NOT_ECT : TCP_ECT_0);
            assert_int_equal(tcp_ecn_bits(answer.flags), mode == TCP_ECN_ACCURATE ? 5 : 0);
            rig_free(rig);
        }
    }
}

/* 9768-1, 9768-4, 9768-12, 3168-1, 3168-3: every SYN,ACK, every field of IP, every wish. */
static void every_syn_ack_is_taken_by_the_table(void **state)
{
    (void)state;
    static const unsigned asked[] = {0, 0, 3, 7};
    static const unsigned reflection[] = {2, 3, 4, 6};
    for (unsigned w = 0; w < COUNT_OF(wishes); w++) {
        for (unsigned row = 0; row < 8 * 4; row++) {
            const unsigned ace = row % 8, field = row / 8;
            struct rig *rig = rig_new(wishes[w]);
            struct tcp_tuple tuple = rig_tuple6(4000, LISTENING);
            const struct duet_connect_options options = {
                .local = {tuple.local, tuple.local_port},
                .remote = {tuple.remote, tuple.remote_port}};
            struct duet_handle handle;
            struct rig_segment syn, third;
            const enum tcp_ecn_mode mode = tcp_ecn_of_syn_ack(wishes[w], ace);
            assert_int_equal(duet_connect(rig->stack, 0, &options, &handle), DUET_OK);
            assert_true(rig_output(rig, NULL, &syn));
            assert_int_equal(syn.flags, DUET_SYN | tcp_ecn_flag_bits(asked[w]));
            assert_int_equal(ip_ecn_out(rig), TCP_NOT_ECT);
            struct duet_status status;
            assert_int_equal(duet_status(rig->stack, handle, &status), DUET_OK);
            assert_int_equal(status.ecn, DUET_ECN_NOT_AGREED); /* 9768-3 */

            const struct rig_segment answer = {.flags =
                                                   DUET_SYN | DUET_ACK | tcp_ecn_flag_bits(ace),
                                               .seq = (uint32_t)ISN_OF_PEER,
                                               .ack = syn.seq + 1,
                                               .window = 60000};
            say(rig, &tuple, &answer, field);
            assert_true(rig_output(rig, NULL, &third));
            assert_int_equal(tcp_ecn_bits(third.flags),
                             mode == TCP_ECN_ACCURATE ? reflection[field] : 0);
            assert_int_equal(ip_ecn_out(rig), TCP_NOT_ECT);
            assert_int_equal(duet_status(rig->stack, handle, &status), DUET_OK);
            assert_int_equal(status.ecn, mode == TCP_ECN_NOT       ? DUET_ECN_NOT_AGREED
                                         : mode == TCP_ECN_CLASSIC ? DUET_ECN_CLASSIC
                                                                   : DUET_ECN_ACCURATE);
            const bool mangled = mode == TCP_ECN_ACCURATE && (ace == 3 || ace == 4 || ace == 6);
            assert_int_equal(status.ecn_capable, mode != TCP_ECN_NOT && !mangled);
            rig_free(rig);
        }
    }
}

/* What one connection, and one listener, wants. */
static void wish_of_one_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_new(DUET_ECN_ANSWER);
    struct tcp_tuple tuple = rig_tuple6(4000, LISTENING);
    const struct duet_connect_options options = {.local = {tuple.local, tuple.local_port},
                                                 .remote = {tuple.remote, tuple.remote_port}};
    struct duet_handle handle;
    struct rig_segment syn;
    assert_int_equal(duet_connect(rig->stack, 0, &options, &handle), DUET_OK);
    assert_int_equal(duet_set(rig->stack, 0, handle, DUET_OPTION_ECN, 4), DUET_E_ARG);
    assert_int_equal(duet_set(rig->stack, 0, handle, DUET_OPTION_ECN, DUET_ECN_REQUEST), DUET_OK);
    assert_true(rig_output(rig, NULL, &syn));
    assert_int_equal(syn.flags, DUET_SYN | DUET_ECE | DUET_CWR);
    assert_int_equal(duet_set(rig->stack, 0, handle, DUET_OPTION_ECN, DUET_ECN_OFF), DUET_E_PERM);

    struct duet_handle listener = listen_at(rig), connection;
    const struct duet_socket_address remote = {tuple.remote, 99};
    assert_int_equal(duet_set(rig->stack, 0, listener, DUET_OPTION_ECN, 4), DUET_E_ARG);
    assert_int_equal(duet_set(rig->stack, 0, listener, DUET_OPTION_ECN, DUET_ECN_REQUEST_ACCURATE),
                     DUET_OK);
    assert_int_equal(duet_connect_listener(rig->stack, 0, listener, &remote, &connection), DUET_OK);
    assert_true(rig_output(rig, NULL, &syn));
    assert_int_equal(syn.flags, DUET_SYN | DUET_ECE | DUET_CWR | DUET_AE);
    rig_free(rig);
}

/* ---- the option ---- */

/* 9768-16 */
static void option_lengths(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t size, bytes[16];
        unsigned order, fields;
        uint32_t field[3];
    } rows[] = {
        {"empty", 2, {172, 2}, 0, 0, {0}},
        {"one", 5, {172, 5, 1, 2, 3}, 0, 1, {0x010203}},
        {"two", 8, {174, 8, 1, 2, 3, 4, 5, 6}, 1, 2, {0x010203, 0x040506}},
        {"all", 11, {172, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0, 3, {0x010203, 0x040506, 0x070809}},
        {"all, other order",
         11,
         {174, 11, 255, 255, 255, 4, 5, 6, 7, 8, 9},
         1,
         3,
         {0xffffff, 0x040506, 0x070809}},
        {"seven: one fits", 7, {172, 7, 1, 2, 3, 4, 5}, 0, 1, {0x010203}},
        {"four: none fits", 4, {174, 4, 1, 2}, 1, 0, {0}},
        {"fourteen: three count",
         14,
         {172, 14, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1, 1},
         0,
         3,
         {0x010203, 0x040506, 0x070809}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tcp_options options;
        tcp_options_parse(rows[i].bytes, rows[i].bytes + rows[i].size, &options);
        EXPECT_EQUAL(rows[i].name, options.malformed, false);
        EXPECT_EQUAL(rows[i].name, options.present, DUET_TRACE_ACCURATE_ECN);
        EXPECT_EQUAL(rows[i].name, options.accurate_ecn.order, rows[i].order);
        EXPECT_EQUAL(rows[i].name, options.accurate_ecn.fields, rows[i].fields);
        for (unsigned f = 0; f < rows[i].fields; f++)
            EXPECT_EQUAL(rows[i].name, options.accurate_ecn.field[f], rows[i].field[f]);
    }
}

static void option_is_built_with_whole_words(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned order, fields, size;
        uint8_t bytes[12];
    } rows[] = {
        {"empty", 0, 0, 4, {1, 1, 172, 2}},
        {"one", 1, 1, 8, {1, 1, 1, 174, 5, 0xab, 0xcd, 0xef}},
        {"two", 0, 2, 8, {172, 8, 0xab, 0xcd, 0xef, 0, 0, 2}},
        {"three", 0, 3, 12, {1, 172, 11, 0xab, 0xcd, 0xef, 0, 0, 2, 0xff, 0, 1}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct tcp_options options = {.present = DUET_TRACE_ACCURATE_ECN,
                                            .accurate_ecn = {.order = (uint8_t)rows[i].order,
                                                             .fields = (uint8_t)rows[i].fields,
                                                             .field = {0xabcdef, 2, 0xff0001}}};
        uint8_t bytes[TCP_OPTIONS_MAX];
        EXPECT_EQUAL(rows[i].name, tcp_options_size(&options), rows[i].size);
        EXPECT_EQUAL(rows[i].name, tcp_options_build(bytes, &options) - bytes, rows[i].size);
        EXPECT_BYTES(rows[i].name, bytes, rows[i].bytes, rows[i].size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syn_by_wish),
        cmocka_unit_test(syn_ack_by_wish),
        cmocka_unit_test(every_syn_is_answered_by_the_table),
        cmocka_unit_test(every_syn_ack_is_taken_by_the_table),
        cmocka_unit_test(wish_of_one_connection),
        cmocka_unit_test(option_lengths),
        cmocka_unit_test(option_is_built_with_whole_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
