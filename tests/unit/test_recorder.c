/* SPDX-License-Identifier: MIT */
/* The recorder and the tee: tags, checksums that hardware would have filled in, links that
 * refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "duet/link.h"
#include "observe/recording.h"
#include "scene.h"

static const struct scene_segment hello = {
    .flags = DUET_PSH | DUET_ACK, .seq = 1, .ack = 1, .text = "hello"};

static void packets_are_numbered_over_both_ends(void **state)
{
    struct scene scene;
    struct scene_packet packet;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0, &hello, &packet);
    assert_int_equal(duet_recorder_sent(scene.recorder, 0, 0, &packet.packet), 1);
    assert_int_equal(duet_recorder_sent(scene.recorder, 1, 0, &packet.packet), 2);
    assert_int_equal(duet_recorder_sent(scene.recorder, 0, 0, &packet.packet), 3);
    scene_end(&scene);
}

static void recording_keeps_its_own_bytes(void **state)
{
    struct scene scene;
    struct scene_packet packet;
    uint8_t first;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0, &hello, &packet);
    first = packet.bytes[0];
    duet_recorder_sent(scene.recorder, 0, 0, &packet.packet);
    memset(packet.bytes, 0xff, sizeof packet.bytes);
    assert_int_equal(scene.recorder->records[0].u.packet.bytes[0], first);
    scene_end(&scene);
}

/* The sum that stood there before is the right one, so what the recorder fills in must be the
 * same. */
static void partial_checksum_is_completed(void **state)
{
    static const uint16_t flags[] = {DUET_PACKET_CHECKSUM_PARTIAL, DUET_PACKET_CHECKED};

    (void)state;
    for (unsigned family = 0; family < 2; family++) {
        for (unsigned i = 0; i < 2; i++) {
            struct scene scene;
            struct scene_packet packet;
            uint8_t *sum;
            uint8_t right[2];

            scene_start(&scene);
            scene.ipv6 = family == 1;
            scene_build(&scene, 0, &hello, &packet);
            sum = packet.bytes + (family == 1 ? 40 : 20) + 16;
            memcpy(right, sum, 2);
            sum[0] = 0x12;
            sum[1] = 0x34;
            packet.packet.flags = flags[i];
            duet_recorder_sent(scene.recorder, 0, 0, &packet.packet);
            assert_memory_equal(scene.recorder->records[0].u.packet.bytes + (sum - packet.bytes),
                                right, 2);
            assert_int_equal(sum[0], 0x12);
            scene_end(&scene);
        }
    }
}

static void wrong_checksum_without_offload_stays_wrong(void **state)
{
    struct scene scene;
    struct scene_packet packet;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0, &hello, &packet);
    packet.bytes[36] ^= 1;
    duet_recorder_sent(scene.recorder, 0, 0, &packet.packet);
    assert_memory_equal(scene.recorder->records[0].u.packet.bytes, packet.bytes,
                        packet.packet.length);
    scene_end(&scene);
}

static void odd_packets_are_kept_as_they_are(void **state)
{
    struct scene scene;
    uint8_t bytes[3] = {0x45, 0, 0};
    struct duet_packet empty = {.data = bytes, .length = 0, .flags = DUET_PACKET_CHECKED};
    struct duet_packet cut = {.data = bytes, .length = 3, .flags = DUET_PACKET_CHECKED};

    (void)state;
    scene_start(&scene);
    duet_recorder_sent(scene.recorder, 0, 0, &empty);
    duet_recorder_sent(scene.recorder, 0, 0, &cut);
    assert_int_equal(scene.recorder->count, 2);
    assert_int_equal(scene.recorder->records[0].u.packet.length, 0);
    assert_memory_equal(scene.recorder->records[1].u.packet.bytes, bytes, 3);
    scene_end(&scene);
}

static void unsent_packet_leaves_no_trace_and_gives_its_tag_back(void **state)
{
    struct scene scene;
    struct scene_packet packet;
    uint32_t tag;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0, &hello, &packet);
    tag = duet_recorder_sent(scene.recorder, 0, 0, &packet.packet);
    duet_recorder_fault(scene.recorder, 0, DUET_FAULT_DELAY, tag);
    duet_recorder_unsent(scene.recorder, tag);
    assert_int_equal(scene.recorder->count, 0);
    assert_int_equal(duet_recorder_sent(scene.recorder, 0, 0, &packet.packet), tag);
    duet_recorder_unsent(scene.recorder, tag + 1); /* not the last one: nothing happens */
    assert_int_equal(scene.recorder->count, 1);
    scene_end(&scene);
}

/* ---- the tee, around a link that can be full, and has one packet to give ---- */

struct fake {
    struct duet_link link;
    bool full, closed;
    uint32_t sent_tag, waiting_tag;
};

