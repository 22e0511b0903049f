/* SPDX-License-Identifier: MIT */
/* Bytes behind a queue that are not copied: pages whose bytes stay where the user has them; see buffer.h.
 * What begins or ends within a page is copied, so that all pages keep one size, and a byte is found as
 * fast as without. */
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "core/buffer_tree.h"

/* The page behind the queue, which ends with a page. False: nothing is to be had for this claim. */
static bool lend_page(struct buffer_space *space, struct buffer *buffer, enum buffer_claim claim,
                      const uint8_t *from)
{
    /* Only an entry can say that its page is lent, and a byte more than a page asks for a record. */
    uint32_t page_size = buffer_page_size(space);
    uint32_t size = page_size + !buffer_has_record(buffer);
    CHECK(sizeof from <= page_size);
    if (buffer_make_reach(space, buffer, claim, buffer->length, size) < page_size)
        return false;
    uint32_t position = buffer->start + buffer->length; /* which growing may have moved */
    uint8_t *page = buffer_page_for(space, buffer, position, claim);
    if (page == NULL)
        return false;
    memcpy(page, &from, sizeof from);
    *buffer_entry(space, buffer, position, 0) |= BUFFER_LENT;
    return true;
}

/* Up to the end of a page; how many. */
static uint32_t lend_some(struct buffer_space *space, struct buffer *buffer, const uint8_t *from,
                          uint32_t size)
{
    enum buffer_claim claim = buffer->length == 0 ? BUFFER_FIRST_TO_SEND : BUFFER_TO_SEND;
    uint32_t page_size = buffer_page_size(space);
    uint32_t left = buffer_left_in_page(space, buffer->start + buffer->length);
    if (left == page_size && size >= page_size && lend_page(space, buffer, claim, from))
        return page_size;
    return buffer_write(space, buffer, claim, buffer->length, from, min_u32(size, left));
}

uint32_t buffer_lend(struct buffer_space *space, struct buffer *buffer, const uint8_t *from,
                     uint32_t size)
{
    uint32_t done = 0;
    uint32_t taken = size;
    for (; taken > 0 && done < size; done += taken) {
        taken = lend_some(space, buffer, from + done, size - done);
        buffer_extend(buffer, taken);
    }
    return done;
}
