/* SPDX-License-Identifier: MIT */
/* POSIX sockets over a stack: descriptors, events, the way from a call in a script to the function
 * that does it, and the judgement of its result.
 */
#include "sim/script/sockets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/script/player.h"
#include "sim/script/values.h"

/* ---- descriptors ---- */

struct sock *sock_new(struct player *player, enum sock_kind kind)
{
    struct sock *sock = must_allocate(sizeof(*sock));
    sock->kind = kind;
    sock->fd = sock->descriptor = -1;
    sock->linger_seconds = 0;
    sock->next = player->socks;
    player->socks = sock;
    return sock;
}

struct sock *sock_find_any(struct player *player, int fd)
{
    for (struct sock *sock = player->socks; sock != NULL; sock = sock->next) {
        if (sock->fd == fd) {
            return sock;
        }
    }
    return NULL;
}

struct sock *sock_find(struct player *player, int fd)
{
    struct sock *sock = sock_find_any(player, fd);
    return sock != NULL && sock->open ? sock : NULL;
}

void sockets_free(struct player *player)
{
    while (player->socks != NULL) {
        struct sock *next = player->socks->next;
        free(player->socks);
        player->socks = next;
    }
}

/* Gives the newest socket the descriptor that the script expects, or the lowest free one from 3 on.
 */
static bool number_descriptor(struct player *player, const struct call_event *call,
                              struct call_result *result)
{
    struct sock *sock = player->socks;
    int64_t wanted = -1;
    bool said = call->has_result && expression_number(call->result, &wanted) && wanted >= 0;
    if (!said) {
        for (wanted = 3; sock_find(player, (int)wanted) != NULL; wanted++) {
        }
    }
    if (wanted > 1 << 20 || sock_find(player, (int)wanted) != NULL) {
        return player_broken(player, "the descriptor %lld is in use or too large",
                             (long long)wanted);
    }
    struct sock *old = sock_find_any(player, (int)wanted);
    if (old != NULL) {
        old->fd = -1; /* its connection may live on, but nobody can name it any more */
    }
    sock->fd = (int)wanted;
    sock->open = true;
    result->value = wanted;
    return true;
}

/* ---- events of the stack ---- */

int sock_errno(int duet_error)
{
    return duet_error == DUET_OK ? 0 : errno_number(duet_error_posix_name(duet_error));
}

int sock_take_error(struct sock *sock)
{
    int error = sock->error;
    sock->error = 0;
    return error;
}

static void end_sock(struct sock *sock, const struct duet_outcome *outcome)
{
    sock->closed = true;
    sock->outcome = *outcome;
    if (sock->user_closed || outcome->error == DUET_OK || outcome->error == DUET_E_CLOSING) {
        return;
    }
    sock->error = sock_errno(outcome->error);
}

void sockets_event(struct player *player, const struct duet_event *event)
{
    for (struct sock *sock = player->socks; sock != NULL; sock = sock->next) {
        bool same = sock->has_handle && sock->handle.index == event->handle.index &&
                    sock->handle.generation == event->handle.generation;
        if (!same) {
            continue;
        }
        sock->event_count++;
        for (unsigned i = 0; i < SOCK_EVENT_BITS; i++) {
            sock->counts[i] += (event->bits >> i) & 1;
        }
        if (event->bits & DUET_EVENT_CONNECTED) {
            sock->connected = true;
        }
        if (event->bits & DUET_EVENT_CLOSED) {
            end_sock(sock, &event->outcome);
        }
        return;
    }
}

/* ---- arguments ---- */

const struct expression *argument(const struct call_state *state, unsigned number)
{
    const struct expression *at = state->call->arguments;
    while (at != NULL && number-- > 0) {
        at = at->next;
    }
    return at;
}

