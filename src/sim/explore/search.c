/* SPDX-License-Identifier: MIT */
/* A worker of the search; see search.h. */
#include "search.h"

#include "verify.h"

#include <stdlib.h>
#include <string.h>

enum { CRASH_AT = 100, COVER_EVERY = 1 << 16 };

/* One step of the way: the world before it, and what is left to try there. */
struct frame {
    uint64_t hash;
    struct choice choice;
    unsigned next;
    struct model model;
    uint8_t *blocks[ENDS]; /* snapshots as they are here: own, or those of a frame below */
    uint8_t *own[ENDS];
};

struct worker {
    struct search *search;
    struct machine *machine;
    struct report *report;
    struct frame *frames;
    uint32_t depth, room;
    uint32_t steps; /* of the way, up to the world as it is now */
    struct verify verify;
    unsigned stale; /* bits: ends whose blocks are not those of the top frame */
};

/* ---- copies ---- */

static uint8_t *own_block(struct worker *w, struct frame *frame, unsigned end)
{
    if (frame->own[end] == NULL)
        frame->own[end] = malloc(w->machine->sizes[end]);
    if (frame->own[end] == NULL)
        abort(); /* the parent reports a worker that ended so */
    return frame->own[end];
}

static struct frame *next_frame(struct worker *w)
{
    if (w->depth == w->room) {
        uint32_t room = w->room == 0 ? 256 : w->room * 2;
        struct frame *frames = realloc(w->frames, room * sizeof *frames);
        if (frames == NULL)
            abort();
        memset(frames + w->room, 0, (room - w->room) * sizeof *frames);
        w->frames = frames;
        w->room = room;
    }
    return &w->frames[w->depth];
}

/* The world as it is now becomes the top frame. touched: blocks that differ from the frame below. */
static void push(struct worker *w, uint64_t hash, unsigned touched)
{
    struct frame *frame = next_frame(w);

    frame->hash = hash;
    frame->next = 0;
    model_copy(&frame->model, &w->machine->model);
    machine_choices(w->machine, &frame->choice);
    for (unsigned end = 0; end < ENDS; end++) {
        if (w->depth > 0 && (touched & 1u << end) == 0) {
            frame->blocks[end] = w->frames[w->depth - 1].blocks[end];
            continue;
        }
        frame->blocks[end] = own_block(w, frame, end);
        duet_snapshot(w->machine->stacks[end], frame->blocks[end]);
    }
    w->stale = 0;
    w->depth++;
    if (w->depth > w->report->depth)
        w->report->depth = w->depth;
}

static void restore(struct worker *w, const struct frame *frame)
{
    for (unsigned end = 0; end < ENDS; end++)
        if ((w->stale & 1u << end) != 0)
            duet_restore(w->machine->stacks[end], frame->blocks[end]);
    model_copy(&w->machine->model, &frame->model);
    w->machine->touched = 0;
    w->stale = 0;
}

/* Blocks of the frame that was on top until now may be anything to the one below it. */
static void pop(struct worker *w)
{
    const struct frame *top = &w->frames[--w->depth];

    if (w->depth == 0)
        return;
    for (unsigned end = 0; end < ENDS; end++)
        if (top->blocks[end] != w->frames[w->depth - 1].blocks[end])
            w->stale |= 1u << end;
}

/* ---- liveness ---- */

/* The top state ends well, and so do those below it from which kindness led here. */
static void mark_good(struct worker *w)
{
    for (uint32_t i = w->depth; i-- > 0;) {
        const struct frame *frame = &w->frames[i];
        if (i + 1 < w->depth && (frame->next != 1 || !frame->choice.is_kind))
            return;
        visited_mark_good(&w->search->visited, frame->hash);
    }
}

/* ---- going on ---- */

static void judge_new(struct worker *w)
{
    struct machine *m = w->machine;
    const struct frame *top = &w->frames[w->depth - 1];

    if (!top->choice.is_kind) {
        oracle_ending(m);
        w->report->endings++;
        if (m->problem[0] == '\0')
            mark_good(w);
        return;
    }
    if (top->choice.actions[0].kind == ACTION_CLOSE)
        oracle_silent(m);
}

static void judge_known(struct worker *w, const struct frame *from, bool is_good)
{
    bool was_kind = from->next == 1 && from->choice.is_kind;

    if (!was_kind)
        return;
    if (!is_good) { /* it stands on a chain, of this worker or of another, that has not ended yet */
        kindness_run(w->machine, NULL);
        w->stale = 3;
    }
    if (w->machine->problem[0] == '\0')
        mark_good(w);
}