static bool fake_send(struct duet_link *link, duet_time now, const struct duet_packet *packet)
{
    struct fake *fake = (struct fake *)link;

    (void)now;
    if (fake->full) {
        link->error = 11;
        return false;
    }
    fake->sent_tag = packet->tag;
    return true;
}

static bool fake_receive(struct duet_link *link, duet_time now, struct duet_packet *packet)
{
    struct fake *fake = (struct fake *)link;

    (void)now;
    if (fake->waiting_tag == 0)
        return false;
    packet->data[0] = 0x45;
    packet->length = 1;
    packet->tag = fake->waiting_tag;
    fake->waiting_tag = 0;
    return true;
}

static duet_time fake_deadline(const struct duet_link *link)
{
    (void)link;
    return 77;
}

static int fake_descriptor(const struct duet_link *link)
{
    (void)link;
    return 5;
}

static void fake_close(struct duet_link *link)
{
    ((struct fake *)link)->closed = true;
}

static struct fake make_fake(void)
{
    return (struct fake){.link = {.send = fake_send,
                                  .receive = fake_receive,
                                  .deadline = fake_deadline,
                                  .descriptor = fake_descriptor,
                                  .close = fake_close,
                                  .mtu = 1500,
                                  .offload = DUET_OFFLOAD_SEGMENT}};
}

static void tee_tags_what_is_sent(void **state)
{
    struct scene scene;
    struct scene_packet packet;
    struct fake fake = make_fake();
    struct duet_link *tee;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 1, &hello, &packet);
    assert_int_equal(duet_tee(&fake.link, scene.recorder, 1, &tee), 0);
    assert_true(tee->send(tee, MS(3), &packet.packet));
    assert_int_equal(fake.sent_tag, 1);
    assert_int_equal(packet.packet.tag, 0);
    assert_int_equal(scene.recorder->records[0].kind, RECORD_SENT);
    assert_int_equal(scene.recorder->records[0].end, 1);
    assert_int_equal(scene.recorder->records[0].time, MS(3));
    tee->close(tee);
    assert_true(fake.closed);
    scene_end(&scene);
}

static void tee_does_not_record_what_the_link_refused(void **state)
{
    struct scene scene;
    struct scene_packet packet;
    struct fake fake = make_fake();
    struct duet_link *tee;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0, &hello, &packet);
    assert_int_equal(duet_tee(&fake.link, scene.recorder, 0, &tee), 0);
    fake.full = true;
    assert_false(tee->send(tee, 0, &packet.packet));
    assert_int_equal(tee->error, 11);
    fake.full = false;
    assert_true(tee->send(tee, 0, &packet.packet));
    assert_int_equal(scene.recorder->count, 1);
    assert_int_equal(fake.sent_tag, 1);
    tee->close(tee);
    scene_end(&scene);
}

static void tee_records_arrivals_under_their_tag(void **state)
{
    struct scene scene;
    struct fake fake = make_fake();
    struct duet_link *tee;
    uint8_t room[100];
    struct duet_packet packet = {.data = room, .size = sizeof room};

    (void)state;
    scene_start(&scene);
    assert_int_equal(duet_tee(&fake.link, scene.recorder, 0, &tee), 0);
    assert_false(tee->receive(tee, 0, &packet));
    assert_int_equal(scene.recorder->count, 0);
    fake.waiting_tag = 9;
    assert_true(tee->receive(tee, MS(2), &packet));
    assert_int_equal(scene.recorder->records[0].kind, RECORD_ARRIVED);
    assert_int_equal(scene.recorder->records[0].tag, 9);
    tee->close(tee);
    scene_end(&scene);
}

static void tee_is_otherwise_the_link_it_wraps(void **state)
{
    struct scene scene;
    struct fake fake = make_fake();
    struct duet_link *tee;

    (void)state;
    scene_start(&scene);
    assert_int_equal(duet_tee(&fake.link, scene.recorder, DUET_RECORDER_ENDS, &tee), -1);
    assert_int_equal(duet_tee(&fake.link, scene.recorder, 0, &tee), 0);
    assert_int_equal(tee->mtu, 1500);
    assert_int_equal(tee->offload, DUET_OFFLOAD_SEGMENT);
    assert_int_equal(tee->deadline(tee), 77);
    assert_int_equal(tee->descriptor(tee), 5);
    tee->close(tee);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_numbered_over_both_ends),
        cmocka_unit_test(recording_keeps_its_own_bytes),
        cmocka_unit_test(partial_checksum_is_completed),
        cmocka_unit_test(wrong_checksum_without_offload_stays_wrong),
        cmocka_unit_test(odd_packets_are_kept_as_they_are),
        cmocka_unit_test(unsent_packet_leaves_no_trace_and_gives_its_tag_back),
        cmocka_unit_test(tee_tags_what_is_sent),
        cmocka_unit_test(tee_does_not_record_what_the_link_refused),
        cmocka_unit_test(tee_records_arrivals_under_their_tag),
        cmocka_unit_test(tee_is_otherwise_the_link_it_wraps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
