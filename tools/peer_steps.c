/* SPDX-License-Identifier: MIT */
/* The steps of a client and a server, and doing them. See peer_steps.h. */
#include "peer_steps.h"

#include <stdarg.h>
#include <stdio.h>

/* The request rides on the third segment. Each text fits a segment, so nobody hurries an
 * acknowledgement that is delayed: Linux probes for the tail of two segments after 2 RTT, which are
 * no time here. */
enum { REQUEST = 100, ANSWER = 1200, REST = 600, BYTES_MAX = 2048 };

/* Lets an acknowledgement travel alone, as it does between programs that think, so that every state
 * can be seen: Linux delays one by 40 ms at least. */
#define PAUSE (60 * DUET_MILLISECOND)

const struct step client_steps[] = {
    {STEP_SEND, REQUEST, NULL},
    {STEP_RECEIVE, ANSWER, NULL},
    {STEP_PAUSE, 0, NULL},
    {STEP_SHUTDOWN, 0, "The client has nothing more to send, but goes on receiving."},
    {STEP_RECEIVE, REST, NULL},
    {STEP_END, 0, NULL},
    {STEP_CLOSE, 0, NULL},
    {STEP_DONE, 0, NULL},
};

const struct step server_steps[] = {
    {STEP_RECEIVE, REQUEST, NULL},
    {STEP_SEND, ANSWER, NULL},
    {STEP_END, 0, NULL},
    {STEP_PAUSE, 0, NULL},
    {STEP_SEND, REST,
     "The server still has data: this is why closing takes four steps, not three."},
    {STEP_PAUSE, 0, NULL},
    {STEP_CLOSE, 0, NULL},
    {STEP_DONE, 0, NULL},
};

void complain(struct complaint *complaint, const char *format, ...)
{
    va_list arguments;

    if (complaint->is_made)
        return;
    complaint->is_made = true;
    va_start(arguments, format);
    (void)vsnprintf(complaint->why, complaint->size, format, arguments);
    va_end(arguments);
}

/* Bytes that do not repeat every 256, so that none can be lost or come twice unseen. */
static uint8_t byte_at(uint8_t seed, uint64_t place)
{
    return (uint8_t)(place * 31 + (place >> 8) * 7 + seed);
}

static bool send_all(struct side *side)
{
    while (side->done < side->step->bytes) {
        uint32_t left = side->step->bytes - side->done;
        uint8_t data[BYTES_MAX];
        int64_t sent;

        for (uint32_t i = 0; i < left; i++)
            data[i] = byte_at(side->seed, side->out + i);
        sent = side->send(side->context, data, left);
        if (sent <= 0)
            return false;
        side->out += (uint64_t)sent;
        side->done += (uint32_t)sent;
    }
    return true;
}

static bool receive_all(struct side *side)
{
    while (side->done < side->step->bytes) {
        uint8_t data[BYTES_MAX];
        int64_t got = side->receive(side->context, data, side->step->bytes - side->done);

        if (got == MOVED_END)
            complain(side->complaint, "%s saw the end of the stream after %llu bytes", side->name,
                     (unsigned long long)side->in);
        if (got <= 0)
            return false;
        for (int64_t i = 0; i < got; i++)
            if (data[i] != byte_at(side->other_seed, side->in + (uint64_t)i))
                complain(side->complaint, "of what %s received, byte %llu is not what was sent",
                         side->name, (unsigned long long)side->in + (unsigned long long)i);
        side->in += (uint64_t)got;
        side->done += (uint32_t)got;
    }
    return true;
}

static bool receive_end(struct side *side)
{
    uint8_t data[1];
    int64_t got = side->receive(side->context, data, sizeof(data));

    if (got > 0)
        complain(side->complaint, "%s received more than was sent", side->name);
    return got == MOVED_END;
}

/* True if the step is over. */
static bool do_step(struct side *side, duet_time now)
{
    switch (side->step->kind) {
    case STEP_SEND:
        return send_all(side);
    case STEP_RECEIVE:
        return receive_all(side);
    case STEP_END:
        return receive_end(side);
    case STEP_PAUSE:
        return now >= side->since + PAUSE;
    case STEP_SHUTDOWN:
        side->shutdown(side->context);
        return true;
    case STEP_CLOSE:
        side->close(side->context);
        return true;
    case STEP_DONE:
        break;
    }
    return false;
}

void side_step(struct side *side, duet_time now)
{
    while (side->is_open && side->step->kind != STEP_DONE && !side->complaint->is_made) {
        if (!side->has_begun && side->step->note != NULL)
            duet_recorder_note(side->recorder, now, side->step->note);
        if (!side->has_begun) {
            side->has_begun = true;
            side->since = now;
            side->done = 0;
        }
        if (!do_step(side, now))
            return;
        side->has_begun = false;
        side->step++;
    }
}

duet_time side_deadline(const struct side *side)
{
    return side->has_begun && side->step->kind == STEP_PAUSE ? side->since + PAUSE : DUET_NEVER;
}
