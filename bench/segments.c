/* SPDX-License-Identifier: MIT */
/* duet bench segments: what one segment costs the stack that it arrives at, or that sends it, by its
 * kind. The peer is made by hand (forge.h), so that nothing else is measured; the stack and the clock
 * beside it are meter.c's. */
#include <argp.h>
#include <stdio.h>

#include "../tools/bench.h"
#include "../tools/command.h"
#include "meter.h"

enum { WINDOW = 40 }; /* segments that fit into the window of a SYN,ACK, which has no scale */
enum { TEXT = 1448, PORT_FIRST = 1024, PORTS = 60000 };

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
    bool json, failed;
    uint64_t rounds;
    uint32_t opened;
    struct meter meter;
};

/* The peer's end of a connection. */
struct peer {
    uint16_t port;
    uint32_t seq, ack, tsecr;
    struct duet_handle handle;
};

/* ---- a segment of a peer ---- */

static struct forge_segment from(const struct bench *b, const struct peer *peer, unsigned flags)
{
    return (struct forge_segment){.port = peer->port,
                                  .flags = (uint16_t)flags,
                                  .seq = peer->seq,
                                  .ack = peer->ack,
                                  .tsval = (uint32_t)(b->meter.now / DUET_MILLISECOND),
                                  .tsecr = peer->tsecr};
}

static void fail(struct bench *b, const char *what)
{
    if (!b->failed)
        command_complain(b->command, "%s", what);
    b->failed = true;
}

/* ---- METER_BATCH connections from SYN to RST, or fewer ---- */

static void begin(struct bench *b, struct peer *peers, unsigned count)
{
    struct meter *m = &b->meter;

    for (unsigned i = 0; i < count; i++) {
        peers[i] = (struct peer){.port = (uint16_t)(PORT_FIRST + b->opened++ % PORTS),
                                 .seq = 0xfffff000u + b->opened};
        const struct forge_segment syn = from(b, &peers[i], FORGE_SYN);
        meter_prepare(m, &syn);
    }
    meter_arrive_timed(m, IN_SYN);
    m->sent_count = 0;
    meter_leave_timed(m, OUT_SYN_ACK);
    if (m->sent_count != count)
        fail(b, "a SYN was not answered");
    for (unsigned i = 0; i < count && !b->failed; i++) {
        peers[i].seq++;
        peers[i].ack = m->sent[i].seq + 1;
        peers[i].tsecr = m->sent[i].tsval;
        const struct forge_segment third = from(b, &peers[i], FORGE_ACK);
        meter_prepare(m, &third);
    }
    meter_arrive_timed(m, IN_THIRD);
    for (unsigned i = 0; i < count && !b->failed; i++)
        if (duet_accept(m->stack, m->now, m->listener, &peers[i].handle, NULL) != DUET_OK)
            fail(b, "a connection was not opened");
    meter_let_go(m);
}

static void end(struct bench *b, struct peer *peers, unsigned count)
{
    struct meter *m = &b->meter;

    meter_leave(m);
    m->sent_count = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct forge_segment fin = from(b, &peers[i], FORGE_FIN | FORGE_ACK);
        meter_prepare(m, &fin);
        peers[i].seq++;
    }
    meter_arrive_timed(m, IN_FIN);
    meter_leave_timed(m, OUT_ACK);
    for (unsigned i = 0; i < count; i++) {
        const struct forge_segment reset = from(b, &peers[i], FORGE_RST | FORGE_ACK);
        meter_prepare(m, &reset);
    }
    meter_arrive_timed(m, IN_RST);
    meter_leave(m);
    meter_let_go(m);
}

/* ---- the kinds that need one connection ---- */

static void read_all(struct bench *b, const struct peer *peer, size_t wanted)
{
    static uint8_t room[METER_BATCH * TEXT];
    struct meter *m = &b->meter;
    int64_t got = duet_receive(m->stack, m->now, peer->handle, room, sizeof room);

    if (got != (int64_t)wanted)
        fail(b, "not all text arrived");
}

static void data(struct bench *b, struct peer *peer)
{
    struct meter *m = &b->meter;

    for (unsigned i = 0; i < WINDOW; i++) {
        struct forge_segment text = from(b, peer, FORGE_ACK | FORGE_PSH);
        text.text = TEXT;
        meter_prepare(m, &text);
        peer->seq += TEXT;
    }
    meter_arrive_timed(m, IN_DATA);
    meter_leave(m);
    read_all(b, peer, (size_t)WINDOW * TEXT);
    meter_leave(m);
    meter_let_go(m);
}

static void reordered(struct bench *b, struct peer *peer)
{
    struct meter *m = &b->meter;
    struct forge_segment first = from(b, peer, FORGE_ACK);
    first.text = TEXT;
    for (unsigned i = 1; i < WINDOW; i++) {
        struct forge_segment text = from(b, peer, FORGE_ACK);
        text.seq += i * TEXT;
        text.text = TEXT;
        meter_prepare(m, &text);
    }
    meter_arrive_timed(m, IN_REORDERED);
    meter_leave(m);
    meter_prepare(m, &first);
    meter_arrive(m);
    peer->seq += WINDOW * TEXT;
    meter_leave(m);
    read_all(b, peer, (size_t)WINDOW * TEXT);
    meter_leave(m);
    meter_let_go(m);
}

