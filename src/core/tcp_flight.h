/* SPDX-License-Identifier: MIT */
/* What is in flight: one record for each segment that was sent and is not yet acknowledged
 * cumulatively, in order of sequence number. The scoreboard of SACK (RFC 2018, RFC 6675) and the
 * memory of RACK (RFC 8985).
 *
 *     una                                                      nxt
 *      | in flight | sacked | lost | sacked | in flight | ...   |
 *      record 0      1        2      3        4
 *
 * A record is in exactly one of three states. In flight: sent, nothing is known of it. Sacked: the
 * peer has said that it holds it; kept all the same until acknowledged cumulatively (RFC 2018, 8).
 * Lost: it is to be sent again, and does not count as in flight until it was.
 *
 * Records stand in a ring; the first few lie in the transfer record itself, so that a request and
 * its response borrow no memory for them. A record never covers more than one segment as it was cut
 * when first sent, and a SACK block counts for the records that it covers whole: a peer that reports
 * single bytes gains nothing and costs nothing. Finding a record is a binary search. A run of
 * sacked records is skipped in one step, because each sacked record remembers a record behind its
 * run (with path compression, so that the work of an acknowledgement is O(log n) amortised).
 *
 * What one packet may ask is bounded all the same: records that were sent once and arrived in order are
 * acknowledged at once, whatever their number, as runs of sacked ones are; for others each acknowledgement
 * and each timer has an allowance of FLIGHT_ALLOWANCE. A cumulative acknowledgement of more counts as one of as many, and the
 * rest follows (tcp_ack.c); of SACK blocks the lowest come first, and what is left out is in the next
 * acknowledgement, too; RACK goes on a microsecond later. A timeout, an undo and a path MTU that has
 * sunk look at the whole flight once; what they cost was paid for by sending it.
 *
 * Two lists run through the records: lost ones, and those in flight that were sent again, oldest
 * transmission first. Those sent once are in order of their transmission anyway. So RACK looks at
 * the oldest only.
 */
#ifndef CORE_TCP_FLIGHT_H
#define CORE_TCP_FLIGHT_H

#include "core/buffer.h"
#include "core/seq.h"

struct duet_stack;
struct tcp_conn;

/* A record is named by a number that is never used again within 2^24 records, so that names of
 * records that have gone are not taken for others. */
#define FLIGHT_NONE UINT32_C(0xffffff)
enum { FLIGHT_INLINE = 4, FLIGHT_MAX = 1 << 22, FLIGHT_ALLOWANCE = 48 };
enum { FLIGHT_PAGES = 256 }; /* of text, that one acknowledgement gives back */

enum flight_flag {
    FLIGHT_SACKED = 1 << 0,
    FLIGHT_LOST = 1 << 1,
    FLIGHT_AGAIN = 1 << 2,   /* sent more than once */
    FLIGHT_CUT = 1 << 3,     /* the latest transmission carried a part of it, from its beginning */
    FLIGHT_RESCUED = 1 << 4, /* sent again, but for all that is found and sent by then only once */
    FLIGHT_COPIES = FLIGHT_AGAIN | FLIGHT_RESCUED, /* which copy has arrived is not known */
};

struct flight_record {
    struct seq end;   /* the record is [end of the one before, end) */
    uint32_t sent_us; /* latest transmission: low bits of the clock, see flight_age_us() */
    uint32_t next : 24;
    uint32_t flags : 8; /* enum flight_flag */
    uint32_t prev : 24;
};

struct flight_list {
    uint32_t first, last; /* FLIGHT_NONE: empty */
};

struct tcp_flight {
    struct flight_record few[FLIGHT_INLINE]; /* while ring is empty */
    struct buffer ring;
    struct seq start; /* of the oldest record */
    uint32_t first;   /* its number */
    uint32_t count;
    uint32_t sacked, lost; /* bytes of sequence space in each state */
    uint32_t sacked_count; /* records */
    uint32_t fresh;        /* no record older than this is in flight and was sent once */
    struct {
        uint32_t bytes, runs; /* SACKed, of `fresh` and what is behind it */
    } ahead;
    uint32_t allowance; /* records that may still be looked at, see flight_allow() */
    struct flight_list lost_list;
    struct flight_list again_list; /* in flight, sent more than once, by time */
    uint32_t latest_us;            /* of the latest transmission of all */
    struct seq latest_end;
};

/* A record and where it lies. */
struct flight_segment {
    uint32_t number;
    struct seq start, end;
    uint32_t sent_us;
    uint8_t flags;
};

/* Of a record that is all zeros. */
void flight_init(struct tcp_flight *flight);
/* Gives back what was borrowed; the record itself is as good as gone. */
void flight_clear(struct duet_stack *s, struct tcp_flight *flight);

/* How long ago a record was sent. Of what left in one microsecond, that which has a lower sequence
 * number than what left before it is noted as a microsecond later: so time, then sequence, is always
 * the order in which segments left (RFC 8985, 6.2). */
uint32_t flight_age_us(const struct duet_stack *s, uint32_t sent_us);

/* Bytes of sequence space that are in the network as far as one knows (RFC 6675, pipe). */
uint32_t flight_in_network(const struct duet_stack *s, const struct tcp_conn *c);

