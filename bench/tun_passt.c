/* SPDX-License-Identifier: MIT */
/* The same connections through pasta, which is passt for namespaces: the far end, which is what duet has as
 * its peer, in a namespace of its own behind pasta's tap device, pasta's TCP towards it, and a socket of
 * pasta's to the near end here, whose TCP is the kernel's. See tun.h.
 *
 *     client, kernel's TCP -- tap -- pasta -- loopback -- kernel's TCP, server
 *
 * The server is this process. For SEND another one here connects to a port that pasta forwards:
 *
 *     receiver, kernel's TCP -- tap -- pasta -- loopback -- kernel's TCP, sender
 *
 * To an address of the loopback network pasta would splice the two sockets, past its TCP and the
 * device. So the sender connects to another one, and what passed the device is counted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duet/loop.h"
#include "engine.h"
#include "tun.h"

enum { SMALL = 64, PASTA_IS_MISSING = 127, SETTLED_MS = 300 };

struct passt {
    struct tun_round *round;
    struct pollfd
        listening[TUN_PORTS + 1]; /* the last is a connection that is kept, once it is there */
    pid_t pasta, far, sender;     /* 0: none */
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

        passt->listening[i].fd = descriptor;
        (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(descriptor, (const struct sockaddr *)&here, sizeof here) != 0 ||
            listen(descriptor, SMALL) != 0)
            return fail(passt, "cannot listen");
    }
    return true;
}

/* In the namespace of the far end. It tells of nothing but what went wrong, to nobody. The address of the
 * device there (--ns-mac-addr) it would else learn from what comes from there; a SYN that is to leave
 * before that is lost, and it sends none again. */
static _Noreturn void become_pasta(const struct passt *passt)
{
    char netns[64], ports[8] = "none";
    int nowhere = open("/dev/null", O_RDWR), space;

    if (passt->round->work == TUN_SEND)
        snprintf(ports, sizeof ports, "%d", TUN_PORT);
    snprintf(netns, sizeof netns, "/proc/%d/ns/net", (int)passt->far);
    space = open(netns, O_RDONLY); /* pasta gives up the right to before it would do so */
    snprintf(netns, sizeof netns, "/proc/self/fd/%d", space);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i <= 2; i++)
        (void)dup2(nowhere, i);
    (void)execlp("pasta", "pasta", "--quiet", "--foreground", "--config-net", "--ipv4-only",
                 "--netns-only", "--netns", netns, "--runas", "0", "--interface", "duet0",
                 "--address", "10.78.0.2", "--netmask", "24", "--gateway", "10.78.0.1",
                 "--mac-addr", "02:70:61:73:74:61", "--ns-mac-addr", "02:70:61:73:74:62",
                 "--tcp-ports", ports, "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns",
                 "none", (char *)NULL);
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
    const _Atomic uint64_t *compared = passt->round->compared;
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
    if (compared != NULL)
        passt->count = atomic_load_explicit(compared, memory_order_relaxed);
    return now;
}

static bool start(struct passt *passt)
{
    const struct tun_round sender = {.work = TUN_RECEIVE, .to = passt->round->kernel->kernels[0]};
    const bool sends = passt->round->work == TUN_SEND;

    if (!sends && !listen_on_all(passt))
        return false;
    passt->far = tun_kernel_start(passt->round);
    if (passt->far < 0)
        return fail(passt, "no namespace for the far end");
    passt->pasta = fork();
    if (passt->pasta == 0)
        become_pasta(passt);
    if (passt->pasta < 0)
        return fail(passt, "no process");
    if (sends)
        passt->sender = tun_kernel_start(&sender);
    return passt->sender >= 0 || fail(passt, "no process for the sender");
}

static bool has_ended(pid_t *process, int *status)
{
    if (*process <= 0 || waitpid(*process, status, WNOHANG) != *process)
        return false;
    *process = 0;
    return true;
}

/* What the device behind pasta has taken and given, headers too. */
static uint64_t device_bytes(const struct passt *passt)
{
    uint64_t in = 0, out = 0;
    char text[256];
    FILE *file;

    snprintf(text, sizeof text, "/proc/%d/net/dev", (int)passt->far);
    file = fopen(text, "r");
    if (file == NULL)
        return 0;
    while (fgets(text, sizeof text, file) != NULL)
        if (sscanf(text, " duet0: %" SCNu64 "%*s%*s%*s%*s%*s%*s%*s %" SCNu64, &in, &out) == 2)
            break;
    fclose(file);
    return in + out;
}

/* All went the way that is to be measured; who found other bytes or lost its connection has ended. */
static bool went_well(struct passt *passt)
{
    const uint64_t each = tun_is_bulk(passt->round->work) ? 1 : 2 * SMALL;
    int status;

    if (has_ended(&passt->far, &status) || has_ended(&passt->sender, &status))
        fail(passt, "a connection was broken, or other bytes came than were sent");
    if (device_bytes(passt) < passt->count * each)
        fail(passt, "bytes went past the tap device");
    return !passt->failed;
}

/* The span begins a while after the first connection, request or byte has come through: every other time, the
 * first 7 MB that pasta sends are followed by 200 ms of silence. */
static bool run(struct passt *passt)
{
    const duet_time patience = duet_loop_now() + 5 * DUET_SECOND;
    int status;

    while (passt->count == 0 && duet_loop_now() < patience) {
        (void)run_until(passt, duet_loop_now() + 10 * DUET_MILLISECOND);
        if (has_ended(&passt->pasta, &status))
            return fail(passt, WIFEXITED(status) && WEXITSTATUS(status) == PASTA_IS_MISSING
                                   ? "not installed (Debian: passt)"
                                   : "pasta does not start here");
    }
    if (passt->count == 0)
        return fail(passt, "no connection came through pasta");
    const duet_time from = run_until(passt, duet_loop_now() + SETTLED_MS * DUET_MILLISECOND);
    const uint64_t before = passt->count;
    const duet_time to = run_until(passt, from + passt->round->span);

    passt->round->count = passt->count - before;
    passt->round->took = to - from;
    return went_well(passt);
}

static void stop(struct passt *passt)
{
    const pid_t processes[] = {passt->sender, passt->far, passt->pasta};

    for (unsigned i = 0; i < sizeof processes / sizeof processes[0]; i++)
        if (processes[i] > 0)
            tun_kernel_stop(processes[i]);
    for (unsigned i = 0; i <= TUN_PORTS; i++)
        if (passt->listening[i].fd >= 0)
            close(passt->listening[i].fd);
}

bool tun_round_passt(struct tun_round *round)
{
    struct passt passt = {.round = round};
    const bool sends = round->work == TUN_SEND;
    void *shared = NULL;

    for (unsigned i = 0; i <= TUN_PORTS; i++)
        passt.listening[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    if (sends)
        shared = mmap(NULL, sizeof *round->compared, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return fail(&passt, "no memory");
    round->to = duet_ipv4(10, 78, 0, 1);
    round->apart = true;
    round->compared = shared;
    const bool good = start(&passt) && run(&passt);
    stop(&passt);
    round->broken = !good && passt.count > 0;
    round->apart = false;
    round->compared = NULL;
    if (sends)
        munmap(shared, sizeof *round->compared);
    return good;
}
