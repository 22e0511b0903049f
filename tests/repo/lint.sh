#!/bin/sh
# SPDX-License-Identifier: MIT
# lint.sh [format|cppcheck|tidy|length]...: the checks of `make check`; without arguments, all of them.
# Exit status 0: clean. 1: not. 3: cannot be told here, because the versions of these programs differ in
# what they find, and this is not the version that the code is kept clean for (Debian 12's).
set -u
cd "$(dirname "$0")/../.." || exit 1

llvm_version=14
cppcheck_version=2.10
build=build/lint
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

sources() {
    git -c safe.directory='*' ls-files "$@"
}

# The name under which LLVM's program of our version is installed, or status 3.
llvm() {
    for name in "$1-$llvm_version" "$1"; do
        case $("$name" --version 2>/dev/null) in
        *"version $llvm_version."*)
            echo "$name"
            return 0
            ;;
        esac
    done
    return 3
}

format() {
    program=$(llvm clang-format) || {
        echo "needs clang-format $llvm_version"
        return 3
    }
    # Only where, not what: clang-format -i shows that better.
    sources '*.c' '*.h' | xargs "$program" --dry-run -Werror >"$log" 2>&1
    status=$?
    grep -o '^[^ :]*:[0-9]*' "$log" | uniq
    return "$status"
}

# Suppressed: cppcheck is not told of the system's headers, and says in newer versions that it could
# look at more branches.
run_cppcheck() {
    case $(cppcheck --version) in
    *" $cppcheck_version"*) ;;
    *)
        echo "needs cppcheck $cppcheck_version, this is $(cppcheck --version)"
        return 3
        ;;
    esac
    cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability \
        --inline-suppr --error-exitcode=1 --suppress=missingIncludeSystem \
        --suppress=normalCheckLevelMaxBranches --template=gcc -j "$jobs" \
        -Iinclude -Isrc src tools examples
}

tidy() {
    program=$(llvm clang-tidy) || {
        echo "needs clang-tidy $llvm_version"
        return 3
    }
    cmake -S . -B "$build" -DCMAKE_C_COMPILER=clang -DDUET_TESTS=ON >/dev/null || return 1
    # One file a run: version 14 reports a va_list of the second file as uninitialized.
    sources '*.c' ':!fuzz' | xargs -P "$jobs" -n 1 "$program" --quiet -p "$build" 2>/dev/null
    status=$?
    # The fuzzers are not part of that build: the flags of theirs make the analyzer forget what memcpy does.
    for file in $(sources 'fuzz/*.c'); do
        "$program" --quiet "$file" -- -std=c11 -Iinclude -Isrc 2>/dev/null || status=1
    done
    return $status
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
    format) format ;;
    cppcheck) run_cppcheck ;;
    tidy) tidy ;;
    length) length ;;
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
