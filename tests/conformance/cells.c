/* SPDX-License-Identifier: MIT */
/* Every kind of segment in every state: 11 states x 64 sets of control bits x 7
 * sequence classes x 5 acknowledgement classes = 24,640 cells, each with text
 * and without, against what the RFCs say (cells_rfc.c). A real stack is brought
 * into the state by packets and calls; what it does with the segment is told by
 * what it sends and by STATUS. Numbers lie near the wrap.
 *
 * timeout: 300
 */
#include "cells.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cells_wire.h"
#include "duet/stack.h"

enum { WINDOW = 500, TEXT = 10, SCENES_MAX = 16, PAUSE_MS = 60, SHOWN_MAX = 12 };

_Static_assert(CELLS == 24640, "as the plan has it");

static const char *const state_names[STATES] = {
    "CLOSED",     "LISTEN",     "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
    "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",  "LAST-ACK",     "TIME-WAIT"};

/* ---- a stack, brought into a state ---- */

struct scene {
    const char *name;
    struct tcb tcb;
    struct duet_stack *stack;
    uint8_t *block, *saved;
    size_t size;
    duet_time now;
    struct duet_handle listener, handle;
    bool has_handle;
    struct wire_segment last; /* the latest one sent */
    uint32_t seq;             /* our peer's next */
};

