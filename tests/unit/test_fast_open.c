/* SPDX-License-Identifier: MIT */
/* Fast Open (RFC 7413): two stacks with a wire between them, and one stack whose peer is played by
 * hand. Sequence numbers of the stack begin near the wrap where a test says so. */
#include "rig.h"

#include "host/coverage.h"

enum { PORT = 80, CLIENT = 4000 };

static struct duet_address server_address, client_address;

/* ---- two stacks ---- */

struct pair {
    struct rig *client, *server;
    struct duet_handle listener;
    struct duet_handle opened, accepted; /* of the latest connection */
    unsigned syns_lost;                  /* the wire swallows so many of the client's SYNs */
};

static struct rig *start_rig(struct duet_address address, const struct duet_config *like)
{
    struct rig *rig = test_malloc(sizeof *rig);
    struct duet_config config = *like;
    config.interfaces[0].address = address;
    rig_start(rig, &config);
    return rig;
}

static struct duet_handle listen_fast(const struct rig *rig, uint32_t fast_open, uint32_t backlog)
{
    const struct duet_listen_options options = {
        .local = {server_address, PORT}, .backlog = backlog, .fast_open = fast_open};
    struct duet_handle handle;
    assert_int_equal(duet_listen(rig->stack, rig->now, &options, &handle), DUET_OK);
    return handle;
}

static struct pair pair_start(uint32_t fast_open)
{
    struct duet_config config;
    rig_config(&config);
    struct pair pair = {.client = start_rig(client_address, &config),
                        .server = start_rig(server_address, &config)};
    pair.listener = listen_fast(pair.server, fast_open, 4);
    return pair;
}

static void rig_stop(struct rig *rig)
{
    duet_coverage_note(rig->stack);
    rig_end(rig);
    test_free(rig);
}

static void pair_end(const struct pair *pair)
{
    rig_stop(pair->client);
    rig_stop(pair->server);
}

/* One packet from one end to the other. False: there is none. */
static bool carry(struct pair *pair, struct rig *from, struct rig *to, struct rig_segment *segment)
{
    if (!rig_output(from, NULL, segment))
        return false;
    if ((segment->flags & DUET_SYN) != 0 && pair->syns_lost > 0) {
        pair->syns_lost--;
        return true;
    }
    const struct duet_packet packet = {.data = from->out, .length = from->packet.length};
    duet_input(to->stack, to->now, &packet);
    EXPECT("sound", duet_check(to->stack) == NULL);
    return true;
}

static void settle(struct pair *pair)
{
    struct rig_segment segment;
    while (carry(pair, pair->client, pair->server, &segment) ||
           carry(pair, pair->server, pair->client, &segment))
        continue;
}

static void pass(const struct pair *pair, duet_time time)
{
    rig_pass(pair->client, pair->client->now + time);
    rig_pass(pair->server, pair->server->now + time);
}

/* OPEN and SEND; the SYN has not left. */
static void open_fast(struct pair *pair, const char *text)
{
    const struct duet_connect_options options = {.local = {client_address, 0},
                                                 .remote = {server_address, PORT},
                                                 .flags = DUET_CONNECT_FAST_OPEN};
    struct rig *rig = pair->client;
    assert_int_equal(duet_connect(rig->stack, rig->now, &options, &pair->opened), DUET_OK);
    const size_t size = strlen(text);
    assert_int_equal(duet_send(rig->stack, rig->now, pair->opened, text, size, 0), size);
}

static void accept_one(struct pair *pair)
{
    struct rig *rig = pair->server;
    assert_int_equal(duet_accept(rig->stack, rig->now, pair->listener, &pair->accepted, NULL),
                     DUET_OK);
}

static void expect_text(const char *row, const struct rig *rig, struct duet_handle handle,
                        const char *text)
{
    char bytes[64] = "";
    EXPECT_EQUAL(row, duet_receive(rig->stack, rig->now, handle, bytes, sizeof bytes - 1),
                 strlen(text));
    EXPECT(row, strcmp(bytes, text) == 0);
}

static enum duet_state state_of(const struct rig *rig, struct duet_handle handle)
{
    struct duet_status status;
    assert_int_equal(duet_status(rig->stack, handle, &status), DUET_OK);
    return status.state;
}

static void close_both(struct pair *pair)
{
    duet_close(pair->client->stack, pair->client->now, pair->opened);
    settle(pair);
    duet_close(pair->server->stack, pair->server->now, pair->accepted);
    settle(pair);
    rig_take_events(pair->client);
    rig_take_events(pair->server);
}

/* A connection that brings the cookie. */
static void get_cookie(struct pair *pair)
{
    open_fast(pair, "first");
    settle(pair);
    accept_one(pair);
    expect_text("first", pair->server, pair->accepted, "first");
    close_both(pair);
}

/* The client has a cookie, and has opened with text. */
static struct pair attempt(const char *text)
{
    struct pair pair = pair_start(1);
    get_cookie(&pair);
    open_fast(&pair, text);
    return pair;
}

