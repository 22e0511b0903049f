# SPDX-License-Identifier: MIT
"""docs/DIFFERENCES.md: where the operating system's TCP does something else than duet, and what the RFCs say."""
import collections

HEAD = """# Where Linux does something else

`duet script --against both tests/lifecycle` plays every timeline against duet's stack and against the TCP of the operating
system ([SCRIPT.md](SCRIPT.md#against-the-kernel)). {differ} of {all} differ somewhere, for {reasons} reasons. None of them is thought to be a mistake of
duet's: where the RFCs decide, the clause says who is right, and where they leave it open, it is a choice. A difference that
is not in this table fails the run; one that is and no longer shows is named.

The table is made from [tests/lifecycle/differences.tsv](../tests/lifecycle/differences.tsv), which names each timeline. Timelines of
more than 20 s are not played against the kernel. Observed with Linux 6.18.

| What differs | The clause that decides, or leaves it open | Timelines |
|---|---|---|
"""

EXAMPLES = 2


def rows(path):
    """(script, what, clause) of each line."""
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()
            if line and not line.startswith("#") and not line.startswith("script\t")]


def scripts(found):
    shown = ", ".join(f"[{name[:-4]}](../tests/lifecycle/{name})" for name in found[:EXAMPLES])
    more = len(found) - EXAMPLES
    return shown + (f" and {more} more" if more > 0 else "")


def page(source):
    lifecycle = source / "tests/lifecycle"
    reasons = collections.defaultdict(list)
    for script, what, clause in rows(lifecycle / "differences.tsv"):
        reasons[what, clause].append(script)
    order = sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
    head = HEAD.format(differ=sum(len(found) for _, found in order), reasons=len(order),
                       all=len(list(lifecycle.glob("*/*.pkt"))))
    lines = [f"| {what} | {clause} | {scripts(found)} |" for (what, clause), found in order]
    return head + "\n".join(lines) + "\n"
