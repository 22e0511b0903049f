# SPDX-License-Identifier: MIT
"""Makes the mutants of a C file: small changes, one at a time, that a test should notice.

The file is cut into tokens; only bodies of functions are changed (and the numbers of enumerations), never what stands in
a CHECK, which no input can make false. A mutant that does not compile, or compiles to the same code, is thrown
out by whoever compiles it."""
import collections
import re

Token = collections.namedtuple("Token", "kind text start end")
Mutant = collections.namedtuple("Mutant", "path operator line start end old new")

TOKEN = re.compile(r"""
    (?P<comment>/\*.*?\*/|//[^\n]*)
  | (?P<directive>^[ \t]*\#(?:[^\n]|\\\n)*)
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<number>0[xX][0-9a-fA-F]+[uUlL]*|\d+[uUlL]*)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<mark><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[][(){};:,?.~!<>=+\-*/%&|^])
""", re.VERBOSE | re.DOTALL | re.MULTILINE)

SWAPS = {
    "comparison": {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="},
    "logic": {"&&": "||", "||": "&&"},
    "arithmetic": {"+": "-", "-": "+", "<<": ">>", ">>": "<<", "&": "|", "|": "&", "%": "/", "/": "*",
                   "+=": "-=", "-=": "+=", "|=": "&=", "++": "--", "--": "++"},
    # What stands for an operator here: sequence numbers have none of their own.
    "sequence": {"seq_lt": "seq_le", "seq_le": "seq_lt", "seq_add": "seq_sub", "seq_sub": "seq_add",
                 "seq_max": "seq_min", "seq_min": "seq_max", "min_u32": "max_u32", "max_u32": "min_u32"},
}
OPERATORS = [*SWAPS, "constant", "negation", "branch", "statement"]
# In front of a binary operator stands a value; a cast looks like one, and does not compile then.
VALUE_END = {"word", "number"}
NO_VALUE = {"return", "case", "sizeof", "else", "struct", "enum", "const", "unsigned", "goto", "do"}
KEYWORDS = NO_VALUE | {"if", "for", "while", "switch", "break", "continue", "default", "static", "int", "bool",
                       "char", "void", "_Static_assert"}
UNTOUCHED = {"CHECK", "unreachable", "_Static_assert"}


def tokens_of(text):
    return [Token(match.lastgroup, match.group(), match.start(), match.end())
            for match in TOKEN.finditer(text) if match.lastgroup != "comment"]


def matching(tokens, at):
    """The index of the parenthesis or brace that closes the one at an index."""
    pairs = {"(": ")", "{": "}", "[": "]"}
    opening, closing, depth = tokens[at].text, pairs[tokens[at].text], 0
    for i in range(at, len(tokens)):
        depth += (tokens[i].text == opening) - (tokens[i].text == closing)
        if depth == 0:
            return i
    return len(tokens) - 1


def regions(tokens):
    """Pairs (first, last) of the bodies of functions, and of enumerations."""
    bodies, enumerations, i = [], [], 0
    while i < len(tokens):
        if tokens[i].text != "{":
            i += 1
            continue
        end = matching(tokens, i)
        if i > 0 and tokens[i - 1].text == ")":
            bodies.append((i, end))
        elif any(tokens[j].text == "enum" for j in (i - 1, i - 2) if j >= 0):
            enumerations.append((i, end))
        i = end + 1
    return bodies, enumerations


def untouched(tokens):
    """Indexes of tokens that are part of what must not be changed."""
    found = set()
    for i, token in enumerate(tokens[:-1]):
        if token.text in UNTOUCHED and tokens[i + 1].text == "(":
            found.update(range(i, matching(tokens, i + 1) + 1))
    return found


def ends_value(token):
    return (token.kind in VALUE_END and token.text not in NO_VALUE) or token.text in {")", "]"}


def swapped(tokens, i):
    """(operator, replacement) for the token at an index, or None."""
    text = tokens[i].text
    for operator, swaps in SWAPS.items():
        if text not in swaps:
            continue
        is_unary = text in {"-", "+", "&"} and not ends_value(tokens[i - 1])
        return None if is_unary else (operator, swaps[text])
    return None


def next_number(text):
    digits = re.match(r"0[xX][0-9a-fA-F]+|\d+", text).group()
    return f"{int(digits, 0) + 1}{text[len(digits):]}"


def statement_end(tokens, first):
    """The index of the semicolon that ends the expression statement which begins at an index, or None."""
    token, after = tokens[first], tokens[first + 1]
    if token.text in KEYWORDS or (token.kind != "word" and token.text not in {"*", "(", "++", "--"}):
        return None
    if token.kind == "word" and (after.kind == "word" or after.text in {":", "*"}):
        return None  # a declaration, or a label
    i = first
    while tokens[i].text != ";":
        if tokens[i].text in "([{":
            i = matching(tokens, i)
        if tokens[i].text == "}":
            return None
        i += 1
    return i


def begins_statement(tokens, i):
    """May a statement begin at an index? After a closing parenthesis only if it is that of an if or a loop."""
    before = tokens[i - 1].text
    if before in {";", "{", "}", "else", ":"}:
        return True
    if before != ")":
        return False
    depth = 0
    for j in range(i - 1, -1, -1):
        depth += (tokens[j].text == ")") - (tokens[j].text == "(")
        if depth == 0:
            return tokens[j - 1].text in {"if", "for", "while"}
    return False


def of_text(path, text):
    """All mutants of a file, in the order of their places."""
    tokens = tokens_of(text)
    skipped = untouched(tokens)
    bodies, enumerations = regions(tokens)
    found = []

    def add(operator, start, end, new):
        line = text.count("\n", 0, start) + 1
        found.append(Mutant(path, operator, line, start, end, text[start:end], new))

    for first, last in enumerations:
        for i in range(first, last):
            if tokens[i].kind == "number":
                add("constant", tokens[i].start, tokens[i].end, next_number(tokens[i].text))
    for first, last in bodies:
        for i in range(first + 1, last):
            token = tokens[i]
            if i in skipped or token.kind in {"directive", "string"}:
                continue
            swap = swapped(tokens, i)
            if swap is not None:
                add(swap[0], token.start, token.end, swap[1])
            if token.kind == "number":
                add("constant", token.start, token.end, next_number(token.text))
            if token.text == "!":
                add("negation", token.start, token.end, "")
            if token.text in {"if", "while"} and tokens[i + 1].text == "(":
                end = matching(tokens, i + 1)
                if not any(tokens[j].text in {"==", "!="} for j in range(i, end)):
                    start = tokens[i + 1]
                    add("branch", start.start, tokens[end].end, f"(!{text[start.start:tokens[end].end]})")
            if begins_statement(tokens, i):
                end = statement_end(tokens, i)
                if end is not None:
                    add("statement", token.start, tokens[end].end, "(void)0;")
    return found
