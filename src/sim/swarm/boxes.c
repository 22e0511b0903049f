/* SPDX-License-Identifier: MIT */
/* Middleboxes: they cut segments and join them (as offloads and proxies do), and meddle with
 * options (as firewalls and "normalizers" do). */
#include <string.h>

#include "sim/swarm/forge.h"
#include "wire/tcp.h"

enum { HOLD_TIME = 5 * 1000 * 1000 };

/* ---- cutting and joining ---- */

void forge_split(struct swarm *w, uint32_t slot, struct prng *prng, duet_time later)
{
    struct forge_view view, first;
    uint32_t ahead, cut;

    if (!forge_look(w, slot, &view) || view.text_length < 2 ||
        (view.tcp[13] & (DUET_SYN | DUET_RST | DUET_URG)) != 0)
        return;
    cut = (uint32_t)luck_between(prng, 1, view.text_length - 1);
    ahead = packets_copy(w, slot);
    (void)forge_look(w, slot, &view); /* the copy may have moved all slots */
    (void)forge_look(w, ahead, &first);
    first.tcp[13] = (uint8_t)(first.tcp[13] & ~(DUET_FIN | DUET_PSH));
    forge_mend(w, ahead, cut);
    bytes_put32(view.tcp + 4, bytes_get32(view.tcp + 4) + cut);
    memmove(view.text, view.text + cut, view.text_length - cut);
    forge_mend(w, slot, view.text_length - cut);
    network_pass(w, ahead, later);
}

bool forge_hold(struct swarm *w, struct host *from, uint32_t slot)
{
    if (from->held != SWARM_NONE)
        forge_release(w, from, SWARM_NONE);
    from->held = (int32_t)slot;
    from->is_troubled = true;
    swarm_note(w, w->now + HOLD_TIME, AGENDA_RELEASE, from->number);
    return false;
}

static bool are_joinable(const struct forge_view *a, const struct forge_view *b, uint32_t room)
{
    const uint8_t no = DUET_SYN | DUET_RST | DUET_URG;
    uint32_t header = (uint32_t)(a->text - a->bytes);

    return a->text_length > 0 && b->text_length > 0 && (a->tcp[13] & (no | DUET_FIN)) == 0 &&
           (b->tcp[13] & no) == 0 && header == (uint32_t)(b->text - b->bytes) &&
           memcmp(a->bytes + (a->tcp - a->bytes), b->tcp, 4) == 0 && /* ports */
           memcmp(a->tcp - 8, b->tcp - 8, 8) == 0 &&                 /* of the addresses */
           bytes_get32(a->tcp + 4) + a->text_length == bytes_get32(b->tcp + 4) &&
           header + a->text_length + b->text_length <= room;
}

void forge_release(struct swarm *w, struct host *from, int32_t slot)
{
    uint32_t held = (uint32_t)from->held;
    struct forge_view a, b;

    if (from->held == SWARM_NONE)
        return;
    from->held = SWARM_NONE;
    network_finish_checksum(w, held);
    if (slot != SWARM_NONE && forge_look(w, held, &a) && forge_look(w, (uint32_t)slot, &b) &&
        are_joinable(&a, &b, w->packets.room)) {
        memmove(b.text + a.text_length, b.text, b.text_length);
        memcpy(b.text, a.text, a.text_length);
        bytes_put32(b.tcp + 4, bytes_get32(a.tcp + 4));
        forge_mend(w, (uint32_t)slot, a.text_length + b.text_length);
        packets_give(w, held);
        return;
    }
    network_pass(w, held, 0);
}

/* ---- options ---- */

static uint16_t bit_of(uint8_t kind)
{
    switch (kind) {
    case TCP_OPTION_MSS:
        return DUET_TRACE_MSS;
    case TCP_OPTION_WINDOW_SCALE:
        return DUET_TRACE_WINDOW_SCALE;
    case TCP_OPTION_SACK_PERMITTED:
        return DUET_TRACE_SACK_PERMITTED;
    case TCP_OPTION_SACK:
        return DUET_TRACE_SACK;
    case TCP_OPTION_TIMESTAMPS:
        return DUET_TRACE_TIMESTAMPS;
    default:
        return DUET_TRACE_OTHER;
    }
}

/* The next option of the header, or NULL. */
static uint8_t *next_option(uint8_t *at, const uint8_t *end)
{
    while (at < end && *at == TCP_OPTION_NOP)
        at++;
    if (at + 1 >= end || *at == TCP_OPTION_EOL || at[1] < 2 || at + at[1] > end)
        return NULL;
    return at;
}

/* What both ends must believe alike is changed for one of them: nothing can be said any more about
 * what each knows of the other. */
static void note_tampering(struct swarm *w, const struct forge_view *view)
{
    bool is_answer = (view->tcp[13] & DUET_ACK) != 0;
    uint32_t iss = is_answer ? bytes_get32(view->tcp + 8) - 1 : bytes_get32(view->tcp + 4);

    for (uint32_t i = w->by_iss[iss % w->iss_buckets]; i != UINT32_MAX;
         i = w->sessions[i].next_of_iss)
        if (w->sessions[i].iss == iss)
            w->sessions[i].is_tampered = true;
}

void forge_strip(struct swarm *w, struct host *from, uint32_t slot)
{
    struct forge_view view;
    bool is_syn, is_changed = false;

    if (!forge_look(w, slot, &view))
        return;
    is_syn = (view.tcp[13] & DUET_SYN) != 0;
    if (!is_syn && !from->strips_all)
        return;
    for (uint8_t *at = next_option(view.tcp + TCP_HEADER, view.text); at != NULL;) {
        uint8_t length = at[1];

        if ((bit_of(*at) & from->strip) != 0) {
            memset(at, TCP_OPTION_NOP, length);
            is_changed = true;
        }
        at = next_option(at + length, view.text);
    }
    if (!is_changed)
        return;
    if (is_syn)
        note_tampering(w, &view);
    forge_mend(w, slot, view.text_length);
}

void forge_rewrite(struct swarm *w, struct host *from, uint32_t slot)
{
    struct forge_view view;

    if (!forge_look(w, slot, &view) || (view.tcp[13] & DUET_SYN) == 0)
        return;
    for (uint8_t *at = next_option(view.tcp + TCP_HEADER, view.text); at != NULL;) {
        if (*at == TCP_OPTION_MSS && (from->rewrite & DUET_TRACE_MSS) != 0)
            bytes_put16(at + 2, (uint16_t)(bytes_get16(at + 2) / 2));
        if (*at == TCP_OPTION_WINDOW_SCALE && (from->rewrite & DUET_TRACE_WINDOW_SCALE) != 0) {
            at[2] = at[2] > 0 ? at[2] - 1 : 0;
            note_tampering(w, &view);
        }
        at = next_option(at + at[1], view.text);
    }
    forge_mend(w, slot, view.text_length);
}
