/* SPDX-License-Identifier: MIT */
/* All of a stack is its block: put back, it lives the same life again, byte by byte (I-60), and whatever
 * leaves it was written by it, not left over in the buffer (I-42). No secret leaves at all (I-48). */
#include "rig.h"

#include <stdlib.h>

enum { STEPS = 400, PACKET = 2048 };

static const struct rig_segment offer = {
    .seq = 0xfffffff0, .window = 5000, .mss = 1000, .sack = true, .timestamps = true, .tsval = 7};

/* One of the things that can happen to a stack, chosen by a number. */
static void happen(struct rig *rig, const struct rig_conn *conn, uint32_t n)
{
    static uint8_t bytes[3000];
    struct duet_event event;
    switch (n % 7) {
    case 0:
        rig_say(rig, conn, DUET_PSH, n % 3 * 100, "0123456789", 1 + n % 10);
        return;
    case 1:
        (void)duet_send(rig->stack, rig->now, conn->handle, bytes, 1 + n % sizeof bytes, 0);
        return;
    case 2:
        rig_pass(rig, rig->now + (duet_time)(n % 300) * DUET_MILLISECOND);
        return;
    case 3:
        (void)duet_receive(rig->stack, rig->now, conn->handle, bytes, n % 100);
        return;
    case 4:
        (void)duet_next_event(rig->stack, &event);
        return;
    case 5:
        if (n % 50 == 5)
            (void)duet_shutdown(rig->stack, rig->now, conn->handle);
        return;
    default:
        rig_say(rig, conn, n % 90 == 6 ? DUET_SYN : 0, n % 2, NULL, 0);
        return;
    }
}

static uint32_t build(struct rig *rig, uint8_t *bytes, uint8_t fill)
{
    struct duet_packet packet = {.data = bytes, .size = PACKET};
    memset(bytes, fill, PACKET);
    return duet_output(rig->stack, rig->now, &packet) ? packet.length : 0;
}

static bool holds_secret(const struct duet_config *config, const uint8_t *bytes, uint32_t length)
{
    for (uint32_t at = 0; at + 8 <= length; at++)
        for (unsigned i = 0; i + 8 <= DUET_SECRET_SIZE; i++)
            if (memcmp(bytes + at, config->secret + i, 8) == 0)
                return true;
    return false;
}

static void block_put_back_lives_the_same_life(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    static uint8_t first[PACKET], second[PACKET];
    unsigned packets = 0;
    rig_config(&config);
    config.trace_events = 64;
    rig_start(rig, &config);
    rig_accept(rig, &conn, &offer);
    uint8_t *before = malloc(rig->size), *after = malloc(rig->size);
    assert_non_null(before);
    assert_non_null(after);
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t n = i * 2654435761U >> 8;
        duet_time now = rig->now;
        memcpy(before, rig->block, rig->size);
        happen(rig, &conn, n);
        uint32_t length = build(rig, first, 0x00);
        memcpy(after, rig->block, rig->size);
        memcpy(rig->block, before, rig->size);
        rig->now = now;
        happen(rig, &conn, n);
        assert_int_equal(build(rig, second, 0xff), length);
        assert_memory_equal(first, second, length);
        assert_memory_equal(rig->block, after, rig->size);
        assert_false(holds_secret(&config, first, length));
        packets += length > 0;
        struct duet_trace_event event;
        while (duet_next_trace(rig->stack, &event))
            assert_false(holds_secret(&config, (const uint8_t *)&event, sizeof event));
    }
    assert_in_range(packets, 50, STEPS);
    assert_false(holds_secret(&config, rig->block, sizeof(struct duet_stack)));
    free(before);
    free(after);
    rig_end(rig);
    free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_put_back_lives_the_same_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
