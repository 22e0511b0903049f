# SPDX-License-Identifier: MIT
"""The part of docs/RFC.md that goes through the numbered requirements of RFC 9293: what each asks, how duet
meets it or why not, where, and what came of its tests in the last run."""
import collections
import pathlib

import statement

TITLE = "## RFC 9293, requirement by requirement"
STATUSES = ["kept", "declined", "not offered", "not applicable", "application"]
LEVELS = {"MUST": "MUST, MUST NOT", "SHLD": "SHOULD, SHOULD NOT", "MAY": "MAY", "REC": "RECOMMENDED"}

HEAD = """RFC 9293 numbers {count} requirements: {sums}.
"Not offered" is an option of the RFC that duet does without; "not applicable" has nothing to apply to here;
"application" is a rule for programs above TCP.

{verdict}. What was run stands in
[rfc9293.tsv](../tests/conformance/rfc9293.tsv), what came of it in
[results.tsv](../tests/conformance/results.tsv); `make conformance` runs it again. What each requirement asks
is said in our words; its section has those that count.
"""


def cell(text):
    return text.replace("|", "\\|").replace("*", "\\*")


def link(text, path):
    return f"[{text}](../{path})"


def section_link(section):
    return f"[{section}](https://www.rfc-editor.org/rfc/rfc9293#section-{section})"


def kind(identifier):
    """MUST-12 -> MUST"""
    return identifier.split("-")[0]


def sums_table(answers):
    counts = collections.Counter((kind(answer.id), answer.status) for answer in answers)
    lines = ["| | " + " | ".join(STATUSES) + " |", "|---" * (len(STATUSES) + 1) + "|"]
    for name, title in LEVELS.items():
        numbers = [str(counts[name, status] or "") for status in STATUSES]
        lines.append(f"| {title} | " + " | ".join(numbers) + " |")
    return lines


def head(answers, results):
    counts = collections.Counter(answer.status for answer in answers)
    sums = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    tested = [answer for answer in answers if answer.tests]
    good = [answer for answer in tested if all_passed(answer, results.get(answer.id))]
    verdict = f"{len(tested)} have tests; {len(good)} of these passed all of theirs in the last run"
    return HEAD.format(count=len(answers), sums=sums, verdict=verdict).splitlines()


def declined(answers):
    """What does not do as the RFC says, first and in one place."""
    rows = [answer for answer in answers if answer.status == "declined"]
    lines = [f"- {answer.id}: {answer.note}" for answer in rows]
    return ["", "Where duet declines, and why:", ""] + lines if lines else []


def is_current(answer, result):
    return result is not None and result.mapping == statement.fingerprint(answer.tests)


def all_passed(answer, result):
    return is_current(answer, result) and result.passed == len(answer.tests)


def place(test):
    """A timeline stands in a folder of its kind; a case in a file."""
    return str(pathlib.PurePosixPath(test).parent) if test.endswith(".pkt") else test.partition(":")[0]


def test_cell(answer, result):
    if not answer.tests:
        return "none"
    links = []
    for path in sorted({place(test) for test in answer.tests}):
        links.append(link(pathlib.PurePosixPath(path).name, path))
    where = ", ".join(links)
    if not is_current(answer, result):
        return f"{len(answer.tests)}, not run yet: {where}"
    text = f"{result.passed} of {len(answer.tests)}"
    text += f", **{result.failed} failed**" if result.failed else ""
    text += f", {result.skipped} skipped" if result.skipped else ""
    return f"{text}: {where}"


def answer_cell(answer):
    status = answer.status if answer.status == "kept" else f"**{answer.status}**"
    return f"{status}: {cell(answer.note)}" if answer.note else status


def where_cell(answer):
    """Rules by their name, functions with a link to their file."""
    rules = ", ".join(f"`{name}`" for name in answer.rules)
    functions = [link(f"`{name.partition(':')[2]}`", name.partition(":")[0]) for name in answer.functions]
    return " in ".join(part for part in (rules, ", ".join(functions)) if part)


def row(requirement, answer, result):
    cells = [requirement.id, requirement.level, section_link(requirement.section), cell(requirement.asks),
             answer_cell(answer), where_cell(answer), test_cell(answer, result)]
    return "| " + " | ".join(cells) + " |"


def make(requirements, answers, results):
    """The lines of the part; areas in the order in which the RFC first comes to them."""
    by_id = {answer.id: answer for answer in answers}
    results = {result.id: result for result in results}
    areas = collections.defaultdict(list)
    for requirement in requirements:
        if requirement.id in by_id:
            areas[requirement.area].append(requirement)
    lines = [TITLE, ""] + head(answers, results) + [""] + sums_table(answers) + declined(answers)
    for area, members in areas.items():
        lines += ["", f"### {area}", "",
                  "| Id | Level | Section | What it asks | duet | By which rules, where | Tests passed |",
                  "|---|---|---|---|---|---|---|"]
        lines += [row(member, by_id[member.id], results.get(member.id)) for member in members]
    return lines
