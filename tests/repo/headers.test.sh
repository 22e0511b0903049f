#!/bin/sh
# SPDX-License-Identifier: MIT
# Every public header can be included alone, in C11 and in C++, and says what it needs by itself.
set -u
cd "$DUET_SOURCE" || exit 1

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
count=0

result() { # status name
    count=$((count + 1))
    if [ "$1" = 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        sed 's/^/#   /' "$scratch/log"
    fi
}

compiles() { # language standard file
    clang -x "$1" -std="$2" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I include "$3" \
        >"$scratch/log" 2>&1
}

for header in include/duet/*.h; do
    echo "#include <duet/$(basename "$header")>" >"$scratch/one.c"
    compiles c c11 "$scratch/one.c"
    result $? "$header in C11"
    compiles c++ c++11 "$scratch/one.c"
    result $? "$header in C++"
done

echo 'size_t f(void);' >"$scratch/one.c"
! compiles c c11 "$scratch/one.c"
result $? "planted violation: a header that forgets stddef.h"
echo "1..$count"
