/* SPDX-License-Identifier: MIT */
/* Packets of scripts: built into bytes, read back from bytes, printed and compared; the clock and the
 * settings that scripts ask for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "duet/trace.h"
#include "sim/script/packet.h"
#include "sim/script/settings.h"
#include "sim/script/values.h"
#include "wire/ip.h"
#include "wire/tcp.h"

static struct script script;
static struct flow flow;
static struct duet_address router;
static uint8_t bytes[PACKET_BYTES_MAX];

static struct packet_event *line(const char *text)
{
    struct script_error error;
    if (!script_parse(&script, text, strlen(text), NULL, 0, &error)) {
        fail_msg("%u:%u: %s", error.line, error.column, error.text);
    }
    return script.events->packet;
}

static int fresh_flow(void **state)
{
    (void)state;
    memset(&flow, 0, sizeof(flow));
    flow.local = (struct duet_socket_address){duet_ipv4(192, 168, 0, 1), 8080};
    flow.remote = (struct duet_socket_address){duet_ipv4(192, 0, 2, 1), 40000};
    router = flow.remote.address;
    return 0;
}

/* What the stack would have to send to satisfy a line: built as if it came in, with the ends exchanged. */
static uint32_t as_sent(const char *text)
{
    struct flow mirror = flow;
    mirror.local = flow.remote;
    mirror.remote = flow.local;
    mirror.local_offset = flow.remote_offset;
    mirror.remote_offset = flow.local_offset;
    uint32_t length = packet_build(line(text), &mirror, &router, bytes);
    script_free(&script);
    return length;
}

static struct packet_seen seen;

static void read_sent(const char *text, uint32_t script_isn)
{
    const char *reason = NULL;
    uint32_t length = as_sent(text);
    if (!packet_read(bytes, length, false, &seen, &reason)) {
        fail_msg("%s", reason);
    }
    packet_make_relative(&seen, &flow, script_isn);
}

/* ---- bytes ---- */

static void what_is_built_is_what_src_wire_reads(void **state)
{
    (void)state;
    flow.local_offset = 0x10000000;
    flow.remote_offset = 0xfffffff0;
    uint32_t length = packet_build(line("+0 < [ce, tos 0x28, ttl 9] SP. 5:15(10) ack 7 win 512 "
                                        "<mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7>"),
                                   &flow, &router, bytes);
    struct ip_packet ip;
    struct tcp_header tcp;
    assert_int_equal(ip_parse(bytes, length, &ip), IP_OK);
    assert_int_equal(ip.ttl, 9);
    assert_int_equal(ip.traffic_class, 0x2b);
    assert_int_equal(tcp_parse(ip.payload, ip.payload_length, &tcp), TCP_WIRE_OK);
    assert_int_equal(tcp.source_port, 40000);
    assert_int_equal(tcp.seq, 0xfffffff5);
    assert_int_equal(tcp.ack, 0x10000007);
    assert_int_equal(tcp.flags, DUET_SYN | DUET_PSH | DUET_ACK);
    assert_int_equal(tcp.window, 512);
    assert_int_equal(tcp.text_length, 10);
    assert_int_equal(tcp.options.mss, 1460);
    assert_int_equal(tcp.options.window_scale, 7);
    assert_int_equal(tcp.options.tsval, 1);
    assert_int_equal(tcp.options.tsecr, 2);
    assert_false(tcp.options.malformed);
    assert_int_equal(tcp.text[0], flow_pattern(0xfffffff6));
    script_free(&script);
}

