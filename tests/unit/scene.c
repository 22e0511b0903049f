/* SPDX-License-Identifier: MIT */
/* Recordings made by hand (scene.h). Rules are numbers 1, 2, ..: what they say is the core's
 * business. */
#include "scene.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "wire/checksum.h"
#include "wire/ip.h"

void scene_start(struct scene *scene)
{
    *scene =
        (struct scene){.isn = {4294967290u, 1000000}, .ports = {49152, 80}, .traced = {true, true}};
    CHECK(duet_recorder_new(&scene->recorder) == 0);
}

void scene_end(struct scene *scene)
{
    duet_recorder_free(scene->recorder);
}

static struct duet_address address(const struct scene *scene, unsigned end)
{
    struct duet_address address = duet_ipv4(10, 0, 0, (uint8_t)(end + 1));

    if (scene->ipv6)
        CHECK(duet_address_parse(end == 0 ? "fd00::1" : "fd00::2", &address) == DUET_OK);
    return address;
}

void scene_build(const struct scene *scene, unsigned from, const struct scene_segment *segment,
                 struct scene_packet *packet)
{
    struct ip_packet ip = {.protocol = IP_PROTOCOL_TCP, .ttl = 64};
    size_t length = segment->text == NULL ? 0 : strlen(segment->text);
    uint32_t at = scene->ipv6 ? IPV6_HEADER : IPV4_HEADER, header;
    struct checksum sum = {0};

    memset(packet, 0, sizeof *packet);
    ip.source = address(scene, from);
    ip.destination = address(scene, 1 - from);
    packet->from = from;
    packet->header = (struct tcp_header){
        .source_port = scene->ports[from],
        .destination_port = scene->ports[1 - from],
        .seq = scene->isn[from] + segment->seq,
        .ack = (segment->flags & DUET_ACK) != 0 ? scene->isn[1 - from] + segment->ack : 0,
        .flags = segment->flags,
        .window = 64240,
        .urgent = segment->urgent,
        .options = segment->options,
        .text_length = (uint32_t)length,
    };
    header = tcp_build(packet->bytes + at, &packet->header);
    CHECK(at + header + length <= SCENE_PACKET_MAX);
    if (length != 0)
        memcpy(packet->bytes + at + header, segment->text, length);
    ip.payload_length = header + (uint32_t)length;
    CHECK(ip_build(packet->bytes, &ip) == at);
    checksum_add_pseudo(&sum, &ip.source, &ip.destination, IP_PROTOCOL_TCP, ip.payload_length);
    checksum_add(&sum, packet->bytes + at, ip.payload_length);
    packet->bytes[at + 16] = (uint8_t)(checksum_finish(&sum) >> 8);
    packet->bytes[at + 17] = (uint8_t)checksum_finish(&sum);
    packet->packet = (struct duet_packet){
        .data = packet->bytes, .size = SCENE_PACKET_MAX, .length = at + ip.payload_length};
}

static struct duet_trace_event event_of(duet_time time, unsigned end, enum duet_trace_kind kind,
                                        enum duet_state state, uint16_t rule)
{
    return (struct duet_trace_event){.time = time,
                                     .flow = 7 + end,
                                     .rule = rule,
                                     .kind = (uint8_t)kind,
                                     .state = (uint8_t)state};
}

static void trace_segment(const struct scene *scene, duet_time time, unsigned end,
                          enum duet_trace_kind kind, enum duet_state state, uint16_t rule,
                          const struct tcp_header *header)
{
    struct duet_trace_event event = event_of(time, end, kind, state, rule);
    bool out = kind == DUET_TRACE_SEGMENT_OUT;

    if (!scene->traced[end])
        return;
    event.u.segment.seq = header->seq;
    event.u.segment.ack = header->ack;
    event.u.segment.length = header->text_length;
    event.u.segment.window = header->window;
    event.u.segment.flags = header->flags;
    event.u.segment.options = header->options.present;
    event.u.segment.mss = header->options.mss;
    event.u.segment.local_port = out ? header->source_port : header->destination_port;
    event.u.segment.remote_port = out ? header->destination_port : header->source_port;
    duet_recorder_trace(scene->recorder, end, &event);
}

