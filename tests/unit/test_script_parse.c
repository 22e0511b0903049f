/* SPDX-License-Identifier: MIT */
/* The parser of scripts: what it understands, what it says about what it does not, and that no
 * bytes at all make it stumble.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "duet/trace.h"
#include "sim/script/script.h"

static struct script script;
static struct script_error error;

static struct event *parsed(const char *text)
{
    if (!script_parse(&script, text, strlen(text), NULL, 0, &error)) {
        fail_msg("%u:%u: %s", error.line, error.column, error.text);
    }
    return script.events;
}

static struct packet_event *packet(const char *text)
{
    struct event *event = parsed(text);
    assert_int_equal(event->kind, EVENT_PACKET);
    return event->packet;
}

static struct call_event *call(const char *text)
{
    struct event *event = parsed(text);
    assert_int_equal(event->kind, EVENT_CALL);
    return event->call;
}

/* ---- times ---- */

static void times_in_all_their_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum event_time kind;
        duet_time time, end;
    } rows[] = {
        {"0 f()", TIME_ABSOLUTE, 0, 0},
        {"0.100 f()", TIME_ABSOLUTE, 100000000, 0},
        {".5 f()", TIME_ABSOLUTE, 500000000, 0},
        {"+0 f()", TIME_RELATIVE, 0, 0},
        {"+.205 f()", TIME_RELATIVE, 205000000, 0},
        {"+0.000001 f()", TIME_RELATIVE, 1000, 0},
        {"+7200 f()", TIME_RELATIVE, 7200 * DUET_SECOND, 0},
        {"f()", TIME_RELATIVE, 0, 0},
        {"* > . 1:1(0) ack 1", TIME_ANY, 0, 0},
        {"0.1~0.2 > . 1:1(0) ack 1", TIME_ABSOLUTE, 100000000, 200000000},
        {"+0~+0.1 > . 1:1(0) ack 1", TIME_RELATIVE, 0, 100000000},
        {"0...0.2 f()", TIME_ABSOLUTE, 0, 200000000},
        {"0.100...0.200 f()", TIME_ABSOLUTE, 100000000, 200000000},
        {"+0...0.2 f()", TIME_RELATIVE, 0, 200000000},
        {"+.1...+.2 f()", TIME_RELATIVE, 100000000, 200000000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct event *event = parsed(rows[i].text);
        assert_int_equal(event->time_kind, rows[i].kind);
        assert_int_equal(event->time, rows[i].time);
        assert_int_equal(event->time_end, rows[i].end);
        assert_int_equal(event->is_blocking, strstr(rows[i].text, "...") != NULL);
        assert_int_equal(event->is_range, strchr(rows[i].text, '~') != NULL);
        script_free(&script);
    }
}

/* ---- packets ---- */

static void flags_by_letter_and_as_the_counter_ace(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint16_t flags;
    } rows[] = {
        {"+0 < S 0:0(0)", DUET_SYN},
        {"+0 < S. 0:0(0)", DUET_SYN | DUET_ACK},
        {"+0 < . 0:0(0)", DUET_ACK},
        {"+0 < FPU. 0:0(0)", DUET_FIN | DUET_PSH | DUET_URG | DUET_ACK},
        {"+0 < R. 0:0(0)", DUET_RST | DUET_ACK},
        {"+0 < SEWA 0:0(0)", DUET_SYN | DUET_ECE | DUET_CWR | DUET_AE},
        {"+0 < Se 0:0(0)", DUET_SYN | DUET_AE},
        {"+0 < 5. 0:0(0)", DUET_ACK | DUET_AE | DUET_ECE},
        {"+0 < .7 0:0(0)", DUET_ACK | DUET_AE | DUET_CWR | DUET_ECE},
        {"+0 < P.2 0:0(0)", DUET_ACK | DUET_PSH | DUET_CWR},
        {"+0 < - 0:0(0)", 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(packet(rows[i].text)->flags, rows[i].flags);
        script_free(&script);
    }
}

