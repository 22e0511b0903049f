#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bytes of code with -Os: the full core, the small build (docs/SMALL.md), and lwIP's TCP over IPv4.

Usage: bench/size.py [--json] [BUILD]
BUILD is a folder that cmake has configured with gcc or clang ("build"); its compiler is used.

duet: all of src/base, src/wire and src/core, or what libduet_small.a is, compiled by the same flags and
counted as `size -t` does: code and constant tables. lwIP: the distribution's shared library, which was
built with its own flags (-O2), is counted by its symbols: each exported function of TCP, IPv4, ICMP, pbufs,
memory, interfaces, checksums and timers with all up to the next exported one, so with the static functions
behind it. UDP, IPv6, sockets, DNS and DHCP are left out; tables and strings are not seen.
"""
import argparse
import ctypes.util
import json
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[1]
FLAGS = ["-std=c11", "-Os", "-fPIC", "-ffunction-sections", "-fdata-sections", "-fno-stack-protector",
         "-fno-asynchronous-unwind-tables", "-U_FORTIFY_SOURCE"]
LWIP = re.compile(r"(tcp_(?!timer)|tcp_timer_needed|ip4_|ip_(input|chksum|data|reass)|icmp_|inet_chksum|pbuf_|mem_|memp_|"
                  r"netif_(?!.*ip6)|sys_(timeout|untimeout|check|restart)|lwip_(init|hton|standard|chksum))")


def run(*command):
    return subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True).stdout


def text_of(*files):
    total = run("size", "-t", *files).splitlines()[-1].split()
    return int(total[0])


def compiler_of(build):
    match = re.search(r"^CMAKE_C_COMPILER:\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.MULTILINE)
    return match.group(1) if match else "cc"


def full(compiler):
    """Bytes of the whole core, and of its largest part that is not code: the sentences."""
    with tempfile.TemporaryDirectory() as folder:
        objects = []
        for layer in ("base", "wire", "core"):
            for source in sorted((SOURCE / "src" / layer).glob("*.c")):
                objects.append(pathlib.Path(folder) / f"{layer}-{source.stem}.o")
                run(compiler, *FLAGS, f"-I{SOURCE}/include", f"-I{SOURCE}/src", "-c", source, "-o", objects[-1])
        return text_of(*objects), text_of(pathlib.Path(folder) / "core-sentences.o")


def lwip():
    """Bytes, or None where there is no lwIP."""
    name = ctypes.util.find_library("lwip")
    listed = [line.split(" => ")[-1] for line in run("/sbin/ldconfig", "-p").splitlines() if name and f"{name} " in line]
    if not listed:
        return None
    symbols = [(int(line.split()[0], 16), line.split()[-1])
               for line in run("nm", "-D", "-n", "--defined-only", listed[0]).splitlines() if line.split()[1] in "tT"]
    return sum(after[0] - here[0] for here, after in zip(symbols, symbols[1:]) if LWIP.match(here[1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default="build", type=pathlib.Path)
    parser.add_argument("--json", action="store_true", help="one object")
    options = parser.parse_args()
    if not (options.build / "CMakeCache.txt").is_file():
        sys.exit(f"{options.build} is no folder that cmake has configured")
    run("cmake", "--build", options.build, "--target", "duet_small")
    whole, sentences = full(compiler_of(options.build))
    rows = {"full": whole, "full_without_sentences": whole - sentences,
            "small": text_of(options.build / "libduet_small.a"), "lwip": lwip()}
    if options.json:
        print(json.dumps(rows))
        return
    names = {"full": "duet, all of it", "full_without_sentences": "duet without the sentences of rules",
             "small": "duet, small build (bar: below 65,536)", "lwip": "lwIP, TCP over IPv4, as packaged"}
    for key, name in names.items():
        print(f"{name:<40}{'not installed' if rows[key] is None else f'{rows[key]:>8,}':>14} bytes")


if __name__ == "__main__":
    main()
