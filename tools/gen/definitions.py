# SPDX-License-Identifier: MIT
"""Reads src/core/tcp_rules.def and src/core/tcp_edges.def: lines RULE(NAME, "section", "sentence") and
EDGE(FROM, TO, "section event, ..."). Anything else in them but comments is an error that names its line."""
import collections
import re

Rule = collections.namedtuple("Rule", "name place sentence")
Edge = collections.namedtuple("Edge", "start end causes")
Cause = collections.namedtuple("Cause", "place event")

# Where something is written: RFC number (None: a decision of our own), section ("3.10.7.4"), and the
# step of it ("first"), the last two perhaps empty.
Place = collections.namedtuple("Place", "rfc section step")

ORDINAL = "first|second|third|fourth|fifth|sixth|seventh|eighth"
STRING = r'"(?:[^"\\]|\\.)*"'
TOKEN = re.compile(rf"\s*(?:({STRING}(?:\s*{STRING})*)|([A-Za-z_]\w*)|([(),]))")


class DefinitionError(Exception):
    """A .def file that cannot be read."""


def without_comments(text):
    """Comments become blanks; line breaks stay, so that errors can name the line."""
    def blank(match):
        if match.group(0).startswith('"'):
            return match.group(0)
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(rf"{STRING}|/\*.*?\*/|//[^\n]*", blank, text, flags=re.DOTALL)


def unquote(literal):
    parts = re.findall(STRING, literal)
    return "".join(re.sub(r"\\(.)", r"\1", part[1:-1]) for part in parts)


def entries(path, macro, count):
    """The argument lists of all macro(...) of a file."""
    text = without_comments(path.read_text(encoding="utf-8"))
    found = []
    at = 0
    while text[at:].strip():
        line = text.count("\n", 0, at + len(text[at:]) - len(text[at:].lstrip())) + 1
        words = []
        while True:
            match = TOKEN.match(text, at)
            if not match:
                raise DefinitionError(f"{path.name}:{line}: expected {macro}(...)")
            at = match.end()
            literal, name, mark = match.groups()
            words.append(unquote(literal) if literal is not None else name or mark)
            if mark == ")":
                break
        arguments = words[2:-1:2]
        if words[:2] != [macro, "("] or len(arguments) != count or set(words[3:-1:2]) - {","}:
            raise DefinitionError(f"{path.name}:{line}: expected {macro} with {count} arguments")
        found.append(arguments)
    return found


def place(text):
    """ "9293 3.10.7.4 first" -> (9293, "3.10.7.4", "first"); "pool" -> (None, "", "pool") """
    match = re.fullmatch(r"(?:RFC )?(\d{3,4})(?:\s+(\d+(?:\.\d+)*|[A-Z](?:\.\d+)+)\.?)?\s*,?\s*(.*)", text)
    if match:
        return Place(int(match.group(1)), match.group(2) or "", match.group(3))
    return Place(None, "", text)


def section_key(section):
    """Sorts 3.4.1 before 3.10, and appendices last."""
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part)
            for part in section.split(".")] if section else []


def rules(folder):
    return [Rule(name, place(where), sentence)
            for name, where, sentence in entries(folder / "tcp_rules.def", "RULE", 3)]


def causes(text):
    """ "3.10.4 CLOSE, 3.10.7.4 second, RST, or fourth, SYN" -> what each section and step named says. All
    are of RFC 9293 unless the text begins with the number of another."""
    match = re.match(r"(?:RFC )?(\d{4})\s+", text)
    rfc, text = (int(match.group(1)), text[match.end():]) if match else (9293, text)
    found = []
    for section, said in re.findall(r"(\d+(?:\.\d+)+)\s+(.*?)(?=,?\s*\d+(?:\.\d+)+\s|$)", text):
        for part in re.split(rf"(?:, | or |, or )(?=(?:{ORDINAL}), )", said):
            step, event = re.fullmatch(rf"(?:({ORDINAL}), )?(.*)", part).groups()
            found.append(Cause(Place(rfc, section, step or ""), event))
    return found or [Cause(Place(rfc, "", ""), text)]


def edges(folder):
    return [Edge(state_name(start), state_name(end), causes(text))
            for start, end, text in entries(folder / "tcp_edges.def", "EDGE", 3)]


def state_name(identifier):
    """FIN-WAIT-1 as the RFC spells it."""
    return identifier.replace("_", "-")
