/* SPDX-License-Identifier: MIT */
/* The world of the fuzzer of the doors: two stacks, the packets that fly between them, a user at each end, one clock.
 *
 * Whatever the input makes happen, this must hold: all that duet_check asks for, after every step at the ends that it
 * touched; every packet that a stack sends is well formed and says what its user said; every byte that a user receives
 * is the one that belongs at that place of the stream. A byte is a function of the pair of ports, the direction and its
 * place, so the forged text of a stranger who guesses everything right is right as well. In a world without forgers two
 * ends also agree on how far they are. */
#ifndef FUZZ_DOORS_H
#define FUZZ_DOORS_H

#include "../fuzz.h"

#include "duet/trace.h"
#include "wire/ip.h"

enum { ENDS = 2, SLOTS = 6, FLYING_MAX = 24, PACKET_ROOM = 4096, BLOCK_MAX = 1 << 19 };
enum { LENT_MAX = 32, LENT_ROOM = 1 << 18 };

/* How long users wait at most in worlds that heal and have forgers. */
#define PATIENCE (300 * DUET_SECOND)

struct flying {
    uint32_t length;
    uint16_t segment_size;
    bool damaged; /* its sum is not to be vouched for */
    uint8_t bytes[PACKET_ROOM];
};

/* What a user holds: a listener or a connection. */
struct slot {
    struct duet_handle handle; /* generation 0: nothing */
    bool is_listener;
    bool closed; /* its user will not read any more */
    struct duet_socket_address local, remote;
    int64_t sent, received; /* bytes that the stack took, and gave */
};

/* Bytes that the stack has not copied: they stay until the peer has acknowledged them. */
struct lent {
    unsigned slot;
    struct duet_handle handle;
    int64_t end; /* of the stream, behind the last of them */
    uint8_t *bytes;
    size_t size;
};

struct end {
    struct duet_stack *stack;
    uint8_t *block;
    size_t size;
    struct duet_config config;
    struct duet_address address;
    struct slot slots[SLOTS];
    struct lent lent[LENT_MAX];
    unsigned lent_count;
    uint32_t lent_room;                /* of memory to lend, what is left */
    struct flying *flying[FLYING_MAX]; /* towards this end, oldest first */
    unsigned flying_count;
};

struct world {
    struct input input;
    struct end ends[ENDS];
    duet_time now;
    bool forgers; /* strangers send packets, and boxes on the path rewrite some */
    bool heals;   /* in the end the network is kind, the users close, and nothing may be left */
};

/* ---- doors.c ---- */

void expect_sound(const struct end *end);
void pass(struct world *w, duet_time now); /* expires both */

/* ---- talk.c: what happens, for people, if DUET_FUZZ_TALK is set in the environment ---- */

bool talk_is_on(void);
void talk(const struct world *w, unsigned at, const char *format, ...);
void talk_packet(const struct world *w, unsigned at, const char *what, const uint8_t *bytes,
                 uint32_t length);

/* What an end says that it did. */
void talk_trace(const struct world *w, unsigned at);

/* ---- network.c ---- */

/* Lets an end send up to so many packets towards the other; how many there were. */
unsigned network_output(struct world *w, unsigned from, unsigned most);
void network_deliver(struct world *w, unsigned to, unsigned index, bool keep);
void network_lose(struct world *w, unsigned to, unsigned index);
/* All that is sent arrives, for so many rounds; false: nothing moved. */
bool network_exchange(struct world *w, unsigned rounds);
void network_start(struct world *w);

/* ---- forge.c ---- */

void forge_segment(struct world *w, unsigned to);
void forge_icmp(struct world *w, unsigned to);
void forge_bytes(struct world *w, unsigned to);
/* A box on the path changes a packet. */
void forge_change(struct world *w, unsigned to, unsigned index);
/* Makes the sums of a packet right; false: it is no whole packet of TCP. */
bool forge_mend(uint8_t *bytes, uint32_t length);

/* ---- users.c ---- */

enum user_call {
    USER_LISTEN,
    USER_CONNECT,
    USER_CONNECT_LISTENER,
    USER_ACCEPT,
    USER_SEND,
    USER_SEND_LENT,
    USER_RECEIVE,
    USER_SEND_IN_PLACE,
    USER_RECEIVE_IN_PLACE,
    USER_SHUTDOWN,
    USER_CLOSE,
    USER_ABORT,
    USER_SET,
    USER_ASK,
    USER_CALLS
};
void user_call(struct world *w, unsigned at, enum user_call call);
/* Any call with a handle that names nothing. */
void user_stale_call(struct world *w, unsigned at);
void user_take_events(struct world *w, unsigned at);
/* Reads all, takes all connections, closes all. */
void user_finish(struct world *w, unsigned at);
const struct slot *slot_of(const struct end *end, const struct duet_socket_address *local,
                           const struct duet_socket_address *remote);
/* Between two ends of one connection: neither is further than the other can have gone (I-61). */
void users_agree(const struct world *w);

/* ---- stream.c ---- */

/* One direction of a pair of sockets, as its sender is named. */
uint32_t stream_of(const struct duet_socket_address *from, const struct duet_socket_address *to);
void stream_fill(uint32_t stream, int64_t place, uint8_t *bytes, size_t size);
bool stream_is(uint32_t stream, int64_t place, const uint8_t *bytes, size_t size);
/* What every packet that a stack sends must be. */
void stream_expect_packet(const struct world *w, const struct end *end,
                          const struct duet_packet *packet);

#endif
