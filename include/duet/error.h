/* SPDX-License-Identifier: MIT */
/* Error codes: the RFC's own replies to user calls (RFC 9293, section 3.10), as negative numbers.
 *
 * Every function of duet that can fail returns one of these, or a value >= 0. Each code has a
 * sentence for people (duet_error_sentence) and tells here what the caller does next.
 */
#ifndef DUET_ERROR_H
#define DUET_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* DUET_ERROR(name, value, POSIX errno name, sentence) */
#define DUET_ERRORS(DUET_ERROR)                                                                    \
    /* Stale handle, or closed and forgotten. Next: drop the handle. */                            \
    DUET_ERROR(NOCONN, -1, "ENOTCONN", "connection does not exist")                                \
    /* The stack's configuration forbids it. Next: ask for something else. */                      \
    DUET_ERROR(PERM, -2, "EPERM", "connection illegal for this process")                           \
    /* A pool is empty. Next: free something, or try later. */                                     \
    DUET_ERROR(RES, -3, "ENOBUFS", "insufficient resources")                                       \
    /* An argument is out of its range. Next: correct the call. */                                 \
    DUET_ERROR(ARG, -4, "EINVAL", "argument out of range")                                         \
    /* Not an address of this stack, or not one TCP may talk to. Next: correct the call. */        \
    DUET_ERROR(ADDR, -5, "EADDRNOTAVAIL", "address cannot be used")                                \
    /* That pair of sockets is taken. Next: use another port, or the handle that exists. */        \
    DUET_ERROR(EXISTS, -6, "EADDRINUSE", "connection already exists")                              \
    /* The call needs a remote socket and none was given. Next: name one. */                       \
    DUET_ERROR(NOREMOTE, -7, "EDESTADDRREQ", "remote socket unspecified")                          \
    /* We (SEND, CLOSE) or the peer (RECEIVE: end of stream) closed. Next: close the handle. */    \
    DUET_ERROR(CLOSING, -8, "EPIPE", "connection closing")                                         \
    /* A RST of the peer, or our ABORT. Next: close the handle. */                                 \
    DUET_ERROR(RESET, -9, "ECONNRESET", "connection reset")                                        \
    /* The peer answered our SYN with RST. Next: close the handle. */                              \
    DUET_ERROR(REFUSED, -10, "ECONNREFUSED", "connection refused")                                 \
    /* The peer stopped answering (R2 or user timeout). Next: close the handle. */                 \
    DUET_ERROR(TIMEOUT, -11, "ETIMEDOUT", "connection aborted due to user timeout")                \
    /* Nothing to do now (would block). Next: wait for the event that says so. */                  \
    DUET_ERROR(AGAIN, -12, "EAGAIN", "nothing can be done now, wait for an event")                 \
    /* An ICMP error said that the peer cannot be reached. Next: close the handle. */              \
    DUET_ERROR(UNREACHABLE, -13, "EHOSTUNREACH", "destination unreachable")

enum duet_error {
#define DUET_ERROR_ENUM(name, value, posix, sentence) DUET_E_##name = value,
    DUET_ERRORS(DUET_ERROR_ENUM)
#undef DUET_ERROR_ENUM
        DUET_OK = 0
};

/* The sentence, the C name ("DUET_E_RESET") and the POSIX name ("ECONNRESET") of a code. Never
 * NULL: an unknown code has a sentence that says so. */
const char *duet_error_sentence(int code);
const char *duet_error_name(int code);
const char *duet_error_posix_name(int code);

#ifdef __cplusplus
}
#endif
#endif
