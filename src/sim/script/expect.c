/* SPDX-License-Identifier: MIT */
/* Packet lines of a script: those that go in, and those that must have come out.
 *
 * What the stack sent waits in a queue. A line takes the first packet of it; a line longer than a
 * segment takes as many as it needs, one that is shorter leaves the rest for the next line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "sim/script/profile.h"

enum { FIRST_REMOTE_PORT = 40000, FLOWS_MAX = 65536 };

/* ---- pairs of sockets ---- */

static bool same_socket(const struct duet_socket_address *a, const struct duet_socket_address *b)
{
    return a->port == b->port && duet_address_equal(&a->address, &b->address);
}

struct flow *player_flow(struct player *player, const struct duet_socket_address *local,
                         const struct duet_socket_address *remote)
{
    for (unsigned i = 0; i < player->flow_count; i++) {
        struct flow *flow = player->flows[i];
        if (same_socket(&flow->local, local) && same_socket(&flow->remote, remote)) {
            return flow;
        }
    }
    player->flows = must_grow(player->flows, player->flow_count + 1, sizeof(*player->flows));
    struct flow *flow = must_allocate(sizeof(*flow));
    flow->local = *local;
    flow->remote = *remote;
    flow->remote_offset = player->settings.remote_isn;
    player->flows[player->flow_count++] = flow;
    return flow;
}

static struct duet_socket_address endpoint(const struct packet_endpoint *from,
                                           const struct duet_address *otherwise)
{
    struct duet_socket_address address = {from->has_address ? from->address : *otherwise,
                                          from->port};
    return address;
}

struct flow *player_flow_of(struct player *player, const struct packet_event *packet)
{
    const struct settings *settings = &player->settings;
    if (packet->has_endpoints) {
        const struct packet_endpoint *ours =
            packet->inbound ? &packet->destination : &packet->source;
        const struct packet_endpoint *theirs =
            packet->inbound ? &packet->source : &packet->destination;
        struct duet_socket_address local = endpoint(ours, &settings->local);
        struct duet_socket_address remote = endpoint(theirs, &settings->remote);
        return player_flow(player, &local, &remote);
    }
    bool syn = packet->protocol == PACKET_TCP && packet->inbound &&
               (packet->flags & (DUET_SYN | DUET_ACK | DUET_RST)) == DUET_SYN;
    if (player->current == NULL || (player->listened && syn)) {
        player->listened = false;
        struct duet_socket_address local = {settings->local, settings->bind_port};
        struct duet_socket_address remote = {settings->remote, 0};
        remote.port = (uint16_t)(FIRST_REMOTE_PORT + player->next_remote_port++);
        player->current = player_flow(player, &local, &remote);
    }
    return player->current;
}

/* ---- the cookie of Fast Open, which the stack under test chooses ---- */

/* A packet line with that cookie in the place of its name. */
struct with_cookie {
    struct packet_event event;
    struct packet_option options[SCRIPT_OPTIONS_MAX];
};

static const struct packet_event *
fill_cookie(const struct player *player, const struct packet_event *line, struct with_cookie *to)
{
    to->event = *line;
    to->event.options = to->options;
    for (unsigned i = 0; i < line->option_count; i++) {
        const struct packet_option *option = &line->options[i];
        bool named = option->kind == OPTION_FAST_OPEN && option->value_count > 0;
        to->options[i] = named ? player->cookie : *option;
        to->options[i].kind = option->kind;
    }
    return &to->event;
}

/* The stack gives a cookie, which lines from here on can name. */
static void learn_cookie(struct player *player, const struct packet_event *sent)
{
    const uint16_t syn_ack = DUET_SYN | DUET_ACK;
    for (unsigned i = 0; i < sent->option_count; i++) {
        bool given = sent->options[i].kind == OPTION_FAST_OPEN && sent->options[i].byte_count > 0 &&
                     (sent->flags & syn_ack) == syn_ack;
        player->cookie = given ? sent->options[i] : player->cookie;
    }
}

/* ---- in ---- */

bool player_send_in(struct player *player, const struct packet_event *packet)
{
    uint8_t *bytes = must_allocate(PACKET_BYTES_MAX + 256);
    struct flow *flow = player_flow_of(player, packet);
    bool v6 = !duet_address_is_ipv4(&flow->local.address);
    bool fits = duet_address_is_ipv4(&flow->remote.address) != v6;
    if (packet->protocol != PACKET_TCP && (packet->protocol == PACKET_ICMPV6) != v6) {
        fits = false; /* but for a test of just this, nobody writes it on purpose */
    }
    if (!fits) {
        free(bytes);
        return player_broken(player, "a packet of another IP version than ip_version says");
    }
    struct with_cookie filled;
    uint32_t length =
        packet_build(fill_cookie(player, packet, &filled), flow, &player->settings.remote, bytes);
    if (packet->protocol == PACKET_TCP && packet->length > 0) {
        quick_ack_text_in(player, flow);
    }
    engine_inject(player, bytes, length);
    free(bytes);
    return !player->over;
}

