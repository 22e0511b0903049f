/* SPDX-License-Identifier: MIT */
/* The links to the operating system with packets made by hand, without a stack: the kernel answers
 * an echo request, its SYN has a right checksum and is what its state says, and a RST ends it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "duet/kernel.h"
#include "duet/loop.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { ROOM = 65536, PORT = 4321, ECHO_SIZE = 64 };

/* Opens the peer, or skips the test where the machine does not let us. */
static void open_peer(enum duet_kernel_link kind, uint32_t offload, struct duet_kernel *kernel)
{
    const struct duet_kernel_options options = {.link = kind, .offload = offload};
    char why[256];

    if (duet_kernel_open(&options, kernel, why, sizeof(why)) == 0)
        return;
    print_message("# %s\n", why);
    if (errno != EACCES && errno != EPERM && errno != ENOENT && errno != ENOSPC)
        fail_msg("%s", why);
    skip();
}

/* The next packet of that protocol within two seconds; others are passed over. */
static void receive_packet(struct duet_link *link, uint8_t protocol, uint8_t *data,
                           struct duet_packet *packet, struct ip_packet *ip)
{
    duet_time until = duet_loop_now() + 2 * DUET_SECOND;

    while (duet_loop_now() < until) {
        struct pollfd ready = {.fd = link->descriptor(link), .events = POLLIN};

        *packet = (struct duet_packet){.data = data, .size = ROOM};
        if (!link->receive(link, duet_loop_now(), packet)) {
            assert_int_equal(link->error, 0);
            (void)poll(&ready, 1, 100);
            continue;
        }
        if (ip_parse(data, packet->length, ip) == IP_OK && ip->protocol == protocol)
            return;
    }
    fail_msg("no packet of protocol %u came", protocol);
}

static void send_payload(struct duet_kernel *kernel, int family, uint8_t protocol,
                         const uint8_t *payload, uint32_t size)
{
    uint8_t data[256];
    const struct ip_packet ip = {.source = kernel->ours[family].address,
                                 .destination = kernel->kernels[family],
                                 .protocol = protocol,
                                 .ttl = 64,
                                 .payload_length = size};
    uint32_t header = ip_build(data, &ip);
    struct duet_packet packet = {.data = data, .size = sizeof(data), .length = header + size};

    memcpy(data + header, payload, size);
    assert_true(kernel->link->send(kernel->link, duet_loop_now(), &packet));
}

static void kernel_answers_echo(struct duet_kernel *kernel, int family)
{
    const bool is_ipv6 = family == 1;
    const uint8_t protocol = is_ipv6 ? IP_PROTOCOL_ICMPV6 : IP_PROTOCOL_ICMP;
    static uint8_t room[ROOM];
    uint8_t request[ECHO_SIZE] = {[0] = is_ipv6 ? 128 : 8, [5] = 7, [7] = 9, [63] = 42};
    struct checksum sum = {0};
    struct duet_packet packet;
    struct ip_packet ip;

    if (is_ipv6)
        checksum_add_pseudo(&sum, &kernel->ours[1].address, &kernel->kernels[1], protocol,
                            ECHO_SIZE);
    checksum_add(&sum, request, ECHO_SIZE);
    bytes_put16(request + 2, checksum_finish(&sum));
    send_payload(kernel, family, protocol, request, ECHO_SIZE);
    do { /* multicast listener reports are ICMPv6 too */
        receive_packet(kernel->link, protocol, room, &packet, &ip);
    } while (ip.payload[0] != (is_ipv6 ? 129 : 0));
    assert_true(duet_address_equal(&ip.source, &kernel->kernels[family]));
    assert_int_equal(ip.payload_length, ECHO_SIZE);
    assert_memory_equal(ip.payload + 4, request + 4, ECHO_SIZE - 4);
}

/* A socket that does not block and whose connect has begun. */
static int connect_socket(const struct duet_kernel *kernel, int family,
                          struct duet_socket_address *local)
{
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)}, name6 = {0};
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(PORT)}, name4 = {0};
    const struct duet_address *ours = &kernel->ours[family].address;
    int fd = socket(family == 1 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socklen_t size = family == 1 ? sizeof(name6) : sizeof(name4);

    assert_true(fd >= 0);
    memcpy(&to6.sin6_addr, ours->bytes, 16);
    memcpy(&to4.sin_addr, ours->bytes + 12, 4);
    if (family == 1)
        assert_int_equal(connect(fd, (const struct sockaddr *)&to6, sizeof(to6)), -1);
    else
        assert_int_equal(connect(fd, (const struct sockaddr *)&to4, sizeof(to4)), -1);
    assert_int_equal(errno, EINPROGRESS);
    assert_int_equal(
        getsockname(fd, family == 1 ? (struct sockaddr *)&name6 : (struct sockaddr *)&name4, &size),
        0);
    local->address = kernel->kernels[family];
    local->port = ntohs(family == 1 ? name6.sin6_port : name4.sin_port);
    return fd;
}

static void check_state(const struct duet_socket_address *local,
                        const struct duet_socket_address *peer, enum duet_state wanted)
{
    enum duet_state state = DUET_STATES;

    assert_int_equal(duet_kernel_state(local, peer, -1, &state), 0);
    assert_string_equal(duet_state_name(state), duet_state_name(wanted));
}

