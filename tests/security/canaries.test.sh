#!/bin/sh
# SPDX-License-Identifier: MIT
# Every row of the attack table fails in a build that is broken for it.
# variants: release
# timeout: 300
exec python3 "$DUET_SOURCE/tests/security/canaries.py" --build "$DUET_BUILD" --jobs 2 --tap
