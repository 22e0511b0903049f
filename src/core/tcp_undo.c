/* SPDX-License-Identifier: MIT */
/* Was a loss none? (RFC 3522, Eifel detection; RFC 2883 and RFC 3708, D-SACK; RFC 4015.)
 *
 * Theory of operation. An episode begins when recovery, or a timeout, first lowers the window. If
 * the acknowledgement that ends the wait echoes a timestamp from before the first retransmission,
 * the original had arrived: the timer was too short, or the path reorders. Without timestamps the
 * peer's D-SACKs tell later that every retransmission arrived twice. And where nothing was sent again
 * yet, because it is paced or the window is full, arrival alone tells. Each time the window comes back
 * as it was (RFC 9438, 4.9), and what was marked lost is in flight again. At most once an episode, so
 * that a peer that lies gains back what it had, and at most sixteen times a window of data. What
 * made recovery needless was that segments came in another order: from then on RACK waits for those
 * that are overtaken, or the next one would be taken for lost a moment later.
 */
#include "core/state.h"

enum { UNDO_SHARE = 16 };

/* An undo looks at every segment in flight. So that a peer that makes losses up and takes them back
 * pays for it, a part of what is in flight must have been acknowledged since the one before. */
static bool is_paid(const struct tcp_conn *c, const struct tcp_transfer *t)
{
    return !t->undo.was_undone ||
           seq_distance(t->undo.undone_at, c->snd.una) >= tcp_flight(c) / UNDO_SHARE;
}

void tcp_undo_begin(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t->phase != TCP_PHASE_OPEN)
        return;
    tcp_cc_remember(s, c);
    t->undo = (struct tcp_undo){
        .una = c->snd.una,
        .active = true,
        .was_undone = t->undo.was_undone,
        .undone_at = t->undo.undone_at,
    };
}

/* The segment that begins at start is being sent again. An echo will tell for which copy it is only
 * where that is the oldest: beyond a hole the peer echoes what fills the hole (RFC 7323, 4.3), and
 * that may have gone again before. */
void tcp_undo_resent(struct duet_stack *s, struct tcp_conn *c, struct seq start)
{
    struct tcp_undo *undo = &transfer_at(s, c)->undo;
    if (!undo->active)
        return;
    if (!undo->was_resent && seq_eq(start, tcp_send_start(c)) && conn_is(c, TCP_CONN_TIMESTAMPS)) {
        undo->tsval = tcp_timestamp(s, c->ts_offset);
        undo->has_tsval = true;
    }
    undo->was_resent = true;
    undo->resent++;
}

/* The first acknowledgement of what was sent again: for which copy? */
static bool is_of_original(struct tcp_undo *undo, const struct tcp_segment *seg,
                           const struct tcp_news *news)
{
    if (!undo->has_tsval || !news->advanced)
        return false;
    undo->has_tsval = false;
    return (seg->options->present & DUET_TRACE_TIMESTAMPS) != 0 &&
           seq_lt(seq_of(seg->options->tsecr), seq_of(undo->tsval));
}

/* Has every retransmission of the episode arrived as a duplicate? */
static bool all_were_duplicates(struct duet_stack *s, struct tcp_conn *c,
                                const struct tcp_news *news)
{
    struct tcp_transfer *t = transfer_of(s, c);
    bool is_of_episode = news->dsacked && seq_le(t->undo.una, seq_of(news->dsack_left)) &&
                         seq_lt(seq_of(news->dsack_left), t->recover);
    if (!is_of_episode || t->undo.resent == 0)
        return false;
    t->undo.resent--;
    return t->undo.resent == 0 && t->flight.lost == 0;
}

/* Recovery begins when something is lost: has all of it arrived, and none of it was sent again? */
static bool all_arrived_unsent(const struct tcp_transfer *t)
{
    return t->phase == TCP_PHASE_RECOVERY && !t->undo.was_resent && t->flight.lost == 0;
}

static enum tcp_rule why_spurious(struct duet_stack *s, struct tcp_conn *c,
                                  const struct tcp_segment *seg, const struct tcp_news *news)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (all_arrived_unsent(t))
        return TCP_RULE_SPURIOUS_BY_ARRIVAL;
    if (is_of_original(&t->undo, seg, news))
        return TCP_RULE_SPURIOUS_BY_TIMESTAMP;
    return all_were_duplicates(s, c, news) ? TCP_RULE_SPURIOUS_BY_DSACK : TCP_RULE_NONE;
}

/* True: what was taken for congestion was none, and everything is as before. */
bool tcp_undo_arrives(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                      const struct tcp_news *news)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (!t->undo.active)
        return false;
    enum tcp_rule rule = why_spurious(s, c, seg, news);
    if (rule == TCP_RULE_NONE || !is_paid(c, t))
        return false;
    if (t->phase == TCP_PHASE_RECOVERY)
        tcp_rack_reordered(s, c, seg);
    t->undo.active = false;
    t->undo.was_undone = true;
    t->undo.undone_at = c->snd.una;
    t->phase = TCP_PHASE_OPEN;
    t->disorder_answered = false;
    flight_none_lost(s, c);
    tcp_cc_undo(s, c);
    trace_congestion(s, c, rule);
    tcp_owe(s, c, TCP_OWES_DATA, rule);
    return true;
}