/* 7413-4, 7413-7, 7413-11: one round trip less, for the request and for the answer. */
static void second_connect_carries_text_and_is_answered_before_the_handshake_ends(void **state)
{
    (void)state;
    struct pair pair = pair_start(1);
    struct rig_segment syn, answer;

    open_fast(&pair, "first");
    assert_true(carry(&pair, pair.client, pair.server, &syn));
    EXPECT("asks for a cookie", syn.fast_open && syn.cookie_length == 0);
    EXPECT_EQUAL("without text", syn.length, 0);
    assert_true(carry(&pair, pair.server, pair.client, &answer));
    EXPECT_EQUAL("a cookie comes", answer.cookie_length, 8);
    settle(&pair);
    accept_one(&pair);
    expect_text("after the handshake", pair.server, pair.accepted, "first");
    close_both(&pair);

    open_fast(&pair, "second");
    assert_true(carry(&pair, pair.client, pair.server, &syn));
    EXPECT_EQUAL("the cookie", syn.cookie_length, 8);
    EXPECT_BYTES("the same", syn.cookie, answer.cookie, 8);
    EXPECT_EQUAL("the text", syn.length, 6);
    EXPECT_EQUAL("pushed", syn.flags, DUET_SYN | DUET_PSH);
    accept_one(&pair);
    EXPECT_EQUAL("no handshake yet", state_of(pair.server, pair.accepted), DUET_SYN_RECEIVED);
    expect_text("read at once", pair.server, pair.accepted, "second");
    assert_int_equal(duet_send(pair.server->stack, 0, pair.accepted, "answer", 6, 0), 6);

    assert_true(carry(&pair, pair.server, pair.client, &answer));
    EXPECT_EQUAL("SYN,ACK first", answer.flags, DUET_SYN | DUET_ACK);
    EXPECT_EQUAL("acknowledges the text", answer.ack, syn.seq + 1 + 6);
    EXPECT("no new cookie", !answer.fast_open);
    EXPECT_EQUAL("window less the text", answer.window, 65535 - 6);
    assert_true(carry(&pair, pair.server, pair.client, &answer));
    EXPECT_EQUAL("the answer", answer.length, 6);
    EXPECT_EQUAL("still no handshake", state_of(pair.server, pair.accepted), DUET_SYN_RECEIVED);
    expect_text("one round trip", pair.client, pair.opened, "answer");
    settle(&pair);
    EXPECT_EQUAL("open", state_of(pair.client, pair.opened), DUET_ESTABLISHED);
    EXPECT_EQUAL("open", state_of(pair.server, pair.accepted), DUET_ESTABLISHED);
    struct duet_status status;
    assert_int_equal(duet_status(pair.client->stack, pair.opened, &status), DUET_OK);
    EXPECT_EQUAL("nothing is sent twice", status.retransmitted, 0);
    EXPECT_EQUAL("nothing is left", status.send_queued, 0);
    close_both(&pair);
    pair_end(&pair);
}

/* 7413-2: nobody asked, so nothing of it happens. */
/* 9768-2, 3168-3: a SYN with text asks for accurate ECN as any other, and is not ECN-capable itself. */
static void syn_with_text_asks_for_accurate_ecn(void **state)
{
    (void)state;
    struct pair pair = attempt("second");
    struct rig_segment syn, answer;
    struct duet_status status;

    assert_int_equal(duet_set(pair.client->stack, pair.client->now, pair.opened, DUET_OPTION_ECN,
                              DUET_ECN_REQUEST_ACCURATE),
                     DUET_OK);
    assert_true(carry(&pair, pair.client, pair.server, &syn));
    EXPECT_EQUAL("text", syn.length, strlen("second"));
    EXPECT_EQUAL("111", syn.flags, DUET_SYN | DUET_PSH | DUET_AE | DUET_CWR | DUET_ECE);
    const uint8_t *ip = pair.client->out;
    EXPECT_EQUAL("Not-ECT", ip[0] >> 4 == 4 ? ip[1] & 3 : ip[1] >> 4 & 3, 0);
    assert_true(carry(&pair, pair.server, pair.client, &answer));
    EXPECT_EQUAL("010", answer.flags, DUET_SYN | DUET_ACK | DUET_CWR);
    settle(&pair);
    accept_one(&pair);
    expect_text("second", pair.server, pair.accepted, "second");
    assert_int_equal(duet_status(pair.server->stack, pair.accepted, &status), DUET_OK);
    EXPECT_EQUAL("server", status.ecn, DUET_ECN_ACCURATE);
    EXPECT_EQUAL("server", status.ecn_capable, true);
    assert_int_equal(duet_status(pair.client->stack, pair.opened, &status), DUET_OK);
    EXPECT_EQUAL("client", status.ecn, DUET_ECN_ACCURATE);
    EXPECT_EQUAL("client", status.ecn_capable, true);
    pair_end(&pair);
}

