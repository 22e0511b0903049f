/* SPDX-License-Identifier: MIT */
/* One connection between duet and the kernel, from CLOSED to CLOSED. See peer_story.h. What each
 * side does stands in peer_steps.c, by which calls in peer_calls.c; here are the opening, the loop
 * and the verdict. */
#include "peer_story.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "duet/block.h"
#include "duet/loop.h"
#include "kernel_watch.h"
#include "peer_calls.h"

enum { PORT = 80, TRACE_EVENTS = 4096 };

#define STORY_LIMIT (20 * DUET_SECOND)
/* In real time nobody waits for 240 s. */
#define STORY_MSL (100 * DUET_MILLISECOND)
/* How long the kernel is given to handle the last segment. */
#define STORY_SETTLE (500 * DUET_MILLISECOND)

struct story {
    struct duet_kernel *kernel;
    struct peer_ends ends;
    bool is_client; /* duet is */
    struct duet_block block;
    struct duet_link *link; /* a tee around the watch around the kernel's link */
    struct duet_loop loop;
    struct kernel_watch watch;
    struct pollfd also;
    struct side duet_side, kernel_side;
    bool is_closed; /* duet has told how it ended: */
    struct duet_outcome outcome;
};

static void after_door(void *context, duet_time now)
{
    (void)now;
    drain_trace(context);
}

/* ---- opening ---- */

static bool open_stack(struct story *story)
{
    struct duet_config config;

    duet_config_default(&config);
    config.interface_count = 2;
    memcpy(config.interfaces, story->kernel->ours, sizeof(story->kernel->ours));
    config.mtu = story->link->mtu;
    config.offload = story->link->offload;
    config.connections_max = 4;
    config.trace_events = TRACE_EVENTS;
    config.msl = STORY_MSL;
    if (duet_block_start(&story->block, &config, &story->ends.stack) != 0) {
        complain(&story->ends.complaint, "the stack cannot be set up: %s", strerror(errno));
        return false;
    }
    return true;
}

static bool open_link(struct story *story)
{
    struct duet_link *watched;

    story->watch = (struct kernel_watch){
        .inner = story->kernel->link,
        .recorder = story->ends.recorder,
        .end = 1 - story->ends.duet_end,
        .sent = drain_trace,
        .context = &story->ends,
        .kernel = story->watch.kernel,
        .peer = story->watch.peer,
        .socket = &story->ends.socket,
    };
    if (kernel_watch_link(&story->watch, &watched) < 0) {
        complain(&story->ends.complaint, "%s", strerror(errno));
        return false;
    }
    story->link = watched; /* to be closed, even without a tee */
    if (duet_tee(watched, story->ends.recorder, story->ends.duet_end, &story->link) < 0) {
        complain(&story->ends.complaint, "%s", strerror(errno));
        return false;
    }
    return true;
}

/* The kernel's side as a server waits for a connection; as a client it asks for one. */
static void open_kernel_side(struct story *story)
{
    int descriptor =
        duet_kernel_socket(&story->watch.kernel, story->is_client ? NULL : &story->watch.peer);

    if (descriptor < 0)
        complain(&story->ends.complaint, "the kernel's %s: %s",
                 story->is_client ? "listen" : "connect", strerror(errno));
    if (!story->is_client) {
        story->ends.socket = descriptor;
        return;
    }
    story->ends.listening = descriptor;
    story->watch.state = DUET_LISTEN; /* unless the kernel says otherwise */
    kernel_watch_ask(&story->watch, duet_loop_now());
}

/* A client may send at once: what it sends rides on the third segment. */
static void open_duet_side(struct story *story)
{
    const struct duet_listen_options here = {.local = story->watch.peer, .backlog = 1};
    const struct duet_connect_options there = {.local = {.address = story->watch.peer.address},
                                               .remote = story->watch.kernel};
    duet_time now = duet_loop_now();

    if (story->is_client)
        (void)duet_result(&story->ends, "OPEN",
                          duet_connect(story->ends.stack, now, &there, &story->ends.connection));
    else
        (void)duet_result(&story->ends, "OPEN",
                          duet_listen(story->ends.stack, now, &here, &story->ends.listener));
    story->duet_side.is_open = story->is_client;
}

