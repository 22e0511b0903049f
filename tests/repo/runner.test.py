#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The runner counts what it should: a suite that fails in whatever way never counts as passed."""
import pathlib
import sys
import tempfile

import tap

sys.path.insert(0, str(tap.SOURCE / "tests"))
import coverage  # noqa: E402 (found through the line above)
import run  # noqa: E402


def counts(output, trouble=None):
    result = run.judge(output, trouble, 0.0)
    return result.passed, result.failed, result.skipped


def outcome(script, timeout=10):
    """(passed, failed, skipped) of a shell script run as a suite."""
    suite = run.Suite("planted", ["sh", "-c", script], "sanitize", timeout)
    result = run.run_suite(suite, tempfile.gettempdir())
    return result.passed, result.failed, result.skipped


def check_judge(test):
    test.check("two good lines", counts("ok 1 - a\nok 2 - b\n1..2\n") == (2, 0, 0))
    test.check("one good, one bad line", counts("ok 1 - a\nnot ok 2 - b\n1..2\n") == (1, 1, 0))
    test.check("a skipped test is neither passed nor failed",
               counts("1..2\nok 1 - a # SKIP no TUN\nnot ok 2 # SKIP\n") == (0, 0, 2))
    test.check("cmocka's two groups in one program",
               counts("1..1\nok 1 - a\n# ok\n1..2\nok 1 - b\nok 2 - c\n") == (3, 0, 0))
    test.check("a plan that was not kept is a failure", counts("1..3\nok 1 - a\n") == (1, 1, 0))
    test.check("a plan of nothing is no passed test", counts("1..0\n") == (0, 0, 0))
    test.check("trouble after good lines is a failure", counts("ok 1 - a\n", "status 1") == (1, 1, 0))
    test.check("no lines and no trouble: the program is the test", counts("hello\n") == (1, 0, 0))
    test.check("no lines and trouble", counts("hello\n", "status 1") == (0, 1, 0))


def check_execute(test):
    test.check("a script that ends well", outcome("true") == (1, 0, 0))
    test.check("a status that is not 0", outcome("echo ok 1 - a; exit 3") == (1, 1, 0))
    test.check("a signal", outcome("kill -SEGV $$") == (0, 1, 0))
    test.check("a suite that does not end", outcome("while :; do sleep 0.1; done", 1) == (0, 1, 0))
    missing = run.Suite("missing", [str(tap.SOURCE / "no such program")], "sanitize", 10)
    test.check("a program that is not there",
               run.run_suite(missing, tempfile.gettempdir()).failed == 1)


def check_coverage(test):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / "1.txt").write_text("rule A 2\nrule B 0\nedge CLOSED LISTEN 1\nedge LISTEN CLOSED 0\n")
        (path / "2.txt").write_text("rule A 1\nrule B 0\nedge CLOSED LISTEN 0\nedge LISTEN CLOSED 0\n")
        lines = coverage.summary(coverage.read(folder))
    test.check("coverage of two programs is one", lines[0] == "states 2/2, edges 1/2, rules 1/2")
    test.check("what is missing is named", lines[1:] == [
        "    reached by no test: edge LISTEN -> CLOSED", "    reached by no test: rule B"])


def main():
    test = tap.Tap()
    check_judge(test)
    check_execute(test)
    check_coverage(test)
    test.finish()


if __name__ == "__main__":
    main()