void scene_sent(const struct scene *scene, duet_time time, enum duet_state state, uint16_t rule,
                struct scene_packet *packet)
{
    packet->packet.tag = duet_recorder_sent(scene->recorder, packet->from, time, &packet->packet);
    trace_segment(scene, time, packet->from, DUET_TRACE_SEGMENT_OUT, state, rule, &packet->header);
}

void scene_arrived(const struct scene *scene, duet_time time, enum duet_state state,
                   const struct scene_packet *packet)
{
    duet_recorder_arrived(scene->recorder, 1 - packet->from, time, &packet->packet);
    trace_segment(scene, time, 1 - packet->from, DUET_TRACE_SEGMENT_IN, state, 0, &packet->header);
}

void scene_state(const struct scene *scene, duet_time time, unsigned end, enum duet_state from,
                 enum duet_state to, uint16_t rule)
{
    struct duet_trace_event event = event_of(time, end, DUET_TRACE_STATE, from, rule);

    event.u.state_change.from = (uint8_t)from;
    event.u.state_change.to = (uint8_t)to;
    event.u.state_change.iss = scene->isn[end];
    event.u.state_change.irs = scene->isn[1 - end];
    event.u.state_change.una = event.u.state_change.nxt = scene->isn[end] + 1;
    event.u.state_change.rcv_nxt = scene->isn[1 - end] + 1;
    event.u.state_change.wnd = event.u.state_change.rcv_wnd = 64240;
    if (scene->traced[end])
        duet_recorder_trace(scene->recorder, end, &event);
}

void scene_rule(const struct scene *scene, duet_time time, unsigned end, enum duet_state state,
                uint16_t rule)
{
    struct duet_trace_event event = event_of(time, end, DUET_TRACE_RULE, state, rule);

    if (scene->traced[end])
        duet_recorder_trace(scene->recorder, end, &event);
}

void scene_call(const struct scene *scene, duet_time time, unsigned end, enum duet_state state,
                enum duet_call call, int64_t result)
{
    struct duet_trace_event event = event_of(time, end, DUET_TRACE_CALL, state, 0);

    event.u.call.call = (uint8_t)call;
    event.u.call.result = result;
    event.u.call.size = result > 0 ? (uint64_t)result : 0;
    if (call == DUET_CALL_LISTEN)
        event.flow = 99; /* a listener is no pair of sockets */
    if (scene->traced[end])
        duet_recorder_trace(scene->recorder, end, &event);
}

void scene_timer(const struct scene *scene, duet_time time, unsigned end, enum duet_state state,
                 enum duet_timer timer, enum duet_timer_action action, duet_time deadline)
{
    struct duet_trace_event event = event_of(time, end, DUET_TRACE_TIMER, state, 0);

    event.u.timer.timer = (uint8_t)timer;
    event.u.timer.action = (uint8_t)action;
    event.u.timer.count = 1;
    event.u.timer.deadline = deadline;
    if (scene->traced[end])
        duet_recorder_trace(scene->recorder, end, &event);
}

/* ---- whole stories ---- */

static const struct tcp_options syn_options = {
    .present = DUET_TRACE_MSS | DUET_TRACE_SACK_PERMITTED | DUET_TRACE_TIMESTAMPS |
               DUET_TRACE_WINDOW_SCALE,
    .mss = 1460,
    .window_scale = 7,
    .tsval = 100,
};

