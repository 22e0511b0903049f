#!/bin/sh
# SPDX-License-Identifier: MIT
# need.sh build|test|check|docs|conformance|bench|canaries: sees to it that what a make target needs is there.
#
# Each need is probed by using it, not by asking for a package: a compiler compiles, a library links.
# What is missing is installed with apt-get where that is possible without a question (root, or sudo
# without password); otherwise its name is told and the exit code is 2. DUET_NO_INSTALL=1 forbids
# installing.
set -u

scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
echo 'int main(void) { return 0; }' >"$scratch/nothing.c"
printf '#include <stdio.h>\nint main(void) { return puts("x") < 0; }\n' >"$scratch/hello.c"
printf '%s\n' '#include <stdarg.h>' '#include <stddef.h>' '#include <stdint.h>' '#include <setjmp.h>' \
    '#include <cmocka.h>' 'int main(void) { assert_true(1); return 0; }' >"$scratch/cmocka.c"

has() {
    command -v "$1" >/dev/null 2>&1
}

printf '#include <lwip/init.h>\nint main(void) { return LWIP_VERSION_MAJOR == 0; }\n' >"$scratch/lwip.c"

compiles() { # compiler source flags...
    compiler=$1
    source=$2
    shift 2
    has "$compiler" && "$compiler" "$scratch/$source" -o "$scratch/out" "$@" >/dev/null 2>&1
}

# probe NEED: is it there? Beside each, in packages(), what brings it.
probe() {
    case $1 in
    c-compiler) compiles "${CC:-cc}" hello.c ;;
    gcc) compiles gcc hello.c ;;
    gcc-sanitizers) compiles gcc hello.c -fsanitize=address,undefined ;;
    clang) compiles clang nothing.c ;;
    clang-sanitizers) compiles clang hello.c -fsanitize=address,undefined ;;
    cmocka) compiles gcc cmocka.c -lcmocka ;;
    s390x) compiles s390x-linux-gnu-gcc hello.c -static ;; # a big-endian machine, for the simulator
    lwip) compiles gcc lwip.c -I/usr/include/lwip -llwip ;;
    clang-format) has clang-format-14 || has clang-format ;;
    clang-tidy) has clang-tidy-14 || has clang-tidy ;;
    pkg-config | cmake | make | tshark | passt | qemu-s390x | python3 | git | cppcheck | ip | valgrind | patch) has "$1" ;;
    esac
}

# Names to try, best first; they differ between releases of Debian and Ubuntu.
packages() {
    case $1 in
    c-compiler | gcc) echo "gcc+libc6-dev" ;;
    gcc-sanitizers) echo "gcc+libc6-dev" ;;
    clang-sanitizers)
        major=$(clang -dumpversion 2>/dev/null | cut -d. -f1)
        echo "${major:+libclang-rt-$major-dev} libclang-rt-dev ${major:+libclang-common-$major-dev}"
        ;;
    cmocka) echo "libcmocka-dev" ;;
    s390x) echo "gcc-s390x-linux-gnu+libc6-dev-s390x-cross" ;;
    qemu-s390x) echo "qemu-user qemu-user-static" ;;
    lwip) echo "liblwip-dev" ;;
    clang-format | clang-tidy) echo "$1-14 $1" ;; # lint.sh wants version 14
    pkg-config) echo "pkg-config pkgconf" ;;
    ip) echo "iproute2" ;;
    *) echo "$1" ;;
    esac
}

wishes="" # is installed if that goes without a question, and not missed otherwise
case ${1:-} in
build) needs="c-compiler make cmake" ;;
docs) needs="python3" ;;
bench)
    needs="c-compiler make cmake lwip"
    wishes="passt"
    ;;
canaries) needs="c-compiler make cmake python3 patch" ;;
conformance) needs="gcc gcc-sanitizers make cmake cmocka python3" ;;
check) needs="gcc clang make cmake cmocka git clang-format clang-tidy cppcheck" ;;
test)
    # clang before clang-sanitizers: the name of the runtime's package holds clang's version.
    needs="gcc gcc-sanitizers clang clang-sanitizers make cmake cmocka python3 git ip pkg-config
           tshark clang-format clang-tidy cppcheck valgrind lwip patch"
    ;;
*)
    echo "usage: need.sh build|test|check|docs|conformance|bench|canaries" >&2
    exit 2
    ;;
esac

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif has sudo && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    as_root="impossible"
fi
if [ "${DUET_NO_INSTALL:-0}" != 0 ] || ! has apt-get; then
    as_root="impossible"
fi

updated=no
install() { # need: tries its packages until the probe succeeds
    if [ $updated = no ]; then
        $as_root apt-get update >"$scratch/log" 2>&1 || cat "$scratch/log" >&2
        # tshark asks whether ordinary users may capture. Nobody is there to answer: no.
        if has debconf-set-selections; then
            echo "wireshark-common wireshark-common/install-setuid boolean false" |
                $as_root debconf-set-selections
        fi
        updated=yes
    fi
    for package in $(packages "$1"); do
        names=$(echo "$package" | tr '+' ' ')
        echo "installing $names"
        # shellcheck disable=SC2086 # several names are meant to be several words
        $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends $names >"$scratch/log" 2>&1
        probe "$1" && return 0
    done
    tail -n 20 "$scratch/log" >&2
    return 1
}

missing=""
for need in $needs; do
    probe "$need" && continue
    if [ "$as_root" != "impossible" ] && install "$need"; then
        continue
    fi
    missing="$missing $need"
done

for wish in $wishes; do
    probe "$wish" || { [ "$as_root" != "impossible" ] && install "$wish"; } || echo "there is no $wish"
done
[ -z "$missing" ] && exit 0
names=$(for need in $missing; do
    # shellcheck disable=SC2046 # the first of several words
    set -- $(packages "$need")
    echo "$1" | tr '+' '\n'
done | sort -u | tr '\n' ' ')
echo "missing:$missing" >&2
echo "Install with: apt-get install $names" >&2
exit 2
