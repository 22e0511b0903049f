/* SPDX-License-Identifier: MIT */
/* The processor is asked once what it can do. A stack asks when it begins, which a fuzzer makes it do thousands of times a
 * second, and under a hypervisor each CPUID is a trap: a tenth of the time of a sequence of the doors. */
#include <stdbool.h>

bool __real_checksum_can_be_wide(void);
bool __wrap_checksum_can_be_wide(void);

bool __wrap_checksum_can_be_wide(void)
{
    static int known = -1;
    if (known < 0)
        known = __real_checksum_can_be_wide();
    return known > 0;
}
