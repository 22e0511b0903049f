#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mutation testing: would the fast tests notice if src/core or src/wire were a little wrong?

Makes mutants (mutants.py says which), takes a sample of them, and runs each against the fast tests until one fails. It
prints how many were killed, by file and by operator, and lists the survivors. A survivor wants a new test, or a line in
survivors.tsv that says why no test can tell it from the original.

How it is fast: all unit tests and the library are linked into one object beforehand, so that a mutant costs the compilation
of its file and one link; each test runs in a process of its own, those first that killed mutants of the same file
before; the first failure ends it. Unit tests that take longer than others by far are left out. Results are kept in
build/mutate/results.tsv and used again as long as the file, and for survivors the tests, are the same.

Exit status: 0 if at least --floor per cent of the mutants were killed, 1 if not."""
import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import mutants

SOURCE = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
# The judges are not judged: they say what must hold, and tests of their own spoil it by hand.
NOT_MUTATED = ("src/core/tcp_check", "src/core/tcp_watch")
SLOW = 1.0  # seconds: a unit test that takes longer is not one of the fast ones
COMPILE = ["-std=c11", "-O2", "-w", "-I", str(SOURCE / "include"), "-I", str(SOURCE / "src"), "-c"]

DRIVER = r"""
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "duet/script.h"
@DECLARATIONS@
static const struct { const char *name; int (*run)(void); } tests[] = { @TABLE@ {NULL, NULL} };

