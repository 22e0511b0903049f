#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The statement of conformance holds: rfc9293.tsv says of each numbered requirement of RFC 9293 which rules
and functions keep it and which tests show it, and all of these exist; each row of the state machine's
transition table is shown by a timeline or excused in tests/lifecycle/not_shown.tsv. results.tsv holds what
`make conformance` found when it ran these tests: all of them as they are named now, and none failed.

What a timeline shows stands in it: a comment line "shows: F1-20, MUST-11, 5961-3". ids.tsv knows all ids:
those of the transitions, of RFC 9293, of the other RFCs, and the corner cases C1 to C15.

A requirement is "kept", or by choice or nature something else; a MUST that is not kept is "declined" and
says why.
"""
import os
import pathlib
import re
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / folder) for folder in ("tests/repo", "tests/conformance", "tools/gen")]
import results  # noqa: E402 (found through the line above)
import statement  # noqa: E402
import tap  # noqa: E402
from statement import table, words  # noqa: E402

SHOWS = re.compile(r"^\s*(?://|#)\s*shows:\s*(.*?)\s*$", re.MULTILINE)
PREFIX = {"MUST": "MUST", "MUST NOT": "MUST", "SHOULD": "SHLD", "SHOULD NOT": "SHLD", "MAY": "MAY",
          "RECOMMENDED": "REC"}
AGAIN = "run make conformance"
STATUS = {"kept", "declined", "not offered", "not applicable", "application"}
NEEDS_NOTE = STATUS - {"kept"}


class Tree:
    """A source tree, and what of it the checks ask for."""

    def __init__(self, root):
        self.root = root
        folder = root / "tests/conformance"
        self.ids = {row["id"]: row["table"] for row in table(folder / "ids.tsv")}
        self.rows = table(folder / "rfc9293.tsv")
        self.answers = statement.answers(folder)
        self.requirements = statement.requirements(folder)
        self.results = statement.results(folder)
        excuses = root / "tests/lifecycle/not_shown.tsv"
        self.excuses = {row["id"]: row["reason"] for row in table(excuses)}
        rules = (root / "src/core/tcp_rules.def").read_text(encoding="utf-8")
        self.rules = set(re.findall(r"^RULE\((\w+),", rules, re.MULTILINE))
        self.shown = {}  # path of a timeline: the ids it shows
        for path in sorted((root / "tests/lifecycle").rglob("*.pkt")):
            lines = SHOWS.findall(path.read_text(encoding="utf-8"))
            self.shown[str(path.relative_to(root))] = [i for line in lines for i in words(line)]

    def of_table(self, name):
        return [identifier for identifier, kind in self.ids.items() if kind == name]

    def text(self, name):
        path = self.root / name
        return path.read_text(encoding="utf-8") if path.is_file() else None


def function_problem(tree, name):
    """Why "file:function" names no function that is defined there, or None."""
    file, _, function = name.partition(":")
    text = tree.text(file)
    if text is None:
        return f"{name}: no such file"
    defined = re.compile(rf"^\w[^;(]*\b{re.escape(function)}\([^;{{]*\)\s*\{{", re.MULTILINE)
    return None if defined.search(text) else f"{name}: no such function"


def case_problem(tree, name):
    """Why "file:case" names no case that cmocka runs, or None."""
    file, _, case = name.partition(":")
    text = tree.text(file)
    if text is None:
        return f"{name}: no such file"
    return None if re.search(rf"cmocka_unit_test\w*\({case}\b", text) else f"{name}: no such case"


def test_problem(tree, identifier, name):
    if not name.endswith(".pkt"):
        return case_problem(tree, name)
    if name not in tree.shown:
        return f"{name}: no such timeline"
    return None if identifier in tree.shown[name] else f"{name} does not show it"


def row_problems(tree, row):
    found = []
    if row["status"] not in STATUS:
        found.append(f"unknown status '{row['status']}'")
    if row["status"] in NEEDS_NOTE and not row["note"]:
        found.append(f"{row['status']}, and no reason")
    if row["id"].startswith("MUST") and row["status"] not in ("kept", "declined"):
        found.append(f"a MUST is kept or declined, not '{row['status']}'")
    if row["status"] == "kept" and not words(row["tests"]):
        found.append("no test")
    if row["status"] == "kept" and not words(row["functions"]):
        found.append("no function")
    found += [f"{rule}: no such rule" for rule in words(row["rules"]) if rule not in tree.rules]
    found += [function_problem(tree, name) for name in words(row["functions"])]
    found += [test_problem(tree, row["id"], name) for name in words(row["tests"])]
    return [f"{row['id']}: {problem}" for problem in found if problem]


def statement_problems(tree):
    found = [problem for row in tree.rows for problem in row_problems(tree, row)]
    return found + coverage_problems(tree, [row["id"] for row in tree.rows], "the statement")


def coverage_problems(tree, stated, where):
    """What keeps a list from having each requirement of RFC 9293 once and nothing else."""
    wanted = tree.of_table("rfc9293")
    found = [f"{i}: stands twice in {where}" for i in sorted(set(stated)) if stated.count(i) > 1]
    found += [f"{i}: not in {where}" for i in wanted if i not in stated]
    found += [f"{i}: in {where}, but no requirement of RFC 9293" for i in stated if i not in wanted]
    return found


def requirement_problems(tree):
    found = coverage_problems(tree, [row.id for row in tree.requirements], "requirements.tsv")
    for row in tree.requirements:
        if PREFIX.get(row.level) != row.id.split("-")[0]:
            found.append(f"{row.id}: its level is not '{row.level}'")
        if not all(row):
            found.append(f"{row.id}: an empty field")
    return found


def result_problems(tree):
    """What is wrong with the last run, and why it may not be that of the tests as they are named now."""
    found = coverage_problems(tree, [result.id for result in tree.results], "results.tsv")
    answers = {answer.id: answer for answer in tree.answers}
    for result in tree.results:
        answer = answers.get(result.id)
        if answer is None:
            continue
        if result.mapping != statement.fingerprint(answer.tests):
            found.append(f"{result.id}: has other tests than in the last run")
        elif result.passed + result.failed + result.skipped != len(answer.tests):
            found.append(f"{result.id}: not as many results as tests")
        if result.failed:
            found.append(f"{result.id}: {result.failed} of its tests failed in the last run")
        elif answer.status == "kept" and not result.passed:
            found.append(f"{result.id}: kept, and no test of it has passed")
    return [f"{problem}: {AGAIN}" for problem in found]


def rerun_problems(tree, build):
    """Where results.tsv differs from what a run gives now."""
    verdicts = results.run_all(tree.answers, build)
    found = [f"{test}: {verdict}" for test, verdict in verdicts.items() if verdict == "failed"]
    last = {result.id: result for result in tree.results}
    found += [f"{now.id}: other results than in the last run: {AGAIN}"
              for now in results.count(tree.answers, verdicts) if now != last.get(now.id)]
    return found


def timeline_problems(tree):
    found = [f"{path}: shows nothing" for path, ids in tree.shown.items() if not ids]
    for path, ids in tree.shown.items():
        found += [f"{path}: unknown id {i}" for i in ids if i not in tree.ids]
        found += [f"{path}: shows {i} twice" for i in sorted(set(ids)) if ids.count(i) > 1]
    return found


def transition_problems(tree):
    shown = {i for ids in tree.shown.values() for i in ids}
    found = []
    for i in tree.of_table("transitions") + tree.of_table("cases"):
        if i not in shown and i not in tree.excuses:
            found.append(f"{i}: shown by no timeline")
        if i in shown and i in tree.excuses:
            found.append(f"{i}: shown, and excused as if it were not")
    found += [f"{i}: excused without a reason" for i, why in tree.excuses.items() if not why]
    found += [f"{i}: excused, and unknown" for i in tree.excuses if i not in tree.ids]
    return found


def id_problems(tree, tables):
    """ids.tsv beside the tables that it was copied from, where they are at hand."""
    found = []
    for kind, name in (("transitions", "tcp-transitions.tsv"), ("rfc9293", "rfc9293.tsv"),
                       ("others", "others.tsv")):
        lines = (tables / name).read_text(encoding="utf-8").splitlines()
        rows = [line.split("\t")[0] for line in lines if line and not line.startswith("#")]
        there, here = set(rows[1:]), set(tree.of_table(kind))
        found += [f"{i}: only in {name}" for i in sorted(there - here)]
        found += [f"{i}: only in ids.tsv" for i in sorted(here - there)]
    return found


# ---- planted violations ----

GOOD = {
    "src/core/tcp_rules.def": 'RULE(RST_EXACT, "5961 3.2", "exact")\n',
    "src/core/tcp.c": "static int second_check_rst(struct tcp_conn *c,\n"
                      "                            int n)\n{\n}\n",
    "tests/unit/test_rst.c": "int main(void) { return run(cmocka_unit_test(resets)); }\n",
    "tests/lifecycle/not_shown.tsv": "id\treason\nES-16\tno compartments\n",
    "tests/lifecycle/reset/exact.pkt": "// A reset.\n// shows: ES-15, MUST-12\n0 pause() = 0\n",
    "tests/conformance/ids.tsv": "id\ttable\nES-15\ttransitions\nES-16\ttransitions\nMUST-12\trfc9293\n",
    "tests/conformance/requirements.tsv": "id\tlevel\tsection\tarea\trequirement\n"
                                          "MUST-12\tMUST\t3.6\tUser calls\tTell FIN from RST.\n",
    "tests/conformance/rfc9293.tsv": "id\tstatus\trules\tfunctions\ttests\tnote\n"
                                     "MUST-12\tkept\tRST_EXACT\tsrc/core/tcp.c:second_check_rst\t"
                                     "tests/unit/test_rst.c:resets, tests/lifecycle/reset/exact.pkt\t\n",
}
TESTS = "tests/unit/test_rst.c:resets, tests/lifecycle/reset/exact.pkt"
GOOD["tests/conformance/results.tsv"] = ("id\tpassed\tfailed\tskipped\tmapping\n"
                                         f"MUST-12\t2\t0\t0\t{statement.fingerprint(words(TESTS))}\n")


def planted(problems, name=None, old="", new=""):
    """What the check says of a small tree that is good but for one replacement."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in GOOD.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text.replace(old, new) if path == name else text)
        return problems(Tree(root))


