#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows that every row of the attack table can fail.

canaries/ID.patch breaks one source file in a line or two. For each, a copy of that file is broken, compiled
as the build folder compiles it, and linked with the rest of that build; then `duet attack ID` must fail.

A row that is run and has no patch, a patch without a row, one that does not apply or does not compile, and a
row that passes although duet is broken are errors. A patch that says "limit: N" makes its row endless, or so
slow that it takes more than N seconds.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PATCHES = SOURCE / "tests/security/canaries"
LIMIT = 120  # seconds; a row that needs longer is an error, unless its patch says "limit: N" and means that


class CanaryError(Exception):
    """What is wrong with a canary, in a sentence."""


def rows(program):
    """Ids of the rows that are run."""
    listing = subprocess.run([str(program), "attack", "--list"], check=True, stdout=subprocess.PIPE, text=True)
    return [line.split()[0] for line in listing.stdout.splitlines() if "(not applicable yet" not in line]


def touched(patch):
    names = re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(encoding="utf-8"), re.MULTILINE)
    if len(names) != 1 or not names[0].endswith(".c"):
        raise CanaryError("the patch must touch one .c file")
    return names[0]


def commands(build):
    """{source: the words that compile it}, from the build folder."""
    entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    return {entry["file"]: (entry["directory"], shlex.split(entry["command"])) for entry in entries}


def compile_file(compilers, name, source, output):
    """Compiles source in the place of the file of that name of the repository."""
    folder, words = compilers[str(SOURCE / name)]
    if words[0].endswith("ccache"):
        words = words[1:]
    words = words[:words.index("-o")] + ["-w", "-o", str(output), "-c", str(source)]
    done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise CanaryError(f"the broken file does not compile:\n{done.stdout}")


def link(build, broken, output):
    """Links the program as the build does, with the broken object first, so that the linker takes that one and
    not the library's."""
    words = shlex.split((build / "CMakeFiles/duet_program.dir/link.txt").read_text(encoding="utf-8"))
    if words[0].endswith("ccache"):
        words = words[1:]
    at = words.index("-o")
    words[at + 1] = str(output)
    words.insert(at, str(broken))
    done = subprocess.run(words, cwd=build, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise CanaryError(f"the broken program cannot be linked:\n{done.stdout}")


def try_canary(ident, build, compilers):
    """What the row says of the broken build."""
    patch = PATCHES / f"{ident}.patch"
    if not patch.is_file():
        raise CanaryError("there is no patch")
    name = touched(patch)
    with tempfile.TemporaryDirectory(prefix="duet-canary-") as scratch:
        folder = pathlib.Path(scratch)
        copy = folder / name
        copy.parent.mkdir(parents=True)
        shutil.copy(SOURCE / name, copy)
        done = subprocess.run(["patch", "-p1", "--force", "--quiet", "-d", scratch, "-i", str(patch)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise CanaryError(f"the patch does not apply:\n{done.stdout}")
        compile_file(compilers, name, copy, folder / "broken.o")
        link(build, folder / "broken.o", folder / "duet")
        said = re.search(r"^limit: (\d+)$", patch.read_text(encoding="utf-8"), re.MULTILINE)
        limit = int(said.group(1)) if said else LIMIT
        run = subprocess.run([str(folder / "duet"), "attack", "--quick", "--json", f"--limit={limit}", ident],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    verdict = json.loads(run.stdout.splitlines()[0])
    if verdict["verdict"] != "failed":
        raise CanaryError("the row passes although duet is broken")
    if "time limit" in verdict["did"] and not said:
        raise CanaryError("the row was not done in time, which its patch does not promise")
    return verdict["did"]


def attempt(ident, build, compilers):
    try:
        return True, try_canary(ident, build, compilers)
    except CanaryError as error:
        return False, str(error)


def main():
    parser = argparse.ArgumentParser(description="Shows that every row of the attack table can fail.")
    parser.add_argument("--build", type=pathlib.Path, required=True, help="a build folder with compile_commands.json")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at once (default: CPUs)")
    parser.add_argument("--tap", action="store_true", help="say it as a test does")
    parser.add_argument("ids", nargs="*", metavar="ID", help="only these rows")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    idents = arguments.ids or rows(build / "duet")
    extra = [] if arguments.ids else sorted(path.stem for path in PATCHES.glob("*.patch")
                                            if path.stem not in idents)
    compilers = commands(build)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        results = pool.map(lambda ident: attempt(ident, build, compilers), idents)
        for number, (ident, (good, text)) in enumerate(zip(idents, results), 1):
            failed += not good
            if arguments.tap:
                print(f"{'' if good else 'not '}ok {number} - {ident} fails in a broken build")
            first, _, rest = text.partition("\n")
            print(f"{'# ' if arguments.tap else ''}{ident:4} {'fails, as it must' if good else 'ERROR'}: {first}")
            for line in rest.splitlines():
                print(f"#   {line}")
            sys.stdout.flush()
    for ident in extra:
        failed += 1
        print(f"{'not ok - ' if arguments.tap else ''}{ident}: a patch without a row")
    if arguments.tap:
        print(f"1..{len(idents) + len(extra)}")
    else:
        print(f"{len(idents)} canaries, {failed} errors")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
