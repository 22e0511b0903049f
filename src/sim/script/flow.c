/* SPDX-License-Identifier: MIT */
/* How the script's numbers become those on the wire: see flow.h. */
#include "sim/script/flow.h"

uint8_t flow_pattern(uint32_t n)
{
    return (uint8_t)((n * 0x9e3779b1u) >> 24);
}

void flow_begin_text(struct flow *flow)
{
    flow->text_known = true;
    flow->text_end = 0;
    flow->replies = false;
}

void flow_clock_learn(struct flow *flow, uint32_t script, uint32_t live, duet_time now)
{
    if (flow->clock_marks == 0) {
        flow->clock_start = now;
    }
    /* The first mark stays: it fixes the relation of the two clocks. The others go round. */
    unsigned at = flow->clock_marks;
    if (at >= FLOW_CLOCK_MARKS) {
        at = 1 + (at - 1) % (FLOW_CLOCK_MARKS - 1);
    }
    flow->clock[at].script = script;
    flow->clock[at].live = live;
    flow->clock_marks++;
}

/* The latest mark that says exactly this comes first: a script may use any numbers at all, as long
 * as it echoes those it named. */
static const struct flow_clock_mark *find_mark(const struct flow *flow, uint32_t value,
                                               bool by_script)
{
    unsigned count = flow->clock_marks < FLOW_CLOCK_MARKS ? flow->clock_marks : FLOW_CLOCK_MARKS;
    for (unsigned i = 0; i < count; i++) {
        unsigned latest = flow->clock_marks - 1 - i;
        unsigned at =
            latest < FLOW_CLOCK_MARKS ? latest : 1 + (latest - 1) % (FLOW_CLOCK_MARKS - 1);
        const struct flow_clock_mark *mark = &flow->clock[at];
        if ((by_script ? mark->script : mark->live) == value) {
            return mark;
        }
    }
    return NULL;
}

uint32_t flow_clock_live(const struct flow *flow, uint32_t script)
{
    if (flow->clock_marks == 0) {
        return script;
    }
    const struct flow_clock_mark *mark = find_mark(flow, script, true);
    return mark != NULL ? mark->live : flow->clock[0].live + (script - flow->clock[0].script);
}

uint32_t flow_clock_script(const struct flow *flow, uint32_t live)
{
    if (flow->clock_marks == 0) {
        return live;
    }
    const struct flow_clock_mark *mark = find_mark(flow, live, false);
    return mark != NULL ? mark->script : flow->clock[0].script + (live - flow->clock[0].live);
}
