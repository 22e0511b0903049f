#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program is built as distributions build theirs: it may be loaded anywhere, its tables are read-only once it
runs, its stack is not executable, and the code that talks to the machine has stack canaries and checked
copies. The same is asked of a program that has none of it, where it must not be found.
variants: release
"""
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/repo"))
import tap  # noqa: E402 (found through the line above)

BARE = "int main(int argc, char **argv) { char text[64]; __builtin_strcpy(text, argv[0]); return text[argc]; }\n"
NOTHING = ["-O2", "-no-pie", "-fno-stack-protector", "-U_FORTIFY_SOURCE", "-fcf-protection=none",
           "-Wl,-z,norelro", "-Wl,-z,lazy", "-Wl,-z,execstack", "-w"]


def said(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def protections(program):
    """{what: is it there}"""
    header, segments = said("readelf", "-hW", program), said("readelf", "-lW", program)
    dynamic, symbols = said("readelf", "-dW", program), said("readelf", "--dyn-syms", "-W", program)
    stack = re.search(r"GNU_STACK.*", segments)
    return {
        "position independent": "DYN" in header and "PIE" in dynamic,
        "tables read-only once it runs (full RELRO)": "GNU_RELRO" in segments and "NOW" in dynamic,
        "stack not executable": stack is not None and "E" not in stack.group(0).split()[-2],
        "stack canaries": "__stack_chk_fail" in symbols,
        "checked copies (_FORTIFY_SOURCE)": re.search(r"__\w+_chk\b", symbols.replace("__stack_chk", "")) is not None,
    }


def bare_program(folder):
    source, program = pathlib.Path(folder) / "bare.c", pathlib.Path(folder) / "bare"
    source.write_text(BARE, encoding="utf-8")
    said("cc", *[flag for flag in NOTHING if platform.machine() == "x86_64" or "cf-protection" not in flag],
         "-o", str(program), str(source))
    return str(program)


def flags_of(name):
    """How a file is compiled, from the build folder."""
    text = (pathlib.Path(os.environ["DUET_BUILD"]) / "compile_commands.json").read_text(encoding="utf-8")
    return re.search(rf'"command": "([^\n]*{re.escape(name)})",?\n', text).group(1)


def main():
    test = tap.Tap()
    for what, there in protections(os.environ["DUET_PROGRAM"]).items():
        test.check(what, there)
    with tempfile.TemporaryDirectory(prefix="duet-hardening-") as folder:
        for what, there in protections(bare_program(folder)).items():
            test.check(f"planted violation: not {what}", not there)
    hosted, core = flags_of("src/link/tun.c"), flags_of("src/core/stack.c")
    for flag in ("-fstack-protector-strong", "-fstack-clash-protection", "-D_FORTIFY_SOURCE=2",
                 "-Werror=format-security"):
        test.check(f"{flag} around the core", flag in hosted)
    if platform.machine() == "x86_64":
        test.check("-fcf-protection=full around the core", "-fcf-protection=full" in hosted)
    test.check("-fstack-clash-protection in the core", "-fstack-clash-protection" in core)
    test.finish()


if __name__ == "__main__":
    main()