static void a_packet_with_everything(void **state)
{
    (void)state;
    struct packet_event *p =
        packet("+0 > [ect0, ttl 64] (flowlabel 0x1234) P. 1:1001(1000) ack 5 win 257 urg 9 "
               "<nop,nop,TS val 100 ecr 0x10,sack 1:2 3:4,mss 1460,sackOK,wscale 7,eol>");
    assert_false(p->inbound);
    assert_int_equal(p->ecn_match, ECN_SET);
    assert_int_equal(p->ecn, 2);
    assert_true(p->has_ttl && p->ttl == 64);
    assert_true(p->has_flow_label && p->flow_label == 0x1234);
    assert_int_equal(p->seq, 1);
    assert_int_equal(p->end, 1001);
    assert_int_equal(p->length, 1000);
    assert_true(p->has_ack && p->ack == 5);
    assert_true(p->has_window && p->window == 257);
    assert_true(p->has_urgent && p->urgent == 9);
    assert_int_equal(p->option_count, 8);
    assert_int_equal(p->options[2].kind, OPTION_TIMESTAMPS);
    assert_int_equal(p->options[2].values[0], 100);
    assert_int_equal(p->options[2].values[1], 16);
    assert_int_equal(p->options[3].value_count, 4);
    assert_int_equal(p->options[3].values[3], 4);
    assert_int_equal(p->options[7].kind, OPTION_EOL);
    script_free(&script);
}

static void options_of_all_kinds(void **state)
{
    (void)state;
    struct packet_event *p =
        packet("+0 < S 0:0(0) win 1 <FO de4f234f0f433a55,FOEXP,"
               "md5 000102030405060708090a0b0c0d0e0f,ECN e1b 1 ceb 2,raw 0x0200,"
               "sack 1:2, sackOK, FO>");
    assert_int_equal(p->option_count, 8);
    assert_int_equal(p->options[0].byte_count, 8);
    assert_int_equal(p->options[0].bytes[0], 0xde);
    assert_int_equal(p->options[1].kind, OPTION_FAST_OPEN_EXPERIMENTAL);
    assert_int_equal(p->options[2].bytes[15], 15);
    assert_int_equal(p->options[3].kind, OPTION_ACC_ECN_1);
    assert_int_equal(p->options[3].value_count, 2);
    assert_int_equal(p->options[4].byte_count, 2);
    assert_int_equal(p->options[4].bytes[0], 2);
    script_free(&script);
    assert_true(packet("+0 > . 1:1(0) ack 1 <...>")->any_options);
    script_free(&script);
}

static void endpoints_in_all_their_forms(void **state)
{
    (void)state;
    struct packet_event *p = packet("+0 < 1234 > 80 S 0:0(0)");
    assert_true(p->has_endpoints && !p->source.has_address && p->source.port == 1234);
    assert_int_equal(p->destination.port, 80);
    script_free(&script);
    static const char *const texts[] = {
        "+0 < 192.0.2.7:1234 > 192.168.0.1:80 S 0:0(0)",
        "+0 < 192.0.2.7.1234 > 192.168.0.1.80: S 0:0(0)",
        "+0 < inject 192.0.2.7:1234 > 192.168.0.1:80 S 0:0(0)",
    };
    struct duet_address address = duet_ipv4(192, 0, 2, 7);
    for (size_t i = 0; i < 3; i++) {
        p = packet(texts[i]);
        assert_true(duet_address_equal(&p->source.address, &address));
        assert_int_equal(p->source.port, 1234);
        assert_int_equal(p->destination.port, 80);
        script_free(&script);
    }
    p = packet("+0 < [2001:db8::7]:1234 > [fd00::1]:80 S 0:0(0)");
    assert_int_equal(p->source.address.bytes[15], 7);
    assert_int_equal(p->destination.port, 80);
    script_free(&script);
}

