/* SPDX-License-Identifier: MIT */
/* The users of the two ends. What they write is told by its place in the stream, so whoever reads a
 * byte knows whether it is the right one (I-14). */
#include "hash.h"
#include "model.h"

enum { PORT = 80 };

/* Neighbouring bytes differ, and so do those of different connections. */
static uint8_t stream_byte(unsigned end, uint32_t connection, uint32_t offset)
{
    return (uint8_t)(0x10 + 0x80 * end + 0x35 * connection + 7 * offset);
}

static struct duet_socket_address address_of(const struct machine *m, unsigned end)
{
    return (struct duet_socket_address){m->config[end].interfaces[0].address, PORT};
}

/* ---- what he does at once ---- */

/* Which connection of this end and which of the peer's are one, as their ISNs tell. */
static void find_pair(struct machine *m, unsigned end)
{
    struct model_user *user = &m->model.users[end];
    struct duet_status status;

    user->mine = user->own;
    user->peers = m->model.users[1 - end].own;
    if (duet_status(m->stacks[end], user->handle, &status) != DUET_OK)
        return;
    while (user->mine > 0 && m->model.iss[end][user->mine] != status.iss)
        user->mine--;
    if (user->mine == 0) /* Fast Open: accepted before its SYN,ACK has left */
        user->mine = user->own + 1;
    while (user->peers > 0 && m->model.iss[1 - end][user->peers] != status.irs)
        user->peers--;
}

static void set_options(struct machine *m, unsigned end)
{
    if (m->bounds->keepalive)
        duet_set(m->stacks[end], m->model.now, m->model.users[end].handle, DUET_OPTION_KEEPALIVE,
                 1);
}

/* True: he has another connection, of which he is told next. */
static bool accept_one(struct machine *m, unsigned end)
{
    struct model_user *user = &m->model.users[end];

    if (!user->listens || user->holds ||
        duet_accept(m->stacks[end], m->model.now, user->listener, &user->handle, NULL) != DUET_OK)
        return false;
    user->holds = true;
    user->shut = user->closed = user->ended = user->at_end = false;
    user->sends = m->bounds->ends[end].sends;
    user->sent = user->received = 0;
    user->error = 0;
    user->readable = true;
    find_pair(m, end);
    set_options(m, end);
    return true;
}

static void read_all(struct machine *m, unsigned end)
{
    struct model_user *user = &m->model.users[end];
    uint8_t bytes[256];
    int64_t count;

    if (!user->holds || user->closed || !user->readable)
        return;
    while ((count = duet_receive(m->stacks[end], m->model.now, user->handle, bytes, sizeof bytes)) >
           0)
        for (int64_t i = 0; i < count; i++, user->received++)
            if (bytes[i] != stream_byte(1 - end, user->peers, user->received))
                machine_fail(m, "I-14: byte %u that was read is not the one that was written",
                             user->received);
    user->readable = false;
    if (count == DUET_E_CLOSING)
        user->at_end = true;
}

static void take_event(struct machine *m, unsigned end, const struct duet_event *event)
{
    struct model_user *user = &m->model.users[end];

    if (!user->holds || event->handle.index != user->handle.index ||
        event->handle.generation != user->handle.generation)
        return;
    if ((event->bits & DUET_EVENT_CONNECTED) != 0)
        find_pair(m, end);
    if ((event->bits & (DUET_EVENT_READABLE | DUET_EVENT_PEER_CLOSED)) != 0)
        user->readable = true;
    if ((event->bits & DUET_EVENT_CLOSED) == 0)
        return;
    user->ended = true;
    user->error = event->outcome.error;
    oracle_ended(m, end, &event->outcome);
    if (user->closed)
        user->holds = false;
    else
        user->readable = true; /* what is buffered, then the error */
}

/* Until he has been told everything. */
void user_settle(struct machine *m, unsigned end)
{
    bool reads_at_once = (m->bounds->ends[end].calls & DUET_EXPLORE_READ) == 0;
    struct duet_event event;
    bool leaks = m->sabotage == DUET_EXPLORE_LEAK && end == 1 && m->model.users[end].closed;

    do
        while (!leaks && duet_next_event(m->stacks[end], &event))
            take_event(m, end, &event);
    while (accept_one(m, end));
    if (reads_at_once)
        read_all(m, end);
    machine_trace(m, end);
}

/* ---- what he may do ---- */

static bool is_allowed(const struct machine *m, unsigned end, enum duet_explore_call call)
{
    return (m->bounds->ends[end].calls & (unsigned)call) != 0;
}

