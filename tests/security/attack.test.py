#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The attack table: each row that concerns what duet contains passes. With the sanitizers a byte that is read
too much is a failure, too, and the largest rows send a part of their packets; without them all rows run in full.
variants: sanitize release
timeout: 400
"""
import json
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/repo"))
import tap  # noqa: E402 (found through the line above)


def main():
    test = tap.Tap()
    command = [os.environ["DUET_PROGRAM"], "attack", "--all", "--json", "--jobs=1", "--limit=300"]
    if os.environ["DUET_VARIANT"] == "sanitize":
        command.append("--quick")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for row in rows:
        test.check(f"{row['id']} {row['title']}", row["verdict"] != "failed")
        print(f"# {row['verdict']} in {row['seconds']:.1f} s: {row['did']}")
    for line in done.stderr.splitlines():
        print(f"# {line}")
    test.check("the status agrees", done.returncode == (1 if any(r["verdict"] == "failed" for r in rows) else 0))
    listing = subprocess.run([os.environ["DUET_PROGRAM"], "attack", "--list"], stdout=subprocess.PIPE,
                             text=True, check=True).stdout.splitlines()
    test.check("every row that is listed has a verdict", [line.split()[0] for line in listing] ==
               [row["id"] for row in rows])
    unknown = subprocess.run([os.environ["DUET_PROGRAM"], "attack", "Z9"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, check=False)
    test.check("a row that does not exist is a wrong command line", unknown.returncode == 2)
    test.finish()


if __name__ == "__main__":
    main()