static void icmp_by_name_and_by_number(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum packet_protocol protocol;
        uint8_t type, code;
        uint32_t mtu;
        bool quoted;
    } rows[] = {
        {"+0 < icmp unreachable port_unreachable [1:1001(1000)]", PACKET_ICMP, 3, 3, 0, true},
        {"+0 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]", PACKET_ICMP, 3, 4, 1200,
         true},
        {"+0 < icmp 3 1 [1:1(0)]", PACKET_ICMP, 3, 1, 0, true},
        {"+0 < icmp echo_request", PACKET_ICMP, 8, 0, 0, false},
        {"+0 < icmp time_exceeded exceeded_ttl [tcp 1:1(0)]", PACKET_ICMP, 11, 0, 0, true},
        {"+0 < icmpv6 packet_too_big mtu 1280 [1:2(1)]", PACKET_ICMPV6, 2, 0, 1280, true},
        {"+0 < icmpv6 unreachable port_unreachable [1:2(1)]", PACKET_ICMPV6, 1, 4, 0, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct packet_event *p = packet(rows[i].text);
        assert_int_equal(p->protocol, rows[i].protocol);
        assert_int_equal(p->type, rows[i].type);
        assert_int_equal(p->code, rows[i].code);
        assert_int_equal(p->mtu, rows[i].mtu);
        assert_int_equal(p->has_seq, rows[i].quoted);
        script_free(&script);
    }
}

/* ---- calls ---- */

static void calls_as_strace_prints_them(void **state)
{
    (void)state;
    struct call_event *c = call("0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3");
    assert_string_equal(c->name, "socket");
    assert_int_equal(c->count, 3);
    assert_int_equal(c->arguments->kind, EXPRESSION_ANY);
    assert_int_equal(c->arguments->next->kind, EXPRESSION_OR);
    assert_int_equal(c->result->number, 3);
    script_free(&script);

    c = call("+0 connect(3, {sa_family = AF_INET, sin_port = htons(8080), "
             "sin_addr = inet_addr(\"192.0.2.1\")}, ...) = -1 EINPROGRESS (Operation now (really) "
             "in progress)");
    struct expression *address = c->arguments->next;
    assert_int_equal(address->kind, EXPRESSION_STRUCT);
    assert_int_equal(address->count, 3);
    assert_string_equal(address->items->text, "sa_family");
    assert_int_equal(address->items->next->items->kind, EXPRESSION_CALL);
    assert_string_equal(c->error, "EINPROGRESS");
    assert_int_equal(c->result->number, -1);
    script_free(&script);

    c = call("+0 sendmsg(3, {msg_name(...)=..., msg_iov(2)=[{..., 10}, {\"a\\x00b\", 3}], "
             "msg_flags=0}, MSG_DONTWAIT) = 13");
    struct expression *iov = c->arguments->next->items->next;
    assert_string_equal(iov->text, "msg_iov");
    assert_int_equal(iov->items->kind, EXPRESSION_ARRAY);
    assert_int_equal(iov->items->items->next->items->length, 3);
    script_free(&script);

    c = call("+0 fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)");
    assert_int_equal(c->result->number, 2);
    assert_null(c->error);
    script_free(&script);

    c = call("+0 read(3, ..., 1) = ?\n+0 close(3) = 0");
    assert_int_equal(c->result->kind, EXPRESSION_ANY);
    assert_int_equal(script.event_count, 2);
    script_free(&script);

    c = call("+0 state(3) = FIN_WAIT_1\nclose(3)\n+1 pause()");
    assert_string_equal(c->result->text, "FIN_WAIT_1");
    assert_int_equal(script.event_count, 3);
    assert_false(script.events->next->call->has_result);
    script_free(&script);
}

/* ---- whole scripts ---- */

