/* SPDX-License-Identifier: MIT */
/* A recording as a pcapng file (draft-ietf-opsawg-pcapng): a section header, one interface an
 * end, and each packet once for every end that saw it, in order of time, with our explanation as
 * its comment. Little-endian, link type raw IP, times in nanoseconds.
 */
#include <stdio.h>
#include <string.h>

#include "observe/words.h"

enum {
    BLOCK_SECTION = 0x0a0d0d0a,
    BLOCK_INTERFACE = 1,
    BLOCK_PACKET = 6,
    BYTE_ORDER_MAGIC = 0x1a2b3c4d,
    LINKTYPE_RAW = 101,
    OPTION_END = 0,
    OPTION_COMMENT = 1,
    OPTION_APPLICATION = 4, /* of a section */
    OPTION_NAME = 2,        /* of an interface */
    OPTION_RESOLUTION = 9,  /* of an interface: 10^-n seconds */
    OPTION_FLAGS = 2,       /* of a packet: bits 0-1 are 1 inbound, 2 outbound */
    BLOCK_MAX = 65536 + 8 * WORDS_SIZE,
};

/* A block while it is put together; what does not fit is a mistake of ours, as an IP packet has
 * at most 65,535 bytes. */
struct block {
    uint8_t bytes[BLOCK_MAX];
    uint32_t length;
};

static void put(struct block *block, const void *bytes, uint32_t length)
{
    if (length > BLOCK_MAX - block->length)
        length = BLOCK_MAX - block->length;
    if (length != 0) /* the end of the options has no bytes at all */
        memcpy(block->bytes + block->length, bytes, length);
    block->length += length;
}

static void put16(struct block *block, uint32_t value)
{
    uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};

    put(block, bytes, sizeof bytes);
}

static void put32(struct block *block, uint32_t value)
{
    put16(block, value & 0xffff);
    put16(block, value >> 16);
}

static void pad(struct block *block)
{
    static const uint8_t zeros[4] = {0};

    put(block, zeros, (4 - block->length % 4) % 4);
}

static void put_option(struct block *block, uint32_t code, const void *value, size_t length)
{
    put16(block, code);
    put16(block, (uint32_t)length);
    put(block, value, (uint32_t)length);
    pad(block);
}

static void write32(FILE *to, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                        (uint8_t)(value >> 24)};

    fwrite(bytes, 1, sizeof bytes, to);
}

/* The length stands before and after the body, and counts itself and the type: 3 * 4 bytes. */
static void write_block(FILE *to, uint32_t type, const struct block *body)
{
    write32(to, type);
    write32(to, body->length + 12);
    fwrite(body->bytes, 1, body->length, to);
    write32(to, body->length + 12);
}

static void write_section(FILE *to, struct block *block)
{
    block->length = 0;
    put32(block, BYTE_ORDER_MAGIC);
    put16(block, 1); /* version 1.0 */
    put16(block, 0);
    put32(block, UINT32_MAX); /* length of the section: not known */
    put32(block, UINT32_MAX);
    put_option(block, OPTION_APPLICATION, "duet", 4);
    put_option(block, OPTION_END, NULL, 0);
    write_block(to, BLOCK_SECTION, block);
}

static void write_interface(FILE *to, struct block *block, const char *name)
{
    static const uint8_t nanoseconds = 9;
    size_t length = strlen(name);

    block->length = 0;
    put16(block, LINKTYPE_RAW);
    put16(block, 0);
    put32(block, 0); /* no limit on packets */
    put_option(block, OPTION_NAME, name, length < WORDS_SIZE ? length : WORDS_SIZE);
    put_option(block, OPTION_RESOLUTION, &nanoseconds, 1);
    put_option(block, OPTION_END, NULL, 0);
    write_block(to, BLOCK_INTERFACE, block);
}

/* ---- the comment ---- */

static void say_states(struct words *words, const struct ladder *ladder,
                       const struct ladder_moment *moment)
{
    words_add(words, "%s: ", ladder->recorder->ends[moment->end].name);
    if (moment->before != moment->after) {
        words_state(words, moment->before, moment->inferred);
        words_add(words, " -> ");
    }
    words_state(words, moment->after, moment->inferred);
}

static void say_why(struct words *words, const char *prefix, uint16_t rule)
{
    if (rule == 0)
        return;
    words_add(words, "\n%s", prefix);
    words_rule(words, rule);
}

static void comment(struct words *words, const struct ladder *ladder,
                    const struct ladder_moment *moment)
{
    const struct ladder_arrow *arrow = &ladder->arrows[moment->arrow];
    struct words more;

    words_clear(words);
    say_states(words, ladder, moment);
    words_add(words, "\npacket #%u %s: ", arrow->tag,
              moment->kind == LADDER_DEPARTURE ? "leaves" : "arrives");
    words_flags(words, arrow);
    for (unsigned i = 0; words_field(&more, ladder, arrow, i); i++)
        if (more.length > 0)
            words_add(words, "  %s", more.text);
    words_add(words, "  ");
    words_options(words, arrow, true);
    words_clear(&more);
    words_faults(&more, arrow);
    if (more.length > 0)
        words_add(words, "\n%s", more.text);
    if (moment->kind == LADDER_DEPARTURE && arrow->lost != DUET_NEVER)
        words_add(words, "\nlost on the way");
    if (moment->kind == LADDER_DEPARTURE)
        say_why(words, "why: ", arrow->rule);
    for (unsigned i = 0; i < moment->rule_count; i++)
        if (moment->kind == LADDER_ARRIVAL || moment->rules[i] != arrow->rule)
            say_why(words, "", moment->rules[i]);
}

static void write_packet(FILE *to, struct block *block, const struct ladder *ladder,
                         const struct ladder_moment *moment)
{
    const struct record *packet = moment->packet;
    uint8_t flags[4] = {moment->kind == LADDER_ARRIVAL ? 1 : 2, 0, 0, 0};
    uint64_t time = (uint64_t)moment->time;
    struct words words;

    block->length = 0;
    put32(block, moment->end);
    put32(block, (uint32_t)(time >> 32));
    put32(block, (uint32_t)time);
    put32(block, packet->u.packet.length);
    put32(block, packet->u.packet.length);
    put(block, packet->u.packet.bytes, packet->u.packet.length);
    pad(block);
    comment(&words, ladder, moment);
    put_option(block, OPTION_COMMENT, words.text, words.length);
    put_option(block, OPTION_FLAGS, flags, sizeof flags);
    put_option(block, OPTION_END, NULL, 0);
    write_block(to, BLOCK_PACKET, block);
}

int duet_recorder_pcapng(const struct duet_recorder *recorder, FILE *to)
{
    struct block block;
    struct ladder ladder;

    if (ladder_make(recorder, false, &ladder) != 0)
        return -1;
    write_section(to, &block);
    for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++)
        write_interface(to, &block, recorder->ends[end].name);
    for (size_t i = 0; i < ladder.moment_count; i++)
        if (ladder.moments[i].kind == LADDER_DEPARTURE || ladder.moments[i].kind == LADDER_ARRIVAL)
            write_packet(to, &block, &ladder, &ladder.moments[i]);
    ladder_free(&ladder);
    return ferror(to) ? -1 : 0;
}
