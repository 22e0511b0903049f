/* SPDX-License-Identifier: MIT */
/* Addresses as text: RFC 4291, section 2.2 (what is read) and RFC 5952 (what is written). IPv4 is written
 * as a dotted quad. Zone identifiers are no part of an address and are refused. */
#include <string.h>

#include "base/bytes.h"
#include "duet/stack.h"

enum { GROUPS = 8, NO_GAP = GROUPS + 1 };

/* ---- text to address ---- */

/* Reads "a.b.c.d", which must end the text. A leading zero is refused: some read it as octal. */
static bool parse_quad(const char *text, uint8_t quad[4])
{
    for (unsigned part = 0; part < 4; part++) {
        unsigned value = 0, digits = 0;
        for (; *text >= '0' && *text <= '9' && digits < 3; text++, digits++)
            value = value * 10 + (unsigned)(*text - '0');
        if (digits == 0 || value > 255 || (digits > 1 && *(text - digits) == '0'))
            return false;
        quad[part] = (uint8_t)value;
        if (*text++ != (part < 3 ? '.' : '\0'))
            return false;
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One to four hexadecimal digits. Returns how many there were; 0: none, or more than four. */
static unsigned parse_group(const char *text, uint16_t *group)
{
    unsigned value = 0, digits = 0;
    for (; hex_digit(text[digits]) >= 0; digits++) {
        if (digits == 4)
            return 0;
        value = value << 4 | (unsigned)hex_digit(text[digits]);
    }
    *group = (uint16_t)value;
    return digits;
}

/* Groups in the order of the text; gap tells in front of which of them "::" stood. */
struct groups {
    uint8_t bytes[2 * GROUPS];
    unsigned count;
    unsigned gap;
};

/* Reads the groups of the text. Each turn begins where a group must begin. */
static bool parse_groups(const char *text, struct groups *groups)
{
    *groups = (struct groups){.gap = NO_GAP};
    if (text[0] == ':' && text[1] == ':') {
        groups->gap = 0;
        text += 2;
        if (*text == '\0')
            return true;
    }
    while (groups->count < GROUPS) {
        uint16_t group;
        const unsigned digits = parse_group(text, &group);
        if (digits == 0)
            return false;
        if (text[digits] == '.') { /* the last 32 bits may be a dotted quad */
            if (groups->count > GROUPS - 2 || !parse_quad(text, groups->bytes + 2 * groups->count))
                return false;
            groups->count += 2;
            return true;
        }
        bytes_put16(groups->bytes + 2 * groups->count++, group);
        text += digits;
        if (*text == '\0')
            return true;
        if (*text++ != ':')
            return false;
        if (*text == ':') {
            if (groups->gap != NO_GAP)
                return false;
            groups->gap = groups->count;
            if (*++text == '\0')
                return true;
        }
    }
    return false; /* something follows the eighth group */
}

static bool parse_ipv6(const char *text, struct duet_address *address)
{
    struct groups groups;
    if (!parse_groups(text, &groups))
        return false;
    if (groups.gap == NO_GAP) {
        if (groups.count != GROUPS)
            return false;
        memcpy(address->bytes, groups.bytes, sizeof address->bytes);
        return true;
    }
    if (groups.count >= GROUPS) /* "::" stands for one group at least */
        return false;
    const unsigned before = 2 * groups.gap, after = 2 * groups.count - before;
    memset(address->bytes, 0, sizeof address->bytes);
    memcpy(address->bytes, groups.bytes, before);
    memcpy(address->bytes + sizeof address->bytes - after, groups.bytes + before, after);
    return true;
}

int duet_address_parse(const char *text, struct duet_address *address)
{
    uint8_t quad[4];
    if (text == NULL)
        return DUET_E_ARG;
    if (parse_quad(text, quad)) {
        *address = duet_ipv4(quad[0], quad[1], quad[2], quad[3]);
        return DUET_OK;
    }
    return parse_ipv6(text, address) ? DUET_OK : DUET_E_ARG;
}

/* ---- address to text ---- */

static char *put_decimal(char *to, unsigned value) /* below 1000 */
{
    if (value >= 100)
        *to++ = (char)('0' + value / 100);
    if (value >= 10)
        *to++ = (char)('0' + value / 10 % 10);
    *to++ = (char)('0' + value % 10);
    return to;
}

static char *put_group(char *to, unsigned value) /* RFC 5952, 4.1 and 4.3: no zeros, lower case */
{
    unsigned shift = 12;
    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (;; shift -= 4) {
        *to++ = "0123456789abcdef"[value >> shift & 15];
        if (shift == 0)
            return to;
    }
}

static char *format_ipv4(char *to, const uint8_t quad[4])
{
    for (unsigned part = 0; part < 4; part++) {
        if (part > 0)
            *to++ = '.';
        to = put_decimal(to, quad[part]);
    }
    return to;
}

/* RFC 5952, 4.2: "::" for the longest run of zero groups, the first of equals, never for one group.
 * Returns its length and sets *first; 0: there is none. */
static unsigned longest_zero_run(const struct duet_address *address, unsigned *first)
{
    unsigned longest = 1, run = 0;
    for (unsigned i = 0; i < GROUPS; i++) {
        run = bytes_get16(address->bytes + 2 * i) == 0 ? run + 1 : 0;
        if (run > longest) {
            longest = run;
            *first = i + 1 - run;
        }
    }
    return longest > 1 ? longest : 0;
}

static char *format_ipv6(char *to, const struct duet_address *address)
{
    unsigned gap = NO_GAP;
    const unsigned gap_length = longest_zero_run(address, &gap);

    for (unsigned i = 0; i < GROUPS;) {
        if (i == gap) {
            *to++ = ':';
            *to++ = ':';
            i += gap_length;
            continue;
        }
        if (i > 0 && i != gap + gap_length)
            *to++ = ':';
        to = put_group(to, bytes_get16(address->bytes + 2 * i++));
    }
    return to;
}

size_t duet_address_format(const struct duet_address *address, char *text)
{
    char *end = duet_address_is_ipv4(address) ? format_ipv4(text, address->bytes + 12)
                                              : format_ipv6(text, address);
    *end = '\0';
    return (size_t)(end - text);
}
