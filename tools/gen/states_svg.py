# SPDX-License-Identifier: MIT
"""docs/STATES.svg: the eleven states with every legal change between them.

States stand where figure 5 of RFC 9293 has them. A change that belongs to the life of a connection has
its line (ROUTES); any other, such as the RST that may end everything from everywhere, leaves its state
by a short exit that names where it leads (EXITS), or the picture would be a ball of wool.
"""
import collections
import html
import textwrap

WIDTH, HEIGHT = 1260, 1385
BOX_WIDTH, BOX_HEIGHT = 190, 64
LEFT, MIDDLE, RIGHT = 285, 630, 975
LINE = 17  # height of a line of a label
TEXT, SMALL = 14, 12  # font sizes
WIDE = 0.6  # mean width of a character, in font sizes, of a wide font

State = collections.namedtuple("State", "x y phase note")
STATES = {
    "CLOSED": State(MIDDLE, 100, "none", "no connection"),
    "LISTEN": State(MIDDLE, 260, "opening", "waits for anybody's SYN"),
    "SYN-RECEIVED": State(LEFT, 460, "opening", "SYN came, ours is out"),
    "SYN-SENT": State(RIGHT, 460, "opening", "our SYN is out"),
    "ESTABLISHED": State(MIDDLE, 650, "open", "data flows both ways"),
    "FIN-WAIT-1": State(LEFT, 840, "closing", "our FIN is out"),
    "CLOSE-WAIT": State(RIGHT, 840, "closing", "peer is done, we are not"),
    "FIN-WAIT-2": State(LEFT, 1040, "closing", "FIN ACKed, peer still sends"),
    "CLOSING": State(MIDDLE, 1040, "closing", "both FINs crossed"),
    "LAST-ACK": State(RIGHT, 1040, "closing", "last FIN is out"),
    "TIME-WAIT": State(MIDDLE, 1250, "waiting", "2 MSL for late segments"),
}
# CLOSED stands a second time where a life ends, so that no line runs back over the whole picture.
END = State(RIGHT, 1250, "none", "no connection")

FILL = {
    "none": ("#f1f3f5", "#868e96"),
    "opening": ("#fff3d6", "#d9910a"),
    "open": ("#d8f5df", "#2b9a4b"),
    "closing": ("#dbe9ff", "#3b73d1"),
    "waiting": ("#ecdfff", "#8250d6"),
}
COLOUR = {"active": "#1f5fc4", "passive": "#157f6b", "both": "#495057", "exit": "#c2363d"}

# side is n, e, s or w; offset is along that side, from its middle.
Port = collections.namedtuple("Port", "side offset")
# bend: "" straight, "hv" or "vh": one corner. label: corner or middle of the text, by anchor.
Route = collections.namedtuple("Route", "role leave enter bend x y anchor width")
ROUTES = {
    ("CLOSED", "LISTEN"): Route("passive", Port("s", -30), Port("n", -30), "", 588, 180, "end", 18),
    ("LISTEN", "CLOSED"): Route("exit", Port("n", 30), Port("s", 30), "", 672, 180, "start", 10),
    ("CLOSED", "SYN-SENT"): Route("active", Port("e", -14), Port("n", 50), "hv", 1037, 210, "start", 18),
    ("SYN-SENT", "CLOSED"): Route("exit", Port("n", 0), Port("e", 14), "vh", 963, 190, "end", 17),
    ("LISTEN", "SYN-SENT"): Route("active", Port("e", 0), Port("n", -50), "hv", 913, 302, "end", 18),
    ("LISTEN", "SYN-RECEIVED"): Route("passive", Port("w", -14), Port("n", -50), "hv", 223, 320, "end", 16),
    ("SYN-RECEIVED", "LISTEN"): Route("passive", Port("n", 20), Port("w", 14), "vh", 317, 345, "start", 26),
    ("SYN-SENT", "SYN-RECEIVED"): Route("both", Port("w", 0), Port("e", 0), "", MIDDLE, 434, "middle", 30),
    ("SYN-RECEIVED", "ESTABLISHED"): Route("passive", Port("s", 50), Port("w", -14), "vh", 347, 582, "start", 24),
    ("SYN-SENT", "ESTABLISHED"): Route("active", Port("s", -50), Port("e", -14), "vh", 913, 582, "end", 24),
    ("SYN-RECEIVED", "FIN-WAIT-1"): Route("both", Port("s", -50), Port("n", -50), "", 223, 650, "end", 16),
    ("ESTABLISHED", "FIN-WAIT-1"): Route("active", Port("w", 14), Port("n", 50), "hv", 347, 712, "start", 18),
    ("ESTABLISHED", "CLOSE-WAIT"): Route("passive", Port("e", 14), Port("n", -50), "hv", 913, 712, "end", 18),
    ("FIN-WAIT-1", "FIN-WAIT-2"): Route("active", Port("s", -50), Port("n", -50), "", 247, 940, "start", 16),
    ("FIN-WAIT-1", "CLOSING"): Route("both", Port("e", 0), Port("n", -30), "hv", 588, 890, "end", 22),
    ("CLOSE-WAIT", "LAST-ACK"): Route("passive", Port("s", -50), Port("n", -50), "", 913, 940, "end", 16),
    ("FIN-WAIT-2", "TIME-WAIT"): Route("active", Port("s", -50), Port("w", 0), "vh", 247, 1210, "start", 30),
    ("CLOSING", "TIME-WAIT"): Route("both", Port("s", 0), Port("n", 0), "", 642, 1115, "start", 22),
    ("LAST-ACK", "CLOSED"): Route("passive", Port("s", 0), Port("n", 0), "", 987, 1145, "start", 18),
    ("TIME-WAIT", "CLOSED"): Route("active", Port("e", 0), Port("w", 0), "", 802, 1190, "middle", 17),
}

