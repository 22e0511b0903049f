# SPDX-License-Identifier: MIT
"""Merges what the test programs say they reached (src/host/coverage.h) into one summary."""
import collections
import pathlib


def read(folder):
    """Sums of the lines "rule NAME HITS" and "edge FROM TO HITS" of all files of a folder."""
    hits = {"rule": collections.Counter(), "edge": collections.Counter()}
    for path in sorted(pathlib.Path(folder).glob("*.txt")):
        for line in path.read_text().splitlines():
            kind, *names, count = line.split()
            hits[kind][" -> ".join(names)] += int(count)
    return hits


def states(edges):
    """A state was reached if an edge from or to it was taken."""
    reached = collections.Counter()
    for edge, count in edges.items():
        for state in edge.split(" -> "):
            reached[state] += count
    return reached


KINDS = ("states", "edges", "rules")


def kinds(hits):
    """Pairs of a kind and {name: hits}, in the order of KINDS."""
    return list(zip(KINDS, (states(hits["edge"]), hits["edge"], hits["rule"])))


def summary(hits):
    """The lines to print: "states 11/11, edges N/N, rules N/N", then what is missing."""
    counts = [f"{kind} {sum(1 for count in found.values() if count)}/{len(found)}"
              for kind, found in kinds(hits)]
    missing = [f"    reached by no test: {kind[:-1]} {name}"
               for kind, found in kinds(hits) for name, count in found.items() if count == 0]
    return [", ".join(counts)] + missing
