#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""duet beside the operating system's TCP: a slice of random timelines in which every difference must be
a known one, and scripts against the kernel.

timeout: 300
"""
import os
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "repo"))
from tap import SOURCE, Tap, run  # noqa: E402

PROGRAM = os.environ["DUET_PROGRAM"]
KNOWN = SOURCE / "tests" / "lifecycle" / "random_differences.tsv"
SCRIPTS = 200

# What both do alike, and a line that one of them does not: Linux leaves out the text of a SYN,ACK.
ALIKE = """ 0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0    bind(3, ..., ...) = 0
+0    listen(3, 5) = 0
+0    < S 0:0(0) win 65535 <mss 1460>
+0    > S. 0:0(0) ack 1 <mss 1460>
+0.1  < . 1:1(0) ack 1 win 65535
+0    accept(3, ..., ...) = 4
+0    write(4, ..., 10) = 10
+0    > P. 1:11(10) ack 1
+0.1  < F. 1:1(0) ack 11 win 65535
+0~+0.05 > . 11:11(0) ack 2
+0    state(4) = CLOSE_WAIT
+0    close(4) = 0
+0    > F. 11:11(0) ack 2
+0.1  < . 2:2(0) ack 12 win 65535
+0    state(4) = CLOSED
"""
DIFFERENT = """ 0    socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
+0    connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0    > S 0:0(0) <...>
+0.1  < S. 0:10(10) ack 1 win 65535 <mss 1460>
+0~+0.05 > . 1:1(0) ack 11
"""


def why_not():
    """Why the kernel cannot be tested here, or None."""
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder) / "nothing.pkt"
        script.write_text(" 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n")
        status, output = run([PROGRAM, "script", "--against", "kernel", script])
    return None if status == 0 else output.strip()


def check_random(tap):
    command = [PROGRAM, "script", "--random", SCRIPTS, "--seed", 1, "--against", "both", "--jobs", 8]
    status, output = run(command + ["--known", KNOWN])
    print("".join(f"# {line}\n" for line in output.splitlines()), end="")
    found = re.search(r"(\d+) scripts, (\d+) agreed, (\d+) differing, \d+ unsteady; "
                      r"clusters: (\d+) known, (\d+) unknown", output)
    numbers = [int(number) for number in found.groups()] if found else [0] * 5
    tap.check(f"{SCRIPTS} random timelines were played", numbers[0] == SCRIPTS)
    tap.check("some are alike, some differ", numbers[1] > 0 and numbers[2] > 0)
    tap.check("every difference is a known one", status == 0 and numbers[4] == 0)
    status, output = run(command)
    tap.check("without the file of known ones none is", status == 1 and " 0 known" in output)
    tap.check("an unknown one is shown by a script", "// duet: " in output and "pause() = 0" in output)


def check_scripts(tap, folder):
    (folder / "alike.pkt").write_text(ALIKE)
    (folder / "different.pkt").write_text(DIFFERENT)
    (folder / "long.pkt").write_text(ALIKE + "+30 pause() = 0\n")
    both = [PROGRAM, "script", "--against", "both"]
    status, output = run(both + [folder / "alike.pkt"])
    tap.check("a script that both pass", status == 0 and "1 passed, 0 failed, 0 skipped" in output)
    status, output = run(both + [folder / "different.pkt"])
    tap.check("the first packet in which they differ", status == 1 and ":5:1: failed: the kernel "
              "differs from duet" in output and "> . 1:1(0) ack 1 win" in output)
    status, output = run(both + [folder / "long.pkt"])
    tap.check("a long script is skipped", status == 0 and "it takes 30 s of real time" in output)
    (folder / "differences.tsv").write_text("# script, what, clause\n"
                                            "different.pkt\tthe text\tRFC 9293 3.10.7.3\n"
                                            "alike.pkt\tnothing\tRFC 9293\n")
    status, output = run(both + [folder])
    tap.check("a cited difference does not fail the run", status == 0 and
              "it differs as cited: the text (RFC 9293 3.10.7.3)" in output)
    tap.check("one that is gone is told", "cited as different (nothing), but it passes" in output)


def main():
    tap = Tap()
    why = why_not()
    if why is not None:
        tap.skip("duet beside the operating system's TCP", why)
        tap.finish()
    check_random(tap)
    with tempfile.TemporaryDirectory() as folder:
        check_scripts(tap, pathlib.Path(folder))
    tap.finish()


if __name__ == "__main__":
    main()