bool argument_number(struct player *player, const struct call_state *state, unsigned number,
                     int64_t otherwise, int64_t *value)
{
    const struct expression *expression = argument(state, number);
    *value = otherwise;
    if (expression_is_any(expression) || expression_number(expression, value)) {
        return true;
    }
    char text[200];
    return player_broken(player, "argument %u of %s() is no number or known constant: %s",
                         number + 1, state->call->name,
                         expression_print(expression, text, sizeof(text)));
}

struct sock *argument_sock(struct player *player, const struct call_state *state,
                           struct call_result *result, enum call_status *status)
{
    int64_t fd = -1;
    if (!argument_number(player, state, 0, -1, &fd)) {
        *status = CALL_WRONG;
        return NULL;
    }
    struct sock *sock = fd >= 0 && fd <= 1 << 20 ? sock_find(player, (int)fd) : NULL;
    if (sock == NULL) {
        *status = call_fails(result, errno_number("EBADF"));
    }
    return sock;
}

bool argument_address(struct player *player, const struct call_state *state, unsigned number,
                      const struct duet_socket_address *otherwise,
                      struct duet_socket_address *address, int64_t *family)
{
    const struct expression *expression = argument(state, number);
    *address = *otherwise;
    *family = duet_address_is_ipv4(&otherwise->address) ? S_AF_INET : S_AF_INET6;
    if (expression_is_any(expression)) {
        return true;
    }
    if (expression_address(expression, address, family)) {
        if (duet_address_is_any(&address->address)) {
            memset(&address->address, 0, sizeof(address->address));
        }
        return true;
    }
    char text[200];
    return player_broken(player, "argument %u of %s() is no address: %s", number + 1,
                         state->call->name, expression_print(expression, text, sizeof(text)));
}

/* ---- results ---- */

enum call_status call_fails(struct call_result *result, int error)
{
    result->value = -1;
    result->error = error;
    return CALL_DONE;
}

enum call_status call_returns(struct call_result *result, int64_t value)
{
    result->value = value;
    return CALL_DONE;
}

enum call_status call_waits(struct player *player, struct call_state *state,
                            struct call_result *result, bool nonblocking, duet_time timeout,
                            int error)
{
    if (nonblocking) {
        return call_fails(result, error);
    }
    if (!state->begun) {
        state->begun = true;
        state->deadline = timeout > 0 ? player->now + timeout : DUET_NEVER;
    }
    if (player->now >= state->deadline) {
        return call_fails(result, error);
    }
    return CALL_BLOCKS;
}

bool output_matches(struct player *player, const struct expression *expected, const char *what,
                    int64_t actual)
{
    int64_t value = 0;
    if (expression_is_any(expected)) {
        return true;
    }
    char text[200];
    if (!expression_number(expected, &value)) {
        return player_broken(player, "%s: no number or known constant: %s", what,
                             expression_print(expected, text, sizeof(text)));
    }
    return value == actual ||
           player_fail(player, "%s is %lld, not %lld", what, (long long)actual, (long long)value);
}

bool output_address_matches(struct player *player, const struct expression *expected,
                            const struct duet_socket_address *actual)
{
    struct duet_socket_address address;
    int64_t family = 0;
    if (expression_is_any(expected) || expected->kind != EXPRESSION_STRUCT) {
        return true;
    }
    if (!expression_address(expected, &address, &family)) {
        return player_broken(player, "an address that is not understood");
    }
    char text[DUET_ADDRESS_TEXT];
    bool port = address.port == 0 || address.port == actual->port;
    bool host = duet_address_is_any(&address.address) ||
                duet_address_equal(&address.address, &actual->address);
    duet_address_format(&actual->address, text);
    return (port && host) || player_fail(player, "the address is %s port %u", text, actual->port);
}

/* ---- judgement ---- */

/* The same word, whether it is written TIME_WAIT, TIME-WAIT or "TIME-WAIT". */
static bool same_word(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        char x = *a == '-' ? '_' : *a, y = *b == '-' ? '_' : *b;
        if (x != y) {
            return false;
        }
    }
    return *a == *b;
}

