/* SPDX-License-Identifier: MIT */
/* poll and epoll. */
#include <string.h>

#include "sim/script/player.h"
#include "sim/script/values.h"

static uint32_t connection_readiness(struct player *player, const struct sock *sock)
{
    struct duet_status status;
    uint32_t ready = sock->error != 0 ? S_POLLERR : 0;
    bool live = duet_status(player->stack, sock->handle, &status) == DUET_OK;
    bool end = sock->closed || !live || status.peer_fin_received || sock->read_shut;
    if (end) {
        ready |= S_POLLIN | S_POLLRDNORM | S_POLLRDHUP;
    }
    if (sock->closed || (end && sock->write_shut)) {
        ready |= S_POLLHUP;
    }
    if (live && status.receive_queued > 0) {
        ready |= S_POLLIN | S_POLLRDNORM;
    }
    if (live && status.urgent_left > 0) {
        ready |= S_POLLPRI;
    }
    bool connecting = sock->connecting && !sock->connected && !sock->closed;
    bool takes_all = sock->closed || sock->write_shut; /* a write does not block: it fails */
    if (!connecting && (takes_all || (live && status.send_room > 0))) {
        ready |= S_POLLOUT | S_POLLWRNORM;
    }
    return ready;
}

uint32_t sock_readiness(struct player *player, struct sock *sock)
{
    struct duet_status status;
    switch (sock->kind) {
    case SOCK_PLAIN:
        return S_POLLOUT | S_POLLWRNORM | S_POLLHUP | (sock->error != 0 ? S_POLLERR | S_POLLIN : 0);
    case SOCK_LISTENER:
        return duet_status(player->stack, sock->handle, &status) == DUET_OK &&
                       status.backlog_used > 0
                   ? S_POLLIN | S_POLLRDNORM
                   : 0;
    case SOCK_CONNECTION:
        return connection_readiness(player, sock);
    case SOCK_EPOLL:
        break;
    }
    return 0;
}

/* ---- poll ---- */

/* Counts the ready ones; with judge, compares revents with what the script has. -1: verdict. */
static int64_t poll_once(struct player *player, const struct expression *list, bool judge)
{
    int64_t ready = 0;
    for (const struct expression *i = list->items; i != NULL; i = i->next) {
        int64_t fd = -1, events = 0;
        const struct expression *descriptor =
            i->kind == EXPRESSION_STRUCT ? expression_field(i, "fd", 0) : NULL;
        const struct expression *wanted =
            i->kind == EXPRESSION_STRUCT ? expression_field(i, "events", 1) : NULL;
        if (descriptor == NULL || wanted == NULL || !expression_number(descriptor, &fd) ||
            !expression_number(wanted, &events)) {
            (void)player_broken(player,
                                "poll() needs [{fd=3, events=POLLIN, revents=POLLIN}, ...]");
            return -1;
        }
        struct sock *sock = fd >= 0 ? sock_find(player, (int)fd) : NULL;
        uint32_t always = S_POLLERR | S_POLLHUP;
        uint32_t got = sock != NULL ? sock_readiness(player, sock) & ((uint32_t)events | always)
                                    : (uint32_t)S_POLLNVAL;
        got = fd < 0 ? 0 : got;
        ready += got != 0;
        if (judge && !output_matches(player, expression_field(i, "revents", 2), "revents", got)) {
            return -1;
        }
    }
    return ready;
}

/* Milliseconds to a deadline: negative waits for ever, 0 not at all. */
static enum call_status wait_ms(struct player *player, struct call_state *state,
                                struct call_result *result, int64_t ms)
{
    enum call_status status =
        call_waits(player, state, result, ms == 0, ms > 0 ? ms * DUET_MILLISECOND : 0, 0);
    return status == CALL_DONE ? call_returns(result, 0) : status;
}

static enum call_status call_poll(struct player *player, struct call_state *state,
                                  struct call_result *result)
{
    int64_t timeout = -1;
    const struct expression *list = argument(state, 0);
    if (list->kind != EXPRESSION_ARRAY) {
        (void)player_broken(player, "poll() needs [{fd=3, events=POLLIN, revents=POLLIN}, ...]");
        return CALL_WRONG;
    }
    if (!argument_number(player, state, 2, -1, &timeout)) {
        return CALL_WRONG;
    }
    int64_t ready = poll_once(player, list, false);
    if (ready == 0) {
        enum call_status status = wait_ms(player, state, result, timeout);
        if (status != CALL_DONE) {
            return status;
        }
    }
    if (ready < 0 || poll_once(player, list, true) < 0) {
        return CALL_WRONG;
    }
    return call_returns(result, ready);
}

/* ---- epoll ---- */

static enum call_status call_epoll_create(struct player *player, struct call_state *state,
                                          struct call_result *result)
{
    int64_t size = 0;
    if (!argument_number(player, state, 0, 1, &size)) {
        return CALL_WRONG;
    }
    if (strcmp(state->call->name, "epoll_create") == 0 && size <= 0) {
        return call_fails(result, errno_number("EINVAL"));
    }
    (void)sock_new(player, SOCK_EPOLL);
    result->new_descriptor = true;
    return CALL_DONE;
}

static struct sock_watch *find_watch(struct sock *poll, int fd)
{
    for (unsigned i = 0; i < poll->watch_count; i++) {
        if (poll->watches[i].fd == fd) {
            return &poll->watches[i];
        }
    }
    return NULL;
}

