/* SPDX-License-Identifier: MIT */
/* The table of attacks, and how a row is run and says what it saw. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/attack/attack.h"

static const struct duet_attack rows[] = {
#define ROW(id, title, safe)         {#id, title, safe, NULL},
#define ABSENT(id, title, safe, why) {#id, title, safe, why},
#include "sim/attack/attack.def"
#undef ROW
#undef ABSENT
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static void (*const functions[ROWS])(struct attack *) = {
#define ROW(id, title, safe)         attack_##id,
#define ABSENT(id, title, safe, why) NULL,
#include "sim/attack/attack.def"
#undef ROW
#undef ABSENT
};

unsigned duet_attack_count(void)
{
    return ROWS;
}

const struct duet_attack *duet_attack_at(unsigned index)
{
    return index < ROWS ? &rows[index] : NULL;
}

void duet_attack_run(unsigned index, uint64_t seed, bool quick, struct duet_attack_result *result)
{
    struct attack attack = {.result = result, .quick = quick};

    *result = (struct duet_attack_result){.verdict = DUET_ATTACK_NOT_APPLICABLE};
    if (index >= ROWS)
        return;
    if (functions[index] == NULL) {
        snprintf(result->did, sizeof result->did, "%s", rows[index].absent);
        return;
    }
    prng_seed(&attack.prng, seed + index);
    result->verdict = DUET_ATTACK_PASSED;
    functions[index](&attack);
}

long duet_attack_memory_kb(void)
{
    char line[200];
    long anonymous = 0;
    FILE *status = fopen("/proc/self/status", "r");

    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            anonymous = strtol(line + 8, NULL, 10);
    if (status != NULL)
        fclose(status);
    return anonymous;
}

void attack_sent(struct attack *attack, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(attack->result->sent, sizeof attack->result->sent, format, arguments);
    va_end(arguments);
}

void attack_did(struct attack *attack, const char *format, ...)
{
    va_list arguments;

    if (attack_failed(attack))
        return;
    va_start(arguments, format);
    vsnprintf(attack->result->did, sizeof attack->result->did, format, arguments);
    va_end(arguments);
}

bool attack_expect(struct attack *attack, bool holds, const char *format, ...)
{
    va_list arguments;

    if (holds || attack_failed(attack))
        return holds;
    attack->result->verdict = DUET_ATTACK_FAILED;
    va_start(arguments, format);
    vsnprintf(attack->result->did, sizeof attack->result->did, format, arguments);
    va_end(arguments);
    return false;
}

bool attack_failed(const struct attack *attack)
{
    return attack->result->verdict == DUET_ATTACK_FAILED;
}
