#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The pictures of `duet show`: each scenario's ladder as reviewed, in every format, within its width;
and the ladders in the documents, fresh. With --update the ladders are written instead of compared;
look at the difference before you commit it.

timeout: 300
"""
import difflib
import html.parser
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from shown import DOCUMENTS, GOLDEN, SOURCE, Tap, duet, refresh, scenarios

REQUIRED = """three-way simultaneous-open simultaneous-close half-close refused reset lost-syn lost-syn-ack
lost-ack lost-fin lost-last-ack late-segment time-wait-reuse old-duplicate-syn half-open-recovery
blind-reset urgent zero-window syn-timeout""".split()


def differences(wanted, got):
    return "\n".join(difflib.unified_diff(wanted.splitlines(), got.splitlines(), "golden", "now",
                                          lineterm=""))


def too_wide(text, columns):
    return [line for line in text.splitlines() if len(line) > columns]


def check_ladder(test, name):
    shown = duet("show", "--scenario", name)
    golden = GOLDEN / f"{name}.txt"
    wanted = golden.read_text(encoding="utf-8") if golden.exists() else ""
    test.check(f"{name}: the run ends with both ends closed", shown.returncode == 0, shown.stderr)
    test.check(f"{name}: the ladder is the reviewed one", shown.stdout == wanted,
               differences(wanted, shown.stdout))
    test.check(f"{name}: 80 columns are enough", not too_wide(shown.stdout, 80),
               *too_wide(shown.stdout, 80))
    wide = duet("show", "--scenario", name, "--columns", "120")
    test.check(f"{name}: 120 columns are used, and not passed",
               wide.returncode == 0 and too_wide(wide.stdout, 100) and not too_wide(wide.stdout, 120),
               *too_wide(wide.stdout, 120))
    again = duet("show", "--scenario", name)
    test.check(f"{name}: the same again", again.stdout == shown.stdout)


def check_json(test, name):
    shown = duet("show", "--scenario", name, "--format", "json")
    try:
        events = [json.loads(line) for line in shown.stdout.splitlines()]
        good = shown.returncode == 0 and len(events) > 2 and all(isinstance(e, dict) for e in events)
    except json.JSONDecodeError as error:
        good, events = False, [error]
    test.check(f"{name}: json is one object a line", good, *events[:1])


class Outside(html.parser.HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        for key, value in attributes:
            if key in ("src", "href", "xlink:href", "action", "data") and value:
                if not value.startswith(("#", "data:")):
                    self.found.append(f"<{tag} {key}={value}>")
        if tag in ("link", "iframe", "object", "embed"):
            self.found.append(f"<{tag}>")


def check_pictures(test, name):
    page = duet("show", "--scenario", name, "--format", "html").stdout
    outside = Outside()
    outside.feed(page)
    outside.found += re.findall(r"url\((?!#|['\"]?data:)[^)]*\)|@import", page)
    test.check(f"{name}: html is a page, and needs nothing from outside",
               "<html" in page and "</html>" in page and not outside.found, *outside.found)
    picture = duet("show", "--scenario", name, "--format", "svg").stdout
    with tempfile.NamedTemporaryFile("w", suffix=".svg", encoding="utf-8") as file:
        file.write(picture)
        file.flush()
        parsed = subprocess.run([sys.executable, "-c", "import sys, xml.dom.minidom as m;"
                                 "assert m.parse(sys.argv[1]).documentElement.tagName == 'svg'",
                                 file.name], capture_output=True, text=True, check=False)
    test.check(f"{name}: svg is well-formed", parsed.returncode == 0, parsed.stderr)


def tshark(file, *arguments):
    return subprocess.run(["tshark", "-r", str(file), "-o", "tcp.check_checksum:TRUE",
                           "-o", "ip.check_checksum:TRUE", *arguments],
                          capture_output=True, text=True, check=False)


def check_pcapng(test, name, folder, *options):
    file = folder / "connection.pcapng"
    made = duet("show", "--scenario", name, "--format", "pcapng", "-o", str(file), *options)
    shown = " ".join([name, *options])
    if made.returncode != 0:
        test.check(f"{shown}: pcapng", False, made.stderr)
        return
    bad = tshark(file, "-Y", "_ws.malformed or tcp.checksum.status == 0 or ip.checksum.status == 0")
    all_packets = tshark(file, "-Y", "tcp")
    comments = tshark(file, "-T", "fields", "-e", "frame.comment")
    test.check(f"{shown}: tshark finds nothing malformed and every checksum right",
               bad.returncode == 0 and bad.stdout == "" and all_packets.stdout != "",
               bad.stdout, bad.stderr)
    test.check(f"{shown}: each packet has our explanation",
               all(comments.stdout.splitlines()) and comments.stdout != "", comments.stdout)


# ---- the command line ----


def check_list(test):
    shown = duet("show", "--list")
    names = scenarios()
    test.check("--list names the nineteen scenarios and more",
               shown.returncode == 0 and len(names) >= 19 and set(REQUIRED) <= set(names),
               set(REQUIRED) - set(names))
    test.check("--list has a sentence for each",
               all(re.fullmatch(r"\S+ +[A-Z].*\.", line) for line in shown.stdout.splitlines()))
    test.check("every golden ladder belongs to a scenario",
               {path.stem for path in GOLDEN.glob("*.txt")} <= set(names))


def one_line(shown, status, word):
    """Problems of a complaint: it should be one line with the word, and this exit status."""
    good = shown.returncode == status and shown.stderr.count("\n") == 1 and word in shown.stderr
    return good, f"{shown.returncode}: {shown.stderr}"


def check_complaints(test):
    wrong = [
        ("a mistyped scenario is suggested", ["--scenario", "tree-way"], "three-way"),
        ("a scenario that is like none", ["--scenario", "qwertyuiop"], "--list"),
        ("a packet number of zero", ["--drop", "0"], "0"),
        ("a packet number that is none", ["--drop", "three"], "three"),
        ("a negative packet number", ["--duplicate", "-1"], "-1"),
        ("a packet number beyond all numbers", ["--drop", "99999999999999999999"], "9999"),
        ("a delay without its time", ["--delay", "3"], "N=MS"),
        ("a delay of letters", ["--delay", "3=soon"], "3=soon"),
        ("a seed that is none", ["--seed", "x"], "x"),
        ("a seed with a tail", ["--seed", "1x"], "1x"),
        ("a width below 80", ["--columns", "79"], "79"),
        ("a latency that is none", ["--latency", ""], "latency"),
        ("a format that does not exist", ["--format", "gif"], "gif"),
        ("a colour that does not exist", ["--color", "sometimes"], "sometimes"),
        ("a peer that does not exist", ["--peer", "mars"], "mars"),
        ("a role without a peer", ["--role", "client"], "--peer"),
        ("a word too many", ["three-way"], "three-way"),
        ("an output in a folder that does not exist", ["-o", "/nowhere/x.txt"], "/nowhere/x.txt"),
        ("an output that is a folder", ["-o", "/"], "/"),
    ]
    for name, arguments, word in wrong:
        good, problem = one_line(duet("show", *arguments), 2, word)
        test.check(f"{name}: one line, exit code 2", good, problem)
    good, problem = one_line(duet("shwo"), 2, "shwo")
    test.check("an unknown command: one line, exit code 2", good, problem)
    test.check("an unknown option: exit code 2", duet("show", "--nonsense").returncode == 2)
    good, problem = one_line(duet("show", "--drop", "1000"), 1, "1000")
    test.check("a packet that is never sent: one line, exit code 1", good, problem)


def check_program(test):
    test.check("no command: usage on standard error, exit code 2",
               duet().returncode == 2 and "Usage" in duet().stderr)
    test.check("--help", duet("--help").returncode == 0 and "show" in duet("--help").stdout)
    test.check("--version", re.fullmatch(r"duet \d+\.\d+\.\d+\n", duet("--version").stdout))
    test.check("help show is show --help",
               "--scenario" in duet("help", "show").stdout
               and duet("help", "show").stdout == duet("show", "--help").stdout)
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w", encoding="utf-8") as full:
            shown = subprocess.run([os.environ.get("DUET_PROGRAM", str(SOURCE / "build/duet")), "show"],
                                   stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        test.check("a full disk: one line, exit code 1", *one_line(shown, 1, "space"))


def check_outputs(test, folder):
    file = folder / "ladder.txt"
    shown = duet("show", "-o", str(file))
    test.check("-o writes what standard output would have been",
               shown.returncode == 0 and shown.stdout == ""
               and file.read_text(encoding="utf-8") == duet("show").stdout)
    test.check("-o leaves no other file", [path.name for path in folder.iterdir()] == ["ladder.txt"])
    file.write_text("precious")
    failed = subprocess.run(["sh", "-c", 'ulimit -f 1; trap "" XFSZ; exec "$@"', "sh",
                             os.environ.get("DUET_PROGRAM", str(SOURCE / "build/duet")),
                             "show", "--format", "html", "-o", str(file)],
                            capture_output=True, text=True, check=False)
    test.check("an output that cannot be finished leaves what was there, and nothing else",
               failed.returncode == 1 and file.read_text() == "precious"
               and [path.name for path in folder.iterdir()] == ["ladder.txt"],
               failed.returncode, failed.stderr)


def can_open_terminal():
    """Not everywhere: a bare chroot has no pseudo-terminals."""
    try:
        for end in os.openpty():
            os.close(end)
    except OSError:
        return False
    return True


def check_colour(test):
    def coloured(*arguments, **environment):
        return "\x1b[" in duet("show", *arguments, environment=environment).stdout
    test.check("no colour in a pipe", not coloured())
    test.check("--color always colours a pipe", coloured("--color", "always"))
    test.check("--color never", not coloured("--color", "never"))
    if shutil.which("script") and can_open_terminal():
        program = os.environ.get("DUET_PROGRAM", str(SOURCE / "build/duet"))

        def on_terminal(**environment):
            return subprocess.run(["script", "-qec", f"'{program}' show", "/dev/null"],
                                  env=dict(os.environ, TERM="xterm", **environment),
                                  capture_output=True, text=True, check=False).stdout
        test.check("colour on a terminal", "\x1b[" in on_terminal(NO_COLOR=""))
        test.check("NO_COLOR is honoured on a terminal", "\x1b[" not in on_terminal(NO_COLOR="1"))


def check_options(test):
    plain = duet("show").stdout
    test.check("--seed changes absolute numbers and nothing else that matters",
               duet("show", "--absolute").stdout != duet("show", "--absolute", "--seed", "2").stdout)
    test.check("--absolute shows other numbers", duet("show", "--absolute").stdout != plain)
    test.check("--latency moves the instants", duet("show", "--latency", "50").stdout != plain)
    six = duet("show", "--ipv6")
    test.check("--ipv6 runs to the end", six.returncode == 0, six.stderr)
    for fault in (["--drop", "1"], ["--drop", "3", "--drop", "6"], ["--duplicate", "4"],
                  ["--delay", "4=700"], ["--drop", "2", "--duplicate", "5", "--delay", "7=300"]):
        broken = duet("show", *fault)
        test.check(f"three-way {' '.join(fault)}: repaired, and shown",
                   broken.returncode == 0 and broken.stdout != plain, broken.stderr)


def check_documents(test):
    for name in DOCUMENTS:
        text = (SOURCE / name).read_text(encoding="utf-8")
        fresh = refresh(text)
        test.check(f"{name}: its ladders are fresh", fresh == text, differences(text, fresh))
    test.check("README.md has a ladder", "<!-- ladder:" in (SOURCE / "README.md").read_text())


def update():
    for path in GOLDEN.glob("*.txt"):
        path.unlink()
    for name in scenarios():
        (GOLDEN / f"{name}.txt").write_text(duet("show", "--scenario", name).stdout, encoding="utf-8")
    for name in DOCUMENTS:
        path = SOURCE / name
        path.write_text(refresh(path.read_text(encoding="utf-8")), encoding="utf-8")


def main():
    if sys.argv[1:] == ["--update"]:
        update()
        return 0
    test = Tap()
    check_list(test)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name in scenarios():
            check_ladder(test, name)
            check_json(test, name)
            check_pictures(test, name)
            check_pcapng(test, name, folder)
        check_pcapng(test, "three-way", folder, "--ipv6")
    with tempfile.TemporaryDirectory() as folder:
        check_outputs(test, pathlib.Path(folder))
    check_program(test)
    check_complaints(test)
    check_colour(test)
    check_options(test)
    check_documents(test)
    return test.finish()


if __name__ == "__main__":
    sys.exit(main())
