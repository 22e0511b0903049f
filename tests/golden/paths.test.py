#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`duet bench paths` and `duet bench tail`: the quick slice is what the table in paths/ says, which was
reviewed; the blocks of docs/PATHS.md are fresh; wrong command lines are said. With --update the tables
and the blocks are made anew (minutes): `make paths`. Look at the difference before you commit it.

variants: release
timeout: 300
"""
import difflib
import json
import re
import subprocess
import sys

from shown import GOLDEN, PROGRAM, SOURCE, Tap, duet

TABLE = GOLDEN / "paths/table.txt"
TAIL = GOLDEN / "paths/tail.txt"
PAGE = SOURCE / "docs/PATHS.md"
ACCEPT = "to accept: make paths, then look at the difference"

BLOCK = re.compile(r"(<!-- bench:(?P<options>[^\n]*)-->\n```\n)(?P<text>.*?)(```\n<!-- /bench -->)", re.DOTALL)
PROPERTIES = 7  # columns that name a path


def bench(*arguments):
    """The finished process of `duet bench` with these arguments."""
    return subprocess.run([PROGRAM, "bench", *arguments], capture_output=True, text=True, check=False)


def by_path(table):
    """{the path: its line}, and the head under None."""
    lines = table.splitlines()
    return {None: lines[0], **{tuple(line.split()[:PROPERTIES]): line for line in lines[1:]}}


def refresh(text):
    """A page's text with each block made anew; its options are words, a filter the rest of the line."""
    def again(match):
        name, _, words = match.group("options").strip().partition(" --only ")
        made = bench(*name.split(), *(["--only", words] if words else []))
        return match.group(1) + made.stdout + match.group(4)
    return BLOCK.sub(again, text)


def difference(wanted, got):
    return "\n".join(difflib.unified_diff(wanted, got, "golden", "now", lineterm="", n=0))


def check_tables(test):
    quick = bench("paths", "--quick")
    golden = by_path(TABLE.read_text(encoding="utf-8"))
    now = by_path(quick.stdout) if quick.stdout else {}
    wanted = [golden.get(path, "") for path in now]
    test.check("the quick slice has paths of one flow and of several", len(now) > 20
               and {path[0] for path in now if path} >= {"1", "2"}, quick.stderr)
    test.check("the quick slice is as the table says", quick.returncode == 0
               and wanted == list(now.values()), difference(wanted, list(now.values())), ACCEPT)
    tail = bench("tail")
    reviewed = TAIL.read_text(encoding="utf-8")
    test.check("lost tails cost what the table says", tail.returncode == 0 and tail.stdout == reviewed,
               difference(reviewed.splitlines(), tail.stdout.splitlines()), ACCEPT)
    page = PAGE.read_text(encoding="utf-8")
    fresh = refresh(page)
    test.check("docs/PATHS.md shows what the commands print", fresh == page,
               difference(page.splitlines(), fresh.splitlines()), ACCEPT)


def check_bars(test):
    """What docs/PATHS.md says of the bars holds in the tables."""
    names = TABLE.read_text(encoding="utf-8").splitlines()[0].split()
    rows = [dict(zip(names, line.split())) for line in TABLE.read_text(encoding="utf-8").splitlines()[1:]]
    long_ones = [" ".join(row.values()) for row in rows if row["long"] != "0"]
    test.check("no stall is longer than an RTO without cause", len(rows) > 1000 and not long_ones, *long_ones)
    pairs = [row for row in rows if row["flows"] == "2" and row["controller"] == "cubic"]
    test.check("two CUBIC flows share with an index of 0.95 at least", len(pairs) == 8
               and all(float(row["jain"]) >= 0.95 for row in pairs))
    repaired, _, tails = TAIL.read_text(encoding="utf-8").splitlines()[-1].split()[:3]
    test.check("a lost tail is repaired without a timeout in 95 %", int(repaired) >= 0.95 * int(tails) > 0)
    block = next(block for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))
                 if "--seconds" in block.group("options"))
    shown = {path: float(line.split()[PROPERTIES]) for path, line in by_path(block.group("text")).items() if path}
    late = [path for path in shown if path[4] == "3"]
    test.check("reordering by up to 3 ms at 100 Mbit/s costs less than 5 %", len(late) >= 4
               and all(shown[path] >= 0.95 * shown[(*path[:4], "0", *path[5:])] for path in late))


def check_forms(test):
    words = "flows=1 rtt=20 rate=10M loss=1 buffer=deep"
    one = bench("paths", "--only", words, "--jobs", "1")
    many = bench("paths", "--only", words, "--jobs", "4")
    test.check("any number of processes: the same", one.returncode == 0 and one.stdout == many.stdout,
               one.stdout, many.stdout)
    other = bench("paths", "--only", words, "--seed", "2")
    test.check("another seed: other losses", other.returncode == 0 and other.stdout != one.stdout)
    test.check("a pipe gets no progress", one.stderr == "", one.stderr)
    shown = bench("paths", "--only", words, "--json")
    paths = [json.loads(line) for line in shown.stdout.splitlines()]
    rows = [line.split() for line in one.stdout.splitlines()[1:]]
    test.check("json says the same", len(paths) == len(rows) > 0
               and all(abs(path["goodput"] - float(row[PROPERTIES])) < 0.1 and path["rtt"] == row[1]
                       for path, row in zip(paths, rows)), shown.stdout)


def check_complaints(test):
    wrong = [
        ("a benchmark that does not exist", ["roads"], "roads"),
        ("a filter without a value", ["paths", "--only", "rtt"], "rtt"),
        ("a filter of an unknown property", ["paths", "--only", "rtt=20 colour=red"], "colour=red"),
        ("a filter of a value that is not measured", ["paths", "--only", "loss=1,2"], "loss=1,2"),
        ("a peer that does not exist", ["paths", "--against", "mars"], "mars"),
        ("no processes", ["paths", "--jobs", "0"], "0"),
        ("a seed that is none", ["paths", "--seed", "x"], "x"),
        ("no seconds", ["paths", "--seconds", "0"], "0"),
        ("a word too many", ["paths", "quick"], "quick"),
    ]
    for name, arguments, word in wrong:
        done = bench(*arguments)
        test.check(f"{name}: one line, exit code 2", done.returncode == 2 and done.stdout == ""
                   and done.stderr.count("\n") == 1 and word in done.stderr, done.stdout, done.stderr)
    test.check("bench --help lists them", "paths" in duet("bench", "--help").stdout)


def update():
    for path, arguments in ((TABLE, ["paths"]), (TAIL, ["tail"])):
        made = subprocess.run([PROGRAM, "bench", *arguments], stdout=subprocess.PIPE, text=True, check=True)
        path.parent.mkdir(exist_ok=True)
        path.write_text(made.stdout, encoding="utf-8")
    PAGE.write_text(refresh(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def main():
    if sys.argv[1:] == ["--update"]:
        update()
        return 0
    test = Tap()
    check_tables(test)
    check_bars(test)
    check_forms(test)
    check_complaints(test)
    return test.finish()


if __name__ == "__main__":
    sys.exit(main())
