#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The generated pages of docs/ are those that the .def files and the statement of conformance make, and
nothing in them overlaps."""
import pathlib
import sys
import tempfile

import tap

sys.path.insert(0, str(tap.SOURCE / "tools/gen"))
import definitions  # noqa: E402 (found through the line above)
import docs  # noqa: E402
import statement  # noqa: E402
import states_svg  # noqa: E402

RULES = 'RULE(RST_EXACT, "9293 3.10.7.4 second", "RST at RCV.NXT: "\n     "reset") /* one */\n'
EDGES = 'EDGE(CLOSED, LISTEN, "3.10.1 passive OPEN")\nEDGE(LISTEN, CLOSED, "3.10.4 CLOSE, 3.10.5 ABORT")\n'


REQUIREMENTS = ("id\tlevel\tsection\tarea\trequirement\n"
                "MUST-12\tMUST\t3.6\tUser calls\tTell FIN from RST.\n"
                "MAY-14\tMAY\t3.9.1.7\tUser calls\tThere may be a FLUSH.\n")
ANSWERS = ("id\tstatus\trules\tfunctions\ttests\tnote\n"
           "MUST-12\tkept\tRST_EXACT\tsrc/core/tcp.c:second_check\ttests/lifecycle/reset/a.pkt\t\n"
           "MAY-14\tnot offered\t\t\t\tnobody asked\n")
RESULTS = ("id\tpassed\tfailed\tskipped\tmapping\n"
           f"MUST-12\t1\t0\t0\t{statement.fingerprint(['tests/lifecycle/reset/a.pkt'])}\n"
           f"MAY-14\t0\t0\t0\t{statement.fingerprint([])}\n")


def stale(core, conformance, folder, attacks=None):
    names = docs.stale(core, conformance, folder, attacks)
    return [f"docs/{name} is not fresh: run make docs" for name in names]


def complaint(folder):
    """What is said of .def files that cannot be read."""
    try:
        docs.pages(folder, folder)
    except (definitions.DefinitionError, states_svg.UnplacedError) as error:
        return [str(error)]
    return []


def check_planted_conformance(test, folder, page):
    test.check("a requirement stands with its function and its results",
               "| kept | `RST_EXACT` in [`second_check`](../src/core/tcp.c) | 1 of 1: [reset]" in page)
    test.check("what is not kept stands with its reason",
               "| **not offered**: nobody asked |  | none |" in page)
    (folder / "results.tsv").write_text(RESULTS.replace("1\t0\t0", "0\t1\t0"))
    test.found("a result changed, the page did not", stale(folder, folder, folder), "RFC.md")
    test.check("a failure shows on the page",
               "0 of 1, **1 failed**" in docs.pages(folder, folder)["RFC.md"])
    (folder / "results.tsv").write_text(RESULTS)
    (folder / "rfc9293.tsv").write_text(ANSWERS.replace("a.pkt", "b.pkt"))
    test.found("the tests changed, the page did not", stale(folder, folder, folder), "RFC.md")
    test.check("results of other tests do not count",
               "1, not run yet" in docs.pages(folder, folder)["RFC.md"])
    (folder / "rfc9293.tsv").write_text(ANSWERS)


def check_planted(test, folder):
    (folder / "tcp_rules.def").write_text(RULES)
    (folder / "tcp_edges.def").write_text(EDGES)
    (folder / "requirements.tsv").write_text(REQUIREMENTS)
    (folder / "rfc9293.tsv").write_text(ANSWERS)
    (folder / "results.tsv").write_text(RESULTS)
    for name, text in docs.pages(folder, folder).items():
        (folder / name).write_text(text)
    test.clean("pages just generated are fresh", stale(folder, folder, folder))
    page = (folder / "RFC.md").read_text()
    test.check("a string in two parts is one sentence", "| RST at RCV.NXT: reset |" in page)
    test.check("an edge of two sections stands in both",
               "| LISTEN | CLOSED | CLOSE |" in page and "| LISTEN | CLOSED | ABORT |" in page)

    check_planted_conformance(test, folder, page)
    (folder / "tcp_rules.def").write_text(RULES.replace("second", "third"))
    test.found("a rule changed, the page did not", stale(folder, folder, folder), "RFC.md")
    (folder / "tcp_edges.def").write_text(EDGES.replace("passive OPEN", "OPEN"))
    test.found("an edge changed, the picture did not", stale(folder, folder, folder), "STATES.svg")
    (folder / "tcp_rules.def").write_text(RULES + "RULE(HALF, 1)\n")
    test.found("a rule with two arguments", complaint(folder), "tcp_rules.def:3")
    (folder / "tcp_rules.def").write_text(RULES)
    (folder / "tcp_edges.def").write_text('EDGE(CLOSED, TIME_WAIT, "3.10.1 magic")\n')
    test.found("an edge without a place in the picture", complaint(folder), "CLOSED -> TIME-WAIT")
    (folder / "tcp_edges.def").write_text(EDGES.replace("passive OPEN", "passive OPEN " * 20))
    test.found("a label too long for its place",
               states_svg.Picture(definitions.edges(folder)).overlaps(), "lies on")


def main():
    test = tap.Tap()
    core = tap.SOURCE / "src/core"
    test.clean("docs/ is fresh", stale(core, tap.SOURCE / "tests/conformance", tap.SOURCE / "docs", tap.SOURCE))
    test.clean("nothing overlaps in the picture of the states",
               states_svg.Picture(definitions.edges(core)).overlaps())
    with tempfile.TemporaryDirectory() as folder:
        check_planted(test, pathlib.Path(folder))
    test.finish()


if __name__ == "__main__":
    main()