# Where the exit of a state leaves it, and the width of its label in characters.
Exit = collections.namedtuple("Exit", "leave width")
EXITS = {
    "SYN-RECEIVED": Exit(Port("w", 0), 15),
    "ESTABLISHED": Exit(Port("s", 0), 14),
    "FIN-WAIT-1": Exit(Port("w", 0), 15),
    "FIN-WAIT-2": Exit(Port("w", 0), 15),
    "CLOSING": Exit(Port("w", 0), 13),
    "CLOSE-WAIT": Exit(Port("e", 0), 16),
    "TIME-WAIT": Exit(Port("s", 0), 32),
}
EXIT_LENGTH = 44
PILL_HEIGHT = 24

Label = collections.namedtuple("Label", "x y anchor lines")


class UnplacedError(Exception):
    """An edge for which the picture has no place."""


# ---- geometry ----


def box(state):
    return (state.x - BOX_WIDTH / 2, state.y - BOX_HEIGHT / 2,
            state.x + BOX_WIDTH / 2, state.y + BOX_HEIGHT / 2)


def port(state, where):
    left, top, right, bottom = box(state)
    return {"n": (state.x + where.offset, top), "s": (state.x + where.offset, bottom),
            "w": (left, state.y + where.offset), "e": (right, state.y + where.offset)}[where.side]


def path(start, end, route):
    first, last = port(start, route.leave), port(end, route.enter)
    corner = {"": [], "hv": [(last[0], first[1])], "vh": [(first[0], last[1])]}[route.bend]
    return [first, *corner, last]


def label_lines(edge, width):
    """The events, then in small print the sections of RFC 9293 that say so."""
    events = ", ".join(cause.event for cause in edge.causes)
    sections = []
    for cause in edge.causes:
        words = "\u00a0".join(word for word in (cause.place.section, cause.place.step) if word)
        if words and f"§{words}" not in sections:
            sections.append(f"§{words}")
    small = ", ".join(sections)
    small_width = int(width * TEXT / SMALL)
    return ([(line, TEXT) for line in textwrap.wrap(events, width, break_long_words=False)]
            + [(line, SMALL) for line in textwrap.wrap(small, small_width, break_long_words=False)])


def label_box(label):
    width = max(len(line) * size * WIDE for line, size in label.lines)
    height = len(label.lines) * LINE
    left = {"start": label.x, "middle": label.x - width / 2, "end": label.x - width}[label.anchor]
    return left, label.y - height / 2, left + width, label.y + height / 2


# ---- what stands in the picture ----


class Picture:
    """Shapes with their places, from which both the SVG and the search for overlaps are made."""

    def __init__(self, edges):
        self.states = [*STATES.items(), ("CLOSED", END)]
        self.lines = []  # role, points
        self.pills = []  # role, name, box
        self.labels = []
        for edge in edges:
            if (edge.start, edge.end) in ROUTES:
                self.add_route(edge, ROUTES[edge.start, edge.end])
            elif edge.start in EXITS and edge.end in STATES:
                self.add_exit(edge, EXITS[edge.start])
            else:
                raise UnplacedError(f"no place for {edge.start} -> {edge.end} in the picture")

    def add_route(self, edge, route):
        at_the_end = edge.start in ("LAST-ACK", "TIME-WAIT") and edge.end == "CLOSED"
        end = END if at_the_end else STATES[edge.end]
        self.lines.append((route.role, path(STATES[edge.start], end, route)))
        self.labels.append(Label(route.x, route.y, route.anchor, label_lines(edge, route.width)))

    def add_exit(self, edge, where):
        x, y = port(STATES[edge.start], where.leave)
        dx, dy = {"s": (0, 1), "w": (-1, 0), "e": (1, 0)}[where.leave.side]
        end = (x + dx * EXIT_LENGTH, y + dy * EXIT_LENGTH)
        width = 16 + len(edge.end) * SMALL * 0.66
        left = end[0] + (dx - 1) * width / 2
        top = end[1] + (dy - 1) * PILL_HEIGHT / 2
        lines = label_lines(edge, where.width)
        below = top + PILL_HEIGHT + len(lines) * LINE / 2 + 4
        label = {"s": Label(left + width + 8, top + PILL_HEIGHT / 2, "start", lines),
                 "w": Label(end[0] + 16, below, "end", lines),
                 "e": Label(end[0] - 16, below, "start", lines)}[where.leave.side]
        role = "exit" if edge.end == "CLOSED" else "passive"
        self.lines.append((role, [(x, y), end]))
        self.pills.append((role, edge.end, (left, top, left + width, top + PILL_HEIGHT)))
        self.labels.append(label)

    def overlaps(self):
        """Sentences on labels that lie on something else or outside the picture."""
        solid = [(name, box(state)) for name, state in self.states]
        solid += [(name, area) for _, name, area in self.pills]
        solid += [(f"the line from {a} to {b}", segment_box(a, b))
                  for _, points in self.lines for a, b in zip(points, points[1:])]
        placed = [(label.lines[0][0], label_box(label)) for label in self.labels]
        found = []
        for index, (text, area) in enumerate(placed):
            if area[0] < 0 or area[1] < 0 or area[2] > WIDTH or area[3] > HEIGHT:
                found.append(f'"{text}" leaves the picture')
            found += [f'"{text}" lies on {name}' for name, other in solid + placed[index + 1:]
                      if intersect(area, other)]
        return found