static void listener_that_did_not_ask(void **state)
{
    (void)state;
    struct pair pair = pair_start(0);
    struct rig_segment answer;
    open_fast(&pair, "first");
    assert_true(carry(&pair, pair.client, pair.server, &answer));
    assert_true(carry(&pair, pair.server, pair.client, &answer));
    EXPECT("no cookie", !answer.fast_open);
    settle(&pair);
    accept_one(&pair);
    expect_text("as ever", pair.server, pair.accepted, "first");
    close_both(&pair);
    pair_end(&pair);
}

/* 7413-5, 7413-6: whatever swallows the SYN gets a plain one, for a while at once. */
static void syn_that_is_swallowed_is_followed_by_plain_ones(void **state)
{
    (void)state;
    struct pair pair = pair_start(1);
    struct rig_segment syn;
    get_cookie(&pair);
    pair.syns_lost = 1;
    open_fast(&pair, "second");
    assert_true(carry(&pair, pair.client, pair.server, &syn));
    EXPECT_EQUAL("with text", syn.length, 6);
    pass(&pair, 1100 * DUET_MILLISECOND);
    assert_true(carry(&pair, pair.client, pair.server, &syn));
    EXPECT("plain", !syn.fast_open && syn.length == 0 && syn.flags == DUET_SYN);
    settle(&pair);
    accept_one(&pair);
    expect_text("the text follows", pair.server, pair.accepted, "second");
    close_both(&pair);

    open_fast(&pair, "third");
    assert_true(carry(&pair, pair.client, pair.server, &syn));
    EXPECT("not tried again", !syn.fast_open && syn.length == 0);
    settle(&pair);
    accept_one(&pair);
    close_both(&pair);

    pass(&pair, pair.client->config.fast_open_pause);
    open_fast(&pair, "fourth");
    assert_true(carry(&pair, pair.client, pair.server, &syn));
    EXPECT("tried again", syn.cookie_length == 8 && syn.length == 6);
    settle(&pair);
    accept_one(&pair);
    close_both(&pair);
    pair_end(&pair);
}

/* The text came in time and only the SYN,ACK was lost: it is not sent again (7413-6), and the
 * server is not shunned. */
static void lost_syn_ack(void **state)
{
    (void)state;
    struct pair pair = attempt("second");
    struct rig_segment segment;
    assert_true(carry(&pair, pair.client, pair.server, &segment));
    assert_true(rig_output(pair.server, NULL, &segment)); /* and is lost */
    pass(&pair, 1100 * DUET_MILLISECOND);
    assert_true(carry(&pair, pair.client, pair.server, &segment));
    EXPECT("plain", !segment.fast_open && segment.length == 0);
    assert_true(carry(&pair, pair.server, pair.client, &segment));
    EXPECT_EQUAL("repeated", segment.flags, DUET_SYN | DUET_ACK);
    settle(&pair);
    accept_one(&pair);
    expect_text("once", pair.server, pair.accepted, "second");
    EXPECT_EQUAL("nothing more",
                 duet_receive(pair.server->stack, pair.server->now, pair.accepted, &segment, 1),
                 DUET_E_AGAIN);
    close_both(&pair);
    open_fast(&pair, "third");
    assert_true(carry(&pair, pair.client, pair.server, &segment));
    EXPECT_EQUAL("tried again", segment.length, 5);
    pair_end(&pair);
}

/* 7413-3: a cookie is good for one interval and the next; then it brings a new one (7413-8), and
 * the text goes again, right behind the handshake (7413-13). */
static void secret_rotates(void **state)
{
    (void)state;
    struct pair pair = pair_start(1);
    struct rig_segment segment;
    get_cookie(&pair);
    pass(&pair, pair.server->config.fast_open_key_life);
    open_fast(&pair, "second");
    assert_true(carry(&pair, pair.client, pair.server, &segment));
    accept_one(&pair);
    expect_text("taken", pair.server, pair.accepted, "second");
    assert_true(carry(&pair, pair.server, pair.client, &segment));
    EXPECT_EQUAL("a fresh cookie", segment.cookie_length, 8);
    settle(&pair);
    close_both(&pair);

    pass(&pair, 2 * pair.server->config.fast_open_key_life);
    open_fast(&pair, "third");
    assert_true(carry(&pair, pair.client, pair.server, &segment));
    const uint32_t iss = segment.seq;
    EXPECT_EQUAL("with text", segment.length, 5);
    assert_true(carry(&pair, pair.server, pair.client, &segment));
    EXPECT_EQUAL("not taken", segment.ack, iss + 1);
    EXPECT_EQUAL("a fresh cookie", segment.cookie_length, 8);
    assert_true(carry(&pair, pair.client, pair.server, &segment));
    EXPECT_EQUAL("at once", segment.seq, iss + 1);
    EXPECT_EQUAL("the text", segment.length, 5);
    settle(&pair);
    accept_one(&pair);
    expect_text("taken", pair.server, pair.accepted, "third");
    close_both(&pair);

    open_fast(&pair, "fourth");
    assert_true(carry(&pair, pair.client, pair.server, &segment));
    accept_one(&pair);
    expect_text("the fresh cookie is good", pair.server, pair.accepted, "fourth");
    pair_end(&pair);
}

