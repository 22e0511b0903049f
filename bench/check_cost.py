#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the invariants that stand in every build cost: instructions a packet through the doors of both ends, with
them and without. Counts under valgrind, so the figures are the same on a busy machine.

    bench/check_cost.py [build/duet] [CASE...]

For a program as `make` builds it: `make fast` puts the doors into who calls them, where they are not counted apart.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

AMOUNTS = {"bulk-1500": 4000000, "rr-1": 4000, "life": 1000}  # bytes, exchanges, connections
CHECK = "tcp_conn_must_be_sound"
DOORS = ["duet_input", "duet_output", "duet_expire"]


def inclusive(profile):
    """function: (calls, instructions with all that it calls), of calls into it."""
    names, totals = {}, {}
    callee, calls = "", 0
    for line in profile.read_text(encoding="utf-8", errors="replace").splitlines():
        match = re.match(r"c?fn=\((\d+)\)(?: (.*))?$", line)
        if match:
            name = names.setdefault(match[1], (match[2] or "").split("'")[0])
            callee = name if line.startswith("c") else callee
            continue
        match = re.match(r"calls=(\d+)", line)
        if match:
            calls = int(match[1])
            continue
        if calls:
            count, cost = totals.get(callee, (0, 0))
            totals[callee] = (count + calls, cost + int(line.split()[1]))
            calls = 0
    return totals


def measure(program, case):
    with tempfile.TemporaryDirectory() as folder:
        profile = pathlib.Path(folder) / "profile"
        subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", "--quiet",
                        "--compress-pos=no", "--compress-strings=yes", program, "bench", case, f"--amount={AMOUNTS[case]}"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        totals = inclusive(profile)
    if "duet_input" not in totals or CHECK not in totals:
        raise SystemExit(f"{program} has no doors of their own: build it with make, not make fast")
    packets = totals["duet_input"][0]
    doors = sum(totals.get(door, (0, 0))[1] for door in DOORS)
    checks = totals[CHECK][1]
    print(f"{case:10} {packets:8} packets: {doors / packets:7.0f} instructions each with the checks, "
          f"{(doors - checks) / packets:7.0f} without, {100 * checks / (doors - checks):.1f} %")


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "build/duet"
    for case in sys.argv[2:] or AMOUNTS:
        measure(program, case)


if __name__ == "__main__":
    main()
