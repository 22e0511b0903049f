#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions for each unit of work of `duet bench`, which do not move with the machine's load: counted by
valgrind over two amounts of work, whose difference is the work alone. A figure that is more than 5 % above
the one in instructions/figures.txt fails. With another compiler than the file's the figures are others, and nothing is compared. To accept what is so
now: tests/golden/instructions.test.py --update, and look at the difference.

variants: release
timeout: 100
"""
import json
import os
import pathlib
import re
import subprocess
import sys

from shown import GOLDEN, PROGRAM, Tap

FIGURES = GOLDEN / "instructions" / "figures.txt"
TOLERANCE = 0.05
# Of each case: how much work, and what a unit of it is divided by (a segment has 1448 bytes of text).
SEGMENT = 1448
WORK = {
    "bulk-1500": (4000 * SEGMENT, SEGMENT),
    "bulk-1500-nosum": (4000 * SEGMENT, SEGMENT),
    "bulk-65535": (400 * 65483, 65483),
    "pingpong": (2000, 1),
    "rr-1k": (2000, 1),
    "life": (1000, 1),
}


def compiler():
    """What built the program, as far as instructions depend on it."""
    cache = pathlib.Path(PROGRAM).parent / "CMakeCache.txt"
    found = re.search(r"^CMAKE_C_COMPILER:\w+=(.*)$", cache.read_text(encoding="utf-8"), re.MULTILINE)
    said = subprocess.run([found.group(1), "-dumpfullversion", "-dumpmachine"], capture_output=True, text=True,
                          check=True).stdout.split()
    return f"{os.path.basename(found.group(1))} {' '.join(said)}"


def count(case, amount):
    made = subprocess.run(["valgrind", "--tool=callgrind",
                           "--callgrind-out-file=/dev/null", PROGRAM, "bench", case, "--amount", str(amount)],
                          capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", made.stderr).group(1))


def measure():
    """{case: instructions for a unit}"""
    return {case: (count(case, 2 * amount) - count(case, amount)) * unit // amount
            for case, (amount, unit) in WORK.items()}


def write(figures):
    lines = [f"# instructions for a segment, an exchange or a connection; {compiler()}"]
    lines += [f"{case} {number}" for case, number in figures.items()]
    FIGURES.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    if "--update" in sys.argv:
        write(measure())
        return 0
    test = Tap()
    text = FIGURES.read_text(encoding="utf-8")
    if compiler() not in text.splitlines()[0]:
        test.check("figures of another compiler are not compared # SKIP this is " + compiler(), True)
        return test.finish()
    wanted = {line.split()[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    now = measure()
    test.check("every case has its figure", wanted.keys() == now.keys(), json.dumps(now))
    for case, number in now.items():
        test.check(f"{case} takes no more instructions than before",
                   number <= wanted.get(case, 0) * (1 + TOLERANCE), f"{number}, and it was {wanted.get(case)}",
                   "to accept: tests/golden/instructions.test.py --update")
    test.check("a figure that is too low is noticed", now["pingpong"] > wanted["pingpong"] // 2 * (1 + TOLERANCE))
    return test.finish()


if __name__ == "__main__":
    sys.exit(main())
