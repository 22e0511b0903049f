/* SPDX-License-Identifier: MIT */
/* duet bench segments: what one segment costs the stack that it arrives at, or that sends it, by its
 * kind. The peer is made by hand (forge.h), so that nothing else is measured; what arrives is prepared
 * before, and what follows from it is cleared away after the clock has been read. */
#include <argp.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../tools/bench.h"
#include "../tools/command.h"
#include "duet/stack.h"
#include "forge.h"

enum { WINDOW = 40 }; /* segments that fit into the window of a SYN,ACK, which has no scale */
enum { BATCH = 64, TEXT = 1448, PORT_FIRST = 1024, PORTS = 60000, BUFFER = 1 << 20 };

enum kind {
    IN_DATA,
    IN_ACK,
    IN_REORDERED,
    IN_SACK,
    IN_SYN,
    IN_THIRD,
    IN_FIN,
    IN_RST,
    IN_BAD_SUM,
    IN_STRANGER,
    OUT_DATA,
    OUT_ACK,
    OUT_SYN_ACK,
    OUT_RST,
    KINDS
};

static const char *const names[KINDS][2] = {
    {"in-data", "1448 bytes, the next ones expected"},
    {"in-ack", "a pure ACK of one segment"},
    {"in-reordered", "1448 bytes behind a hole"},
    {"in-sack", "a duplicate ACK with one SACK block, which grows"},
    {"in-syn", "SYN for a listener"},
    {"in-third", "the ACK that opens the connection"},
    {"in-fin", "FIN in ESTABLISHED"},
    {"in-rst", "RST in CLOSE-WAIT"},
    {"in-bad-sum", "1448 bytes with a wrong checksum"},
    {"in-stranger", "SYN for a port where nobody listens"},
    {"out-data", "1448 bytes"},
    {"out-ack", "a pure ACK"},
    {"out-syn-ack", "SYN,ACK of a half-open connection"},
    {"out-rst", "RST that answers a stranger"},
};

struct bench {
    const char *command;
    bool json;
    uint64_t rounds;
    struct duet_stack *stack;
    void *block;
    duet_time now;
    struct duet_handle listener;
    uint8_t bytes[BATCH][FORGE_ROOM];
    uint32_t lengths[BATCH];
    unsigned count;
    struct duet_packet out;
    struct forge_read sent[BATCH * 2]; /* by the stack, since the latest clear */
    unsigned sent_count;
    uint32_t opened;
    int counter; /* of instructions; -1: the kernel does not let us */
    uint64_t ns[KINDS], instructions[KINDS], done[KINDS];
    uint64_t all[KINDS]; /* those too that warmed up */
    enum kind kind;      /* that is measured */
    unsigned left;       /* packets, in this batch */
    bool failed;
};

/* The peer's end of a connection. */
struct peer {
    uint16_t port;
    uint32_t seq, ack, tsecr;
    struct duet_handle handle;
};

/* ---- the clock ---- */

struct reading {
    uint64_t ns, instructions;
};

static struct reading read_clock(const struct bench *b)
{
    struct timespec now;
    struct reading reading = {0};

    if (b->counter >= 0 && read(b->counter, &reading.instructions, sizeof reading.instructions) < 0)
        reading.instructions = 0;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    reading.ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    return reading;
}

static void add(struct bench *b, enum kind kind, struct reading since, unsigned count)
{
    struct reading now = read_clock(b);

    b->ns[kind] += now.ns - since.ns;
    b->instructions[kind] += now.instructions - since.instructions;
    b->done[kind] += count;
    b->all[kind] += count;
}

static int open_counter(void)
{
    struct perf_event_attr what = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof what,
                                   .config = PERF_COUNT_HW_INSTRUCTIONS,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};

    return (int)syscall(SYS_perf_event_open, &what, 0, -1, -1, 0);
}

/* ---- the stack ---- */

