# SPDX-License-Identifier: MIT
# Compiler flags: DUET_WARNINGS for all code, DUET_PURE_FLAGS for base, wire and core, DUET_HARDENING
# for everything that talks to the machine.

include(CheckCCompilerFlag)

set(DUET_WARNINGS
    -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Wswitch-enum
    -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wvla)
if(DUET_WERROR AND NOT DUET_PROFILE STREQUAL "learn") # which sees overflows in code that counts
    list(APPEND DUET_WARNINGS -Werror)
endif()

# Nobody replaces our functions from outside, so calls between them may be direct and inlined even
# though the code is position independent.
add_compile_options(-fno-semantic-interposition)

# The core may ask its environment for memcpy, memmove, memset, memcmp and check_failed, no more.
# Compilers add calls of their own unless told not to: __stack_chk_fail for the stack protector (on
# by default in Ubuntu's gcc), __memcpy_chk for _FORTIFY_SOURCE, bcmp where only equality of a memcmp
# is asked (clang), strlen where a loop looks like one (gcc).
set(DUET_PURE_FLAGS
    -fno-stack-protector -U_FORTIFY_SOURCE -fno-builtin-bcmp -fno-builtin-strlen)

if(DUET_SANITIZE)
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
    set(DUET_HARDENING "")
else()
    # As distributions build their packages. _FORTIFY_SOURCE needs optimisation; some compilers define
    # it already, hence -U first.
    set(DUET_HARDENING
        -fstack-protector-strong -fstack-clash-protection -Wformat -Werror=format-security
        $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
    add_link_options(-Wl,-z,relro -Wl,-z,now)
    # Returns and indirect calls that the processor checks. Not in the core, where a mark at the beginning of
    # each function makes an exchange of small messages 2.5 % dearer (instructions), and which calls by pointer
    # only what a constant table names; nor the canaries of the stack protector, which need a symbol (above).
    check_c_compiler_flag(-fcf-protection=full DUET_HAS_CF_PROTECTION)
    if(DUET_HAS_CF_PROTECTION)
        list(APPEND DUET_HARDENING -fcf-protection=full)
        list(APPEND DUET_PURE_FLAGS -fcf-protection=none)
    endif()
    list(APPEND DUET_PURE_FLAGS -fstack-clash-protection)
endif()

if(DUET_FUZZ)
    # Without the trace of comparisons, which costs half of the speed and finds little here.
    add_compile_options(-fsanitize=fuzzer-no-link -fno-sanitize-coverage=trace-cmp,stack-depth)
    # What only looks on, where an edge reached says nothing of the core: not worth what counting them costs.
    set(DUET_UNCOUNTED -fno-sanitize-coverage=inline-8bit-counters,pc-table,indirect-calls)
endif()

# What runs stands together, and what seldom does elsewhere: the first-level cache holds as much code as a dialogue
# takes, if nothing lies between. What never ran while learning is made as if there was nothing to learn from.
if(DUET_PROFILE AND NOT CMAKE_C_COMPILER_ID STREQUAL "GNU")
    message(WARNING "DUET_PROFILE is for gcc; this is a build without it")
elseif(DUET_PROFILE STREQUAL "learn")
    add_compile_options(-fprofile-generate)
    add_link_options(-fprofile-generate)
elseif(DUET_PROFILE STREQUAL "use")
    add_compile_options(-fprofile-use -fprofile-correction -fprofile-partial-training -Wno-missing-profile)
endif()

if(DUET_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
endif()
