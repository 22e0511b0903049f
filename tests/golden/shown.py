# SPDX-License-Identifier: MIT
"""What the golden tests share: running `duet show`, and the ladders inside documents.

A document holds a ladder between two markers, which name the options it was made with:

    <!-- ladder: --scenario half-close -->
    ```
    ...
    ```
    <!-- /ladder -->
"""
import os
import pathlib
import re
import subprocess

SOURCE = pathlib.Path(os.environ.get("DUET_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
PROGRAM = os.environ.get("DUET_PROGRAM", str(SOURCE / "build/duet"))
GOLDEN = SOURCE / "tests/golden"
DOCUMENTS = ["README.md", "README.ko.md", "docs/LIFECYCLE.md"]

LADDER = re.compile(r"(<!-- ladder:(?P<options>[^\n]*)-->\n```\n)(?P<text>.*?)(```\n<!-- /ladder -->)",
                    re.DOTALL)


class Tap:
    """Numbers and prints results; a problem is a line of explanation."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, name, good, *problems):
        self.count += 1
        self.failed += 0 if good else 1
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}", flush=True)
        if not good:
            for problem in problems:
                for line in str(problem).splitlines()[:40]:
                    print(f"#   {line}")

    def finish(self):
        print(f"1..{self.count}")
        return 1 if self.failed else 0


def duet(*arguments, environment=None, text=True, **options):
    """The finished process of `duet` with these arguments."""
    own = dict(os.environ, LC_ALL="C.UTF-8", **(environment or {}))
    return subprocess.run([PROGRAM, *arguments], env=own, capture_output=True, text=text,
                          timeout=60, check=False, **options)


def scenarios():
    """The names that --list gives, in its order."""
    return [line.split()[0] for line in duet("show", "--list").stdout.splitlines()]


def refresh(text):
    """A document's text with each ladder made anew."""
    def again(match):
        shown = duet("show", *match.group("options").split())
        return match.group(1) + shown.stdout + match.group(4)
    return LADDER.sub(again, text)
