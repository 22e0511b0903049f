#!/bin/sh
# SPDX-License-Identifier: MIT
# lint.sh [format|cppcheck|tidy|length]...: the checks of `make check`; without arguments, all of them.
# Exit status 0: clean. 1: not. 3: cannot be told here (formatting differs between clang-formats, and
# this is not the version that the code is formatted with).
set -u
cd "$(dirname "$0")/../.." || exit 1

format_version=14
build=build/lint
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

sources() {
    git -c safe.directory='*' ls-files "$@"
}

format() {
    program=clang-format
    command -v clang-format-$format_version >/dev/null 2>&1 && program=clang-format-$format_version
    case $($program --version) in
    *"version $format_version."*) ;;
    *)
        echo "needs clang-format $format_version, this is $($program --version)"
        return 3
        ;;
    esac
    # Only where, not what: clang-format -i shows that better.
    sources '*.c' '*.h' | xargs "$program" --dry-run -Werror >"$log" 2>&1
    status=$?
    grep -o '^[^ :]*:[0-9]*' "$log" | uniq
    return $status
}

# Suppressed: cppcheck is not told of the system's headers, and says in newer versions that it could
# look at more branches.
run_cppcheck() {
    cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability \
        --inline-suppr --error-exitcode=1 --suppress=missingIncludeSystem \
        --suppress=normalCheckLevelMaxBranches --template=gcc -j "$jobs" \
        -Iinclude -Isrc src tools examples
}

tidy() {
    cmake -S . -B $build -DCMAKE_C_COMPILER=clang -DDUET_TESTS=ON >/dev/null || return 1
    sources '*.c' | xargs -P "$jobs" -n 2 clang-tidy --quiet -p $build 2>/dev/null
}

# No failure, a thing to look at: STYLE is one idea a file, and over 450 lines it is usually two.
length() {
    sources '*.c' '*.h' '*.py' | xargs wc -l |
        awk '$2 != "total" && $1 > 450 { print $2 ": " $1 " lines" }'
}

[ $# -gt 0 ] || set -- format cppcheck tidy length
worst=0
for check in "$@"; do
    case $check in
    format | tidy | length) "$check" ;;
    cppcheck) run_cppcheck ;;
    *)
        echo "usage: lint.sh [format|cppcheck|tidy|length]..." >&2
        exit 2
        ;;
    esac
    status=$?
    [ $status = 0 ] || echo "$check: status $status"
    [ $status -le $worst ] || worst=$status
done
exit $worst
