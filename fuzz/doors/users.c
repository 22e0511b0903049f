/* SPDX-License-Identifier: MIT */
/* The users of the fuzzer of the doors: every call of the interface, at any time, in any state. */
#include "doors.h"

enum { BUFFER = 4096 };

static uint8_t buffer[BUFFER];

static bool is_live(const struct end *end, const struct slot *slot)
{
    struct duet_status status;
    return slot->handle.generation != 0 &&
           duet_status(end->stack, slot->handle, &status) == DUET_OK;
}

const struct slot *slot_of(const struct end *end, const struct duet_socket_address *local,
                           const struct duet_socket_address *remote)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct slot *slot = &end->slots[i];
        struct duet_status status;
        if (slot->is_listener || slot->handle.generation == 0)
            continue;
        if (slot->local.port != local->port || slot->remote.port != remote->port ||
            !duet_address_equal(&slot->remote.address, &remote->address))
            continue;
        if (duet_status(end->stack, slot->handle, &status) == DUET_OK &&
            status.state != DUET_CLOSED)
            return slot;
    }
    return NULL;
}

/* ---- opening ---- */

static struct slot *free_slot(struct end *end)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (!is_live(end, &end->slots[i]))
            return &end->slots[i];
    return NULL;
}

static void take_slot(const struct end *end, struct slot *slot, struct duet_handle handle,
                      bool is_listener)
{
    struct duet_status status;
    EXPECT(handle.generation != 0);
    EXPECT(duet_status(end->stack, handle, &status) == DUET_OK);
    *slot = (struct slot){
        .handle = handle,
        .is_listener = is_listener,
        .local = status.local,
        .remote = status.remote,
    };
}

static void listen(struct world *w, unsigned at)
{
    struct end *end = &w->ends[at];
    struct slot *slot = free_slot(end);
    const uint8_t how = take8(&w->input);
    struct duet_listen_options options = {
        .local = {.port = 80 + how % 2},
        .backlog = 1 + how / 2 % 3u,
        .fast_open = how / 8 % 3u,
    };
    struct duet_handle handle = {0};
    if (slot == NULL)
        return;
    if (how >= 128)
        options.remote = (struct duet_socket_address){w->ends[1 - at].address, 4000 + how % 4};
    if (duet_listen(end->stack, w->now, &options, &handle) == DUET_OK)
        take_slot(end, slot, handle, true);
}

static struct duet_socket_address some_remote(struct world *w, unsigned at, uint8_t how)
{
    struct duet_socket_address remote = {w->ends[1 - at].address, 80 + how % 2};
    if (how >= 240)
        remote.address.bytes[15] = how; /* a host that is not there, or the broadcast address */
    if (how / 2 % 8 == 7)
        remote.port = 4000; /* both ends may open to each other */
    return remote;
}

static void connect(struct world *w, unsigned at)
{
    struct end *end = &w->ends[at];
    struct slot *slot = free_slot(end);
    const uint8_t how = take8(&w->input), port = take8(&w->input);
    struct duet_connect_options options = {
        .remote = some_remote(w, at, how),
        .flags = (how & 16) != 0 ? DUET_CONNECT_FAST_OPEN : 0,
    };
    struct duet_handle handle = {0};
    if (slot == NULL)
        return;
    if (port >= 128)
        options.local.port = (uint16_t)(4000 + port % 2);
    if (duet_connect(end->stack, w->now, &options, &handle) == DUET_OK)
        take_slot(end, slot, handle, false);
}

static void connect_listener(struct world *w, unsigned at, struct slot *from)
{
    struct end *end = &w->ends[at];
    struct duet_handle handle = {0};
    const uint8_t how = take8(&w->input);
    const struct duet_socket_address remote = some_remote(w, at, how);
    if (duet_connect_listener(end->stack, w->now, from->handle, how % 4 == 3 ? NULL : &remote,
                              &handle) == DUET_OK) {
        EXPECT(!is_live(end, from));
        take_slot(end, from, handle, false);
    }
}

static bool accept(struct world *w, struct end *end, const struct slot *listener)
{
    struct slot *slot = free_slot(end);
    struct duet_handle handle = {0};
    struct duet_socket_address remote;
    if (slot == NULL ||
        duet_accept(end->stack, w->now, listener->handle, &handle, &remote) != DUET_OK)
        return false;
    take_slot(end, slot, handle, false);
    EXPECT(slot->remote.port == remote.port);
    return true;
}

/* ---- data ---- */

static void send(struct world *w, struct end *end, struct slot *slot)
{
    const uint8_t how = take8(&w->input);
    const size_t size = (size_t)how * 16 % BUFFER;
    stream_fill(stream_of(&slot->local, &slot->remote), slot->sent, buffer, size);
    const int64_t sent = duet_send(end->stack, w->now, slot->handle, buffer, size, how / 32 % 4u);
    EXPECT(sent <= (int64_t)size);
    if (sent > 0)
        slot->sent += sent;
}

