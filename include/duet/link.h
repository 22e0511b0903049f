/* SPDX-License-Identifier: MIT */
/* Links: where packets come from and go to. A link is a small table of functions around a state of
 * its own; links that change packets (faults, tee) wrap another link, so that any of them can stand
 * between any stack and any wire. Links allocate with malloc when they are made and free with
 * close.
 *
 *     struct duet_link *a, *b;
 *     duet_wire_pair(10 * DUET_MILLISECOND, &a, &b);          two ends in this process
 *     duet_fault_drop(a, &(struct duet_fault_choice){.numbers = third, .count = 1}, &a);
 *                                                             loses the third packet a sends
 *     duet_tee(a, recorder, 0, &a);                           a recorder sees what passes
 */
#ifndef DUET_LINK_H
#define DUET_LINK_H

#include "stack.h"

#ifdef __cplusplus
extern "C" {
#endif

struct duet_link {
    /* Takes a copy of the packet. False: no room, try again later (or the link is broken: error).
     */
    bool (*send)(struct duet_link *link, duet_time now, const struct duet_packet *packet);
    /* Fills packet->data (packet->size bytes of room) with the next packet that has arrived by now,
     * sets length, offload fields and tag. False: none. */
    bool (*receive)(struct duet_link *link, duet_time now, struct duet_packet *packet);
    /* When receive will have something without anybody sending (delays), or DUET_NEVER. */
    duet_time (*deadline)(const struct duet_link *link);
    /* A descriptor to poll for reading, or -1 for links in virtual time. */
    int (*descriptor)(const struct duet_link *link);
    /* Frees the link and those it wraps. */
    void (*close)(struct duet_link *link);

    uint32_t mtu;
    uint32_t offload; /* enum duet_offload bits this link honours */
    int error;        /* errno of the last failure of send or receive, 0: none */
};

/* ---- in process ---- */

/* Two ends of a wire: what one sends, the other receives after delay. Unbounded, in order,
 * lossless. */
int duet_wire_pair(duet_time delay, struct duet_link **a, struct duet_link **b);

/* ---- a path: two ends with a network between them that has its limits ---- */

/* One direction of a path. A packet first waits in a queue that drops what does not fit (drop-tail),
 * is transmitted at the rate, is then lost or not, and arrives after the delay. */
struct duet_path_direction {
    uint64_t rate;    /* bit/s, of whole IP packets, 1000 .. 10^12; 0: no bottleneck */
    duet_time delay;  /* one way, besides waiting and transmission; 0 .. 1 hour */
    uint32_t queue;   /* bytes that may wait, with what is left of the packet under transmission; at
                      * least the MTU; 0: no limit */
    uint32_t loss;    /* packets lost in a million */
    uint32_t burst;   /* mean length of a run of lost packets (Gilbert's model: a good state that
                      * loses nothing and a bad one that loses all); 0 or 1: each by itself. A pause
                      * in which so many packets of the MTU could be transmitted ends a run, because
                      * what makes a network lose all does not wait for the next packet */
    uint32_t reorder; /* packets in a million that take longer than the others */
    duet_time reorder_delay; /* by up to this, evenly spread */
};

struct duet_path_options {
    struct duet_path_direction from_a, from_b;
    uint64_t seed;    /* which packets are lost and which are late: told by their number */
    uint32_t mtu;     /* 576 .. 65535; 0: 1500 */
    uint32_t offload; /* DUET_OFFLOAD_CHECKSUM_OUT and _IN may be asked for: a packet whose sum was
                       * left undone then arrives as checked */
};

/* What became of the packets that one end sent. */
struct duet_path_counts {
    uint64_t sent;      /* handed over */
    uint64_t overflown; /* found the queue full */
    uint64_t lost;      /* after the bottleneck */
    uint64_t late;      /* took longer, and arrived */
};

/* Two ends of a path. Which packets are lost depends on the seed and on their number behind the
 * bottleneck only, pauses in a run apart, so that the same seed is the same pattern for whatever
 * stack sends. Large packets
 * (segment_size) are refused with EINVAL, larger ones than the MTU with EMSGSIZE. A packet leaves
 * when it is sent: whoever sends waits for its departure time. -1 and errno EINVAL or ENOMEM. */
int duet_path_pair(const struct duet_path_options *options, struct duet_link **a,
                   struct duet_link **b);
void duet_path_counts(const struct duet_link *end, struct duet_path_counts *counts);

/* ---- faults: each wraps a link and touches what is sent through it ---- */

enum duet_fault {
    DUET_FAULT_DROP,
    DUET_FAULT_DUPLICATE,
    DUET_FAULT_DELAY,
    DUET_FAULT_REORDER,
    DUET_FAULT_CORRUPT,
    DUET_FAULT_MARK,
    DUET_FAULT_MTU,
    DUET_FAULTS
};
const char *duet_fault_name(enum duet_fault fault); /* "drop" */

/* Which packets a fault hits: those whose number (1 for the first packet sent through the link;
 * with by_tag the packet's tag, which a recorder counts over both ends) is in numbers[0, count),
 * and besides each one with the given probability, drawn from seed. numbers must stay in place
 * while the link is open. */
struct duet_fault_choice {
    const uint32_t *numbers;
    size_t count;
    double probability;
    uint64_t seed;
    /* Told of each hit, may be NULL. */
    void (*told)(void *context, enum duet_fault fault, duet_time now,
                 const struct duet_packet *packet);
    void *context;
    bool by_tag;
};
int duet_fault_drop(struct duet_link *inner, const struct duet_fault_choice *choice,
                    struct duet_link **link);
int duet_fault_duplicate(struct duet_link *inner, const struct duet_fault_choice *choice,
                         struct duet_link **link);
/* The packet is held back for extra; others pass it. */
int duet_fault_delay(struct duet_link *inner, const struct duet_fault_choice *choice,
                     duet_time extra, struct duet_link **link);
/* The packet is held until the next one has been sent, or for at most limit. */
int duet_fault_reorder(struct duet_link *inner, const struct duet_fault_choice *choice,
                       duet_time limit, struct duet_link **link);
/* One bit of the packet, drawn from seed, is flipped. */
int duet_fault_corrupt(struct duet_link *inner, const struct duet_fault_choice *choice,
                       struct duet_link **link);
/* A path MTU below that of the link, and no router that says so: packets of more than mtu bytes are
 * lost, besides those that choice names. DUET_OFFLOAD_SEGMENT is not passed on, so that each packet
 * has the size that it has on the wire. */
int duet_fault_mtu(struct duet_link *inner, const struct duet_fault_choice *choice, uint32_t mtu,
                   struct duet_link **link);

/* A router whose queue is long: packets that are ECN-capable get CE (RFC 3168, 5), those that are
 * not are lost, or pass as they are with spare_others. */
int duet_fault_mark(struct duet_link *inner, const struct duet_fault_choice *choice,
                    bool spare_others, struct duet_link **link);

/* ---- recorder ---- */

struct duet_recorder; /* observe.h */
/* Records what passes: sent packets get their tag here, received ones are matched by it. end: which
 * end of the recording this is. */
int duet_tee(struct duet_link *inner, struct duet_recorder *recorder, unsigned end,
             struct duet_link **link);

/* ---- the operating system (Linux); -1 and errno on failure, 0 on success ---- */

/* Opens (and creates, if may) TUN device name at layer 3. offload: DUET_OFFLOAD_ bits wanted; those
 * that the kernel grants are in (*link)->offload. */
int duet_tun_open(const char *name, uint32_t mtu, uint32_t offload, struct duet_link **link);
/* The same with count queues, a link each, for as many stacks in threads of their own. All stacks have
 * the same addresses. A connection that was opened to them stays with the stack that got its SYN, for
 * as long as the number of queues does not change. One that a stack opens comes back to it as long as
 * it was the last to send within three seconds; what comes later may reach another stack, which would
 * reset it. So stacks that connect need ports of their own (config.port_first, port_last), and who
 * reads a queue hands a packet for another's ports to its owner, or such connections are kept alive. */
int duet_tun_open_queues(const char *name, uint32_t mtu, uint32_t offload, struct duet_link **links,
                         size_t count);
/* Layer 3 of an Ethernet device through AF_PACKET (SOCK_DGRAM): IP packets in and out; peer_mac, 6
 * bytes, is the destination of every packet sent. */
int duet_packet_open(const char *device, const uint8_t *peer_mac, struct duet_link **link);

#ifdef __cplusplus
}
#endif
#endif