static int timelines(const char *folder)
{
    struct duet_script_options options = {0};
    struct duet_script_result result;
    char pattern[4096];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/tests/lifecycle/%s/*.pkt", getenv("DUET_SOURCE"), folder);
    if (glob(pattern, 0, NULL, &found) != 0)
        return 1;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        duet_script_run(found.gl_pathv[i], &options, &result);
        if (result.verdict != DUET_SCRIPT_PASSED && result.verdict != DUET_SCRIPT_SKIPPED)
            return 1;
        duet_script_result_free(&result);
    }
    return 0;
}

static int run(const char *name)
{
    for (size_t i = 0; tests[i].name != NULL; i++)
        if (strcmp(tests[i].name, name) == 0)
            return tests[i].run();
    return timelines(name);
}

/* NAME SECONDS ...: runs them in turn. Prints how long each took, and FAILED after the first that does not pass. */
int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        const pid_t child = fork();
        if (child == 0) {
            const rlim_t seconds = (rlim_t)atoi(argv[i + 1]);
            setrlimit(RLIMIT_CPU, &(struct rlimit){seconds, seconds});
            setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
            setrlimit(RLIMIT_AS, &(struct rlimit){(rlim_t)4 << 30, (rlim_t)4 << 30});
            alarm((unsigned)seconds * 30);
            const int null = open("/dev/null", O_RDWR);
            dup2(null, 0);
            dup2(null, 1);
            dup2(null, 2);
            _exit(run(argv[i]) == 0 ? 0 : 1);
        }
        int status;
        struct rusage usage;
        wait4(child, &status, 0, &usage);
        printf("%s %.3f%s\n", argv[i], (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6,
               status == 0 ? "" : " FAILED");
        fflush(stdout);
        if (status != 0)
            return 1;
    }
    return 0;
}
"""


def run(command, **options):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)


def must(command, **options):
    done = run(command, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(str(word) for word in command)}\n{done.stdout[-3000:]}")
    return done.stdout


def digest(*parts):
    found = hashlib.sha1()
    for part in parts:
        found.update(part if isinstance(part, bytes) else str(part).encode())
        found.update(b"\0")
    return found.hexdigest()


def stands_alone(source):
    """A test that is linked in its own way, or has a check_failed() of its own, has no place beside others."""
    text = source.read_text()
    return "link:" in text[:2000] or "void check_failed(" in text


class Bench:
    """What is there before there are mutants: the fast tests in one object, and their times."""

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.environment = dict(os.environ, DUET_SOURCE=str(SOURCE), DUET_BUILD=str(build),
                                DUET_PROGRAM=str(build / "duet"), DUET_VARIANT="release", LC_ALL="C.UTF-8")
        self.linker = ["-fuse-ld=lld"] if self.can_link_with_lld() else []
        self.pure = {str(path.relative_to(build / "CMakeFiles/duet_pure.dir"))[:-2]: path
                     for path in sorted((build / "CMakeFiles/duet_pure.dir/src").glob("*/*.c.o"))}
        self.tests_digest = self.link_tests()
        self.times = self.measure()

    def can_link_with_lld(self):
        source = self.folder / "nothing.c"
        source.write_text("int main(void) { return 0; }\n")
        return run(["gcc", "-fuse-ld=lld", source, "-o", self.folder / "nothing"]).returncode == 0

    def link_tests(self):
        """One object of everything but base, wire and core."""
        objects, names = [], []
        for path in sorted(self.build.glob("tests/CMakeFiles/test_unit_*.dir/unit/*.c.o")):
            name = path.name[:-len(".c.o")]
            if stands_alone(SOURCE / "tests/unit" / f"{name}.c"):
                continue
            renamed = self.folder / f"{name}.o"
            must(["objcopy", "--strip-debug", "--redefine-sym", f"main=main_{name}", path, renamed])
            objects.append(renamed)
            names.append(name)
        objects += sorted(self.build.glob("tests/CMakeFiles/test_helpers_unit.dir/unit/*.c.o"))
        objects += sorted(self.build.glob("CMakeFiles/duet.dir/src/**/*.c.o"))
        source = self.folder / "driver.c"
        source.write_text(DRIVER.replace("@DECLARATIONS@", "".join(f"int main_{name}(void);\n" for name in names))
                          .replace("@TABLE@", "".join(f'{{"{name}", main_{name}}},' for name in names)))
        must(["gcc", *COMPILE, "-D_GNU_SOURCE", source, "-o", self.folder / "driver.o"])
        must(["ld", "-r", "--strip-debug", "-o", self.folder / "tests.o", self.folder / "driver.o", *objects])
        self.names = names + sorted(path.name for path in (SOURCE / "tests/lifecycle").iterdir() if path.is_dir())
        scripts = [path.read_bytes() for path in sorted((SOURCE / "tests/lifecycle").glob("*/*.pkt"))]
        return digest((self.folder / "tests.o").read_bytes(), *scripts)

    def link(self, to, mutated=None, by=None):
        objects = [by if name == mutated else path for name, path in self.pure.items()]
        return run(["gcc", *self.linker, "-Wl,--strip-debug", "-o", to, self.folder / "tests.o", *objects, "-lcmocka",
                    "-lm", "-lpthread"])

    def run_tests(self, program, order):
        """(the test that failed or None, {test: seconds})"""
        words = [word for name in order for word in (name, str(int(self.limit(name))))]
        times, killer = {}, None
        for line in run([program, *words], env=self.environment).stdout.splitlines():
            name, seconds, *failed = line.split()
            times[name] = float(seconds)
            killer = name if failed else killer
        return killer, times

    def limit(self, name):
        return 2 + 4 * getattr(self, "times", {}).get(name, 30)

    def measure(self):
        """The time of each fast test on the unchanged library; all must pass."""
        cache = self.folder / "times.json"
        if cache.exists():
            kept = json.loads(cache.read_text())
            if kept["digest"] == self.tests_digest:
                return kept["times"]
        program = self.folder / "original"
        done = self.link(program)
        if done.returncode != 0:
            raise SystemExit(done.stdout[-3000:])
        times = {}
        for name in self.names:
            killer, took = self.run_tests(program, [name])
            if killer is not None:
                raise SystemExit(f"{killer} fails on the unchanged library")
            times.update(took)
        fast = {name: seconds for name, seconds in times.items() if seconds <= SLOW}
        cache.write_text(json.dumps({"digest": self.tests_digest, "times": fast}))
        return fast


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
        return sorted(self.bench.times, key=lambda name: (-kills[name], self.bench.times[name], name))

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
    survivors, left_out = [], collections.Counter()
    for mutant, (outcome, _) in outcomes:
        if outcome in ("invalid", "same"):
            left_out[outcome] += 1
            continue
        if outcome == "survived" and identity(mutant, texts) in reasons:
            outcome = "explained"
        if outcome == "survived":
            survivors.append(mutant)
        for counts in (by_file[mutant.path], by_operator[mutant.operator]):
            counts[outcome] += 1
    table("file", sorted(by_file.items()))
    print()
    table("operator", sorted(by_operator.items()))
    whole = sum(by_operator.values(), collections.Counter())
    print()
    table("", [("all", whole)])
    print(f"not counted: {left_out['invalid']} that do not compile, {left_out['same']} that compile to the same code")
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
    start = time.monotonic()
    bench = Bench(chosen.build, chosen.build / "mutate")
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
