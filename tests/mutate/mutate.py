#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mutation testing: would the fast tests notice if src/core or src/wire were a little wrong?

Makes mutants (mutants.py says which), takes a sample of them, and runs each against the fast tests until one fails. It
prints how many were killed, by file and by operator, and lists the survivors. A survivor wants a new test, or a line in
survivors.tsv that says why no test can tell it from the original.

How it is fast: all tests and the library are linked into one object beforehand (bench.py), so that a mutant costs the
compilation of its file and one link; each test runs in a process of its own, those first that killed mutants of the same
file before; the first failure ends it. Tests that take longer than others by far are left out. Results are kept in
build/mutate/results.tsv and used again as long as the file, and for survivors the tests, are the same.

Exit status: 0 if at least --floor per cent of the mutants were killed, 1 if not."""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import sys
import threading
import time

import mutants
from bench import COMPILE, MODELLED, SOURCE, Bench, digest, run

HERE = pathlib.Path(__file__).resolve().parent
# The judges are not judged: they say what must hold, and tests of their own spoil it by hand.
NOT_MUTATED = ("src/core/tcp_check", "src/core/tcp_watch")


def is_history(test):
    """Is it one that notices that something changed, without saying what is wrong with it?"""
    return test.startswith("history-")


class Results:
    """What became of each mutant, in a file."""

    def __init__(self, path, tests_digest):
        self.path, self.tests_digest, self.lock = path, tests_digest, threading.Lock()
        self.known = {}
        if path.exists():
            for line in path.read_text().splitlines():
                key, outcome, detail = line.split("\t")
                self.known[key] = (outcome, detail)

    def get(self, key):
        outcome, detail = self.known.get(key, (None, None))
        if outcome == "survived" and detail != self.tests_digest:
            return None  # other tests may kill it
        return (outcome, detail) if outcome else None

    def put(self, key, outcome, detail):
        with self.lock, open(self.path, "a", encoding="utf-8") as file:
            self.known[key] = (outcome, detail)
            file.write(f"{key}\t{outcome}\t{detail}\n")


class Campaign:
    def __init__(self, bench, results, texts):
        self.bench, self.results, self.texts = bench, results, texts
        self.kills = collections.defaultdict(collections.Counter)  # file: test: mutants killed
        self.plain = {}  # file: digest of the object of the unchanged file
        self.lock = threading.Lock()

    def key(self, mutant):
        return digest(mutant.path, self.texts[mutant.path], mutant.start, mutant.operator, mutant.new)

    def compiled(self, text, to):
        source = to.with_suffix(".c")
        source.write_text(text)
        # By name, so that __FILE__ is the same for all.
        return run(["gcc", *COMPILE, source.name, "-o", to.name], cwd=to.parent).returncode == 0

    def same_code(self, path, obj):
        """Is the object that of the unchanged file, compiled the same way?"""
        with self.lock:
            if path not in self.plain:
                plain = obj.parent / "plain" / obj.name
                plain.parent.mkdir(exist_ok=True)
                self.compiled(self.texts[path], plain)
                self.plain[path] = digest(plain.read_bytes())
        return digest(obj.read_bytes()) == self.plain[path]

    def order(self, path):
        kills = self.kills[path]
        return sorted(self.bench.times, key=lambda name: (is_history(name), -kills[name], self.bench.times[name], name))

    def try_one(self, mutant, is_late):
        key = self.key(mutant)
        known = self.results.get(key)
        if known is None:
            if is_late():
                return None
            known = self.judge(mutant)
            self.results.put(key, *known)
        if known[0] == "killed":
            self.kills[mutant.path][known[1]] += 1
        return mutant, known

    def judge(self, mutant):
        text = self.texts[mutant.path]
        folder = self.bench.folder / f"job{threading.get_ident()}"
        folder.mkdir(exist_ok=True)
        obj, program = folder / (pathlib.Path(mutant.path).stem + ".o"), folder / "program"
        if not self.compiled(text[:mutant.start] + mutant.new + text[mutant.end:], obj):
            return "invalid", ""
        if self.same_code(mutant.path, obj):
            return "same", ""
        if self.bench.link(program, mutant.path, obj).returncode != 0:
            return "invalid", ""
        if mutant.path.endswith(MODELLED) and self.bench.model_differs(program):
            return "killed", "model"
        killer, _ = self.bench.run_tests(program, self.order(mutant.path))
        return ("killed", killer) if killer else ("survived", self.bench.tests_digest)


def explained():
    """{(file, operator, line of source, replacement)} of survivors.tsv."""
    found = {}
    for line in (HERE / "survivors.tsv").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            path, operator, old, new, source, reason = line.split("\t")
            found[path, operator, old, new, source] = reason
    return found


def identity(mutant, texts):
    def flat(text):
        return " ".join(text.split())
    source = texts[mutant.path].splitlines()[mutant.line - 1]
    return mutant.path, mutant.operator, flat(mutant.old), flat(mutant.new) or "-", flat(source)


def sampled(everything, texts, count, seed):
    """So many of them, by what they are and not where: a change of one file leaves those of the others as they were."""
    seen, ranks = collections.Counter(), []
    for mutant in everything:
        name = identity(mutant, texts)
        seen[name] += 1
        ranks.append((digest(seed, seen[name], *name), mutant))
    return sorted(mutant for _, mutant in sorted(ranks)[:count])


def table(title, rows):
    print(f"{title:28} {'killed':>7} {'of':>6} {'':>7} {'explained':>9} {'survived':>8}")
    for name, counts in rows:
        total = counts["killed"] + counts["survived"] + counts["explained"]
        print(f"{name:28} {counts['killed']:7} {total:6} {100 * counts['killed'] / max(total, 1):6.1f}% "
              f"{counts['explained']:9} {counts['survived']:8}")


def report(outcomes, texts):
    """Prints all; returns the share of mutants killed, in per cent."""
    reasons = explained()
    by_file, by_operator = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
    survivors, nameless, left_out = [], [], collections.Counter()
    for mutant, (outcome, detail) in outcomes:
        if outcome in ("invalid", "same"):
            left_out[outcome] += 1
            continue
        if outcome == "survived" and identity(mutant, texts) in reasons:
            outcome = "explained"
        if outcome == "survived":
            survivors.append(mutant)
        if outcome == "killed" and is_history(detail):
            nameless.append(mutant)
        for counts in (by_file[mutant.path], by_operator[mutant.operator]):
            counts[outcome] += 1
    table("file", sorted(by_file.items()))
    print()
    table("operator", sorted(by_operator.items()))
    whole = sum(by_operator.values(), collections.Counter())
    print()
    table("", [("all", whole)])
    print(f"not counted: {left_out['invalid']} that do not compile, {left_out['same']} that compile to the same code")
    if nameless:
        print(f"\n{len(nameless)} of those killed changed histories (tests/golden/histories.c), and failed no other test:")
    for mutant in sorted(nameless):
        print("\t".join(identity(mutant, texts)))
    if survivors:
        print("\nsurvivors (a new test, or a reason in tests/mutate/survivors.tsv):")
    for mutant in sorted(survivors):
        print("\t".join(identity(mutant, texts)))
    total = sum(whole.values())
    return 100 * whole["killed"] / max(total - whole["explained"], 1), total


def arguments():
    parser = argparse.ArgumentParser(description="Mutation testing of src/core and src/wire.")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants (0: all of them)")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at a time (CPUs)")
    parser.add_argument("--only", default="", metavar="TEXT", help="files whose path has it")
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build", help="folder of a build with tests")
    parser.add_argument("--floor", type=float, default=90, help="per cent to be killed (90)")
    parser.add_argument("--seconds", type=float, default=0, help="try no new mutant after so long (0: no limit)")
    return parser.parse_args()


def main():
    chosen = arguments()
    paths = sorted(str(path.relative_to(SOURCE)) for folder in ("core", "wire")
                   for path in (SOURCE / "src" / folder).glob("*.c"))
    paths = [path for path in paths if chosen.only in path and not path.startswith(NOT_MUTATED)]
    texts = {path: (SOURCE / path).read_text(encoding="utf-8") for path in paths}
    everything = [mutant for path in paths for mutant in mutants.of_text(path, texts[path])]
    sample = everything
    if 0 < chosen.sample < len(everything):
        sample = sampled(everything, texts, chosen.sample, chosen.seed)
    bench = Bench(chosen.build, chosen.build / "mutate")
    start = time.monotonic()  # of trying; linking and timing the tests takes as long as it takes
    print(f"{len(everything)} mutants of {len(paths)} files, {len(sample)} of them to try; {len(bench.times)} fast tests, "
          f"{sum(bench.times.values()):.1f} s of them", flush=True)
    campaign = Campaign(bench, Results(bench.folder / "results.tsv", bench.tests_digest), texts)
    # Files take turns, so that a run that ends early has seen something of each.
    shuffled = random.Random(chosen.seed).sample(sample, len(sample))
    def is_late():
        return 0 < chosen.seconds < time.monotonic() - start

    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        tried = pool.map(lambda mutant: campaign.try_one(mutant, is_late), shuffled)
        done = [found for found in tried if found is not None]
    if len(done) < len(sample):
        print(f"{len(done)} of them tried in {chosen.seconds:.0f} s")
    share, total = report(done, texts)
    print(f"{share:.1f} % of the mutants killed that no reason is given for, {time.monotonic() - start:.0f} s")
    return 0 if total > 0 and share >= chosen.floor else 1


if __name__ == "__main__":
    sys.exit(main())
