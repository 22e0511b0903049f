#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The work that one packet can ask for, counted: a build in which every basic block of base, wire and core that runs
is a step plays the attack table, and no packet may take more than DUET_ATTACK_STEPS_MOST of them.
variants: release
timeout: 400
"""
import json
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/repo"))
import tap  # noqa: E402 (found through the line above)

JOBS = str(min(2, os.cpu_count() or 1))


def build(folder):
    """The program, with its steps counted; None where it cannot be built."""
    for command in (["cmake", "-S", str(SOURCE), "-B", str(folder), "-DDUET_STEPS=ON"],
                    ["cmake", "--build", str(folder), "-j", JOBS, "--target", "duet_program"]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            print("\n".join(f"# {line}" for line in done.stdout.splitlines()[-20:]))
            return None
    return folder / "duet"


def rows(program):
    done = subprocess.run([str(program), "attack", "--quick", "--all", "--json", f"--jobs={JOBS}"],
                          stdout=subprocess.PIPE, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main():
    test = tap.Tap()
    header = (SOURCE / "include/duet/attack.h").read_text(encoding="utf-8")
    most = int(re.search(r"DUET_ATTACK_STEPS_MOST (\d+)", header).group(1))
    program = build(pathlib.Path(os.environ["DUET_BUILD"]) / "steps")
    test.check("a build that counts can be made", program is not None)
    if program is not None:
        found = rows(program)
        for row in found:
            test.check(f"{row['id']}: {row['steps']} steps at most", row["verdict"] != "failed" and row["steps"] <= most)
        dearest = max(found, key=lambda row: row["steps"])
        print(f"# the dearest packet of all: {dearest['steps']} steps, in {dearest['id']}; allowed are {most}")
        test.check("steps are counted at all", sum(row["steps"] > 100 for row in found) > len(found) / 2)
    test.finish()


if __name__ == "__main__":
    main()
