/* SPDX-License-Identifier: MIT */
/* A stack whose keys stay where they are: the block of memory and the secret from the operating system
 * (Linux), for programs that have one.
 *
 *     struct duet_block block;
 *     duet_config_default(&config);
 *     ...
 *     if (duet_block_start(&block, &config, &stack) != 0)
 *         perror("duet");
 *     ...
 *     duet_block_end(&block);
 *
 * The keys of a stack lie in its block, and whoever reads them can guess its sequence numbers, ports and
 * cookies. So no core file holds this block (MADV_DONTDUMP), a child process finds it empty and must not
 * use the stack (MADV_WIPEONFORK), and the secret is nowhere once the keys are made of it.
 */
#ifndef DUET_BLOCK_H
#define DUET_BLOCK_H

#include <stddef.h>

#include "stack.h"

#ifdef __cplusplus
extern "C" {
#endif

struct duet_block {
    void *memory;
    size_t size;
};

/* Draws config->secret, whatever it holds, starts a stack in a new block and wipes the secret again.
 * Returns 0, or -1 with errno: EINVAL if the configuration is refused, ENOMEM, or why there is no
 * entropy; then *block is empty. */
int duet_block_start(struct duet_block *block, struct duet_config *config,
                     struct duet_stack **stack);
/* Gives the memory back; the stack is gone. An empty block is allowed. */
void duet_block_end(struct duet_block *block);

#ifdef __cplusplus
}
#endif
#endif
