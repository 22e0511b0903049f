/* SPDX-License-Identifier: MIT */
/* Which TCP a script was written for. Other people's scripts were written for Linux and expect its
 * choices where the RFCs leave one; those that use calls or settings of ours were written for duet.
 */
#ifndef SCRIPT_PROFILE_H
#define SCRIPT_PROFILE_H

#include "sim/script/player.h"

/* What the script is taken for: what --profile says in it, or on the command line, else by what it uses. */
enum profile profile_of(const struct script *script, const struct duet_script_options *options);
/* Changes defaults; options come after it. */
void profile_apply(struct settings *settings, enum profile profile);

/* Quick acknowledgements, as Linux gives them: at the beginning of a connection each segment with text is
 * acknowledged at once, until sixteen have been, or the user answers; then acknowledgements are
 * delayed. All of these do nothing in other profiles. */
void quick_ack_start(struct player *player, struct sock *sock); /* a listener or an active open */
void quick_ack_accepted(struct player *player, struct sock *sock); /* out of a listener */
void quick_ack_text_in(struct player *player, struct flow *flow);  /* before it goes in */
void quick_ack_text_out(struct player *player, struct sock *sock); /* the user wrote */

#endif
