/* SPDX-License-Identifier: MIT */
/* The path cache (path.h): a table of sets, keyed so that nobody outside can choose which
 * destinations share one, and the numbers of the search for the path MTU (RFC 4821, 7.2 to 7.7).
 *
 *        search_low      mtu                        search_high
 *   ---------|------------|-----------------------------|--------
 *    passes  |            | may pass: probes look here  | does not
 *
 *   packet too big       mtu and search_high become what the router says; nothing larger is tried
 *                        for config.pmtu_timeout, 10 min (RFC 1191, 6.3: at least 5)
 *   probe acknowledged   search_low and mtu rise to its size
 *   a probe lost alone   the search goes on below its size, which may have been bad luck
 *   3 of one size        search_high falls below it
 *   less than 8 bytes between search_low and search_high: found; again after config.pmtu_timeout
 *   black hole           mtu falls to search_low, then both to the base, then by half to the floor
 *
 * The first probe has the size of search_high, because a path that shrank for a while carries all
 * of it again; then half way between mtu and the smallest size that failed. Only that one, the last
 * of the search, is tried three times: if it passes after all, so may what is above it. So a search
 * costs few losses, and none of them decides alone. Connections do not know of each other here:
 * they look again when the epoch of the table has changed (tcp_mtu.c).
 *
 * Without config.plpmtud the record forgets the router's word after config.pmtu_timeout, and the
 * next segment is as large as the link takes (RFC 1191, 6.3).
 */
#include "core/path.h"

#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

#include <string.h>

enum { PROBES_MAX = 3 };  /* RFC 8899, 5.1.2: MAX_PROBES */
enum { SEARCH_STEP = 8 }; /* a smaller gain is not worth a probe */

/* So much later than the losses of its probes would allow it the search may be finished, if there
 * is no rest behind it in which that is made good. */
#define PROBE_CREDIT (600 * DUET_SECOND)

/* ---- the table ---- */

uint32_t path_records(const struct duet_config *config)
{
    return (config->paths_max + PATH_WAYS - 1) / PATH_WAYS * PATH_WAYS;
}

void path_init(struct path_table *table, struct path *records, uint32_t count)
{
    memset(records, 0, count * sizeof *records);
    *table = (struct path_table){.records = records, .sets = count / PATH_WAYS};
}

static struct path *set_of(const struct duet_stack *s, const struct duet_address *remote)
{
    uint64_t hash = siphash_1_3(&s->path_key, remote, sizeof *remote);
    return &s->paths.records[((hash >> 32) * s->paths.sets >> 32) * PATH_WAYS];
}

static struct path *search_set(struct path *set, const struct duet_address *remote)
{
    for (unsigned i = 0; i < PATH_WAYS; i++)
        if (set[i].is_used && address_equal(&set[i].remote, remote))
            return &set[i];
    return NULL;
}

/* A free record of the set, or the one that was used longest ago. */
static struct path *victim_of(struct path *set)
{
    struct path *victim = &set[0];
    for (unsigned i = 0; i < PATH_WAYS; i++) {
        if (!set[i].is_used)
            return &set[i];
        if (set[i].used < victim->used)
            victim = &set[i];
    }
    return victim;
}

/* ---- sizes ---- */

uint16_t path_floor(const struct duet_stack *s, const struct duet_address *remote)
{
    uint32_t floor = address_is_ipv4(remote) ? PATH_FLOOR_IPV4 : PATH_FLOOR_IPV6;
    return (uint16_t)min_u32(floor, s->config.mtu);
}

uint16_t path_base(const struct duet_stack *s, const struct duet_address *remote)
{
    uint32_t base = address_is_ipv4(remote) ? PATH_BASE_IPV4 : PATH_BASE_IPV6;
    return (uint16_t)min_u32(base, s->config.mtu);
}

/* With nothing known: as large as the link takes, or as config.mtu_initial says. */
uint16_t path_default(const struct duet_stack *s, const struct duet_address *remote)
{
    uint32_t wanted = s->config.mtu_initial == 0 ? s->config.mtu : s->config.mtu_initial;
    return (uint16_t)min_u32(max_u32(wanted, path_floor(s, remote)), s->config.mtu);
}

static void check_sizes(const struct duet_stack *s, const struct path *path)
{
    CHECK(path->search_low >= path_floor(s, &path->remote));
    CHECK(path->search_low <= path->mtu);
    CHECK(path->mtu <= path->search_high);
    CHECK(path->search_high <= s->config.mtu);
    CHECK(path->failures == 0 || path->probe > path->mtu);
}

