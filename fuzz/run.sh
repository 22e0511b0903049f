#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh SECONDS JOBS: builds the fuzzers with clang and runs each for that long, beginning with the scripts of tests/
# and with what earlier runs found (build/fuzz/corpus). A finding is written to build/fuzz and ends the run.
set -eu
cd "$(dirname "$0")/.."
seconds=$1
build=build/fuzz
cmake -S . -B "$build" -DCMAKE_C_COMPILER=clang -DDUET_SANITIZE=ON -DDUET_FUZZ=ON >/dev/null
cmake --build "$build" -j "$2" >/dev/null
for source in fuzz/*.c; do
    name=$(basename "$source" .c)
    corpus=$build/corpus/$name
    seeds=$build/seeds/$name
    mkdir -p "$corpus" "$seeds"
    if [ "$name" = script ]; then
        find tests -name '*.pkt' -exec cp {} "$seeds" \;
    fi
    echo "$name: $seconds s"
    "$build/fuzz/$name" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="$build/" "$corpus" "$seeds" 2>"$build/$name.log" || {
        tail -n 40 "$build/$name.log"
        exit 1
    }
    grep -E 'number_of_executed_units|new_units_added' "$build/$name.log"
    grep -oE 'cov: [0-9]+ ft: [0-9]+' "$build/$name.log" | tail -n 1
done
