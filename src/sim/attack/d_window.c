/* SPDX-License-Identifier: MIT */
/* Section D of the attack table: a peer that lies about what it takes. */
#include "sim/attack/attack.h"

/* ---- D5 ---- */

void attack_D5(struct attack *attack)
{
    static const uint16_t windows[] = {0, 10, 1, 65535, 1460, 3, 0, 65535};

    attack_sent(attack, "windows of 64 KB, 0, 10 and others that take back what was offered, at "
                        "every amount of data in flight");
    for (unsigned keep = 0; keep < 20; keep++) {
        struct target *target;
        struct peer peer;
        uint32_t from;

        if (!peer_hungry(attack, &target, &peer, &peer_plain))
            return;
        from = peer.ack;
        (void)peer_take(&peer);
        peer.ack = from + keep * 777;
        for (unsigned i = 0; i < sizeof windows / sizeof windows[0]; i++) {
            uint32_t before = peer_status_now(&peer).snd_nxt, edge = peer.ack + windows[i] + 1;

            peer.window = windows[i];
            peer_say(&peer, 0, 0, 0, NULL, 0);
            target_pass(target, target->now + 100 * DUET_MILLISECOND);
            edge = (int32_t)(edge - before) > 0 ? edge : before;
            attack_expect(attack, (int32_t)(peer_status_now(&peer).snd_nxt - edge) <= 0,
                          "%u bytes were sent beyond the window",
                          peer_status_now(&peer).snd_nxt - edge);
            target_check(target);
        }
        for (unsigned i = 0; i < 200; i++) {
            peer.ack = peer_status_now(&peer).snd_nxt;
            peer_say(&peer, 0, 0, 0, NULL, 0);
            target_pass(target, target->now + 100 * DUET_MILLISECOND);
        }
        attack_expect(attack, peer_status_now(&peer).snd_una - from > 500000,
                      "after %u bytes the connection is stuck", keep * 777);
        target_free(target);
    }
    attack_did(attack, "kept its invariants, probed, and went on when the window opened");
}

/* ---- D6 ---- */

void attack_D6(struct attack *attack)
{
    static uint8_t text[4000];
    struct duet_config config;
    struct target *target;
    struct peer peer;
    uint32_t window, delivered;

    attack_sent(attack, "segments that reach 1 to 3000 bytes beyond the window at many places, in "
                        "and out of order");
    target_config(attack, &config);
    config.receive_buffer = config.receive_buffer_initial = 8192;
    target = target_new(attack, &config);
    if (target == NULL || !peer_open(&peer, target, 1000, &peer_plain)) {
        target_free(target);
        return;
    }
    window = peer_status_now(&peer).rcv_wnd;
    for (uint32_t over = 1; over < 3000; over += 13) {
        peer_say(&peer, DUET_FIN, window - 500, 0, text, 500 + over);
        peer_say(&peer, DUET_FIN, window + over, 0, text, 500);
        target_drain(target);
        target_check(target);
    }
    for (uint32_t at = 0; at < window; at += 1000)
        peer_say(&peer, 0, at, 0, text, window - at < 1000 ? window - at + 900 : 1000);
    delivered = peer_delivered(&peer);
    attack_expect(attack, delivered == window, "%u bytes were delivered of a window of %u",
                  delivered, window);
    attack_expect(attack, peer_state(&peer) == DUET_ESTABLISHED, "a FIN beyond the window counts");
    target_free(target);
    attack_did(attack, "cut each at the right edge, and a FIN behind it with it");
}