static bool read_watch(struct player *player, const struct expression *event,
                       struct sock_watch *watch)
{
    int64_t events = 0;
    watch->data = watch->fd;
    if (expression_is_any(event)) {
        return true;
    }
    const struct expression *wanted =
        event->kind == EXPRESSION_STRUCT ? expression_field(event, "events", 0) : NULL;
    if (wanted == NULL || !expression_number(wanted, &events)) {
        return player_broken(player, "epoll_ctl() needs {events=EPOLLIN, fd=4}");
    }
    watch->events = (uint32_t)events;
    const struct expression *data = event->count > 1 ? event->items->next : NULL;
    return data == NULL || expression_number(data, &watch->data) ||
           player_broken(player, "epoll_ctl() needs a number as data");
}

static enum call_status call_epoll_ctl(struct player *player, struct call_state *state,
                                       struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *poll = argument_sock(player, state, result, &status);
    int64_t operation = 0, fd = -1;
    if (poll == NULL) {
        return status;
    }
    if (!argument_number(player, state, 1, 0, &operation) ||
        !argument_number(player, state, 2, -1, &fd)) {
        return CALL_WRONG;
    }
    if (poll->kind != SOCK_EPOLL) {
        return call_fails(result, errno_number("EINVAL"));
    }
    if (fd < 0 || sock_find(player, (int)fd) == NULL) {
        return call_fails(result, errno_number("EBADF"));
    }
    struct sock_watch fresh = {.fd = (int)fd};
    if (!read_watch(player, argument(state, 3), &fresh)) {
        return CALL_WRONG;
    }
    struct sock_watch *watch = find_watch(poll, (int)fd);
    if (operation == S_EPOLL_CTL_ADD) {
        if (watch != NULL) {
            return call_fails(result, errno_number("EEXIST"));
        }
        if (poll->watch_count == SOCK_WATCHES_MAX) {
            return call_fails(result, errno_number("ENOMEM"));
        }
        poll->watches[poll->watch_count++] = fresh;
        return call_returns(result, 0);
    }
    if (watch == NULL) {
        return call_fails(result, errno_number("ENOENT"));
    }
    *watch = operation == S_EPOLL_CTL_MOD ? fresh : poll->watches[--poll->watch_count];
    return call_returns(result, 0);
}

/* What a watched descriptor has to tell now, 0: nothing. */
static uint32_t watch_readiness(struct player *player, const struct sock_watch *watch)
{
    struct sock *sock = sock_find(player, watch->fd);
    if (sock == NULL || watch->disabled) {
        return 0;
    }
    uint32_t always = S_POLLERR | S_POLLHUP;
    uint32_t got = sock_readiness(player, sock) & (watch->events | always);
    bool edge = (watch->events & (uint32_t)S_EPOLLET) != 0;
    return edge && watch->reported && watch->seen == sock->event_count ? 0 : got;
}

static enum call_status report_watches(struct player *player, struct sock *poll,
                                       const struct expression *list, int64_t most,
                                       struct call_result *result)
{
    int64_t count = 0;
    const struct expression *place = list->kind == EXPRESSION_ARRAY ? list->items : NULL;
    if (list->kind == EXPRESSION_STRUCT) {
        place = list;
    }
    for (unsigned i = 0; i < poll->watch_count && count < most; i++) {
        struct sock_watch *watch = &poll->watches[i];
        uint32_t got = watch_readiness(player, watch);
        if (got == 0) {
            continue;
        }
        watch->reported = true;
        watch->seen = sock_find(player, watch->fd)->event_count;
        watch->disabled = (watch->events & (uint32_t)S_EPOLLONESHOT) != 0;
        count++;
        if (place != NULL && place->kind == EXPRESSION_STRUCT) {
            const struct expression *data = place->count > 1 ? place->items->next : NULL;
            if (!output_matches(player, expression_field(place, "events", 0), "events", got) ||
                !output_matches(player, data, "the data", watch->data)) {
                return CALL_WRONG;
            }
            place = place->next;
        }
    }
    return call_returns(result, count);
}

static enum call_status call_epoll_wait(struct player *player, struct call_state *state,
                                        struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *poll = argument_sock(player, state, result, &status);
    int64_t most = 1, timeout = -1;
    if (poll == NULL) {
        return status;
    }
    if (!argument_number(player, state, 2, 1, &most) ||
        !argument_number(player, state, 3, -1, &timeout)) {
        return CALL_WRONG;
    }
    if (poll->kind != SOCK_EPOLL || most <= 0) {
        return call_fails(result, errno_number("EINVAL"));
    }
    bool any = false;
    for (unsigned i = 0; i < poll->watch_count; i++) {
        any = any || watch_readiness(player, &poll->watches[i]) != 0;
    }
    return any ? report_watches(player, poll, argument(state, 1), most, result)
               : wait_ms(player, state, result, timeout);
}

const struct call_entry *calls_poll(void)
{
    static const struct call_entry table[] = {
        {"poll", 3, 3, call_poll, false},
        {"epoll_create", 1, 1, call_epoll_create, false},
        {"epoll_create1", 1, 1, call_epoll_create, false},
        {"epoll_ctl", 3, 4, call_epoll_ctl, false},
        {"epoll_wait", 4, 4, call_epoll_wait, false},
        {NULL, 0, 0, NULL, false},
    };
    return table;
}