static void accept_duet(struct story *story)
{
    int result = duet_accept(story->ends.stack, duet_loop_now(), story->ends.listener,
                             &story->ends.connection, NULL);

    story->duet_side.is_open = duet_result(&story->ends, "ACCEPT", result) == DUET_OK;
}

/* The kernel's listener goes with the first connection: asked about one that is gone, the kernel
 * would answer with the listener's state. */
static void accept_kernel(struct story *story)
{
    int accepted = accept4(story->ends.listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (kernel_result(&story->ends, "accept", accepted) < 0)
        return;
    close(story->ends.listening);
    story->ends.listening = -1;
    story->ends.socket = accepted;
    story->kernel_side.is_open = true;
}

static void finish_connect_kernel(struct story *story)
{
    struct pollfd ready = {.fd = story->ends.socket, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof(error);

    if (poll(&ready, 1, 0) <= 0)
        return;
    (void)kernel_result(&story->ends, "getsockopt",
                        getsockopt(story->ends.socket, SOL_SOCKET, SO_ERROR, &error, &size));
    if (error != 0)
        complain(&story->ends.complaint, "the kernel's connect: %s", strerror(error));
    story->kernel_side.is_open = true;
}

/* ---- from begin to end ---- */

static void take_events(struct story *story)
{
    struct duet_event event;

    while (duet_next_event(story->ends.stack, &event)) {
        if ((event.bits & DUET_EVENT_CLOSED) == 0)
            continue;
        story->is_closed = true;
        story->outcome = event.outcome;
    }
}

static void take_turn(struct story *story)
{
    take_events(story);
    if (!story->duet_side.is_open)
        accept_duet(story);
    if (!story->kernel_side.is_open && story->is_client)
        accept_kernel(story);
    else if (!story->kernel_side.is_open)
        finish_connect_kernel(story);
    side_step(&story->duet_side, duet_loop_now());
    side_step(&story->kernel_side, duet_loop_now());
}

static bool is_over(const struct story *story)
{
    struct duet_counters counters;

    duet_counters(story->ends.stack, &counters);
    return story->duet_side.step->kind == STEP_DONE && story->kernel_side.step->kind == STEP_DONE &&
           story->is_closed && counters.time_wait == 0;
}

/* Which of the kernel's descriptors has news for the step at hand. */
static void choose_descriptor(struct story *story)
{
    enum step_kind step = story->kernel_side.step->kind;
    bool is_connecting = !story->is_client && !story->kernel_side.is_open;

    story->also = (struct pollfd){.fd = -1, .events = is_connecting ? POLLOUT : POLLIN};
    if (story->ends.listening >= 0)
        story->also.fd = story->ends.listening;
    else if (is_connecting || step == STEP_RECEIVE || step == STEP_END)
        story->also.fd = story->ends.socket;
}

static duet_time earlier(duet_time a, duet_time b)
{
    return a < b ? a : b;
}

static void turn_until_over(struct story *story)
{
    const duet_time until = duet_loop_now() + STORY_LIMIT;

    while (!story->ends.complaint.is_made && !is_over(story)) {
        duet_time next =
            earlier(side_deadline(&story->duet_side), side_deadline(&story->kernel_side));

        choose_descriptor(story);
        if (duet_loop_run(&story->loop, earlier(next, until)) < 0)
            complain(&story->ends.complaint, "the link: %s", strerror(errno));
        if (duet_loop_now() >= until)
            complain(&story->ends.complaint, "the connection did not come to its end in %lld s",
                     (long long)(STORY_LIMIT / DUET_SECOND));
        take_turn(story);
    }
}

/* What is true at the end of every good story. Over a veth pair the kernel may handle the last
 * segment a little later. */
static void judge(struct story *story)
{
    const enum duet_state wanted = story->is_client ? DUET_CLOSED : DUET_TIME_WAIT;
    const duet_time until = duet_loop_now() + STORY_SETTLE;

    while (story->watch.state != wanted && duet_loop_now() < until) {
        (void)poll(NULL, 0, 1);
        kernel_watch_ask(&story->watch, duet_loop_now());
    }
    if (story->watch.state != wanted)
        complain(&story->ends.complaint, "the kernel's end is in %s, not in %s",
                 duet_state_name(story->watch.state), duet_state_name(wanted));
    if (story->outcome.error != DUET_OK || !story->outcome.fin_acknowledged ||
        !story->outcome.peer_fin_received)
        complain(&story->ends.complaint, "duet's end did not close in good order: %s",
                 duet_error_sentence(story->outcome.error));
}

static void note_verdict(struct story *story)
{
    const duet_time now = duet_loop_now();
    char text[120];

    if (!story->is_client)
        duet_recorder_note(story->ends.recorder, now,
                           "Linux stays in TIME-WAIT for 60 s. The rest of it is not waited for.");
    (void)snprintf(text, sizeof(text),
                   "Verified: %llu bytes from the kernel and %llu from duet arrived as sent.",
                   (unsigned long long)story->duet_side.in,
                   (unsigned long long)story->kernel_side.in);
    duet_recorder_note(story->ends.recorder, now, text);
}

static void play(struct story *story)
{
    if (!open_link(story) || !open_stack(story))
        return;
    if (duet_loop_init(&story->loop, story->ends.stack, story->link) < 0) {
        complain(&story->ends.complaint, "%s", strerror(errno));
        return;
    }
    story->loop.after = after_door;
    story->loop.context = &story->ends;
    story->loop.also = &story->also;
    story->loop.also_count = 1;
    if (story->is_client)
        duet_recorder_note(story->ends.recorder, duet_loop_now(),
                           "Real time: duet's MSL is 0.1 s here, its TIME-WAIT 0.2 s, not 240 s.");
    if (story->is_client) { /* who listens comes first */
        open_kernel_side(story);
        open_duet_side(story);
    } else {
        open_duet_side(story);
        open_kernel_side(story);
    }
    take_turn(story);
    turn_until_over(story);
    if (!story->ends.complaint.is_made)
        judge(story);
    if (!story->ends.complaint.is_made)
        note_verdict(story);
    duet_loop_free(&story->loop);
}

static void close_story(struct story *story)
{
    if (story->ends.socket >= 0)
        close(story->ends.socket);
    if (story->ends.listening >= 0)
        close(story->ends.listening);
    if (story->link != NULL)
        story->link->close(story->link);
    else
        story->kernel->link->close(story->kernel->link);
    duet_block_end(&story->block);
}

bool peer_story_play(struct duet_kernel *kernel, bool is_client, bool is_ipv6,
                     struct duet_recorder *recorder, char *why, size_t size)
{
    struct story story = {
        .kernel = kernel,
        .ends = {.recorder = recorder,
                 .duet_end = is_client ? 0 : 1,
                 .complaint = {.size = size},
                 .listening = -1,
                 .socket = -1},
        .is_client = is_client,
    };

    story.ends.complaint.why = why;
    story.watch.kernel = (struct duet_socket_address){kernel->kernels[is_ipv6], PORT};
    story.watch.peer = (struct duet_socket_address){kernel->ours[is_ipv6].address, PORT};
    story.duet_side = duet_side(&story.ends, is_client ? client_steps : server_steps);
    story.kernel_side = kernel_side(&story.ends, is_client ? server_steps : client_steps);
    play(&story);
    close_story(&story);
    return !story.ends.complaint.is_made;
}
