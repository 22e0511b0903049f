/* SPDX-License-Identifier: MIT */
/* POSIX sockets over a stack in virtual time: descriptors that scripts number themselves, options,
 * blocking, poll and epoll. Each call is a function that either finishes, with a result as the
 * kernel would give it, or says that it blocks and is called again, with its state, when something
 * happened.
 */
#ifndef SCRIPT_SOCKETS_H
#define SCRIPT_SOCKETS_H

#include "duet/stack.h"
#include "sim/script/script.h"

struct player;

enum sock_kind { SOCK_PLAIN, SOCK_LISTENER, SOCK_CONNECTION, SOCK_EPOLL };
enum { SOCK_EVENT_BITS = 9, SOCK_VALUES_MAX = 48, SOCK_WATCHES_MAX = 32 };

struct sock_value { /* an option as it was set */
    int level, name;
    int64_t value;
};

struct sock_watch { /* of an epoll descriptor */
    int fd;
    uint32_t events;
    int64_t data;
    uint32_t seen; /* the socket's event count when it was last reported, for EPOLLET */
    bool reported, disabled;
};

struct sock {
    struct sock *next;
    int fd;
    bool open; /* false after close(fd), when only calls of ours still find it */
    enum sock_kind kind;
    bool v6, nonblocking;
    int descriptor; /* of the operating system, where its TCP is tested; else -1 */
    bool bound;
    struct duet_socket_address local, remote;

    bool has_handle;
    struct duet_handle handle;
    bool connecting; /* connect has been called and nobody was told how it ended */
    bool connected;
    bool user_closed; /* duet_close or duet_abort was called */
    bool closed;      /* DUET_EVENT_CLOSED came, outcome is set */
    struct duet_outcome outcome;
    int error; /* errno to be told once, 0: none */
    int last;  /* what the last call of duet returned, an enum duet_error */
    bool read_shut, write_shut, oob_inline;
    uint32_t counts[SOCK_EVENT_BITS], event_count;
    uint32_t read_offset, text_offset; /* bytes read and written so far */
    uint32_t irs;                      /* the peer's first sequence number, as far as is known */

    bool corked, linger_on;
    bool holds; /* the last byte of a corked tail stays here, for the stack pushes with a byte */
    uint8_t held;
    int64_t linger_seconds;
    duet_time receive_timeout, send_timeout; /* 0: none */
    struct sock_value values[SOCK_VALUES_MAX];
    unsigned value_count;

    struct sock_watch watches[SOCK_WATCHES_MAX];
    unsigned watch_count;
};

struct call_result {
    int64_t value;
    int error;           /* errno, with value -1 */
    int duet_error;      /* or an enum duet_error, for the calls of duet itself */
    const char *text;    /* or a word: the state, an error name */
    bool unknown;        /* what is tested cannot tell: nothing to compare */
    bool new_descriptor; /* value is what the script expects, or the lowest free one */
};

enum call_status { CALL_DONE, CALL_BLOCKS, CALL_WRONG };

struct call_state {
    const struct call_event *call;
    bool begun;
    duet_time deadline; /* when it gives up; DUET_NEVER: it does not */
    int64_t progress;
};

/* Runs, or goes on with, the call in state. WRONG: the player has its verdict. */
enum call_status sockets_call(struct player *player, struct call_state *state,
                              struct call_result *result);
/* Compares a result with what the script says. False: the player has failed. */
bool sockets_judge(struct player *player, const struct call_event *call,
                   const struct call_result *result);
/* An event of the stack. */
void sockets_event(struct player *player, const struct duet_event *event);
void sockets_free(struct player *player);
/* True for calls of ours that look at the stack and change nothing. */
bool sockets_only_asks(const struct player *player, const struct call_event *call);

/* ---- shared by the files of calls ---- */

typedef enum call_status call_function(struct player *player, struct call_state *state,
                                       struct call_result *result);

struct call_entry {
    const char *name;
    unsigned least, most; /* arguments */
    call_function *run;
    bool asks;
};
const struct call_entry *calls_open(void);    /* socket, bind, listen, accept, connect */
const struct call_entry *calls_data(void);    /* read, write, ... */
const struct call_entry *calls_end(void);     /* shutdown, close */
const struct call_entry *calls_options(void); /* getsockopt, ioctl, fcntl */
const struct call_entry *calls_poll(void);
const struct call_entry *calls_duet(void); /* those of ours that act */
const struct call_entry *calls_ask(void);  /* those of ours that ask */

const struct expression *argument(const struct call_state *state, unsigned number);
/* The value of an argument; ... is otherwise. False: the player has its verdict. */
bool argument_number(struct player *player, const struct call_state *state, unsigned number,
                     int64_t otherwise, int64_t *value);
/* The socket of the first argument. NULL: result says EBADF, or status is WRONG. */
struct sock *argument_sock(struct player *player, const struct call_state *state,
                           struct call_result *result, enum call_status *status);
/* The address in an argument; ... is otherwise. */
bool argument_address(struct player *player, const struct call_state *state, unsigned number,
                      const struct duet_socket_address *otherwise,
                      struct duet_socket_address *address, int64_t *family);
enum call_status call_fails(struct call_result *result, int error);
enum call_status call_returns(struct call_result *result, int64_t value);
/* Blocks, or fails with error when the socket or the flag says so or the deadline has passed. */
enum call_status call_waits(struct player *player, struct call_state *state,
                            struct call_result *result, bool nonblocking, duet_time timeout,
                            int error);

struct sock *sock_new(struct player *player, enum sock_kind kind);
struct sock *sock_find(struct player *player, int fd);
/* Also one whose descriptor has been closed. */
struct sock *sock_find_any(struct player *player, int fd);
/* Lets go of what a cork held back; more: but not of an incomplete segment. */
void sock_flush(struct player *player, struct sock *sock, bool more);
int sock_errno(int duet_error); /* a duet error as errno */
int sock_take_error(struct sock *sock);
/* Compares text that was just taken, or peeked at, with what a packet in carries there. False: verdict. */
bool sock_text_is_right(struct player *player, const struct sock *sock, const uint8_t *bytes,
                        int64_t size);
/* Where the peer's text begins, asked while the stack still knows. */
void sock_learn_irs(struct player *player, struct sock *sock);
uint32_t sock_readiness(struct player *player, struct sock *sock); /* POLLIN ... */
int64_t sock_value(const struct sock *sock, int level, int name, int64_t otherwise);
void sock_remember(struct sock *sock, int level, int name, int64_t value);
/* Gives a fresh listener or connection the options that were set before it existed. */
void sock_apply(struct player *player, struct sock *sock);
/* Compares a number that a call gives back with what the script has there. */
bool output_matches(struct player *player, const struct expression *expected, const char *what,
                    int64_t actual);
bool output_address_matches(struct player *player, const struct expression *expected,
                            const struct duet_socket_address *actual);
struct tcp_info_field {
    const char *name;
    int64_t value;
};
/* The tcpi_ fields of a socket; returns how many, at most max. */
unsigned sock_tcp_info(struct player *player, const struct sock *sock,
                       struct tcp_info_field *fields, unsigned max);

#endif
