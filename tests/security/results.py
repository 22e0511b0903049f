#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the attack table and writes results.tsv: for each row its verdict, what was sent and what duet did. The
same build with the same seed sends the same packets at the same virtual times, so a run that changes nothing
writes the same file."""
import argparse
import json
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = ["id", "verdict", "sent", "did"]


def main():
    parser = argparse.ArgumentParser(description="Runs the attack table and writes results.tsv.")
    parser.add_argument("--program", type=pathlib.Path, required=True, help="the program duet")
    parser.add_argument("--output", type=pathlib.Path, default=SOURCE / "tests/security/results.tsv")
    arguments = parser.parse_args()
    done = subprocess.run([str(arguments.program.resolve()), "attack", "--all", "--json"],
                          stdout=subprocess.PIPE, text=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    lines = ["\t".join(COLUMNS)] + ["\t".join(row[column] for column in COLUMNS) for row in rows]
    arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for row in rows:
        if row["verdict"] == "failed":
            print(f"{row['id']} failed: {row['did']}")
    counts = [sum(row["verdict"] == verdict for row in rows) for verdict in ("passed", "failed", "not applicable")]
    print("{} passed, {} failed, {} not applicable yet".format(*counts))
    return 1 if counts[1] or done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
