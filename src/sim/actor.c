/* SPDX-License-Identifier: MIT */
/* Actors at work; see actor.h. */
#include "sim/actor.h"

#include <string.h>

#include "base/check.h"

enum { ACTOR_PIECE = 16384, ACTOR_BACKLOG = 4 };

enum progress { WAITING, DONE, FAILED };

static const char *act_name(enum actor_act act)
{
    switch (act) {
    case ACTOR_END:
        return "nothing";
    case ACTOR_LISTEN:
        return "listen";
    case ACTOR_ACCEPT:
        return "accept a connection";
    case ACTOR_CONNECT:
    case ACTOR_CONNECT_START:
    case ACTOR_CONNECT_FAST:
    case ACTOR_CONNECT_AGAIN:
        return "connect";
    case ACTOR_SEND:
    case ACTOR_SEND_URGENT:
        return "send";
    case ACTOR_AWAIT_URGENT:
        return "hear of urgent data";
    case ACTOR_RECEIVE:
        return "receive bytes";
    case ACTOR_RECEIVE_END:
        return "receive the end of the stream";
    case ACTOR_SHUTDOWN:
    case ACTOR_CLOSE:
    case ACTOR_ABORT:
        return "close";
    case ACTOR_AWAIT_CLOSED:
        return "see its connection end";
    case ACTOR_SET:
        return "set an option";
    case ACTOR_REBOOT:
        return "start again";
    case ACTOR_PAUSE:
        return "go on";
    }
    unreachable("every act has a name");
}

/* ---- the stream ---- */

/* A letter by seed, host and position: the finaliser of SplitMix64 spreads them. */
static uint8_t letter(const struct world *world, unsigned host, uint64_t position)
{
    uint64_t x = world_seed(world) * UINT64_C(0x9e3779b97f4a7c15) + position * 2 + host;

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return (uint8_t)('a' + x % 26);
}

static void write_letters(const struct actor *actor, uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = letter(actor->user.world, actor->user.host, actor->sent + i);
}

static void check_letters(const struct actor *actor, const uint8_t *bytes, size_t size)
{
    unsigned peer = WORLD_HOSTS - 1 - actor->user.host;

    for (size_t i = 0; i < size; i++)
        if (bytes[i] != letter(actor->user.world, peer, actor->received + i))
            world_fail(actor->user.world,
                       "byte %zu of %zu that the %s received is not the one sent", i, size,
                       world_name(actor->user.host));
}

/* ---- shorthands ---- */

static struct duet_stack *stack_of(const struct actor *actor)
{
    return world_stack(actor->user.world, actor->user.host);
}

static duet_time clock_of(const struct actor *actor)
{
    return world_clock(actor->user.world, actor->user.host);
}

static const struct actor_step *step_of(const struct actor *actor)
{
    return &actor->steps[actor->at];
}

static enum progress failed(struct actor *actor, int64_t code)
{
    world_fail(actor->user.world, "the %s cannot %s: %s", world_name(actor->user.host),
               act_name(step_of(actor)->act), duet_error_sentence((int)code));
    return FAILED;
}

static bool same_handle(struct duet_handle a, struct duet_handle b)
{
    return a.index == b.index && a.generation == b.generation;
}

static void begin_connection(struct actor *actor, struct duet_handle connection)
{
    struct duet_status status;

    actor->connection = connection;
    actor->has_connection = true;
    actor->is_connected = false;
    actor->is_over = false;
    actor->is_closed_by_us = false;
    actor->is_urgent = false;
    actor->sent = 0;
    actor->received = 0;
    if (duet_status(stack_of(actor), connection, &status) == DUET_OK)
        actor->local_port = status.local.port;
}

/* A stack keeps the record of an ended connection until its user has closed it. */
static void let_go(struct actor *actor)
{
    if (actor->has_connection && !actor->is_closed_by_us) {
        actor->is_closed_by_us = true;
        (void)duet_close(stack_of(actor), clock_of(actor), actor->connection);
    }
}

/* ---- steps ---- */

static enum progress do_listen(struct actor *actor)
{
    struct duet_listen_options options = {
        .local.port = WORLD_PORT,
        .backlog = ACTOR_BACKLOG,
        .fast_open = step_of(actor)->amount,
    };
    int code = duet_listen(stack_of(actor), clock_of(actor), &options, &actor->listener);

    return code == DUET_OK ? DONE : failed(actor, code);
}

static enum progress do_accept(struct actor *actor)
{
    struct duet_status status;
    struct duet_handle connection;
    int code = duet_status(stack_of(actor), actor->listener, &status);