static void begin(struct scene *s)
{
    struct duet_config config;

    duet_config_default(&config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config.secret[i] = (uint8_t)(i * 11 + 3);
    config.interfaces[0] = (struct duet_interface){duet_ipv4(10, 0, 0, 1), 24};
    config.interface_count = 1;
    config.connections_max = config.half_open_max = config.time_wait_max = 4;
    config.transfers_max = config.reassemblies_max = config.listeners_max = 4;
    config.accurate_ecn_max = 0;
    config.ranges_max = config.replies_max = 8;
    config.paths_max = 1;
    config.pages_max = 32;
    config.page_size = 512;
    config.receive_buffer = 4000;
    config.send_buffer = 4000;
    config.rto_min = config.rto_max; /* nothing is sent again while one looks */
    config.timestamps = config.window_scaling = config.sack = config.autotune = false;
    config.rack = config.pacing = config.plpmtud = false;
    s->size = duet_stack_footprint(&config);
    s->block = malloc(s->size);
    s->saved = malloc(s->size);
    assert_non_null(s->block);
    assert_non_null(s->saved);
    assert_int_equal(duet_stack_init(s->block, s->size, &config, &s->stack), DUET_OK);
    s->seq = UINT32_C(0xffffff80);
}

static unsigned drain(struct scene *s)
{
    unsigned count = 0;
    struct wire_segment sent;

    while (wire_output(s->stack, s->now, &sent)) {
        s->last = sent;
        count++;
    }
    return count;
}

static void say(struct scene *s, unsigned flags, uint32_t ack, uint32_t text)
{
    const struct wire_segment segment = {
        .flags = flags, .seq = s->seq, .ack = ack, .window = WINDOW, .text = text};

    wire_input(s->stack, s->now, &segment);
    s->seq += text + ((flags & SYN) != 0) + ((flags & FIN) != 0);
    drain(s);
}

static void start_listening(struct scene *s)
{
    const struct duet_listen_options options = {.local = {.port = WIRE_LOCAL_PORT}, .backlog = 4};

    assert_int_equal(duet_listen(s->stack, s->now, &options, &s->listener), DUET_OK);
    s->tcb.listener = true;
}

static void start_connecting(struct scene *s)
{
    const struct duet_connect_options options = {
        .local = {duet_ipv4(10, 0, 0, 1), WIRE_LOCAL_PORT},
        .remote = {duet_ipv4(10, 0, 0, 2), WIRE_REMOTE_PORT}};

    assert_int_equal(duet_connect(s->stack, s->now, &options, &s->handle), DUET_OK);
    s->has_handle = true;
    drain(s);
    s->tcb.iss = s->last.seq;
}

/* What the peer knows by now, from what it has seen. */
static void know(struct scene *s, enum state state)
{
    s->tcb.state = state;
    s->tcb.rcv_nxt = s->seq;
    s->tcb.rcv_wnd = s->last.ack + s->last.window - s->seq;
    s->tcb.max_wnd = WINDOW;
}

static void receive_syn(struct scene *s)
{
    s->tcb.irs = s->seq;
    s->tcb.passive = true;
    say(s, SYN, 0, 0);
    s->tcb.iss = s->last.seq;
    s->tcb.una = s->tcb.iss;
    s->tcb.nxt = s->tcb.iss + 1;
    know(s, SYN_RECEIVED);
}

static void write_some(struct scene *s, uint32_t size)
{
    static const uint8_t bytes[WINDOW];

    assert_int_equal(duet_send(s->stack, s->now, s->handle, bytes, size, 0), size);
    drain(s);
    s->tcb.nxt += size;
}

/* Open, with more than MAX.SND.WND acknowledged, so that every old ACK is below
 * what was sent. */
static void establish(struct scene *s)
{
    uint8_t bytes[100];

    start_listening(s);
    receive_syn(s);
    say(s, ACK, s->tcb.nxt, 0);
    assert_int_equal(duet_accept(s->stack, s->now, s->listener, &s->handle, NULL), DUET_OK);
    s->has_handle = true;
    s->tcb.una = s->tcb.nxt;
    for (unsigned i = 0; i < 2; i++) {
        write_some(s, WINDOW);
        s->tcb.una = s->tcb.nxt;
        say(s, ACK, s->tcb.nxt, sizeof bytes);
        assert_int_equal(duet_receive(s->stack, s->now, s->handle, bytes, sizeof bytes),
                         sizeof bytes);
        s->now += PAUSE_MS * DUET_MILLISECOND;
        duet_expire(s->stack, s->now);
        drain(s);
    }
    know(s, ESTABLISHED);
}

static void shut_down(struct scene *s)
{
    assert_int_equal(duet_shutdown(s->stack, s->now, s->handle), DUET_OK);
    assert_int_equal(drain(s), 1);
    s->tcb.nxt++;
}

static void acknowledge(struct scene *s)
{
    say(s, ACK, s->tcb.nxt, 0);
    s->tcb.una = s->tcb.nxt;
}

static void take_events(struct scene *s)
{
    struct duet_event event;

    while (duet_next_event(s->stack, &event))
        continue;
}

/* What leads from ESTABLISHED there. */
static void lead_to(struct scene *s, enum state state, bool let_go)
{
    establish(s);
    if (state == ESTABLISHED)
        write_some(s, 300);
    if (state == FIN_WAIT_1 || state == FIN_WAIT_2 || state == CLOSING || state == TIME_WAIT)
        shut_down(s);
    if (state == FIN_WAIT_2 || state == TIME_WAIT)
        acknowledge(s);
    if (state == CLOSING || state == CLOSE_WAIT || state == LAST_ACK || state == TIME_WAIT)
        say(s, ACK | FIN, s->tcb.una, 0);
    if (state == CLOSE_WAIT)
        write_some(s, 300);
    if (state == LAST_ACK)
        shut_down(s);
    if (let_go) {
        assert_int_equal(duet_close(s->stack, s->now, s->handle), DUET_OK);
        s->has_handle = false;
    }
    take_events(s);
    know(s, state);
}

enum variant { PLAIN, ACTIVE, LET_GO };

static void make(struct scene *s, enum state state, enum variant variant)
{
    *s = (struct scene){.name = state_names[state], .now = DUET_SECOND};
    begin(s);
    if (state > SYN_RECEIVED) {
        lead_to(s, state, variant == LET_GO);
    } else if (state == SYN_RECEIVED && variant == PLAIN) {
        start_listening(s);
        receive_syn(s);
    } else if (state >= SYN_SENT) {
        start_connecting(s);
        s->tcb.una = s->tcb.iss;
        s->tcb.nxt = s->tcb.iss + 1;
        know(s, state);
        s->tcb.rcv_wnd = 4000;
        s->tcb.irs = s->seq;
        if (state == SYN_RECEIVED) {
            say(s, SYN, 0, 0);
            know(s, state);
        }
    } else {
        if (state == LISTEN)
            start_listening(s);
        /* Nothing is known: the classes are around any numbers. */
        s->tcb.iss = s->tcb.una = UINT32_C(0xfffffe00);
        s->tcb.nxt = s->tcb.una + 300;
        know(s, state);
        s->tcb.rcv_wnd = 4000;
    }
    memcpy(s->saved, s->block, s->size);
}

/* ---- one cell ---- */

static struct segment segment_of(const struct tcb *tcb, unsigned flags, enum seq_class seq,
                                 enum ack_class ack, uint32_t text)
{
    const uint32_t seqs[SEQ_CLASSES] = {
        [SEQ_FAR_BEFORE] = tcb->rcv_nxt - (1u << 30),
        [SEQ_ONE_BEFORE] = tcb->rcv_nxt - 1,
        [SEQ_NEXT] = tcb->rcv_nxt,
        [SEQ_ONE_BEHIND] = tcb->rcv_nxt + 1,
        [SEQ_LAST] = tcb->rcv_nxt + tcb->rcv_wnd - 1,
        [SEQ_FIRST_BEYOND] = tcb->rcv_nxt + tcb->rcv_wnd,
        [SEQ_FAR_BEYOND] = tcb->rcv_nxt + (1u << 30),
    };
    const uint32_t acks[ACK_CLASSES] = {
        [ACK_TOO_OLD] = tcb->una - tcb->max_wnd - 1,
        [ACK_OLD] = tcb->una - tcb->max_wnd,
        [ACK_UNA] = tcb->una,
        [ACK_NXT] = tcb->nxt,
        [ACK_UNSENT] = tcb->nxt + 1,
    };
    return (struct segment){flags, seqs[seq], acks[ack], text};
}

/* What became of the connection. None left: back in LISTEN, or CLOSED. */
static bool find_status(const struct scene *s, struct duet_status *status, bool *is_record)
{
    struct duet_handle handle;
    uint64_t cursor = 0;

    while (duet_next_status(s->stack, &cursor, &handle, status)) {
        *is_record = handle.generation == 0;
        if (status->state != DUET_LISTEN && status->state != DUET_CLOSED)
            return true;
    }
    return false;
}

static const char *wrong_answer(const struct scene *s, const struct segment *seg,
                                const struct outcome *expected, unsigned count)
{
    const struct wire_segment *sent = &s->last;
    const uint32_t len = seg->text + ((seg->flags & SYN) != 0) + ((seg->flags & FIN) != 0);
    const struct tcb *tcb = &s->tcb;

    if (count == 0)
        return (expected->answers & ANSWER_NOTHING) != 0 ? NULL : "no answer";
    if (count > 1)
        return "more than one answer";
    switch (sent->flags) {
    case ACK:
        if ((expected->answers & ANSWER_ACK) == 0)
            return "answered by ACK";
        if (sent->seq != tcb->nxt || sent->ack != expected->rcv_nxt)
            return "ACK with other numbers";
        return NULL;
    case SYN | ACK:
        if ((expected->answers & ANSWER_SYN_ACK) == 0)
            return "answered by SYN,ACK";
        return sent->ack == expected->rcv_nxt ? NULL : "SYN,ACK with another ACK";
    case RST:
        if ((expected->answers & ANSWER_RST) == 0)
            return "answered by RST";
        return sent->seq == seg->ack ? NULL : "RST with another SEQ";
    case RST | ACK:
        if ((expected->answers & ANSWER_RST_ACK) == 0)
            return "answered by RST,ACK";
        return sent->seq == 0 && sent->ack == seg->seq + len ? NULL : "RST,ACK with other numbers";
    default:
        return "answered by something else";
    }
}

static const char *wrong_state(const struct scene *s, const struct outcome *expected)
{
    struct duet_status status;
    bool is_record, is_there = find_status(s, &status, &is_record);
    bool is_expected = expected->state != CLOSED && expected->state != LISTEN;

    if (!is_there || !is_expected)
        return is_there == is_expected ? NULL : is_there ? "is still there" : "is gone";
    if ((unsigned)status.state != (unsigned)expected->state)
        return duet_state_name(status.state);
    if (is_record || status.state < DUET_ESTABLISHED)
        return NULL;
    if (status.rcv_nxt != expected->rcv_nxt)
        return "another RCV.NXT";
    if (status.snd_una != expected->una)
        return "another SND.UNA";
    if (status.receive_queued != expected->delivered)
        return "another length of text delivered";
    return NULL;
}

/* NULL: as the RFCs say. */
static const char *play(struct scene *s, const struct segment *seg, const struct outcome *expected)
{
    const struct wire_segment segment = {.flags = seg->flags,
                                         .seq = seg->seq,
                                         .ack = seg->ack,
                                         .window = WINDOW,
                                         .urgent = 5,
                                         .text = seg->text};
    const char *wrong;
    unsigned count;

    memcpy(s->block, s->saved, s->size);
    wire_input(s->stack, s->now, &segment);
    count = drain(s);
    duet_expire(s->stack, s->now + PAUSE_MS * DUET_MILLISECOND); /* delayed ACKs */
    struct wire_segment later;
    while (wire_output(s->stack, s->now + PAUSE_MS * DUET_MILLISECOND, &later)) {
        s->last = later;
        count++;
    }
    if (duet_check(s->stack) != NULL)
        return duet_check(s->stack);
    wrong = wrong_answer(s, seg, expected, count);
    return wrong != NULL ? wrong : wrong_state(s, expected);
}

/* ---- all cells ---- */

static void print_cell(const struct scene *s, const struct segment *seg, enum seq_class seq,
                       enum ack_class ack, const struct outcome *expected, const char *wrong)
{
    static const char letters[] = "FSRPAU";
    char flags[8] = "";

    for (unsigned i = 0, n = 0; i < 6; i++)
        if ((seg->flags & 1u << i) != 0)
            flags[n++] = letters[i];
    print_error("%s%s, %s, SEQ class %u, ACK class %u, %u bytes: %s; expected %s (%s)\n", s->name,
                s->tcb.state == SYN_RECEIVED && !s->tcb.passive ? " (active)" : "", flags, seq, ack,
                seg->text, wrong, state_names[expected->state], expected->because);
}

static unsigned compare_scene(struct scene *s, unsigned *compared)
{
    unsigned different = 0;

    for (unsigned flags = 0; flags < FLAG_SETS; flags++)
        for (unsigned seq = 0; seq < SEQ_CLASSES; seq++)
            for (unsigned ack = 0; ack < ACK_CLASSES; ack++)
                for (uint32_t text = 0; text <= TEXT; text += TEXT) {
                    struct segment seg =
                        segment_of(&s->tcb, flags, (enum seq_class)seq, (enum ack_class)ack, text);
                    struct outcome expected = rfc_says(&s->tcb, &seg);
                    const char *wrong = play(s, &seg, &expected);
                    (*compared)++;
                    if (wrong == NULL)
                        continue;
                    if (different++ < SHOWN_MAX)
                        print_cell(s, &seg, (enum seq_class)seq, (enum ack_class)ack, &expected,
                                   wrong);
                }
    return different;
}

static void compare_state(enum state state, enum variant variant)
{
    struct scene *s = malloc(sizeof *s);
    unsigned compared = 0, different;

    assert_non_null(s);
    make(s, state, variant);
    different = compare_scene(s, &compared);
    assert_int_equal(compared, CELLS / STATES * 2);
    if (different != 0)
        fail_msg("%u of %u cells are not as the RFCs say", different, compared);
    free(s->block);
    free(s->saved);
    free(s);
}

static void plain(void **state)
{
    compare_state(*(const enum state *)*state, PLAIN);
}

static void active(void **state)
{
    compare_state(*(const enum state *)*state, ACTIVE);
}

static void let_go(void **state)
{
    compare_state(*(const enum state *)*state, LET_GO);
}

/* A comparison that could not fail would say nothing: a wrong expectation is
 * seen in each state. */
static void wrong_expectation_is_seen(void **unused)
{
    (void)unused;
    for (unsigned state = CLOSED; state < STATES; state++) {
        struct scene *s = malloc(sizeof *s);
        assert_non_null(s);
        make(s, (enum state)state, PLAIN);
        struct segment seg = segment_of(&s->tcb, SYN | ACK, SEQ_NEXT, ACK_UNSENT, 0);
        struct outcome expected = rfc_says(&s->tcb, &seg);
        assert_null(play(s, &seg, &expected));
        expected.answers ^= ANSWER_NOTHING | ANSWER_ACK | ANSWER_RST | ANSWER_SYN_ACK;
        assert_non_null(play(s, &seg, &expected));
        expected = rfc_says(&s->tcb, &seg);
        expected.state = expected.state <= LISTEN ? ESTABLISHED : CLOSED;
        assert_non_null(play(s, &seg, &expected));
        free(s->block);
        free(s->saved);
        free(s);
    }
}

static enum state all_states[STATES] = {CLOSED,      LISTEN,     SYN_SENT,   SYN_RECEIVED,
                                        ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT,
                                        CLOSING,     LAST_ACK,   TIME_WAIT};

#define IN_STATE(function, state)                                                                  \
    {                                                                                              \
#function " " #state, function, NULL, NULL, &all_states[state]                             \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_STATE(plain, CLOSED),        IN_STATE(plain, LISTEN),
        IN_STATE(plain, SYN_SENT),      IN_STATE(plain, SYN_RECEIVED),
        IN_STATE(active, SYN_RECEIVED), IN_STATE(plain, ESTABLISHED),
        IN_STATE(plain, FIN_WAIT_1),    IN_STATE(plain, FIN_WAIT_2),
        IN_STATE(plain, CLOSE_WAIT),    IN_STATE(plain, CLOSING),
        IN_STATE(plain, LAST_ACK),      IN_STATE(plain, TIME_WAIT),
        IN_STATE(let_go, TIME_WAIT),    cmocka_unit_test(wrong_expectation_is_seen),
    };
    return cmocka_run_group_tests_name("cells", tests, NULL, NULL);
}
