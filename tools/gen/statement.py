# SPDX-License-Identifier: MIT
"""Reads the statement of conformance, tests/conformance/: what each numbered requirement of RFC 9293 asks
(requirements.tsv), how it is met and by which tests (rfc9293.tsv), and what came of these when they were
run last (results.tsv, which results.py writes)."""
import collections
import hashlib

# The first four hold the number of results; mapping is the fingerprint of the tests that were run.
Result = collections.namedtuple("Result", "id passed failed skipped mapping")
Requirement = collections.namedtuple("Requirement", "id level section area asks")
Answer = collections.namedtuple("Answer", "id status rules functions tests note")


def table(path):
    """The rows of a file with tabs below its head, as dictionaries."""
    head, *rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [dict(zip(head, row + [""] * (len(head) - len(row)))) for row in rows]


def words(cell):
    return [word.strip() for word in cell.split(",") if word.strip()]


def fingerprint(tests):
    """A few digits that change when a test joins, leaves or is renamed; the order does not matter."""
    return hashlib.sha256("\n".join(sorted(tests)).encode()).hexdigest()[:8]


def requirements(folder):
    return [Requirement(row["id"], row["level"], row["section"], row["area"], row["requirement"])
            for row in table(folder / "requirements.tsv")]


def answers(folder):
    return [Answer(row["id"], row["status"], words(row["rules"]), words(row["functions"]),
                   words(row["tests"]), row["note"]) for row in table(folder / "rfc9293.tsv")]


def results(folder):
    """Those of the last run, none if there was none."""
    path = folder / "results.tsv"
    return [Result(row["id"], int(row["passed"]), int(row["failed"]), int(row["skipped"]),
                   row["mapping"]) for row in (table(path) if path.is_file() else [])]