static enum visited_answer find(struct worker *w, uint64_t hash)
{
    struct search *search = w->search;
    enum visited_answer answer;

    while ((answer = visited_add(&search->visited, hash)) == VISITED_FULL)
        if (search->shared->jobs > 1 || !visited_grow(&search->visited, search->memory))
            break;
    return answer;
}

static void step(struct worker *w)
{
    struct machine *m = w->machine;
    struct frame *top = &w->frames[w->depth - 1];
    struct action action = top->choice.actions[top->next++];
    uint64_t hash;
    enum visited_answer answer;

    restore(w, top);
    w->steps = w->report->way.length + w->depth;
    w->report->way.actions[w->steps - 1] = action;
    w->report->steps = w->steps;
    machine_step(m, action);
    if (++w->report->transitions % COVER_EVERY == 0)
        oracle_cover(m, &w->report->reached);
    w->stale = m->touched;
    if (m->problem[0] != '\0')
        return;
    hash = machine_hash(m);
    answer = find(w, hash);
    if (w->search->options->verify) {
        verify_state(&w->verify, m, hash);
        w->stale = 3;
    }
    if (answer == VISITED_NEW) {
        push(w, hash, w->stale);
        judge_new(w);
    } else if (answer == VISITED_FULL) {
        w->search->shared->is_full = true;
        w->search->shared->stop = true;
    } else {
        judge_known(w, top, answer == VISITED_GOOD);
    }
}

/* ---- work for others ---- */

/* The lowest step that has something left, if it is not the top one. */
static void share(struct worker *w)
{
    static struct gift gift;

    for (uint32_t i = 0; i + 1 < w->depth; i++) {
        struct frame *frame = &w->frames[i];
        if (frame->next >= frame->choice.count)
            continue;
        gift.choice = frame->choice;
        gift.next = frame->next;
        gift.model = frame->model;
        gift.way.length = w->report->way.length + i;
        memcpy(gift.way.actions, w->report->way.actions,
               gift.way.length * sizeof gift.way.actions[0]);
        search_give(w->search, &gift, frame->blocks);
        frame->next = frame->choice.count;
        return;
    }
}

static bool take(struct worker *w)
{
    static struct gift gift;
    struct frame *frame = next_frame(w);

    for (unsigned end = 0; end < ENDS; end++)
        frame->blocks[end] = own_block(w, frame, end);
    if (!search_take(w->search, &gift, frame->blocks))
        return false;
    frame->hash = 0;
    frame->choice = gift.choice;
    frame->next = gift.next;
    frame->model = gift.model;
    w->report->way.length = gift.way.length;
    memcpy(w->report->way.actions, gift.way.actions, gift.way.length * sizeof gift.way.actions[0]);
    w->depth = 1;
    w->stale = 3;
    return true;
}

static void stop_with_problem(struct worker *w)
{
    memcpy(w->report->problem, w->machine->problem, sizeof w->report->problem);
    w->report->has_problem = true;
    w->search->shared->stop = true;
}

static bool is_over(struct worker *w)
{
    const struct duet_explore_options *options = w->search->options;
    uint64_t count = visited_count(&w->search->visited);

    if (options->sabotage == DUET_EXPLORE_CRASH && count > CRASH_AT)
        abort();
    if (options->states_max != 0 && count >= options->states_max) {
        w->search->shared->is_full = true;
        w->search->shared->stop = true;
    }
    return w->search->shared->stop;
}

static void work_off(struct worker *w)
{
    while (w->depth > 0 && w->machine->problem[0] == '\0' && !is_over(w)) {
        const struct frame *top = &w->frames[w->depth - 1];
        bool is_too_long = w->report->way.length + w->depth >= WAY_MAX;
        w->search->shared->is_full |= is_too_long;
        if (top->next >= top->choice.count || is_too_long) {
            pop(w);
            continue;
        }
        if (search_is_wanted(w->search))
            share(w);
        step(w);
    }
    for (uint32_t i = 0; i < w->depth; i++)
        w->search->shared->waiting += w->frames[i].next < w->frames[i].choice.count;
}

void search_work(struct search *search, struct report *report, bool begins)
{
    struct worker w = {.search = search, .machine = &search->machine, .report = report};
    uint64_t hash = machine_hash(w.machine);

    w.machine->reached = &report->reached;
    if (begins) {
        find(&w, hash);
        push(&w, hash, 3);
        judge_new(&w);
        work_off(&w);
    }
    while (w.machine->problem[0] == '\0' && !search->shared->stop && take(&w))
        work_off(&w);
    oracle_cover(w.machine, &report->reached);
    if (w.machine->problem[0] != '\0')
        stop_with_problem(&w);
}
