/* SPDX-License-Identifier: MIT */
/* From bytes that the stack sent to a packet in the script's terms. Strict: what a stack sends has
 * to be right to the last bit, so anything odd is an error of its own.
 */
#include <string.h>

#include "base/bytes.h"
#include "duet/trace.h"
#include "sim/script/packet.h"
#include "wire/checksum.h"
#include "wire/ip.h"

static uint32_t get24(const uint8_t *at)
{
    return (uint32_t)at[0] << 16 | bytes_get16(at + 1);
}

static void read_values(struct packet_option *option, const uint8_t *at, uint32_t size,
                        uint32_t width)
{
    for (uint32_t i = 0; i + width <= size && option->value_count < OPTION_VALUES_MAX; i += width) {
        option->values[option->value_count++] = width == 3 ? get24(at + i) : bytes_get32(at + i);
    }
}

static void read_bytes(struct packet_option *option, const uint8_t *at, uint32_t size)
{
    option->byte_count = min_u32(size, OPTION_BYTES_MAX);
    memcpy(option->bytes, at, option->byte_count);
}

/* One option of kind >= 2 with size bytes of value. */
static void read_option(struct packet_option *option, const uint8_t *at, uint32_t size)
{
    const uint8_t *value = at + 2;
    if (at[0] == 2 && size == 2) {
        option->kind = OPTION_MSS;
        option->values[option->value_count++] = bytes_get16(value);
    } else if (at[0] == 3 && size == 1) {
        option->kind = OPTION_WSCALE;
        option->values[option->value_count++] = value[0];
    } else if (at[0] == 4 && size == 0) {
        option->kind = OPTION_SACK_OK;
    } else if (at[0] == 5 && size >= 8 && size % 8 == 0) {
        option->kind = OPTION_SACK;
        read_values(option, value, size, 4);
    } else if (at[0] == 8 && size == 8) {
        option->kind = OPTION_TIMESTAMPS;
        read_values(option, value, size, 4);
    } else if (at[0] == 34) {
        option->kind = OPTION_FAST_OPEN;
        read_bytes(option, value, size);
    } else if (at[0] == 254 && size >= 2 && bytes_get16(value) == 0xf989) {
        option->kind = OPTION_FAST_OPEN_EXPERIMENTAL;
        read_bytes(option, value + 2, size - 2);
    } else if (at[0] == 28 && size == 2) {
        option->kind = OPTION_USER_TIMEOUT;
        option->values[option->value_count++] = bytes_get16(value);
    } else if (at[0] == 19 && size == 16) {
        option->kind = OPTION_MD5;
        read_bytes(option, value, size);
    } else if ((at[0] == 172 || at[0] == 174) && size % 3 == 0 && size <= 9) {
        option->kind = at[0] == 172 ? OPTION_ACC_ECN_0 : OPTION_ACC_ECN_1;
        read_values(option, value, size, 3);
    } else {
        option->kind = OPTION_RAW;
        read_bytes(option, at, size + 2);
    }
}

static bool read_options(struct packet_seen *seen, const uint8_t *at, uint32_t length)
{
    struct packet_event *event = &seen->event;
    event->options = seen->options;
    for (uint32_t i = 0; i < length;) {
        struct packet_option *option = &seen->options[event->option_count++];
        *option = (struct packet_option){0};
        if (at[i] <= 1) {
            option->kind = at[i] == 0 ? OPTION_EOL : OPTION_NOP;
            i++;
            continue;
        }
        if (i + 2 > length || at[i + 1] < 2 || i + at[i + 1] > length) {
            return false;
        }
        read_option(option, at + i, at[i + 1] - 2u);
        i += at[i + 1];
    }
    return true;
}

static bool sum_is_right(const struct ip_packet *ip, bool with_pseudo)
{
    struct checksum sum = {0};
    if (with_pseudo) {
        checksum_add_pseudo(&sum, &ip->source, &ip->destination, ip->protocol, ip->payload_length);
    }
    checksum_add(&sum, ip->payload, ip->payload_length);
    return checksum_finish(&sum) == 0;
}