static void comments_options_commands_and_code(void **state)
{
    (void)state;
    parsed("// one\n--mtu=1400 --ip_version=ipv6 // two\n--local_ip=fd00::1\n--config "
           "delayed_ack=40ms\n"
           "--strict_segments\n# three\n/* four\n * lines */ `sysctl -q net.ipv4.tcp_sack=0`\n"
           "+0 f(1) = 0 /* five */\n%{ assert tcpi_state == 1, 'a }' }%\n");
    struct script_option *option = script.options;
    assert_string_equal(option->name, "mtu");
    assert_string_equal(option->value, "1400");
    assert_int_equal(option->line, 2);
    option = option->next->next;
    assert_string_equal(option->value, "fd00::1");
    assert_string_equal(option->next->name, "config");
    assert_string_equal(option->next->value, "delayed_ack=40ms");
    assert_null(option->next->next->value);
    struct event *event = script.events;
    assert_int_equal(event->kind, EVENT_COMMAND);
    assert_string_equal(event->text, "sysctl -q net.ipv4.tcp_sack=0");
    assert_string_equal(event->next->source, "+0 f(1) = 0");
    assert_int_equal(event->next->line, 9);
    assert_int_equal(event->next->next->kind, EVENT_CODE);
    script_free(&script);
}

static void definitions_stand_for_any_tokens(void **state)
{
    (void)state;
    const char text[] = "--define LEN=1:11(10)\n+0 < . LEN ack ACKED <FO COOKIE>\n+0 f(TWICE)";
    static const struct definition definitions[] = {
        {"ACKED", "77"}, {"COOKIE", "0badcafe"}, {"TWICE", "ACKED, CIRCLE"}, {"CIRCLE", "CIRCLE"}};
    assert_true(script_parse(&script, text, strlen(text), definitions, 4, &error));
    struct packet_event *p = script.events->packet;
    assert_int_equal(p->end, 11);
    assert_int_equal(p->ack, 77);
    assert_int_equal(p->options[0].bytes[1], 0xad);
    struct call_event *c = script.events->next->call;
    assert_int_equal(c->count, 2);
    assert_int_equal(c->arguments->number, 77);
    assert_string_equal(c->arguments->next->text, "CIRCLE");
    script_free(&script);
}

static void what_duet_does_not_have_is_no_error(void **state)
{
    (void)state;
    parsed("0 f()\n+0 < udp (1000)\nwhatever follows");
    assert_string_equal(script.unsupported, "UDP");
    script_free(&script);
    parsed("+0 > S 0:0(0) <mss 1460,mp_capable a>");
    assert_string_equal(script.unsupported, "MPTCP");
    script_free(&script);
}

static void errors_say_where_and_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned line, column;
        const char *says;
    } rows[] = {
        {"", 1, 1, "expected an event, got the end"},
        {"+0", 1, 3, "expected a packet (< or >), a call, a `command` or %{ code }%, got the end"},
        {"+x f()", 1, 2, "expected a time in seconds, got 'x'"},
        {"\n +0 < S 0:0", 2, 12, "expected '(', got the end"},
        {"+0 < S 0:5(4)", 1, 8, "the end is not the beginning plus the length"},
        {"+0 < Q 0:0(0)", 1, 6, "expected flags"},
        {"+0 < SS 0:0(0)", 1, 6, "a flag stands twice"},
        {"+0 < . 0:0(0) win 65536", 1, 19, "the window is at most 65535"},
        {"+0 < . 0:0(0) <bogus 1>", 1, 16, "expected a TCP option"},
        {"+0 < . 0:0(0) <mss 1460 sackOK>", 1, 25, "expected ',' or '>', got 'sackOK'"},
        {"+0 < . 0:0(0) <FO abc>", 1, 19, "expected pairs of hex digits"},
        {"+0 < icmp bogus [1:1(0)]", 1, 11, "expected an ICMP type, got 'bogus'"},
        {"+0 < . 0:0(0)\n< . 0:0(0)", 2, 3, "expected a TCP option"},
        {"+0 f()\n> . 0:0(0)", 2, 1, "expected a time in front of the packet"},
        {"+0 read(3, ..., 10", 1, 19, "expected ')', got the end"},
        {"+0 read(3,, 10)", 1, 11, "expected a value, got ','"},
        {"0.2~0.1 > . 1:1(0)", 1, 5, "the second time is before the first"},
        {"0~+0.1 > . 1:1(0)", 1, 3, "both times of a range"},
        {"* < . 1:1(0)", 1, 3, "only a packet out"},
        {"0...1 > . 1:1(0)", 1, 7, "only a call"},
        {"+0 f(\"abc)\n", 1, 6, "a string without its closing"},
        {"+0 /* f()", 1, 4, "a comment without its closing"},
        {"+0 `ls", 1, 4, "a command without its closing"},
        {"+0 %{ 1", 1, 4, "code without its closing"},
        {"--mtu=\n", 2, 1, "expected a value"},
        {"--config mtu", 1, 10, "expected NAME=VALUE"},
        {"+0 < 70000 > 1 S 0:0(0)", 1, 6, "expected a port"},
        {"+0 f(\001)", 1, 6, "expected a value, got the byte 0x01"},
        {"99999999999999 f()", 1, 1, "a time beyond thirty years"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (script_parse(&script, rows[i].text, strlen(rows[i].text), NULL, 0, &error)) {
            fail_msg("parsed: %s", rows[i].text);
        }
        if (strstr(error.text, rows[i].says) == NULL || error.line != rows[i].line ||
            error.column != rows[i].column) {
            fail_msg("%s\nis %u:%u: %s", rows[i].text, error.line, error.column, error.text);
        }
        script_free(&script);
    }
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    char text[1000] = "+0 f(";
    memset(text + 5, '[', 900);
    assert_false(script_parse(&script, text, strlen(text), NULL, 0, &error));
    assert_string_equal(error.text, "nested too deeply");
    script_free(&script);
}