static bool start(struct bench *b)
{
    struct duet_config config;
    const struct duet_listen_options here = {.local = {.port = 80}, .backlog = 4 * BATCH};

    duet_config_default(&config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config.secret[i] = (uint8_t)(i * 11 + 3);
    config.interfaces[0] = (struct duet_interface){duet_ipv4(10, 0, 0, 1), 24};
    config.interface_count = 1;
    config.connections_max = config.transfers_max = config.reassemblies_max = 4 * BATCH;
    config.half_open_max = config.replies_max = 4 * BATCH;
    config.replies_per_second = UINT16_MAX;
    config.pages_max = 4096;
    config.send_buffer = config.receive_buffer = BUFFER;
    config.autotune = config.pacing = false;
    size_t size = duet_stack_footprint(&config);
    b->block = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    b->now = DUET_SECOND;
    b->out = (struct duet_packet){.data = malloc(65536), .size = 65536};
    b->counter = open_counter();
    return b->block != NULL && b->out.data != NULL &&
           duet_stack_init(b->block, size, &config, &b->stack) == DUET_OK &&
           duet_listen(b->stack, b->now, &here, &b->listener) == DUET_OK;
}

static void prepare(struct bench *b, const struct forge_segment *segment)
{
    b->lengths[b->count] = bench_forge(b->bytes[b->count], segment);
    b->count++;
}

static void arrive(struct bench *b)
{
    for (unsigned i = 0; i < b->count; i++) {
        const struct duet_packet packet = {.data = b->bytes[i], .length = b->lengths[i]};
        duet_input(b->stack, b->now, &packet);
    }
}

/* At most as many as there are connections. */
static void leave_batch(struct bench *b)
{
    while (b->left < BATCH && duet_output(b->stack, b->now, &b->out)) {
        b->left++;
        if (b->sent_count < 2 * BATCH)
            b->sent[b->sent_count++] = bench_forge_read(b->out.data);
    }
}

/* One function a kind, so that a profiler tells them apart (bench/segment_cost.py); the number of the
 * kind keeps a compiler from making one of all. */
#define MEASURED(which, function, work)                                                            \
    static __attribute__((noinline)) void function(struct bench *b)                                \
    {                                                                                              \
        b->kind = which;                                                                           \
        work(b);                                                                                   \
    }
MEASURED(IN_DATA, segment_in_data, arrive)
MEASURED(IN_ACK, segment_in_ack, arrive)
MEASURED(IN_REORDERED, segment_in_reordered, arrive)
MEASURED(IN_SACK, segment_in_sack, arrive)
MEASURED(IN_SYN, segment_in_syn, arrive)
MEASURED(IN_THIRD, segment_in_third, arrive)
MEASURED(IN_FIN, segment_in_fin, arrive)
MEASURED(IN_RST, segment_in_rst, arrive)
MEASURED(IN_BAD_SUM, segment_in_bad_sum, arrive)
MEASURED(IN_STRANGER, segment_in_stranger, arrive)
MEASURED(OUT_DATA, segment_out_data, leave_batch)
MEASURED(OUT_ACK, segment_out_ack, leave_batch)
MEASURED(OUT_SYN_ACK, segment_out_syn_ack, leave_batch)
MEASURED(OUT_RST, segment_out_rst, leave_batch)

static void (*const measured[KINDS])(struct bench *b) = {
    segment_in_data,     segment_in_ack,      segment_in_reordered, segment_in_sack,
    segment_in_syn,      segment_in_third,    segment_in_fin,       segment_in_rst,
    segment_in_bad_sum,  segment_in_stranger, segment_out_data,     segment_out_ack,
    segment_out_syn_ack, segment_out_rst,
};

static void arrive_timed(struct bench *b, enum kind kind)
{
    const struct reading since = read_clock(b);

    measured[kind](b);
    add(b, kind, since, b->count);
    b->count = 0;
}

/* All that is owed leaves. */
static void leave(struct bench *b)
{
    while (b->sent_count < 2 * BATCH && duet_output(b->stack, b->now, &b->out))
        b->sent[b->sent_count++] = bench_forge_read(b->out.data);
}

static void leave_timed(struct bench *b, enum kind kind)
{
    const struct reading since = read_clock(b);

    b->left = 0;
    measured[kind](b);
    add(b, kind, since, b->left);
}

static void let_go(struct bench *b)
{
    struct duet_event event;

    while (duet_next_event(b->stack, &event))
        if ((event.bits & DUET_EVENT_CLOSED) != 0)
            (void)duet_close(b->stack, b->now, event.handle);
    b->sent_count = 0;
}

static void pass(struct bench *b, duet_time span)
{
    b->now += span;
    duet_expire(b->stack, b->now);
    leave(b);
    b->sent_count = 0;
}

/* ---- a segment of a peer ---- */

static struct forge_segment from(const struct bench *b, const struct peer *peer, unsigned flags)
{
    return (struct forge_segment){.port = peer->port,
                                  .flags = (uint16_t)flags,
                                  .seq = peer->seq,
                                  .ack = peer->ack,
                                  .tsval = (uint32_t)(b->now / DUET_MILLISECOND),
                                  .tsecr = peer->tsecr};
}

static void fail(struct bench *b, const char *what)
{
    if (!b->failed)
        command_complain(b->command, "%s", what);
    b->failed = true;
}

/* ---- BATCH connections from SYN to RST, or fewer ---- */

static void begin(struct bench *b, struct peer *peers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        peers[i] = (struct peer){.port = (uint16_t)(PORT_FIRST + b->opened++ % PORTS),
                                 .seq = 0xfffff000u + b->opened};
        const struct forge_segment syn = from(b, &peers[i], FORGE_SYN);
        prepare(b, &syn);
    }
    arrive_timed(b, IN_SYN);
    b->sent_count = 0;
    leave_timed(b, OUT_SYN_ACK);
    if (b->sent_count != count)
        fail(b, "a SYN was not answered");
    for (unsigned i = 0; i < count && !b->failed; i++) {
        peers[i].seq++;
        peers[i].ack = b->sent[i].seq + 1;
        peers[i].tsecr = b->sent[i].tsval;
        const struct forge_segment third = from(b, &peers[i], FORGE_ACK);
        prepare(b, &third);
    }
    arrive_timed(b, IN_THIRD);
    for (unsigned i = 0; i < count && !b->failed; i++)
        if (duet_accept(b->stack, b->now, b->listener, &peers[i].handle, NULL) != DUET_OK)
            fail(b, "a connection was not opened");
    let_go(b);
}