static const char *read_segment(const struct ip_packet *ip, bool partial, struct packet_seen *seen)
{
    struct packet_event *event = &seen->event;
    const uint8_t *at = ip->payload;
    uint32_t head = ip->payload_length >= 20 ? (at[12] >> 4) * 4u : 0;
    if (head < 20 || head > ip->payload_length) {
        return "a segment without a whole header";
    }
    if (at[12] & 0x0e) {
        return "a segment with reserved bits set";
    }
    if (!partial && !sum_is_right(ip, true)) {
        return "a segment with a wrong checksum";
    }
    seen->source_port = bytes_get16(at);
    seen->destination_port = bytes_get16(at + 2);
    event->seq = bytes_get32(at + 4);
    event->ack = bytes_get32(at + 8);
    event->flags = bytes_get16(at + 12) & 0x1ff;
    event->window = bytes_get16(at + 14);
    event->urgent = bytes_get16(at + 18);
    event->length = ip->payload_length - head;
    event->end = event->seq + event->length;
    event->has_seq = event->has_window = true;
    event->has_ack = (event->flags & DUET_ACK) != 0;
    event->has_urgent = (event->flags & DUET_URG) != 0;
    if (!event->has_ack && event->ack != 0) {
        return "a segment with an acknowledgement number but without ACK";
    }
    if (!event->has_urgent && event->urgent != 0) {
        return "a segment with an urgent pointer but without URG";
    }
    seen->text = at + head;
    return read_options(seen, at + 20, head - 20) ? NULL : "a segment with malformed options";
}

bool packet_read(const uint8_t *bytes, uint32_t length, bool partial, struct packet_seen *seen,
                 const char **reason)
{
    struct ip_packet ip;
    memset(seen, 0, sizeof(*seen));
    *reason = NULL;
    if (ip_parse(bytes, length, &ip) != IP_OK) {
        *reason = "bytes that are no proper IP packet";
        return false;
    }
    struct packet_event *event = &seen->event;
    seen->source = ip.source;
    seen->destination = ip.destination;
    event->ecn_match = ECN_SET;
    event->ecn = ip.traffic_class & 3;
    event->has_tos = event->has_ttl = true;
    event->tos = ip.traffic_class;
    event->ttl = ip.ttl;
    event->has_flow_label = ip.version == 6;
    event->flow_label = ip.flow_label;
    if (ip.protocol == IP_PROTOCOL_TCP) {
        event->protocol = PACKET_TCP;
        *reason = read_segment(&ip, partial, seen);
        return *reason == NULL;
    }
    event->protocol = ip.protocol == IP_PROTOCOL_ICMPV6 ? PACKET_ICMPV6 : PACKET_ICMP;
    bool icmp = ip.protocol == IP_PROTOCOL_ICMP || ip.protocol == IP_PROTOCOL_ICMPV6;
    if (!icmp || ip.payload_length < 8 || !sum_is_right(&ip, ip.protocol == IP_PROTOCOL_ICMPV6)) {
        *reason = icmp ? "an ICMP message with a wrong checksum" : "a packet of another protocol";
        return false;
    }
    event->type = ip.payload[0];
    event->code = ip.payload[1];
    return true;
}

void packet_make_relative(struct packet_seen *seen, struct flow *flow, uint32_t script_isn)
{
    struct packet_event *event = &seen->event;
    if (event->protocol != PACKET_TCP) {
        return;
    }
    if (event->flags & DUET_SYN) {
        flow->local_known = true;
        flow->local_isn = event->seq;
        flow->local_offset = event->seq - script_isn;
    }
    /* A reset for a segment without ACK has the number 0 (RFC 9293, 3.10.7.1), not a relative one.
     */
    bool zero = (event->flags & DUET_RST) && event->seq == 0;
    event->seq -= zero ? 0 : flow->local_offset;
    event->end = event->seq + event->length;
    event->ack -= event->has_ack ? flow->remote_offset : 0;
    for (unsigned i = 0; i < event->option_count; i++) {
        struct packet_option *option = &event->options[i];
        for (unsigned v = 0; option->kind == OPTION_SACK && v < option->value_count; v++) {
            option->values[v] -= flow->remote_offset;
        }
    }
}
