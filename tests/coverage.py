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


def missing(hits):
    """Pairs of kind and name of all that was not reached, states first."""
    kinds = [("state", states(hits["edge"])), ("edge", hits["edge"]), ("rule", hits["rule"])]
    return [(kind, name) for kind, counts in kinds for name, count in counts.items() if count == 0]


def summary(hits):
    """The lines to print: "states 11/11, edges N/N, rules N/N", then what is missing."""
    if not hits["rule"]:
        return []
    kinds = [("states", states(hits["edge"])), ("edges", hits["edge"]), ("rules", hits["rule"])]
    counts = [f"{kind} {sum(1 for count in found.values() if count)}/{len(found)}"
              for kind, found in kinds]
    return [", ".join(counts)] + [f"    never reached: {kind} {name}"
                                  for kind, name in missing(hits)]
