/* SPDX-License-Identifier: MIT */
/* How often strangers are answered: RSTs from CLOSED and LISTEN and echo replies, so many a second for
 * each destination (RFC 4443, 2.4 f, in spirit). Whoever forges the source of what asks for them must
 * not make this host its weapon; and nobody must learn from his own share how much of another's is
 * used up, so there is no sum over all destinations.
 *
 * A destination counts in one of LIMIT_TABLE places. Which one is chosen by a keyed hash, anew each
 * second, so that two that share a place part again; and the limit of each place is up to an eighth
 * lower than config.replies_per_second, by the same hash, so that it cannot be counted out.
 */
#include "base/bytes.h"
#include "core/state.h"

#include <string.h>

bool reply_is_allowed(struct duet_stack *s, const struct duet_address *remote)
{
    int64_t second = s->now / DUET_SECOND;
    if (s->limit_second != second) {
        memset(s->limit_counts, 0, sizeof s->limit_counts);
        s->limit_second = second;
    }
    uint8_t message[sizeof remote->bytes + 8];
    memcpy(message, remote->bytes, sizeof remote->bytes);
    bytes_put32(message + sizeof remote->bytes, (uint32_t)((uint64_t)second >> 32));
    bytes_put32(message + sizeof remote->bytes + 4, (uint32_t)second);
    uint64_t hash = siphash_1_3(&s->limit_key, message, sizeof message);
    uint32_t place = (uint32_t)hash % LIMIT_TABLE;
    uint32_t most = s->config.replies_per_second;
    most -= (uint32_t)(hash >> 32) % (most / 8 + 1);
    if (s->limit_counts[place] >= most) {
        stack_rule(s, NULL, DUET_CLOSED, TCP_RULE_REPLY_LIMIT);
        return false;
    }
    s->limit_counts[place]++;
    return true;
}
