/* SPDX-License-Identifier: MIT */
/* See block.h. Memory that a kernel does not know how to keep out of core files is better than none:
 * where madvise refuses, the stack starts all the same. */
#include "duet/block.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

enum { STACK_WIPED = 16 * 1024 }; /* deeper than deriving the keys goes */

/* What the functions before it have left on the stack. */
__attribute__((noinline)) static void wipe_stack(void)
{
    uint8_t room[STACK_WIPED];

    explicit_bzero(room, sizeof room);
}

static int draw_secret(struct duet_config *config)
{
    ssize_t drawn = getrandom(config->secret, sizeof config->secret, 0);

    if (drawn == (ssize_t)sizeof config->secret)
        return 0;
    if (drawn >= 0)
        errno = EIO;
    return -1;
}

static int map(struct duet_block *block, size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return -1;
    (void)madvise(memory, size, MADV_DONTDUMP);
    (void)madvise(memory, size, MADV_WIPEONFORK);
    *block = (struct duet_block){memory, size};
    return 0;
}

static int start(struct duet_block *block, struct duet_config *config, struct duet_stack **stack)
{
    size_t size;

    if (draw_secret(config) != 0)
        return -1;
    size = duet_stack_footprint(config);
    if (size == 0) {
        errno = EINVAL;
        return -1;
    }
    if (map(block, size) != 0)
        return -1;
    if (duet_stack_init(block->memory, block->size, config, stack) == DUET_OK)
        return 0;
    duet_block_end(block);
    errno = EINVAL;
    return -1;
}

int duet_block_start(struct duet_block *block, struct duet_config *config,
                     struct duet_stack **stack)
{
    int result, why;

    *block = (struct duet_block){NULL, 0};
    result = start(block, config, stack);
    why = errno;
    explicit_bzero(config->secret, sizeof config->secret);
    wipe_stack();
    errno = why;
    return result;
}

void duet_block_end(struct duet_block *block)
{
    if (block->memory != NULL)
        munmap(block->memory, block->size);
    *block = (struct duet_block){NULL, 0};
}
