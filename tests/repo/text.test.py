#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What no file of the repository may say: paths of one machine, unfinished work, no licence."""
import pathlib
import re
import tempfile

import tap

MACHINE_PATH = re.compile(r"(?:^|[^\w.$}/-])/(?:work|farm|root|tmp|home/\w+)/")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
LICENSED = {".c", ".h", ".def", ".py", ".sh", ".cmake"}
BINARY = {".pcapng", ".pcap", ".png"}
INPUTS = ("fuzz/corpus/", "fuzz/findings/")  # of fuzzers: any bytes at all


def problems(root, paths):
    found = []
    for path in paths:
        file = root / path
        if file.suffix in BINARY or path.startswith(INPUTS):
            continue
        lines = file.read_text(encoding="utf-8").splitlines()
        if file.suffix in LICENSED and not any("SPDX-License-Identifier: MIT" in line
                                               for line in lines[:3]):
            found.append(f"{path}: no SPDX line at its head")
        for number, line in enumerate(lines, 1):
            if MACHINE_PATH.search(line):
                found.append(f"{path}:{number}: a path of one machine: {line.strip()}")
            if UNFINISHED.search(line):
                found.append(f"{path}:{number}: unfinished work: {line.strip()}")
    return found


def plant(text):
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "planted.c").write_text(text)
        return problems(pathlib.Path(folder), ["planted.c"])


def main():
    test = tap.Tap()
    test.clean("no machine paths, no unfinished work, SPDX everywhere",
               problems(tap.SOURCE, tap.tracked_files(tap.SOURCE)))
    spdx = "/* SPDX-License-Identifier: MIT */\n"
    test.found("a path of one machine", plant(spdx + "/" "work/main\n"), "a path of one machine")
    test.found("unfinished work", plant(spdx + "/* TO" "DO: more */\n"), "unfinished work")
    test.found("no licence", plant("int x;\n"), "no SPDX line")
    test.clean("a fine file has no problems", plant(spdx + "int x; /* and/or/tmp */\n"))
    test.finish()


if __name__ == "__main__":
    main()