def segment_box(a, b):
    return min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])


def intersect(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


# ---- SVG ----


def text(x, y, words, size, anchor="middle", extra=""):
    return (f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"{extra}>'
            f"{html.escape(words)}</text>")


def rounded(points, radius=14):
    """A path along the points whose corners are round."""
    d = f"M{points[0][0]:g},{points[0][1]:g}"
    for before, corner, after in zip(points, points[1:], points[2:]):
        near, far = toward(corner, before, radius), toward(corner, after, radius)
        d += f" L{near[0]:g},{near[1]:g} Q{corner[0]:g},{corner[1]:g} {far[0]:g},{far[1]:g}"
    return d + f" L{points[-1][0]:g},{points[-1][1]:g}"


def toward(start, goal, distance):
    dx, dy = goal[0] - start[0], goal[1] - start[1]
    length = abs(dx) + abs(dy)  # lines run along the axes
    return start[0] + dx / length * distance, start[1] + dy / length * distance


def draw_state(name, state):
    left, top, _, _ = box(state)
    fill, stroke = FILL[state.phase]
    return [f'<rect x="{left:g}" y="{top:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="12" '
            f'fill="{fill}" stroke="{stroke}" stroke-width="2"/>',
            text(state.x, state.y - 3, name, 18, extra=' font-weight="700" fill="#212529"'),
            text(state.x, state.y + 18, state.note, SMALL, extra=' fill="#495057"')]


def draw_line(role, points):
    dash = ' stroke-dasharray="5 4"' if role == "exit" else ""
    return (f'<path d="{rounded(points)}" fill="none" stroke="{COLOUR[role]}" stroke-width="2"{dash} '
            f'marker-end="url(#{role})"/>')


def draw_pill(role, name, area):
    left, top, right, bottom = area
    return [f'<rect x="{left:g}" y="{top:g}" width="{right - left:g}" height="{bottom - top:g}" rx="12" '
            f'fill="#ffffff" stroke="{COLOUR[role]}" stroke-width="1.2"/>',
            text((left + right) / 2, bottom - 8, name, SMALL, extra=' font-weight="600" fill="#212529"')]


def draw_label(label):
    top = label.y - len(label.lines) * LINE / 2
    return [text(label.x, top + LINE * index + 13, line, size, label.anchor,
                 ' fill="#212529"' if size == TEXT else ' fill="#6c757d"')
            for index, (line, size) in enumerate(label.lines)]


def draw_legend():
    meanings = [("active", "the end that acts first"), ("passive", "the end that answers"),
                ("both", "both act at once"), ("exit", "given up: reset, abort, time-out")]
    lines = []
    for index, (role, meaning) in enumerate(meanings):
        y = 44 + 24 * index
        lines.append(draw_line(role, [(40, y), (88, y)]))
        lines.append(text(98, y + 5, meaning, TEXT, "start", ' fill="#212529"'))
    return lines


def make(edges):
    picture = Picture(edges)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
             f'height="{HEIGHT}" font-family="system-ui, \'DejaVu Sans\', sans-serif" role="img">',
             "<title>The states of a TCP connection and every change between them (RFC 9293)</title>",
             "<defs>"]
    lines += [f'<marker id="{role}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
              f'markerHeight="7" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="{colour}"/></marker>'
              for role, colour in COLOUR.items()]
    lines += ["</defs>", f'<rect width="{WIDTH}" height="{HEIGHT}" rx="16" fill="#ffffff"/>']
    lines += draw_legend()
    lines += [draw_line(role, points) for role, points in picture.lines]
    for name, state in picture.states:
        lines += draw_state(name, state)
    for role, name, area in picture.pills:
        lines += draw_pill(role, name, area)
    for label in picture.labels:
        lines += draw_label(label)
    return "\n".join(lines + ["</svg>"]) + "\n"
