/* SPDX-License-Identifier: MIT */
/* The protocol's own types: segments, connections and the two smaller lives, half-open and
 * TIME-WAIT.
 *
 * Three sizes of life (IPv6 included), because what is counted in millions must be small:
 *   struct tcp_half_open   a SYN was answered               56 bytes, in a ring by age
 *   struct tcp_conn        synchronized, or opened by us   248 bytes at most
 *   struct tcp_time_wait   the user is gone                 56 bytes, in a ring by expiry
 * What a connection needs only while bytes are in flight (struct tcp_transfer), while there is a
 * hole in what it received (struct tcp_reassembly), or while bytes are queued (struct buffer) is
 * borrowed.
 */
#ifndef CORE_TCP_H
#define CORE_TCP_H

#include "base/features.h"
#include "base/list.h"
#include "base/wheel.h"
#include "core/buffer.h"
#include "core/ranges.h"
#include "core/seq.h"
#include "core/tcp_cc.h"
#include "core/tcp_flight.h"
#include "core/tcp_mtu.h"
#include "core/tcp_verify.h"
#include "duet/trace.h"
#include "wire/tcp.h"

enum tcp_rule {
    TCP_RULE_NONE,
#define RULE(name, section, sentence) TCP_RULE_##name,
#include "core/tcp_rules.def"
#undef RULE
    TCP_RULES
};
enum { TCP_WHY_MASK = (1 << 12) - 1 }; /* tcp_conn.why */
_Static_assert((int)TCP_RULES <= (int)TCP_WHY_MASK, "a rule fits into tcp_conn.why");

enum tcp_edge {
#define EDGE(from, to, section) TCP_EDGE_##from##_TO_##to,
#include "core/tcp_edges.def"
#undef EDGE
    TCP_EDGES
};

/* A step of SEGMENT ARRIVES either lets the next one look at the segment, or ends with it. */
enum tcp_verdict { TCP_CONTINUE, TCP_DROP };

/* A pair of sockets. */
struct tcp_tuple {
    struct duet_address local, remote;
    uint16_t local_port, remote_port;
};

/* A segment that arrived, as section 3.10.7 speaks of it. Trimming moves seq, text and the bits. */
struct tcp_segment {
    struct seq seq, ack;
    uint32_t len;    /* SEG.LEN: text, SYN and FIN */
    uint32_t window; /* as on the wire */
    struct seq up;   /* SEG.SEQ + SEG.UP: the byte behind the last urgent one */
    bool has_syn, has_ack, has_rst, has_fin, has_psh, has_urg;
    const uint8_t *text;
    uint32_t text_length;
    const struct tcp_options *options;
    /* As it arrived, before anything was trimmed. */
    struct seq arrived_seq;
    uint32_t arrived_len;
    bool arrived_syn;
    bool is_cut;     /* something lay beyond the window: acknowledged, if the ACK is good */
    bool is_placed;  /* its text stands behind the receive queue already */
    bool is_outside; /* not acceptable: only its ACK, RST and URG count */
    uint32_t arrived_text;
    uint16_t link_segment; /* text in each segment that a link has put together; 0: it has not */
    uint8_t ace;           /* the bits AE, CWR and ECE */
    uint8_t ip_ecn;        /* enum tcp_ip_ecn */
};

/* What a connection owes the network. Steps record debts, tcp_output.c pays them. */
enum tcp_debt {
    TCP_OWES_ACK = 1 << 0,
    TCP_OWES_SYN = 1 << 1,        /* SYN, or SYN,ACK in SYN-RECEIVED */
    TCP_OWES_DATA = 1 << 2,       /* look whether anything may be sent */
    TCP_OWES_RETRANSMIT = 1 << 3, /* the first lost segment, whatever cwnd says */
    TCP_OWES_PROBE = 1 << 4,      /* one octet into a closed window */
    TCP_OWES_KEEPALIVE = 1 << 5,
    TCP_OWES_TAIL_PROBE = 1 << 6, /* RFC 8985, 7.3 */
};

