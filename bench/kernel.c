/* SPDX-License-Identifier: MIT */
/* The operating system's TCP as an engine: sockets of both ends in this thread, over the loopback device
 * or over a veth pair whose ends are in two namespaces. What a segment costs on arrival is done in the
 * call that sent it, by the same thread, so that the processor's time of this thread is all of it.
 *
 * Both devices are memory: the kernel neither computes nor compares checksums on them, and hands over
 * packets of up to 64 KiB whatever the MTU. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duet/kernel.h"
#include "engine.h"

enum { LISTENERS = 32, PORT = 6001, BACKLOG = 4096, FEW = 64 };

struct pair {
    int active, passive;
};

static struct kernel {
    struct duet_kernel space;
    bool is_open;
    pid_t keeper; /* of the other namespace; 0: there is none */
    int here, there;
    int listeners[LISTENERS];
    struct in_addr address; /* of the passive end */
    struct pair *pairs;
    uint32_t count;
    uint64_t lives;
} kernels[2];

static struct engine engines[2];
static unsigned current; /* of the two: in whose namespace sockets are made */

static bool fail(struct engine *engine, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool fail(struct engine *engine, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (engine->why[0] == '\0')
        vsnprintf(engine->why, sizeof engine->why, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- namespaces and devices ---- */

/* A process that does nothing but keep the other namespace. */
static pid_t start_keeper(void)
{
    int ready[2];
    char byte;
    pid_t process;

    if (pipe(ready) != 0)
        return -1;
    process = fork();
    if (process == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "", 1) == 1)
            for (;;)
                (void)pause();
        _exit(1);
    }
    close(ready[1]);
    const bool is_there = process > 0 && read(ready[0], &byte, 1) == 1;
    close(ready[0]);
    return is_there ? process : -1;
}

static bool run_commands(struct engine *engine, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool run_commands(struct engine *engine, const char *format, ...)
{
    char commands[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(commands, sizeof commands, format, arguments);
    va_end(arguments);
    return system(commands) == 0 ||
           fail(engine, "not measured: `ip` (Debian: iproute2) cannot make the devices");
}

static bool make_devices(struct engine *engine, struct kernel *kernel, bool is_veth, unsigned mtu)
{
    char path[64];

    if (!run_commands(engine,
                      "{ ip link set lo mtu %u && "
                      "echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range; } 2>/dev/null",
                      mtu))
        return false;
    kernel->address.s_addr = htonl(INADDR_LOOPBACK);
    if (!is_veth)
        return true;
    kernel->keeper = start_keeper();
    if (kernel->keeper < 0)
        return fail(engine, "not measured: no second namespace");
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)kernel->keeper);
    kernel->there = open(path, O_RDONLY | O_CLOEXEC);
    kernel->address.s_addr = inet_addr("10.79.0.2");
    if (kernel->here < 0 || kernel->there < 0)
        return fail(engine, "not measured: no second namespace");
    return run_commands(engine,
                        "{ ip link add veth0 mtu %u type veth peer name veth1 mtu %u netns %d && "
                        "ip address add 10.79.0.1/24 dev veth0 && ip link set veth0 up; "
                        "} 2>/dev/null",
                        mtu, mtu, (int)kernel->keeper) &&
           setns(kernel->there, CLONE_NEWNET) == 0 &&
           run_commands(engine, "{ ip address add 10.79.0.2/24 dev veth1 && ip link set veth1 up; "
                                "} 2>/dev/null") &&
           setns(kernel->here, CLONE_NEWNET) == 0;
}

/* ---- sockets ---- */

static int new_socket(void)
{
    int one = 1, descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor >= 0)
        (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return descriptor;
}

static bool listen_on_all(struct engine *engine, struct kernel *kernel)
{
    bool good = kernel->keeper == 0 || setns(kernel->there, CLONE_NEWNET) == 0;

    for (unsigned i = 0; i < LISTENERS && good; i++) {
        const struct sockaddr_in here = {.sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)(PORT + i)),
                                         .sin_addr = kernel->address};

        kernel->listeners[i] = new_socket();
        good = bind(kernel->listeners[i], (const struct sockaddr *)&here, sizeof here) == 0 &&
               listen(kernel->listeners[i], BACKLOG) == 0;
    }
    good = (kernel->keeper == 0 || setns(kernel->here, CLONE_NEWNET) == 0) && good;
    return good || fail(engine, "cannot listen: %s", strerror(errno));
}