static void end(struct bench *b, struct peer *peers, unsigned count)
{
    leave(b);
    b->sent_count = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct forge_segment fin = from(b, &peers[i], FORGE_FIN | FORGE_ACK);
        prepare(b, &fin);
        peers[i].seq++;
    }
    arrive_timed(b, IN_FIN);
    leave_timed(b, OUT_ACK);
    for (unsigned i = 0; i < count; i++) {
        const struct forge_segment reset = from(b, &peers[i], FORGE_RST | FORGE_ACK);
        prepare(b, &reset);
    }
    arrive_timed(b, IN_RST);
    leave(b);
    let_go(b);
}

/* ---- the kinds that need one connection ---- */

static void read_all(struct bench *b, const struct peer *peer, size_t wanted)
{
    static uint8_t room[BATCH * TEXT];
    int64_t got = duet_receive(b->stack, b->now, peer->handle, room, sizeof room);

    if (got != (int64_t)wanted)
        fail(b, "not all text arrived");
}

static void data(struct bench *b, struct peer *peer)
{
    for (unsigned i = 0; i < WINDOW; i++) {
        struct forge_segment text = from(b, peer, FORGE_ACK | FORGE_PSH);
        text.text = TEXT;
        prepare(b, &text);
        peer->seq += TEXT;
    }
    arrive_timed(b, IN_DATA);
    leave(b);
    read_all(b, peer, (size_t)WINDOW * TEXT);
    leave(b);
    let_go(b);
}

static void reordered(struct bench *b, struct peer *peer)
{
    struct forge_segment first = from(b, peer, FORGE_ACK);
    first.text = TEXT;
    for (unsigned i = 1; i < WINDOW; i++) {
        struct forge_segment text = from(b, peer, FORGE_ACK);
        text.seq += i * TEXT;
        text.text = TEXT;
        prepare(b, &text);
    }
    arrive_timed(b, IN_REORDERED);
    leave(b);
    prepare(b, &first);
    arrive(b);
    b->count = 0;
    peer->seq += WINDOW * TEXT;
    leave(b);
    read_all(b, peer, (size_t)WINDOW * TEXT);
    leave(b);
    let_go(b);
}

static void bad(struct bench *b, const struct peer *peer)
{
    for (unsigned i = 0; i < BATCH; i++) {
        struct forge_segment text = from(b, peer, FORGE_ACK);
        text.text = TEXT;
        prepare(b, &text);
        b->bytes[i][200] ^= 1;
    }
    arrive_timed(b, IN_BAD_SUM);
}

static void strangers(struct bench *b)
{
    for (unsigned i = 0; i < BATCH; i++) {
        const struct peer nobody = {.port = (uint16_t)(PORT_FIRST + i), .seq = i};
        struct forge_segment syn = from(b, &nobody, FORGE_SYN);
        syn.beside = 1;
        prepare(b, &syn);
    }
    arrive_timed(b, IN_STRANGER);
    leave_timed(b, OUT_RST);
    b->sent_count = 0;
}

