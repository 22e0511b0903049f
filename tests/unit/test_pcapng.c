/* SPDX-License-Identifier: MIT */
/* The capture: blocks as the pcapng format has them, each packet once for each end that saw it,
 * our words as its comment; and, where tshark is there, that it finds nothing wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "scene.h"

static uint32_t get32(const char *at)
{
    const unsigned char *bytes = (const unsigned char *)at;

    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint32_t get16(const char *at)
{
    return get32(at) & 0xffff;
}

struct seen_packet {
    uint32_t interface, length;
    uint64_t time;
    const char *bytes;
    char comment[2048];
    uint32_t direction; /* 1 inbound, 2 outbound */
};

static void read_options(const char *at, const char *end, struct seen_packet *packet)
{
    while (at < end) {
        uint32_t code = get16(at), length = get16(at + 2);

        assert_true(at + 4 + length <= end);
        if (code == 0) {
            assert_true(at + 4 == end);
            return;
        }
        if (code == 1)
            snprintf(packet->comment, sizeof packet->comment, "%.*s", (int)length, at + 4);
        if (code == 2)
            packet->direction = get32(at + 4) & 3;
        at += 4 + (length + 3) / 4 * 4;
    }
    fail_msg("options without end");
}

/* Walks all blocks and returns how many packets there are. */
static size_t read_capture(const char *text, size_t size, struct seen_packet *packets, size_t most)
{
    size_t at = 0, found = 0, interfaces = 0;

    assert_int_equal(get32(text), 0x0a0d0d0a);
    assert_int_equal(get32(text + 8), 0x1a2b3c4d);
    while (at < size) {
        uint32_t type = get32(text + at), length = get32(text + at + 4);
        assert_int_equal(length % 4, 0);
        assert_true(length >= 12 && length <= size - at);
        assert_int_equal(get32(text + at + length - 4), length);
        if (type == 1) {
            assert_int_equal(found, 0);
            assert_int_equal(get16(text + at + 8), 101);
            interfaces++;
        }
        if (type == 6) {
            assert_true(found < most);
            struct seen_packet *packet = &packets[found];
            packet->interface = get32(text + at + 8);
            packet->time = (uint64_t)get32(text + at + 12) << 32 | get32(text + at + 16);
            packet->length = get32(text + at + 20);
            packet->bytes = text + at + 28;
            packet->comment[0] = '\0';
            packet->direction = 0;
            assert_int_equal(get32(text + at + 24), packet->length);
            read_options(packet->bytes + (packet->length + 3) / 4 * 4, text + at + length - 4,
                         packet);
            found++;
        }
        at += length;
    }
    assert_int_equal(at, size);
    assert_int_equal(interfaces, 2);
    return found;
}

static void packet_is_there_once_for_each_end_with_its_story(void **state)
{
    static struct seen_packet packets[64];
    struct scene scene;
    size_t size, found;
    char *text, wanted[2048];

    (void)state;
    scene_start(&scene);
    scene_whole_life(&scene);
    text = scene_draw(&scene, duet_recorder_pcapng, &size);
    found = read_capture(text, size, packets, 64);
    assert_int_equal(found, 22);
    assert_int_equal(packets[0].interface, 0);
    assert_int_equal(packets[0].direction, 2);
    assert_int_equal(packets[0].time, 0);
    assert_int_equal(packets[0].length, 60);
    snprintf(wanted, sizeof wanted,
             "client: SYN-SENT\npacket #1 leaves: SYN 000010  seq 0  win 64240  "
             "<mss 1460,sackOK,TS val 100 ecr 0,ws 7>\nwhy: %s [%s]",
             duet_rule(3)->sentence, duet_rule(3)->section);
    assert_string_equal(packets[0].comment, wanted);
    assert_int_equal(packets[1].interface, 1);
    assert_int_equal(packets[1].direction, 1);
    assert_int_equal(packets[1].time, MS(10));
    assert_memory_equal(packets[1].bytes, packets[0].bytes, 60);
    assert_non_null(strstr(packets[1].comment,
                           "server: LISTEN -> SYN-RECEIVED\npacket #1 arrives: SYN 000010"));
    assert_non_null(strstr(packets[1].comment, duet_rule(4)->sentence));
    for (size_t i = 1; i < found; i++)
        assert_true(packets[i].time >= packets[i - 1].time);
    free(text);
    scene_end(&scene);
}