static void strange_packets_are_strange(void **state)
{
    (void)state;
    struct ip_packet ip;
    struct tcp_header tcp;
    const char *reason = NULL;
    uint32_t length = packet_build(line("+0 < [badsum] . 1:1(0) ack 1"), &flow, &router, bytes);
    assert_false(packet_read(bytes, length, false, &seen, &reason));
    assert_string_equal(reason, "a segment with a wrong checksum");
    assert_true(packet_read(bytes, length, true, &seen, &reason));
    script_free(&script);
    length = packet_build(line("+0 < [badipsum] . 1:1(0) ack 1"), &flow, &router, bytes);
    assert_int_equal(ip_parse(bytes, length, &ip), IP_BAD_CHECKSUM);
    script_free(&script);
    length = packet_build(line("+0 < [more] . 1:1(0) ack 1"), &flow, &router, bytes);
    assert_int_equal(ip_parse(bytes, length, &ip), IP_FRAGMENT);
    script_free(&script);
    length =
        packet_build(line("+0 < [ipopt 830704c000020101] . 1:1(0) ack 1"), &flow, &router, bytes);
    assert_int_equal(ip_parse(bytes, length, &ip), IP_SOURCE_ROUTE);
    script_free(&script);
    length = packet_build(line("+0 < [offset 4] . 1:1(0) ack 1"), &flow, &router, bytes);
    assert_int_equal(ip_parse(bytes, length, &ip), IP_OK);
    assert_int_equal(tcp_parse(ip.payload, ip.payload_length, &tcp), TCP_WIRE_BAD_OFFSET);
    script_free(&script);
    length = packet_build(line("+0 < [cut 33] . 1:1(0) ack 1"), &flow, &router, bytes);
    assert_int_equal(length, 33);
    script_free(&script);
    length = packet_build(line("+0 < . 1:1(0) ack 1 <raw 0200>"), &flow, &router, bytes);
    assert_int_equal(ip_parse(bytes, length, &ip), IP_OK);
    assert_int_equal(tcp_parse(ip.payload, ip.payload_length, &tcp), TCP_WIRE_OK);
    assert_true(tcp.options.malformed);
    script_free(&script);
}

static void icmp_errors_quote_our_segment(void **state)
{
    (void)state;
    flow.local_offset = 1000;
    uint32_t length = packet_build(line("+0 < icmp unreachable frag_needed mtu 1200 [5:105(100)]"),
                                   &flow, &router, bytes);
    struct ip_packet ip, quoted;
    assert_int_equal(ip_parse(bytes, length, &ip), IP_OK);
    assert_int_equal(ip.payload[0], 3);
    assert_int_equal(ip.payload[1], 4);
    assert_int_equal(bytes_get16(ip.payload + 6), 1200);
    assert_true(ip_parse_quoted(ip.payload + 8, ip.payload_length - 8, &quoted));
    assert_true(duet_address_equal(&quoted.source, &flow.local.address));
    assert_int_equal(bytes_get16(quoted.payload), 8080);
    assert_int_equal(bytes_get32(quoted.payload + 4), 1005);
    script_free(&script);
}

/* ---- text ---- */

static void lines_are_printed_as_they_were_written(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "S 0:0(0) win 65535 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>",
        "[ect0] P. 1:1001(1000) ack 1 win 500 urg 5 <nop,nop,sack 5:9 11:12>",
        "FP.UEWA 4294967295:0(1) ack 2 win 0",
        "- 0:0(0) win 0 <FO 0102,eol>",
        "S 0:0(0) win 0 <md5 000102030405060708090a0b0c0d0e0f,ECN e1b 1 ceb 2 e0b 3>",
        "S 0:0(0) win 0 <raw ff030a,FOEXP>",
        "[ect01] . 1:1(0) ack 1 <...>",
        "icmp 3 4 mtu 1200 [1:2(1)]",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char text[300], printed[PACKET_PRINT_MAX];
        snprintf(text, sizeof(text), "+0 < %s", texts[i]);
        assert_string_equal(packet_print(line(text), NULL, printed, sizeof(printed)), texts[i]);
        script_free(&script);
    }
    char tiny[12];
    packet_print(line("+0 < S 0:0(0) win 65535 <mss 1460>"), NULL, tiny, sizeof(tiny));
    assert_string_equal(tiny, "S 0:0(0) wi");
    script_free(&script);
}

/* ---- comparison ---- */