static void set_mtu(struct duet_stack *s, struct path *path, uint16_t mtu)
{
    if (path->mtu != mtu)
        s->paths.epoch++;
    path->mtu = mtu;
}

static duet_time rest_until(const struct duet_stack *s)
{
    return s->config.pmtu_timeout == 0 ? DUET_NEVER : s->now + s->config.pmtu_timeout;
}

static duet_time probe_credit(const struct duet_stack *s)
{
    return s->config.pmtu_timeout == 0 ? PROBE_CREDIT : s->config.pmtu_timeout;
}

/* Anything up to what the link takes may pass; its own size is the best guess. */
static void open_search(const struct duet_stack *s, struct path *path)
{
    path->search_high = path->guess = (uint16_t)s->config.mtu;
    path->failures = 0;
    path->again_at = DUET_NEVER;
}

/* The search rests where it is. */
static void close_search(const struct duet_stack *s, struct path *path)
{
    path->search_high = path->mtu;
    path->guess = 0;
    path->failures = 0;
    path->again_at = path->mtu < s->config.mtu ? rest_until(s) : DUET_NEVER;
}

static void close_search_if_found(const struct duet_stack *s, struct path *path)
{
    if (path->search_high - path->mtu < SEARCH_STEP)
        close_search(s, path);
}

/* What has been believed for config.pmtu_timeout may be too small by now. */
static void age(struct duet_stack *s, struct path *path)
{
    if (s->now < path->again_at)
        return;
    open_search(s, path);
    if (!s->config.plpmtud)
        set_mtu(s, path, path_default(s, &path->remote));
}

const struct path *path_peek(const struct duet_stack *s, const struct duet_address *remote)
{
    return s->paths.used == 0 ? NULL : search_set(set_of(s, remote), remote);
}

struct path *path_find(struct duet_stack *s, const struct duet_address *remote)
{
    if (s->paths.used == 0)
        return NULL;
    struct path *path = search_set(set_of(s, remote), remote);
    if (path == NULL)
        return NULL;
    path->used = s->now;
    age(s, path);
    return path;
}

struct path *path_obtain(struct duet_stack *s, const struct duet_address *remote)
{
    struct path *path = path_find(s, remote);
    if (path != NULL)
        return path;
    path = victim_of(set_of(s, remote));
    if (!path->is_used)
        s->paths.used++;
    uint16_t mtu = path_default(s, remote);
    *path = (struct path){
        .remote = *remote,
        .used = s->now,
        .probe_at = s->now - probe_credit(s),
        .mtu = mtu,
        .search_low = (uint16_t)min_u32(mtu, path_base(s, remote)),
        .is_used = true,
    };
    open_search(s, path);
    check_sizes(s, path);
    return path;
}

uint16_t path_mtu(struct duet_stack *s, const struct duet_address *remote)
{
    const struct path *path = path_find(s, remote);
    return path == NULL ? path_default(s, remote) : path->mtu;
}

/* ---- what is learnt ---- */

void path_lower(struct duet_stack *s, const struct duet_address *remote, uint16_t mtu)
{
    struct path *path = path_obtain(s, remote);
    mtu = (uint16_t)max_u32(mtu, path_floor(s, remote));
    if (mtu > path->search_high || mtu >= s->config.mtu)
        return;
    if (mtu > path->mtu) { /* it answers a probe: try exactly this next */
        path->search_high = path->guess = mtu;
        path->failures = 0;
        close_search_if_found(s, path);
    } else {
        set_mtu(s, path, mtu);
        path->search_low = (uint16_t)min_u32(path->search_low, mtu);
        close_search(s, path);
        path->again_at = rest_until(s);
    }
    check_sizes(s, path);
}

bool path_black_hole(struct duet_stack *s, const struct duet_address *remote, uint16_t vanishes)
{
    struct path *path = path_obtain(s, remote);
    uint16_t floor = path_floor(s, remote);
    uint16_t base = path_base(s, remote);
    uint16_t failed = (uint16_t)min_u32(path->mtu, vanishes);
    if (failed <= floor)
        return false;
    uint16_t half = (uint16_t)max_u32(failed / 2u, floor);
    uint16_t next = path->search_low < failed ? path->search_low : base < failed ? base : half;
    path->search_low = next;
    set_mtu(s, path, next);
    /* An outage looks the same: one more packet of the size that vanished first tells. */
    if (path->failures == 0) {
        path->probe = path->guess = failed;
        path->failures = PROBES_MAX - 1;
    }
    check_sizes(s, path);
    return true;
}

