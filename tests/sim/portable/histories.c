/* SPDX-License-Identifier: MIT */
/* Prints the hash of the history of each seed from the first argument to the second. For
 * portable.test.py, which builds it with several compilers and for a machine of another byte order; so
 * it is linked with what a world needs and no more. */
#include <stdlib.h>

#include "duet/sim.h"

/* Nothing is recorded here. */
uint32_t duet_recorder_sent(struct duet_recorder *recorder, unsigned end, duet_time now,
                            const struct duet_packet *packet)
{
    (void)recorder, (void)end, (void)now, (void)packet;
    abort();
}

void duet_recorder_arrived(struct duet_recorder *recorder, unsigned end, duet_time now,
                           const struct duet_packet *packet)
{
    (void)recorder, (void)end, (void)now, (void)packet;
    abort();
}

void duet_recorder_trace(struct duet_recorder *recorder, unsigned end,
                         const struct duet_trace_event *event)
{
    (void)recorder, (void)end, (void)event;
    abort();
}

int main(int argc, char **argv)
{
    uint64_t last = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;

    for (uint64_t seed = argc == 3 ? strtoull(argv[1], NULL, 10) : 1; seed <= last; seed++) {
        const struct duet_sim_recipe recipe = {.seed = seed};
        struct duet_sim_result result;

        if (duet_sim_run(&recipe, NULL, &result) != 0)
            return 1;
        printf("%llu %016llx\n", (unsigned long long)seed, (unsigned long long)result.hash);
    }
    return 0;
}