/* ---- the listener alone ---- */

struct peer {
    struct rig *rig;
    struct duet_handle listener;
    struct tcp_tuple tuple;
    struct rig_segment syn;
};

static struct peer peer_start(uint32_t fast_open, uint32_t backlog)
{
    struct duet_config config;
    rig_config(&config);
    config.syn_cookies = false; /* which take the place of ours when there are many SYNs */
    struct peer peer = {.rig = start_rig(server_address, &config)};
    peer.listener = listen_fast(peer.rig, fast_open, backlog);
    peer.tuple = (struct tcp_tuple){server_address, client_address, PORT, CLIENT};
    peer.syn = (struct rig_segment){
        .flags = DUET_SYN, .seq = 0xfffffffe, .window = 65535, .mss = 1460, .fast_open = true};
    return peer;
}

/* Asks for a cookie from this address, and keeps it in the SYN. */
static void peer_gets_cookie(struct peer *peer)
{
    struct rig_segment answer;
    struct tcp_tuple tuple = peer->tuple;
    tuple.remote_port = 999;
    struct rig_segment syn = peer->syn;
    syn.cookie_length = 0;
    rig_input(peer->rig, &tuple, &syn);
    assert_true(rig_output(peer->rig, NULL, &answer));
    EXPECT_EQUAL("a cookie", answer.cookie_length, 8);
    peer->syn.cookie_length = answer.cookie_length;
    memcpy(peer->syn.cookie, answer.cookie, sizeof answer.cookie);
    const struct rig_segment rst = {.flags = DUET_RST, .seq = syn.seq + 1};
    rig_input(peer->rig, &tuple, &rst);
    peer->syn.text = (const uint8_t *)"text";
    peer->syn.length = 4;
}

/* What the SYN,ACK says of a SYN with four bytes. */
static uint32_t taken(struct peer *peer, struct rig_segment *answer)
{
    rig_input(peer->rig, &peer->tuple, &peer->syn);
    assert_true(rig_output(peer->rig, NULL, answer));
    assert_int_equal(answer->flags, DUET_SYN | DUET_ACK);
    return answer->ack - peer->syn.seq - 1;
}

/* 7413-3, 7413-8; C15: the cookie of one address is worth nothing at another, and neither is any
 * other change of it. */
static void cookie_of_another_address_or_with_another_bit(void **state)
{
    (void)state;
    struct peer peer = peer_start(9, 9);
    struct rig_segment answer;
    peer_gets_cookie(&peer);
    const struct rig_segment good = peer.syn;
    peer.tuple.remote = duet_ipv4(10, 0, 0, 3);
    EXPECT_EQUAL("another address", taken(&peer, &answer), 0);
    EXPECT_EQUAL("a cookie of its own", answer.cookie_length, 8);
    EXPECT("another one", memcmp(answer.cookie, good.cookie, 8) != 0);
    peer.tuple.remote = client_address;
    for (unsigned bit = 0; bit < 64; bit++) {
        peer.tuple.remote_port++;
        peer.syn = good;
        peer.syn.cookie[bit / 8] ^= (uint8_t)(1u << bit % 8);
        EXPECT_EQUAL("another bit", taken(&peer, &answer), 0);
        EXPECT_BYTES("the right one comes back", answer.cookie, good.cookie, 8);
    }
    for (uint8_t length = 4; length <= 16; length += 2) {
        peer.tuple.remote_port++;
        peer.syn = good;
        peer.syn.cookie_length = length;
        EXPECT_EQUAL("another length", taken(&peer, &answer), length == 8 ? 4 : 0);
    }
    EXPECT_EQUAL("one in all", rig_hits(peer.rig, TCP_RULE_FAST_OPEN_ACCEPTED) > 0, true);
    rig_stop(peer.rig);
}

/* 7413-9: beyond the limit a SYN is a plain one. An attempt that ends well makes room at once, one
 * that is reset after a while only (7413-10). */
