#!/bin/sh
# SPDX-License-Identifier: MIT
# bench/learn.sh BUILD: runs a duet that was built with -DDUET_PROFILE=learn through what a TCP does, in some twenty
# seconds, so that the build after it (-DDUET_PROFILE=use) knows which code runs and which seldom does.
# Dialogues, whole connections and bulk, as most of its uses are, and worlds that lose, reorder and break. lwIP, where
# it is there, does the same work in turn, so that what drives it is built by the same rule.
set -eu

duet=${1:?folder of the build}/duet
find "$1" -name '*.gcda' -delete # what another build noted
"$duet" bench pingpong --amount 1000000 >/dev/null
"$duet" bench rr-1k --amount 500000 >/dev/null
"$duet" bench life --amount 400000 >/dev/null
"$duet" bench bulk-1500 --amount 300000000 >/dev/null
"$duet" bench bulk-65535 --amount 300000000 >/dev/null
"$duet" bench pingpong bulk-1500 rr-1 --rounds 3 >/dev/null # beside lwIP
"$duet" sim --seeds 1..40 >/dev/null