/* ---- any bytes at all ---- */

static const char sample[] =
    "--ip_version=ipv4 --config a=b\n`sysctl -q a=1`\n"
    "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3 // comment\n"
    "+0...0.2 connect(3, {sa_family=AF_INET, a(3)=[{..., 10}]}, ...) = -1 EAGAIN (x (y))\n"
    "+0.1~+0.2 > [ect0] S. 0:0(0) ack 1 win 5 urg 2 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>\n"
    "* > 1.2.3.4:5 > [::1]:6 P.7 1:2(1) <sack 1:2 3:4, FO 0102, raw ff>\n"
    "+0 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]\n%{ assert 1 }% \"s\\x41\"";

static void every_prefix_and_many_mutations_end_well(void **state)
{
    (void)state;
    struct prng prng;
    prng_seed(&prng, 9293);
    char text[sizeof(sample)];
    for (size_t length = 0; length < sizeof(sample); length++) {
        (void)script_parse(&script, sample, length, NULL, 0, &error);
        script_free(&script);
    }
    for (unsigned round = 0; round < 20000; round++) {
        memcpy(text, sample, sizeof(sample));
        for (unsigned i = 0; i < 1 + round % 4; i++) {
            size_t at = (size_t)(prng_next(&prng) % (sizeof(sample) - 1));
            text[at] =
                (char)(round % 3 == 0 ? prng_next(&prng) % 256
                                      : (uint8_t)sample[prng_next(&prng) % (sizeof(sample) - 1)]);
        }
        bool good = script_parse(&script, text, sizeof(sample) - 1, NULL, 0, &error);
        assert_true(good || error.line > 0);
        assert_true(good || error.text[0] != '\0');
        script_free(&script);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_in_all_their_forms),
        cmocka_unit_test(flags_by_letter_and_as_the_counter_ace),
        cmocka_unit_test(a_packet_with_everything),
        cmocka_unit_test(options_of_all_kinds),
        cmocka_unit_test(endpoints_in_all_their_forms),
        cmocka_unit_test(icmp_by_name_and_by_number),
        cmocka_unit_test(calls_as_strace_prints_them),
        cmocka_unit_test(comments_options_commands_and_code),
        cmocka_unit_test(definitions_stand_for_any_tokens),
        cmocka_unit_test(what_duet_does_not_have_is_no_error),
        cmocka_unit_test(errors_say_where_and_what_was_expected),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(every_prefix_and_many_mutations_end_well),
    };
    return cmocka_run_group_tests_name("script parse", tests, NULL, NULL);
}
