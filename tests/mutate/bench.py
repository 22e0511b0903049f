# SPDX-License-Identifier: MIT
"""The bench that mutants are tried on: all fast tests of `make test` in one object, so that a mutant costs one compilation
and one link. What the tests are, in the order of how long they take:

  each unit program of tests/unit and the folders of timelines
  the histories of tests/golden/histories.c, last, so that what dies of nothing else is known to
  the golden ladder of each scenario, compared byte by byte
  the corpora of the fuzzers, replayed
  the cells of the arriving segments (tests/conformance/cells.c)
  the rows of the attack table
  slices of `duet sim` and `duet explore`, smaller than those of tests/sim and tests/explore
  paths of the table of docs/PATHS.md, and tails, compared with the table
  the controllers beside the model of tests/model"""
import hashlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SLOW = 1.0  # seconds: a test that takes longer is not one of the fast ones
COMPILE = ["-std=c11", "-O2", "-w", "-I", str(SOURCE / "include"), "-I", str(SOURCE / "src"), "-c"]

DRIVER = r"""
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "duet/script.h"
@DECLARATIONS@
/* What it prints must be what stands in the file, if one is named. An argument with a star is many. */
static const struct { const char *name; int (*run)(int, char **); const char *arguments[16], *prints; } tests[] =
    { @TABLE@ };
enum { TESTS = sizeof tests / sizeof tests[0] };

static int timelines(const char *folder)
{
    struct duet_script_options options = {0};
    struct duet_script_result result;
    char pattern[4096];
    glob_t found;
    snprintf(pattern, sizeof pattern, "tests/lifecycle/%s/*.pkt", folder);
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

static size_t find(const char *name)
{
    size_t at = 0;
    while (at < TESTS && strcmp(tests[at].name, name) != 0)
        at++;
    return at;
}

static int run(const char *name)
{
    const size_t at = find(name);
    if (at == TESTS)
        return timelines(name);
    glob_t words = {.gl_offs = 0};
    int flags = GLOB_NOCHECK;
    for (size_t i = 0; tests[at].arguments[i] != NULL; i++, flags = GLOB_NOCHECK | GLOB_APPEND)
        glob(tests[at].arguments[i], flags, NULL, &words);
    return tests[at].run((int)words.gl_pathc, words.gl_pathv);
}

static int prints_the_same(int printed, const char *path)
{
    FILE *wanted = fopen(path, "r"), *got = fdopen(printed, "r");
    int a, b;
    if (wanted == NULL)
        return 0;
    rewind(got);
    do {
        a = getc(wanted);
        b = getc(got);
    } while (a == b && a != EOF);
    fclose(wanted);
    return a == b;
}

static int try(const char *name, rlim_t seconds, struct rusage *usage)
{
    const char *prints = find(name) < TESTS ? tests[find(name)].prints : NULL;
    const int printed = prints != NULL ? memfd_create("printed", 0) : -1;
    const pid_t child = fork();
    int status;
    if (child == 0) {
        setrlimit(RLIMIT_CPU, &(struct rlimit){seconds, seconds});
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        setrlimit(RLIMIT_AS, &(struct rlimit){(rlim_t)4 << 30, (rlim_t)4 << 30});
        alarm((unsigned)seconds * 30);
        const int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(printed >= 0 ? printed : null, 1);
        dup2(null, 2);
        exit(run(name) == 0 ? 0 : 1);
    }
    wait4(child, &status, 0, usage);
    return status == 0 && (prints == NULL || prints_the_same(printed, prints));
}

/* NAME SECONDS ...: runs them in turn; =NAME: that program alone, with its input and output. Prints how long each took, and FAILED after the first that does not pass. */
int main(int argc, char **argv)
{
    if (chdir(getenv("DUET_SOURCE")) != 0)
        return 2;
    if (argc == 2 && argv[1][0] == '=')
        return tests[find(argv[1] + 1)].run(1, argv);
    for (int i = 1; i + 1 < argc; i += 2) {
        struct rusage usage;
        const int good = try(argv[i], (rlim_t)atoi(argv[i + 1]), &usage);
        printf("%s %.3f%s\n", argv[i], (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6,
               good ? "" : " FAILED");
        fflush(stdout);
        if (!good)
            return 1;
    }
    return 0;
}
"""

# Beside those that are found by their files: name, program, arguments.
PATHS = ["flows=1 rate=1M rtt=20 loss=0,1,5 buffer=shallow", "flows=1 rate=10M rtt=20 loss=1,5x8 buffer=deep",
         "flows=1 rate=10M rtt=100 loss=0,0.1 reorder=0 buffer=shallow",
         "flows=1 rate=100M rtt=20 loss=0 reorder=0 buffer=shallow"]