static void compared_as_far_as_written(void **state)
{
    (void)state;
    static const struct {
        const char *expected, *actual, *why; /* NULL: they match */
    } rows[] = {
        {". 1:11(10) ack 1", ". 1:11(10) ack 1 win 77", NULL},
        {". 1:11(10) ack 1 win 77", ". 1:11(10) ack 1 win 77", NULL},
        {". 1:11(10) ack 1 win 78", ". 1:11(10) ack 1 win 77", "win is 77, not 78"},
        {". 1:11(10) ack 2", ". 1:11(10) ack 1", "ack is 1, not 2"},
        {"P. 1:11(10) ack 1", ". 1:11(10) ack 1", "the flags differ"},
        {". 1:12(11) ack 1", ". 1:11(10) ack 1", "the sequence numbers are 1:11(10), not 1:12(11)"},
        {". 1:1(0) ack 1 <...>", ". 1:1(0) ack 1 <nop,nop,TS val 1 ecr 2>", NULL},
        {". 1:1(0) ack 1", ". 1:1(0) ack 1 <nop,nop,TS val 1 ecr 2>", "there are options"},
        {". 1:1(0) ack 1 <nop,nop,TS val 1 ecr 2>", ". 1:1(0) ack 1", "there are no options"},
        {". 1:1(0) ack 1 <nop,nop,TS val 1 ecr 3>", ". 1:1(0) ack 1 <nop,nop,TS val 9 ecr 2>",
         "TS ecr is 2, not 3"},
        {"S 0:0(0) <mss 1460>", "S 0:0(0) <mss 1400>", "mss is 1400, not 1460"},
        {"S 0:0(0) <mss 1460,sackOK>", "S 0:0(0) <mss 1460,nop,nop>", "the options differ"},
        {". 1:1(0) ack 1 <sack 5:6>", ". 1:1(0) ack 1 <sack 5:7>", "an edge of sack is 7, not 6"},
        {". 1:1(0) ack 1 <nop>", ". 1:1(0) ack 1 <nop,eol,eol,eol>", NULL},
        {"[ect0] . 1:1(0) ack 1", "[noecn] . 1:1(0) ack 1", "the ECN field is noecn, not ect0"},
        {"[ect01] . 1:1(0) ack 1", "[ect1] . 1:1(0) ack 1", NULL},
        {"[ttl 64] . 1:1(0) ack 1", "[ttl 63] . 1:1(0) ack 1", "TTL is 63, not 64"},
        {"[tos 4] . 1:1(0) ack 1", "[tos 8] . 1:1(0) ack 1", "TOS is 8, not 4"},
        {"U. 1:2(1) ack 1 urg 1", "U. 1:2(1) ack 1 urg 2", "urg is 2, not 1"},
        {". 1:1(0)", ". 1:1(0) ack 9", NULL},
    };
    const struct packet_rules rules = {.tolerance_usecs = 4000};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[200], why[200];
        (void)fresh_flow(NULL);
        snprintf(text, sizeof(text), "+0 < %s", rows[i].actual);
        read_sent(text, 0);
        snprintf(text, sizeof(text), "+0 > %s", rows[i].expected);
        bool good = packet_matches(line(text), &seen.event, &flow, &rules, 0, why, sizeof(why));
        script_free(&script);
        if (good != (rows[i].why == NULL) || (!good && strcmp(why, rows[i].why) != 0)) {
            fail_msg("%s against %s: %s", rows[i].expected, rows[i].actual, good ? "match" : why);
        }
    }
}

static void option_order_may_be_free(void **state)
{
    (void)state;
    const struct packet_rules rules = {.free_option_order = true};
    char why[200];
    read_sent("+0 < S 0:0(0) <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>", 0);
    assert_true(
        packet_matches(line("+0 > S 0:0(0) <wscale 7,nop,nop,TS val 5 ecr 0,mss 1460,sackOK>"),
                       &seen.event, &flow, &rules, 0, why, sizeof(why)));
    script_free(&script);
    assert_false(packet_matches(line("+0 > S 0:0(0) <wscale 7,mss 1460,sackOK>"), &seen.event,
                                &flow, &rules, 0, why, sizeof(why)));
    assert_string_equal(why, "there are other options");
    script_free(&script);
}

