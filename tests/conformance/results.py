#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every test that rfc9293.tsv names and writes results.tsv: for each requirement how many of its tests
passed, failed and were skipped, and a fingerprint of the tests it had. The text depends on nothing else, so
that a run that changes nothing writes the same file.

A timeline is played by `duet script`, a case is run by the cmocka program of its file. What was not run
although it is named, because its program is missing or stopped before it came to it, has failed.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tools/gen"), str(SOURCE / "tests")]
import run as runner  # noqa: E402 (found through the line above)
import statement  # noqa: E402

VARIANT = "sanitize"
VERDICTS = ("passed", "failed", "skipped")
CASE = re.compile(r"^(not )?ok \d+ (?:- |(# SKIP) )(\w+)\s*(# SKIP)?", re.MULTILINE)
TIMEOUT = 600  # seconds, of one program


def environment(build):
    own = {"CMOCKA_MESSAGE_OUTPUT": "TAP", "DUET_SOURCE": str(SOURCE), "DUET_BUILD": str(build),
           "DUET_PROGRAM": str(build / "duet"), "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}
    return {**os.environ, **own}


def output_of(command, build):
    """Status and standard output; a program that is not there or does not end has failed."""
    try:
        done = subprocess.run(command, cwd=SOURCE, env=environment(build), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return 1, ""
    return done.returncode, done.stdout


def play(timelines, build):
    """{timeline: verdict}, as far as there is one."""
    if not timelines:
        return {}
    _, output = output_of([str(build / "duet"), "script", "--json", *timelines], build)
    rows = [json.loads(line) for line in output.splitlines()]
    return {row["script"]: row["verdict"] for row in rows if "script" in row}


def cases(status, output):
    """{case: verdict} of a cmocka program's output. A status that no case explains, such as that of a
    sanitizer at the end, makes all of them fail."""
    found = {}
    for failed, before, name, after in CASE.findall(output):
        found[name] = "skipped" if before or after else "failed" if failed else "passed"
    if status != 0 and "failed" not in found.values():
        return dict.fromkeys(found, "failed")
    return found


def run_cases(file, build):
    """Runs the program of tests/FOLDER/NAME.c."""
    program = (build / file).with_suffix("")
    found = cases(*output_of([str(program)], build))
    return {f"{file}:{case}": verdict for case, verdict in found.items()}


def run_all(answers, build):
    """{test: verdict} of all tests that are named."""
    tests = sorted({test for answer in answers for test in answer.tests})
    verdicts = play([test for test in tests if test.endswith(".pkt")], build)
    for file in sorted({test.partition(":")[0] for test in tests if not test.endswith(".pkt")}):
        verdicts.update(run_cases(file, build))
    return {test: verdicts[test] if verdicts.get(test) in VERDICTS else "failed" for test in tests}


def count(answers, verdicts):
    """The results, one for each requirement, in the order of the statement."""
    found = []
    for answer in answers:
        got = [verdicts[test] for test in answer.tests]
        found.append(statement.Result(answer.id, *(got.count(verdict) for verdict in VERDICTS),
                                      statement.fingerprint(answer.tests)))
    return found


def text(results):
    rows = [statement.Result._fields, *results]
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def main():
    parser = argparse.ArgumentParser(description="Runs the tests of the statement of conformance.")
    parser.add_argument("--build", type=pathlib.Path, metavar="FOLDER",
                        help=f"what is built already (default: build the variant {VARIANT})")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at once (default: CPUs)")
    parser.add_argument("--output", type=pathlib.Path, default=SOURCE / "tests/conformance/results.tsv")
    arguments = parser.parse_args()
    errors = None if arguments.build else runner.build(VARIANT, arguments.jobs)
    if errors is not None:
        print(errors, file=sys.stderr)
        return 1
    build = arguments.build.resolve() if arguments.build else runner.build_folder(VARIANT)

    answers = statement.answers(SOURCE / "tests/conformance")
    verdicts = run_all(answers, build)
    arguments.output.write_text(text(count(answers, verdicts)), encoding="utf-8")
    for test, verdict in verdicts.items():
        if verdict != "passed":
            print(f"{verdict}: {test}")
    sums = [list(verdicts.values()).count(verdict) for verdict in VERDICTS]
    print("{} passed, {} failed, {} skipped".format(*sums))
    return 1 if sums[1] else 0


if __name__ == "__main__":
    sys.exit(main())
