# SPDX-License-Identifier: MIT
"""What the checks of the repository share: TAP lines, and looking at files of the tree.

A check is a function that returns a list of problems, each a sentence. Every check is run twice:
over the repository, where it must find none, and over a planted violation, where it must find it.
"""
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(os.environ.get("DUET_SOURCE", pathlib.Path(__file__).resolve().parents[2]))


class Tap:
    """Numbers and prints the results; finish() ends the program."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def clean(self, name, problems):
        """Passes if there is no problem."""
        self.check(name, not problems)
        for problem in problems:
            print(f"#   {problem}")

    def found(self, name, problems, word):
        """Passes if one of the problems has the word: the check saw what was planted."""
        self.check(f"planted violation: {name}", any(word in problem for problem in problems))

    def skip(self, name, why):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {why}")

    def check(self, name, good):
        """Passes if good is true."""
        self.count += 1
        self.failed += 0 if good else 1
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}", flush=True)

    def finish(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)


def tracked_files(root):
    """Paths of the files that git knows in the tree below root, relative to it."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z"],
                            check=True, stdout=subprocess.PIPE, text=True).stdout
    return [path for path in listed.split("\0") if path and (root / path).is_file()]


def run(command, **options):
    """Status and output of a command, errors included."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **options)
    return done.returncode, done.stdout
