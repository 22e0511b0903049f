/* SPDX-License-Identifier: MIT */
/* The kernel's side of a round over a TUN device: plain sockets that block, in a process of their own.
 * Every byte received is compared. See tun.h. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"
#include "tun.h"

enum { CHUNK = 1 << 18, SMALL = 64, AGAIN_US = 1000 };

static struct sockaddr_in name_of(const struct duet_address *address, unsigned port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    memcpy(&name.sin_addr, address->bytes + 12, 4);
    return name;
}

static int connected(const struct tun_round *round)
{
    static unsigned number;
    const unsigned port = TUN_PORT + number++ % TUN_PORTS;
    const struct sockaddr_in to = name_of(&round->to, round->work == TUN_CONNECT ? port : TUN_PORT);
    int one = 1, descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor < 0)
        return -1;
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while (connect(descriptor, (const struct sockaddr *)&to, sizeof to) != 0) {
        if (errno != ECONNREFUSED && errno != EADDRNOTAVAIL && errno != ENETUNREACH) {
            close(descriptor);
            return -1;
        }
        usleep(AGAIN_US);
    }
    return descriptor;
}

static void send_for_ever(int descriptor)
{
    uint64_t position = 0;

    for (;;) {
        ssize_t sent = write(descriptor, engine_pattern(position), ENGINE_PIECE);

        if (sent <= 0)
            return;
        position += (uint64_t)sent;
    }
}

/* Listens at every address it may come to have, and compares what comes until the end of it. */
static void receive(const struct tun_round *round)
{
    static uint8_t room[CHUNK];
    const struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(TUN_PORT)};
    int one = 1, listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), descriptor;
    uint64_t position = 0, compared = 0;

    (void)setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listening, (const struct sockaddr *)&name, sizeof name) != 0 ||
        listen(listening, 8) != 0)
        _exit(1);
    descriptor = accept(listening, NULL, NULL);
    for (;;) {
        const size_t left = round->period == 0 ? ENGINE_PIECE : round->period - position;
        ssize_t got = read(descriptor, room, left < ENGINE_PIECE ? left : ENGINE_PIECE);

        if (got <= 0 || memcmp(room, engine_pattern(position), (size_t)got) != 0)
            _exit(1);
        position += (uint64_t)got;
        compared += (uint64_t)got;
        if (round->compared != NULL)
            atomic_store_explicit(round->compared, compared, memory_order_relaxed);
        if (position == round->period)
            position = 0;
    }
}

/* 64 bytes there and back. */
static bool ask(int descriptor)
{
    uint8_t answer[SMALL];
    size_t done = 0;

    if (write(descriptor, engine_pattern(0), SMALL) != SMALL)
        return false;
    while (done < SMALL) {
        ssize_t got = read(descriptor, answer + done, SMALL - done);

        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return memcmp(answer, engine_pattern(0), SMALL) == 0;
}

static void work(const struct tun_round *round)
{
    int descriptor;

    if (round->work == TUN_SEND) {
        receive(round);
        return;
    }
    do {
        descriptor = connected(round);
        if (descriptor < 0)
            return;
        if (round->work == TUN_RECEIVE)
            send_for_ever(descriptor);
        while (round->work == TUN_ASK && ask(descriptor))
            ;
        if (round->work == TUN_CONNECT && !ask(descriptor))
            return;
        close(descriptor);
    } while (round->work == TUN_CONNECT);
}

pid_t tun_kernel_start(const struct tun_round *round)
{
    int ready[2];
    char byte;
    pid_t process;

    if (pipe(ready) != 0)
        return -1;
    process = fork();
    if (process == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGPIPE, SIG_IGN);
        if (round->apart && unshare(CLONE_NEWNET) != 0)
            _exit(1);
        (void)!write(ready[1], "", 1);
        work(round);
        _exit(0);
    }
    close(ready[1]);
    const bool is_there = process > 0 && read(ready[0], &byte, 1) == 1;
    close(ready[0]);
    if (process > 0 && !is_there)
        tun_kernel_stop(process);
    return is_there ? process : -1;
}

void tun_kernel_stop(pid_t process)
{
    (void)kill(process, SIGKILL);
    (void)waitpid(process, NULL, 0);
}
