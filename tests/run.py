#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds duet in three variants, runs all tests, and ends with the line "N passed, N failed".

What is a test suite:
  tests/*/NAME.c with a main()   a program, usually of cmocka cases
  tests/*/NAME.test.sh, .test.py an executable script
  examples/NAME.c                a program; "run: none" in its head: only built

A suite prints TAP: "ok 1 - what", "not ok 2 - what", "ok 3 - what # SKIP why" (cmocka does this by
itself when asked to). One that prints none counts as a single test that its exit status decides.
A status that does not fit, a plan ("1..N") that was not kept, and a run over time are failures too.

The head of a suite's source may say "variants: sanitize clang release" and "timeout: SECONDS".
Without it, unit tests and examples run in every variant, everything else with gcc's sanitizers only.

Suites find in the environment: DUET_SOURCE and DUET_BUILD (folders), DUET_PROGRAM (the program
`duet`), DUET_VARIANT, and DUET_COVERAGE_DIR (see src/host/coverage.h).
"""
import argparse
import collections
import concurrent.futures
import fnmatch
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import coverage

SOURCE = pathlib.Path(__file__).resolve().parent.parent
VARIANTS = ["sanitize", "clang", "release"]
HEAD_LINES = 40  # where "variants:", "timeout:" and "run:" are looked for
DEFAULT_TIMEOUT = 120  # seconds; the slowest suite needs a fraction of it

Suite = collections.namedtuple("Suite", "name command variant timeout")
Result = collections.namedtuple("Result", "passed failed skipped complaints output seconds")


# ---- building ----


def presets():
    text = (SOURCE / "CMakePresets.json").read_text()
    return {preset["name"]: preset for preset in json.loads(text)["configurePresets"]}


def build_folder(variant):
    return pathlib.Path(presets()[variant]["binaryDir"].replace("${sourceDir}", str(SOURCE)))


def build(variant, jobs):
    """What went wrong, without the progress of what did not, or None. Configures by hand what the preset
    says, because CMake 3.16 knows no presets."""
    folder = build_folder(variant)
    settings = dict(presets()[variant]["cacheVariables"], DUET_TESTS="ON")
    configure = ["cmake", "-S", str(SOURCE), "-B", str(folder)]
    configure += [f"-D{name}={value}" for name, value in settings.items()]
    for command in (configure, ["cmake", "--build", str(folder), "-j", str(jobs)]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            return re.sub(r"^(?:\[ *\d+%\]|gmake|make).*\n", "", done.stdout, flags=re.MULTILINE)
    return None


# ---- finding suites ----


def head_word(source, key):
    """The words after "key:" in the head of a file, or None."""
    with open(source, encoding="utf-8") as file:
        for _, line in zip(range(HEAD_LINES), file):
            match = re.match(rf"[\s#/*]*{key}:\s*(.*?)[\s*/]*$", line)
            if match:
                return match.group(1).split()
    return None


def make_suite(name, command, source, variant, everywhere):
    variants = head_word(source, "variants") or (VARIANTS if everywhere else ["sanitize"])
    unknown = set(variants) - set(VARIANTS)
    if unknown:
        raise SystemExit(f"{source}: unknown variant {' '.join(sorted(unknown))}")
    timeout = int((head_word(source, "timeout") or [DEFAULT_TIMEOUT])[0])
    return [Suite(name, command, variant, timeout)] if variant in variants else []


def find_suites(variant):
    folder = build_folder(variant)
    suites = []
    for script in sorted((SOURCE / "tests").glob("**/*.test.*")):
        name = str(script.relative_to(SOURCE / "tests"))
        suites += make_suite(name, [str(script)], script, variant, everywhere=False)
    for name in (folder / "tests/programs.txt").read_text().split():
        source = SOURCE / "tests" / f"{name}.c"
        suites += make_suite(name, [str(folder / "tests" / name)], source, variant,
                             everywhere=name.startswith("unit/"))
    for source in sorted((SOURCE / "examples").glob("*.c")):
        if (head_word(source, "run") or [""])[0] != "none":
            suites += make_suite(f"examples/{source.stem}",
                                 [str(folder / "examples" / source.stem)], source, variant,
                                 everywhere=True)
    return suites


# ---- running ----


def environment(variant, coverage_folder):
    folder = build_folder(variant)
    own = {
        "CMOCKA_MESSAGE_OUTPUT": "TAP",
        "DUET_SOURCE": str(SOURCE),
        "DUET_BUILD": str(folder),
        "DUET_PROGRAM": str(folder / "duet"),
        "DUET_VARIANT": variant,
        "DUET_COVERAGE_DIR": coverage_folder,
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
    }
    return {**os.environ, **own}


def execute(suite, env):
    """Output and what went wrong with the run itself: a timeout, a signal, a strange status."""
    try:
        process = subprocess.Popen(suite.command, env=env, cwd=SOURCE, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   start_new_session=True)
    except OSError as error:
        return "", f"cannot be run: {error.strerror}"
    try:
        output, _ = process.communicate(timeout=suite.timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return output.decode(errors="replace"), f"still running after {suite.timeout} s, killed"
    trouble = None
    if process.returncode < 0:
        trouble = f"killed by {signal.Signals(-process.returncode).name}"
    elif process.returncode > 0:
        trouble = f"ended with status {process.returncode}"
    return output.decode(errors="replace"), trouble


def judge(output, trouble, seconds):
    passed = failed = skipped = planned = 0
    has_plan = False
    for line in output.splitlines():
        plan = re.match(r"1\.\.(\d+)\b", line)
        case = re.match(r"(not )?ok\b(.*)", line)
        if plan:
            has_plan = True
            planned += int(plan.group(1))
        elif case and re.search(r"# ?SKIP\b", case.group(2), re.IGNORECASE):
            skipped += 1
        elif case and case.group(1):
            failed += 1
        elif case:
            passed += 1

    complaints = []
    total = passed + failed + skipped
    if total == 0 and not has_plan and not trouble:
        passed = 1
    if has_plan and planned != total:
        complaints.append(f"planned {planned} tests, ran {total}")
    if trouble and failed == 0:
        complaints.append(trouble)
    return Result(passed, failed + len(complaints), skipped, complaints, output, seconds)


def run_suite(suite, coverage_folder):
    start = time.monotonic()
    output, trouble = execute(suite, environment(suite.variant, coverage_folder))
    return judge(output, trouble, time.monotonic() - start)


def report(suite, result):
    counts = f"{result.passed} passed"
    counts += f", {result.failed} FAILED" if result.failed else ""
    counts += f", {result.skipped} skipped" if result.skipped else ""
    print(f"{suite.variant:9} {suite.name:44} {result.seconds:7.2f} s  {counts}")
    if result.failed:
        for line in result.output.splitlines():
            print(f"    {line}")
        for complaint in result.complaints:
            print(f"    {complaint}")
    elif result.skipped:
        for line in result.output.splitlines():
            if re.search(r"# ?SKIP\b", line, re.IGNORECASE):
                print(f"    {line}")
    sys.stdout.flush()


# ---- all of it ----


def parse_arguments():
    parser = argparse.ArgumentParser(description="Builds duet and runs its tests.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at once (default: CPUs)")
    parser.add_argument("--variant", action="append", choices=VARIANTS,
                        help="only this variant (repeatable)")
    parser.add_argument("--require-coverage", action="store_true",
                        help="fail if a state, an edge or a rule was reached by no test")
    parser.add_argument("--only", metavar="GLOB", default="*",
                        help="only suites whose name matches, such as 'unit/*'")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    passed = failed = 0
    suites = []
    for variant in arguments.variant or VARIANTS:
        start = time.monotonic()
        errors = build(variant, arguments.jobs)
        print(f"{variant:9} {'build':44} {time.monotonic() - start:7.2f} s"
              f"{'  FAILED' if errors is not None else ''}", flush=True)
        if errors is None:
            suites += [suite for suite in find_suites(variant)
                       if fnmatch.fnmatch(suite.name, arguments.only)]
        else:
            print(errors)
            failed += 1

    with tempfile.TemporaryDirectory(prefix="duet-coverage-") as coverage_folder:
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            running = {pool.submit(run_suite, suite, coverage_folder): suite for suite in suites}
            for done in concurrent.futures.as_completed(running):
                result = done.result()
                report(running[done], result)
                passed += result.passed
                failed += result.failed
        hits = coverage.read(coverage_folder)

    for line in coverage.summary(hits):
        print(line)
    if arguments.require_coverage:
        whole = [kind for kind, counts in coverage.kinds(hits) if counts and all(counts.values())]
        passed += len(whole)
        failed += len(coverage.KINDS) - len(whole)

    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
