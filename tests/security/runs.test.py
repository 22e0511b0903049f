#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Slices of the two long runs of `duet attack`: the campaign of blind injections, and the flood in real time over a TUN
device in a namespace of its own, where the system lets us have one. Their command lines, too.
variants: release
timeout: 120
"""
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/repo"))
import tap  # noqa: E402 (found through the line above)

INJECTIONS = 3_000_000
SECONDS = 10
SYNS_LEAST = 10_000  # a second; a machine with nothing else to do sends 100,000


def attack(*arguments):
    done = subprocess.run([os.environ["DUET_PROGRAM"], "attack", *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    for line in (done.stdout + done.stderr).splitlines():
        print(f"# {line}")
    return done.returncode, done.stdout, done.stderr


def check_campaign(test):
    status, out, _ = attack(f"--campaign={INJECTIONS}", "--seed=3")
    said = re.search(r"(\d+) blind .* (\d+) had an effect\n"
                     r"chance allows ([\d.]+) \(([\d.]+) to ([\d.]+)\); of the (\d+) that were wrong by construction (\d+) had",
                     out)
    test.check("the campaign passes", status == 0 and out.endswith(": pass\n"))
    test.check("and says what it did", said is not None)
    if said is None:
        return
    sent, effects, expected, least, most, wrong, wrong_effects = map(float, said.groups())
    test.check("every injection was sent, half of them wrong by construction",
               sent == INJECTIONS and abs(wrong - INJECTIONS / 2) <= INJECTIONS / 100)
    test.check("what is wrong by construction has no effect", wrong_effects == 0)
    test.check("the others have no more than chance allows", least <= effects <= most and 0 < expected < 2)
    test.check("another seed is another campaign", attack("--campaign=1000", "--seed=4")[0] == 0)
    test.check("how many is a number", attack("--campaign=many")[0] == 2)


def why_no_tun():
    """Why there can be no TUN device here, or None."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "/dev/net/tun is not there, or not for us"
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"] if os.geteuid() != 0 else
                          ["unshare", "--net", "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          check=False)
    return None if done.returncode == 0 else "no namespace can be made"


def check_tun(test):
    why = why_no_tun()
    if why is not None:
        test.skip("a flood over a TUN device", why)
        return
    status, out, _ = attack(f"--tun={SECONDS}")
    said = re.search(r"(\d+) forged SYNs in \d+ s \((\d+) a second\), (\d+) clients: (\d+) connected within a second, "
                     r"(\d+) did not\n(\d+) packets reached the stack; (\d+) half-open records, .* grew by (\d+) KB", out)
    test.check("the flood passes", status == 0 and out.endswith(": pass\n"))
    test.check("and says what it did", said is not None)
    if said is None:
        return
    syns, rate, clients, connected, late, packets, half_open, grown = map(int, said.groups())
    test.check("it is a flood", rate >= SYNS_LEAST and packets >= syns // 2)
    test.check("clients of the operating system connect, 99 of 100",
               clients >= 50 * SECONDS and connected >= 0.99 * clients and late <= 0.01 * clients)
    test.check("half-open records have their bound", half_open <= 1024)
    test.check("memory grows by nothing", grown == 0)


def main():
    test = tap.Tap()
    check_campaign(test)
    check_tun(test)
    test.check("a time must be a number", attack("--tun=long")[0] == 2)
    test.finish()


if __name__ == "__main__":
    main()
