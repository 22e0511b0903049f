/* SPDX-License-Identifier: MIT */
/* Control bits for people: by name, and as the string of six bits in which textbooks draw them. */
#include "wire/print.h"

#include "duet/trace.h" /* enum duet_flag */

struct flag_name {
    uint16_t flag;
    char name[4];
};

static const struct flag_name flag_names[] = {
    {DUET_SYN, "SYN"}, {DUET_FIN, "FIN"}, {DUET_RST, "RST"}, {DUET_PSH, "PSH"}, {DUET_ACK, "ACK"},
    {DUET_URG, "URG"}, {DUET_ECE, "ECE"}, {DUET_CWR, "CWR"}, {DUET_AE, "AE"},
};

/* A bounded writer: length goes on counting where the room ends. */
struct text {
    char *to;
    size_t size, length;
};

static void text_put(struct text *text, const char *part)
{
    for (; *part != '\0'; part++, text->length++)
        if (text->length < text->size)
            text->to[text->length] = *part;
}

size_t print_flags(char *to, size_t size, uint16_t flags)
{
    struct text text = {.to = to, .size = size};

    for (size_t i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++) {
        if ((flags & flag_names[i].flag) == 0)
            continue;
        if (text.length > 0)
            text_put(&text, ",");
        text_put(&text, flag_names[i].name);
    }
    if (text.length == 0)
        text_put(&text, "none");
    if (size > 0)
        to[text.length < size ? text.length : size - 1] = '\0';
    return text.length;
}

void print_bits(char *to, uint16_t flags)
{
    for (unsigned i = 0; i < 6; i++) /* URG is bit 5, FIN bit 0 */
        to[i] = (flags & (1U << (5 - i))) != 0 ? '1' : '0';
    to[6] = '\0';
}
