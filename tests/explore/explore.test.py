#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`duet explore` as a user meets it: what it prints, its exit status, its pictures; and a slice of the long campaign
(`make explore`), which is complete within its bounds.

variants: release
timeout: 300
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ.get("DUET_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(SOURCE / "tests/repo"))
import tap  # noqa: E402

PROGRAM = os.environ.get("DUET_PROGRAM", str(SOURCE / "build/duet"))
# What is large as shipped without some of its faults.
SLICE = [["transfer"],
         ["handshake"],
         ["teardown", "--losses", "0"],
         ["simultaneous-open"],
         ["simultaneous-close", "--late", "0"],
         ["window", "--late", "1"],
         ["reuse", "--late", "0"],
         ["timestamps"],
         ["without-sack"],
         ["holes"],
         ["ecn", "--duplicates", "0"],
         ["accurate-ecn", "--late", "0"],
         ["fast-open", "--late", "0"],
         ["half-close", "--duplicates", "0"],
         ["abort"],
         ["keep-alive"],
         ["silly-window"]]


def explore(*options):
    done = subprocess.run([PROGRAM, "explore", *options], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def check_slice(test):
    total = 0
    for options in SLICE:
        status, out, _ = explore(*options, "--json")
        found = json.loads(out) if status in (0, 1, 3) else {}
        total += found.get("states", 0)
        test.check(f"{' '.join(options)}: complete, nothing violated",
                   status == 0 and found.get("verdict") == "complete" and found["waiting"] == 0)
    print(f"# {total} states")
    test.check("the slice is no trifle", total > 2000000)


def check_command_line(test):
    status, out, _ = explore("--list")
    names = [line.split()[0] for line in out.splitlines()]
    test.check("--list names what the slice explores",
               status == 0 and {options[0] for options in SLICE} <= set(names))
    test.check("nothing to explore is a wrong command line", explore()[0] == 2)
    test.check("an unknown name is one", explore("nothing")[0] == 2)
    test.check("an unknown thing to break is one", explore("transfer", "--break", "x")[0] == 2)
    test.check("a number out of range is one", explore("transfer", "--losses", "9")[0] == 2)
    status, out, _ = explore("handshake", "--max-states", "1000")
    test.check("a bound is status 3, and says what waits", status == 3 and "not empty" in out)
    status, out, _ = explore("teardown", "reuse", "--seconds", "1")
    test.check("so is a time that is over, for all that is explored",
               status == 3 and out.count("bound reached") == 3 and "total" in out)


def check_counterexample(test):
    status, out, _ = explore("transfer", "--break", "swap")
    test.check("a violation is status 1 and is drawn", status == 1 and "I-14" in out and "#4" in out)
    status, out, _ = explore("teardown", "--break", "timer")
    test.check("timers end on the clock that is shown", status == 1 and "TIME-WAIT for 240 s" in out)
    with tempfile.TemporaryDirectory() as folder:
        for suffix, word in (("svg", b"<svg"), ("html", b"<html"), ("pcapng", b"\n\r\r\n"),
                             ("json", b'"kind"'), ("txt", b"I-14")):
            file = pathlib.Path(folder) / f"way.{suffix}"
            status = explore("transfer", "--break", "swap", "-o", str(file))[0]
            test.check(f"the counterexample as {suffix}",
                       status == 1 and file.exists() and word in file.read_bytes())


def main():
    test = tap.Tap()
    check_command_line(test)
    check_counterexample(test)
    check_slice(test)
    test.finish()


if __name__ == "__main__":
    main()