/* What the stack has no need of any more is spoilt, so that nobody reads it again unnoticed. */
static void take_back(struct end *end)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < end->lent_count; i++) {
        const struct lent *lent = &end->lent[i];
        const struct slot *slot = &end->slots[lent->slot];
        struct duet_status status;
        const bool is_live = duet_status(end->stack, lent->handle, &status) == DUET_OK;
        if (is_live && lent->end > slot->sent - status.send_queued)
            end->lent[kept++] = *lent;
        else
            memset(lent->bytes, 0xbe, lent->size);
    }
    end->lent_count = kept;
}

static void send_lent(struct world *w, unsigned at, struct slot *slot)
{
    static uint8_t rooms[ENDS][LENT_ROOM];
    struct end *end = &w->ends[at];
    const uint8_t how = take8(&w->input);
    const size_t size = (size_t)how * 16 % BUFFER;
    take_back(end);
    if (end->lent_count == LENT_MAX || end->lent_room < size)
        return;
    uint8_t *bytes = rooms[at] + LENT_ROOM - end->lent_room;
    stream_fill(stream_of(&slot->local, &slot->remote), slot->sent, bytes, size);
    const int64_t sent =
        duet_send_lent(end->stack, w->now, slot->handle, bytes, size, how / 32 % 4u);
    EXPECT(sent <= (int64_t)size);
    if (sent <= 0)
        return;
    slot->sent += sent;
    end->lent_room -= (uint32_t)size;
    end->lent[end->lent_count++] = (struct lent){
        .slot = (unsigned)(slot - end->slots),
        .handle = slot->handle,
        .end = slot->sent,
        .bytes = bytes,
        .size = size,
    };
}

static void send_in_place(struct world *w, struct end *end, struct slot *slot)
{
    const uint8_t how = take8(&w->input);
    void *place;
    size_t room;
    if (duet_send_reserve(end->stack, slot->handle, &place, &room) != DUET_OK)
        return;
    EXPECT(room > 0);
    const size_t size = how * 8u < room ? how * 8u : room;
    stream_fill(stream_of(&slot->local, &slot->remote), slot->sent, place, size);
    if (duet_send_commit(end->stack, w->now, slot->handle, size, how / 16 % 4u) == DUET_OK)
        slot->sent += (int64_t)size;
    /* More than was reserved must be refused. */
    EXPECT(duet_send_commit(end->stack, w->now, slot->handle, (size_t)1 << 31, 0) != DUET_OK);
}

static void expect_received(struct slot *slot, const uint8_t *bytes, size_t size)
{
    EXPECT(stream_is(stream_of(&slot->remote, &slot->local), slot->received, bytes, size));
    slot->received += (int64_t)size;
}

static bool receive(struct world *w, struct end *end, struct slot *slot, size_t size)
{
    const int64_t got = duet_receive(end->stack, w->now, slot->handle, buffer, size);
    EXPECT(got <= (int64_t)size);
    if (got > 0)
        expect_received(slot, buffer, (size_t)got);
    return got > 0;
}

static void receive_in_place(struct world *w, struct end *end, struct slot *slot)
{
    const uint8_t how = take8(&w->input);
    const void *place;
    size_t there;
    if (duet_receive_peek(end->stack, slot->handle, &place, &there) != DUET_OK)
        return;
    EXPECT(there > 0);
    const size_t size = how * 8u < there ? how * 8u : there;
    expect_received(slot, place, size);
    EXPECT(duet_receive_consume(end->stack, w->now, slot->handle, size) == DUET_OK);
}

/* ---- asking and setting ---- */

/* Where strangers can move TS.Recent far ahead (RFC 7323, 4.3), PAWS rejects all that the peer says from then on, and
 * nothing but the user timeout ends the connection: who asks to wait for days has to. */
static bool must_end_soon(const struct world *w, uint32_t user_timeout_ms)
{
    return w->heals &&
           (user_timeout_ms == 0 || (w->forgers && user_timeout_ms > PATIENCE / DUET_MILLISECOND));
}

static void set(struct world *w, struct end *end, const struct slot *slot)
{
    const uint8_t option = take8(&w->input) % (DUET_OPTION_ECN + 2), how = take8(&w->input);
    const uint32_t value = how < 128 ? how : (uint32_t)how << how % 24;
    if (option == DUET_OPTION_USER_TIMEOUT && must_end_soon(w, value))
        return;
    (void)duet_set(end->stack, w->now, slot->handle, (enum duet_option)option, value);
}

static void ask(struct end *end)
{
    struct duet_status status;
    struct duet_handle handle;
    struct duet_counters counters;
    struct duet_trace_event event;
    uint64_t cursor = 0;
    unsigned found = 0;
    while (duet_next_status(end->stack, &cursor, &handle, &status)) {
        EXPECT(status.state < DUET_STATES && duet_state_name(status.state) != NULL);
        found++;
    }
    duet_counters(end->stack, &counters);
    EXPECT(found >= counters.half_open + counters.time_wait);
    while (duet_next_trace(end->stack, &event))
        EXPECT(event.kind < DUET_TRACE_KINDS && event.rule < duet_rule_count());
}

