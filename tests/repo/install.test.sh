#!/bin/sh
# SPDX-License-Identifier: MIT
# A stranger's project builds against what `make install` installs, by find_package and by pkg-config,
# wherever the installed tree has been moved to.
# variants: release
set -u

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
count=0

check() { # name command...: one line of TAP, and the output of what failed
    name=$1
    shift
    count=$((count + 1))
    if "$@" >"$scratch/log" 2>&1; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        sed 's/^/#   /' "$scratch/log"
    fi
}

mkdir "$scratch/consumer" "$scratch/moved"
cat >"$scratch/consumer/main.c" <<'END'
#include <duet/stack.h>
#include <duet/link.h>
#include <duet/observe.h>
#include <duet/trace.h>
#include <string.h>

int main(void)
{
    return strcmp(duet_state_name(DUET_FIN_WAIT_1), "FIN-WAIT-1");
}
END
cat >"$scratch/consumer/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.16)
project(consumer C)
find_package(duet 0.1 REQUIRED)
add_executable(consumer main.c)
target_link_libraries(consumer PRIVATE duet::duet)
END

by_cmake() {
    cmake -S "$scratch/consumer" -B "$scratch/by-cmake" -DCMAKE_PREFIX_PATH="$1" &&
        cmake --build "$scratch/by-cmake" && "$scratch/by-cmake/consumer"
}

by_pkg_config() {
    PKG_CONFIG_PATH=$(dirname "$(find "$1" -name duet.pc)")
    export PKG_CONFIG_PATH
    # shellcheck disable=SC2046 # several flags are meant to be several words
    cc -std=c11 "$scratch/consumer/main.c" -o "$scratch/by-pkg-config" \
        $(pkg-config --cflags --libs duet) && "$scratch/by-pkg-config"
}

check "installs" cmake --install "$DUET_BUILD" --prefix "$scratch/installed"
check "the installed program runs" "$scratch/installed/bin/duet" --version
mv "$scratch/installed" "$scratch/moved/here"
check "find_package finds the moved tree" by_cmake "$scratch/moved/here"
check "pkg-config finds the moved tree" by_pkg_config "$scratch/moved/here"
check "without the library the consumer does not build" sh -c \
    "rm \$(find '$scratch/moved/here' -name libduet.a) && ! cc '$scratch/consumer/main.c' \
    -I '$scratch/moved/here/include' -L '$scratch/moved/here/lib' -lduet -o '$scratch/none'"
echo "1..$count"
