/* SPDX-License-Identifier: MIT */
/* What the unit tests share: expectations that name the row of a table, memory that ends at a page
 * nobody may touch, and a way to see a CHECK fail. */
#ifndef UNIT_H
#define UNIT_H

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define EXPECT(row, condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("%s:%d: %s: not so: %s\n", __FILE__, __LINE__, row, #condition);           \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

#define EXPECT_EQUAL(row, actual, expected)                                                        \
    do {                                                                                           \
        const uint64_t actual_value = (uint64_t)(actual), expected_value = (uint64_t)(expected);   \
        if (actual_value != expected_value) {                                                      \
            print_error("%s:%d: %s: %s is %#" PRIx64 ", not %#" PRIx64 "\n", __FILE__, __LINE__,   \
                        row, #actual, actual_value, expected_value);                               \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

#define EXPECT_TEXT(row, actual, expected)                                                         \
    do {                                                                                           \
        if (strcmp(actual, expected) != 0) {                                                       \
            print_error("%s:%d: %s: \"%s\", not \"%s\"\n", __FILE__, __LINE__, row, actual,        \
                        expected);                                                                 \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

#define EXPECT_BYTES(row, actual, expected, size)                                                  \
    expect_bytes(__FILE__, __LINE__, row, actual, expected, size)

static inline void expect_bytes(const char *file, int line, const char *row, const void *actual,
                                const void *expected, size_t size)
{
    const uint8_t *a = actual, *b = expected;
    for (size_t i = 0; i < size; i++) {
        if (a[i] != b[i]) {
            print_error("%s:%d: %s: byte %zu is %02x, not %02x\n", file, line, row, i, a[i], b[i]);
            fail();
        }
    }
}

/* ---- memory that ends at a page nobody may touch ---- */

struct guard {
    uint8_t *memory;
    size_t size; /* bytes in front of the guard page */
};

static inline struct guard guard_make(size_t size_min)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t size = (size_min + page - 1) / page * page;
    uint8_t *memory =
        mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    assert_int_equal(mprotect(memory + size, page, PROT_NONE), 0);
    return (struct guard){.memory = memory, .size = size};
}

/* The last size bytes in front of the guard page, as a copy of bytes. */
static inline uint8_t *guard_place(const struct guard *guard, const void *bytes, size_t size)
{
    assert_true(size <= guard->size);
    uint8_t *at = guard->memory + guard->size - size;
    if (size > 0)
        memcpy(at, bytes, size);
    return at;
}

static inline void guard_drop(const struct guard *guard)
{
    munmap(guard->memory, guard->size + (size_t)sysconf(_SC_PAGESIZE));
}

/* ---- a CHECK that must fail ---- */

/* Runs action in a child process, which must abort with a message that begins so. */
static inline void expect_check_failure(const char *row, void (*action)(void), const char *message)
{
    int ends[2];
    char text[512];
    size_t length = 0;

    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL); /* cmocka caught it */
        action();
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], text + length, sizeof text - 1 - length)) > 0;)
        length += (size_t)got;
    text[length] = '\0';
    close(ends[0]);

    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT ||
        strncmp(text, message, strlen(message)) != 0) {
        print_error("%s: expected \"%s\", saw status %d and \"%s\"\n", row, message, status, text);
        fail();
    }
}

#endif