/* Text leaves and is acknowledged, one segment after the other; or all but the first is SACKed. */
static void text_out(struct bench *b, struct peer *peer, bool sack)
{
    static uint8_t text[BATCH * TEXT];
    const uint32_t first = peer->ack;

    if (duet_send(b->stack, b->now, peer->handle, text, sizeof text, 0) != (int64_t)sizeof text)
        fail(b, "the send queue is full");
    b->sent_count = 0;
    leave_timed(b, OUT_DATA);
    const unsigned sent = b->sent_count;
    for (unsigned i = 1; i < sent; i++) {
        struct forge_segment ack = from(b, peer, FORGE_ACK);
        ack.tsecr = b->sent[i].tsval;
        if (sack) {
            ack.sack_left = first + TEXT;
            ack.sack_right = first + (i + 1) * TEXT;
        } else {
            ack.ack = first + i * TEXT;
        }
        prepare(b, &ack);
    }
    b->now += DUET_MILLISECOND;
    arrive_timed(b, sack ? IN_SACK : IN_ACK);
    const uint32_t end = first + (uint32_t)sizeof text;
    uint32_t reached = first + sent * TEXT;
    for (unsigned turns = 0; peer->ack != end && turns < 1000 && !b->failed; turns++) {
        b->sent_count = 0;
        leave(b);
        for (unsigned i = 0; i < b->sent_count; i++) {
            const struct forge_read *one = &b->sent[i];
            if (one->text > 0 && (int32_t)(one->seq + one->text - reached) > 0)
                reached = one->seq + one->text;
            peer->tsecr = one->tsval;
        }
        peer->ack = reached;
        const struct forge_segment all = from(b, peer, FORGE_ACK);
        prepare(b, &all);
        arrive(b);
        b->count = 0;
    }
    if (peer->ack != end)
        fail(b, "not all text left");
    leave(b);
    let_go(b);
}

/* ---- all of it ---- */

static void round_of_all(struct bench *b)
{
    static struct peer peers[BATCH];

    begin(b, peers, BATCH);
    for (unsigned i = 0; i < 4 && !b->failed; i++)
        data(b, &peers[0]);
    reordered(b, &peers[1]);
    bad(b, &peers[2]);
    for (unsigned i = 0; i < 8 && !b->failed; i++) /* until the window lets a batch out */
        text_out(b, &peers[3], i == 7);
    strangers(b);
    end(b, peers, BATCH);
    pass(b, 10 * DUET_SECOND);
}

static void print(const struct bench *b)
{
    if (!b->json)
        printf("%-14s %8s %13s  %s\n", "segment", "ns", "instructions", "what");
    for (unsigned i = 0; i < KINDS; i++) {
        if (b->done[i] == 0)
            continue;
        const double ns = (double)b->ns[i] / (double)b->done[i];
        const double instructions = (double)b->instructions[i] / (double)b->done[i];
        if (b->json)
            printf("{\"segment\":\"%s\",\"ns\":%.1f,\"instructions\":%.0f,\"count\":%llu}\n",
                   names[i][0], ns, instructions, (unsigned long long)b->all[i]);
        else if (b->counter >= 0)
            printf("%-14s %8.1f %13.0f  %s\n", names[i][0], ns, instructions, names[i][1]);
        else
            printf("%-14s %8.1f %13s  %s\n", names[i][0], ns, "-", names[i][1]);
    }
}

enum { KEY_JSON = 256, KEY_ROUNDS };

static const struct argp_option argp_options[] = {
    {"rounds", KEY_ROUNDS, "N", 0, "of 64 segments of each kind, or more (default: 500)", 0},
    {"json", KEY_JSON, 0, 0, "one JSON object a line", 0},
    {0, 0, 0, 0, 0, 0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct bench *b = state->input;
    const struct command_option table[] = {
        {KEY_ROUNDS, NULL, &b->rounds, "number of rounds", 1, 1000000},
        {.key = KEY_JSON, .is_so = &b->json},
        {0},
    };

    return command_take(b->command, table, key, argument) ? 0 : ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
    .options = argp_options,
    .parser = parse_option,
    .doc = "Measures what one segment costs the stack that it arrives at, or that sends it, by its "
           "kind. Instructions are counted where the system lets a process count its own.\v"
           "Exit status: 0 if all of it went well, 1 if not, 2 for a wrong command line.",
};

int bench_segments(int argc, char **argv)
{
    static struct bench b;

    b.command = argv[0];
    b.rounds = 500;
    argp_err_exit_status = COMMAND_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &b);
    if (!start(&b))
        fail(&b, "duet does not start");
    for (uint64_t i = 0; i < b.rounds && !b.failed; i++) {
        if (i == b.rounds / 10) { /* what came before was to warm up */
            memset(b.ns, 0, sizeof b.ns);
            memset(b.instructions, 0, sizeof b.instructions);
            memset(b.done, 0, sizeof b.done);
        }
        round_of_all(&b);
    }
    if (!b.failed)
        print(&b);
    free(b.block);
    free(b.out.data);
    if (b.counter >= 0)
        close(b.counter);
    return b.failed ? COMMAND_FAILED : COMMAND_OK;
}