enum tcp_conn_flag {
    TCP_CONN_PASSIVE = 1 << 0,    /* MUST-11: came from a passive open */
    TCP_CONN_TIMESTAMPS = 1 << 1, /* 7323: both sides sent the option */
    TCP_CONN_SACK = 1 << 2,       /* 2018: both sides permitted it */
    TCP_CONN_SCALING = 1 << 3,    /* 7323: both sides sent the option */
    TCP_CONN_NODELAY = 1 << 4,
    TCP_CONN_KEEPALIVE = 1 << 5,
    TCP_CONN_ERROR_REPORTS = 1 << 6,
    TCP_CONN_NO_DELAYED_ACK = 1 << 7,
    TCP_CONN_FIN_WANTED = 1 << 8, /* CLOSE: FIN follows the last byte queued */
    TCP_CONN_FIN_SENT = 1 << 9,
    TCP_CONN_FIN_ACKED = 1 << 10,
    TCP_CONN_FIN_RECEIVED = 1 << 11, /* the peer's FIN has been passed */
    TCP_CONN_WE_CLOSED_FIRST = 1 << 12,
    TCP_CONN_USER_GONE = 1 << 13,           /* duet_close or duet_abort: nobody will read */
    TCP_CONN_UNACCEPTED = 1 << 14,          /* waits in a listener's queue */
    TCP_CONN_TOLD_CLOSED = 1 << 15,         /* the final event has been taken */
    TCP_CONN_DETACHED = 1 << 16,            /* TIME-WAIT lives on in its own record */
    TCP_CONN_URGENT_RECEIVED = 1 << 17,     /* rcv.up is ahead of what the user has read */
    TCP_CONN_WRITE_BLOCKED = 1 << 18,       /* duet_send found no room: WRITABLE is awaited */
    TCP_CONN_READ_TOLD = 1 << 19,           /* READABLE was told and not all has been read since */
    TCP_CONN_ACK_DELAYED = 1 << 20,         /* delayed_ack_us runs */
    TCP_CONN_MORE = 1 << 21,                /* DUET_SEND_MORE: the last piece may wait */
    TCP_CONN_ACK_FLOOR_PASSED = 1 << 22,    /* SND.UNA has left ISS+1 by more than MAX.SND.WND */
    TCP_CONN_USER_TIMEOUT_OPTION = 1 << 23, /* 5482: ENABLED */
    TCP_CONN_USER_TIMEOUT_SET = 1 << 24,    /* 5482: by the user, so not CHANGEABLE */
    TCP_CONN_SYN_RETRANSMITTED = 1 << 25,
    TCP_CONN_MTU_PROVEN = 1 << 26, /* a full segment has been acknowledged at this mtu */
    TCP_CONN_MSS_SET = 1 << 27,    /* DUET_OPTION_MSS: mtu holds the limit of the user */
    TCP_CONN_IN_TABLE = 1 << 28,
    TCP_CONN_CLOSE_DEFERRED = 1 << 29, /* CLOSE in SYN-RECEIVED waits for ESTABLISHED (SR-5) */
    TCP_CONN_SYN_ACKED = 1 << 30,      /* the peer has acknowledged our SYN */
};
/* 6928: of a first window above 4 KB something was lost. An enumerator cannot be so large. */
#define TCP_CONN_LARGE_WINDOW_LOST (UINT32_C(1) << 31)

/* Beside a limit: the user has set it, so it is not tuned. */
#define TCP_LIMIT_FIXED (UINT32_C(1) << 31)

struct tcp_conn {
    struct tcp_tuple tuple;
    uint32_t generation;

    uint8_t state : 4;      /* enum duet_state; written by tcp_set_state alone */
    uint8_t controller : 2; /* enum duet_controller */
    uint8_t plateau : 2;    /* enum tcp_plateau */
    uint8_t send_scale : 4; /* Snd.Wind.Shift */
    uint8_t receive_scale : 4;
    uint8_t owes;   /* enum tcp_debt */
    int8_t error;   /* what ended it, or the last soft error */
    uint32_t flags; /* enum tcp_conn_flag */

    struct {
        struct seq iss, una, nxt; /* RFC 9293, 3.3.1 */
        struct seq wl1, wl2;
        uint32_t wnd;
        uint32_t wnd_max; /* MAX.SND.WND (RFC 5961) */
    } snd;
    struct {
        struct seq irs, nxt;
        struct seq adv;   /* right edge as last advertised: RCV.WND is adv - nxt */
        struct seq acked; /* Last.ACK.sent (RFC 7323) */
        struct seq up;
    } rcv;

    struct buffer receive;
    /* Records of pools: while something is unacknowledged or queued, and while there is a hole. */
    uint32_t transfer : 24;
    uint32_t ecn : 8; /* what was agreed and is owed (RFC 3168, RFC 9768) */
    uint32_t reassembly : 24;
    uint32_t ecn_count : 8; /* the counters of RFC 9768 as far as ACE needs them */
    union {
        uint32_t listener; /* while UNACCEPTED: record of the listener */
        uint32_t sent_at;  /* then: when text was last sent, ms */
    };