static void limit_of_attempts(void **state)
{
    (void)state;
    struct peer peer = peer_start(2, 9);
    struct rig_segment answer;
    peer_gets_cookie(&peer);
    EXPECT_EQUAL("the first", taken(&peer, &answer), 4);
    const struct tcp_tuple first = peer.tuple;
    const struct rig_segment third = {
        .flags = DUET_ACK, .seq = peer.syn.seq + 5, .ack = answer.seq + 1, .window = 65535};
    peer.tuple.remote_port++;
    EXPECT_EQUAL("the second", taken(&peer, &answer), 4);
    const struct tcp_tuple second = peer.tuple;
    peer.tuple.remote_port++;
    EXPECT_EQUAL("too many", taken(&peer, &answer), 0);
    EXPECT("no other cookie", !answer.fast_open);
    EXPECT_EQUAL("by the limit", rig_hits(peer.rig, TCP_RULE_FAST_OPEN_LIMIT), 1);

    rig_input(peer.rig, &first, &third); /* the handshake ends */
    peer.tuple.remote_port++;
    EXPECT_EQUAL("room again", taken(&peer, &answer), 4);

    const struct rig_segment rst = {.flags = DUET_RST, .seq = peer.syn.seq + 5};
    rig_input(peer.rig, &second, &rst);
    EXPECT_EQUAL("gone", rig_hits(peer.rig, TCP_RULE_RST_EXACT), 1);
    peer.tuple.remote_port++;
    EXPECT_EQUAL("its place still counts", taken(&peer, &answer), 0);
    rig_pass(peer.rig, peer.rig->now + 2 * peer.rig->config.syn_timeout);
    rig_drain(peer.rig);
    peer.tuple.remote_port++;
    EXPECT_EQUAL("no longer", taken(&peer, &answer), 4);
    rig_stop(peer.rig);
}

/* 7413-11: as much as the initial window before the handshake ends, and the rest after it. */
static void early_answer_stays_inside_the_initial_window(void **state)
{
    (void)state;
    struct peer peer = peer_start(1, 9);
    struct rig_segment answer;
    struct duet_handle handle;
    static const uint8_t text[40000];
    peer_gets_cookie(&peer);
    EXPECT_EQUAL("taken", taken(&peer, &answer), 4);
    const uint32_t iss = answer.seq;
    assert_int_equal(duet_accept(peer.rig->stack, 0, peer.listener, &handle, NULL), DUET_OK);
    assert_int_equal(duet_send(peer.rig->stack, 0, handle, text, sizeof text, 0), sizeof text);
    uint32_t sent = 0;
    while (rig_output(peer.rig, NULL, &answer))
        sent += answer.length;
    EXPECT("something", sent >= 9 * 1460);
    EXPECT("not more", sent <= 10 * 1460);
    const struct rig_segment third = {
        .flags = DUET_ACK, .seq = peer.syn.seq + 5, .ack = iss + 1 + sent, .window = 65535};
    rig_input(peer.rig, &peer.tuple, &third);
    EXPECT_EQUAL("open", state_of(peer.rig, handle), DUET_ESTABLISHED);
    assert_true(rig_output(peer.rig, NULL, &answer));
    EXPECT_EQUAL("goes on", answer.seq, iss + 1 + sent);
    rig_stop(peer.rig);
}

/* The third segment acknowledges the SYN,ACK alone: what was answered early is still in flight, has
 * a timer, and is not sent twice before that runs out. */
static void early_answer_is_retransmitted_like_any_text(void **state)
{
    (void)state;
    struct peer peer = peer_start(1, 9);
    struct rig_segment answer;
    struct duet_handle handle;
    peer_gets_cookie(&peer);
    EXPECT_EQUAL("taken", taken(&peer, &answer), 4);
    const uint32_t iss = answer.seq;
    assert_int_equal(duet_accept(peer.rig->stack, 0, peer.listener, &handle, NULL), DUET_OK);
    assert_int_equal(duet_send(peer.rig->stack, 0, handle, "answer", 6, 0), 6);
    assert_true(rig_output(peer.rig, NULL, &answer));
    EXPECT_EQUAL("early", answer.seq, iss + 1);
    rig_pass(peer.rig, 100 * DUET_MILLISECOND);
    const struct rig_segment third = {
        .flags = DUET_ACK, .seq = peer.syn.seq + 5, .ack = iss + 1, .window = 65535};
    rig_input(peer.rig, &peer.tuple, &third);
    EXPECT_EQUAL("open", state_of(peer.rig, handle), DUET_ESTABLISHED);
    rig_silence("nothing is lost", peer.rig);
    rig_pass(peer.rig, 2 * DUET_SECOND);
    assert_true(rig_output(peer.rig, NULL, &answer));
    EXPECT_EQUAL("again", answer.seq, iss + 1);
    EXPECT_EQUAL("all of it", answer.length, 6);
    rig_stop(peer.rig);
}

/* I-40, F3: whoever has not shown a cookie gets a SYN,ACK and nothing else, whatever it sends. */
static void stranger_gets_no_text(void **state)
{
    (void)state;
    struct peer peer = peer_start(1, 9);
    struct rig_segment answer;
    peer.syn.text = (const uint8_t *)"text";
    peer.syn.length = 4;
    peer.syn.cookie_length = 8;
    EXPECT_EQUAL("not taken", taken(&peer, &answer), 0);
    struct duet_handle handle;
    EXPECT_EQUAL("nobody to accept", duet_accept(peer.rig->stack, 0, peer.listener, &handle, NULL),
                 DUET_E_AGAIN);
    struct rig_segment push = peer.syn;
    push.flags = DUET_PSH;
    push.seq++;
    rig_input(peer.rig, &peer.tuple, &push);
    push.flags = DUET_PSH | DUET_ACK;
    push.ack = answer.seq + 77;
    rig_input(peer.rig, &peer.tuple, &push);
    while (rig_output(peer.rig, NULL, &answer))
        EXPECT_EQUAL("no text", answer.length, 0);
    rig_stop(peer.rig);
}

