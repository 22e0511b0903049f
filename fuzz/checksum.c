/* SPDX-License-Identifier: MIT */
/* Fuzzer of the Internet checksum: the bytes in any pieces at any alignment, added and copied, beside a sum by hand. The
 * first three bytes say where the pieces end. */
#include "fuzz.h"

#include "wire/checksum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    const size_t lengths[3] = {take8(&input), take8(&input), take8(&input) * 8u};
    struct checksum added = {0}, copied = {0};
    const uint8_t *from = input.at;
    uint8_t *to = malloc(left(&input) > 0 ? left(&input) : 1), *at = to;
    if (to == NULL)
        abort();
    for (unsigned i = 0; i <= 3; i++) {
        const size_t rest = left(&input);
        const size_t piece = i < 3 && lengths[i] < rest ? lengths[i] : rest;
        if (piece == 0)
            continue;
        checksum_add(&added, input.at, piece);
        checksum_copy(&copied, at, input.at, piece);
        input.at += piece;
        at += piece;
    }
    const size_t total = (size_t)(input.end - from);
    const uint32_t by_hand = sum_by_hand(0, from, total);
    EXPECT(checksum_partial(&added) == by_hand && checksum_partial(&copied) == by_hand);
    EXPECT(checksum_finish(&added) == (by_hand ^ 0xffff));
    EXPECT(total == 0 || memcmp(to, from, total) == 0);
    free(to);
    return 0;
}
