/* SPDX-License-Identifier: MIT */
/* The stack against the kernel's TCP on real packets: 10 MB each way at the same time, verified by
 * checksum, in both roles, over IPv4 and IPv6, over TUN with and without offloads and over
 * AF_PACKET.
 *
 * timeout: 300 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "interop/transfer.h"

enum { BYTES = 10 * 1000 * 1000 };

struct situation {
    enum duet_kernel_link link;
    uint32_t offload;
    bool is_client, is_ipv6;
};

static void crc_is_that_of_ieee(void **state)
{
    (void)state;
    assert_int_equal(transfer_crc(0, (const uint8_t *)"123456789", 9), 0xcbf43926U);
    assert_int_equal(
        transfer_crc(transfer_crc(0, (const uint8_t *)"1234", 4), (const uint8_t *)"56789", 5),
        0xcbf43926U);
}

/* Opens the peer, or skips the test where the machine does not let us. */
static void open_peer(const struct situation *situation, struct duet_kernel *kernel)
{
    const struct duet_kernel_options options = {.link = situation->link,
                                                .offload = situation->offload};
    char why[256];

    if (duet_kernel_open(&options, kernel, why, sizeof(why)) == 0)
        return;
    print_message("# %s\n", why);
    if (errno != EACCES && errno != EPERM && errno != ENOENT && errno != ENOSPC)
        fail_msg("%s", why);
    skip();
}

static void check_bytes(const struct transfer_side *from, const struct transfer_side *to)
{
    assert_int_equal(from->sent, BYTES);
    assert_int_equal(to->received, BYTES);
    assert_int_equal(to->received_sum, from->sent_sum);
    assert_true(to->end_seen);
}

/* Where the kernel closed first it waits in TIME-WAIT; where it did not, its listener is all that
 * is left of the port. */
static void check_end(const struct situation *situation, const struct transfer_result *result)
{
    assert_true(result->is_closed);
    assert_int_equal(result->outcome.error, DUET_OK);
    assert_true(result->outcome.fin_acknowledged);
    assert_true(result->outcome.peer_fin_received);
    assert_int_equal(result->outcome.we_closed_first, situation->is_client);
    assert_int_equal(result->outcome.bytes_unacknowledged, 0);
    assert_int_equal(result->outcome.bytes_unread, 0);
    assert_string_equal(duet_state_name(result->kernel_state),
                        situation->is_client ? "LISTEN" : "TIME-WAIT");
}

static void transfer(void **state)
{
    const struct situation *situation = *state;
    const struct transfer_plan plan = {.is_client = situation->is_client,
                                       .is_ipv6 = situation->is_ipv6,
                                       .bytes = BYTES,
                                       .limit = 60 * DUET_SECOND};
    struct transfer_result result;
    struct duet_kernel kernel;

    open_peer(situation, &kernel);
    transfer_run(&kernel, &plan, &result);
    kernel.link->close(kernel.link);
    if (result.trouble[0] != '\0')
        fail_msg("%s (stack: %llu sent, %llu received; kernel: %llu sent, %llu received)",
                 result.trouble, (unsigned long long)result.stack.sent,
                 (unsigned long long)result.stack.received, (unsigned long long)result.kernel.sent,
                 (unsigned long long)result.kernel.received);
    check_bytes(&result.stack, &result.kernel);
    check_bytes(&result.kernel, &result.stack);
    check_end(situation, &result);
    /* Where the link cuts large packets, they are used: fewer packets than segments of an MTU. */
    if (kernel.kind == DUET_KERNEL_TUN && situation->offload & DUET_OFFLOAD_SEGMENT)
        assert_true(result.counters.packets_out < BYTES / 1460);
}

enum { LINKS = 4, CASES = LINKS * 4 };

int main(void)
{
    static const struct {
        const char *name;
        enum duet_kernel_link link;
        uint32_t offload;
    } links[LINKS] = {
        {"tun", DUET_KERNEL_TUN, 0},
        {"tun with offload", DUET_KERNEL_TUN,
         DUET_OFFLOAD_CHECKSUM_OUT | DUET_OFFLOAD_CHECKSUM_IN | DUET_OFFLOAD_SEGMENT},
        {"packet socket", DUET_KERNEL_PACKET, 0},
        {"packet socket, veth offloads on", DUET_KERNEL_PACKET, DUET_OFFLOAD_CHECKSUM_IN},
    };
    static struct situation situations[CASES];
    static char names[CASES][80];
    struct CMUnitTest tests[CASES + 1] = {cmocka_unit_test(crc_is_that_of_ieee)};

    for (size_t i = 0; i < CASES; i++) {
        situations[i] = (struct situation){links[i / 4].link, links[i / 4].offload,
                                           .is_client = i % 2 == 0, .is_ipv6 = i / 2 % 2 == 1};
        (void)snprintf(names[i], sizeof(names[i]), "10 MB each way, %s, %s, IPv%c",
                       links[i / 4].name, situations[i].is_client ? "client" : "server",
                       situations[i].is_ipv6 ? '6' : '4');
        tests[i + 1] = (struct CMUnitTest){
            .name = names[i], .test_func = transfer, .initial_state = &situations[i]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
