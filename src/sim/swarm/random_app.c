/* SPDX-License-Identifier: MIT */
/* An application that calls any function of the API at any time, with arguments that make sense or
 * do not, and knows what must not come back. It moves bytes of its stream like the others, so what
 * it does to them is judged like theirs. */
#include "base/check.h"
#include "sim/swarm/app.h"
#include "sim/swarm/stream.h"

enum { CALLS_MOST = 4, PIECE_MOST = 8192, PATIENCE_MS = 600000 };

struct caller {
    struct swarm *w;
    struct endpoint *e;
    struct duet_stack *stack;
    duet_time now;
};

static void expect(const struct caller *c, bool holds, const char *what)
{
    if (!holds)
        swarm_fail(c->w, c->e->session, "API: %s", what);
}

/* An error that a call on a live connection may return. */
static bool is_lawful(int64_t code)
{
    return code >= 0 || code == DUET_E_AGAIN || code == DUET_E_CLOSING || code == DUET_E_RESET ||
           code == DUET_E_REFUSED || code == DUET_E_TIMEOUT || code == DUET_E_UNREACHABLE ||
           code == DUET_E_RES;
}

static void receive_some(struct caller *c)
{
    size_t most = (size_t)prng_below(&c->e->prng, PIECE_MOST);
    int64_t got = duet_receive(c->stack, c->now, c->e->handle, c->w->scratch, most);

    swarm_hash(c->w, (uint64_t)got);
    expect(c, is_lawful(got) && got <= (int64_t)most, "duet_receive returns what it must not");
    if (got > 0)
        app_take(c->w, c->e, c->w->scratch, (size_t)got);
    /* After we have gone, it would be our own doing. */
    if (got == DUET_E_CLOSING && !c->e->has_closed && !c->e->has_aborted)
        c->e->has_seen_end = true;
}

static void peek_some(struct caller *c)
{
    const void *data;
    size_t size = 0, part;
    int code = duet_receive_peek(c->stack, c->e->handle, &data, &size);

    swarm_hash(c->w, (uint64_t)size << 32 ^ (uint64_t)(int64_t)code);
    expect(c, is_lawful(code), "duet_receive_peek returns what it must not");
    if (code != DUET_OK)
        return;
    expect(c, size > 0, "duet_receive_peek shows nothing and says that all is well");
    part = (size_t)prng_below(&c->e->prng, size + 1);
    app_take(c->w, c->e, data, part);
    code = duet_receive_consume(c->stack, c->now, c->e->handle, part);
    expect(c, code == DUET_OK, "duet_receive_consume does not take what was shown");
}

static void send_some(struct caller *c)
{
    static const unsigned flags[] = {0, 0, DUET_SEND_MORE, DUET_SEND_URGENT};
    struct endpoint *e = c->e;
    size_t size = (size_t)prng_below(&e->prng, PIECE_MOST);
    unsigned flag = flags[prng_below(&e->prng, 4)];
    int64_t sent;

    stream_write(c->w->sessions[e->session].keys[e->side], e->sent, c->w->scratch, size);
    sent = duet_send(c->stack, c->now, e->handle, c->w->scratch, size, flag);
    swarm_hash(c->w, (uint64_t)sent);
    expect(c, is_lawful(sent) && sent <= (int64_t)size, "duet_send returns what it must not");
    expect(c, sent < 0 || !e->has_shut || size == 0, "duet_send takes bytes after the shutdown");
    if (sent > 0)
        e->sent += (uint64_t)sent;
}

static void reserve_some(struct caller *c)
{
    struct endpoint *e = c->e;
    size_t size = 0, part;
    void *data;
    int code = duet_send_reserve(c->stack, e->handle, &data, &size);

    swarm_hash(c->w, (uint64_t)size << 32 ^ (uint64_t)(int64_t)code);
    expect(c, is_lawful(code), "duet_send_reserve returns what it must not");
    if (code != DUET_OK)
        return;
    part = (size_t)prng_below(&e->prng, size + 1);
    stream_write(c->w->sessions[e->session].keys[e->side], e->sent, data, part);
    code = duet_send_commit(c->stack, c->now, e->handle, part, 0);
    expect(c, is_lawful(code), "duet_send_commit returns what it must not");
    if (code == DUET_OK)
        e->sent += part;
}