/* 7413-12: a SYN that arrives twice is one connection while that lives, and another when it is
 * gone: what applications must be able to stand. */
static void duplicate_syn(void **state)
{
    (void)state;
    struct peer peer = peer_start(9, 9);
    struct rig_segment answer;
    struct duet_handle handle;
    char bytes[16];
    peer_gets_cookie(&peer);
    EXPECT_EQUAL("taken", taken(&peer, &answer), 4);
    const uint32_t iss = answer.seq;
    EXPECT_EQUAL("the same again", taken(&peer, &answer), 4);
    EXPECT_EQUAL("the same SYN,ACK", answer.seq, iss);
    assert_int_equal(duet_accept(peer.rig->stack, 0, peer.listener, &handle, NULL), DUET_OK);
    EXPECT_EQUAL("once", duet_receive(peer.rig->stack, 0, handle, bytes, sizeof bytes), 4);
    EXPECT_EQUAL("no second one", duet_accept(peer.rig->stack, 0, peer.listener, &handle, NULL),
                 DUET_E_AGAIN);
    const struct rig_segment rst = {.flags = DUET_RST, .seq = peer.syn.seq + 5};
    rig_input(peer.rig, &peer.tuple, &rst);
    EXPECT_EQUAL("after the end", taken(&peer, &answer), 4);
    assert_int_equal(duet_accept(peer.rig->stack, 0, peer.listener, &handle, NULL), DUET_OK);
    EXPECT_EQUAL("twice", duet_receive(peer.rig->stack, 0, handle, bytes, sizeof bytes), 4);
    rig_stop(peer.rig);
}

/* An attempt that is reset before anybody accepts it leaves the queue, and its memory. */
static void reset_before_accept(void **state)
{
    (void)state;
    struct peer peer = peer_start(9, 1);
    struct rig_segment answer;
    struct duet_handle handle;
    peer_gets_cookie(&peer);
    EXPECT_EQUAL("taken", taken(&peer, &answer), 4);
    struct duet_counters counters;
    duet_counters(peer.rig->stack, &counters);
    EXPECT("holds a page", counters.pages_used > 0);
    const struct rig_segment rst = {.flags = DUET_RST, .seq = peer.syn.seq + 5};
    rig_input(peer.rig, &peer.tuple, &rst);
    EXPECT_EQUAL("nobody", duet_accept(peer.rig->stack, 0, peer.listener, &handle, NULL),
                 DUET_E_AGAIN);
    duet_counters(peer.rig->stack, &counters);
    EXPECT_EQUAL("no page", counters.pages_used, 0);
    EXPECT_EQUAL("no connection", counters.connections, 0);
    rig_stop(peer.rig);
}

/* Pools that are empty make a plain SYN of it. */
static void no_records_left(void **state)
{
    (void)state;
    struct peer peer = peer_start(99, 99);
    struct rig_segment answer;
    peer_gets_cookie(&peer);
    for (unsigned i = 0; i < 16; i++, peer.tuple.remote_port++)
        EXPECT_EQUAL("taken", taken(&peer, &answer), 4);
    EXPECT_EQUAL("no room", taken(&peer, &answer), 0);
    EXPECT_EQUAL("by rule", rig_hits(peer.rig, TCP_RULE_FAST_OPEN_NO_ROOM), 1);
    rig_stop(peer.rig);
}

/* The listener closes, and another one takes its record, while an accepted attempt lives on: its
 * place is nobody's, and nobody miscounts. */
static void attempt_outlives_its_listener(void **state)
{
    (void)state;
    struct peer peer = peer_start(1, 9);
    struct rig_segment answer;
    struct duet_handle handle;
    peer_gets_cookie(&peer);
    EXPECT_EQUAL("taken", taken(&peer, &answer), 4);
    assert_int_equal(duet_accept(peer.rig->stack, 0, peer.listener, &handle, NULL), DUET_OK);
    assert_int_equal(duet_close(peer.rig->stack, 0, peer.listener), DUET_OK);
    peer.listener = listen_fast(peer.rig, 1, 9);
    peer.tuple.remote_port++;
    EXPECT_EQUAL("a place of its own", taken(&peer, &answer), 4);
    assert_int_equal(duet_abort(peer.rig->stack, 0, handle), DUET_OK);
    EXPECT("sound", duet_check(peer.rig->stack) == NULL);
    peer.tuple.remote_port++;
    rig_drain(peer.rig);
    EXPECT_EQUAL("none more", taken(&peer, &answer), 0);
    rig_stop(peer.rig);
}

