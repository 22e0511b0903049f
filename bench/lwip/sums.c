/* SPDX-License-Identifier: MIT */
/* lwIP as packaged always computes checksums; a switch is compiled out. Its functions for them are
 * public, though, and it calls them by name: those of the same name here come first, and do the
 * library's work or none of it. The sum of the IP header stays, as duet's does. */
#include "sums.h"

#include <dlfcn.h>
#include <limits.h>
#include <string.h>

#include <lwip/inet_chksum.h>

typedef u16_t pseudo_function(struct pbuf *p, u8_t proto, u16_t length, const ip_addr_t *source,
                              const ip_addr_t *destination);
typedef u16_t partial_function(struct pbuf *p, u8_t proto, u16_t length, u16_t part,
                               const ip_addr_t *source, const ip_addr_t *destination);
typedef u16_t copy_function(void *to, const void *from, u16_t length);

static pseudo_function *library_pseudo;
static partial_function *library_partial;
static copy_function *library_copy;
static bool sums_on = true;

/* A function by its name, through memory: C has no cast for it. */
static bool find(const char *name, void *function)
{
    void *found = dlsym(RTLD_NEXT, name);

    memcpy(function, &found, sizeof found);
    return found != NULL;
}

bool lwip_sums_find(void)
{
    return find("ip_chksum_pseudo", &library_pseudo) &&
           find("ip_chksum_pseudo_partial", &library_partial) &&
           find("lwip_chksum_copy", &library_copy);
}

void lwip_sums_set(bool on)
{
    sums_on = on;
}

u16_t ip_chksum_pseudo(struct pbuf *p, u8_t proto, u16_t proto_len, const ip_addr_t *src,
                       const ip_addr_t *dest)
{
    return sums_on ? library_pseudo(p, proto, proto_len, src, dest) : 0;
}

u16_t ip_chksum_pseudo_partial(struct pbuf *p, u8_t proto, u16_t proto_len, u16_t chksum_len,
                               const ip_addr_t *src, const ip_addr_t *dest)
{
    return sums_on ? library_partial(p, proto, proto_len, chksum_len, src, dest) : 0;
}

u16_t lwip_chksum_copy(void *dst, const void *src, u16_t len)
{
    if (sums_on)
        return library_copy(dst, src, len);
    memcpy(dst, src, len);
    return 0;
}