static void lost_packet_is_there_once_and_says_so(void **state)
{
    static struct seen_packet packets[4];
    struct scene scene;
    struct scene_packet packet;
    size_t size;
    char *text;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0, &(struct scene_segment){.flags = DUET_SYN}, &packet);
    scene_sent(&scene, INT64_C(5000000000000), DUET_SYN_SENT, 3, &packet);
    duet_recorder_fault(scene.recorder, INT64_C(5000000000000), DUET_FAULT_DROP, packet.packet.tag);
    text = scene_draw(&scene, duet_recorder_pcapng, &size);
    assert_int_equal(read_capture(text, size, packets, 4), 1);
    assert_int_equal(packets[0].time, INT64_C(5000000000000));
    assert_non_null(strstr(packets[0].comment, "\nlost on the way"));
    free(text);
    scene_end(&scene);
}

static void corrupted_packet_is_kept_as_each_end_saw_it(void **state)
{
    static struct seen_packet packets[4];
    struct scene scene;
    struct scene_packet packet;
    size_t size;
    char *text;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0, &(struct scene_segment){.flags = DUET_ACK, .text = "abc"}, &packet);
    scene_sent(&scene, 0, DUET_ESTABLISHED, 3, &packet);
    packet.bytes[packet.packet.length - 1] ^= 4;
    scene_arrived(&scene, MS(1), DUET_ESTABLISHED, &packet);
    text = scene_draw(&scene, duet_recorder_pcapng, &size);
    assert_int_equal(read_capture(text, size, packets, 4), 2);
    assert_int_equal(packets[0].bytes[42], 'c');
    assert_int_equal(packets[1].bytes[42], 'c' ^ 4);
    free(text);
    scene_end(&scene);
}

static void capture_of_nothing_has_its_interfaces(void **state)
{
    struct scene scene;
    size_t size;
    char *text;

    (void)state;
    scene_start(&scene);
    text = scene_draw(&scene, duet_recorder_pcapng, &size);
    assert_int_equal(read_capture(text, size, NULL, 0), 0);
    free(text);
    scene_end(&scene);
}

/* ---- what tshark makes of it ---- */

/* Lines of output of tshark with these arguments on the capture. */
static unsigned tshark(const char *path, const char *arguments, const char *wanted)
{
    char command[1024], line[8192];
    unsigned lines = 0;
    bool found = wanted == NULL;
    FILE *from;

    snprintf(command, sizeof command,
             "tshark -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -r %s %s 2>/dev/null",
             path, arguments);
    from = popen(command, "r");
    assert_non_null(from);
    while (fgets(line, sizeof line, from) != NULL) {
        lines++;
        found = found || strstr(line, wanted) != NULL;
    }
    assert_int_equal(pclose(from), 0);
    assert_true(found);
    return lines;
}

static void tshark_finds_nothing_wrong(void **state)
{
    (void)state;
    if (system("tshark --version >/dev/null 2>&1") != 0)
        skip();
    for (unsigned family = 0; family < 2; family++) {
        struct scene scene;
        char path[256], wanted[256];
        FILE *to;

        scene_start(&scene);
        scene.ipv6 = family == 1;
        scene_whole_life(&scene);
        snprintf(path, sizeof path, "%s/duet-pcapng-%ld-%u", P_tmpdir, (long)getpid(), family);
        to = fopen(path, "wx");
        assert_non_null(to);
        assert_int_equal(duet_recorder_pcapng(scene.recorder, to), 0);
        assert_int_equal(fclose(to), 0);
        assert_int_equal(tshark(path, "", NULL), 22);
        assert_int_equal(tshark(path,
                                "-Y '_ws.malformed or _ws.short or tcp.checksum.status == 0 or "
                                "ip.checksum.status == 0'",
                                NULL),
                         0);
        assert_int_equal(tshark(path, "-Y 'tcp.checksum.status == 1'", NULL), 22);
        snprintf(wanted, sizeof wanted, "[%s]", duet_rule(4)->section);
        assert_int_equal(tshark(path, "-T fields -e frame.comment", wanted), 22);
        assert_int_equal(tshark(path, "-Y 'frame.interface_name == \"server\"'", NULL), 11);
        unlink(path);
        scene_end(&scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packet_is_there_once_for_each_end_with_its_story),
        cmocka_unit_test(lost_packet_is_there_once_and_says_so),
        cmocka_unit_test(corrupted_packet_is_kept_as_each_end_saw_it),
        cmocka_unit_test(capture_of_nothing_has_its_interfaces),
        cmocka_unit_test(tshark_finds_nothing_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