/* The same, and nobody takes its record. */
static void attempt_outlives_its_listener_alone(void **state)
{
    (void)state;
    struct peer peer = peer_start(1, 9);
    struct rig_segment answer;
    struct duet_handle handle;
    peer_gets_cookie(&peer);
    EXPECT_EQUAL("taken", taken(&peer, &answer), 4);
    assert_int_equal(duet_accept(peer.rig->stack, 0, peer.listener, &handle, NULL), DUET_OK);
    assert_int_equal(duet_close(peer.rig->stack, 0, peer.listener), DUET_OK);
    const struct rig_segment third = {
        .flags = DUET_ACK, .seq = peer.syn.seq + 5, .ack = answer.seq + 1, .window = 65535};
    rig_input(peer.rig, &peer.tuple, &third);
    EXPECT_EQUAL("open", state_of(peer.rig, handle), DUET_ESTABLISHED);
    EXPECT("sound", duet_check(peer.rig->stack) == NULL);
    rig_stop(peer.rig);
}

/* 7413, 2: urgent text is left to the plain way. */
static void syn_with_urgent_text(void **state)
{
    (void)state;
    struct peer peer = peer_start(9, 9);
    struct rig_segment answer;
    peer_gets_cookie(&peer);
    peer.syn.flags |= DUET_URG;
    peer.syn.urgent = 2;
    EXPECT_EQUAL("not taken", taken(&peer, &answer), 0);
    EXPECT_EQUAL("no attempt", rig_hits(peer.rig, TCP_RULE_FAST_OPEN_ACCEPTED), 0);
    rig_stop(peer.rig);
}

/* Only the same SYN is a repeat, which has the SYN,ACK sent again. */
static void what_is_no_repeat_of_the_syn(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t flags;
        uint32_t offset;
        unsigned repeats, resets;
    } rows[] = {
        {"the SYN", DUET_SYN, 0, 1, 0},
        {"with an ACK", DUET_SYN | DUET_ACK, 0, 0, 0},
        {"with a RST", DUET_SYN | DUET_RST, 0, 0, 0},
        {"another number", DUET_SYN, 0x10000000, 0, 0},
        {"text", 0, 0, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct peer peer = peer_start(9, 9);
        struct rig_segment answer;
        peer_gets_cookie(&peer);
        EXPECT_EQUAL(rows[i].name, taken(&peer, &answer), 4);
        struct rig_segment again = peer.syn;
        again.flags = rows[i].flags;
        again.seq += rows[i].offset;
        again.ack = answer.seq + 1;
        rig_input(peer.rig, &peer.tuple, &again);
        EXPECT_EQUAL(rows[i].name, rig_hits(peer.rig, TCP_RULE_SYN_REPEATED), rows[i].repeats);
        struct duet_counters counters;
        duet_counters(peer.rig->stack, &counters);
        EXPECT_EQUAL(rows[i].name, counters.connections, 1 - rows[i].resets);
        rig_stop(peer.rig);
    }
}

/* ---- the client alone ---- */

/* A SYN,ACK with an option but no cookie in it tells nothing to keep: the next SYN asks again. */
static void empty_option_on_the_syn_ack(void **state)
{
    (void)state;
    struct pair pair = pair_start(1);
    struct rig_segment syn;
    struct tcp_tuple tuple;
    open_fast(&pair, "text");
    assert_true(rig_output(pair.client, &tuple, &syn));
    const struct rig_segment answer = {.flags = DUET_SYN | DUET_ACK,
                                       .seq = 77,
                                       .ack = syn.seq + 1,
                                       .window = 65535,
                                       .mss = 1460,
                                       .fast_open = true};
    rig_input(pair.client, &tuple, &answer);
    EXPECT_EQUAL("open", state_of(pair.client, pair.opened), DUET_ESTABLISHED);
    EXPECT_EQUAL("no cookie", rig_hits(pair.client, TCP_RULE_FAST_OPEN_COOKIE), 0);
    rig_drain(pair.client);
    open_fast(&pair, "text");
    assert_true(rig_output(pair.client, NULL, &syn));
    EXPECT("asks again", syn.fast_open && syn.cookie_length == 0);
    EXPECT_EQUAL("without text", syn.length, 0);
    pair_end(&pair);
}

/* Simultaneous open: our SYN carries text, the peer's is a bare SYN. The text goes again unless the
 * peer acknowledges it. */
