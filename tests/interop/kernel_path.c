/* SPDX-License-Identifier: MIT */
/* The kernel's TCP at both ends of a path of ours: the rate and the delay are those of the path, and
 * a path that loses makes it send again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "duet/kernel.h"

#define MS DUET_MILLISECOND

static const struct duet_kernel_path_options plain = {
    .path = {.from_a = {.rate = 10000000, .delay = 10 * MS, .queue = 60000},
             .from_b = {.rate = 10000000, .delay = 10 * MS},
             .seed = 1},
    .controller = "cubic",
    .buffer = 1 << 20,
};

/* Runs, or skips the test where the machine does not let us. */
static void run(const struct duet_kernel_path_options *options,
                struct duet_kernel_path_result *result)
{
    char why[256];

    if (duet_kernel_path(options, result, why, sizeof(why)) == 0)
        return;
    print_message("# %s\n", why);
    if (errno != EACCES && errno != EPERM && errno != ENOENT && errno != ENOSPC)
        fail_msg("%s", why);
    skip();
}

static void bottleneck_is_filled_and_not_passed(void **state)
{
    struct duet_kernel_path_options options = plain;
    struct duet_kernel_path_result result;

    (void)state;
    options.time_max = 1000 * MS;
    run(&options, &result);
    /* 750 ms at 10 Mbit/s are 937,500 bytes of packets; a machine that is busy needs longer. */
    assert_true(result.span >= 750 * MS);
    assert_in_range(result.received, 100000, (uint64_t)(result.span / MS) * 1250);
    assert_int_equal(result.counts.lost, 0);
}

static void short_flow_takes_its_round_trips(void **state)
{
    struct duet_kernel_path_options options = plain;
    struct duet_kernel_path_result result;

    (void)state;
    options.time_max = 10000 * MS;
    options.bytes = 10000;
    run(&options, &result);
    /* A handshake, half a round trip, and 7 packets that take 1.2 ms each. */
    assert_in_range(result.time, 38 * MS, 5000 * MS);
    assert_int_equal(result.retransmitted, 0);
}

static void what_is_lost_is_sent_again(void **state)
{
    struct duet_kernel_path_options options = plain;
    struct duet_kernel_path_result result;

    (void)state;
    options.time_max = 30000 * MS;
    options.bytes = 500000;
    options.path.from_a.loss = 20000;
    run(&options, &result);
    assert_true(result.time != DUET_NEVER);
    assert_true(result.counts.lost > 0);
    assert_true(result.retransmitted >= result.counts.lost);
}

static void unknown_controller_is_said(void **state)
{
    struct duet_kernel_path_options options = plain;
    struct duet_kernel_path_result result;
    char why[256];

    (void)state;
    options.time_max = MS;
    run(&options, &result);
    options.controller = "nonesuch";
    assert_int_equal(duet_kernel_path(&options, &result, why, sizeof(why)), -1);
    assert_int_equal(errno, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bottleneck_is_filled_and_not_passed),
        cmocka_unit_test(short_flow_takes_its_round_trips),
        cmocka_unit_test(what_is_lost_is_sent_again),
        cmocka_unit_test(unknown_controller_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
