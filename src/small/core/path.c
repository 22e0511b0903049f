/* SPDX-License-Identifier: MIT */
/* The small build's path to a destination: as large as the link takes, or as config.mtu_initial says. */
#include "core/path.h"

#include "core/state.h"

uint16_t path_mtu(const struct duet_stack *s, const struct duet_address *remote)
{
    const struct duet_config *config = &s->config;
    (void)remote;
    if (config->mtu_initial == 0)
        return (uint16_t)config->mtu;
    return (uint16_t)min_u32(max_u32(config->mtu_initial, PATH_FLOOR_IPV4), config->mtu);
}