SLICES = [
    ("sim-swarm", "duet", ["sim", "--seeds", "33..60", "--swarm", "--jobs", "1", "--no-shrink"]),
    ("sim-checked", "duet", ["sim", "--seeds", "1001..1003", "--swarm", "--check", "all", "--jobs", "1", "--no-shrink"]),
    ("sim-plain", "duet", ["sim", "--seeds", "1..4", "--jobs", "1", "--no-shrink"]),
    ("explore-handshake", "duet", ["explore", "handshake", "--late", "0"]),
    ("explore-timestamps", "duet", ["explore", "timestamps"]),
    ("explore-simultaneous", "duet", ["explore", "simultaneous-open", "--duplicates", "0"]),
    ("explore-transfer", "duet", ["explore", "transfer", "--sends", "1"]),
    ("cells", "cells", []),
]
HISTORIES = "tests/golden/histories/hashes.txt"
MODELLED = ("tcp_cc.c", "tcp_cubic.c", "tcp_newreno.c", "tcp_hystart.c", "tcp_prr.c", "tcp_rtt.c", "tcp_loss.c")
SCENARIOS = 40  # of the model

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


def fuzzers(build):
    return (build / "fuzzers/fuzzers.txt").read_text(encoding="utf-8").split()


def other_tests(build):
    """Beside unit programs and timelines: (name, program, arguments, the file with what it prints or None)"""
    ladders = [(f"ladder-{path.stem}", "duet", ["show", "--scenario", path.stem],
                str(path.relative_to(SOURCE))) for path in sorted((SOURCE / "tests/golden").glob("*.txt"))]
    rows = run([build / "duet", "attack", "--list"]).stdout.splitlines()
    attacks = [(f"attack-{row.split()[0]}", "duet", ["attack", row.split()[0], "--jobs", "1"], None) for row in rows]
    replays = [(f"fuzz-{name}", name, [f"fuzz/{folder}/{name}/*" for folder in ("corpus", "findings")
                                       if (SOURCE / "fuzz" / folder / name).is_dir()], None)
               for name in fuzzers(build)]
    tails = [("tails", "duet", ["bench", "tail"], "tests/golden/paths/tail.txt")]
    parts = dict.fromkeys(line.split()[0] for line in (SOURCE / HISTORIES).read_text(encoding="utf-8").splitlines())
    histories = [(f"history-{part}", "histories", [part], None) for part in parts]
    return ladders + replays + attacks + tails + histories + [(*slice_of, None) for slice_of in SLICES]