def check_planted(test):
    answers, script = "tests/conformance/rfc9293.tsv", "tests/lifecycle/reset/exact.pkt"
    excuses = "tests/lifecycle/not_shown.tsv"
    for problems in (statement_problems, requirement_problems, result_problems, timeline_problems,
                     transition_problems):
        test.clean(f"a good tree has no {problems.__name__}", planted(problems))
    for what, old, new, word in (
            ("a rule that does not exist", "RST_EXACT", "RST_NEAR", "no such rule"),
            ("a function that does not exist", "second_check", "third_check", "no such function"),
            ("a file that does not exist", "core/tcp.c", "core/udp.c", "no such file"),
            ("a case that does not exist", ":resets", ":fins", "no such case"),
            ("a timeline that does not exist", "exact.pkt", "inexact.pkt", "no such timeline"),
            ("a MUST that is declined in silence", "kept", "declined", "no reason"),
            ("a MUST that is not applicable", "kept", "not applicable", "kept or declined"),
            ("a requirement left out", "MUST-12", "MUST-99", "not in the statement")):
        test.found(what, planted(statement_problems, answers, old, new), word)
    test.found("a MUST without a test", planted(statement_problems, answers, TESTS, ""), "no test")
    test.found("a timeline that shows something else",
               planted(statement_problems, script, ", MUST-12", ""), "does not show it")
    test.found("a function that is only declared",
               planted(statement_problems, "src/core/tcp.c", "\n{\n}", ";"), "no such function")
    test.found("a timeline that shows nothing",
               planted(timeline_problems, script, "shows:", "hides:"), "shows nothing")
    test.found("an id that nobody knows", planted(timeline_problems, script, "ES-15", "ES-1500"),
               "unknown id")
    test.found("a transition that nothing shows",
               planted(transition_problems, script, "ES-15, ", ""), "shown by no timeline")
    test.found("an excuse without a reason",
               planted(transition_problems, excuses, "no compartments", ""), "without a reason")
    test.found("an excuse for what is shown", planted(transition_problems, excuses, "ES-16", "ES-15"),
               "as if it were not")


