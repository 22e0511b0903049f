#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""base, wire and core need nothing and keep nothing, as their object files show.

Built as for release with gcc and with clang, and linked together, they ask for no symbol but five,
and hold no writable static data. They also compile where no C library is installed at all.
"""
import pathlib
import re
import tempfile

import tap

ALLOWED = {"memcpy", "memmove", "memset", "memcmp", "check_failed"}
COMPILERS = ("gcc", "clang")
PURE = ("base", "wire", "core")


def sources():
    return [path for folder in PURE for path in sorted((tap.SOURCE / "src" / folder).rglob("*.c"))]


def writable_sections(linked):
    """Names of non-empty sections that are writable while the program runs. Constant tables of pointers
    lie in .data.rel.ro: written once by the loader of a position independent program, then sealed."""
    _, table = tap.run(["readelf", "-SW", linked])
    names = set()
    for match in re.finditer(r"\]\s+(\S+)\s+\S+\s+[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) \S+\s+(\w*)", table):
        name, size, flags = match.groups()
        if "W" in flags and "A" in flags and int(size, 16) > 0 and not name.startswith(".data.rel.ro"):
            names.add(name)
    return names


def object_problems(objects, folder):
    """What the object files, linked together, ask for and keep."""
    linked = folder / "linked.o"
    status, output = tap.run(["ld", "-r", "-o", linked, *objects])
    if status != 0:
        return [f"cannot be linked together: {output}"]
    found = []
    writable = writable_sections(linked)
    _, table = tap.run(["nm", "--format=sysv", linked])
    for line in table.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 7 or fields[0] == "Name":
            continue
        name, kind, section = fields[0], fields[2], fields[6]
        if kind == "U" and name not in ALLOWED:
            found.append(f"asks for {name}()")
        if kind == "C" or section in writable:
            found.append(f"keeps {name} in {section}")
    if writable and not any("keeps" in problem for problem in found):
        found.append(f"keeps unnamed data in {' '.join(sorted(writable))}")
    return found


def release_problems(compiler, folder):
    """The same of our sources, built as CMake builds them for release."""
    build = folder / compiler
    for command in (["cmake", "-S", tap.SOURCE, "-B", build, f"-DCMAKE_C_COMPILER={compiler}",
                     "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DDUET_TESTS=OFF"],
                    ["cmake", "--build", build, "--target", "duet_pure"]):
        status, output = tap.run(command)
        if status != 0:
            return [f"does not build: {output}"]
    objects = sorted((build / "CMakeFiles/duet_pure.dir").rglob("*.o"))
    if len(objects) != len(sources()):
        return [f"{len(sources())} sources became {len(objects)} objects"]
    return object_problems(objects, folder)


def freestanding_problems(compiler, files):
    """Compiles with the compiler's own headers and a string.h of four functions, nothing else."""
    status, resource = tap.run([compiler, "-print-file-name=include"])
    assert status == 0, resource
    found = []
    for path in files:
        status, output = tap.run([
            compiler, "-std=c11", "-ffreestanding", "-fsyntax-only", "-nostdinc",
            "-isystem", resource.strip(), "-isystem", tap.SOURCE / "tests/repo/freestanding",
            "-I", tap.SOURCE / "include", "-I", tap.SOURCE / "src", path])
        if status != 0:
            found.append(output.strip().replace("\n", "\n#   "))
    return found


def plant(folder, compiler, text):
    source, target = folder / "planted.c", folder / "planted.o"
    source.write_text(text)
    status, output = tap.run([compiler, "-O2", "-fPIC", "-c", source, "-o", target])
    assert status == 0, output
    return object_problems([target], folder)


def main():
    test = tap.Tap()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for compiler in COMPILERS:
            test.clean(f"objects of base, wire and core are pure ({compiler})",
                       release_problems(compiler, folder))
            test.clean(f"base, wire and core compile without a C library ({compiler})",
                       freestanding_problems(compiler, sources()))

            test.found(f"a call of puts ({compiler})", plant(
                folder, compiler, "int puts(const char *); int f(void) { return puts(\"\"); }"), "puts()")
            test.found(f"a static variable ({compiler})", plant(
                folder, compiler, "int f(void) { static int calls; return ++calls; }"), "calls")
            test.found(f"a writable table ({compiler})", plant(
                folder, compiler, "int table[2] = {1, 2};"), "table")
            test.found(f"a variable of each thread ({compiler})", plant(
                folder, compiler, "_Thread_local int mine;"), "mine")
            test.clean(f"a constant table of strings is no violation ({compiler})", plant(
                folder, compiler, "const char *const names[] = {\"a\", \"b\"};"))
            planted = folder / "planted.c"
            planted.write_text("#include <stdlib.h>\n")
            test.found(f"stdlib.h in freestanding code ({compiler})",
                       freestanding_problems(compiler, [planted]), "stdlib.h")
    test.finish()


if __name__ == "__main__":
    main()