/* Of the active end, and of the devices. */
static bool is_at_home(unsigned which)
{
    if (current == which)
        return true;
    current = which;
    return setns(kernels[which].here, CLONE_NEWNET) == 0 ||
           fail(&engines[which], "no way back to a namespace");
}

static bool open_pair(struct engine *engine, struct kernel *kernel, uint64_t number,
                      struct pair *pair)
{
    const unsigned listener = (unsigned)(number % LISTENERS);
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)(PORT + listener)),
                                   .sin_addr = kernel->address};

    pair->active = new_socket();
    if (pair->active < 0 || connect(pair->active, (const struct sockaddr *)&to, sizeof to) != 0)
        return fail(engine, "connecting: %s", strerror(errno));
    pair->passive = accept4(kernel->listeners[listener], NULL, NULL, SOCK_CLOEXEC);
    if (pair->passive < 0)
        return fail(engine, "accepting: %s", strerror(errno));
    int one = 1;
    (void)setsockopt(pair->passive, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return true;
}

/* So many bytes of the pattern from there on, one way. */
static bool carry(struct engine *engine, int from, int to, uint64_t at, uint32_t bytes)
{
    static uint8_t room[ENGINE_PIECE];
    uint32_t done = 0;

    if (send(from, engine_pattern(at), bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
        return fail(engine, "sending: %s", strerror(errno));
    while (done < bytes) {
        ssize_t got = recv(to, room + done, bytes - done, 0);

        if (got <= 0)
            return fail(engine, "receiving: %s", strerror(errno));
        done += (uint32_t)got;
    }
    return memcmp(room, engine_pattern(at), bytes) == 0 || fail(engine, "other bytes arrived");
}

/* ---- what an engine does ---- */

static bool allow_sockets(struct engine *engine, uint32_t connections)
{
    const rlim_t wanted = 2 * (rlim_t)connections + 2 * FEW;
    struct rlimit limit = {0};

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (limit.rlim_max < wanted) /* root may have more */
        limit = (struct rlimit){wanted, wanted};
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ||
           fail(engine, "not measured: so many sockets are not allowed here (ulimit -n)");
}

static bool open_at(unsigned which, const struct engine_setup *setup)
{
    const struct duet_kernel_options options = {.link = DUET_KERNEL_ANY};
    struct engine *engine = &engines[which];
    struct kernel *kernel = &kernels[which];

    *kernel = (struct kernel){.here = -1, .there = -1};
    if (!allow_sockets(engine, setup->connections))
        return false;
    kernel->pairs = calloc(setup->connections + 1, sizeof *kernel->pairs);
    if (kernel->pairs == NULL)
        return fail(engine, "no memory");
    if (duet_kernel_open(&options, &kernel->space, engine->why, sizeof engine->why) != 0)
        return false;
    kernel->is_open = true;
    current = which;
    kernel->here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return make_devices(engine, kernel, which == 1, setup->mtu) && listen_on_all(engine, kernel);
}

static void close_at(unsigned which)
{
    struct kernel *kernel = &kernels[which];

    for (uint32_t i = 0; i < kernel->count; i++) {
        close(kernel->pairs[i].active);
        close(kernel->pairs[i].passive);
    }
    for (unsigned i = 0; i < LISTENERS && kernel->listeners[i] > 0; i++)
        close(kernel->listeners[i]);
    if (kernel->keeper > 0) {
        (void)kill(kernel->keeper, SIGKILL);
        (void)waitpid(kernel->keeper, NULL, 0);
    }
    if (kernel->is_open)
        kernel->space.link->close(kernel->space.link);
    free(kernel->pairs);
    if (kernel->here >= 0)
        close(kernel->here);
    if (kernel->there >= 0)
        close(kernel->there);
    *kernel = (struct kernel){.here = -1, .there = -1};
}

static bool connect_at(unsigned which, uint32_t count)
{
    struct kernel *kernel = &kernels[which];

    for (const uint32_t end = kernel->count + count; kernel->count < end; kernel->count++)
        if (!is_at_home(which) ||
            !open_pair(&engines[which], kernel, kernel->count, &kernel->pairs[kernel->count]))
            return false;
    return true;
}

static bool bulk_at(unsigned which, uint64_t bytes)
{
    static uint8_t room[4 * ENGINE_PIECE];
    struct engine *engine = &engines[which];
    const struct pair *pair = &kernels[which].pairs[0];
    uint64_t sent = 0, arrived = 0;

    while (arrived < bytes) {
        const uint64_t left = bytes - sent;
        ssize_t some = left == 0 ? 0
                                 : send(pair->active, engine_pattern(sent),
                                        left < ENGINE_PIECE ? (size_t)left : ENGINE_PIECE,
                                        MSG_DONTWAIT | MSG_NOSIGNAL);
        ssize_t got = recv(pair->passive, room, ENGINE_PIECE, MSG_DONTWAIT);

        sent += some > 0 ? (uint64_t)some : 0;
        if (got > 0 && memcmp(room, engine_pattern(arrived), (size_t)got) != 0)
            return fail(engine, "other bytes arrived");
        arrived += got > 0 ? (uint64_t)got : 0;
        if (some <= 0 && got <= 0) {
            struct pollfd ready = {.fd = pair->passive, .events = POLLIN};

            if (poll(&ready, 1, 1000) != 1)
                return fail(engine, "nothing moves");
        }
    }
    return true;
}

static bool exchange_at(unsigned which, uint32_t connection, uint32_t bytes)
{
    const struct pair *pair = &kernels[which].pairs[connection];

    return carry(&engines[which], pair->active, pair->passive, connection, bytes) &&
           carry(&engines[which], pair->passive, pair->active, connection + 1, bytes);
}

static bool life_at(unsigned which)
{
    struct engine *engine = &engines[which];
    struct pair pair = {-1, -1};
    uint8_t byte;
    bool good = is_at_home(which) &&
                open_pair(engine, &kernels[which], kernels[which].lives++, &pair) &&
                carry(engine, pair.active, pair.passive, 0, ENGINE_LIFE_BYTES) &&
                carry(engine, pair.passive, pair.active, 1, ENGINE_LIFE_BYTES);

    close(pair.active);
    if (good && recv(pair.passive, &byte, 1, 0) != 0)
        good = fail(engine, "a short connection does not end");
    close(pair.passive);
    return good;
}

/* An engine's functions do not know whose they are. */
#define ENGINE(which, called)                                                                      \
    static bool open_##called(const struct engine_setup *setup)                                    \
    {                                                                                              \
        return open_at(which, setup);                                                              \
    }                                                                                              \
    static void close_##called(void)                                                               \
    {                                                                                              \
        close_at(which);                                                                           \
    }                                                                                              \
    static bool connect_##called(uint32_t count)                                                   \
    {                                                                                              \
        return connect_at(which, count);                                                           \
    }                                                                                              \
    static bool bulk_##called(uint64_t bytes)                                                      \
    {                                                                                              \
        return bulk_at(which, bytes);                                                              \
    }                                                                                              \
    static bool exchange_##called(uint32_t connection, uint32_t bytes)                             \
    {                                                                                              \
        return exchange_at(which, connection, bytes);                                              \
    }                                                                                              \
    static bool life_##called(void)                                                                \
    {                                                                                              \
        return life_at(which);                                                                     \
    }
ENGINE(0, loopback)
ENGINE(1, veth)

static struct engine engines[2] = {
    {.name = "loopback",
     .version = "",
     .open = open_loopback,
     .close = close_loopback,
     .connect = connect_loopback,
     .bulk = bulk_loopback,
     .exchange = exchange_loopback,
     .life = life_loopback},
    {.name = "veth",
     .version = "",
     .open = open_veth,
     .close = close_veth,
     .connect = connect_veth,
     .bulk = bulk_veth,
     .exchange = exchange_veth,
     .life = life_veth},
};

struct engine *engine_kernel(bool is_veth)
{
    return &engines[is_veth];
}
