/* SPDX-License-Identifier: MIT */
/* What a call of the read and write families moves: see transfer.h. */
#include "sim/script/transfer.h"

#include <string.h>

#include "sim/script/player.h"
#include "sim/script/values.h"

enum { TRANSFER_MAX = 1 << 28 };

static bool add_vector(struct player *player, const struct expression *vector,
                       struct transfer *transfer)
{
    for (const struct expression *i = vector->items; i != NULL; i = i->next) {
        const struct expression *base = NULL, *length = NULL;
        int64_t size = 0;
        if (i->kind == EXPRESSION_STRUCT) {
            base = expression_field(i, "iov_base", 0);
            length = expression_field(i, "iov_len", 1);
        }
        if (length == NULL || !expression_number(length, &size) || size < 0 ||
            size > TRANSFER_MAX) {
            return player_broken(player, "a vector is [{..., LENGTH}, ...]");
        }
        if (transfer->size == 0 && base != NULL && base->kind == EXPRESSION_STRING) {
            transfer->text = base;
        }
        transfer->size += size;
    }
    return transfer->size <= TRANSFER_MAX || player_broken(player, "too much to move at once");
}

/* read(fd, buffer, size), send(fd, buffer, size, flags), ... */
static bool read_plain(struct player *player, const struct call_state *state,
                       struct transfer *transfer)
{
    const struct expression *buffer = argument(state, 1);
    if (buffer != NULL && buffer->kind == EXPRESSION_STRING) {
        transfer->text = buffer;
    }
    int64_t usual = transfer->text != NULL ? (int64_t)transfer->text->length : 0;
    if (!argument_number(player, state, 2, usual, &transfer->size) ||
        (state->call->count > 3 && !argument_number(player, state, 3, 0, &transfer->flags))) {
        return false;
    }
    return (transfer->size >= 0 && transfer->size <= TRANSFER_MAX) ||
           player_broken(player, "%s() of that many bytes", state->call->name);
}

bool transfer_read(struct player *player, const struct call_state *state, struct transfer *transfer)
{
    const char *name = state->call->name;
    const struct expression *second = argument(state, 1);
    size_t length = strlen(name);
    if (strcmp(name, "sendmsg") == 0 || strcmp(name, "recvmsg") == 0) {
        const struct expression *vector = NULL;
        if (second->kind == EXPRESSION_STRUCT) {
            vector = expression_field(second, "msg_iov", 2);
            vector = vector != NULL ? vector : expression_field(second, "msg_iov", 1);
        }
        if (vector == NULL || vector->kind != EXPRESSION_ARRAY) {
            return player_broken(player, "%s() needs {msg_iov(1)=[{..., LENGTH}]}", name);
        }
        return add_vector(player, vector, transfer) &&
               argument_number(player, state, 2, 0, &transfer->flags);
    }
    if (name[length - 1] == 'v' && second->kind == EXPRESSION_ARRAY) {
        return add_vector(player, second, transfer);
    }
    return read_plain(player, state, transfer);
}

uint8_t *transfer_text(const struct transfer *transfer, uint32_t offset, size_t size, size_t skip)
{
    uint8_t *bytes = must_allocate(size);
    for (size_t i = 0; i < size; i++) {
        bool given = transfer->text != NULL && skip + i < transfer->text->length;
        bytes[i] =
            given ? (uint8_t)transfer->text->text[skip + i] : flow_pattern(offset + (uint32_t)i);
    }
    return bytes;
}