static void numbers_of_the_stack_are_relative_to_its_syn(void **state)
{
    (void)state;
    flow.local_offset = 0x89abcdef; /* what as_sent() takes for the stack's */
    flow.remote_offset = 500;
    read_sent("+0 < S. 0:0(0) ack 1", 0);
    assert_int_equal(seen.event.seq, 0);
    assert_int_equal(seen.event.ack, 1);
    assert_int_equal(flow.local_isn, 0x89abcdef);
    read_sent("+0 < S. 0:0(0) ack 1", 77);
    assert_int_equal(seen.event.seq, 77);
    assert_int_equal(flow.local_offset, 0x89abcdef - 77);
    /* A reset with the number 0 on the wire is a 0 in the script. */
    flow.local_offset = 0;
    uint32_t length = as_sent("+0 < R. 0:0(0) ack 1");
    const char *reason = NULL;
    assert_true(packet_read(bytes, length, false, &seen, &reason));
    flow.local_offset = 0x89abcdef;
    packet_make_relative(&seen, &flow, 0);
    assert_int_equal(seen.event.seq, 0);
}

static void push_inside_the_text_is_left_to_the_sender(void **state)
{
    (void)state;
    const struct packet_rules rules = {0};
    char why[200];
    read_sent("+0 < S 0:0(0)", 0);
    flow.text_end = 2000;
    read_sent("+0 < . 1:1001(1000) ack 1", 0);
    assert_true(packet_matches(line("+0 > P. 1:1001(1000) ack 1"), &seen.event, &flow, &rules, 0,
                               why, sizeof(why)));
    script_free(&script);
    read_sent("+0 < . 1001:2001(1000) ack 1", 0);
    assert_false(packet_matches(line("+0 > P. 1001:2001(1000) ack 1"), &seen.event, &flow, &rules,
                                0, why, sizeof(why)));
    script_free(&script);
    read_sent("+0 < P. 1:1001(1000) ack 1", 0);
    assert_false(packet_matches(line("+0 > . 1:1001(1000) ack 1"), &seen.event, &flow, &rules, 0,
                                why, sizeof(why)));
    script_free(&script);
}

static void clocks_are_translated(void **state)
{
    (void)state;
    assert_int_equal(flow_clock_live(&flow, 5), 5);
    flow_clock_learn(&flow, 100, 777000, 0);
    assert_int_equal(flow_clock_live(&flow, 100), 777000);
    assert_int_equal(flow_clock_live(&flow, 130), 777030);
    assert_int_equal(flow_clock_script(&flow, 777030), 130);
    flow_clock_learn(&flow, 200, 777555, 0); /* a script may count otherwise */
    assert_int_equal(flow_clock_live(&flow, 200), 777555);
    assert_int_equal(flow_clock_script(&flow, 777555), 200);
    for (uint32_t i = 0; i < 1000; i++) {
        flow_clock_learn(&flow, 1000 + i, 800000 + 3 * i, 0);
    }
    assert_int_equal(flow_clock_live(&flow, 100), 777000); /* the first is kept */
    assert_int_equal(flow_clock_live(&flow, 1999), 800000 + 3 * 999);
}

/* ---- settings ---- */

static char notes[2000];

static void note(void *context, const char *text)
{
    (void)context;
    snprintf(notes + strlen(notes), sizeof(notes) - strlen(notes), "%s|", text);
}

static void sysctl_is_translated_where_duet_has_the_setting(void **state)
{
    (void)state;
    struct settings settings;
    settings_default(&settings);
    char problem[200];
    assert_true(settings_finish(&settings, problem, sizeof(problem)));
    notes[0] = '\0';
    assert_true(settings_command(&settings,
                                 "sysctl -q net.ipv4.tcp_sack=0 -w net.ipv4.tcp_timestamps=\"0\"\n"
                                 "sysctl -w net.ipv4.tcp_rmem='4096 10000 20000'; "
                                 "echo 30 > /proc/sys/net/ipv4/tcp_fin_timeout\n"
                                 "sysctl net.ipv4.tcp_syn_retries=1 net/ipv4/tcp_rfc1337=0 &&"
                                 "sysctl net.inet.tcp.msl=1000 # comment",
                                 note, NULL));
    assert_false(settings.config.sack);
    assert_false(settings.config.timestamps);
    assert_int_equal(settings.config.receive_buffer, 20000);
    assert_int_equal(settings.receive_buffer, 5000); /* as window */
    assert_int_equal(settings.config.fin_wait_2_timeout, 30 * DUET_SECOND);
    assert_int_equal(settings.config.syn_timeout, 3 * DUET_SECOND);
    assert_true(settings.config.time_wait_rst);
    assert_int_equal(settings.config.msl, DUET_SECOND);
    assert_null(strstr(notes, "ignored"));
    notes[0] = '\0';
    assert_true(settings_command(
        &settings, "sysctl -q net.core.bogus=1 net.ipv4.tcp_synack_retries=99", note, NULL));
    assert_string_equal(notes, "ignored: duet has nothing like net.core.bogus|"
                               "ignored: duet cannot do net.ipv4.tcp_synack_retries=99|");
    assert_int_equal(settings.config.syn_ack_retries, 5);
    assert_false(settings_command(&settings, "tc qdisc add dev tun0", note, NULL));
}