static void listen_at(const struct scene *scene, unsigned end)
{
    struct duet_trace_event event = event_of(0, end, DUET_TRACE_STATE, DUET_CLOSED, 1);

    scene_call(scene, 0, end, DUET_CLOSED, DUET_CALL_LISTEN, 0);
    event.flow = 99;
    event.u.state_change.from = DUET_CLOSED;
    event.u.state_change.to = DUET_LISTEN;
    if (scene->traced[end])
        duet_recorder_trace(scene->recorder, end, &event);
}

static void open_three_way(const struct scene *scene)
{
    struct scene_packet syn, syn_ack, ack;

    listen_at(scene, 1);
    scene_call(scene, 0, 0, DUET_CLOSED, DUET_CALL_CONNECT, 0);
    scene_state(scene, 0, 0, DUET_CLOSED, DUET_SYN_SENT, 2);
    scene_build(scene, 0, &(struct scene_segment){.flags = DUET_SYN, .options = syn_options}, &syn);
    scene_sent(scene, 0, DUET_SYN_SENT, 3, &syn);
    scene_arrived(scene, MS(10), DUET_LISTEN, &syn);
    scene_state(scene, MS(10), 1, DUET_LISTEN, DUET_SYN_RECEIVED, 4);
    scene_build(
        scene, 1,
        &(struct scene_segment){.flags = DUET_SYN | DUET_ACK, .ack = 1, .options = syn_options},
        &syn_ack);
    scene_sent(scene, MS(10), DUET_SYN_RECEIVED, 3, &syn_ack);
    scene_arrived(scene, MS(20), DUET_SYN_SENT, &syn_ack);
    scene_state(scene, MS(20), 0, DUET_SYN_SENT, DUET_ESTABLISHED, 5);
    scene_build(scene, 0, &(struct scene_segment){.flags = DUET_ACK, .seq = 1, .ack = 1}, &ack);
    scene_sent(scene, MS(20), DUET_ESTABLISHED, 6, &ack);
    scene_arrived(scene, MS(30), DUET_SYN_RECEIVED, &ack);
    scene_state(scene, MS(30), 1, DUET_SYN_RECEIVED, DUET_ESTABLISHED, 7);
}

static void one_way(const struct scene *scene, unsigned from, duet_time sent, enum duet_state here,
                    enum duet_state there, const struct scene_segment *segment)
{
    struct scene_packet packet;

    scene_build(scene, from, segment, &packet);
    scene_sent(scene, sent, here, 6, &packet);
    scene_arrived(scene, sent + MS(10), there, &packet);
}

