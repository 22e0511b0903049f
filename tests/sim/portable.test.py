#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 300
"""The same seed is the same history: with gcc and clang, without optimisation and with all of it, and on a
big-endian machine (s390x, played by qemu-user)."""
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "repo"))
import tap  # noqa: E402

SOURCE = HERE.parent.parent
FLAGS = ["-std=c11", "-D_GNU_SOURCE", f"-I{SOURCE}/include", f"-I{SOURCE}/src", "-w"]
SEEDS = ["1", "12"]
BUILDS = {  # name: compiler with its options, and what runs the program
    "gcc -O0": (["gcc", "-O0"], []),
    "gcc -O3": (["gcc", "-O3"], []),
    "clang -O2": (["clang", "-O2"], []),
    "s390x gcc -O1": (["s390x-linux-gnu-gcc", "-O1", "-static"], ["qemu-s390x"]),
}


def sources():
    folders = ("base", "wire", "core", "sim/swarm")
    files = [path for folder in folders for path in sorted((SOURCE / "src" / folder).glob("*.c"))]
    files += [SOURCE / f"src/{name}.c" for name in ("sim/history", "host/check_failed", "host/coverage")]
    return files + [HERE / "portable/histories.c"]


def build(compiler, folder, pool):
    def compile_one(path):
        made = os.path.join(folder, str(path.relative_to(SOURCE)).replace("/", "_") + ".o")
        subprocess.run([*compiler, *FLAGS, "-c", str(path), "-o", made], check=True)
        return made

    program = os.path.join(folder, "histories")
    subprocess.run([*compiler, *list(pool.map(compile_one, sources())), "-o", program], check=True)
    return program


def histories(compiler, runner, pool):
    with tempfile.TemporaryDirectory() as folder:
        program = build(compiler, folder, pool)
        return subprocess.run([*runner, program, *SEEDS], check=True, stdout=subprocess.PIPE, text=True).stdout


def main():
    results = tap.Tap()
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        seen = {}
        for name, (compiler, runner) in BUILDS.items():
            try:
                seen[name] = histories(compiler, runner, pool)
            except (OSError, subprocess.CalledProcessError) as error:
                seen[name] = f"{error}"
    first = seen["gcc -O0"]
    results.check("a history has a hash", len(set(line.split()[-1] for line in first.splitlines())) == 12)
    for name, lines in seen.items():
        results.check(f"the same histories: {name}", lines == first)
        if lines != first:
            print("\n".join(f"#   {line}" for line in lines.splitlines()[:12]))
    results.finish()


if __name__ == "__main__":
    main()