/* ---- out ---- */

struct taken { /* what is to be compared: one packet, or several put together */
    struct packet_seen seen;
    struct flow *flow;
    duet_time time;
    unsigned whole; /* packets of the queue that it takes entirely */
    uint32_t part;  /* bytes of text that it takes of the one after them */
    bool may_go_on; /* more packets would make it longer */
};

static bool read_outbound(struct player *player, const struct outbound *sent, struct taken *taken)
{
    const char *reason = NULL;
    if (!packet_read(sent->bytes, sent->length, sent->partial, &taken->seen, &reason)) {
        return player_fail(player, "the stack sent %s", reason);
    }
    struct packet_seen *seen = &taken->seen;
    struct duet_socket_address local = {seen->source, seen->source_port};
    struct duet_socket_address remote = {seen->destination, seen->destination_port};
    if (seen->event.protocol != PACKET_TCP && player->current != NULL) {
        taken->flow = player->current;
        return true;
    }
    taken->flow = player_flow(player, &local, &remote);
    return true;
}

/* Leaves out the text that earlier lines have matched. */
static void skip_taken(struct packet_event *event, uint32_t bytes)
{
    event->seq += bytes;
    event->length -= bytes;
}

/* The wire's bytes must be the user's. Keep-alives repeat a byte that need not be what it was. */
static bool text_is_right(struct player *player, const struct taken *taken)
{
    const struct packet_event *event = &taken->seen.event;
    const struct flow *flow = taken->flow;
    if (!flow->text_known || !flow->local_known || event->length <= 1 ||
        event->protocol != PACKET_TCP) {
        return true;
    }
    uint32_t first = event->seq - (flow->local_isn - flow->local_offset) - 1;
    first += (event->flags & DUET_SYN) ? 1 : 0;
    for (uint32_t i = 0; i < event->length; i++) {
        if (taken->seen.text[i] != flow_pattern(first + i)) {
            return player_fail(player, "byte %u of the text is not what was written",
                               event->seq + i);
        }
    }
    return true;
}

static bool same_way(const struct packet_seen *a, const struct packet_seen *b)
{
    return a->source_port == b->source_port && a->destination_port == b->destination_port &&
           duet_address_equal(&a->destination, &b->destination);
}

/* Adds following segments while the line asks for more than there is. */
static bool gather(struct player *player, const struct packet_event *expected, struct taken *taken,
                   const struct outbound *next)
{
    struct packet_event *event = &taken->seen.event;
    taken->may_go_on = expected->length > event->length && event->length > 0;
    while (expected->length > event->length && event->length > 0 && next != NULL) {
        struct taken *more = must_allocate(sizeof(*more));
        bool good = read_outbound(player, next, more);
        if (good && same_way(&more->seen, &taken->seen)) {
            packet_make_relative(&more->seen, more->flow, 0);
        }
        bool follows = good && same_way(&more->seen, &taken->seen) && more->seen.event.length > 0 &&
                       more->seen.event.seq == event->end &&
                       !(event->flags & (DUET_FIN | DUET_RST));
        follows = follows && text_is_right(player, more);
        if (follows) {
            uint32_t room = expected->length - event->length;
            uint32_t length = min_u32(room, more->seen.event.length);
            bool whole = length == more->seen.event.length;
            uint16_t last = DUET_PSH | DUET_FIN;
            event->length += length;
            event->end += length;
            event->flags |= whole ? more->seen.event.flags & last : 0;
            taken->whole += whole ? 1 : 0;
            taken->part = whole ? 0 : length;
        }
        free(more);
        if (!follows) {
            taken->may_go_on = false;
            return good && !player->over;
        }
        next = next->next;
    }
    return true;
}

/* Shows only the beginning of a segment to a line that is shorter. */
static void split(const struct packet_event *expected, struct taken *taken)
{
    struct packet_event *event = &taken->seen.event;
    if (expected->length == 0 || expected->length >= event->length || expected->seq != event->seq) {
        return;
    }
    taken->whole = 0;
    taken->part = expected->length;
    event->length = expected->length;
    event->end = event->seq + event->length;
    event->flags &= (uint16_t) ~(DUET_PSH | DUET_FIN);
}

