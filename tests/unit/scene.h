/* SPDX-License-Identifier: MIT */
/* Recordings made by hand, for the tests of what is drawn from them: packets with numbers
 * relative to a chosen ISN, and the trace that a stack would have written beside them. */
#ifndef UNIT_SCENE_H
#define UNIT_SCENE_H

#include "duet/observe.h"
#include "wire/tcp.h"

enum { SCENE_PACKET_MAX = 2048 };

struct scene {
    struct duet_recorder *recorder;
    uint32_t isn[2];
    uint16_t ports[2];
    bool ipv6;
    bool traced[2]; /* the end has a trace */
};

struct scene_segment {
    uint16_t flags;
    uint32_t seq, ack; /* relative to the ISN of their direction */
    const char *text;  /* NULL: none */
    uint16_t urgent;
    struct tcp_options options;
};

/* A packet made of a segment; it owns its bytes. */
struct scene_packet {
    uint8_t bytes[SCENE_PACKET_MAX];
    struct duet_packet packet;
    struct tcp_header header;
    unsigned from;
};

#define MS(n) ((duet_time)(n)*DUET_MILLISECOND)

void scene_start(struct scene *scene);
void scene_end(struct scene *scene);

void scene_build(const struct scene *scene, unsigned from, const struct scene_segment *segment,
                 struct scene_packet *packet);
/* The packet leaves in this state because of this rule; it gets its tag. */
void scene_sent(const struct scene *scene, duet_time time, enum duet_state state, uint16_t rule,
                struct scene_packet *packet);
/* It arrives at the other end, which is in this state. */
void scene_arrived(const struct scene *scene, duet_time time, enum duet_state state,
                   const struct scene_packet *packet);
/* The end changes its state. */
void scene_state(const struct scene *scene, duet_time time, unsigned end, enum duet_state from,
                 enum duet_state to, uint16_t rule);
void scene_rule(const struct scene *scene, duet_time time, unsigned end, enum duet_state state,
                uint16_t rule);
void scene_call(const struct scene *scene, duet_time time, unsigned end, enum duet_state state,
                enum duet_call call, int64_t result);
void scene_timer(const struct scene *scene, duet_time time, unsigned end, enum duet_state state,
                 enum duet_timer timer, enum duet_timer_action action, duet_time deadline);

/* A whole life: three-way opening, 5 bytes to the server, the client closes first, 3 bytes flow
 * the other way, the server closes, TIME-WAIT of 240 s at the client. Ten milliseconds each way. */
void scene_whole_life(const struct scene *scene);
/* Both ends open at once: their SYN cross. */
void scene_simultaneous_open(const struct scene *scene);

/* Everything that picture(recorder, to) writes, to be freed. The picture must succeed. */
char *scene_draw(const struct scene *scene,
                 int (*picture)(const struct duet_recorder *recorder, FILE *to), size_t *size);

#endif
