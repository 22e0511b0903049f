#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Replays, for each fuzzer of fuzz/, its corpus and every input that ever failed; for the script parser the scripts of
tests/ as well. The programs are the fuzzers with a main() in place of libFuzzer (fuzz/replay/main.c)."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "repo"))
import tap  # noqa: E402  (found through the line above)

BUILD = pathlib.Path(os.environ["DUET_BUILD"])


def inputs(name):
    """The files that a fuzzer is to be given."""
    folders = [tap.SOURCE / "fuzz" / kind / name for kind in ("corpus", "findings")]
    found = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
    if name == "script":
        found += sorted(tap.SOURCE.glob("tests/**/*.pkt"))
    return found


def culprits(program, files):
    """What went wrong, for each input that fails alone."""
    found = []
    for file in files:
        status, output = tap.run([program, file])
        if status != 0:
            found.append(f"{file.relative_to(tap.SOURCE)}: status {status}")
            found += output.splitlines()[:30]
    return found


def main():
    test = tap.Tap()
    for name in (BUILD / "fuzzers/fuzzers.txt").read_text(encoding="utf-8").split():
        program, files = BUILD / "fuzzers" / name, inputs(name)
        test.check(f"{name} has a corpus", bool(files))
        status, output = tap.run([program, *files])
        whole = status == 0 and output.endswith(f"{len(files)} inputs\n")
        test.clean(f"{name}: {len(files)} inputs", [] if whole else culprits(program, files) or [output])
    status, _ = tap.run([BUILD / "fuzzers/tcp", tap.SOURCE / "fuzz/no such file"])
    test.check("an input that cannot be read is no success", status == 2)
    test.finish()


if __name__ == "__main__":
    main()
