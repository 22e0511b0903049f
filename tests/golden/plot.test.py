#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The plots of `duet show --plot`: well formed, self-contained, as reviewed, and with the numbers that the
trace has; and the pictures of docs/RECOVERY.md, fresh. With --update the reviewed plots are written instead of
compared; look at them before you commit them.

timeout: 300
"""
import html.parser
import json
import pathlib
import re
import sys
import tempfile
import xml.etree.ElementTree as etree

from shown import GOLDEN, SOURCE, Tap, duet, scenarios

SMALL = "lost-ack"  # whose plot is compared as a whole
SPACE = "{http://www.w3.org/2000/svg}"
PAGE = SOURCE / "docs/RECOVERY.md"
PICTURES = SOURCE / "docs/pictures"
UNITS = {"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "µs": 1e3, "ms": 1e6, "s": 1e9}
NEAR = 1.6  # pixels: bars are set in a little, so that those that touch are told apart


def plot(folder, scenario, suffix, *options):
    file = folder / f"plot.{suffix}"
    file.unlink(missing_ok=True)
    shown = duet("show", "--scenario", scenario, "--plot", str(file), *options)
    return shown, file.read_text(encoding="utf-8") if file.exists() else ""


def trace(scenario):
    return [json.loads(line) for line in
            duet("show", "--scenario", scenario, "--format", "json").stdout.splitlines()]


class Picture:
    """A plot, read back through its axes."""

    def __init__(self, text):
        self.svg = etree.fromstring(text)
        self.panels = {}
        for panel in self.all("panel"):
            heading = panel.find(f"{SPACE}text").text
            self.panels[heading.split(",")[0]] = panel
        self.is_cut = self.svg.find(f".//{SPACE}path[@class='cut']") is not None
        unit = 1e9 if "time (s)" in text else 1e6
        last = list(self.panels.values())[-1]
        self.time = self.scale(last, "grid times", "x", lambda label: float(label) * unit)

    def all(self, name, inside=None):
        found = (self.svg if inside is None else inside).iter()
        return [element for element in found if element.get("class") == name]

    def scale(self, panel, name, coordinate, read):
        """Pixels of a value, from the first and the last label of an axis."""
        ticks = self.all("tick", self.all(name, panel)[0])
        (a, at_a), (b, at_b) = ((read(tick.text), float(tick.get(coordinate)))
                                for tick in (ticks[0], ticks[-1]))
        return lambda value: at_a + (value - a) * (at_b - at_a) / (b - a)

    def values(self, heading):
        def read(label):
            number, _, unit = label.partition(" ")
            return float(number) * UNITS[unit]
        scale = self.scale(self.panels[heading], "grid values", "y", read)
        return lambda value: scale(value) - 4  # the baseline of a label is below its line

    def curve(self, name, heading):
        path = [element for element in self.all(name, self.panels[heading])
                if element.tag == f"{SPACE}path" and "H" in element.get("d")][0]
        x = y = 0.0
        points = []
        for command, numbers in re.findall(r"([MHV])([-\d. ]+)", path.get("d")):
            if command == "H":
                x = float(numbers)
            elif command == "V":
                y = float(numbers)
            else:
                x, y = (float(number) for number in numbers.split())
            points.append((x, y))
        return points


def close(a, b, tolerance=NEAR):
    return abs(a - b) <= tolerance


# ---- the numbers ----


def sender_of(events):
    """The end that sent more text, and its initial sequence number."""
    bytes_of = {}
    for event in events:
        if event["kind"] == "sent":
            bytes_of[event["end"]] = bytes_of.get(event["end"], 0) + event["length"]
    end = max(bytes_of, key=lambda name: (bytes_of[name], name == "client"))
    isn = next(e["seq"] for e in events if e["kind"] == "sent" and e["end"] == end
               and "SYN" in e["flags"])
    return end, isn


def check_segments(test, name, picture, events, end, isn):
    bars = {}
    for element in picture.all("sent") + picture.all("again"):
        title = element.find(f"{SPACE}title")
        if title is not None:
            bars[int(re.match(r"#(\d+) ", title.text).group(1))] = element
    sent = [e for e in events if e["kind"] == "sent" and e["end"] == end and e["length"] > 0]
    at_value, wrong = picture.values("Sequence numbers"), []
    for event in sent:
        bar = bars.get(event["packet"])
        if bar is None:
            wrong.append(f"#{event['packet']} is not drawn")
            continue
        x, low, high = [float(number) for number in re.findall(r"[\d.]+", bar.get("d"))]
        seq = (event["seq"] - isn) % 2**32
        if not (close(x, picture.time(event["time"])) and close(low, at_value(seq))
                and (close(high, at_value(seq + event["length"])) or event["length"] < 100)
                and f"seq {seq}:{seq + event['length']}(" in bar.find(f"{SPACE}title").text):
            wrong.append(f"#{event['packet']} is drawn at {x} {low} {high}")
    test.check(f"{name}: each segment is drawn where the trace has it",
               sent and len(bars) == len(sent) and not wrong, *wrong)
    again = {e["packet"] for e, out in zip(sent, [e for e in events if e["kind"] == "segment-out"
                                                  and e["end"] == end and e["length"] > 0])
             if out["retransmission"]}
    drawn = {tag for tag, bar in bars.items() if bar.get("class") == "again"}
    test.check(f"{name}: what was sent again looks so", again == drawn, again, drawn)
    lost = {e["packet"] for e in events if e["kind"] == "fault" and e["fault"] in ("drop", "mtu")}
    crosses = [element for element in picture.all("cross") + picture.all("cross faint")
               if element.find(f"{SPACE}title") is not None]
    drawn = {int(re.match(r"#(\d+) ", c.find(f"{SPACE}title").text).group(1)) for c in crosses}
    test.check(f"{name}: what was lost has a cross", lost == drawn, lost, drawn)


def check_congestion(test, name, picture, events, end):
    told = [e for e in events if e["kind"] == "congestion" and e["end"] == end]
    for curve in ("cwnd", "pipe"):
        wrong = []
        points = picture.curve(curve, "Congestion window")
        at_value = picture.values("Congestion window")
        for event in told:
            x, y = picture.time(event["time"]), at_value(event[curve])
            if event["cwnd"] > 0 and not any(close(x, px) and close(y, py) for px, py in points):
                # A value that has not changed has no point of its own: it lies on the line.
                before = [py for px, py in points if px < x + NEAR]
                if not before or not any(close(y, py) for py in before):
                    wrong.append(f"{curve} {event[curve]} at {event['time']}")
        test.check(f"{name}: {curve} goes through every value of the trace", told and not wrong,
                   *wrong)
    samples = [f"{e['rtt'] // 10**6}.{e['rtt'] // 1000 % 1000:03}" for e in told if e["rtt"] > 0]
    drawn = [re.search(r"round trip ([\d.]+) ms", mark.find(f"{SPACE}title").text).group(1)
             for mark in picture.all("sample") if mark.find(f"{SPACE}title") is not None]
    test.check(f"{name}: each round trip that was measured has its dot", samples == drawn,
               samples, drawn)


def check_numbers(test, name, text):
    picture, events = Picture(text), trace(name)
    if picture.is_cut:
        test.check(f"{name}: a plot without a cut was expected", False)
        return
    end, isn = sender_of(events)
    check_segments(test, name, picture, events, end, isn)
    check_congestion(test, name, picture, events, end)


# ---- the files ----


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


def outside_of(page):
    outside = Outside()
    outside.feed(page)
    return outside.found + re.findall(r"url\((?!#|['\"]?data:)[^)]*\)|@import|fetch\(", page)


def check_files(test, folder, name):
    shown, text = plot(folder, name, "svg")
    test.check(f"{name}: --plot writes a drawing, and says nothing",
               shown.returncode == 0 and shown.stdout == "" and text, shown.stderr, shown.stdout[:200])
    try:
        root = etree.fromstring(text)
        good = root.tag == f"{SPACE}svg"
    except etree.ParseError as error:
        good, root = False, error
    test.check(f"{name}: the drawing is well formed and needs nothing from outside",
               good and not outside_of(text), root, *outside_of(text))
    page = plot(folder, name, "html")[1]
    test.check(f"{name}: the page needs nothing from outside",
               "<html" in page and "</html>" in page and not outside_of(page), *outside_of(page))
    numbers = re.findall(r"(?:NaN|nan|inf)", re.sub(r"<title>.*?</title>", "", text))
    test.check(f"{name}: every coordinate is a number", not numbers, *numbers)
    return text


def pictured():
    """The scenarios that the page has a picture of."""
    return re.findall(r"!\[[^\]]*\]\(pictures/([\w-]+)\.svg\)", PAGE.read_text(encoding="utf-8"))


def check_page(test, folder):
    page, names = PAGE.read_text(encoding="utf-8"), pictured()
    test.check("docs/RECOVERY.md: each picture has its command",
               names and re.findall(r"^    duet show --scenario ([\w-]+)$", page, re.M) == names, names)
    test.check("docs/pictures: every picture is on the page",
               sorted(path.stem for path in PICTURES.glob("*")) == sorted(names))
    for name in names:
        file = PICTURES / f"{name}.svg"
        test.check(f"docs/pictures/{name}.svg: fresh",
                   file.exists() and plot(folder, name, "svg")[1] == file.read_text(encoding="utf-8"),
                   "run this test with --update, and look at the difference")


def check_options(test, folder):
    shown, text = plot(folder, "lost-data", "svg", "--plot-end", "server")
    test.check("--plot-end chooses the direction",
               shown.returncode == 0 and "server to client" in text, shown.stderr)
    ladder = duet("show").stdout
    shown, text = plot(folder, "three-way", "svg", "--format", "text")
    test.check("with --format there is a ladder besides the plot",
               shown.stdout == ladder and "<svg" in text)
    shown, text = plot(folder, "three-way", "svg", "-o", str(folder / "ladder.txt"))
    test.check("with -o there is a ladder besides the plot",
               (folder / "ladder.txt").read_text(encoding="utf-8") == ladder and "<svg" in text)
    shown, text = plot(folder, "refused", "svg")
    test.check("a connection that never opened is drawn", shown.returncode == 0 and "SYN" in text)
    wrong = [
        ("a plot of unknown kind", ["--plot", "plot.png"], "plot.png"),
        ("a plot in a folder that does not exist", ["--plot", "/nowhere/x.svg"], "/nowhere/x.svg"),
        ("an end that does not exist", ["--plot", "x.svg", "--plot-end", "middle"], "middle"),
        ("an end without a plot", ["--plot-end", "client"], "--plot"),
    ]
    for name, arguments, word in wrong:
        shown = duet("show", *arguments)
        test.check(f"{name}: one line, exit code 2",
                   shown.returncode == 2 and shown.stderr.count("\n") == 1 and word in shown.stderr,
                   f"{shown.returncode}: {shown.stderr}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        golden = GOLDEN / f"{SMALL}.svg"
        if sys.argv[1:] == ["--update"]:
            golden.write_text(plot(folder, SMALL, "svg")[1], encoding="utf-8")
            PICTURES.mkdir(exist_ok=True)
            for name in pictured():
                (PICTURES / f"{name}.svg").write_text(plot(folder, name, "svg")[1], encoding="utf-8")
            return 0
        test = Tap()
        for name in scenarios():
            text = check_files(test, folder, name)
            if name == SMALL:
                test.check(f"{name}: the plot is the reviewed one",
                           text == golden.read_text(encoding="utf-8"),
                           "run this test with --update, and look at the difference")
        for name in ["lost-data", "zero-window"] + pictured():
            check_numbers(test, name, plot(folder, name, "svg")[1])
        check_page(test, folder)
        check_options(test, folder)
        return test.finish()


if __name__ == "__main__":
    sys.exit(main())
