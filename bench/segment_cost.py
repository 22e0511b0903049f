#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions for each kind of segment of `duet bench segments`, counted by callgrind, so that they do not move with
the machine's load.

    bench/segment_cost.py [build/duet]
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

from check_cost import inclusive


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("program", nargs="?", default="build/duet", help="duet (default: build/duet)")
    program = parser.parse_args().program
    with tempfile.TemporaryDirectory() as folder:
        profile = pathlib.Path(folder) / "profile"
        said = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", "--quiet",
                               "--compress-pos=no", program, "bench", "segments", "--rounds=30", "--json"],
                              check=True, capture_output=True, text=True).stdout
        # Optimisation across files gives what only one file sees a suffix.
        totals = {name.partition(".")[0]: counted for name, counted in inclusive(profile).items()}
    for line in said.splitlines():
        row = json.loads(line)
        function = "segment_" + row["segment"].replace("-", "_")
        print(f"{row['segment']:14} {totals[function][1] / row['count']:6.0f} instructions")


if __name__ == "__main__":
    main()
