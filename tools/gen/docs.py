#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the generated pages of docs/, or with --check says which of them are not fresh."""
import argparse
import pathlib
import sys

import attacks_page
import conformance_part
import definitions
import differences_page
import rfc_page
import statement
import states_svg

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def pages(core, conformance, attacks=None):
    """What each generated file should hold: {name: text}. attacks: the tree with the attack table and the
    timelines, if pages of theirs are wanted."""
    rules = definitions.rules(core)
    edges = definitions.edges(core)
    part = conformance_part.make(statement.requirements(conformance), statement.answers(conformance),
                                 statement.results(conformance))
    made = {"RFC.md": rfc_page.make(rules, edges, part), "STATES.svg": states_svg.make(edges)}
    if attacks is not None:
        made["ATTACKS.md"] = attacks_page.page(attacks)
        made["DIFFERENCES.md"] = differences_page.page(attacks)
    return made


def stale(core, conformance, docs, attacks=None):
    """Names of the files that differ from what they should hold."""
    return [name for name, text in pages(core, conformance, attacks).items()
            if not (docs / name).is_file() or (docs / name).read_text(encoding="utf-8") != text]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if one is not fresh")
    parser.add_argument("--core", type=pathlib.Path, default=SOURCE / "src/core",
                        help="folder of the .def files")
    parser.add_argument("--conformance", type=pathlib.Path, default=SOURCE / "tests/conformance",
                        help="folder of the statement of conformance")
    parser.add_argument("--docs", type=pathlib.Path, default=SOURCE / "docs", help="folder to write to")
    arguments = parser.parse_args()
    try:
        if arguments.check:
            names = stale(arguments.core, arguments.conformance, arguments.docs, SOURCE)
            for name in names:
                print(f"{name} is not fresh: run make docs", file=sys.stderr)
            return 1 if names else 0
        arguments.docs.mkdir(parents=True, exist_ok=True)
        for name, text in pages(arguments.core, arguments.conformance, SOURCE).items():
            (arguments.docs / name).write_text(text, encoding="utf-8")
            print(arguments.docs / name)
        return 0
    except definitions.DefinitionError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
