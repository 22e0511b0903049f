/* SPDX-License-Identifier: MIT */
/* Loss recovery by SACK alone (RFC 6675), where the configuration has no RACK: a segment is lost (4)
 * when more than (DupThresh - 1) segments' worth of bytes behind it, or DupThresh separate runs,
 * have been SACKed; the oldest one also after DupThresh acknowledgements with news. The two are never combined (RFC 8985, 9.2).
 *
 * What lies behind a segment only grows while it waits, so one look from the oldest on, up to the
 * first that is not lost, finds all; the scoreboard counts what lies behind the oldest as SACKs
 * arrive. So the work is that of the segments that are judged lost. A retransmission that is lost
 * again is left to the timer.
 */
#include "base/bytes.h"
#include "core/state.h"

enum { DUPLICATE_THRESHOLD = 3 };

/* 5, step 1: three acknowledgements with news beyond the hole, however small what they report. */
static void count_duplicates(struct duet_stack *s, struct tcp_conn *c, const struct tcp_news *news)
{
    struct tcp_transfer *t = transfer_of(s, c);
    struct flight_segment oldest;
    if (news->advanced)
        t->dupacks = 0;
    if (news->sacked && t->dupacks < DUPLICATE_THRESHOLD)
        t->dupacks++;
    if (t->dupacks == DUPLICATE_THRESHOLD && t->phase == TCP_PHASE_OPEN &&
        flight_oldest(s, c, &oldest))
        tcp_found_lost(s, c, &oldest);
}

void tcp_6675_acked(struct duet_stack *s, struct tcp_conn *c, const struct tcp_news *news)
{
    uint32_t enough = (DUPLICATE_THRESHOLD - 1) * tcp_send_mss(c);
    struct flight_segment segment;
    count_duplicates(s, c, news);
    while (transfer_at(s, c)->flight.sacked > 0 && flight_oldest_sent(s, c, false, &segment)) {
        uint32_t runs;
        uint32_t bytes = flight_sacked_behind(s, c, &runs);
        if (bytes <= enough && runs < DUPLICATE_THRESHOLD)
            return;
        tcp_found_lost(s, c, &segment);
    }
}
