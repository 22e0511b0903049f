/* SPDX-License-Identifier: MIT */
/* The loops of checksum_vector.h once more, compiled for AVX2 on x86-64. On other machines the vectors
 * that every processor has (NEON on arm64) are what there is, and checksum.c uses those already. See
 * checksum_wide.h. */
#include "wire/checksum_wide.h"

#include "wire/checksum.h"
#include "wire/checksum_vector.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define WIDE __attribute__((target("avx2")))

struct registers {
    uint32_t a, b, c, d;
};

static struct registers cpuid(uint32_t leaf)
{
    struct registers r;
    __asm__("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(0));
    return r;
}

/* AVX2 in the processor, and registers that the operating system saves. */
bool checksum_can_be_wide(void)
{
    const uint32_t osxsave_and_avx = UINT32_C(3) << 27;
    uint32_t saved, unused;
    if (cpuid(0).a < 7 || (cpuid(1).c & osxsave_and_avx) != osxsave_and_avx)
        return false;
    __asm__("xgetbv" : "=a"(saved), "=d"(unused) : "c"(0));
    return (saved & 6) == 6 && (cpuid(7).b & UINT32_C(1) << 5) != 0;
}
#else
#define WIDE
bool checksum_can_be_wide(void)
{
    return false;
}
#endif

WIDE uint64_t checksum_wide_sum(const uint8_t *at, size_t blocks)
{
    return checksum_vector_sum(at, blocks);
}

WIDE uint64_t checksum_wide_copy(uint8_t *to, const uint8_t *from, size_t blocks)
{
    return checksum_vector_copy(to, from, blocks);
}