def check_planted_results(test):
    """The same for requirements.tsv and results.tsv."""
    folder = "tests/conformance/"
    for what, name, old, new, word in (
            ("a requirement without words", "requirements.tsv", "MUST-12", "MUST-13", "MUST-12: not in"),
            ("a level that is not that of the id", "requirements.tsv", "\tMUST\t", "\tMAY\t", "level"),
            ("a requirement without a section", "requirements.tsv", "3.6", "", "empty field")):
        test.found(what, planted(requirement_problems, folder + name, old, new), word)
    for what, name, old, new, word in (
            ("a test that joined after the last run", "rfc9293.tsv", "resets,", "resets, a.pkt,",
             f"has other tests than in the last run: {AGAIN}"),
            ("a test changed for another after the last run", "rfc9293.tsv", "exact.pkt", "near.pkt",
             f"has other tests than in the last run: {AGAIN}"),
            ("a requirement that was not run", "results.tsv", "MUST-12", "MUST-13",
             f"MUST-12: not in results.tsv: {AGAIN}"),
            ("a result of what is no requirement", "results.tsv", "MUST-12", "MUST-13",
             "MUST-13: in results.tsv, but no requirement"),
            ("a test that failed", "results.tsv", "\t2\t0\t0", "\t1\t1\t0", "1 of its tests failed"),
            ("results that were lost", "results.tsv", "\t2\t0\t0", "\t1\t0\t0", "not as many results"),
            ("nothing but skipped tests", "results.tsv", "\t2\t0\t0", "\t0\t0\t2", "no test of it has")):
        test.found(what, planted(result_problems, folder + name, old, new), word)
    with tempfile.TemporaryDirectory() as build:
        test.found("a program that is not there", planted(lambda tree: rerun_problems(
            tree, pathlib.Path(build))), f"other results than in the last run: {AGAIN}")
    test.check("planted violation: a case that fails beside one that is skipped", results.cases(
        1, "ok 1 - a\nnot ok 2 - b\nnot ok 3 # SKIP c\n") == {"a": "passed", "b": "failed", "c": "skipped"})
    test.check("planted violation: a program whose status no case explains",
               results.cases(1, "ok 1 - a\nok 2 - b\n") == {"a": "failed", "b": "failed"})


def main():
    test = tap.Tap()
    tree = Tree(SOURCE)
    test.clean("RFC 9293: rules, functions and tests of every requirement exist",
               statement_problems(tree))
    test.clean("each requirement of RFC 9293 has its words", requirement_problems(tree))
    test.clean("results.tsv is of the tests as they are named, and none failed", result_problems(tree))
    if "DUET_BUILD" in os.environ:
        test.clean("a run now gives what results.tsv holds",
                   rerun_problems(tree, pathlib.Path(os.environ["DUET_BUILD"])))
    else:
        test.skip("a run now gives what results.tsv holds", "DUET_BUILD names no build")
    test.clean("each timeline shows something that ids.tsv knows", timeline_problems(tree))
    test.clean("each transition and corner case is shown, or excused with a reason",
               transition_problems(tree))
    tables = SOURCE.parent / "shared/rfc"
    if tables.is_dir():
        test.clean("ids.tsv has the ids of the tables", id_problems(tree, tables))
    else:
        test.skip("ids.tsv has the ids of the tables", "the tables are not beside this tree")
    check_planted(test)
    check_planted_results(test)
    test.finish()


if __name__ == "__main__":
    main()
