/* SPDX-License-Identifier: MIT */
/* Requests to rtnetlink (rtnetlink(7)), built by hand: a header, the fixed part of the request, and
 * attributes that may hold attributes. See netlink.h. */
#include "host/kernel/netlink.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/check.h"

enum { REQUEST_ROOM = 512, REPLY_ROOM = 4096, REPLIES_MAX = 16, WAIT_SECONDS = 2 };

struct request {
    struct nlmsghdr header; /* nlmsg_len: bytes written so far, this header included */
    uint8_t room[REQUEST_ROOM];
};
_Static_assert(offsetof(struct request, room) == NLMSG_HDRLEN, "the message follows its header");

/* ---- building ---- */

/* Adds bytes, padded to four as netlink wants it, and returns where they stand. */
static uint8_t *put(struct request *request, const void *data, size_t size)
{
    size_t at = NLMSG_ALIGN(request->header.nlmsg_len) - NLMSG_HDRLEN;

    CHECK(at + NLMSG_ALIGN(size) <= REQUEST_ROOM);
    if (size > 0)
        memcpy(request->room + at, data, size);
    request->header.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + at + size);
    return request->room + at;
}

static void begin(struct request *request, uint16_t type, uint16_t flags, const void *fixed,
                  size_t size)
{
    memset(request, 0, sizeof(*request));
    request->header.nlmsg_len = NLMSG_HDRLEN;
    request->header.nlmsg_type = type;
    request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    (void)put(request, fixed, size);
}

static void put_attribute(struct request *request, uint16_t type, const void *data, size_t size)
{
    const struct rtattr attribute = {.rta_len = (uint16_t)(RTA_LENGTH(0) + size), .rta_type = type};

    (void)put(request, &attribute, sizeof(attribute));
    (void)put(request, data, size);
}

/* An attribute of attributes: those put before end_nest() is called with what this returns. */
static uint8_t *begin_nest(struct request *request, uint16_t type)
{
    const struct rtattr attribute = {.rta_len = (uint16_t)RTA_LENGTH(0), .rta_type = type};

    return put(request, &attribute, sizeof(attribute));
}

static void end_nest(struct request *request, uint8_t *nest)
{
    struct rtattr attribute;
    const uint8_t *end = (const uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len);

    memcpy(&attribute, nest, sizeof(attribute));
    attribute.rta_len = (uint16_t)(end - nest);
    memcpy(nest, &attribute, sizeof(attribute));
}

/* ---- talking ---- */

int netlink_open(void)
{
    const struct timeval wait = {.tv_sec = WAIT_SECONDS};
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (netlink < 0)
        return -1;
    if (setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0) {
        close(netlink);
        return -1;
    }
    return netlink;
}

union reply {
    struct nlmsghdr header;
    uint8_t bytes[REPLY_ROOM];
};

/* Waits for a message of the wanted type, or for the kernel's verdict. Returns the length of the
 * message, 0 for a good verdict, or -1. Anything else the kernel may say is not meant for us. */
static ssize_t await(int netlink, uint16_t wanted, union reply *reply)
{
    for (int i = 0; i < REPLIES_MAX; i++) {
        ssize_t got = recv(netlink, reply, sizeof(*reply), 0);
        struct nlmsgerr verdict;

        if (got < 0)
            return -1;
        if (got < (ssize_t)NLMSG_HDRLEN)
            continue;
        if (reply->header.nlmsg_type == wanted)
            return got;
        if (reply->header.nlmsg_type != NLMSG_ERROR || (size_t)got < NLMSG_HDRLEN + sizeof(verdict))
            continue;
        memcpy(&verdict, reply->bytes + NLMSG_HDRLEN, sizeof(verdict));
        if (verdict.error == 0)
            return 0;
        errno = -verdict.error;
        return -1;
    }
    errno = EPROTO;
    return -1;
}

static int command(int netlink, struct request *request)
{
    union reply reply;

    request->header.nlmsg_flags |= NLM_F_ACK;
    if (send(netlink, request, request->header.nlmsg_len, 0) < 0)
        return -1;
    return (int)await(netlink, NLMSG_NOOP, &reply); /* which never comes: the verdict does */
}

static ssize_t ask(int netlink, const struct request *request, uint16_t wanted, union reply *reply)
{
    if (send(netlink, request, request->header.nlmsg_len, 0) < 0)
        return -1;
    return await(netlink, wanted, reply);
}

/* ---- requests ---- */

static void put_veth_end(struct request *request, const struct netlink_veth_end *end, uint32_t mtu)
{
    put_attribute(request, IFLA_IFNAME, end->name, strlen(end->name) + 1);
    put_attribute(request, IFLA_ADDRESS, end->mac, MAC_SIZE);
    put_attribute(request, IFLA_MTU, &mtu, sizeof(mtu));
}

int netlink_add_veth(int netlink, const struct netlink_veth_end ends[2], uint32_t mtu)
{
    const struct ifinfomsg fixed = {.ifi_family = AF_UNSPEC};
    struct request request;
    uint8_t *info, *data, *peer;

    begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &fixed, sizeof(fixed));
    put_veth_end(&request, &ends[0], mtu);
    info = begin_nest(&request, IFLA_LINKINFO);
    put_attribute(&request, IFLA_INFO_KIND, "veth", sizeof("veth"));
    data = begin_nest(&request, IFLA_INFO_DATA);
    peer = begin_nest(&request, VETH_INFO_PEER);
    (void)put(&request, &fixed, sizeof(fixed));
    put_veth_end(&request, &ends[1], mtu);
    end_nest(&request, peer);
    end_nest(&request, data);
    end_nest(&request, info);
    return command(netlink, &request);
}

