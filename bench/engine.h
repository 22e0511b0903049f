/* SPDX-License-Identifier: MIT */
/* A TCP under measurement: both ends of connections in this process, one thread, no real network.
 *
 * Each engine does the same work for its user: bytes are written to one end, carried in packets to the
 * other, compared there with what was written. Calls are so coarse that the way to them costs nothing.
 * An engine is opened once in a process. What returns false has put one sentence into why. */
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENGINE_WHY = 160, ENGINE_LIFE_BYTES = 64 };

struct engine_setup {
    uint32_t mtu;
    bool checksums; /* false: nobody computes or compares TCP checksums */
    bool
        counted; /* what it holds is counted by pages: these are small ones, and little is at work */
    uint32_t connections; /* most that will be open at a time */
    uint32_t
        time_wait; /* connections in TIME-WAIT to hold; 0: as the engine keeps them by itself */
    uint32_t half_open; /* connections of which only the SYN has come, at a time; 0: few */
    bool ipv6;
    uint32_t buffer; /* bytes that a connection may hold each way, where the engine lets choose */
};

enum engine_ending { END_ACTIVE_FIRST, END_PASSIVE_FIRST, END_BOTH_AT_ONCE, END_ABORT, ENDINGS };

struct engine {
    const char *name, *version;
    bool keeps_time_wait;
    bool (*open)(const struct engine_setup *setup);
    void (*close)(void);
    /* Opens so many more connections, numbered on from those that are open. */
    bool (*connect)(uint32_t count);
    /* Sends so many bytes over connection 0, from its active end to the passive one. */
    bool (*bulk)(uint64_t bytes);
    /* So many bytes to the passive end of a connection, and as many back. */
    bool (*exchange)(uint32_t connection, uint32_t bytes);
    /* The connection of the exchange after the next one: what the engine's own driver keeps of it, and nothing
     * else, may be brought into the cache. NULL: nothing is. */
    void (*expect)(uint32_t connection);
    /* A connection beside those that are open, from SYN to the last acknowledgement, with
     * ENGINE_LIFE_BYTES each way; the active end closes first. */
    bool (*life)(void);
    /* Ends an open connection; the numbers of the others stay. NULL: cannot be measured so. */
    bool (*end)(uint32_t connection, enum engine_ending how);
    /* SYNs of so many connections arrive at the passive end, and nothing that answers them. */
    bool (*half_open)(uint32_t count);
    /* Bytes of memory that lie in pages which are there: of one end, or of both. */
    uint64_t (*resident)(bool active, bool passive);
    char why[ENGINE_WHY];
};

/* The engine of duet. */
struct engine *engine_duet(void);

/* That of lwIP: a module beside the program, made where lwIP was found by the build. NULL: there is
 * none; why[0, size) says so. */
struct engine *engine_lwip(char *why, size_t size);

/* The operating system's TCP, over the loopback device or over a veth pair (Linux). */
struct engine *engine_kernel(bool is_veth);

/* What the module exports. */
#define ENGINE_MODULE_SYMBOL "engine_module"
typedef struct engine *engine_module_function(void);

/* ---- the bytes that are sent ---- */

/* Random bytes that repeat after a prime number of them, so that what arrives in the wrong place does
 * not pass for the right one; any ENGINE_PIECE of them lie in one stretch. */
enum { ENGINE_PIECE = 65536 };
void engine_pattern_make(void);
const uint8_t *engine_pattern(uint64_t position);

#endif
