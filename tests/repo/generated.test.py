#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The generated pages of docs/ are those that the .def files make, and nothing in them overlaps."""
import pathlib
import sys
import tempfile

import tap

sys.path.insert(0, str(tap.SOURCE / "tools/gen"))
import definitions  # noqa: E402 (found through the line above)
import docs  # noqa: E402
import states_svg  # noqa: E402

RULES = 'RULE(RST_EXACT, "9293 3.10.7.4 second", "RST at RCV.NXT: "\n     "reset") /* one */\n'
EDGES = 'EDGE(CLOSED, LISTEN, "3.10.1 passive OPEN")\nEDGE(LISTEN, CLOSED, "3.10.4 CLOSE, 3.10.5 ABORT")\n'


def stale(core, folder):
    return [f"docs/{name} is not fresh: run make docs" for name in docs.stale(core, folder)]


def complaint(folder):
    """What is said of .def files that cannot be read."""
    try:
        docs.pages(folder)
    except (definitions.DefinitionError, states_svg.UnplacedError) as error:
        return [str(error)]
    return []


def check_planted(test, folder):
    (folder / "tcp_rules.def").write_text(RULES)
    (folder / "tcp_edges.def").write_text(EDGES)
    for name, text in docs.pages(folder).items():
        (folder / name).write_text(text)
    test.clean("pages just generated are fresh", stale(folder, folder))
    page = (folder / "RFC.md").read_text()
    test.check("a string in two parts is one sentence", "| RST at RCV.NXT: reset |" in page)
    test.check("an edge of two sections stands in both",
               "| LISTEN | CLOSED | CLOSE |" in page and "| LISTEN | CLOSED | ABORT |" in page)

    (folder / "tcp_rules.def").write_text(RULES.replace("second", "third"))
    test.found("a rule changed, the page did not", stale(folder, folder), "RFC.md")
    (folder / "tcp_edges.def").write_text(EDGES.replace("passive OPEN", "OPEN"))
    test.found("an edge changed, the picture did not", stale(folder, folder), "STATES.svg")
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
    test.clean("docs/ is fresh", stale(core, tap.SOURCE / "docs"))
    test.clean("nothing overlaps in the picture of the states",
               states_svg.Picture(definitions.edges(core)).overlaps())
    with tempfile.TemporaryDirectory() as folder:
        check_planted(test, pathlib.Path(folder))
    test.finish()


if __name__ == "__main__":
    main()
