/* SPDX-License-Identifier: MIT */
/* The states of an end that does not tell them, concluded from segments: one row an edge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "duet/kernel.h"
#include "duet/trace.h"

enum { IN, OUT };

static const struct row {
    enum duet_state before, after;
    int direction;
    unsigned flags;
    bool acks_fin;
} rows[] = {
    {DUET_CLOSED, DUET_SYN_SENT, OUT, DUET_SYN, false},
    {DUET_CLOSED, DUET_CLOSED, IN, DUET_SYN, false},
    {DUET_LISTEN, DUET_SYN_RECEIVED, IN, DUET_SYN, false},
    {DUET_LISTEN, DUET_LISTEN, IN, DUET_RST, false},
    {DUET_SYN_SENT, DUET_ESTABLISHED, IN, DUET_SYN | DUET_ACK, false},
    {DUET_SYN_SENT, DUET_SYN_RECEIVED, IN, DUET_SYN, false},
    {DUET_SYN_SENT, DUET_CLOSED, IN, DUET_RST | DUET_ACK, false},
    {DUET_SYN_RECEIVED, DUET_SYN_RECEIVED, OUT, DUET_SYN | DUET_ACK, false},
    {DUET_SYN_RECEIVED, DUET_ESTABLISHED, IN, DUET_ACK, false},
    {DUET_SYN_RECEIVED, DUET_CLOSE_WAIT, IN, DUET_ACK | DUET_FIN, false},
    {DUET_SYN_RECEIVED, DUET_FIN_WAIT_1, OUT, DUET_ACK | DUET_FIN, false},
    {DUET_ESTABLISHED, DUET_ESTABLISHED, IN, DUET_ACK | DUET_PSH, false},
    {DUET_ESTABLISHED, DUET_CLOSE_WAIT, IN, DUET_ACK | DUET_FIN, false},
    {DUET_ESTABLISHED, DUET_FIN_WAIT_1, OUT, DUET_ACK | DUET_FIN, false},
    {DUET_ESTABLISHED, DUET_CLOSED, OUT, DUET_RST, false},
    {DUET_FIN_WAIT_1, DUET_FIN_WAIT_1, IN, DUET_ACK, false},
    {DUET_FIN_WAIT_1, DUET_FIN_WAIT_2, IN, DUET_ACK, true},
    {DUET_FIN_WAIT_1, DUET_CLOSING, IN, DUET_ACK | DUET_FIN, false},
    {DUET_FIN_WAIT_1, DUET_TIME_WAIT, IN, DUET_ACK | DUET_FIN, true},
    {DUET_FIN_WAIT_2, DUET_FIN_WAIT_2, IN, DUET_ACK, true},
    {DUET_FIN_WAIT_2, DUET_TIME_WAIT, IN, DUET_ACK | DUET_FIN, true},
    {DUET_CLOSE_WAIT, DUET_CLOSE_WAIT, OUT, DUET_ACK, false},
    {DUET_CLOSE_WAIT, DUET_LAST_ACK, OUT, DUET_ACK | DUET_FIN, false},
    {DUET_CLOSING, DUET_CLOSING, IN, DUET_ACK, false},
    {DUET_CLOSING, DUET_TIME_WAIT, IN, DUET_ACK, true},
    {DUET_LAST_ACK, DUET_LAST_ACK, IN, DUET_ACK, false},
    {DUET_LAST_ACK, DUET_CLOSED, IN, DUET_ACK, true},
    {DUET_TIME_WAIT, DUET_TIME_WAIT, IN, DUET_ACK | DUET_FIN, true},
    {DUET_TIME_WAIT, DUET_TIME_WAIT, IN, DUET_RST, false},
};

static void every_edge_is_concluded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        enum duet_state after =
            duet_kernel_infer(row->before, row->direction == OUT, row->flags, row->acks_fin);

        if (after != row->after)
            fail_msg("row %zu: %s became %s, not %s", i, duet_state_name(row->before),
                     duet_state_name(after), duet_state_name(row->after));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_edge_is_concluded)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
