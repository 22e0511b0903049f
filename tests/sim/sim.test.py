#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# variants: sanitize release
# timeout: 240
"""A slice of the simulation, every recipe that ever failed, and the judges: each sees what it is there for."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "repo"))
import tap  # noqa: E402

PROGRAM = os.environ.get("DUET_PROGRAM", str(HERE.parent.parent / "build/duet"))
FAST = os.environ.get("DUET_VARIANT") != "sanitize"


def sim(*options):
    return subprocess.run([PROGRAM, "sim", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def figures(done):
    """The last line of --json."""
    return json.loads(done.stdout.splitlines()[-1])


def worlds(first, last, *options):
    done = sim("--seeds", f"{first}..{last}", "--json", "--jobs", "1", *options)
    return done.returncode == 0, done.stdout[-2000:]


def swarm_worlds():
    return worlds(33, 90 if FAST else 40, "--swarm")


def swarm_worlds_with_every_check():
    return worlds(1001, 1004 if FAST else 1001, "--swarm", "--check", "all")


def plain_worlds():
    return worlds(1, 10 if FAST else 2)


def every_kind_of_fault_happens():
    done = sim("--seeds", "1..60", "--swarm", "--json", "--jobs", "1")
    missing = [name for name, count in figures(done)["faults"].items() if count == 0]
    return not missing, f"never: {missing}"


def recipes_that_failed():
    done = sim("--replay", str(HERE / "seeds.txt"))
    return done.returncode == 0, done.stdout[-2000:]


def the_same_seed_is_the_same_history():
    one, other = (sim("--seeds", "1..8", "--swarm", "--hashes", "--json", "--jobs", n) for n in ("1", "2"))
    hashes = [sorted(line for line in done.stdout.splitlines() if not line.startswith("{")) for done in (one, other)]
    return len(hashes[0]) == 8 and hashes[0] == hashes[1], f"{hashes}"


# What is broken on purpose, and which judge must say so.
DEFECTS = {
    "forged-byte": "I-14",
    "lost-byte": "I-14",
    "leak": "I-30",
    "amnesia": "I-61",
    "noise": "I-39",
}


SEED_OF_DEFECT = {"amnesia": 4}
# Of these one end alone saw enough, so the world becomes a timeline that a stack plays the same again.
ONE_END_SUFFICES = ("forged-byte", "lost-byte", "amnesia")


def timeline_is_played_again(path, invariant):
    """The timeline has packets both ways, names what was violated, and passes."""
    if not os.path.exists(path):
        return False
    text = pathlib.Path(path).read_text(encoding="utf-8")
    done = subprocess.run([PROGRAM, "script", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return (f"// {invariant}" in text and re.search(r"^[0-9.]+ > .*S", text, re.MULTILINE) is not None and
            re.search(r"^[0-9.]+ < .*ack 1 ", text, re.MULTILINE) is not None and done.returncode == 0)


def defect_is_found_and_shrunk(defect, invariant):
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "found")
        done = sim("--recipe", f"{SEED_OF_DEFECT.get(defect, 2)} defect={defect}", "-o", prefix)
        text = done.stdout
        said = invariant in text and done.returncode == 1
        small = text.splitlines()[0].count(",") < 60 and "connections=" in text.splitlines()[0]
        files = all(os.path.getsize(prefix + ending) > 100 for ending in (".txt", ".svg", ".html", ".pcapng"))
        told = (timeline_is_played_again(prefix + ".pkt", invariant) if defect in ONE_END_SUFFICES
                else not os.path.exists(prefix + ".pkt"))
        return (said and small and files and told,
                f"said {said} small {small} files {files} told {told}: {text[:1500]}")


def wrong_words_are_refused():
    wrong = [["--seeds", "5"], ["--seeds", "9..1"], ["--check", "some"], ["--recipe", "1 nonsense"],
             ["--recipe", "1 hits=loss:0"], ["--defect", "none"], ["--replay", "/nonexistent"], ["--hours", "0"]]
    bad = [words for words in wrong if sim(*words).returncode != 2]
    return not bad, f"{bad}"


def recipe_is_printed_as_it_is_read():
    recipe = "7 plain without=loss,nat connections=0 hits=flap:1:0,strip:0:2 bytes=100 heal=1500000 defect=noise"
    done = sim("--recipe", recipe, "--no-shrink")
    return done.stdout.splitlines()[0] == recipe, done.stdout[:500]


def main():
    tests = [swarm_worlds, swarm_worlds_with_every_check, plain_worlds, every_kind_of_fault_happens,
             recipes_that_failed, the_same_seed_is_the_same_history, wrong_words_are_refused,
             recipe_is_printed_as_it_is_read]
    named = [(test.__name__, test) for test in tests]
    for defect, invariant in DEFECTS.items():
        named.append((f"{defect}_is_found_and_shrunk",
                      lambda d=defect, i=invariant: defect_is_found_and_shrunk(d, i)))
    return named


if __name__ == "__main__":
    results = tap.Tap()
    for title, test in main():
        good, detail = test()
        results.check(title, good)
        if not good:
            print("\n".join(f"#   {line}" for line in detail.splitlines()))
    results.finish()
