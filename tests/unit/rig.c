/* SPDX-License-Identifier: MIT */
/* A stack on a bench (rig.h). The packets are written and read here byte by byte from RFC 791, 8200
 * and 9293, on purpose without src/wire. */
#include "rig.h"

#include <stdlib.h>

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] * 256 + at[1]);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) * 65536 + get16(at + 2);
}

/* ---- start and end ---- */

void rig_config(struct duet_config *config)
{
    duet_config_default(config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config->secret[i] = (uint8_t)(i * 7 + 1);
    config->interfaces[0] = (struct duet_interface){duet_ipv4(10, 0, 0, 1), 24};
    config->interfaces[1] = (struct duet_interface){rig_tuple6(1, 1).local, 64};
    config->interface_count = 2;
    config->connections_max = 16;
    config->half_open_max = 16;
    config->time_wait_max = 16;
    config->transfers_max = 16;
    config->reassemblies_max = 16;
    config->ranges_max = 256;
    config->listeners_max = 16;
    config->replies_max = 64;
    config->paths_max = 16;
    config->pages_max = 256;
    config->page_size = 2048;
    config->send_buffer = 65536;
    config->receive_buffer = 65536;
    config->pacing = false; /* what may leave, leaves at once: time is a number here */
    config->autotune = false;
    config->quick_acks = 0;
    config->watch = true;
}

void rig_start(struct rig *rig, const struct duet_config *config)
{
    rig->config = *config;
    rig->now = 0;
    rig->size = duet_stack_footprint(config);
    assert_true(rig->size > 0);
    rig->block = malloc(rig->size);
    assert_non_null(rig->block);
    assert_int_equal(duet_stack_init(rig->block, rig->size, config, &rig->stack), DUET_OK);
}

void rig_end(struct rig *rig)
{
    free(rig->block);
}

/* ---- packets ---- */

struct tcp_tuple rig_tuple(uint16_t local_port, uint16_t remote_port)
{
    return (struct tcp_tuple){duet_ipv4(10, 0, 0, 1), duet_ipv4(10, 0, 0, 2), local_port,
                              remote_port};
}

struct tcp_tuple rig_tuple6(uint16_t local_port, uint16_t remote_port)
{
    struct tcp_tuple tuple = {.local_port = local_port, .remote_port = remote_port};
    tuple.local.bytes[0] = tuple.remote.bytes[0] = 0xfd;
    tuple.local.bytes[15] = 1;
    tuple.remote.bytes[15] = 2;
    return tuple;
}

static bool is_ipv4(const struct duet_address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

uint32_t rig_sum(uint32_t sum, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static uint32_t pseudo_sum(const struct tcp_tuple *tuple, uint32_t length)
{
    uint8_t tail[4];
    put32(tail, length);
    uint32_t from = is_ipv4(&tuple->local) ? 12 : 0;
    uint32_t sum = rig_sum(6, tuple->local.bytes + from, 16 - from);
    sum = rig_sum(sum, tuple->remote.bytes + from, 16 - from);
    return rig_sum(sum, tail, sizeof tail);
}

/* In the order in which every stack of today has them. */
static uint32_t encode_options(uint8_t *at, const struct rig_segment *segment)
{
    uint8_t *start = at;
    if (segment->mss != 0) {
        put32(at, 0x02040000U | segment->mss);
        at += 4;
    }
    if (segment->sack && !segment->timestamps) {
        put32(at, 0x01010402U);
        at += 4;
    }
    if (segment->timestamps) {
        put32(at, segment->sack ? 0x0402080aU : 0x0101080aU);
        put32(at + 4, segment->tsval);
        put32(at + 8, segment->tsecr);
        at += 12;
    }
    if (segment->scaling) {
        put32(at, 0x01030300U | segment->scale);
        at += 4;
    }
    if (segment->user_timeout != 0) {
        put32(at, 0x1c040000U | segment->user_timeout);
        at += 4;
    }
    if (segment->fast_open) {
        const uint32_t size = (2 + segment->cookie_length + 3U) / 4 * 4;
        memset(at, 1, size);
        at[0] = 34;
        at[1] = (uint8_t)(2 + segment->cookie_length);
        memcpy(at + 2, segment->cookie, segment->cookie_length);
        at += size;
    }
    if (segment->blocks > 0) {
        put32(at, 0x01010500U | (2 + 8 * segment->blocks));
        at += 4;
    }
    for (uint32_t i = 0; i < segment->blocks; i++, at += 8) {
        put32(at, segment->block[i].left);
        put32(at + 4, segment->block[i].right);
    }
    return (uint32_t)(at - start);
}

static uint32_t encode_ip(uint8_t *bytes, const struct tcp_tuple *tuple, uint32_t payload)
{
    if (!is_ipv4(&tuple->local)) {
        memset(bytes, 0, 40);
        bytes[0] = 0x60;
        put16(bytes + 4, payload);
        bytes[6] = 6;
        bytes[7] = 64;
        memcpy(bytes + 8, tuple->remote.bytes, 16);
        memcpy(bytes + 24, tuple->local.bytes, 16);
        return 40;
    }
    memset(bytes, 0, 20);
    bytes[0] = 0x45;
    put16(bytes + 2, 20 + payload);
    put16(bytes + 6, 0x4000);
    bytes[8] = 64;
    bytes[9] = 6;
    memcpy(bytes + 12, tuple->remote.bytes + 12, 4);
    memcpy(bytes + 16, tuple->local.bytes + 12, 4);
    put16(bytes + 10, 0xffff - rig_sum(0, bytes, 20));
    return 20;
}

uint32_t rig_encode(uint8_t *bytes, const struct tcp_tuple *tuple,
                    const struct rig_segment *segment)
{
    uint8_t header[60] = {0};
    put16(header, tuple->remote_port);
    put16(header + 2, tuple->local_port);
    put32(header + 4, segment->seq);
    put32(header + 8, segment->ack);
    put16(header + 14, segment->window);
    put16(header + 18, segment->urgent);
    const uint32_t size = 20 + encode_options(header + 20, segment);
    put16(header + 12, (size / 4) << 12 | segment->flags);

    uint8_t *tcp = bytes + encode_ip(bytes, tuple, size + segment->length);
    memcpy(tcp, header, size);
    if (segment->length > 0)
        memcpy(tcp + size, segment->text, segment->length);
    const uint32_t length = size + segment->length;
    put16(tcp + 16, 0xffff - rig_sum(pseudo_sum(tuple, length), tcp, length));
    return (uint32_t)(tcp - bytes) + length;
}

static void decode_options(const uint8_t *at, const uint8_t *end, struct rig_segment *segment)
{
    for (; at < end; at += *at == 1 ? 1 : at[1]) {
        switch (*at) {
        case 1:
            break;
        case 2:
            segment->mss = get16(at + 2);
            break;
        case 3:
            segment->scaling = true;
            segment->scale = at[2];
            break;
        case 4:
            segment->sack = true;
            break;
        case 5:
            assert_true(at[1] >= 10 && at[1] <= 34);
            segment->blocks = (at[1] - 2U) / 8;
            for (uint32_t i = 0; i < segment->blocks; i++) {
                segment->block[i].left = get32(at + 2 + 8 * i);
                segment->block[i].right = get32(at + 6 + 8 * i);
            }
            break;
        case 8:
            segment->timestamps = true;
            segment->tsval = get32(at + 2);
            segment->tsecr = get32(at + 6);
            break;
        case 28:
            segment->user_timeout = get16(at + 2);
            break;
        case 34:
            assert_true(at[1] == 2 || (at[1] >= 6 && at[1] <= 18 && at[1] % 2 == 0));
            segment->fast_open = true;
            segment->cookie_length = at[1] - 2;
            memcpy(segment->cookie, at + 2, segment->cookie_length);
            break;
        case 172: /* looked at where it is tested */
        case 174:
            break;
        default:
            fail_msg("an option of kind %u", *at);
        }
        assert_true(*at == 1 || at[1] >= 2);
    }
    assert_true(at == end);
}

void rig_decode(const struct duet_packet *packet, struct tcp_tuple *tuple,
                struct rig_segment *segment)
{
    const uint8_t *bytes = packet->data;
    const uint32_t ip = bytes[0] >> 4 == 4 ? 20 : 40;
    const uint8_t *tcp = bytes + ip;
    *tuple = (struct tcp_tuple){0};
    if (ip == 20) {
        tuple->local = duet_ipv4(bytes[12], bytes[13], bytes[14], bytes[15]);
        tuple->remote = duet_ipv4(bytes[16], bytes[17], bytes[18], bytes[19]);
        assert_int_equal(bytes[0], 0x45);
        assert_int_equal(get16(bytes + 2), packet->length);
        assert_int_equal(rig_sum(0, bytes, 20), 0xffff);
    } else {
        memcpy(tuple->local.bytes, bytes + 8, 16);
        memcpy(tuple->remote.bytes, bytes + 24, 16);
        assert_int_equal(bytes[0] >> 4, 6);
        assert_int_equal(40 + get16(bytes + 4), packet->length);
    }
    assert_int_equal(bytes[ip == 20 ? 9 : 6], 6);
    tuple->local_port = get16(tcp);
    tuple->remote_port = get16(tcp + 2);

    const uint32_t length = packet->length - ip;
    const uint32_t size = (tcp[12] >> 4) * 4U;
    assert_true(size >= 20 && size <= length);
    if ((packet->flags & DUET_PACKET_CHECKSUM_PARTIAL) == 0)
        assert_int_equal(rig_sum(pseudo_sum(tuple, length), tcp, length), 0xffff);
    *segment = (struct rig_segment){
        .seq = get32(tcp + 4),
        .ack = get32(tcp + 8),
        .flags = get16(tcp + 12) & 0x1ff,
        .window = get16(tcp + 14),
        .urgent = get16(tcp + 18),
        .text = tcp + size,
        .length = length - size,
    };
    decode_options(tcp + 20, tcp + size, segment);
}

/* No door may leave a stack with a broken invariant. */
static void expect_sound(const struct rig *rig)
{
    const char *broken = duet_check(rig->stack);
    if (broken == NULL)
        return;
    print_error("broken invariant: %s\n", broken);
    fail();
}

void rig_input(struct rig *rig, const struct tcp_tuple *tuple, const struct rig_segment *segment)
{
    const struct duet_packet packet = {
        .data = rig->in, .size = sizeof rig->in, .length = rig_encode(rig->in, tuple, segment)};
    duet_input(rig->stack, rig->now, &packet);
    expect_sound(rig);
}

bool rig_output(struct rig *rig, struct tcp_tuple *tuple, struct rig_segment *segment)
{
    struct tcp_tuple own_tuple;
    struct rig_segment own_segment;
    rig->packet = (struct duet_packet){.data = rig->out, .size = sizeof rig->out};
    if (!duet_output(rig->stack, rig->now, &rig->packet))
        return false;
    expect_sound(rig);
    rig_decode(&rig->packet, tuple != NULL ? tuple : &own_tuple,
               segment != NULL ? segment : &own_segment);
    return true;
}

void rig_silence(const char *row, struct rig *rig)
{
    struct rig_segment segment;
    if (!rig_output(rig, NULL, &segment))
        return;
    print_error("%s: not silent: flags %#x seq %u ack %u length %u window %u\n", row, segment.flags,
                segment.seq, segment.ack, segment.length, segment.window);
    fail();
}

unsigned rig_drain(struct rig *rig)
{
    unsigned packets = 0;
    while (rig_output(rig, NULL, NULL))
        packets++;
    return packets;
}

void rig_pass(struct rig *rig, duet_time now)
{
    while (duet_deadline(rig->stack) <= now) {
        const duet_time next = duet_deadline(rig->stack);
        rig->now = next > rig->now ? next : rig->now;
        duet_expire(rig->stack, rig->now);
        expect_sound(rig);
    }
    rig->now = now;
}

uint64_t rig_hits(const struct rig *rig, enum tcp_rule rule)
{
    return duet_rule_hits(rig->stack, rule);
}

/* ---- connections ---- */

static void take_offer(struct rig_conn *conn, const struct rig_segment *offer)
{
    conn->irs = offer->seq;
    conn->seq = offer->seq + 1;
    conn->window = offer->window;
    conn->iss = conn->first.seq;
    conn->ack = conn->first.seq + 1;
    conn->timestamps = offer->timestamps && conn->first.timestamps;
    conn->tsval = offer->tsval;
    conn->tsecr = conn->first.tsval;
}

void rig_accept(struct rig *rig, struct rig_conn *conn, const struct rig_segment *offer)
{
    const struct duet_listen_options options = {
        .local = {conn->tuple.local, conn->tuple.local_port}, .backlog = 8};
    struct duet_handle listener;
    struct rig_segment syn = *offer;
    const int error = duet_listen(rig->stack, rig->now, &options, &listener);
    assert_int_equal(error, DUET_OK);
    syn.flags = DUET_SYN;
    rig_input(rig, &conn->tuple, &syn);
    assert_true(rig_output(rig, NULL, &conn->first));
    assert_int_equal(conn->first.flags, DUET_SYN | DUET_ACK);
    assert_int_equal(conn->first.ack, offer->seq + 1);
    take_offer(conn, offer);
    rig_pass(rig, rig->now + conn->trip);
    rig_say(rig, conn, 0, 0, NULL, 0);
    assert_int_equal(duet_accept(rig->stack, rig->now, listener, &conn->handle, NULL), DUET_OK);
    rig_silence("open", rig);
}

void rig_connect(struct rig *rig, struct rig_conn *conn, const struct rig_segment *offer)
{
    const struct duet_connect_options options = {
        .local = {conn->tuple.local, conn->tuple.local_port},
        .remote = {conn->tuple.remote, conn->tuple.remote_port}};
    struct rig_segment syn_ack = *offer;
    assert_int_equal(duet_connect(rig->stack, rig->now, &options, &conn->handle), DUET_OK);
    assert_true(rig_output(rig, &conn->tuple, &conn->first));
    assert_int_equal(conn->first.flags, DUET_SYN);
    take_offer(conn, offer);
    rig_pass(rig, rig->now + conn->trip);
    syn_ack.flags = DUET_SYN | DUET_ACK;
    syn_ack.ack = conn->ack;
    syn_ack.tsecr = conn->tsecr;
    rig_input(rig, &conn->tuple, &syn_ack);
    struct rig_segment third;
    assert_true(rig_output(rig, NULL, &third));
    assert_int_equal(third.flags, DUET_ACK);
    assert_int_equal(third.ack, conn->seq);
    rig_silence("open", rig);
}

void rig_say(struct rig *rig, const struct rig_conn *conn, uint16_t flags, uint32_t offset,
             const void *text, uint32_t length)
{
    const struct rig_segment segment = {
        .flags = DUET_ACK | flags,
        .seq = conn->seq + offset,
        .ack = conn->ack,
        .window = conn->window,
        .text = text,
        .length = length,
        .timestamps = conn->timestamps,
        .tsval = conn->tsval,
        .tsecr = conn->tsecr,
    };
    rig_input(rig, &conn->tuple, &segment);
}

void rig_take_events(struct rig *rig)
{
    struct duet_event event;
    while (duet_next_event(rig->stack, &event))
        continue;
}

struct rig_conn rig_time_wait(struct rig *rig, struct tcp_tuple tuple, enum rig_holder holder,
                              const struct rig_segment *offer)
{
    struct rig_conn conn = {.tuple = tuple};
    struct rig_segment last;
    rig_connect(rig, &conn, offer);
    const int error = holder == USER ? duet_shutdown(rig->stack, rig->now, conn.handle)
                                     : duet_close(rig->stack, rig->now, conn.handle);
    assert_int_equal(error, DUET_OK);
    assert_int_equal(rig_drain(rig), 1);
    conn.ack++;
    rig_say(rig, &conn, DUET_FIN, 0, NULL, 0);
    conn.seq++;
    assert_true(rig_output(rig, NULL, &last));
    assert_int_equal(last.flags, DUET_ACK);
    assert_int_equal(last.ack, conn.seq);
    rig_silence("the last ACK", rig);
    rig_take_events(rig);
    return conn;
}

struct duet_status rig_status(const struct rig *rig, const struct rig_conn *conn)
{
    struct duet_status status;
    assert_int_equal(duet_status(rig->stack, conn->handle, &status), DUET_OK);
    return status;
}

void rig_write(struct rig *rig, const struct rig_conn *conn, const void *bytes, uint32_t size)
{
    assert_int_equal(duet_send(rig->stack, rig->now, conn->handle, bytes, size, 0), size);
}
