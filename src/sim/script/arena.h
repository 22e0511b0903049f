/* SPDX-License-Identifier: MIT */
/* Memory that is given up all at once: what a script is parsed into lives exactly as long as the
 * script. Running out of memory ends the program with a sentence, for a test tool has no other use
 * for that case.
 */
#ifndef SCRIPT_ARENA_H
#define SCRIPT_ARENA_H

#include <stddef.h>

struct arena_chunk;
struct arena {
    struct arena_chunk *first;
};

/* size bytes of zeros, aligned for anything. Never NULL. */
void *arena_new(struct arena *arena, size_t size);
/* A copy of text[0, length) with a NUL behind it. */
char *arena_text(struct arena *arena, const char *text, size_t length);
void arena_free(struct arena *arena);

/* malloc, realloc of elements and vsnprintf into fresh memory, which never return NULL. */
void *must_allocate(size_t size);
void *must_grow(void *memory, size_t count, size_t size);
char *must_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
