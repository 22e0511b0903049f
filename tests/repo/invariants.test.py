#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/INVARIANTS.md names each invariant once, and says truly where it is looked at: the sources it names return
that number, no source returns one that it does not name there, and a test spoils the state for each."""
import pathlib
import re

import tap

PLACES = {
    "door": ["src/core/tcp_check_conn.c"],
    "whole": ["src/core/tcp_check_all.c", "src/core/tcp_check.c", "src/core/tcp_flight_check.c"],
    "watch": ["src/core/tcp_watch.c", "src/core/tcp_watch_in.c", "src/core/tcp_watch_out.c",
              "src/core/tcp_watch_read.c"],
}
TESTS = {
    "door": ["test_check.c", "test_check_doors.c"],
    "whole": ["test_check.c"],
    "watch": ["test_watch.c"],
}


def rows(page):
    """number: (words of the third column, remark)"""
    return {match[1]: ([word.strip() for word in match[2].split(",")], match[3])
            for match in re.finditer(r"^\| (I-\d\d) \| .* \| ([^|]*) \| ([^|]*) \|$", page, re.MULTILINE)}


def named(source, files):
    """Numbers in string literals of the files."""
    return {number for file in files
            for number in re.findall(r'"(I-\d\d)', (source / file).read_text(encoding="utf-8"))}


def complaints(source, table):
    wrong = [f"I-{n:02} is not in the table" for n in range(1, 61) if f"I-{n:02}" not in table]
    for place, files in PLACES.items():
        said = {number for number, (words, _) in table.items() if place in words}
        wrong += [f"{number}: no source of '{place}' names it" for number in sorted(said - named(source, files))]
        wrong += [f"{number}: '{place}' is not in its row" for number in sorted(named(source, files) - said)]
        tested = named(source / "tests/unit", TESTS[place])
        wrong += [f"{number}: no test of '{place}' spoils it" for number in sorted(said - tested)]
    for number, (words, remark) in table.items():
        wrong += [f"{number}: there is no {word}" for word in words
                  if "/" in word and not (source / word).exists()]
        if words == ["-"] and "does not apply" not in remark:
            wrong.append(f"{number}: neither looked at nor a reason")
    return wrong


def main():
    test = tap.Tap()
    page = (tap.SOURCE / "docs/INVARIANTS.md").read_text(encoding="utf-8")
    table = rows(page)
    test.clean("each invariant is where the page says, and tested", complaints(tap.SOURCE, table))
    spoilt = dict(table)
    del spoilt["I-07"]
    test.found("a row is missing", complaints(tap.SOURCE, spoilt), "I-07 is not in the table")
    spoilt = dict(table)
    spoilt["I-53"] = (["watch"], "")
    test.found("a row claims too much", complaints(tap.SOURCE, spoilt), "I-53: no source of 'watch'")
    test.finish()


if __name__ == "__main__":
    main()