void user_take_events(struct world *w, unsigned at)
{
    struct end *end = &w->ends[at];
    struct duet_event event;
    for (unsigned i = 0; duet_next_event(end->stack, &event); i++) {
        EXPECT(event.bits != 0 && i < 1000);
        EXPECT(event.handle.generation != 0);
    }
    take_back(end);
}

/* ---- every call ---- */

static struct slot *some_slot(struct world *w, struct end *end, bool is_listener)
{
    const unsigned first = take8(&w->input);
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &end->slots[(first + i) % SLOTS];
        if (slot->handle.generation != 0 && slot->is_listener == is_listener)
            return slot;
    }
    return &end->slots[first % SLOTS];
}

static void call_on(struct world *w, unsigned at, struct slot *slot, enum user_call call)
{
    static const char *const names[] = {
        "listen",  "connect",       "connect a listener", "accept",   "send",  "send lent",
        "receive", "send in place", "receive in place",   "shutdown", "close", "abort",
        "set",     "ask",
    };
    struct end *end = &w->ends[at];
    talk(w, at, "%s, slot %td", names[call], slot - end->slots);
    switch (call) {
    case USER_LISTEN:
        listen(w, at);
        return;
    case USER_CONNECT:
        connect(w, at);
        return;
    case USER_CONNECT_LISTENER:
        connect_listener(w, at, slot);
        return;
    case USER_ACCEPT:
        (void)accept(w, end, slot);
        return;
    case USER_SEND:
        send(w, end, slot);
        return;
    case USER_SEND_LENT:
        send_lent(w, at, slot);
        return;
    case USER_RECEIVE:
        (void)receive(w, end, slot, take8(&w->input) * 16u);
        return;
    case USER_SEND_IN_PLACE:
        send_in_place(w, end, slot);
        return;
    case USER_RECEIVE_IN_PLACE:
        receive_in_place(w, end, slot);
        return;
    case USER_SHUTDOWN:
        (void)duet_shutdown(end->stack, w->now, slot->handle);
        return;
    case USER_CLOSE:
        slot->closed = true;
        (void)duet_close(end->stack, w->now, slot->handle);
        return;
    case USER_ABORT:
        slot->closed = true;
        (void)duet_abort(end->stack, w->now, slot->handle);
        return;
    case USER_SET:
        set(w, end, slot);
        return;
    case USER_ASK:
        ask(end);
        return;
    case USER_CALLS:
        return;
    }
}

void user_call(struct world *w, unsigned at, enum user_call call)
{
    const bool of_listener = call == USER_ACCEPT || call == USER_CONNECT_LISTENER;
    const bool mixed = (call == USER_SET || call == USER_CLOSE || call == USER_SHUTDOWN ||
                        call == USER_ABORT || call == USER_SEND || call == USER_SEND_LENT) &&
                       take8(&w->input) >= 224;
    call_on(w, at, some_slot(w, &w->ends[at], of_listener || mixed), call);
}

void user_stale_call(struct world *w, unsigned at)
{
    const uint8_t which = take8(&w->input);
    struct slot slot = {.handle = {take8(&w->input), 0}};
    if (which >= 128)
        slot.handle.generation = 0x7ffffff0u + which;
    if (which >= 240)
        slot.handle.index = UINT32_MAX;
    call_on(w, at, &slot, (enum user_call)(USER_CONNECT_LISTENER + which % (USER_CALLS - 3)));
}

/* ---- the end ---- */

void user_finish(struct world *w, unsigned at)
{
    struct end *end = &w->ends[at];
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &end->slots[i];
        if (slot->handle.generation == 0)
            continue;
        while (!slot->is_listener && receive(w, end, slot, BUFFER))
            continue;
        (void)duet_close(end->stack, w->now, slot->handle);
    }
    user_take_events(w, at);
}

static void agree(const struct end *a, const struct slot *slot, const struct end *b)
{
    struct duet_status ours, theirs;
    if (slot->is_listener || duet_status(a->stack, slot->handle, &ours) != DUET_OK)
        return;
    const struct slot *peer = slot_of(b, &slot->remote, &slot->local);
    if (peer == NULL || duet_status(b->stack, peer->handle, &theirs) != DUET_OK)
        return;
    if (ours.state < DUET_ESTABLISHED || theirs.state < DUET_ESTABLISHED ||
        ours.iss != theirs.irs || theirs.iss != ours.irs)
        return;
    EXPECT((int32_t)(theirs.rcv_nxt - ours.snd_una) >= 0);
    EXPECT((int32_t)(ours.snd_nxt - theirs.rcv_nxt) >= 0);
    EXPECT(peer->received <= slot->sent);
    if (ours.fin_acknowledged && !peer->closed)
        EXPECT(peer->received + theirs.receive_queued == slot->sent);
}

void users_agree(const struct world *w)
{
    for (unsigned e = 0; e < ENDS; e++)
        for (unsigned i = 0; i < SLOTS; i++)
            if (w->ends[e].slots[i].handle.generation != 0)
                agree(&w->ends[e], &w->ends[e].slots[i], &w->ends[1 - e]);
}