static void set_something(struct caller *c)
{
    unsigned option = (unsigned)prng_below(&c->e->prng, DUET_OPTION_ECN + 2);
    uint32_t value = (uint32_t)luck_scale(&c->e->prng, 1, UINT32_MAX) - 1;
    int code;

    /* Who waits for ever may be left to. */
    if (option == DUET_OPTION_USER_TIMEOUT)
        value = value % PATIENCE_MS + 1;
    code = duet_set(c->stack, c->now, c->e->handle, (enum duet_option)option, value);
    swarm_hash(c->w, (uint64_t)(int64_t)code);
    expect(c, is_lawful(code) || code == DUET_E_ARG || code == DUET_E_PERM,
           "duet_set returns what it must not");
    expect(c, option <= DUET_OPTION_ECN || code < 0, "duet_set takes an option that there is not");
}

/* Nobody holds this handle, and that is no listener. */
static void misuse(struct caller *c)
{
    struct duet_handle stale = {c->e->handle.index, c->e->handle.generation + 1};
    struct duet_handle handle;
    struct duet_status status;
    const struct duet_listen_options taken = {.local = {.port = SWARM_PORT}, .backlog = 1};

    expect(c, duet_receive(c->stack, c->now, stale, c->w->scratch, 1) == DUET_E_NOCONN,
           "a stale handle receives");
    expect(c, duet_close(c->stack, c->now, stale) == DUET_E_NOCONN, "a stale handle closes");
    expect(c, duet_status(c->stack, stale, &status) == DUET_E_NOCONN,
           "a stale handle has a status");
    expect(c, duet_accept(c->stack, c->now, c->e->handle, &handle, NULL) < 0,
           "a connection accepts connections");
    expect(c, duet_listen(c->stack, c->now, &taken, &handle) < 0, "two listen on one port");
}

static void look_around(struct caller *c)
{
    struct duet_status status;
    struct duet_handle handle;
    uint64_t cursor = 0;

    expect(c, duet_status(c->stack, c->e->handle, &status) == DUET_OK,
           "a live connection has no status");
    expect(c, status.state < DUET_STATES, "a connection is in no state");
    for (unsigned i = 0; i < 8 && duet_next_status(c->stack, &cursor, &handle, &status); i++)
        expect(c, status.state < DUET_STATES, "a listed connection is in no state");
}

static void shut_down(struct caller *c)
{
    int code = duet_shutdown(c->stack, c->now, c->e->handle);

    swarm_hash(c->w, (uint64_t)(int64_t)code);
    expect(c, is_lawful(code) || code == DUET_E_NOCONN, "duet_shutdown returns what it must not");
    expect(c, code != DUET_OK || !c->e->has_shut, "a second duet_shutdown is a success");
    c->e->has_shut = true;
}

static void go_away(struct caller *c)
{
    if (luck_one_in(&c->e->prng, 2))
        app_abort(c->w, c->e);
    else
        app_close(c->w, c->e);
    receive_some(c); /* whatever it says, nothing comes of it */
}

static void call(struct caller *c)
{
    static void (*const often[])(struct caller *) = {
        receive_some, receive_some, peek_some,     send_some,   send_some,
        send_some,    reserve_some, set_something, look_around, misuse,
    };

    swarm_event(c->w);
    if (luck_one_in(&c->e->prng, 64))
        shut_down(c);
    else if (luck_one_in(&c->e->prng, 64))
        go_away(c);
    else
        often[prng_below(&c->e->prng, sizeof often / sizeof often[0])](c);
}

void random_app_act(struct swarm *w, uint32_t id)
{
    struct endpoint *e = &w->endpoints[id];
    struct host *host = endpoint_host(w, e);
    struct caller caller = {w, e, host->stack, host_now(w, host)};
    unsigned calls = (unsigned)luck_between(&e->prng, 1, CALLS_MOST);

    for (unsigned i = 0; i < calls && !e->has_closed && !e->has_aborted; i++)
        call(&caller);
    if (e->wakes_at != DUET_NEVER)
        return;
    e->wakes_at = w->now + (duet_time)luck_scale(&e->prng, 1, 30000) * DUET_MILLISECOND;
    swarm_note(w, e->wakes_at, AGENDA_APP, id);
}
