/* SPDX-License-Identifier: MIT */
/* poll and epoll with real descriptors: asked without waiting, again and again until something is
 * ready or the time is over.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "sim/script/kernel.h"
#include "sim/script/values.h"

enum { POLLED_MAX = 32 };

/* Milliseconds to a deadline: negative waits for ever, 0 not at all. */
static enum call_status wait_ms(struct player *player, struct call_state *state,
                                struct call_result *result, int64_t ms)
{
    if (ms == 0) {
        return call_returns(result, 0);
    }
    enum call_status status =
        kernel_waits(player, state, result, NULL, 0, ms > 0 ? ms * DUET_MILLISECOND : 0, 0);
    return status == CALL_DONE ? call_returns(result, 0) : status;
}

/* The descriptors of poll's first argument. False: verdict. */
static bool read_polled(struct player *player, const struct expression *list, struct pollfd *polled,
                        unsigned *count)
{
    for (const struct expression *i = list->items; i != NULL; i = i->next) {
        int64_t fd = -1, events = 0;
        const struct expression *descriptor =
            i->kind == EXPRESSION_STRUCT ? expression_field(i, "fd", 0) : NULL;
        const struct expression *wanted =
            i->kind == EXPRESSION_STRUCT ? expression_field(i, "events", 1) : NULL;
        if (descriptor == NULL || wanted == NULL || !expression_number(descriptor, &fd) ||
            !expression_number(wanted, &events) || *count == POLLED_MAX) {
            return player_broken(player,
                                 "poll() needs [{fd=3, events=POLLIN, revents=POLLIN}, ...]");
        }
        const struct sock *sock = fd >= 0 ? sock_find(player, (int)fd) : NULL;
        polled[(*count)++] =
            (struct pollfd){.fd = sock != NULL ? sock->descriptor : -1, .events = (short)events};
    }
    return true;
}

static enum call_status call_poll(struct player *player, struct call_state *state,
                                  struct call_result *result)
{
    struct pollfd polled[POLLED_MAX];
    unsigned count = 0;
    int64_t timeout = -1;
    const struct expression *list = argument(state, 0);
    if (!argument_number(player, state, 2, -1, &timeout) ||
        !read_polled(player, list, polled, &count)) {
        return CALL_WRONG;
    }
    int ready = poll(polled, count, 0);
    if (ready == 0) {
        enum call_status status = wait_ms(player, state, result, timeout);
        if (status != CALL_DONE) {
            return status;
        }
    }
    unsigned at = 0;
    for (const struct expression *i = list->items; i != NULL; i = i->next, at++) {
        if (!output_matches(player, expression_field(i, "revents", 2), "revents",
                            polled[at].revents)) {
            return CALL_WRONG;
        }
    }
    return kernel_returns(result, ready);
}

/* ---- epoll ---- */

static enum call_status call_epoll_create(struct player *player, struct call_state *state,
                                          struct call_result *result)
{
    int64_t size = 0;
    if (!argument_number(player, state, 0, 1, &size)) {
        return CALL_WRONG;
    }
    bool old = strcmp(state->call->name, "epoll_create") == 0;
    int descriptor = old ? epoll_create((int)size) : epoll_create1(EPOLL_CLOEXEC);
    if (descriptor < 0) {
        return kernel_returns(result, -1);
    }
    sock_new(player, SOCK_EPOLL)->descriptor = descriptor;
    result->new_descriptor = true;
    return CALL_DONE;
}

static enum call_status call_epoll_ctl(struct player *player, struct call_state *state,
                                       struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *poll = kernel_sock(player, state, result, &status);
    int64_t operation = 0, fd = -1, events = 0;
    if (poll == NULL) {
        return status;
    }
    if (!argument_number(player, state, 1, 0, &operation) ||
        !argument_number(player, state, 2, -1, &fd)) {
        return CALL_WRONG;
    }
    int64_t data = fd;
    const struct expression *value = argument(state, 3);
    if (value->kind == EXPRESSION_STRUCT) {
        const struct expression *wanted = expression_field(value, "events", 0);
        const struct expression *word = value->count > 1 ? value->items->next : NULL;
        bool good = wanted != NULL && expression_number(wanted, &events) &&
                    (word == NULL || expression_number(word, &data));
        if (!good) {
            (void)player_broken(player, "epoll_ctl() needs {events=EPOLLIN, fd=4}");
            return CALL_WRONG;
        }
    }
    const struct sock *sock = fd >= 0 ? sock_find(player, (int)fd) : NULL;
    struct epoll_event event = {.events = (uint32_t)events};
    event.data.u64 = (uint64_t)data;
    return kernel_returns(result, epoll_ctl(poll->descriptor, (int)operation,
                                            sock != NULL ? sock->descriptor : -1, &event));
}

static enum call_status call_epoll_wait(struct player *player, struct call_state *state,
                                        struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *poll = kernel_sock(player, state, result, &status);
    struct epoll_event events[POLLED_MAX];
    int64_t most = 1, timeout = -1;
    if (poll == NULL) {
        return status;
    }
    if (!argument_number(player, state, 2, 1, &most) ||
        !argument_number(player, state, 3, -1, &timeout)) {
        return CALL_WRONG;
    }
    most = most > POLLED_MAX ? POLLED_MAX : most;
    int ready = epoll_wait(poll->descriptor, events, (int)most, 0);
    if (ready == 0) {
        return wait_ms(player, state, result, timeout);
    }
    const struct expression *list = argument(state, 1);
    const struct expression *place = list->kind == EXPRESSION_ARRAY    ? list->items
                                     : list->kind == EXPRESSION_STRUCT ? list
                                                                       : NULL;
    for (int i = 0; i < ready && place != NULL && place->kind == EXPRESSION_STRUCT; i++) {
        const struct expression *data = place->count > 1 ? place->items->next : NULL;
        if (!output_matches(player, expression_field(place, "events", 0), "events",
                            events[i].events) ||
            !output_matches(player, data, "the data", (int64_t)events[i].data.u64)) {
            return CALL_WRONG;
        }
        place = place->next;
    }
    return kernel_returns(result, ready);
}

const struct call_entry *kernel_calls_poll(void)
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
