/* SPDX-License-Identifier: MIT */
/* Makes a timeline from a seed: a connection opened by either side, then packets and calls, most of
 * them nearly right. A rough model of both sequence spaces keeps numbers near the edges where
 * decisions are made; it need not be right, for whatever the stacks do is compared, not judged.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "sim/script/random.h"

struct maker {
    struct random_script *script;
    struct prng prng;
    bool timestamps, accepted;
    uint32_t ts;       /* of the next packet in */
    uint32_t window;   /* the peer's, the same in all its packets */
    uint32_t nxt;      /* next in order of what the stack receives: RCV.NXT, if all goes well */
    uint32_t una, end; /* of what the stack sends: acknowledged, sent */
    bool shut;         /* the stack's FIN is on its way */
};

static uint32_t below(struct maker *maker, uint32_t limit)
{
    return (uint32_t)prng_below(&maker->prng, limit);
}

static bool chance(struct maker *maker, unsigned percent)
{
    return below(maker, 100) < percent;
}

static void add(struct maker *maker, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct maker *maker, const char *format, ...)
{
    struct random_script *script = maker->script;
    va_list arguments;
    if (script->count == RANDOM_LINES_MAX) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(script->lines[script->count++], RANDOM_LINE_MAX, format, arguments);
    va_end(arguments);
}

/* ---- packets ---- */

static const char *timestamp(struct maker *maker, char *to, size_t size)
{
    to[0] = '\0';
    if (!maker->timestamps || chance(maker, 1)) {
        return to;
    }
    uint32_t val = maker->ts;
    if (chance(maker, 8)) {
        static const int32_t apart[] = {-1, -50, -100000, INT32_MAX, 5};
        val += (uint32_t)apart[below(maker, 5)];
    } else {
        maker->ts += 3;
    }
    uint32_t echo = chance(maker, 98) ? 1000 : below(maker, 3000); /* 1000: the stack's first */
    snprintf(to, size, "TS val %u ecr %u", val, echo);
    return to;
}

static void add_segment(struct maker *maker, const char *flags, uint32_t seq, uint32_t length,
                        uint32_t ack, const char *options)
{
    char clock[64], acknowledges[24] = "", more[120] = "";
    timestamp(maker, clock, sizeof(clock));
    if (strchr(flags, '.') != NULL) {
        snprintf(acknowledges, sizeof(acknowledges), " ack %u", ack);
    }
    bool both = options[0] != '\0' && clock[0] != '\0';
    if (options[0] != '\0' || clock[0] != '\0') {
        snprintf(more, sizeof(more), " <%s%s%s>", options, both ? "," : "", clock);
    }
    add(maker, "< %s %u:%u(%u)%s win %u%s%s", flags, seq, seq + length, length, acknowledges,
        maker->window, strchr(flags, 'U') != NULL ? " urg 1" : "", more);
}

static const char *syn_options(struct maker *maker)
{
    static const char *const lists[] = {
        "mss 1460",
        "mss 1460,sackOK,nop,nop",
        "mss 1460,nop,wscale 7",
        "",
        "mss 1000,sackOK,nop,wscale 2",
        "mss 1460,sackOK,nop,wscale 0",
        "mss 536,nop,wscale 15",
        "mss 1460,mss 1000",
    };
    uint32_t limit = chance(maker, 70) ? 3 : 8;
    return lists[below(maker, limit)];
}

static uint32_t pick_seq(struct maker *maker)
{
    static const uint32_t beyond[] = {100000, 1u << 30, 0x7fffffff, 0x80000000, 0xffff0000};
    if (chance(maker, 60)) {
        return maker->nxt;
    }
    switch (below(maker, 7)) {
    case 0:
        return maker->nxt - 1;
    case 1:
        return maker->nxt + 1;
    case 2:
        return maker->nxt - 1 - below(maker, 200);
    case 3:
        return maker->nxt + beyond[below(maker, 5)];
    case 4:
        return 0;
    default:
        return maker->nxt + 10 * (1 + below(maker, 30));
    }
}

static uint32_t pick_ack(struct maker *maker)
{
    static const uint32_t beyond[] = {100000, 1u << 30, 0x7fffffff, 0x80000001, 0xfff00000};
    if (chance(maker, 80)) {
        return maker->end;
    }
    switch (below(maker, 6)) {
    case 0:
        return maker->una;
    case 1:
        return maker->end + 1;
    case 2:
        return maker->una > 1 ? maker->una - 1 : maker->una;
    case 3:
        return maker->end + beyond[below(maker, 5)];
    case 4:
        return !chance(maker, 20); /* the SYN's own number is in nobody's window */
    default:
        return maker->una + below(maker, maker->end - maker->una + 1);
    }
}

static const char *pick_flags(struct maker *maker)
{
    static const char *const usual[] = {".", "P.", ".", "F.", "FP."};
    static const char *const rare[] = {"R",   "R.", "S",  "S.",  "F",   "P",     "U.",
                                       "-",   "SF", "SR", "FR.", "SP.", "E.",    "W.",
                                       "PU.", "R",  "R.", "SF.", "FPU", "FSRP.U"};
    return chance(maker, 72) ? usual[below(maker, chance(maker, 60) ? 3 : 5)]
                             : rare[below(maker, sizeof(rare) / sizeof(rare[0]))];
}

