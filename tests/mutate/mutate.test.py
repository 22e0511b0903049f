#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The mutants are those that were meant, and a few of them are tried against the fast tests; `make mutate` tries more.

variants: release
timeout: 400
"""
import os
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "repo"))
sys.path.insert(0, str(HERE))
import mutants  # noqa: E402  (found through the lines above)
import mutate  # noqa: E402
import tap  # noqa: E402

BUILD = pathlib.Path(os.environ["DUET_BUILD"])
SAMPLE, SECONDS = 6, 30

TEXT = """
enum { MOST = 8 };
static const int table[] = {1, 2};
/* a comment with 1 + 1 */
static bool is_late(const struct x *x, int now)
{
    CHECK(now >= 0);
    int wait = now - x->since;
    x->asked = true;
    if (x->on && !seq_lt(x->a, x->b))
        stop(x, "a < b");
    return wait > MOST;
}
"""
EXPECTED = {
    ("constant", "8", "9"), ("arithmetic", "-", "+"), ("statement", "x->asked = true;", "(void)0;"),
    ("branch", "(x->on && !seq_lt(x->a, x->b))", "(!(x->on && !seq_lt(x->a, x->b)))"), ("logic", "&&", "||"),
    ("negation", "!", ""), ("sequence", "seq_lt", "seq_le"), ("statement", 'stop(x, "a < b");', "(void)0;"),
    ("comparison", ">", ">="),
}


def tried(build, *more):
    """Kinds of outcomes and how often, as a run prints them, and its status."""
    status, output = tap.run([HERE / "mutate.py", "--build", build, "--floor", "50", *more])
    found = re.search(r"^all +(\d+) +(\d+)", output, re.MULTILINE)
    return status, found and [int(number) for number in found.groups()], output


def main():
    test = tap.Tap()
    found = {(one.operator, one.old, one.new) for one in mutants.of_text("planted.c", TEXT)}
    test.clean("the mutants of a function are those that were meant",
               [f"not made: {one}" for one in sorted(EXPECTED - found)] +
               [f"not meant: {one}" for one in sorted(found - EXPECTED)])
    rows = [line for line in (HERE / "survivors.tsv").read_text(encoding="utf-8").splitlines()
            if line and not line.startswith("#")]
    test.clean("each survivor that is explained is a mutant of the source as it is",
               [f"no such mutant: {row}" for row in stale(rows)])
    status, counts, output = tried(BUILD, "--sample", str(SAMPLE), "--seed", "7", "--jobs", "2", "--seconds",
                                   str(SECONDS))
    test.clean(f"of {SAMPLE} mutants most are killed", [] if status == 0 and counts else output.splitlines())
    test.finish()


def stale(rows):
    """Rows that belong to no mutant any more."""
    texts = {path: (tap.SOURCE / path).read_text(encoding="utf-8")
             for path in sorted({row.split("\t")[0] for row in rows}) if (tap.SOURCE / path).exists()}
    known = {mutate.identity(one, texts) for path, text in texts.items() for one in mutants.of_text(path, text)}
    return [row for row in rows if tuple(row.split("\t")[:5]) not in known]


if __name__ == "__main__":
    main()