void path_raise(struct duet_stack *s, struct path *path, uint16_t mtu)
{
    if (mtu <= path->mtu)
        return;
    path->search_low = mtu;
    path->search_high = (uint16_t)max_u32(path->search_high, mtu);
    if (path->probe <= mtu)
        path->failures = 0;
    set_mtu(s, path, mtu);
    close_search_if_found(s, path);
    check_sizes(s, path);
}

/* A probe of this size was lost, and nothing smaller. */
static bool has_failed(const struct path *path, uint16_t high)
{
    return path->failures > 0 && path->probe <= high;
}

void path_probe_failed(struct duet_stack *s, struct path *path, uint16_t size)
{
    if (size <= path->mtu || size > path->search_high)
        return; /* known by now */
    if (path->probe != size) {
        path->probe = size;
        path->failures = 0;
    }
    path->guess = 0;
    path->failures++;
    if (path->failures < PROBES_MAX)
        return;
    path->failures = 0;
    path->search_high = size - 1;
    close_search_if_found(s, path);
    check_sizes(s, path);
}

void path_space_probes(const struct duet_stack *s, struct path *path, duet_time headway)
{
    duet_time from = s->now - probe_credit(s);
    path->probe_at = (path->probe_at > from ? path->probe_at : from) + headway;
}

uint16_t path_next_probe(const struct duet_stack *s, const struct path *path, uint16_t limit)
{
    uint16_t high = (uint16_t)min_u32(path->search_high, limit);
    if (high <= path->mtu || s->now < path->probe_at)
        return 0;
    if (path->guess > path->mtu)
        return (uint16_t)min_u32(path->guess, high);
    uint16_t last = has_failed(path, high) ? path->probe : high;
    uint16_t below = has_failed(path, high) ? path->probe - 1 : high;
    if (below - path->mtu < SEARCH_STEP)
        return last;
    return (uint16_t)(path->mtu + (below - path->mtu + 1) / 2);
}

/* ---- the Fast Open cookie ---- */

bool path_cookie_get(struct duet_stack *s, const struct duet_address *remote,
                     struct path_cookie *cookie)
{
    const struct path *path = path_find(s, remote);
    if (path == NULL || path->cookie_length == 0)
        return false;
    *cookie = (struct path_cookie){.length = path->cookie_length, .mss = path->cookie_mss};
    memcpy(cookie->bytes, path->cookie, path->cookie_length);
    return true;
}

void path_cookie_put(struct duet_stack *s, const struct duet_address *remote,
                     const struct path_cookie *cookie)
{
    CHECK(cookie->length <= PATH_COOKIE_MAX);
    struct path *path = path_obtain(s, remote);
    path->cookie_length = cookie->length;
    path->cookie_mss = cookie->mss;
    path->no_cookie_until = 0;
    memcpy(path->cookie, cookie->bytes, cookie->length);
}

void path_cookie_bar(struct duet_stack *s, const struct duet_address *remote, duet_time until)
{
    path_obtain(s, remote)->no_cookie_until = until;
}

bool path_cookie_is_barred(struct duet_stack *s, const struct duet_address *remote)
{
    const struct path *path = path_find(s, remote);
    return path != NULL && s->now < path->no_cookie_until;
}

/* ---- SYNs that ask for ECN ---- */

/* RFC 9768, 3.1.4.1: a SYN is lost for many reasons, so asking goes on until it is clear that this
 * is one. */
enum { ECN_FAILURES_MAX = 3 };

bool path_ecn_failed(struct duet_stack *s, const struct duet_address *remote)
{
    struct path *path = path_obtain(s, remote);
    if (path->ecn_failures < ECN_FAILURES_MAX)
        path->ecn_failures++;
    if (path->ecn_failures < ECN_FAILURES_MAX)
        return false;
    path->no_ecn_until = s->now + s->config.ecn_pause;
    return true;
}

void path_ecn_passed(struct duet_stack *s, const struct duet_address *remote)
{
    struct path *path = path_find(s, remote);
    if (path == NULL)
        return;
    path->ecn_failures = 0;
    path->no_ecn_until = 0;
}

bool path_ecn_is_barred(struct duet_stack *s, const struct duet_address *remote)
{
    const struct path *path = path_find(s, remote);
    return path != NULL && s->now < path->no_ecn_until;
}
