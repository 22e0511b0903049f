/* SPDX-License-Identifier: MIT */
/* What the kinds of applications share. */
#ifndef SIM_SWARM_APP_H
#define SIM_SWARM_APP_H

#include "sim/swarm/swarm.h"

uint32_t app_id(const struct swarm *w, const struct endpoint *e);
/* Does what is to be done now; the endpoints may have moved then. */
void app_act(struct swarm *w, struct endpoint *e);
/* What the application asks for, and what all ask for when the network has healed. */
void app_set_options(struct swarm *w, struct endpoint *e);
/* Bytes that the connection has delivered are judged. */
void app_take(struct swarm *w, struct endpoint *e, const uint8_t *bytes, size_t size);
void app_close(struct swarm *w, struct endpoint *e);
void app_abort(struct swarm *w, struct endpoint *e);

/* random_app.c: the one that calls anything. It may open connections, which moves endpoints. */
void random_app_act(struct swarm *w, uint32_t id);

#endif
