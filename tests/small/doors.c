/* SPDX-License-Identifier: MIT */
/* The doors of the build that this is linked with; as a module, of the small one. */
#include "doors.h"

#include <stdlib.h>

const struct doors *duet_doors(void)
{
    static const struct doors doors = {
        .config_default = duet_config_default,
        .footprint = duet_stack_footprint,
        .init = duet_stack_init,
        .input = duet_input,
        .expire = duet_expire,
        .deadline = duet_deadline,
        .output = duet_output,
        .next_event = duet_next_event,
        .listen = duet_listen,
        .connect = duet_connect,
        .accept = duet_accept,
        .send = duet_send,
        .receive = duet_receive,
        .shutdown = duet_shutdown,
        .close = duet_close,
        .status = duet_status,
    };
    return &doors;
}