int netlink_set_up(int netlink, unsigned device)
{
    const struct ifinfomsg fixed = {.ifi_family = AF_UNSPEC,
                                    .ifi_index = (int)device,
                                    .ifi_flags = IFF_UP,
                                    .ifi_change = IFF_UP};
    struct request request;

    begin(&request, RTM_NEWLINK, 0, &fixed, sizeof(fixed));
    return command(netlink, &request);
}

/* Looks through the attributes of reply[at, size) for one of that type and one byte. -1: none. */
static int find_byte(const union reply *reply, size_t at, size_t size, uint16_t type)
{
    struct rtattr attribute;

    while (at + sizeof(attribute) <= size) {
        memcpy(&attribute, reply->bytes + at, sizeof(attribute));
        if (attribute.rta_len < sizeof(attribute))
            return -1;
        if (attribute.rta_type == type && attribute.rta_len > sizeof(attribute) &&
            at + attribute.rta_len <= size)
            return reply->bytes[at + sizeof(attribute)];
        at += RTA_ALIGN(attribute.rta_len);
    }
    return -1;
}

int netlink_is_operational(int netlink, unsigned device)
{
    const struct ifinfomsg fixed = {.ifi_family = AF_UNSPEC, .ifi_index = (int)device};
    struct request request;
    union reply reply;
    ssize_t got;

    begin(&request, RTM_GETLINK, 0, &fixed, sizeof(fixed));
    got = ask(netlink, &request, RTM_NEWLINK, &reply);
    if (got <= 0)
        return -1;
    return find_byte(&reply, NLMSG_LENGTH(sizeof(fixed)), (size_t)got, IFLA_OPERSTATE) ==
           IF_OPER_UP;
}

/* The address as the kernel has it: 4 bytes, or 16. */
static const uint8_t *address_bytes(const struct duet_address *address, size_t *size)
{
    bool is_ipv4 = duet_address_is_ipv4(address);

    *size = is_ipv4 ? 4 : 16;
    return is_ipv4 ? address->bytes + 12 : address->bytes;
}

static uint8_t address_family(const struct duet_address *address)
{
    return duet_address_is_ipv4(address) ? AF_INET : AF_INET6;
}

int netlink_add_address(int netlink, unsigned device, const struct duet_address *address,
                        uint8_t prefix_length)
{
    const struct ifaddrmsg fixed = {.ifa_family = address_family(address),
                                    .ifa_prefixlen = prefix_length,
                                    .ifa_flags = IFA_F_PERMANENT | IFA_F_NODAD,
                                    .ifa_index = device};
    struct request request;
    size_t size;
    const uint8_t *bytes = address_bytes(address, &size);

    begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &fixed, sizeof(fixed));
    put_attribute(&request, IFA_LOCAL, bytes, size);
    put_attribute(&request, IFA_ADDRESS, bytes, size);
    return command(netlink, &request);
}

int netlink_is_local(int netlink, const struct duet_address *address)
{
    struct rtmsg fixed = {.rtm_family = address_family(address)};
    struct request request;
    union reply reply;
    size_t size;
    const uint8_t *bytes = address_bytes(address, &size);
    ssize_t got;

    fixed.rtm_dst_len = (uint8_t)(size * 8);
    begin(&request, RTM_GETROUTE, 0, &fixed, sizeof(fixed));
    put_attribute(&request, RTA_DST, bytes, size);
    got = ask(netlink, &request, RTM_NEWROUTE, &reply);
    if (got < 0)
        return errno == ENETUNREACH || errno == EHOSTUNREACH ? 0 : -1;
    if ((size_t)got < NLMSG_LENGTH(sizeof(fixed)))
        return -1;
    memcpy(&fixed, reply.bytes + NLMSG_HDRLEN, sizeof(fixed));
    return fixed.rtm_type == RTN_LOCAL;
}

int netlink_add_neighbour(int netlink, unsigned device, const struct duet_address *address,
                          const uint8_t mac[MAC_SIZE])
{
    const struct ndmsg fixed = {.ndm_family = address_family(address),
                                .ndm_ifindex = (int)device,
                                .ndm_state = NUD_PERMANENT};
    struct request request;
    size_t size;
    const uint8_t *bytes = address_bytes(address, &size);

    begin(&request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &fixed, sizeof(fixed));
    put_attribute(&request, NDA_DST, bytes, size);
    put_attribute(&request, NDA_LLADDR, mac, MAC_SIZE);
    return command(netlink, &request);
}

int netlink_add_route(int netlink, unsigned device, const struct duet_address *source, bool at_once)
{
    bool is_ipv6 = !duet_address_is_ipv4(source);
    const struct rtmsg fixed = {.rtm_family = is_ipv6 ? AF_INET6 : AF_INET,
                                .rtm_table = RT_TABLE_MAIN,
                                .rtm_protocol = RTPROT_BOOT,
                                .rtm_scope = is_ipv6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                                .rtm_type = RTN_UNICAST};
    const uint32_t one = 1;
    struct request request;
    size_t size;
    const uint8_t *bytes = address_bytes(source, &size);

    begin(&request, RTM_NEWROUTE, NLM_F_CREATE, &fixed, sizeof(fixed));
    put_attribute(&request, RTA_OIF, &device, sizeof(device));
    put_attribute(&request, RTA_PREFSRC, bytes, size);
    if (at_once) {
        uint8_t *metrics = begin_nest(&request, RTA_METRICS);

        put_attribute(&request, RTAX_QUICKACK, &one, sizeof(one));
        end_nest(&request, metrics);
    }
    return command(netlink, &request);
}
