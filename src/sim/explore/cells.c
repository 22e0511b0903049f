/* SPDX-License-Identifier: MIT */
/* Which of the 24,640 cells of tests/conformance/cells.h a packet that arrives
 * belongs to, as a range of numbers where that test takes one of them: state x
 * control bits x SEQ x ACK. */
#include "model.h"

enum { FLAG_SETS = 64, SEQ_CLASSES = 7, ACK_CLASSES = 5, TCP_AT = 20 };

_Static_assert(DUET_STATES *FLAG_SETS *SEQ_CLASSES *ACK_CLASSES == DUET_EXPLORE_CELLS, "24,640");

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static unsigned class_of_seq(const struct model_view *view, uint32_t seq)
{
    uint32_t ahead = seq - view->rcv_nxt;

    if (view->state <= DUET_SYN_SENT)
        return 2; /* nothing has been received yet: any is as good as the next */
    if (ahead >= UINT32_C(1) << 31)
        return ahead == UINT32_MAX;
    if (ahead == 0)
        return 2;
    if (ahead + 1 < view->rcv_wnd)
        return 3;
    if (ahead < view->rcv_wnd)
        return 4;
    return ahead == view->rcv_wnd ? 5 : 6;
}

static unsigned class_of_ack(const struct model_view *view, uint32_t ack)
{
    if ((int32_t)(ack - view->una) < 0)
        return (int32_t)(ack - (view->una - view->wnd)) >= 0;
    if (ack == view->una)
        return 2;
    return (int32_t)(view->nxt - ack) >= 0 ? 3 : 4;
}

void cells_note(struct machine *m, unsigned end, const struct model_packet *p)
{
    const struct model_view *view = &m->model.views[end];
    const uint8_t *tcp = p->bytes + TCP_AT;
    unsigned cell = view->state;

    cell = cell * FLAG_SETS + (tcp[13] & (FLAG_SETS - 1));
    cell = cell * SEQ_CLASSES + class_of_seq(view, get32(tcp + 4));
    cell = cell * ACK_CLASSES + class_of_ack(view, get32(tcp + 8));
    if (m->reached != NULL)
        m->reached->cells[cell / 8] |= (uint8_t)(1u << cell % 8);
}