static void fields_of_the_configuration_by_name(void **state)
{
    (void)state;
    struct settings settings;
    char problem[200];
    settings_default(&settings);
    assert_true(settings_config(&settings, "delayed_ack=25ms", problem, sizeof(problem)));
    assert_int_equal(settings.config.delayed_ack, 25 * DUET_MILLISECOND);
    assert_true(settings_config(&settings, "msl=2min", problem, sizeof(problem)));
    assert_int_equal(settings.config.msl, 120 * DUET_SECOND);
    assert_true(settings_config(&settings, "sack=false", problem, sizeof(problem)));
    assert_false(settings.config.sack);
    assert_true(settings_config(&settings, "receive_buffer=2000", problem, sizeof(problem)));
    assert_int_equal(settings.receive_buffer, 0);
    assert_false(settings_config(&settings, "ttl=256", problem, sizeof(problem)));
    assert_string_equal(problem, "not a value for ttl: '256'");
    assert_false(settings_config(&settings, "bogus=1", problem, sizeof(problem)));
    assert_string_equal(problem, "the configuration has no field 'bogus'");
    assert_int_equal(settings_option(&settings, "tolerance_usecs", "10000", problem, 200), 0);
    assert_int_equal(settings.rules.tolerance_usecs, 10000);
    assert_int_equal(settings_option(&settings, "gateway_ip", "1.2.3.4", problem, 200), 1);
    assert_int_equal(settings_option(&settings, "bogus", "1", problem, 200), -1);
    assert_int_equal(settings_option(&settings, "mtu", "70000", problem, 200), -1);
    assert_int_equal(settings_option(&settings, "ip_version", "ipv6", problem, 200), 0);
    assert_int_equal(settings_option(&settings, "local_ip", "192.168.0.1", problem, 200), 0);
    assert_false(settings_finish(&settings, problem, sizeof(problem)));
}

static void constants_and_errors_by_name(void **state)
{
    (void)state;
    int64_t value = 0;
    assert_true(constant_value("SO_RCVBUF", &value));
    assert_int_equal(value, S_SO_RCVBUF);
    assert_false(constant_value("SO_BOGUS", &value));
    assert_int_equal(errno_number("EWOULDBLOCK"), errno_number("EAGAIN"));
    assert_string_equal(errno_name(115), "EINPROGRESS");
    assert_int_equal(errno_number("EBOGUS"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_built_is_what_src_wire_reads, fresh_flow),
        cmocka_unit_test_setup(strange_packets_are_strange, fresh_flow),
        cmocka_unit_test_setup(icmp_errors_quote_our_segment, fresh_flow),
        cmocka_unit_test_setup(lines_are_printed_as_they_were_written, fresh_flow),
        cmocka_unit_test_setup(compared_as_far_as_written, fresh_flow),
        cmocka_unit_test_setup(option_order_may_be_free, fresh_flow),
        cmocka_unit_test_setup(numbers_of_the_stack_are_relative_to_its_syn, fresh_flow),
        cmocka_unit_test_setup(push_inside_the_text_is_left_to_the_sender, fresh_flow),
        cmocka_unit_test_setup(clocks_are_translated, fresh_flow),
        cmocka_unit_test(sysctl_is_translated_where_duet_has_the_setting),
        cmocka_unit_test(fields_of_the_configuration_by_name),
        cmocka_unit_test(constants_and_errors_by_name),
    };
    return cmocka_run_group_tests_name("script packet", tests, NULL, NULL);
}
