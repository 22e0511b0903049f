/* SPDX-License-Identifier: MIT */
/* Constants by name, and the values that expressions stand for: see values.h. */
#include "sim/script/values.h"

#include <stdio.h>
#include <string.h>

/* ---- names ---- */

struct constant {
    const char *name;
    int64_t value;
};

static const struct constant constants[] = {
#define CONSTANT(name, value) {#name, value},
#include "sim/script/constants.def"
#undef CONSTANT
};

bool constant_value(const char *name, int64_t *value)
{
    for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
        if (strcmp(constants[i].name, name) == 0) {
            *value = constants[i].value;
            return true;
        }
    }
    return false;
}

struct errno_row {
    const char *name;
    int number;
    const char *sentence;
};

static const struct errno_row errnos[] = {
#define ERRNO(name, number, sentence) {#name, number, sentence},
#include "sim/script/errors.def"
#undef ERRNO
};

int errno_number(const char *name)
{
    if (strcmp(name, "EWOULDBLOCK") == 0) {
        name = "EAGAIN";
    }
    for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++) {
        if (strcmp(errnos[i].name, name) == 0) {
            return errnos[i].number;
        }
    }
    return -1;
}

static const struct errno_row *find_errno(int number)
{
    static const struct errno_row unknown = {"E?", 0, "unknown error"};
    for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++) {
        if (errnos[i].number == number) {
            return &errnos[i];
        }
    }
    return &unknown;
}

const char *errno_name(int number)
{
    return find_errno(number)->name;
}

const char *errno_sentence(int number)
{
    return find_errno(number)->sentence;
}

/* ---- expressions ---- */

static bool is_call(const struct expression *expression, const char *name)
{
    return expression->kind == EXPRESSION_CALL && strcmp(expression->text, name) == 0;
}

bool expression_number(const struct expression *expression, int64_t *value)
{
    int64_t left = 0, right = 0;
    switch (expression->kind) {
    case EXPRESSION_NUMBER:
        *value = expression->number;
        return true;
    case EXPRESSION_NAME:
        return constant_value(expression->text, value);
    case EXPRESSION_OR:
        if (!expression_number(expression->items, &left) ||
            !expression_number(expression->items->next, &right)) {
            return false;
        }
        *value = left | right;
        return true;
    case EXPRESSION_ARRAY:
        return expression->count == 1 && expression_number(expression->items, value);
    case EXPRESSION_FIELD:
        return expression_number(expression->items, value);
    case EXPRESSION_CALL:
        /* Values stay in host order: addresses and ports are taken from the structure they stand
         * in. */
        return expression->count == 1 &&
               (is_call(expression, "htons") || is_call(expression, "htonl")) &&
               expression_number(expression->items, value);
    case EXPRESSION_ANY:
    case EXPRESSION_STRING:
    case EXPRESSION_STRUCT:
        return false;
    }
    return false;
}

bool expression_is_any(const struct expression *expression)
{
    return expression == NULL || expression->kind == EXPRESSION_ANY;
}

const struct expression *expression_field(const struct expression *structure, const char *name,
                                          unsigned place)
{
    const struct expression *item = structure->items;
    bool named = false;
    for (const struct expression *i = item; i != NULL; i = i->next) {
        named = named || i->kind == EXPRESSION_FIELD;
        if (i->kind == EXPRESSION_FIELD && strcmp(i->text, name) == 0) {
            return i->items;
        }
    }
    while (item != NULL && place-- > 0) {
        item = item->next;
    }
    return named ? NULL : item;
}

/* "192.0.2.1", inet_addr("192.0.2.1"), inet_pton(AF_INET6, "::1", &sin6_addr), INADDR_ANY. */
static bool ip_address(const struct expression *expression, struct duet_address *address)
{
    if (expression->kind == EXPRESSION_CALL) {
        bool pton = is_call(expression, "inet_pton") && expression->count >= 1;
        if (!pton && (!is_call(expression, "inet_addr") || expression->count != 1)) {
            int64_t number = -1;
            memset(address, 0, sizeof(*address));
            return expression_number(expression, &number) && number == 0;
        }
        bool family = pton && expression->count > 1;
        expression = family ? expression->items->next : expression->items;
    }
    if (expression->kind == EXPRESSION_STRING) {
        return duet_address_parse(expression->text, address) == DUET_OK;
    }
    int64_t number = -1;
    memset(address, 0, sizeof(*address));
    return expression_number(expression, &number) && number == 0;
}

bool expression_address(const struct expression *expression, struct duet_socket_address *address,
                        int64_t *family)
{
    *address = (struct duet_socket_address){0};
    *family = S_AF_UNSPEC;
    if (expression->kind != EXPRESSION_STRUCT) {
        return false;
    }
    for (const struct expression *i = expression->items; i != NULL; i = i->next) {
        const char *name = i->kind == EXPRESSION_FIELD ? i->text : "";
        const struct expression *value = i->kind == EXPRESSION_FIELD ? i->items : i;
        int64_t number = 0;
        if (expression_is_any(value)) {
            continue;
        }
        if (strstr(name, "family") != NULL) {
            if (!expression_number(value, family)) {
                return false;
            }
        } else if (strstr(name, "port") != NULL) {
            if (!expression_number(value, &number) || number < 0 || number > 65535) {
                return false;
            }
            address->port = (uint16_t)number;
        } else if (strstr(name, "addr") != NULL || is_call(value, "inet_pton") ||
                   is_call(value, "inet_addr")) {
            if (!ip_address(value, &address->address)) {
                return false;
            }
        }
    }
    return true;
}

static void print_items(const struct expression *expression, const char *open, const char *close,
                        const char *between, char *to, size_t size)
{
    size_t used = (size_t)snprintf(to, size, "%s", open);
    for (const struct expression *i = expression->items; i != NULL && used + 1 < size;
         i = i->next) {
        expression_print(i, to + used, size - used);
        used += strlen(to + used);
        if (i->next != NULL && used + 1 < size) {
            used += (size_t)snprintf(to + used, size - used, "%s", between);
        }
    }
    if (used + 1 < size) {
        snprintf(to + used, size - used, "%s", close);
    }
}

char *expression_print(const struct expression *expression, char *to, size_t size)
{
    size_t used = 0;
    switch (expression->kind) {
    case EXPRESSION_ANY:
        snprintf(to, size, "...");
        break;
    case EXPRESSION_NUMBER:
        snprintf(to, size, "%lld", (long long)expression->number);
        break;
    case EXPRESSION_STRING:
        snprintf(to, size, "\"%.60s\"", expression->text);
        break;
    case EXPRESSION_NAME:
        snprintf(to, size, "%.60s", expression->text);
        break;
    case EXPRESSION_OR:
        print_items(expression, "", "", "|", to, size);
        break;
    case EXPRESSION_ARRAY:
        print_items(expression, "[", "]", ", ", to, size);
        break;
    case EXPRESSION_STRUCT:
        print_items(expression, "{", "}", ", ", to, size);
        break;
    case EXPRESSION_FIELD:
    case EXPRESSION_CALL:
        used = (size_t)snprintf(to, size, "%.60s", expression->text);
        if (used + 1 < size) {
            bool call = expression->kind == EXPRESSION_CALL;
            print_items(expression, call ? "(" : "=", call ? ")" : "", ", ", to + used,
                        size - used);
        }
        break;
    }
    return to;
}