    uint16_t mtu;         /* of the path, as far as known */
    uint16_t peer_mss;    /* as the peer said, at least config.mss_min */
    uint16_t receive_mss; /* largest text seen in a segment: what "full-sized" means for the peer */
    uint16_t rule : 10;   /* of the last transition or reset */
    /* RACK (RFC 8985, 6.2): what is known of the path's reordering, for life. */
    uint16_t reordering_seen : 1;
    uint16_t reordering_persist : 5; /* RACK.reo_wnd_persist */
    uint32_t ts_recent;
    uint32_t ts_offset; /* added to the clock in our TSval, keyed by the tuple */

    uint32_t srtt_us, rttvar_us, rto_us; /* 6298; srtt scaled by 8, rttvar by 4; 0: no sample */
    uint32_t rtt_min_us;
    union {
        struct {
            uint32_t cwnd, ssthresh;
        };
        struct {
            uint32_t unacknowledged, unread; /* once it has ended: for the outcome */
        } left;
    };

    uint32_t receive_limit, send_limit; /* bytes that may pile up; TCP_LIMIT_FIXED: not tuned */
    uint32_t user_timeout_ms;           /* 0: never */
    uint32_t keepalive_idle_ms;
    duet_time heard; /* the peer last gave a sign of life; in TIME-WAIT: since when it counts; while
                        a FIN waits for a record: since then, too */
    uint32_t delayed_ack_us; /* when the pending ACK must leave, with ACK_DELAYED: low bits */
    union {
        uint32_t challenge_from; /* ms: start of the interval in which challenges are counted */
        uint32_t accurate_ecn;   /* with TCP_ECN_RECORD: record, where challenge_from lies then */
    };
    uint32_t invalid_ack_at; /* ms: last ACK that answered a bare invalid segment */
    uint8_t challenges;
    uint8_t probes; /* keep-alive probes without an answer */
    uint8_t dscp, ttl;

    uint16_t why : 12;                /* rule of the acknowledgement that is owed */
    uint16_t quick : 4;               /* full segments to be acknowledged one by one after a hole */
    uint16_t events : 10;             /* enum duet_event_bit not yet taken */
    uint16_t reordering_widening : 6; /* RACK.reo_wnd_mult, less one */
    uint16_t retransmitted;
    uint16_t tuned_at;               /* 4 ms: when the receiver's tuning began its latest round */
    struct seq tuned_to;             /* where that round ends */
    struct list_link owing, telling; /* links of the lists of those who owe, and who have events */
    struct wheel_node timer;         /* one node: the earliest of all its timers */
};

/* Where loss recovery is. */
enum tcp_phase {
    TCP_PHASE_OPEN,     /* nothing is known to be lost */
    TCP_PHASE_RECOVERY, /* fast recovery until SND.UNA reaches recover */
    TCP_PHASE_LOSS,     /* after a timeout, until SND.UNA reaches recover */
};

/* RACK-TLP (RFC 8985): what tcp_rack.c and tcp_probe.c keep. Times are low bits of microseconds. */
struct tcp_rack {
    uint32_t sent_us; /* RACK.xmit_ts: when the latest-sent of all delivered segments left */
    uint32_t rtt_us;  /* its round trip */
    struct seq end;   /* RACK.end_seq: and its end, which breaks ties */
    struct seq fack;  /* highest end delivered */
    struct seq
        dsack_round;      /* with in_dsack_round: the window is not widened before this is acked */
    struct seq probe_end; /* TLP.end_seq, with probe_out */
    duet_time reorder_at; /* the reordering timer; DUET_NEVER: off */
    duet_time probe_at;   /* two round trips after the last sign of life */
    bool valid;           /* sent_us, rtt_us and end are */
    bool in_dsack_round;
    bool probe_out;   /* a tail-loss probe is in flight */
    bool probe_again; /* and it was a retransmission */
    bool probe_spent; /* no RTT sample since the latest probe */
};

/* Proportional rate reduction (RFC 9937). */
struct tcp_prr {
    uint32_t recover_fs; /* RecoverFS: bytes in the network when recovery began */
    uint32_t delivered, out;
};

/* Was a retransmission spurious? (tcp_undo.c) */
struct tcp_undo {
    uint32_t tsval;       /* of the first retransmission of the episode, with has_tsval */
    struct seq una;       /* SND.UNA when it began */
    uint32_t resent;      /* segments sent again since, less those that D-SACKs say arrived twice */
    struct seq undone_at; /* SND.UNA at the latest undo, with was_undone */
    bool active;          /* the controller remembers what was before it */
    bool was_undone;
    bool has_tsval;
    bool was_resent;
};