static const char *error_word(const struct call_result *result)
{
    if (result->duet_error != 0) {
        return duet_error_name(result->duet_error) + strlen("DUET_E_");
    }
    return errno_name(result->error);
}

static void print_result(const struct call_result *result, char *to, size_t size)
{
    if (result->text != NULL) {
        snprintf(to, size, "%s", result->text);
    } else if (result->value == -1 && result->duet_error != 0) {
        snprintf(to, size, "-1 %s (%s)", error_word(result),
                 duet_error_sentence(result->duet_error));
    } else if (result->value == -1 && result->error != 0) {
        snprintf(to, size, "-1 %s (%s)", error_word(result), errno_sentence(result->error));
    } else {
        snprintf(to, size, "%lld", (long long)result->value);
    }
}

static bool error_matches(const char *expected, const struct call_result *result)
{
    bool failed = result->duet_error != 0 || result->error != 0;
    if (result->duet_error != 0 && strcmp(expected, error_word(result)) == 0) {
        return true;
    }
    int number = errno_number(expected);
    int actual = result->duet_error != 0 ? sock_errno(result->duet_error) : result->error;
    return failed && number > 0 && number == actual;
}

static bool value_matches(const struct call_event *call, const struct call_result *result)
{
    const struct expression *expected = call->result;
    int64_t value = 0;
    if (result->text != NULL) {
        bool word = expected->kind == EXPRESSION_NAME || expected->kind == EXPRESSION_STRING;
        return word && same_word(expected->text, result->text);
    }
    if (!expression_number(expected, &value) || value != result->value) {
        return false;
    }
    return call->error == NULL || error_matches(call->error, result);
}

bool sockets_judge(struct player *player, const struct call_event *call,
                   const struct call_result *result)
{
    char text[240], expected[200];
    if (player->over) {
        return false;
    }
    if (result->unknown) {
        player->result->unknown++;
        return true;
    }
    print_result(result, text, sizeof(text));
    player_log(player, "  %s() = %s", call->name, text);
    if (!call->has_result || expression_is_any(call->result) || value_matches(call, result)) {
        return true;
    }
    expression_print(call->result, expected, sizeof(expected));
    return player_fail(player, "%s() returned %s, not %s%s%s", call->name, text, expected,
                       call->error != NULL ? " " : "", call->error != NULL ? call->error : "");
}

/* ---- the table of calls ---- */

static const struct call_entry *find_entry(const struct system *system, const char *name)
{
    const struct call_entry *table = NULL;
    for (unsigned i = 0; (table = system->calls(i)) != NULL; i++) {
        for (const struct call_entry *entry = table; entry->name != NULL; entry++) {
            if (strcmp(entry->name, name) == 0) {
                return entry;
            }
        }
    }
    return NULL;
}

bool sockets_only_asks(const struct player *player, const struct call_event *call)
{
    const struct call_entry *entry = find_entry(player->system, call->name);
    return entry != NULL && entry->asks;
}

enum call_status sockets_call(struct player *player, struct call_state *state,
                              struct call_result *result)
{
    const struct call_event *call = state->call;
    const struct call_entry *entry = find_entry(player->system, call->name);
    if (entry == NULL) {
        (void)player_broken(player, "there is no call %s()", call->name);
        return CALL_WRONG;
    }
    if (call->count < entry->least || call->count > entry->most) {
        (void)player_broken(player, "%s() takes %u to %u arguments, not %u", call->name,
                            entry->least, entry->most, call->count);
        return CALL_WRONG;
    }
    *result = (struct call_result){0};
    enum call_status status = entry->run(player, state, result);
    if (status == CALL_DONE && result->new_descriptor && !number_descriptor(player, call, result)) {
        return CALL_WRONG;
    }
    return player->over ? CALL_WRONG : status;
}
