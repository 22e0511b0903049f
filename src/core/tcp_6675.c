/* SPDX-License-Identifier: MIT */
/* Loss detection by SACK alone (RFC 6675, 4), where the configuration has no RACK: a segment is lost
 * when more than (DupThresh - 1) segments' worth of bytes behind it, or DupThresh separate runs,
 * have been SACKed. The two are never combined (RFC 8985, 9.2).
 *
 * What lies behind a segment only grows while it waits, so one look from the oldest on, up to the
 * first that is not lost, finds all. What lies behind is counted record by record, so that the work
 * grows with the flight; RACK, the default, has no such walk. A retransmission that is lost again is
 * left to the timer.
 */
#include "core/state.h"

enum { DUPLICATE_THRESHOLD = 3 };

/* Bytes that are SACKed behind a segment, and in how many runs, as far as they matter. */
struct behind {
    uint32_t bytes, runs;
};

static struct behind sacked_behind(struct duet_stack *s, struct tcp_conn *c,
                                   const struct flight_segment *from, uint32_t enough)
{
    struct behind behind = {0, 0};
    struct flight_segment segment = *from;
    struct seq run_end = from->end;
    bool in_run = false;
    while (behind.bytes <= enough && behind.runs < DUPLICATE_THRESHOLD &&
           flight_after(s, c, segment.number, &segment)) {
        bool sacked = (segment.flags & FLIGHT_SACKED) != 0;
        if (sacked && !in_run)
            behind.runs++;
        if (sacked)
            behind.bytes += seq_distance(run_end, segment.end);
        run_end = segment.end;
        in_run = sacked;
    }
    return behind;
}

void tcp_6675_acked(struct duet_stack *s, struct tcp_conn *c)
{
    uint32_t enough = (DUPLICATE_THRESHOLD - 1) * tcp_send_mss(c);
    struct flight_segment segment;
    while (transfer_of(s, c)->flight.sacked > 0 && flight_oldest_sent(s, c, false, &segment)) {
        struct behind behind = sacked_behind(s, c, &segment, enough);
        if (behind.bytes <= enough && behind.runs < DUPLICATE_THRESHOLD)
            return;
        tcp_found_lost(s, c, &segment);
    }
}