static void simultaneous_open_with_text(void **state)
{
    (void)state;
    for (unsigned acknowledges = 0; acknowledges < 2; acknowledges++) {
        struct pair pair = attempt("text");
        struct rig_segment syn, segment;
        struct tcp_tuple tuple;
        assert_true(rig_output(pair.client, &tuple, &syn));
        EXPECT_EQUAL("with text", syn.length, 4);
        const struct rig_segment other = {
            .flags = DUET_SYN, .seq = 0xffffffff, .window = 1000, .mss = 1460};
        rig_input(pair.client, &tuple, &other);
        assert_true(rig_output(pair.client, NULL, &segment));
        EXPECT_EQUAL("SYN,ACK", segment.flags, DUET_SYN | DUET_ACK);
        EXPECT_EQUAL("no text", segment.length, 0);
        const uint32_t ack = syn.seq + 1 + (acknowledges != 0 ? 4 : 0);
        const struct rig_segment third = {.flags = DUET_ACK, .seq = 0, .ack = ack, .window = 1000};
        rig_input(pair.client, &tuple, &third);
        EXPECT_EQUAL("open", state_of(pair.client, pair.opened), DUET_ESTABLISHED);
        if (acknowledges == 0) {
            assert_true(rig_output(pair.client, NULL, &segment));
            EXPECT_EQUAL("again", segment.length, 4);
            EXPECT_EQUAL("the text", segment.seq, syn.seq + 1);
        }
        rig_silence("no more", pair.client);
        pair_end(&pair);
    }
}

/* A server that takes neither text nor cookie is opened the plain way for a while (7413-5). The
 * text that a long queue had no room for on the SYN follows. */
static void server_that_takes_nothing(void **state)
{
    (void)state;
    struct pair pair = pair_start(1);
    struct rig_segment syn, segment;
    struct tcp_tuple tuple;
    get_cookie(&pair);
    static char text[3001];
    memset(text, 'x', sizeof text - 1);
    open_fast(&pair, text);
    assert_true(rig_output(pair.client, &tuple, &syn));
    EXPECT_EQUAL("as much as fits", syn.length, 1420);
    EXPECT_EQUAL("more follows", syn.flags, DUET_SYN);
    const struct rig_segment answer = {
        .flags = DUET_SYN | DUET_ACK, .seq = 77, .ack = syn.seq + 1, .window = 65535, .mss = 1460};
    rig_input(pair.client, &tuple, &answer);
    uint32_t next = syn.seq + 1;
    while (rig_output(pair.client, NULL, &segment)) {
        EXPECT_EQUAL("in order", segment.seq, next);
        next += segment.length;
    }
    EXPECT_EQUAL("all of it", next, syn.seq + 1 + 3000);
    open_fast(&pair, "next");
    assert_true(rig_output(pair.client, &tuple, &segment));
    EXPECT("plain", !segment.fast_open && segment.length == 0);
    pair_end(&pair);
}

/* A RST that answers the SYN and its text refuses, whichever of them it acknowledges. */
static void reset_of_a_syn_with_text(void **state)
{
    (void)state;
    for (uint32_t bytes = 0; bytes <= 4; bytes += 4) {
        struct pair pair = attempt("text");
        struct rig_segment syn;
        struct tcp_tuple tuple;
        assert_true(rig_output(pair.client, &tuple, &syn));
        const struct rig_segment rst = {.flags = DUET_RST | DUET_ACK, .ack = syn.seq + 1 + bytes};
        rig_input(pair.client, &tuple, &rst);
        EXPECT_EQUAL("refused", state_of(pair.client, pair.opened), DUET_CLOSED);
        EXPECT_EQUAL("by rule", rig_hits(pair.client, TCP_RULE_SYN_SENT_REFUSED), 1);
        pair_end(&pair);
    }
}

int main(void)
{
    server_address = duet_ipv4(10, 0, 0, 1);
    client_address = duet_ipv4(10, 0, 0, 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_connect_carries_text_and_is_answered_before_the_handshake_ends),
        cmocka_unit_test(syn_with_text_asks_for_accurate_ecn),
        cmocka_unit_test(listener_that_did_not_ask),
        cmocka_unit_test(syn_that_is_swallowed_is_followed_by_plain_ones),
        cmocka_unit_test(lost_syn_ack),
        cmocka_unit_test(secret_rotates),
        cmocka_unit_test(cookie_of_another_address_or_with_another_bit),
        cmocka_unit_test(limit_of_attempts),
        cmocka_unit_test(early_answer_stays_inside_the_initial_window),
        cmocka_unit_test(early_answer_is_retransmitted_like_any_text),
        cmocka_unit_test(stranger_gets_no_text),
        cmocka_unit_test(duplicate_syn),
        cmocka_unit_test(reset_before_accept),
        cmocka_unit_test(no_records_left),
        cmocka_unit_test(attempt_outlives_its_listener),
        cmocka_unit_test(attempt_outlives_its_listener_alone),
        cmocka_unit_test(syn_with_urgent_text),
        cmocka_unit_test(what_is_no_repeat_of_the_syn),
        cmocka_unit_test(empty_option_on_the_syn_ack),
        cmocka_unit_test(simultaneous_open_with_text),
        cmocka_unit_test(server_that_takes_nothing),
        cmocka_unit_test(reset_of_a_syn_with_text),
    };
    return cmocka_run_group_tests_name("fast open", tests, NULL, NULL);
}