/* The model takes what a sensible receiver would take. */
static void learn(struct maker *maker, const char *flags, uint32_t seq, uint32_t length,
                  uint32_t ack)
{
    bool strange = strpbrk(flags, "SR") != NULL || strchr(flags, '.') == NULL;
    if (strange || (int32_t)(ack - maker->end) > 0) {
        return;
    }
    if ((int32_t)(ack - maker->una) > 0) {
        maker->una = ack;
    }
    uint32_t fin = strchr(flags, 'F') != NULL;
    bool next = (int32_t)(seq - maker->nxt) <= 0 && (int32_t)(seq + length + fin - maker->nxt) > 0;
    if (next) {
        maker->nxt = seq + length + fin;
    }
}

static void random_packet(struct maker *maker)
{
    static const uint32_t lengths[] = {0, 0, 0, 1, 10, 100, 1000, 1460};
    const char *flags = pick_flags(maker);
    uint32_t seq = pick_seq(maker), length = lengths[below(maker, 8)], ack = pick_ack(maker);
    bool syn = strchr(flags, 'S') != NULL;
    add_segment(maker, flags, seq, length, ack, syn && chance(maker, 60) ? syn_options(maker) : "");
    learn(maker, flags, seq, length, ack);
}

/* ---- calls ---- */

static void random_call(struct maker *maker)
{
    static const uint32_t sizes[] = {1, 10, 100, 1000, 1460, 3000};
    uint32_t size = sizes[below(maker, 6)];
    switch (below(maker, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        add(maker, "write(4, ..., %u)", size);
        maker->end += maker->shut ? 0 : size;
        break;
    case 4:
    case 5:
    case 6:
        add(maker, "read(4, ..., %u)", 2 * size);
        break;
    case 7:
    case 8:
        add(maker, "shutdown(4, SHUT_WR)");
        maker->end += !maker->shut;
        maker->shut = true;
        break;
    case 9:
        add(maker, "close(4)");
        maker->end += !maker->shut;
        maker->shut = true;
        break;
    case 10:
        add(maker, "setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4)");
        break;
    default:
        add(maker, "setsockopt(4, SOL_SOCKET, SO_LINGER, {1, 0}, 8)");
        break;
    }
}

/* ---- opening ---- */

static void open_by_peer(struct maker *maker)
{
    add(maker, "socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3");
    add(maker, "setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4)");
    add(maker, "bind(3, ..., ...)");
    add(maker, "listen(3, 5)");
    uint32_t length = chance(maker, 4) ? 10 : 0;
    const char *options = syn_options(maker);
    while (chance(maker, 8)) {
        random_packet(maker); /* to a listener */
    }
    add_segment(maker, chance(maker, 4) ? "SEW" : "S", 0, length, 0, options);
    while (chance(maker, 20)) {
        random_packet(maker); /* to a half-open connection */
    }
    bool data = chance(maker, 15);
    add_segment(maker, ".", 1, data ? 100 : 0, 1, "");
    maker->nxt = data ? 101 : 1;
    add(maker, "accept4(3, ..., ..., SOCK_NONBLOCK) = 4");
}

static void open_by_stack(struct maker *maker)
{
    add(maker, "socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 4");
    add(maker, "connect(4, ..., ...)");
    while (chance(maker, 25)) {
        maker->nxt = 0;
        random_packet(maker); /* to SYN-SENT */
    }
    maker->nxt = 1;
    if (chance(maker, 10)) {
        add_segment(maker, "S", 0, 0, 0, syn_options(maker)); /* both open at once */
        add_segment(maker, ".", 1, 0, 1, "");
        return;
    }
    add_segment(maker, "S.", 0, chance(maker, 5) ? 10 : 0, 1, syn_options(maker));
}

void random_make(struct random_script *script, uint64_t seed)
{
    static const uint32_t isns[] = {0, 1000, 0x7ffffff0, 0xffffff00, 0xffffffff};
    struct maker maker = {.script = script, .ts = 100, .nxt = 0, .una = 1, .end = 1};
    *script = (struct random_script){.seed = seed};
    prng_seed(&maker.prng, seed);
    script->v6 = chance(&maker, 20);
    script->remote_isn = isns[below(&maker, 5)];
    maker.timestamps = chance(&maker, 35);
    /* A window that shrinks or closes is told apart by timers, which this has no time for. */
    maker.window = chance(&maker, 80) ? 65535 : 1000 + 1000 * below(&maker, 8);
    if (chance(&maker, 60)) {
        open_by_peer(&maker);
    } else {
        open_by_stack(&maker);
    }
    unsigned count = 3 + below(&maker, 14);
    for (unsigned i = 0; i < count; i++) {
        if (chance(&maker, 35)) {
            random_call(&maker);
        } else {
            random_packet(&maker);
        }
    }
    add(&maker, "pause() = 0");
}

char *random_print(const struct random_script *script, uint16_t port)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (to == NULL) {
        return NULL;
    }
    fprintf(to, "--ip_version=%s\n--remote_isn=%u\n--bind_port=%u\n--connect_port=%u\n",
            script->v6 ? "ipv6" : "ipv4", script->remote_isn, port, port);
    for (unsigned i = 0; i < script->count; i++) {
        fprintf(to, "%s %s\n", i == 0 ? " 0" : "+0.003", script->lines[i]);
    }
    fclose(to);
    return text;
}