bool user_may(const struct machine *m, unsigned end, enum action_kind kind)
{
    const struct model_user *user = &m->model.users[end];
    bool is_open = user->holds && !user->closed;

    switch (kind) {
    case ACTION_LISTEN:
        return is_allowed(m, end, DUET_EXPLORE_LISTEN) && !user->listens && user->opens > 0;
    case ACTION_CONNECT:
        return is_allowed(m, end, DUET_EXPLORE_CONNECT) && !user->holds && !user->listens &&
               user->opens > 0;
    case ACTION_SEND:
        return is_allowed(m, end, DUET_EXPLORE_SEND) && is_open && !user->shut && !user->ended &&
               user->sends > 0;
    case ACTION_READ:
        return is_allowed(m, end, DUET_EXPLORE_READ) && is_open && user->readable;
    case ACTION_SHUTDOWN:
        return is_allowed(m, end, DUET_EXPLORE_SHUTDOWN) && is_open && !user->shut && !user->ended;
    case ACTION_CLOSE:
        return is_allowed(m, end, DUET_EXPLORE_CLOSE) && is_open;
    case ACTION_ABORT:
        return is_allowed(m, end, DUET_EXPLORE_ABORT) && is_open;
    case ACTION_UNLISTEN:
        return is_allowed(m, end, DUET_EXPLORE_UNLISTEN) && user->listens;
    case ACTION_DELIVER:
    case ACTION_DUPLICATE:
    case ACTION_MARK:
    case ACTION_DROP:
    case ACTION_TIMER:
        break;
    }
    return false;
}

/* ---- what he does ---- */

static void listen_once(struct machine *m, unsigned end)
{
    struct model_user *user = &m->model.users[end];
    const struct duet_listen_options options = {
        .local = address_of(m, end), .backlog = 1, .fast_open = m->bounds->fast_open};

    user->opens--;
    if (duet_listen(m->stacks[end], m->model.now, &options, &user->listener) == DUET_OK)
        user->listens = true;
}

static void connect_once(struct machine *m, unsigned end)
{
    struct model_user *user = &m->model.users[end];
    const struct duet_connect_options options = {
        .local = address_of(m, end),
        .remote = address_of(m, 1 - end),
        .flags = m->bounds->fast_open ? DUET_CONNECT_FAST_OPEN : 0};

    user->opens--;
    if (duet_connect(m->stacks[end], m->model.now, &options, &user->handle) != DUET_OK)
        return;
    duet_set(m->stacks[end], m->model.now, user->handle, DUET_OPTION_NODELAY, 1);
    set_options(m, end);
    user->holds = true;
    user->shut = user->closed = user->ended = user->at_end = user->readable = false;
    user->sends = m->bounds->ends[end].sends;
    user->sent = user->received = 0;
    user->error = 0;
    user->mine = ++user->own;
    m->model.iss[end][user->own] = 0;
    user->peers = 0;
}

static void send_some(struct machine *m, unsigned end)
{
    struct model_user *user = &m->model.users[end];
    uint8_t bytes[DUET_EXPLORE_SIZE_MAX];
    int64_t taken;

    for (uint32_t i = 0; i < m->bounds->send_size; i++)
        bytes[i] = stream_byte(end, user->mine, user->sent + i);
    user->sends--;
    taken = duet_send(m->stacks[end], m->model.now, user->handle, bytes, m->bounds->send_size, 0);
    if (taken > 0)
        user->sent += (uint32_t)taken;
}

/* He lets go of the handle. What he had not read is lost to him. */
static void let_go(struct machine *m, unsigned end, bool abort)
{
    struct model_user *user = &m->model.users[end];

    if (abort)
        duet_abort(m->stacks[end], m->model.now, user->handle);
    else
        duet_close(m->stacks[end], m->model.now, user->handle);
    user->closed = true;
    user->shut |= !abort;
    if (user->ended)
        user->holds = false;
}

void user_act(struct machine *m, unsigned end, enum action_kind kind)
{
    struct model_user *user = &m->model.users[end];

    switch (kind) {
    case ACTION_LISTEN:
        listen_once(m, end);
        break;
    case ACTION_CONNECT:
        connect_once(m, end);
        if (m->bounds->fast_open && user->sends > 0)
            send_some(m, end);
        break;
    case ACTION_SEND:
        send_some(m, end);
        break;
    case ACTION_READ:
        read_all(m, end);
        break;
    case ACTION_SHUTDOWN:
        duet_shutdown(m->stacks[end], m->model.now, user->handle);
        user->shut = true;
        break;
    case ACTION_CLOSE:
        let_go(m, end, false);
        break;
    case ACTION_ABORT:
        let_go(m, end, true);
        break;
    case ACTION_UNLISTEN:
        duet_close(m->stacks[end], m->model.now, user->listener);
        user->listens = false;
        break;
    case ACTION_DELIVER:
    case ACTION_DUPLICATE:
    case ACTION_MARK:
    case ACTION_DROP:
    case ACTION_TIMER:
        break;
    }
    machine_trace(m, end);
}

uint64_t user_hash(const struct model_user *u)
{
    uint64_t flags = (uint64_t)u->listens | (uint64_t)u->holds << 1 | (uint64_t)u->shut << 2 |
                     (uint64_t)u->closed << 3 | (uint64_t)u->ended << 4 | (uint64_t)u->at_end << 5 |
                     (uint64_t)u->readable << 6 | (uint64_t)u->blocked << 7;
    uint64_t sum = hash_add(flags, (uint64_t)u->opens << 32 | u->sends);

    /* Of the ways in which a connection may end only whether it ended well is looked at later. */
    sum = hash_add(sum, (uint64_t)u->sent << 32 | u->received);
    return hash_add(sum, (uint64_t)u->own << 32 | u->mine << 16 | u->peers << 1 | (u->error != 0));
}
