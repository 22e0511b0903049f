/* SPDX-License-Identifier: MIT */
/* The state that the other end would be in, if it were a TCP: a script only sends packets, but the ladder
 * reads better with states on both sides. Concluded from the packets of a script's only connection; with
 * several, one column cannot show them.
 */
#include "duet/kernel.h"
#include "sim/script/player.h"

void player_conclude_peer(struct player *player, unsigned end, const uint8_t *bytes,
                          uint32_t length, bool departs)
{
    struct packet_seen seen;
    const char *reason = NULL;
    if (player->flow_count > 1 || !packet_read(bytes, length, true, &seen, &reason) ||
        seen.event.protocol != PACKET_TCP) {
        return;
    }
    struct peer_state *peer = &player->peer;
    unsigned flags = seen.event.flags;
    bool acks_fin = !departs && peer->fin_left && seen.event.ack == peer->fin_ack;
    if (departs && (flags & DUET_FIN)) {
        peer->fin_left = true;
        peer->fin_ack = seen.event.end + ((flags & DUET_SYN) ? 2 : 1);
    }
    peer->state = duet_kernel_infer(peer->state, departs, flags, acks_fin);
    duet_recorder_state(player->recorder, end, player->now, peer->state, true);
}
