/* SPDX-License-Identifier: MIT */
/* The same connections through pasta, which is passt for namespaces: the client in a namespace of its own
 * behind pasta's tap device, pasta's TCP towards it, and a socket of pasta's to a server here, whose
 * TCP is the kernel's. See tun.h.
 *
 *     client, kernel's TCP -- tap -- pasta -- loopback -- kernel's TCP, server
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duet/loop.h"
#include "engine.h"
#include "tun.h"

enum { SMALL = 64, PASTA_IS_MISSING = 127 };

struct passt {
    struct tun_round *round;
    struct pollfd
        listening[TUN_PORTS + 1]; /* the last is a connection that is kept, once it is there */
    pid_t pasta, client;
    uint64_t count;
    uint64_t position; /* RECEIVE: of the next byte */
    bool failed;
};

static bool fail(struct passt *passt, const char *what)
{
    if (!passt->failed)
        snprintf(passt->round->why, TUN_WHY, "passt: %s", what);
    passt->failed = true;
    return false;
}

/* Reached as the gateway behind the tap device. */
static bool listen_on_all(struct passt *passt)
{
    for (unsigned i = 0; i < TUN_PORTS; i++) {
        const struct sockaddr_in here = {.sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)(TUN_PORT + i)),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int one = 1, descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        passt->listening[i] = (struct pollfd){.fd = descriptor, .events = POLLIN};
        (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(descriptor, (const struct sockaddr *)&here, sizeof here) != 0 ||
            listen(descriptor, SMALL) != 0)
            return fail(passt, "cannot listen");
    }
    return true;
}

/* In the namespace of the client. It tells of nothing but what went wrong, to nobody. */
static _Noreturn void become_pasta(pid_t client)
{
    char netns[64];
    int nowhere = open("/dev/null", O_RDWR), space;
    const char *const arguments[] = {"pasta",        "--quiet",     "--foreground",
                                     "--config-net", "--ipv4-only", "--interface",
                                     "duet0",        "--address",   "10.78.0.2",
                                     "--netmask",    "24",          "--gateway",
                                     "10.78.0.1",    "--mac-addr",  "02:70:61:73:74:61",
                                     "--runas",      "0",           "--netns-only",
                                     "--tcp-ports",  "none",        "--udp-ports",
                                     "none",         "--tcp-ns",    "none",
                                     "--udp-ns",     "none",        "--netns",
                                     netns,          NULL};
    char *given[sizeof arguments / sizeof arguments[0]];

    memcpy(given, arguments, sizeof given);
    snprintf(netns, sizeof netns, "/proc/%d/ns/net", (int)client);
    space = open(netns, O_RDONLY); /* pasta gives up the right to before it would do so */
    snprintf(netns, sizeof netns, "/proc/self/fd/%d", space);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i <= 2; i++)
        (void)dup2(nowhere, i);
    (void)execvp(given[0], given);
    _exit(PASTA_IS_MISSING);
}

/* One request. False: none comes any more. */
static bool answer(struct passt *passt, int descriptor)
{
    uint8_t bytes[SMALL];
    size_t done = 0;
    ssize_t got = 1;

    while (done < SMALL && (got = read(descriptor, bytes + done, SMALL - done)) > 0)
        done += (size_t)got;
    if (done == SMALL &&
        (memcmp(bytes, engine_pattern(0), SMALL) != 0 || write(descriptor, bytes, SMALL) != SMALL))
        fail(passt, "a request did not come as it was sent");
    passt->count += done == SMALL;
    return got > 0;
}

/* Some text. False: none comes any more. */
static bool take(struct passt *passt, int descriptor)
{
    static uint8_t room[ENGINE_PIECE];
    const ssize_t got = read(descriptor, room, sizeof room);

    if (got <= 0)
        return false;
    if (memcmp(room, engine_pattern(passt->position), (size_t)got) != 0)
        fail(passt, "other bytes came than were sent");
    passt->position += (uint64_t)got;
    passt->count += (uint64_t)got;
    return true;
}

/* One connection at a time, as the client has them. That of ASK and RECEIVE is kept. */
static void serve(struct passt *passt, int listening)
{
    uint8_t rest[SMALL];
    int descriptor = accept4(listening, NULL, NULL, SOCK_CLOEXEC);

    if (descriptor < 0)
        return;
    if (passt->round->work != TUN_CONNECT) {
        passt->listening[TUN_PORTS].fd = descriptor;
        return;
    }
    if (answer(passt, descriptor))
        while (read(descriptor, rest, sizeof rest) > 0)
            ;
    close(descriptor);
}

static duet_time run_until(struct passt *passt, duet_time until)
{
    duet_time now = duet_loop_now();

    for (; now < until && !passt->failed; now = duet_loop_now()) {
        int ready =
            poll(passt->listening, TUN_PORTS + 1, (int)((until - now) / DUET_MILLISECOND) + 1);

        const struct pollfd *kept = &passt->listening[TUN_PORTS];
        if (kept->revents != 0 &&
            !(passt->round->work == TUN_ASK ? answer(passt, kept->fd) : take(passt, kept->fd)))
            fail(passt, "the client has gone");
        for (unsigned i = 0; i < TUN_PORTS && ready > 0; i++)
            if (passt->listening[i].revents != 0)
                serve(passt, passt->listening[i].fd);
    }
    return now;
}

static bool start(struct passt *passt)
{
    passt->client = tun_kernel_start(passt->round);
    if (passt->client < 0)
        return fail(passt, "no namespace for the client");
    passt->pasta = fork();
    if (passt->pasta == 0)
        become_pasta(passt->client);
    return passt->pasta > 0 || fail(passt, "no process");
}

/* The span begins when the first connection or request has come through. */
static bool run(struct passt *passt)
{
    const duet_time patience = duet_loop_now() + 5 * DUET_SECOND;
    int status;

    while (passt->count == 0 && duet_loop_now() < patience) {
        (void)run_until(passt, duet_loop_now() + 10 * DUET_MILLISECOND);
        if (waitpid(passt->pasta, &status, WNOHANG) == passt->pasta) {
            passt->pasta = 0;
            return fail(passt, WIFEXITED(status) && WEXITSTATUS(status) == PASTA_IS_MISSING
                                   ? "not installed (Debian: passt)"
                                   : "pasta does not start here");
        }
    }
    if (passt->count == 0)
        return fail(passt, "no connection came through pasta");
    const duet_time from = run_until(passt, duet_loop_now() + passt->round->span / 10);
    const uint64_t before = passt->count;
    const duet_time to = run_until(passt, from + passt->round->span);

    passt->round->count = passt->count - before;
    passt->round->took = to - from;
    return !passt->failed;
}

bool tun_round_passt(struct tun_round *round)
{
    struct passt passt = {.round = round, .listening[TUN_PORTS] = {.fd = -1, .events = POLLIN}};
    bool good;

    round->to = duet_ipv4(10, 78, 0, 1);
    round->apart = true;
    good = listen_on_all(&passt) && start(&passt) && run(&passt);
    round->apart = false;
    if (passt.client > 0)
        tun_kernel_stop(passt.client);
    if (passt.pasta > 0)
        tun_kernel_stop(passt.pasta);
    for (unsigned i = 0; i < TUN_PORTS && passt.listening[i].fd > 0; i++)
        close(passt.listening[i].fd);
    if (passt.listening[TUN_PORTS].fd > 0)
        close(passt.listening[TUN_PORTS].fd);
    return good;
}