void scene_whole_life(const struct scene *scene)
{
    open_three_way(scene);
    scene_call(scene, MS(40), 0, DUET_ESTABLISHED, DUET_CALL_SEND, 5);
    one_way(
        scene, 0, MS(40), DUET_ESTABLISHED, DUET_ESTABLISHED,
        &(struct scene_segment){.flags = DUET_PSH | DUET_ACK, .seq = 1, .ack = 1, .text = "hello"});
    scene_rule(scene, MS(50), 1, DUET_ESTABLISHED, 8);
    one_way(scene, 1, MS(50), DUET_ESTABLISHED, DUET_ESTABLISHED,
            &(struct scene_segment){.flags = DUET_ACK, .seq = 1, .ack = 6});
    scene_call(scene, MS(60), 0, DUET_ESTABLISHED, DUET_CALL_SHUTDOWN, 0);
    scene_state(scene, MS(60), 0, DUET_ESTABLISHED, DUET_FIN_WAIT_1, 9);
    one_way(scene, 0, MS(60), DUET_FIN_WAIT_1, DUET_ESTABLISHED,
            &(struct scene_segment){.flags = DUET_FIN | DUET_ACK, .seq = 6, .ack = 1});
    scene_state(scene, MS(70), 1, DUET_ESTABLISHED, DUET_CLOSE_WAIT, 10);
    one_way(scene, 1, MS(70), DUET_CLOSE_WAIT, DUET_FIN_WAIT_1,
            &(struct scene_segment){.flags = DUET_ACK, .seq = 1, .ack = 7});
    scene_state(scene, MS(80), 0, DUET_FIN_WAIT_1, DUET_FIN_WAIT_2, 11);
    scene_call(scene, MS(100), 1, DUET_CLOSE_WAIT, DUET_CALL_SEND, 3);
    one_way(
        scene, 1, MS(100), DUET_CLOSE_WAIT, DUET_FIN_WAIT_2,
        &(struct scene_segment){.flags = DUET_PSH | DUET_ACK, .seq = 1, .ack = 7, .text = "bye"});
    one_way(scene, 0, MS(110), DUET_FIN_WAIT_2, DUET_CLOSE_WAIT,
            &(struct scene_segment){.flags = DUET_ACK, .seq = 7, .ack = 4});
    scene_call(scene, MS(120), 1, DUET_CLOSE_WAIT, DUET_CALL_CLOSE, 0);
    scene_state(scene, MS(120), 1, DUET_CLOSE_WAIT, DUET_LAST_ACK, 12);
    one_way(scene, 1, MS(120), DUET_LAST_ACK, DUET_FIN_WAIT_2,
            &(struct scene_segment){.flags = DUET_FIN | DUET_ACK, .seq = 4, .ack = 7});
    scene_state(scene, MS(130), 0, DUET_FIN_WAIT_2, DUET_TIME_WAIT, 13);
    scene_timer(scene, MS(130), 0, DUET_TIME_WAIT, DUET_TIMER_TIME_WAIT, DUET_TIMER_STARTED,
                MS(240130));
    one_way(scene, 0, MS(130), DUET_TIME_WAIT, DUET_LAST_ACK,
            &(struct scene_segment){.flags = DUET_ACK, .seq = 7, .ack = 5});
    scene_state(scene, MS(140), 1, DUET_LAST_ACK, DUET_CLOSED, 14);
    scene_timer(scene, MS(240130), 0, DUET_TIME_WAIT, DUET_TIMER_TIME_WAIT, DUET_TIMER_EXPIRED, 0);
    scene_state(scene, MS(240130), 0, DUET_TIME_WAIT, DUET_CLOSED, 15);
}

void scene_simultaneous_open(const struct scene *scene)
{
    struct scene_packet syn[2], ack[2];

    for (unsigned end = 0; end < 2; end++) {
        scene_call(scene, 0, end, DUET_CLOSED, DUET_CALL_CONNECT, 0);
        scene_state(scene, 0, end, DUET_CLOSED, DUET_SYN_SENT, 2);
        scene_build(scene, end, &(struct scene_segment){.flags = DUET_SYN, .options = syn_options},
                    &syn[end]);
        scene_sent(scene, 0, DUET_SYN_SENT, 3, &syn[end]);
    }
    for (unsigned end = 0; end < 2; end++) {
        scene_arrived(scene, MS(10), DUET_SYN_SENT, &syn[1 - end]);
        scene_state(scene, MS(10), end, DUET_SYN_SENT, DUET_SYN_RECEIVED, 4);
        scene_build(scene, end, &(struct scene_segment){.flags = DUET_SYN | DUET_ACK, .ack = 1},
                    &ack[end]);
        scene_sent(scene, MS(10), DUET_SYN_RECEIVED, 3, &ack[end]);
    }
    for (unsigned end = 0; end < 2; end++) {
        scene_arrived(scene, MS(20), DUET_SYN_RECEIVED, &ack[1 - end]);
        scene_state(scene, MS(20), end, DUET_SYN_RECEIVED, DUET_ESTABLISHED, 7);
    }
}

char *scene_draw(const struct scene *scene,
                 int (*picture)(const struct duet_recorder *recorder, FILE *to), size_t *size)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, size);

    CHECK(to != NULL);
    CHECK(picture(scene->recorder, to) == 0);
    CHECK(fclose(to) == 0);
    return text;
}
