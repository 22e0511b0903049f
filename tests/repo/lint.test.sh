#!/bin/sh
# SPDX-License-Identifier: MIT
# `make check` finds nothing here, and does find what is planted in a small tree of its own.
# timeout: 900
set -u
cd "$DUET_SOURCE" || exit 1

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
count=0

result() { # status name
    count=$((count + 1))
    case $1 in
    0) echo "ok $count - $2" ;;
    3) echo "ok $count - $2 # SKIP $(head -n 1 "$scratch/log")" ;;
    *)
        echo "not ok $count - $2"
        sed 's/^/#   /' "$scratch/log"
        ;;
    esac
}

for check in format cppcheck tidy; do
    tests/repo/lint.sh $check >"$scratch/log" 2>&1
    result $? "$check is clean"
done

# A tree with one bad file of each kind.
tree=$scratch/tree
mkdir -p "$tree/src/small" "$tree/src/base" "$tree/src/host" "$tree/tests/repo" "$tree/tools" "$tree/examples" "$tree/fuzz"
cp -r CMakeLists.txt cmake include bench .clang-format .clang-tidy "$tree"
: >"$tree/src/small/absent.txt"
echo "extern int nothing;" >"$tree/src/small/nothing.c"
cp tests/CMakeLists.txt "$tree/tests"
cp fuzz/CMakeLists.txt "$tree/fuzz"
cp tests/repo/lint.sh "$tree/tests/repo"
printf 'int  f( void );\n' >"$tree/src/host/format.h"
printf 'int f(void);\nint f(void)\n{\n    int a[2] = {0, 0};\n    return a[2];\n}\n' >"$tree/src/host/cppcheck.c"
printf 'int g(int *p);\nint g(int *p)\n{\n    if (p != 0) {\n    }\n    return *p;\n}\n' >"$tree/src/base/tidy.c"
echo 'int main(void) { return 0; }' >"$tree/tools/main.c"
git -C "$tree" init -q && git -C "$tree" add .

planted() { # check word
    "$tree/tests/repo/lint.sh" "$1" >"$scratch/log" 2>&1
    status=$?
    if [ $status != 3 ]; then
        [ $status != 0 ] && grep -q "$2" "$scratch/log"
        status=$?
    fi
    result $status "planted violation: $1"
}
planted format format.h
planted cppcheck arrayIndexOutOfBounds
planted tidy clang-analyzer-core.NullDereference
echo "1..$count"