/* What an acknowledgement has told about what is in flight. */
struct tcp_news {
    uint32_t flight;         /* in the network before it came */
    uint32_t sacked_before;  /* bytes that were SACKed */
    uint32_t records;        /* segments not SACKed, before it came */
    uint32_t acked;          /* text by which SND.UNA advanced */
    uint32_t advanced_space; /* the same with FIN */
    uint32_t delivered;      /* bytes newly known to have arrived (RFC 9937, DeliveredData) */
    uint32_t rtt_us;         /* of the latest-sent segment delivered that was sent once; 0: none */
    uint32_t dsack_left, dsack_right;
    bool advanced;  /* SND.UNA has moved */
    bool duplicate; /* a duplicate ACK in the sense of RFC 5681 */
    bool sacked;    /* it reported something not reported before */
    bool dsacked;   /* it reported a duplicate, [dsack_left, dsack_right) */
};

enum tcp_fast_open {
    TCP_FAST_OPEN_NONE,
    TCP_FAST_OPEN_PENDING, /* RFC 7413: made by a SYN with a cookie, its handshake goes on */
    TCP_FAST_OPEN_WANTED,  /* the user asked for it, the SYN has not left */
    TCP_FAST_OPEN_TRIED,   /* the SYN carried the option, maybe text */
};

/* Borrowed from the first byte queued (or SYN, or FIN) until all is acknowledged. The place where
 * loss recovery and congestion control keep what they need only then. */
struct tcp_transfer {
    struct buffer send; /* bytes [data start, data start + length), see tcp_send_start() */
    struct tcp_flight flight;
    struct seq up;      /* SND.UP, with urgent */
    struct seq rest;    /* with has_rest: acknowledged up to here, not yet followed as far */
    struct seq small;   /* end of the latest segment that was not full (Minshall's SND.SML) */
    struct seq recover; /* SND.NXT when the latest recovery began: it ends here */
    struct seq ecn_end; /* SND.NXT when the window was last reduced, with ecn_answered */
    struct seq timed;   /* an acknowledgement of this ends the RTT sample begun at timed_at */
    duet_time timed_at;
    duet_time deadline; /* of the one timer that runs, DUET_NEVER: none does */
    duet_time rto_at;   /* when the retransmission timer runs out, if nothing is faster */
    duet_time progress; /* since when nothing new has been acknowledged (R2, user timeout) */
    duet_time last_sent;
    duet_time pace_at;       /* the next segment may leave */
    duet_time ecn_hold;      /* nothing new leaves before this time */
    uint32_t flight_before;  /* in the network when the first sign of disorder came */
    struct seq disorder_end; /* SND.NXT then */
    uint32_t rtt_min_us;     /* of the current window of the minimum filter, 0: none yet */
    uint32_t rtt_min_since;  /* ms */
    struct tcp_cc_memory cc;
    struct tcp_mtu_memory mtu;
    struct tcp_rack rack;
    struct tcp_prr prr;
    struct tcp_undo undo;
    struct tcp_verify verify;
    uint8_t timer;           /* enum duet_timer: retransmission, persist, probe or reordering */
    uint8_t phase;           /* enum tcp_phase */
    uint8_t retransmissions; /* times the timer ran out in a row: the backoff */
    uint8_t dupacks;
    bool ecn_answered; /* the window was reduced for what is below ecn_end */
    bool ecn_reduced;  /* because of ECN */
    bool ecn_marked;   /* the latest acknowledgement reported congestion */
    bool r1_told;
    bool disorder_answered;    /* the window was reduced since flight_before was noted */
    bool probed;               /* what is in flight was sent into a closed window */
    bool paced;                /* something waits for pace_at */
    bool urgent : 1;           /* up lies ahead */
    bool timing : 1;           /* timed and timed_at are running */
    bool has_rest : 1;         /* rest does */
    bool rescued : 1;          /* RFC 6675, RescueRxt: the one rescue of this recovery was sent */
    bool fast_open_grants : 1; /* PENDING: the SYN,ACK carries a fresh cookie */
    uint8_t fast_open;         /* enum tcp_fast_open */
    uint16_t why;              /* rule of the latest retransmission that is owed */
    uint32_t listener, listener_generation; /* PENDING: who counts it */
};
_Static_assert(!FEATURE_FAST_PATH || sizeof(struct tcp_transfer) == 512,
               "a shift finds it, in lines of the cache of its own");

