/* SPDX-License-Identifier: MIT */
/* Recipes of worlds as text: a seed, then words. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "duet/sim.h"

#define FAULT_NAME(name, text, sentence)     text,
#define FAULT_SENTENCE(name, text, sentence) sentence,
static const char *const fault_names[] = {DUET_SIM_FAULT_TABLE(FAULT_NAME)};
static const char *const fault_sentences[] = {DUET_SIM_FAULT_TABLE(FAULT_SENTENCE)};
static const char *const defect_names[] = {"none", "forged-byte", "lost-byte",
                                           "leak", "amnesia",     "noise"};

const char *duet_sim_fault_name(unsigned fault)
{
    return fault < DUET_SIM_FAULTS ? fault_names[fault] : "unknown";
}

const char *duet_sim_fault_sentence(unsigned fault)
{
    return fault < DUET_SIM_FAULTS ? fault_sentences[fault] : "unknown";
}

const char *duet_sim_defect_name(unsigned defect)
{
    return defect < DUET_SIM_DEFECTS ? defect_names[defect] : "unknown";
}

/* ---- reading ---- */

struct reader {
    const char *at;
    struct duet_sim_recipe *recipe;
    const char *wrong; /* NULL: nothing yet */
};

static uint64_t read_number(struct reader *r, uint64_t most)
{
    uint64_t value = 0;
    const char *begin = r->at;

    for (; *r->at >= '0' && *r->at <= '9'; r->at++) {
        uint64_t digit = (uint64_t)(*r->at - '0');

        if (value > (most - digit) / 10) {
            r->wrong = "a number is too large";
            return 0;
        }
        value = value * 10 + digit;
    }
    if (r->at == begin)
        r->wrong = "a number is missing";
    return value;
}

static bool take(struct reader *r, const char *word)
{
    size_t length = strlen(word);

    if (strncmp(r->at, word, length) != 0)
        return false;
    r->at += length;
    return true;
}

/* One of the names, as far as letters and dashes go. */
static unsigned read_name(struct reader *r, const char *const *names, unsigned count)
{
    size_t length = strspn(r->at, "abcdefghijklmnopqrstuvwxyz-");

    for (unsigned i = 0; i < count; i++) {
        if (strlen(names[i]) == length && strncmp(r->at, names[i], length) == 0) {
            r->at += length;
            return i;
        }
    }
    r->wrong = "there is no such name";
    return 0;
}

/* Room for one more item behind count of them. */
static bool grow(struct reader *r, void **array, uint32_t count, size_t size)
{
    void *larger;

    if (r->wrong != NULL)
        return false;
    if ((count & (count - 1)) != 0)
        return true;
    larger = realloc(*array, (count == 0 ? 1 : 2 * (size_t)count) * size);
    if (larger == NULL)
        r->wrong = "out of memory";
    else
        *array = larger;
    return larger != NULL;
}

static void read_connections(struct reader *r)
{
    struct duet_sim_recipe *recipe = r->recipe;

    do {
        uint32_t number = (uint32_t)read_number(r, UINT32_MAX);
        void *array = recipe->connections;

        if (grow(r, &array, recipe->connection_count, sizeof *recipe->connections)) {
            recipe->connections = array;
            recipe->connections[recipe->connection_count++] = number;
        }
    } while (r->wrong == NULL && take(r, ","));
}

static void read_hits(struct reader *r)
{
    struct duet_sim_recipe *recipe = r->recipe;

    recipe->has_hits = true;
    if (take(r, "none"))
        return;
    do {
        struct duet_sim_hit hit = {(uint8_t)read_name(r, fault_names, DUET_SIM_FAULTS), 0, 0};
        void *array = recipe->hits;

        if (r->wrong == NULL && !take(r, ":"))
            r->wrong = "a hit is FAULT:HOST:NUMBER";
        if (r->wrong == NULL)
            hit.host = (uint8_t)read_number(r, 63);
        if (r->wrong == NULL && !take(r, ":"))
            r->wrong = "a hit is FAULT:HOST:NUMBER";
        if (r->wrong == NULL)
            hit.number = (uint32_t)read_number(r, UINT32_MAX - 1);
        if (grow(r, &array, recipe->hit_count, sizeof *recipe->hits)) {
            recipe->hits = array;
            recipe->hits[recipe->hit_count++] = hit;
        }
    } while (r->wrong == NULL && take(r, ","));
}

