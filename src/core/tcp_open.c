/* SPDX-License-Identifier: MIT */
/* Active OPEN (RFC 9293, 3.10.1): which pair of sockets, which initial sequence number, and a
 * SYN that is owed. The passive OPEN is in tcp_listen.c. */
#include "core/user.h"

#include <string.h>

static int check_remote(const struct duet_stack *s, const struct duet_socket_address *remote)
{
    if (address_is_any(&remote->address) || remote->port == 0)
        return DUET_E_NOREMOTE;
    return ip_is_talkable(s, &remote->address) ? DUET_OK : DUET_E_ADDR; /* MUST-46 */
}

/* The pair of sockets of an active OPEN: what the user left open is chosen here. */
static int choose_tuple(struct duet_stack *s, const struct duet_socket_address *local,
                        const struct duet_socket_address *remote, struct tcp_tuple *tuple)
{
    memset(tuple, 0, sizeof *tuple);
    tuple->remote = remote->address;
    tuple->remote_port = remote->port;
    tuple->local = local->address;
    tuple->local_port = local->port;
    if (address_is_any(&local->address) && !ip_choose_source(s, &remote->address, &tuple->local))
        return DUET_E_ADDR;
    if (address_is_ipv4(&tuple->local) != address_is_ipv4(&tuple->remote) ||
        !ip_is_ours(s, &tuple->local))
        return DUET_E_ADDR;
    if (local->port == 0)
        return tcp_choose_port(s, tuple) != 0 ? DUET_OK : DUET_E_ADDR;
    demux_prepare(s, tuple); /* the slot comes while the ISN's hash is worked out */
    tcp_isn_prepare(s, tuple);
    return demux_find_first(s, tuple).kind == DEMUX_NONE ? DUET_OK : DUET_E_EXISTS;
}

/* SND.UNA = ISS, SND.NXT = ISS + 1: what is borrowed after this begins where the connection
 * does. */
static void choose_iss(struct duet_stack *s, struct tcp_conn *c)
{
    c->snd.iss = tcp_isn_take(s, &c->tuple);
    c->snd.una = c->snd.iss;
    c->snd.nxt = seq_add(c->snd.iss, 1);
}

/* Into SYN-SENT: a SYN is owed. */
static void start_active(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule)
{
    tcp_set_state(s, c, DUET_SYN_SENT, rule);
    tcp_owe(s, c, TCP_OWES_SYN, TCP_RULE_SEND_SYN);
}

static int open_active(struct duet_stack *s, const struct duet_socket_address *local,
                       const struct duet_socket_address *remote, enum duet_state from,
                       struct tcp_conn **connection)
{
    struct tcp_tuple tuple;
    int error = check_remote(s, remote);
    if (error == DUET_OK)
        error = choose_tuple(s, local, remote, &tuple);
    if (error != DUET_OK)
        return error;
    struct tcp_conn *c = tcp_conn_new(s, &tuple);
    if (c == NULL)
        return DUET_E_RES;
    choose_iss(s, c);
    if (!tcp_borrow_transfer(s, c)) {
        tcp_conn_unmake(s, c);
        return DUET_E_RES;
    }
    tcp_inherit_state(c, from);
    trace_call(s, &c->tuple, from, DUET_CALL_CONNECT, DUET_OK, 0);
    start_active(s, c, from == DUET_LISTEN ? TCP_RULE_OPEN_LISTENER : TCP_RULE_OPEN_ACTIVE);
    *connection = c;
    return DUET_OK;
}

int duet_connect(struct duet_stack *s, duet_time now, const struct duet_connect_options *options,
                 struct duet_handle *handle)
{
    stack_now(s, now);
    struct tcp_conn *c;
    int error = open_active(s, &options->local, &options->remote, DUET_CLOSED, &c);
    if (error != DUET_OK)
        return error;
    if ((options->flags & DUET_CONNECT_FAST_OPEN) != 0)
        tcp_fast_open_want(s, c);
    *handle = conn_handle(s, c);
    return DUET_OK;
}

int duet_connect_listener(struct duet_stack *s, duet_time now, struct duet_handle handle,
                          const struct duet_socket_address *remote, struct duet_handle *connection)
{
    stack_now(s, now);
    struct tcp_listener *listener = listener_of_handle(s, handle);
    if (listener == NULL)
        return DUET_E_NOCONN;
    bool is_named = remote != NULL && !address_is_any(&remote->address);
    struct duet_socket_address target = is_named ? *remote : listener->remote;
    struct tcp_conn *c;
    int error = open_active(s, &listener->local, &target, DUET_LISTEN, &c);
    if (error != DUET_OK)
        return error;
    tcp_ecn_set_mode(c, (enum tcp_ecn_mode)listener->ecn);
    listener_remove(s, listener, DUET_SYN_SENT);
    *connection = conn_handle(s, c);
    return DUET_OK;
}