    if (code != DUET_OK)
        return failed(actor, code);
    if (status.backlog_used == 0)
        return WAITING;
    code = duet_accept(stack_of(actor), clock_of(actor), actor->listener, &connection, NULL);
    if (code != DUET_OK)
        return failed(actor, code);
    begin_connection(actor, connection);
    actor->is_connected = true;
    return DONE;
}

static enum progress connect_from(struct actor *actor, uint16_t port, unsigned flags)
{
    unsigned peer = WORLD_HOSTS - 1 - actor->user.host;
    struct duet_connect_options options = {
        .local.port = port,
        .remote = {world_address(actor->user.world, peer), WORLD_PORT},
        .flags = flags,
    };
    struct duet_handle connection;
    int code = duet_connect(stack_of(actor), clock_of(actor), &options, &connection);

    if (code != DUET_OK)
        return failed(actor, code);
    begin_connection(actor, connection);
    return DONE;
}

static enum progress do_connect(struct actor *actor, uint16_t port, bool first)
{
    if (first && connect_from(actor, port, 0) == FAILED)
        return FAILED;
    return actor->is_connected ? DONE : WAITING;
}

static enum progress do_send(struct actor *actor, unsigned flags)
{
    uint8_t bytes[ACTOR_PIECE];

    while (actor->left > 0) {
        size_t size = actor->left < sizeof bytes ? actor->left : sizeof bytes;
        int64_t taken;

        write_letters(actor, bytes, size);
        taken = duet_send(stack_of(actor), clock_of(actor), actor->connection, bytes, size, flags);
        if (taken == DUET_E_AGAIN)
            return WAITING;
        if (taken < 0)
            return failed(actor, taken);
        actor->sent += (uint64_t)taken;
        actor->left -= (uint32_t)taken;
    }
    return DONE;
}

/* Calls RECEIVE only when it has something to give: the trace tells of real programs, which sleep
 * until then. */
static enum progress do_receive(struct actor *actor, bool to_end)
{
    uint8_t bytes[ACTOR_PIECE];
    struct duet_status status;

    while (to_end || actor->left > 0) {
        size_t size = !to_end && actor->left < sizeof bytes ? actor->left : sizeof bytes;
        int64_t got;

        if (duet_status(stack_of(actor), actor->connection, &status) != DUET_OK ||
            (status.receive_queued == 0 && !status.peer_fin_received))
            return WAITING;
        got = duet_receive(stack_of(actor), clock_of(actor), actor->connection, bytes, size);
        if (got == DUET_E_CLOSING && to_end)
            return DONE;
        if (got < 0)
            return failed(actor, got);
        check_letters(actor, bytes, (size_t)got);
        actor->received += (uint64_t)got;
        actor->left -= to_end ? 0 : (uint32_t)got;
    }
    return DONE;
}

static enum progress do_close(struct actor *actor)
{
    let_go(actor);
    return DONE;
}

static enum progress do_abort(struct actor *actor)
{
    actor->is_closed_by_us = true;
    (void)duet_abort(stack_of(actor), clock_of(actor), actor->connection);
    return DONE;
}

static enum progress do_shutdown(struct actor *actor)
{
    int code = duet_shutdown(stack_of(actor), clock_of(actor), actor->connection);

    return code == DUET_OK ? DONE : failed(actor, code);
}

static enum progress do_set(struct actor *actor)
{
    int code = duet_set(stack_of(actor), clock_of(actor), actor->connection, step_of(actor)->option,
                        step_of(actor)->amount);

    return code == DUET_OK ? DONE : failed(actor, code);
}

static enum progress do_reboot(struct actor *actor)
{
    world_reboot(actor->user.world, actor->user.host);
    actor->has_connection = false;
    return DONE;
}

static enum progress try_step(struct actor *actor, const struct actor_step *step, bool first)
{
    switch (step->act) {
    case ACTOR_END:
        return WAITING;
    case ACTOR_LISTEN:
        return do_listen(actor);
    case ACTOR_ACCEPT:
        return do_accept(actor);
    case ACTOR_CONNECT:
        return do_connect(actor, (uint16_t)step->amount, first);
    case ACTOR_CONNECT_START:
        return connect_from(actor, (uint16_t)step->amount, 0);
    case ACTOR_CONNECT_FAST:
        return connect_from(actor, (uint16_t)step->amount, DUET_CONNECT_FAST_OPEN);
    case ACTOR_CONNECT_AGAIN:
        return do_connect(actor, actor->local_port, first);
    case ACTOR_SEND:
        return do_send(actor, 0);
    case ACTOR_SEND_URGENT:
        return do_send(actor, DUET_SEND_URGENT);
    case ACTOR_AWAIT_URGENT:
        return actor->is_urgent ? DONE : WAITING;
    case ACTOR_RECEIVE:
        return do_receive(actor, false);
    case ACTOR_RECEIVE_END:
        return do_receive(actor, true);
    case ACTOR_SHUTDOWN:
        return do_shutdown(actor);
    case ACTOR_CLOSE:
        return do_close(actor);
    case ACTOR_ABORT:
        return do_abort(actor);
    case ACTOR_AWAIT_CLOSED:
        return actor->is_over ? DONE : WAITING;
    case ACTOR_SET:
        return do_set(actor);
    case ACTOR_REBOOT:
        return do_reboot(actor);
    case ACTOR_PAUSE:
        return DONE;
    }
    unreachable("every act has its function");
}

