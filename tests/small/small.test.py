#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The small build (docs/SMALL.md) is small, needs no more than the full one, and is a TCP: the timelines of
tests/lifecycle pass on it but for those that need what it leaves out, each of which is named with its feature
in not_applicable.tsv; and it exchanges data with a full stack over a path that loses packets.

variants: sanitize release
"""
import collections
import os
import pathlib
import platform
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/repo"))
import tap  # noqa: E402 (found through the line above)

BUILD = pathlib.Path(os.environ["DUET_BUILD"])
HERE = BUILD / "tests/small"
TEXT_MOST = 65536  # code and constant tables of all objects together, as size(1) counts: below this
ALLOWED = {"memcpy", "memmove", "memset", "memcmp", "check_failed"}
TIMELINES = SOURCE / "tests/lifecycle"
IPV6 = re.compile(r"^--+ip_version=ipv6", re.MULTILINE)


def run(*command, **more):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=False,
                          **more)


def text_of(archive):
    """Bytes of code and constants, and of writable data, of all objects."""
    total = run("size", "-t", archive).stdout.splitlines()[-1].split()
    return int(total[0]), int(total[1]) + int(total[2])


def wanted_of(archive):
    """Symbols that no object of the archive has."""
    has, wants = set(), set()
    for line in run("nm", archive, stderr=subprocess.DEVNULL).stdout.splitlines():
        kind, name = line.split()[-2:] if len(line.split()) > 1 else ("", "")
        (wants if kind == "U" else has).add(name)
    return wants - has


def known_rows():
    lines = (SOURCE / "tests/small/not_applicable.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return {path: feature for feature, path in rows}


def judge(results, rows):
    """Problems, and how many timelines need each feature that is absent."""
    problems = [f"{path} is in not_applicable.tsv, and does not exist" for path in rows
                if not any(name == path or name.startswith(path) for name in results)]
    needed = collections.Counter()
    for path, (verdict, line, problem) in results.items():
        feature = rows.get(path)
        if feature is None and verdict != "passed":
            feature = rows.get(path.split("/")[0] + "/")
        if feature is None and IPV6.search((TIMELINES / path).read_text()):
            feature = "IPv6"
        if feature is not None:
            needed[feature] += 1
            if verdict == "passed":
                problems.append(f"{path} passes without {feature}: it needs no row in not_applicable.tsv")
        elif verdict != "passed":
            problems.append(f"{path}:{line}: {problem}")
    return problems, needed


def play():
    paths = sorted(str(path.relative_to(TIMELINES)) for path in TIMELINES.rglob("*.pkt"))
    done = run(HERE / "timelines", input="".join(f"{TIMELINES / path}\n" for path in paths))
    results = {}
    for line in done.stdout.splitlines():
        verdict, path, number, problem = line.split("\t")
        results[str(pathlib.Path(path).relative_to(TIMELINES))] = (verdict, number, problem)
    return (done.returncode, sorted(set(paths) ^ set(results))), results


def check_size(test):
    archive = BUILD / "libduet_small.a"
    text, data = text_of(archive)
    print(f"# {text} bytes of code and constants (size -t), {data} of data")
    test.check(f"below {TEXT_MOST} bytes with -Os", 0 < text < TEXT_MOST)
    test.check("no data that is written", data == 0)
    test.clean("it asks for no more than the full build", sorted(wanted_of(archive) - ALLOWED))


def main():
    test = tap.Tap()
    if os.environ.get("DUET_VARIANT") == "release" and platform.machine() == "x86_64":
        check_size(test)
    (status, missing), results = play()
    test.check("every timeline was played", status == 0 and not missing)
    problems, needed = judge(results, known_rows())
    test.clean("timelines pass on the small build", problems)
    passed = sum(verdict == "passed" for verdict, _, _ in results.values())
    print(f"# {passed} timelines passed; not applicable: " +
          ", ".join(f"{count} for {feature}" for feature, count in sorted(needed.items())))
    test.check("most timelines are applicable", passed > 800)
    planted, _ = judge({"a.pkt": ("passed", "0", ""), "b.pkt": ("failed", "3", "silence")},
                       {"a.pkt": "ECN", "b.pkt": "ECN", "gone.pkt": "ECN"})
    test.found("a row without its timeline", planted, "gone.pkt is in")
    test.found("a row that is not needed", planted, "a.pkt passes without ECN")
    done = run(HERE / "beside_full", HERE / "small.so")
    for line in done.stdout.splitlines():
        match = re.match(r"(not ok|ok) \d+ - (.*)", line)
        if match:
            test.check(match.group(2), match.group(1) == "ok")
        elif line.startswith("#"):
            print(line)
    test.check("transfers beside the full build ended well", done.returncode == 0)
    test.finish()


if __name__ == "__main__":
    main()