/* What the line is to be compared with. */
static bool look(struct player *player, const struct packet_event *expected, struct taken *taken)
{
    const struct outbound *first = player->sent;
    memset(taken, 0, sizeof(*taken));
    taken->time = first->time;
    taken->whole = 1;
    if (!read_outbound(player, first, taken)) {
        return false;
    }
    struct packet_event *event = &taken->seen.event;
    bool syn = event->protocol == PACKET_TCP && (event->flags & DUET_SYN);
    packet_make_relative(&taken->seen, taken->flow, syn ? expected->seq : 0);
    if (!text_is_right(player, taken)) {
        return false;
    }
    skip_taken(event, first->taken);
    if (event->protocol == PACKET_TCP && !player->settings.strict_segments &&
        expected->protocol == PACKET_TCP) {
        split(expected, taken);
        return gather(player, expected, taken, first->next);
    }
    return true;
}

static void drop_first(struct player *player)
{
    struct outbound *first = player->sent;
    player->sent = first->next;
    if (player->sent == NULL) {
        player->sent_end = &player->sent;
    }
    free(first);
}

static void consume(struct player *player, const struct taken *taken)
{
    for (unsigned i = 0; i < taken->whole; i++) {
        drop_first(player);
    }
    if (taken->part > 0) {
        player->sent->taken += taken->part;
    }
}

static char *print_taken(const struct taken *taken)
{
    char text[PACKET_PRINT_MAX];
    packet_print(&taken->seen.event, taken->flow, text, sizeof(text));
    return must_format("%.6f > %s", (double)taken->time / 1e9, text);
}

static bool is_current(struct player *player, const struct packet_event *expected,
                       const struct taken *taken)
{
    if (expected->protocol != PACKET_TCP) {
        return true;
    }
    if (!expected->has_endpoints && player->current == NULL) {
        player->current = taken->flow;
    }
    return player_flow_of(player, expected) == taken->flow;
}

/* The stack's words for one packet that no line expected. */
static bool fail_with(struct player *player, const struct taken *taken, const char *why)
{
    free(player->result->actual);
    player->result->actual = print_taken(taken);
    return player_fail(player, "%s", why);
}

static bool judge(struct player *player, const struct event *line, struct taken *taken,
                  duet_time from, duet_time to)
{
    char why[200], sentence[400];
    const struct packet_event *expected = line->packet;
    if (!is_current(player, expected, taken)) {
        snprintf(sentence, sizeof(sentence),
                 "a packet of another connection, from port %u to port %u", taken->seen.source_port,
                 taken->seen.destination_port);
        return fail_with(player, taken, sentence);
    }
    struct with_cookie filled;
    learn_cookie(player, &taken->seen.event);
    if (!packet_matches(fill_cookie(player, expected, &filled), &taken->seen.event, taken->flow,
                        &player->settings.rules, taken->time, why, sizeof(why))) {
        snprintf(sentence, sizeof(sentence), "not the packet expected: %s", why);
        return fail_with(player, taken, sentence);
    }
    if (taken->time < from || taken->time > to) {
        bool early = taken->time < from;
        duet_time by = early ? from - taken->time : taken->time - to;
        snprintf(sentence, sizeof(sentence), "the packet was sent at %.6f s, %.6f s too %s",
                 (double)taken->time / 1e9, (double)by / 1e9, early ? "early" : "late");
        return fail_with(player, taken, sentence);
    }
    consume(player, taken);
    return true;
}

bool player_expect(struct player *player, const struct event *line, duet_time from, duet_time to)
{
    struct taken *taken = must_allocate(sizeof(*taken));
    bool good = false, more = true;
    for (;;) {
        if (player->sent != NULL) {
            if (!look(player, line->packet, taken)) {
                break;
            }
            bool whole = !taken->may_go_on || taken->seen.event.length == line->packet->length;
            bool wait = (!whole || taken->time > player->now) && more;
            if (!wait) {
                good = judge(player, line, taken, from, to);
                break;
            }
        } else if (!more) {
            (void)player_fail(player, "no packet was sent up to %.6f s", (double)player->now / 1e9);
            break;
        }
        more = engine_step(player, to, true);
        if (player->over) {
            break;
        }
    }
    if (good) {
        player->event_time =
            line->is_range || line->time_kind == TIME_ANY ? taken->time : player->event_time;
    }
    free(taken);
    return good;
}

bool player_expect_silence(struct player *player, duet_time before)
{
    if (player->sent == NULL || player->sent->time >= before) {
        return true;
    }
    struct packet_event nothing = {.protocol = PACKET_TCP};
    struct taken *taken = must_allocate(sizeof(*taken));
    bool good = look(player, &nothing, taken);
    good = good &&
           fail_with(player, taken, "the stack sent a packet that nothing in the script expects");
    free(taken);
    return good;
}