static void read_word(struct reader *r)
{
    struct duet_sim_recipe *recipe = r->recipe;

    if (take(r, "plain")) {
        recipe->plain = true;
    } else if (take(r, "without=")) {
        do
            recipe->faults_off |= UINT64_C(1) << read_name(r, fault_names, DUET_SIM_FAULTS);
        while (r->wrong == NULL && take(r, ","));
    } else if (take(r, "connections=")) {
        read_connections(r);
    } else if (take(r, "hits=")) {
        read_hits(r);
    } else if (take(r, "bytes=")) {
        recipe->bytes_max = (uint32_t)read_number(r, UINT32_MAX);
    } else if (take(r, "heal=")) {
        recipe->heal_at = (duet_time)read_number(r, INT64_MAX / 1000) * DUET_MICROSECOND;
    } else if (take(r, "defect=")) {
        recipe->defect = (uint8_t)read_name(r, defect_names, DUET_SIM_DEFECTS);
    } else {
        r->wrong = "there is no such word";
    }
}

int duet_sim_recipe_parse(const char *text, struct duet_sim_recipe *recipe, char *problem,
                          size_t problem_size)
{
    struct reader r = {text, recipe, NULL};

    *recipe = (struct duet_sim_recipe){0};
    recipe->seed = read_number(&r, UINT64_MAX);
    while (r.wrong == NULL && *r.at == ' ') {
        while (*r.at == ' ')
            r.at++;
        if (*r.at != '\0')
            read_word(&r);
    }
    if (r.wrong == NULL && *r.at != '\0')
        r.wrong = "a space is missing";
    if (r.wrong == NULL)
        return 0;
    (void)snprintf(problem, problem_size, "%s, at '%.20s'", r.wrong, r.at);
    duet_sim_recipe_free(recipe);
    return -1;
}

/* ---- writing ---- */

static void print_off(const struct duet_sim_recipe *recipe, FILE *to)
{
    const char *before = " without=";

    for (unsigned i = 0; i < DUET_SIM_FAULTS; i++) {
        if ((recipe->faults_off >> i & 1) == 0)
            continue;
        fprintf(to, "%s%s", before, fault_names[i]);
        before = ",";
    }
}

int duet_sim_recipe_print(const struct duet_sim_recipe *recipe, FILE *to)
{
    fprintf(to, "%llu", (unsigned long long)recipe->seed);
    if (recipe->plain)
        fprintf(to, " plain");
    print_off(recipe, to);
    for (uint32_t i = 0; i < recipe->connection_count; i++)
        fprintf(to, "%s%u", i == 0 ? " connections=" : ",", recipe->connections[i]);
    if (recipe->has_hits && recipe->hit_count == 0)
        fprintf(to, " hits=none");
    for (uint32_t i = 0; i < recipe->hit_count; i++)
        fprintf(to, "%s%s:%u:%u", i == 0 ? " hits=" : ",", fault_names[recipe->hits[i].fault],
                recipe->hits[i].host, recipe->hits[i].number);
    if (recipe->bytes_max != 0)
        fprintf(to, " bytes=%u", recipe->bytes_max);
    if (recipe->heal_at != 0)
        fprintf(to, " heal=%lld", (long long)(recipe->heal_at / DUET_MICROSECOND));
    if (recipe->defect != 0)
        fprintf(to, " defect=%s", duet_sim_defect_name(recipe->defect));
    return ferror(to) ? -1 : 0;
}

/* ---- copying ---- */

static void *copy_of(const void *array, size_t size)
{
    void *copy = malloc(size + 1); /* so that it is never nothing */

    if (copy != NULL && size > 0)
        memcpy(copy, array, size);
    return copy;
}

int duet_sim_recipe_copy(const struct duet_sim_recipe *recipe, struct duet_sim_recipe *copy)
{
    bool complete;

    *copy = *recipe;
    if (recipe->connections != NULL)
        copy->connections =
            copy_of(recipe->connections, recipe->connection_count * sizeof *recipe->connections);
    if (recipe->hits != NULL)
        copy->hits = copy_of(recipe->hits, recipe->hit_count * sizeof *recipe->hits);
    complete = (recipe->connections == NULL || copy->connections != NULL) &&
               (recipe->hits == NULL || copy->hits != NULL);
    if (!complete)
        duet_sim_recipe_free(copy);
    return complete ? 0 : -1;
}

void duet_sim_recipe_free(struct duet_sim_recipe *recipe)
{
    free(recipe->connections);
    free(recipe->hits);
    *recipe = (struct duet_sim_recipe){0};
}
