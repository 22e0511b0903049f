/* SPDX-License-Identifier: MIT */
/* Names of states, errors and trace kinds, spelled as the RFC spells them. */
#include "duet/trace.h"

const char *duet_state_name(enum duet_state state)
{
    switch (state) {
    case DUET_CLOSED:
        return "CLOSED";
    case DUET_LISTEN:
        return "LISTEN";
    case DUET_SYN_SENT:
        return "SYN-SENT";
    case DUET_SYN_RECEIVED:
        return "SYN-RECEIVED";
    case DUET_ESTABLISHED:
        return "ESTABLISHED";
    case DUET_FIN_WAIT_1:
        return "FIN-WAIT-1";
    case DUET_FIN_WAIT_2:
        return "FIN-WAIT-2";
    case DUET_CLOSE_WAIT:
        return "CLOSE-WAIT";
    case DUET_CLOSING:
        return "CLOSING";
    case DUET_LAST_ACK:
        return "LAST-ACK";
    case DUET_TIME_WAIT:
        return "TIME-WAIT";
    case DUET_STATES:
        break;
    }
    return "UNKNOWN";
}

static const struct {
    int code;
    const char *name, *posix, *sentence;
} errors[] = {
#define ROW(name, value, posix, sentence) {value, "DUET_E_" #name, posix, sentence},
    DUET_ERRORS(ROW)
#undef ROW
        {DUET_OK, "DUET_OK", "0", "success"},
    {1, "unknown", "unknown", "not an error code of duet"},
};

enum { ERRORS = sizeof errors / sizeof errors[0] };

static unsigned error_row(int code)
{
    for (unsigned i = 0; i < ERRORS; i++)
        if (errors[i].code == code)
            return i;
    return ERRORS - 1;
}

const char *duet_error_sentence(int code)
{
    return errors[error_row(code)].sentence;
}

const char *duet_error_name(int code)
{
    return errors[error_row(code)].name;
}

const char *duet_error_posix_name(int code)
{
    return errors[error_row(code)].posix;
}

/* The name at index, or "unknown" past the end. */
static const char *name_at(const char *const *names, unsigned count, unsigned index)
{
    return index < count ? names[index] : "unknown";
}

const char *duet_trace_kind_name(unsigned kind)
{
    static const char *const names[DUET_TRACE_KINDS] = {
        "segment-in", "segment-out", "rule", "state", "timer", "call", "congestion"};
    return name_at(names, DUET_TRACE_KINDS, kind);
}

const char *duet_timer_name(unsigned timer)
{
    static const char *const names[DUET_TIMERS] = {"retransmission", "persist",   "delayed-ack",
                                                   "keep-alive",     "time-wait", "user",
                                                   "fin-wait-2",     "probe",     "reordering"};
    return name_at(names, DUET_TIMERS, timer);
}

const char *duet_call_name(unsigned call)
{
    static const char *const names[DUET_CALLS] = {"listen",  "connect",  "accept", "send",
                                                  "receive", "shutdown", "close",  "abort"};
    return name_at(names, DUET_CALLS, call);
}