static void bad(struct bench *b, const struct peer *peer)
{
    struct meter *m = &b->meter;

    for (unsigned i = 0; i < METER_BATCH; i++) {
        struct forge_segment text = from(b, peer, FORGE_ACK);
        text.text = TEXT;
        meter_prepare(m, &text);
        m->bytes[i][200] ^= 1;
    }
    meter_arrive_timed(m, IN_BAD_SUM);
}

static void strangers(struct bench *b)
{
    struct meter *m = &b->meter;

    for (unsigned i = 0; i < METER_BATCH; i++) {
        const struct peer nobody = {.port = (uint16_t)(PORT_FIRST + i), .seq = i};
        struct forge_segment syn = from(b, &nobody, FORGE_SYN);
        syn.beside = 1;
        meter_prepare(m, &syn);
    }
    meter_arrive_timed(m, IN_STRANGER);
    meter_leave_timed(m, OUT_RST);
    m->sent_count = 0;
}

/* Text leaves and is acknowledged, one segment after the other; or all but the first is SACKed. */
static void text_out(struct bench *b, struct peer *peer, bool sack)
{
    static uint8_t text[METER_BATCH * TEXT];
    struct meter *m = &b->meter;
    const uint32_t first = peer->ack;

    if (duet_send(m->stack, m->now, peer->handle, text, sizeof text, 0) != (int64_t)sizeof text)
        fail(b, "the send queue is full");
    m->sent_count = 0;
    meter_leave_timed(m, OUT_DATA);
    const unsigned sent = m->sent_count;
    for (unsigned i = 1; i < sent; i++) {
        struct forge_segment ack = from(b, peer, FORGE_ACK);
        ack.tsecr = m->sent[i].tsval;
        if (sack) {
            ack.sack_left = first + TEXT;
            ack.sack_right = first + (i + 1) * TEXT;
        } else {
            ack.ack = first + i * TEXT;
        }
        meter_prepare(m, &ack);
    }
    m->now += DUET_MILLISECOND;
    meter_arrive_timed(m, sack ? IN_SACK : IN_ACK);
    const uint32_t end = first + (uint32_t)sizeof text;
    uint32_t reached = first + sent * TEXT;
    for (unsigned turns = 0; peer->ack != end && turns < 1000 && !b->failed; turns++) {
        m->sent_count = 0;
        meter_leave(m);
        for (unsigned i = 0; i < m->sent_count; i++) {
            const struct forge_read *one = &m->sent[i];
            if (one->text > 0 && (int32_t)(one->seq + one->text - reached) > 0)
                reached = one->seq + one->text;
            peer->tsecr = one->tsval;
        }
        peer->ack = reached;
        const struct forge_segment all = from(b, peer, FORGE_ACK);
        meter_prepare(m, &all);
        meter_arrive(m);
    }
    if (peer->ack != end)
        fail(b, "not all text left");
    meter_leave(m);
    meter_let_go(m);
}

/* ---- all of it ---- */

static void round_of_all(struct bench *b)
{
    static struct peer peers[METER_BATCH];

    begin(b, peers, METER_BATCH);
    for (unsigned i = 0; i < 4 && !b->failed; i++)
        data(b, &peers[0]);
    reordered(b, &peers[1]);
    bad(b, &peers[2]);
    for (unsigned i = 0; i < 8 && !b->failed; i++) /* until the window lets a batch out */
        text_out(b, &peers[3], i == 7);
    strangers(b);
    end(b, peers, METER_BATCH);
    meter_pass(&b->meter, 10 * DUET_SECOND);
}

static void print(const struct bench *b)
{
    const struct meter *m = &b->meter;

    if (!b->json)
        printf("%-14s %8s %13s  %s\n", "segment", "ns", "instructions", "what");
    for (unsigned i = 0; i < KINDS; i++) {
        if (m->done[i] == 0)
            continue;
        const double ns = (double)m->ns[i] / (double)m->done[i];
        const double instructions = (double)m->instructions[i] / (double)m->done[i];
        if (b->json)
            printf("{\"segment\":\"%s\",\"ns\":%.1f,\"instructions\":%.0f,\"count\":%llu}\n",
                   names[i][0], ns, instructions, (unsigned long long)m->all[i]);
        else if (m->counter >= 0)
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
    if (!meter_open(&b.meter))
        fail(&b, "duet does not start");
    for (uint64_t i = 0; i < b.rounds && !b.failed; i++) {
        if (i == b.rounds / 10) /* what came before was to warm up */
            meter_begin(&b.meter);
        round_of_all(&b);
    }
    if (!b.failed)
        print(&b);
    meter_close(&b.meter);
    return b.failed ? COMMAND_FAILED : COMMAND_OK;
}
