/* SPDX-License-Identifier: MIT */
/* The calls of a build as values, so that two builds can be used in one program. */
#ifndef SMALL_DOORS_H
#define SMALL_DOORS_H

#include <duet/stack.h>

struct doors {
    void (*config_default)(struct duet_config *);
    size_t (*footprint)(const struct duet_config *);
    int (*init)(void *, size_t, const struct duet_config *, struct duet_stack **);
    void (*input)(struct duet_stack *, duet_time, const struct duet_packet *);
    void (*expire)(struct duet_stack *, duet_time);
    duet_time (*deadline)(const struct duet_stack *);
    bool (*output)(struct duet_stack *, duet_time, struct duet_packet *);
    bool (*next_event)(struct duet_stack *, struct duet_event *);
    int (*listen)(struct duet_stack *, duet_time, const struct duet_listen_options *,
                  struct duet_handle *);
    int (*connect)(struct duet_stack *, duet_time, const struct duet_connect_options *,
                   struct duet_handle *);
    int (*accept)(struct duet_stack *, duet_time, struct duet_handle, struct duet_handle *,
                  struct duet_socket_address *);
    int64_t (*send)(struct duet_stack *, duet_time, struct duet_handle, const void *, size_t,
                    unsigned);
    int64_t (*receive)(struct duet_stack *, duet_time, struct duet_handle, void *, size_t);
    int (*shutdown)(struct duet_stack *, duet_time, struct duet_handle);
    int (*close)(struct duet_stack *, duet_time, struct duet_handle);
    int (*status)(const struct duet_stack *, struct duet_handle, struct duet_status *);
};

/* Of the build that doors.c is linked with. */
const struct doors *duet_doors(void);

#endif