enum { TCP_RECENT_MAX = 2 * TCP_SACK_MAX };

/* What arrived beyond a hole. The bytes stand in the receive buffer. Borrowed, too, for the moment
 * until a duplicate has been reported. */
struct tcp_reassembly {
    struct ranges held;
    struct seq recent[TCP_RECENT_MAX]; /* in the ranges touched last, the latest first (RFC 2018) */
    struct seq fin;                    /* sequence number of a FIN that came early, with has_fin */
    struct range duplicate; /* what arrived twice and was not reported yet, with has_duplicate */
    bool has_fin, has_duplicate;
    uint8_t recent_count;
};

struct tcp_listener {
    struct duet_socket_address local, remote;
    uint32_t generation;
    uint32_t flags; /* enum tcp_conn_flag: what accepted connections start with */
    uint32_t backlog;
    uint32_t receive_limit, send_limit, user_timeout_ms, keepalive_idle_ms;
    struct list queue; /* of connections, through telling */
    struct list_link telling;
    uint32_t next_in_bucket;
    uint16_t events;
    uint16_t mtu;
    uint8_t dscp, ttl;
    uint8_t controller; /* enum duet_controller */
    uint8_t ecn;        /* enum duet_ecn */
    bool used;
    duet_time cookies_until; /* acknowledgements may show SYN cookies; 0: none was sent */
    /* RFC 7413: attempts that may be, and are, in SYN-RECEIVED at a time; those that a RST ended in
     * this interval of config.syn_timeout and in the one before it, which count, too. */
    uint32_t fast_open_max, fast_open_pending;
    uint32_t fast_open_reset[2];
    int64_t fast_open_interval;
};

/* A SYN has been answered. Lives in a ring in order of creation, so that each retransmission, due
 * at a fixed age, has a cursor of its own and no timer. */
struct tcp_half_open {
    struct tcp_tuple tuple;
    struct seq iss, irs;
    uint32_t ts_recent;
    uint32_t created_us;    /* low bits of the clock */
    uint16_t peer_mss;      /* 0: the SYN did not say */
    uint8_t peer_scale : 4; /* shift count of the peer, at most 14, or NO_SCALING */
    uint8_t answers : 4;    /* acknowledgements of invalid segments so far */
    uint8_t flags;          /* enum tcp_half_open_flag; upper bits: enum tcp_half_open_ecn */
};
enum tcp_half_open_flag {
    TCP_HALF_OPEN_ALIVE = 1 << 0,
    TCP_HALF_OPEN_TIMESTAMPS = 1 << 1,
    TCP_HALF_OPEN_SACK = 1 << 2,
    TCP_HALF_OPEN_RETRANSMITTED = 1 << 3,
    TCP_HALF_OPEN_ANSWERED = 1 << 4, /* a repeated SYN was answered since the last timed repeat */
    TCP_HALF_OPEN_ECN_SHIFT = 5,
};
enum { TCP_HALF_OPEN_NO_SCALING = 15 }; /* peer_scale of a SYN without the option */

/* What is left of a connection in TIME-WAIT. Lives in a ring in order of expiry; a repeated FIN
 * moves it to the end (RFC 9293, 3.10.7.4 eighth). */
struct tcp_time_wait {
    struct tcp_tuple tuple;
    struct seq snd_nxt, rcv_nxt;
    uint32_t ts_recent;
    uint32_t expires_us;  /* low bits of the clock */
    uint16_t window;      /* as on the wire, of the last acknowledgement */
    uint8_t flags : 2;    /* enum tcp_time_wait_flag */
    uint8_t interval : 6; /* in which answers are counted: low bits of its number */
    uint8_t scale : 4;    /* of window */
    uint8_t answers : 4;  /* to invalid segments in that interval */
};
enum tcp_time_wait_flag {
    TCP_TIME_WAIT_ALIVE = 1 << 0,
    TCP_TIME_WAIT_TIMESTAMPS = 1 << 1,
};

_Static_assert(TCP_RULES <= 1 << 10, "a rule fits into tcp_conn.rule");
_Static_assert(sizeof(struct tcp_half_open) <= 56, "half-open: 64 bytes with its table slot");
_Static_assert(sizeof(struct tcp_time_wait) <= 56, "TIME-WAIT: 64 bytes with its table slot");
_Static_assert(sizeof(struct tcp_conn) <= 248, "idle connection: 256 bytes with its table slot");

#endif