def model():
    """The module of tests/model/model.test.py."""
    sys.path.insert(0, str(SOURCE / "tests/model"))
    spec = importlib.util.spec_from_file_location("model", SOURCE / "tests/model/model.test.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def row(name, program, arguments, prints):
    words = ", ".join(f'"{word}"' for word in (program, *arguments, None) if word is not None)
    return f'{{"{name}", main_{program}, {{{words}, NULL}}, {json.dumps(prints) if prints else "NULL"}}},\n'


def has_source(path):
    """Is the object that of a file that is still there?"""
    return (SOURCE / str(path).partition(".dir/")[2][:-len(".o")]).exists()


class Bench:
    """What is there before there are mutants: the fast tests in one object, and their times."""

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.environment = dict(os.environ, DUET_SOURCE=str(SOURCE), DUET_BUILD=str(build), NO_COLOR="1",
                                DUET_PROGRAM=str(build / "duet"), DUET_VARIANT="release", LC_ALL="C.UTF-8")
        self.linker = ["-fuse-ld=lld"] if self.can_link_with_lld() else []
        self.pure = {str(path.relative_to(build / "CMakeFiles/duet_pure.dir"))[:-2]: path
                     for path in sorted((build / "CMakeFiles/duet_pure.dir/src").glob("*/*.c.o")) if has_source(path)}
        self.model = model()
        self.scenarios = [self.model.Scenario(seed).play() for seed in range(1, SCENARIOS + 1)]
        self.tests_digest = self.link_tests()
        self.times = self.measure()

    def can_link_with_lld(self):
        source = self.folder / "nothing.c"
        source.write_text("int main(void) { return 0; }\n")
        return run(["gcc", "-fuse-ld=lld", source, "-o", self.folder / "nothing"]).returncode == 0

    def program(self, name, *patterns):
        """A program as one object, with nothing to be seen of it but main_NAME()."""
        objects = [path for pattern in patterns for path in sorted(self.build.glob(pattern))
                   if "duet_program" not in str(path) or has_source(path)]
        made = self.folder / f"program_{name}.o"
        must(["ld", "-r", "--strip-debug", "-o", made, *objects])
        must(["objcopy", "--redefine-sym", f"main=main_{name}", f"--keep-global-symbol=main_{name}", made])
        return made

    def unit_tests(self):
        """{name: object}"""
        found = {}
        for path in sorted(self.build.glob("tests/CMakeFiles/test_unit_*.dir/unit/*.c.o")):
            name = path.name[:-len(".c.o")]
            if (SOURCE / f"tests/unit/{name}.c").exists() and not stands_alone(SOURCE / f"tests/unit/{name}.c"):
                found[name] = self.folder / f"{name}.o"
                must(["objcopy", "--strip-debug", "--redefine-sym", f"main=main_{name}", path, found[name]])
        return found

    def paths(self):
        """Rows of the table, which must be as it says; said once if it is stale, and then they must be as they are."""
        table = set((SOURCE / "tests/golden/paths/table.txt").read_text(encoding="utf-8").splitlines())
        found = []
        for number, only in enumerate(PATHS):
            said = must([self.build / "duet", "bench", "paths", "--jobs", "1", "--only", only])
            if not table.issuperset(said.splitlines()):
                print(f"the table of paths is stale ({only}): mutants are compared with what is so now")
            (self.folder / f"paths{number}.txt").write_text(said, encoding="utf-8")
            found.append((f"paths{number}", "duet", ["bench", "paths", "--jobs", "1", "--only", only],
                          str(self.folder / f"paths{number}.txt")))
        return found

    def model_differs(self, program):
        """Do the controllers and the model of tests/model disagree?"""
        text = "".join(line + "\n" for scenario in self.scenarios for line in scenario.lines)
        try:
            done = subprocess.run([program, "=controller"], input=text, stdout=subprocess.PIPE, text=True, timeout=30,
                                  stderr=subprocess.DEVNULL, env=self.environment, check=False)
        except subprocess.TimeoutExpired:
            return True
        answers, at = done.stdout.splitlines(), 0
        for scenario in self.scenarios:
            mine = answers[at:at + len(scenario.lines)]
            at += len(scenario.lines)
            if len(mine) < len(scenario.lines) or self.model.compare(scenario, mine) is not None:
                return True
        return False

    def link_tests(self):
        """One object of everything but base, wire and core."""
        units = self.unit_tests()
        programs = {"duet": self.program("duet", "CMakeFiles/duet_program.dir/**/*.c.o"),
                    "cells": self.program("cells", "tests/CMakeFiles/test_conformance_cells.dir/**/*.c.o",
                                          "tests/CMakeFiles/test_helpers_conformance.dir/**/*.c.o")}
        programs["histories"] = self.program("histories", "tests/CMakeFiles/test_golden_histories.dir/**/*.c.o")
        programs["controller"] = self.program("controller", "tests/CMakeFiles/test_model_controller.dir/**/*.c.o")
        for name in fuzzers(self.build):
            programs[name] = self.program(name, f"fuzzers/CMakeFiles/fuzz_{name}.dir/**/*.c.o")
        others = other_tests(self.build) + self.paths()
        objects = [*units.values(), *programs.values()]
        objects += sorted(self.build.glob("tests/CMakeFiles/test_helpers_unit.dir/unit/*.c.o"))
        objects += [path for path in sorted(self.build.glob("CMakeFiles/duet_hosted.dir/src/**/*.c.o")) if has_source(path)]
        source = self.folder / "driver.c"
        source.write_text(DRIVER.replace("@DECLARATIONS@", "".join(f"int main_{name}(int, char **);\n"
                                                                   for name in (*units, *programs)))
                          .replace("@TABLE@", "".join(row(name, name, [], None) for name in (*units, "controller")) +
                                   "".join(row(*other) for other in others)))
        must(["gcc", *COMPILE, "-D_GNU_SOURCE", source, "-o", self.folder / "driver.o"])
        must(["ld", "-r", "--strip-debug", "-o", self.folder / "tests.o", self.folder / "driver.o", *objects])
        self.names = [*units, *sorted(path.name for path in (SOURCE / "tests/lifecycle").iterdir() if path.is_dir()),
                      *(other[0] for other in others)]
        read = [path.read_bytes() for pattern in ("tests/lifecycle/*/*.pkt", "tests/golden/*.txt", HISTORIES)
                for path in sorted(SOURCE.glob(pattern))]
        read += [path.read_bytes() for path in sorted(self.folder.glob("paths*.txt"))]
        return digest((self.folder / "tests.o").read_bytes(), *read)

    def link(self, to, mutated=None, by=None):
        objects = [by if name == mutated else path for name, path in self.pure.items()]
        return run(["gcc", *self.linker, "-Wl,--strip-debug", "-o", to, self.folder / "tests.o", *objects, "-lcmocka",
                    "-lm", "-lpthread", "-ldl"])

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