/* For how many more records, at most `wanted`, is there memory? 0: nothing new can be sent before
 * something is acknowledged. */
uint32_t flight_reserve(struct duet_stack *s, struct tcp_conn *c, uint32_t wanted);
/* One more needs none. */
static inline bool flight_has_place(const struct tcp_flight *f)
{
    return f->ring.index == POOL_NONE && f->count < FLIGHT_INLINE;
}
/* [start, end) is being sent for the first time, right behind the newest record; memory was
 * reserved. */
void flight_append(struct duet_stack *s, struct tcp_conn *c, struct seq start, struct seq end);
/* The same for count segments of size bytes each, in one packet that a link will cut. */
void flight_append_full(struct duet_stack *s, struct tcp_conn *c, struct seq start, uint32_t size,
                        uint32_t count);

/* The oldest record, and the one behind another. False: none. */
bool flight_oldest(const struct duet_stack *s, const struct tcp_conn *c,
                   struct flight_segment *segment);
bool flight_newest(const struct duet_stack *s, const struct tcp_conn *c,
                   struct flight_segment *segment);
bool flight_after(const struct duet_stack *s, const struct tcp_conn *c, uint32_t number,
                  struct flight_segment *segment);
bool flight_get(const struct duet_stack *s, const struct tcp_conn *c, uint32_t number,
                struct flight_segment *segment);

/* A packet or a timer begins: so many records may be looked at for it. */
void flight_allow(const struct duet_stack *s, const struct tcp_conn *c);
/* Is it used up? */
bool flight_is_spent(const struct duet_stack *s, const struct tcp_conn *c);

/* Some records are there, they lie in the transfer, and nothing has happened to any of them but that it
 * was sent. */
static inline bool flight_is_plain_and_few(const struct tcp_flight *f)
{
    return f->count > 0 && f->ring.index == POOL_NONE && f->sacked_count == 0 &&
           f->lost_list.first == FLIGHT_NONE && f->again_list.first == FLIGHT_NONE;
}

/* How far an acknowledgement up to ack can be followed at once: ack, or the end of a record before it.
 */
struct seq flight_reach(const struct duet_stack *s, const struct tcp_conn *c, struct seq ack);

/* Takes the oldest record off if ack covers it; a run of SACKed ones in one, and all that ack covers
 * where nothing is SACKed, lost or was sent again: then segment is the newest of them, but for its
 * start. False: it does not (what it covers of it is then
 * accounted for; the record begins at ack). To be called until false. */
bool flight_acked(struct duet_stack *s, struct tcp_conn *c, struct seq ack,
                  struct flight_segment *segment);

/* Marks the next record inside [*from, right) that was not sacked before, and says which. *from
 * moves on. segment: the one before it, or numbered FLIGHT_NONE. False: no more, or no allowance. */
bool flight_sack(struct duet_stack *s, struct tcp_conn *c, struct seq *from, struct seq right,
                 struct flight_segment *segment);

void flight_mark_lost(struct duet_stack *s, struct tcp_conn *c, uint32_t number);
/* Everything that is not sacked is lost; with forget, sacked records too (RFC 2018, 8). */
void flight_all_lost(struct duet_stack *s, struct tcp_conn *c, bool forget);
/* What was marked lost and not sent again since was not lost. */
void flight_none_lost(struct duet_stack *s, struct tcp_conn *c);
/* The lost record to send next. False: none. */
bool flight_first_lost(const struct duet_stack *s, const struct tcp_conn *c,
                       struct flight_segment *segment);
/* A record is being sent again, up to `sent` (its end, or less). */
void flight_resent(struct duet_stack *s, struct tcp_conn *c, uint32_t number, struct seq sent);

/* A record is being sent once more as a rescue (RFC 6675, 4): HighRxt does not pass it. */
void flight_rescued(struct duet_stack *s, struct tcp_conn *c, uint32_t number);
/* The highest that is not SACKed, where what was sent again was sent in order of sequence. False:
 * none. */
bool flight_highest(const struct duet_stack *s, const struct tcp_conn *c,
                    struct flight_segment *segment);

/* Of those in flight, the one whose latest transmission is the oldest among those sent once
 * (again: false) or more often (again: true). False: none. */
bool flight_oldest_sent(struct duet_stack *s, struct tcp_conn *c, bool again,
                        struct flight_segment *segment);

/* Of what lies behind the oldest that was sent once, is in flight and was last asked for: bytes that
 * are SACKed, and the runs in which they stand (RFC 6675, 4). Constant work. */
uint32_t flight_sacked_behind(const struct duet_stack *s, const struct tcp_conn *c, uint32_t *runs);

/* The next one in the same order, which for those sent once is that of sequence. False: none. */
bool flight_next_sent(struct duet_stack *s, struct tcp_conn *c, struct flight_segment *segment);

/* Segments have become smaller: records of more than mss bytes become several, which are lost if they
 * were in flight, for nothing as large gets through any more. False: no memory, they stay as they
 * are and are sent again piece by piece. */
bool flight_cut(struct duet_stack *s, struct tcp_conn *c, uint32_t mss);

/* What must hold, or NULL: for duet_check(). */
const char *flight_check(const struct duet_stack *s, const struct tcp_conn *c);

#endif
