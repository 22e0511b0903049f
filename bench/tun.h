/* SPDX-License-Identifier: MIT */
/* One round of traffic over a TUN device: the kernel's TCP in a process of its own on the one side,
 * duet, or a bare reader and writer that does no TCP, on the other. */
#ifndef BENCH_TUN_H
#define BENCH_TUN_H

#include <stdatomic.h>
#include <sys/types.h>

#include "duet/kernel.h"

/* Connections are asked for at each of so many ports in turn, from the first on: who closes first has his
 * own ports in TIME-WAIT, and with one port at the other end they are used up after 28,000. */
enum { TUN_WHY = 160, TUN_PORT = 5001, TUN_PORTS = 32, TUN_CLIENTS = 16 };

enum tun_work {
    TUN_RECEIVE, /* the kernel sends as fast as it may */
    TUN_SEND,    /* the kernel receives */
    TUN_CONNECT, /* the kernel opens a connection, sends 64 bytes, gets 64 and closes, again and again */
    TUN_ASK, /* the kernel sends 64 bytes and gets 64, again and again, on one connection */
    TUN_WORKS
};

/* Does it measure bytes, or what happens so often? */
static inline bool tun_is_bulk(enum tun_work work)
{
    return work == TUN_RECEIVE || work == TUN_SEND;
}

struct tun_round {
    const struct duet_kernel *kernel;
    enum tun_work work;
    struct duet_address to; /* where the kernel connects to */
    bool apart;             /* the kernel's side has a namespace of its own */
    unsigned stacks;        /* of duet, each with a queue of the device in a thread; 0: one */
    unsigned clients;       /* processes of the kernel's side, at most TUN_CLIENTS; 0: one */
    duet_time span;         /* that is measured, after a tenth of it */
    bool copies;            /* SEND: duet copies the text, else it takes it from where it is */
    uint32_t period;        /* SEND: the bytes begin anew after so many; 0: never */
    /* SEND: where the kernel's side counts what it has found right, in memory it shares; or NULL. */
    _Atomic uint64_t *compared;
    uint64_t count; /* bytes of payload, or connections, or answers, within it */
    duet_time took; /* what the span came to */
    bool broken;    /* it did not only not begin, but went wrong */
    char why[TUN_WHY];
};

/* False: see why. */
bool tun_round_duet(struct tun_round *round);
/* RECEIVE and SEND alone. */
bool tun_round_bare(struct tun_round *round);
/* With pasta, the program of passt, between the two ends, both on the kernel's TCP. */
bool tun_round_passt(struct tun_round *round);

/* The kernel's side: a process that works until it is ended, in its own namespace where it is to have
 * one. -1 and errno. */
pid_t tun_kernel_start(const struct tun_round *round);
void tun_kernel_stop(pid_t process);

#endif
