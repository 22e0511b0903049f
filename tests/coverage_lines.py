#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which lines and branches of src/core and src/wire the tests reach: make coverage.

Builds with gcc's --coverage, runs the unit tests, the timelines and the other fast tests (tests/mutate/bench.py), the
faults at every index (tests/sim/injection.c), but not the attack table, and asks gcov. Not counted, because no input can take them: the failing
arm of a CHECK and of an invariant that duet_check() names (I-24), lines that say unreachable(), and the cases of a switch
that lead there because an enumeration is listed whole. The branches of a switch are its cases, which count as lines. A line, or a
condition, of tests/coverage_excluded.tsv has a reason why no test can reach all of it: such a line is not
counted, such a branch is, as one that was not reached. What was reached by nothing and has no reason is listed.

Exit status: 0 if every counted line and --branches per cent of the branches were reached, no branch that was not
reached is without a reason, and no reason is for a line that is gone."""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import coverage
import run

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "mutate"))
import bench  # noqa: E402  (found through the line above)

SOURCE = run.SOURCE
EXCLUDED = SOURCE / "tests/coverage_excluded.tsv"
NEVER = re.compile(r'\bunreachable\(|return "I-\d\d: ')
LISTED = re.compile(r"case \w+:|break;( /\*.*)?$|\}$")  # what stands between a case and unreachable()
SWITCH = re.compile(r"\bswitch \(")
CHECKED = re.compile(r'\bCHECK\(|"I-\d\d: ')


def programs(build):
    """The commands that are run: the fast tests that mutants meet, too, and what fails at every index."""
    found = [[str(path)] for path in sorted((build / "tests/unit").glob("test_*")) if path.is_file()]
    found.append([str(build / "tests/sim/injection")])
    found.append([str(build / "duet"), "script", str(SOURCE / "tests/lifecycle")])
    for name, program, arguments, _ in bench.other_tests(build):
        if name.startswith("attack-"):
            continue  # they count packets by the hundred thousand, which takes long without optimisation
        path = {"duet": "duet", "cells": "tests/conformance/cells", "histories": "tests/golden/histories"}.get(program, f"fuzzers/{program}")
        words = [word for argument in arguments
                 for word in (sorted(map(str, SOURCE.glob(argument))) if "*" in argument else [argument])]
        found.append([str(build / path), *words])
    return found


def run_all(build, jobs, folder):
    environment = dict(os.environ, DUET_SOURCE=str(SOURCE), DUET_BUILD=str(build), DUET_PROGRAM=str(build / "duet"),
                       DUET_VARIANT="coverage", DUET_COVERAGE_DIR=folder, LC_ALL="C.UTF-8")

    def one(command):
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
                              timeout=3000, check=False)
        return command, done.returncode

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for command, status in pool.map(one, programs(build)):
            if status != 0:
                print(f"status {status}: {' '.join(command)}", flush=True)


def ask_gcov(build):
    """{path: {line: (count, [count of each branch])}} of src/core and src/wire; headers are summed over their users."""
    found = collections.defaultdict(dict)
    objects = sorted((build / "CMakeFiles/duet_pure.dir/src").glob("*/*.gcda"))
    for data in objects:
        text = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", str(data)],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
        for document in text.splitlines():
            for file in json.loads(document)["files"]:
                path = os.path.relpath(os.path.join(str(build), file["file"]), SOURCE)
                if path.startswith(("src/core/", "src/wire/")):
                    merge(found[path], file["lines"])
    return found


def merge(lines, more):
    for line in more:
        branches = [branch["count"] for branch in line["branches"]]
        count, known = lines.get(line["line_number"], (0, []))
        if len(known) == len(branches):
            branches = [a + b for a, b in zip(known, branches)]
        elif len(known) > len(branches):
            branches = known
        lines[line["line_number"]] = (count + line["count"], branches)


def excluded():
    """{(path, line of source)}: the reason is for people."""
    rows = [line.split("\t") for line in EXCLUDED.read_text(encoding="utf-8").splitlines()
            if line and not line.startswith("#")]
    return {(path, source) for path, source, _ in rows}


def stale(reasons):
    """Those whose line of source is not there."""
    for path, line in sorted(reasons):
        file = SOURCE / path
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        if line not in (" ".join(text.split()) for text in lines):
            yield path, line


def leads_to_violation(texts, number):
    """Does this line, or the condition that it is part of, end in the name of a broken invariant?"""
    for text in texts[number:number + 3]:
        if '"I-' in text:
            return True
        if text.rstrip().endswith((";", "{", "}")):
            return False
    return False


def is_listed_only(texts, number):
    """Is this line part of a case of a switch that leads to unreachable()?"""
    if not LISTED.match(texts[number - 1].strip()):
        return False
    for text in texts[number:]:
        if NEVER.search(text):
            return True
        if not LISTED.match(text.strip()):
            return False
    return False


def has_reason(path, texts, number, reasons):
    """Is there one for this line, or for the condition in front of it that it depends on?"""
    own, before = (" ".join(texts[at].split()) if at >= 0 else "" for at in (number - 1, number - 2))
    depends = before.startswith("if (") or own.startswith(("return", "break", "continue"))
    return (path, own) in reasons or (depends and (path, before) in reasons)


def judge(path, lines, reasons):
    """Counts, and what was not reached, of one file."""
    texts = (SOURCE / path).read_text(encoding="utf-8").splitlines()
    counts = collections.Counter()
    missing = []
    for number, (count, branches) in sorted(lines.items()):
        text = texts[number - 1]
        is_never = count == 0 and is_listed_only(texts, number)
        explained = has_reason(path, texts, number, reasons)
        if NEVER.search(text) or is_never or (explained and count == 0):
            counts["excluded"] += 1
            continue
        counts["lines"] += 1
        counts["lines reached"] += count > 0
        if count == 0:
            missing.append(f"{path}:{number}: never: {text.strip()}")
            continue
        if SWITCH.search(text) or CHECKED.search(text) or leads_to_violation(texts, number):
            continue  # lines of their own; its failing arm
        counts["branches"] += len(branches)
        counts["branches reached"] += sum(1 for branch in branches if branch > 0)
        counts["branches explained"] += branches.count(0) if explained else 0
        if not all(branches) and not explained:
            counts["branches unexplained"] += branches.count(0)
            taken = "".join("+" if branch else "-" for branch in branches)
            missing.append(f"{path}:{number}: branches {taken}: {text.strip()}")
    return counts, missing


def share(reached, all_of_them):
    return f"{reached:6}/{all_of_them:<6} {100 * reached / all_of_them if all_of_them else 100:6.2f} %"


def report(found, hits):
    whole, missing = collections.Counter(), []
    print(f"{'file':32} {'lines':>22} {'branches':>22}")
    reasons = excluded()
    for path in sorted(found):
        counts, more = judge(path, found[path], reasons)
        whole += counts
        missing += more
        print(f"{path:32} {share(counts['lines reached'], counts['lines'])} "
              f"{share(counts['branches reached'], counts['branches'])}")
    print(f"{'all':32} {share(whole['lines reached'], whole['lines'])} "
          f"{share(whole['branches reached'], whole['branches'])}")
    print(f"not counted: {whole['excluded']} lines that nothing can reach (unreachable, coverage_excluded.tsv)")
    print(f"branches not reached: {whole['branches explained']} with a reason, {whole['branches unexplained']} without")
    missing += [f"{path}: a reason for a line that is gone: {line}" for path, line in stale(reasons)]
    whole["stale"] = len(list(stale(reasons)))
    print("\n".join(coverage.summary(hits)))
    print("\n".join(missing))
    return whole


def main():
    parser = argparse.ArgumentParser(description="Line and branch coverage of src/core and src/wire.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at a time (CPUs)")
    parser.add_argument("--branches", type=float, default=95, help="per cent that must be reached (95)")
    parser.add_argument("--lines", type=float, default=100, help="per cent that must be reached (100)")
    parser.add_argument("--no-run", action="store_true", help="only report what the last run reached")
    chosen = parser.parse_args()
    build = run.build_folder("coverage")
    if not chosen.no_run:
        errors = run.build("coverage", chosen.jobs)
        if errors is not None:
            raise SystemExit(errors)
        for data in (build / "CMakeFiles/duet_pure.dir/src").glob("*/*.gcda"):
            data.unlink()
    with tempfile.TemporaryDirectory(prefix="duet-coverage-") as folder:
        if not chosen.no_run:
            run_all(build, chosen.jobs, folder)
        hits = coverage.read(folder)
    whole = report(ask_gcov(build), hits)
    good = (100 * whole["lines reached"] >= chosen.lines * whole["lines"] and
            100 * whole["branches reached"] >= chosen.branches * whole["branches"] and
            whole["branches unexplained"] == 0 and whole["stale"] == 0)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