/* ---- being a user of the world ---- */

static struct actor *actor_of(struct world_user *user)
{
    return (struct actor *)(void *)user;
}

/* Can this step be done although the connection before it ended badly? */
static bool opens_anew(enum actor_act act)
{
    switch (act) {
    case ACTOR_END:
    case ACTOR_LISTEN:
    case ACTOR_ACCEPT:
    case ACTOR_CONNECT:
    case ACTOR_CONNECT_START:
    case ACTOR_CONNECT_FAST:
    case ACTOR_CONNECT_AGAIN:
    case ACTOR_REBOOT:
        return true;
    case ACTOR_SEND:
    case ACTOR_SEND_URGENT:
    case ACTOR_AWAIT_URGENT:
    case ACTOR_RECEIVE:
    case ACTOR_RECEIVE_END:
    case ACTOR_SHUTDOWN:
    case ACTOR_CLOSE:
    case ACTOR_ABORT:
    case ACTOR_AWAIT_CLOSED:
    case ACTOR_SET:
    case ACTOR_PAUSE:
        return false;
    }
    unreachable("every act opens or does not");
}

static void go_to(struct actor *actor, unsigned at)
{
    actor->at = at;
    actor->begun = false;
    actor->ready_at =
        world_now(actor->user.world) + (duet_time)step_of(actor)->pause_ms * DUET_MILLISECOND;
}

static void skip_lost_connection(struct actor *actor)
{
    unsigned at = actor->at;

    let_go(actor);
    actor->has_connection = false;
    /* A CONNECT that has begun is what was lost; an ACCEPT that has waits for another connection.
     */
    if (actor->begun && step_of(actor)->act != ACTOR_END && step_of(actor)->act != ACTOR_ACCEPT)
        at++;
    while (!opens_anew(actor->steps[at].act))
        at++;
    if (at != actor->at)
        go_to(actor, at);
}

static bool actor_act_now(struct world_user *user)
{
    struct actor *actor = actor_of(user);
    bool busy = false;

    for (;;) {
        const struct actor_step *step = step_of(actor);
        bool first = !actor->begun;

        if (step->act == ACTOR_END || world_now(user->world) < actor->ready_at)
            break;
        if (first) {
            actor->begun = true;
            actor->left = step->amount;
            if (step->say != NULL)
                world_note(user->world, step->say);
        }
        if (try_step(actor, step, first) != DONE)
            break;
        busy = true;
        go_to(actor, actor->at + 1);
    }
    world_observe(user->world, user->host);
    return busy;
}

static void actor_told(struct world_user *user, const struct duet_event *event)
{
    struct actor *actor = actor_of(user);

    if (!actor->has_connection || !same_handle(event->handle, actor->connection))
        return;
    if ((event->bits & DUET_EVENT_CONNECTED) != 0)
        actor->is_connected = true;
    if ((event->bits & DUET_EVENT_URGENT) != 0)
        actor->is_urgent = true;
    if ((event->bits & DUET_EVENT_CLOSED) != 0) {
        actor->is_over = true;
        actor->outcome = event->outcome;
        if (event->outcome.error != DUET_OK)
            skip_lost_connection(actor);
    }
}

static duet_time actor_deadline(const struct world_user *user)
{
    const struct actor *actor = (const struct actor *)(const void *)user;

    if (step_of(actor)->act == ACTOR_END || world_now(user->world) >= actor->ready_at)
        return DUET_NEVER;
    return actor->ready_at;
}

void actor_start(struct actor *actor, struct world *world, unsigned host,
                 const struct actor_step *steps)
{
    memset(actor, 0, sizeof *actor);
    actor->steps = steps;
    actor->user.act = actor_act_now;
    actor->user.told = actor_told;
    actor->user.deadline = actor_deadline;
    world_add_user(world, &actor->user, host);
    go_to(actor, 0);
}

const char *actor_waits_for(const struct actor *actor)
{
    enum actor_act act = step_of(actor)->act;

    /* A server that waits for one more connection has done its work. */
    return act == ACTOR_END || act == ACTOR_ACCEPT ? NULL : act_name(act);
}
