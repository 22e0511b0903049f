#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The statement of conformance holds: rfc9293.tsv says of each numbered requirement of RFC 9293 which rules
and functions keep it and which tests show it, and all of these exist; each row of the state machine's
transition table is shown by a timeline or excused in tests/lifecycle/not_shown.tsv.

What a timeline shows stands in it: a comment line "shows: F1-20, MUST-11, 5961-3". ids.tsv knows all ids:
those of the transitions, of RFC 9293, of the other RFCs, and the corner cases C1 to C15.

A requirement is "kept", or by choice or nature something else; a MUST that is not kept is "declined" and
says why.
"""
import pathlib
import re
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/repo"))
import tap  # noqa: E402 (found through the line above)

SHOWS = re.compile(r"^\s*(?://|#)\s*shows:\s*(.*?)\s*$", re.MULTILINE)
STATUS = {"kept", "declined", "not offered", "not applicable", "application"}
NEEDS_NOTE = STATUS - {"kept"}


def table(path):
    """The rows of a file with tabs below its head, as dictionaries."""
    head, *rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [dict(zip(head, row + [""] * (len(head) - len(row)))) for row in rows]


def words(cell):
    return [word.strip() for word in cell.split(",") if word.strip()]


class Tree:
    """A source tree, and what of it the checks ask for."""

    def __init__(self, root):
        self.root = root
        folder = root / "tests/conformance"
        self.ids = {row["id"]: row["table"] for row in table(folder / "ids.tsv")}
        self.rows = table(folder / "rfc9293.tsv")
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
    stated = [row["id"] for row in tree.rows]
    wanted = tree.of_table("rfc9293")
    found += [f"{i}: stands twice" for i in sorted(set(stated)) if stated.count(i) > 1]
    found += [f"{i}: not in the statement" for i in wanted if i not in stated]
    found += [f"{i}: no requirement of RFC 9293" for i in stated if i not in wanted]
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
    "tests/conformance/rfc9293.tsv": "id\tstatus\trules\tfunctions\ttests\tnote\n"
                                     "MUST-12\tkept\tRST_EXACT\tsrc/core/tcp.c:second_check_rst\t"
                                     "tests/unit/test_rst.c:resets, tests/lifecycle/reset/exact.pkt\t\n",
}


def planted(problems, name=None, old="", new=""):
    """What the check says of a small tree that is good but for one replacement."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in GOOD.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text.replace(old, new) if path == name else text)
        return problems(Tree(root))


def check_planted(test):
    statement, script = "tests/conformance/rfc9293.tsv", "tests/lifecycle/reset/exact.pkt"
    excuses = "tests/lifecycle/not_shown.tsv"
    for problems in (statement_problems, timeline_problems, transition_problems):
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
        test.found(what, planted(statement_problems, statement, old, new), word)
    tests = "tests/unit/test_rst.c:resets, tests/lifecycle/reset/exact.pkt"
    test.found("a MUST without a test", planted(statement_problems, statement, tests, ""), "no test")
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


def main():
    test = tap.Tap()
    tree = Tree(SOURCE)
    test.clean("RFC 9293: rules, functions and tests of every requirement exist",
               statement_problems(tree))
    test.clean("each timeline shows something that ids.tsv knows", timeline_problems(tree))
    test.clean("each transition and corner case is shown, or excused with a reason",
               transition_problems(tree))
    tables = SOURCE.parent / "shared/rfc"
    if tables.is_dir():
        test.clean("ids.tsv has the ids of the tables", id_problems(tree, tables))
    else:
        test.skip("ids.tsv has the ids of the tables", "the tables are not beside this tree")
    check_planted(test)
    test.finish()


if __name__ == "__main__":
    main()
