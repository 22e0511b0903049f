/* SPDX-License-Identifier: MIT */
/* Fuzzer of the script parser: any bytes are a script, or an error that says where and what was expected. The seeds are
 * the scripts of tests/. */
#include "sim/script/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script script;
    struct script_error error = {0};
    bool parsed = script_parse(&script, (const char *)data, size, NULL, 0, &error);
    if (!parsed && (error.line == 0 || error.text[0] == '\0'))
        __builtin_trap(); /* an error without a place or a reason helps nobody */
    script_free(&script);
    return 0;
}
