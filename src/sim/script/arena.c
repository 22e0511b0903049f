/* SPDX-License-Identifier: MIT */
/* Memory that is given up all at once, and allocation that does not fail. */
#include "arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, size;
    max_align_t memory[];
};

enum { CHUNK_SIZE = 16384 };

static void *or_die(void *memory)
{
    if (memory == NULL) {
        fputs("duet: out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

void *must_allocate(size_t size)
{
    return or_die(calloc(1, size > 0 ? size : 1));
}

void *must_grow(void *memory, size_t count, size_t size)
{
    return or_die(count <= SIZE_MAX / size ? realloc(memory, count * size) : NULL);
}

char *must_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return or_die(length < 0 ? NULL : text);
}

void *arena_new(struct arena *arena, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    size_t need = (size + align - 1) / align * align;
    struct arena_chunk *chunk = arena->first;
    if (chunk == NULL || chunk->size - chunk->used < need) {
        size_t room = need > CHUNK_SIZE ? need : CHUNK_SIZE;
        chunk = must_allocate(sizeof(*chunk) + room);
        chunk->size = room;
        chunk->next = arena->first;
        arena->first = chunk;
    }
    void *at = (uint8_t *)chunk->memory + chunk->used;
    chunk->used += need;
    return at;
}

char *arena_text(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_new(arena, length + 1);
    memcpy(copy, text, length);
    return copy;
}

void arena_free(struct arena *arena)
{
    while (arena->first != NULL) {
        struct arena_chunk *next = arena->first->next;
        free(arena->first);
        arena->first = next;
    }
}
