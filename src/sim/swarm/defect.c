/* SPDX-License-Identifier: MIT */
/* What is broken on purpose, so that a test can see each judge find it. LOST_BYTE and LEAK are bad
 * habits of applications and stand in app.c. */
#include <stdlib.h>
#include <string.h>

#include "sim/swarm/forge.h"
#include "sim/swarm/swarm.h"

enum { AMNESIA_MS = 100, AMNESIAS_MOST = 100, NOISE_S = 1 };

/* The memory of a host goes back to what it was a moment ago, while it serves a connection. */
static void forget(struct swarm *w)
{
    struct host *host = &w->hosts[w->sessions[0].server];

    if (w->defect_count++ == AMNESIAS_MOST)
        return;
    if (w->unfinished == 0 && host->snapshot == NULL) {
        w->defect_count--;
    } else if (host->snapshot == NULL) {
        host->snapshot = malloc(host->memory_size);
        if (host->snapshot == NULL)
            swarm_no_memory(w);
        memcpy(host->snapshot, host->memory, host->memory_size);
    } else {
        memcpy(host->memory, host->snapshot, host->memory_size);
        free(host->snapshot);
        host->snapshot = NULL;
        host_settle(w, host);
    }
    if (!w->has_healed)
        swarm_note(w, w->now + AMNESIA_MS * DUET_MILLISECOND, AGENDA_DEFECT, 0);
}

/* A byte of text is another one, and every checksum is right. */
void defect_touch(struct swarm *w, uint32_t slot)
{
    struct forge_view view;

    network_finish_checksum(w, slot);
    if (!forge_look(w, slot, &view) || view.text_length == 0)
        return;
    view.text[view.text_length / 2] ^= 1;
    forge_mend(w, slot, view.text_length);
    w->defect_count++;
}

void defect_happen(struct swarm *w)
{
    if (w->recipe->defect == DUET_SIM_AMNESIA)
        forget(w);
    else
        swarm_note(w, w->now + NOISE_S * DUET_SECOND, AGENDA_DEFECT, 0);
}
