#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the fuzzers with clang, AddressSanitizer and UndefinedBehaviorSanitizer, and runs each of them.

Each begins with its committed corpus (fuzz/corpus/NAME), every input that ever failed (fuzz/findings/NAME), and what
earlier runs found (build/fuzz/corpus/NAME); the script parser also with the scripts of tests/. A finding is written to
build/fuzz/findings/NAME and ends that fuzzer; the exit status is then 1. What was found belongs to fuzz/findings/NAME
before it is mended, where the tests replay it for ever.

Executions add up over runs in build/fuzz/tally.tsv, so that a campaign may be run in slices: the column "in all" counts
those since the last finding of that fuzzer. One fuzzer alone (--only) runs as often at a time as there are CPUs.

--wide is for breadth: without AddressSanitizer, and with UndefinedBehaviorSanitizer that traps, a fuzzer is several times
faster. It counts apart, and adds what it finds to the same corpora, which the other build then runs first.

--minimise runs none, but makes the committed corpora anew from all of these: the smallest inputs that reach everything."""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent
BUILD = SOURCE / "build/fuzz"
WIDE = SOURCE / "build/fuzz-wide"
# Longest input; what is not listed is a parser of packets.
LENGTH = {"script": 2048, "doors": 400, "recording": 2048, "ipv6": 640, "address": 64, "tcp": 96}
DEFAULT_LENGTH = 128


def build(jobs, wide):
    to = WIDE if wide else BUILD
    flags = ["-DCMAKE_C_FLAGS=-fsanitize=undefined -fsanitize-trap=undefined"] if wide else ["-DDUET_SANITIZE=ON"]
    configure = ["cmake", "-S", SOURCE, "-B", to, "-DCMAKE_C_COMPILER=clang", "-DDUET_FUZZ=ON", *flags]
    for command in (configure, ["cmake", "--build", to, "--target", "fuzzers", "-j", str(jobs)]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(done.stdout)
    return (to / "fuzzers/fuzzers.txt").read_text().split()


def folder(path):
    path.mkdir(parents=True, exist_ok=True)
    return str(path)


def seeds(name):
    """Folders of inputs to begin with, besides what earlier runs found."""
    found = [SOURCE / "fuzz/corpus" / name, SOURCE / "fuzz/findings" / name, BUILD / "seeds" / name]
    if name == "script":
        scripts = pathlib.Path(folder(BUILD / "scripts"))
        for script in SOURCE.glob("tests/**/*.pkt"):
            shutil.copy(script, scripts / script.name)
        found.append(scripts)
    return [str(path) for path in found if path.is_dir()]


def start(name, arguments, wide=False, copy=0):
    command = [str((WIDE if wide else BUILD) / "fuzzers" / name), f"-max_len={LENGTH.get(name, DEFAULT_LENGTH)}",
               f"-artifact_prefix={folder(BUILD / 'findings' / name)}/", *arguments]
    log = BUILD / f"{name}{'-wide' if wide else ''}{copy or ''}.log"
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1")
    with open(log, "w", encoding="utf-8") as file:
        status = subprocess.run(command, stdout=file, stderr=file, env=environment, check=False).returncode
    return status, log.read_text(encoding="utf-8", errors="replace")


def last(pattern, text, default="0"):
    found = re.findall(pattern, text)
    return found[-1] if found else default


def fuzz(name, seconds, wide, copy):
    status, log = start(name, [f"-max_total_time={seconds}", "-print_final_stats=1", "-len_control=0",
                               "-use_value_profile=0", "-entropic=0", folder(BUILD / "corpus" / name), *seeds(name)],
                        wide, copy)
    return {
        "name": name, "as": name + ("+wide" if wide else ""), "status": status, "log": log,
        "executions": int(last(r"number_of_executed_units: (\d+)", log)),
        "a second": int(last(r"average_exec_per_sec: +(\d+)", log)),
        "edges": int(last(r"cov: (\d+)", log)), "features": int(last(r"ft: (\d+)", log)),
        "corpus": int(last(r"corp: (\d+)", log)),
    }


def tally(row):
    """Notes a run, and says how many executions there were since the last that found something."""
    file = BUILD / "tally.tsv"
    with open(file, "a", encoding="utf-8") as to:
        print(row["as"], row["executions"], row["status"], sep="\t", file=to)
    total = 0
    for line in file.read_text(encoding="utf-8").splitlines():
        name, executions, status = line.split("\t")
        if name == row["as"]:
            total = total + int(executions) if status == "0" else 0
    return total


def minimise(name):
    target = SOURCE / "fuzz/corpus" / name
    fresh = BUILD / "minimised" / name
    shutil.rmtree(fresh, ignore_errors=True)
    known = set()
    if name == "script":  # the scripts of tests/ are there anyway: only what goes beyond them is kept
        known = {shutil.copy(path, folder(fresh)) and path.name for path in SOURCE.glob("tests/**/*.pkt")}
    status, log = start(name, ["-merge=1", "-use_counters=0", folder(fresh), folder(BUILD / "corpus" / name), *seeds(name)])
    if status != 0:
        raise SystemExit(log[-2000:])
    shutil.rmtree(target, ignore_errors=True)
    kept = [path for path in fresh.iterdir() if path.name not in known]
    target.mkdir(parents=True)
    for path in kept:
        shutil.copy(path, target / path.name)
    return f"{name}: {len(kept)} inputs, {sum(path.stat().st_size for path in kept)} bytes"


def arguments():
    parser = argparse.ArgumentParser(description="Runs the fuzzers of fuzz/.")
    parser.add_argument("--seconds", type=int, default=60, help="for each fuzzer (60)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at a time (CPUs)")
    parser.add_argument("--only", action="append", metavar="NAME", help="this one (repeatable)")
    parser.add_argument("--wide", action="store_true", help="without AddressSanitizer: faster, sees less")
    parser.add_argument("--minimise", action="store_true", help="make the committed corpora anew")
    return parser.parse_args()


def main():
    chosen = arguments()
    names = [name for name in build(chosen.jobs, chosen.wide) if not chosen.only or name in chosen.only]
    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        if chosen.minimise:
            for line in pool.map(minimise, names):
                print(line, flush=True)
            return 0
        print(f"{'fuzzer':10} {'executions':>12} {'a second':>9} {'edges':>6} {'features':>8} {'corpus':>6} "
              f"{'in all':>13}", flush=True)
        total, failed = 0, []
        runs = [(name, copy) for copy in range(chosen.jobs if len(names) == 1 else 1) for name in names]
        for row in pool.map(lambda run: fuzz(run[0], chosen.seconds, chosen.wide, run[1]), runs):
            print(f"{row['as']:10} {row['executions']:12,} {row['a second']:9,} {row['edges']:6} "
                  f"{row['features']:8} {row['corpus']:6} {tally(row):13,}"
                  f"{'' if row['status'] == 0 else '  FOUND SOMETHING'}", flush=True)
            total += row["executions"]
            if row["status"] != 0:
                failed.append(row)
    for row in failed:
        print(f"\n{row['name']}: inputs in build/fuzz/findings/{row['name']}")
        print("\n".join(row["log"].splitlines()[-40:]))
    print(f"{total:,} executions, {len(failed)} findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