/* Without a descriptor left for sock_diag the socket itself is asked, where there is one. */
static void check_state_by_tcp_info(const struct duet_socket_address *local,
                                    const struct duet_socket_address *peer, int fd)
{
    struct rlimit limit, none;
    enum duet_state state = DUET_STATES;
    int by_socket, by_nothing;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    by_socket = duet_kernel_state(local, peer, fd, &state);
    by_nothing = duet_kernel_state(local, peer, -1, &state);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(by_socket, 0);
    assert_int_equal(by_nothing, -1);
    assert_int_equal(state, DUET_SYN_SENT);
}

static void kernel_connects_and_is_reset(struct duet_kernel *kernel, int family)
{
    static uint8_t room[ROOM];
    struct duet_socket_address local, peer = {kernel->ours[family].address, PORT};
    struct duet_packet packet;
    struct ip_packet ip;
    struct tcp_header syn, rst = {.flags = DUET_RST | DUET_ACK};
    struct checksum sum = {0}, sum_out = {0};
    uint8_t segment[TCP_HEADER];
    int fd = connect_socket(kernel, family, &local);

    receive_packet(kernel->link, IP_PROTOCOL_TCP, room, &packet, &ip);
    assert_int_equal(tcp_parse(ip.payload, ip.payload_length, &syn), TCP_WIRE_OK);
    assert_int_equal(syn.flags & DUET_SYN, DUET_SYN);
    assert_int_equal(syn.source_port, local.port);
    if ((packet.flags & DUET_PACKET_CHECKED) == 0) {
        checksum_add_pseudo(&sum, &ip.source, &ip.destination, IP_PROTOCOL_TCP, ip.payload_length);
        checksum_add(&sum, ip.payload, ip.payload_length);
        assert_int_equal(checksum_finish(&sum), 0);
    } else {
        assert_true((kernel->link->offload & DUET_OFFLOAD_CHECKSUM_IN) != 0);
    }
    check_state(&local, &peer, DUET_SYN_SENT);

    check_state_by_tcp_info(&local, &peer, fd);

    rst.source_port = PORT;
    rst.destination_port = local.port;
    rst.ack = syn.seq + 1;
    assert_int_equal(tcp_build(segment, &rst), TCP_HEADER);
    checksum_add_pseudo(&sum_out, &peer.address, &local.address, IP_PROTOCOL_TCP, TCP_HEADER);
    checksum_add(&sum_out, segment, TCP_HEADER);
    bytes_put16(segment + 16, checksum_finish(&sum_out));
    send_payload(kernel, family, IP_PROTOCOL_TCP, segment, TCP_HEADER);
    for (int i = 0; i < 100; i++) { /* a veth pair delivers a little later */
        enum duet_state state;

        if (duet_kernel_state(&local, &peer, fd, &state) == 0 && state == DUET_CLOSED)
            break;
        (void)poll(NULL, 0, 10);
    }
    check_state(&local, &peer, DUET_CLOSED);
    close(fd);
}

static void try_link(enum duet_kernel_link kind, uint32_t offload)
{
    struct duet_kernel kernel;

    open_peer(kind, offload, &kernel);
    assert_int_equal(kernel.kind, kind);
    assert_int_equal(kernel.link->mtu, 1500);
    if (kind == DUET_KERNEL_TUN)
        assert_int_equal(kernel.link->offload, offload);
    for (int family = 0; family < 2; family++) {
        kernel_answers_echo(&kernel, family);
        kernel_connects_and_is_reset(&kernel, family);
    }
    assert_int_equal(kernel.link->deadline(kernel.link), DUET_NEVER);
    kernel.link->close(kernel.link);
}

static void tun_without_offload(void **state)
{
    (void)state;
    try_link(DUET_KERNEL_TUN, 0);
}

static void tun_with_offload(void **state)
{
    (void)state;
    try_link(DUET_KERNEL_TUN,
             DUET_OFFLOAD_CHECKSUM_OUT | DUET_OFFLOAD_CHECKSUM_IN | DUET_OFFLOAD_SEGMENT);
}

static void packet_socket_on_a_quiet_veth(void **state)
{
    (void)state;
    try_link(DUET_KERNEL_PACKET, 0);
}

static void packet_socket_with_checksums_left_undone(void **state)
{
    (void)state;
    try_link(DUET_KERNEL_PACKET, DUET_OFFLOAD_CHECKSUM_IN);
}

static void unknown_device_is_an_error(void **state)
{
    const uint8_t mac[6] = {2};
    struct duet_link *link = NULL;
    struct duet_kernel kernel;

    (void)state;
    open_peer(DUET_KERNEL_PACKET, 0, &kernel);
    assert_int_equal(duet_packet_open("nonesuch", mac, &link), -1);
    assert_int_equal(errno, ENODEV);
    assert_int_equal(duet_packet_open("a-name-that-is-too-long", mac, &link), -1);
    assert_int_equal(errno, EINVAL);
    assert_null(link);
    kernel.link->close(kernel.link);
}

static void impossible_mtu_has_a_sentence(void **state)
{
    const struct duet_kernel_options options = {.mtu = 1279};
    struct duet_kernel kernel;
    char why[128];

    (void)state;
    assert_int_equal(duet_kernel_open(&options, &kernel, why, sizeof(why)), -1);
    assert_int_equal(errno, EINVAL);
    assert_non_null(strstr(why, "MTU"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tun_without_offload),
        cmocka_unit_test(tun_with_offload),
        cmocka_unit_test(packet_socket_on_a_quiet_veth),
        cmocka_unit_test(packet_socket_with_checksums_left_undone),
        cmocka_unit_test(unknown_device_is_an_error),
        cmocka_unit_test(impossible_mtu_has_a_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
