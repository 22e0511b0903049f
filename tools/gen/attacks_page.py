# SPDX-License-Identifier: MIT
"""docs/ATTACKS.md: the attack table with what came of each row in the last run."""
import collections
import csv
import pathlib
import re

import definitions

Row = collections.namedtuple("Row", "id title safe absent")

SECTIONS = {
    "A": "Parsing and memory safety", "B": "Resource exhaustion", "C": "Off-path and spoofed input",
    "D": "A malicious peer against congestion and flow control", "E": "ICMP",
    "F": "Reflection and amplification", "G": "API, teardown, process",
}

HEAD = """# The attack table

What hostile peers and strangers have done to TCP stacks for two decades, played against duet: `duet attack --all`
runs it in process and in virtual time, `duet attack A1 C4` some rows of it, `duet attack --list` says what there
is. {verdict}.

Each row that is run has a canary in [tests/security/canaries](../tests/security/canaries): a patch of a line or two
that breaks duet so that this row must fail. `make canaries` shows that it does. `make attacks` runs the table again
and writes this page. Both together take 70 seconds of a processor, building the broken programs included. What follows from it for users of
duet stands in [SECURITY.md](../SECURITY.md).

Three more things are run by hand. `duet attack --campaign` sends 100,000,000 blind RSTs, SYNs, segments and ICMP errors at live
connections and compares what came of them with what chance allows: 6 had an effect where chance allows 6.99, and none of
the half that is wrong by construction. `duet attack --tun=60` floods a stack with SYNs in
real time, through the operating system's IP and a TUN device in a namespace of its own, while the operating system's clients
connect: for 60 s 6,300,000 SYNs (105,000 a second) and 5,999 of 5,999 clients within a second each, the process
grew by 0 KB. In process row B1 sends 1,000,000 a second. In a build with `-DDUET_STEPS=ON` each row tells how many steps (basic blocks of the core, loops included) the most
expensive packet took, and fails above 12,000, `DUET_ATTACK_STEPS_MOST` of `include/duet/attack.h`; `make test` builds and
checks that, too.
"""


def rows(path):
    """The rows of attack.def, in order."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = []
    for kind, body in re.findall(r"^(ROW|ABSENT)\((.*?)\)$", text, re.MULTILINE | re.DOTALL):
        ident, _, rest = body.partition(",")
        strings = [re.sub(r'"\s*"', "", part) for part in re.findall(r'"(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*', rest)]
        strings = [part[1:-1] for part in strings]
        if len(strings) != (2 if kind == "ROW" else 3):
            raise definitions.DefinitionError(f"{path.name}: {kind}({ident}) has the wrong number of strings")
        found.append(Row(ident.strip(), strings[0], strings[1], strings[2] if kind == "ABSENT" else None))
    return found


def results(path):
    """{id: {column: text}} of results.tsv; none where there is no such file."""
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}


def cell(text):
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def first_up(text):
    return text[:1].upper() + text[1:]


def line(row, result):
    if row.absent:
        did, verdict = first_up(row.absent) + ".", "not applicable yet"
    elif result is None:
        did, verdict = "", "not run yet"
    else:
        did, verdict = first_up(result["did"]) + ".", {"passed": "pass"}.get(result["verdict"], "**FAIL**")
    sent = first_up(result["sent"]) + "." if result and not row.absent else ""
    cells = [row.id, first_up(row.title), sent, first_up(row.safe) + ".", did, verdict]
    return "| " + " | ".join(map(cell, cells[:-1])) + f" | {cells[-1]} |"


def make(table, found):
    passed = sum(1 for row in table if not row.absent and found.get(row.id, {}).get("verdict") == "passed")
    run = sum(1 for row in table if not row.absent)
    verdict = (f"Of {len(table)} classes of attack {run} concern what duet contains; "
               f"{passed} of these passed in the last run")
    lines = HEAD.format(verdict=verdict).splitlines()
    for letter, title in SECTIONS.items():
        members = [row for row in table if row.id.startswith(letter)]
        if not members:
            continue
        lines += ["", f"## {letter}. {title}", "",
                  "| Row | Attack | What was sent | What a safe stack does | What duet did | Verdict |", "|---" * 6 + "|"]
        lines += [line(row, found.get(row.id)) for row in members]
    return "\n".join(lines) + "\n"


def page(source):
    """The text of the page for the tree at source."""
    source = pathlib.Path(source)
    return make(rows(source / "src/sim/attack/attack.def"), results(source / "tests/security/results.tsv"))
