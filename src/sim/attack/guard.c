/* SPDX-License-Identifier: MIT */
/* Bytes that end where a page ends, before one that must not be read: whoever looks one byte
 * beyond a packet is stopped by the machine, in any build. */
#include <string.h>
#include <sys/mman.h>

#include "sim/attack/attack.h"

enum { GUARD_ROOM = 64 * 1024, GUARD_PAGE = 64 * 1024 /* a multiple of every page size in use */ };

static uint8_t *edge(void)
{
    static uint8_t *end;
    void *memory;

    if (end != NULL)
        return end;
    memory = mmap(NULL, GUARD_ROOM + GUARD_PAGE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (mprotect((uint8_t *)memory + GUARD_ROOM, GUARD_PAGE, PROT_NONE) != 0)
        return NULL;
    end = (uint8_t *)memory + GUARD_ROOM;
    return end;
}

uint8_t *guard_place(const uint8_t *bytes, size_t size)
{
    uint8_t *end = edge();

    if (end == NULL || size > GUARD_ROOM)
        return NULL;
    if (size > 0)
        memcpy(end - size, bytes, size);
    return end - size;
}
