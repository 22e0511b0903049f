#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The congestion controllers of the core beside a model written from the RFCs (reference.py): random scenarios, of
round trips from 1 to 300 ms, segments of every size, losses, ECN, timeouts, pauses of the application, divided and
stretched acknowledgements, sequence numbers that wrap. After each event cwnd and ssthresh must be within one segment
and the RTO the same.

    tests/model/model.test.py [SEED [SCENARIOS]]    what a failure prints, again

variants: release
timeout: 120
"""
import os
import pathlib
import random
import subprocess
import sys

import reference

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("DUET_BUILD", HERE.parents[1] / "build"))
DRIVER = BUILD / "tests" / "model" / "controller"
CONTROLLERS = (reference.Cubic, reference.NewReno)


class Scenario:
    """Makes events, and plays them through the model as it makes them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.seed = seed
        self.now = self.random.randrange(10**7)
        self.lines, self.expected = [], []
        pick = self.random.choice
        self.controller = pick((0, 0, 1))
        self.mss = pick((192, 204, 536, 1000, 1220, 1448, 1460, 8960, 65000))
        hystart, paced = pick((0, 1)), pick((0, 1))
        syn_lost = self.random.random() < 0.1
        start = pick((0, 1000, 2**31 - 5000, 2**32 - 20000, self.random.randrange(2**32)))
        self.trip = int(10 ** self.random.uniform(3, 5.477))  # 1 .. 300 ms
        self.flow = reference.Flow(CONTROLLERS[self.controller], bool(hystart), bool(paced), self.mss, syn_lost)
        self.flow.clock = self.flow.sent_at = self.now / 1e6
        self.say("new", self.controller, hystart, paced, self.mss, start, int(syn_lost))

    def say(self, event, *numbers):
        if self.flow.undecided:
            return
        self.lines.append(" ".join(map(str, (event, self.now) + numbers)))
        self.expected.append((self.flow.cwnd, self.flow.ssthresh, self.flow.timeout.rto))

    # ---- events ----

    def send(self, size):
        self.flow.send(size, self.now / 1e6)
        self.say("send", size)

    def rtt(self, us):
        self.flow.rtt(us)
        self.say("rtt", us)

    def ack(self, size, used):
        flight = self.flow.nxt - self.flow.una
        self.flow.ack(size, self.now / 1e6, used)
        self.say("ack", size, flight)

    def fill(self):
        room = int(self.flow.cwnd) - (self.flow.nxt - self.flow.una)
        room -= room % self.mss
        if room > 0:
            self.send(room)

    def pieces(self, total):
        """Sizes of the acknowledgements that answer total bytes, a dozen at most and now and then a hundred."""
        style = self.random.choice(("each", "second", "stretch", "all", "divided"))
        size = {"each": self.mss, "second": 2 * self.mss, "stretch": 20 * self.mss, "all": total,
                "divided": max(1, self.mss // 100)}[style]
        most = 100 if style == "divided" else 12
        while total > 0:
            most -= 1
            one = total if most == 0 else min(total, size)
            total -= one
            yield one

    def trip_now(self):
        return max(1, self.trip + self.delay + self.random.randrange(1 + self.jitter))

    def round(self, refill):
        """The window is full and is acknowledged; with refill it stays full."""
        self.fill()
        trip = self.trip_now()
        parts = list(self.pieces(self.flow.nxt - self.flow.una))
        spread = self.random.choice((0, trip // 4))
        self.now += trip - spread
        for part in parts:
            self.now += spread // len(parts)
            if self.random.random() < 0.9:
                self.rtt(self.trip_now())
            self.ack(part, True)
            if refill:
                self.fill()

    def drain(self):
        outstanding = self.flow.nxt - self.flow.una
        if outstanding > 0:
            self.now += self.trip_now()
            self.ack(outstanding, True)

    def limited(self):
        """A while in which a quarter of the window is used at most, now and then nothing."""
        if self.flow.cwnd < 16 * self.mss:
            return
        self.drain()
        for _ in range(self.random.randrange(1, 20)):
            idle = self.now - round(self.flow.sent_at * 1e6)
            if idle + 2000 > self.flow.timeout.rto:
                break  # that would lower the window
            self.now += self.random.randrange(1, self.flow.timeout.rto - idle - 1000)
            window = int(self.flow.cwnd)
            self.send(self.random.randrange(1, max(2, window // 8 - self.mss)))
            self.now += self.trip_now()
            outstanding = self.flow.nxt - self.flow.una
            if outstanding > window // 8 or self.random.random() < 0.3:
                self.ack(outstanding, False)
            elif outstanding > 1:
                self.ack(outstanding // 2, False)
        if self.random.random() < 0.5:
            self.round(True)  # without a moment in which nothing is in flight
        elif self.flow.nxt > self.flow.una:
            self.now += self.trip_now()
            self.ack(self.flow.nxt - self.flow.una, False)

    def pause(self):
        self.drain()
        self.now += self.random.choice((self.trip // 2, 10**6, 10**7, 4 * 10**9))
        if self.random.random() < 0.5:
            self.flow.idle()
            self.say("idle")

    def is_close(self):
        """Whether W_max has been reached is a matter of less than the tolerance: no congestion just now."""
        w_max = getattr(self.flow.controller, "w_max", None)
        return w_max is not None and abs(w_max - self.flow.cwnd / self.mss) < 3

    def congestion(self):
        if self.is_close():
            return
        self.fill()
        flight = self.flow.nxt - self.flow.una
        if flight == 0:
            return
        kind = self.random.choice(("loss", "loss", "ecn", "timeout"))
        if kind == "timeout":
            self.now += self.flow.timeout.rto
            self.timed_out(flight)
            return
        self.flow.congestion(kind, flight)
        self.say(kind, flight)
        if kind == "loss":
            self.now += self.trip_now()
            if self.random.random() < 0.3:
                self.undo()
            else:
                self.flow.repaired(flight)
                self.say("repaired", flight)

    def undo(self):
        if abs(self.flow.undo_to[0] - self.flow.cwnd) > 2:  # else a byte decides
            self.flow.undo()
            self.say("undo")

    def timed_out(self, flight):
        for again in range(self.random.choice((1, 1, 3))):
            self.flow.timed_out(flight, again > 0)
            self.say("timeout", flight, int(again > 0))
        if self.random.random() < 0.3:
            self.undo()
        self.now += self.trip_now()
        outstanding = self.flow.nxt - self.flow.una
        if self.flow.cwnd <= self.mss:  # else the undo has put the window back
            before = self.flow.una
            self.flow.ack(outstanding, self.now / 1e6, True)
            self.say("ack", self.flow.una - before, self.mss)

    def large(self):
        """A window that has already grown, above or below the threshold."""
        most = min(2**29, 20000 * self.mss if self.random.random() < 0.7 else 2**29)
        self.flow.cwnd = self.random.randrange(4 * self.mss, most)
        self.flow.ssthresh = self.random.choice((self.flow.cwnd, 2 * self.flow.cwnd, self.flow.cwnd // 2 + self.mss))
        self.say("window", self.flow.cwnd, self.flow.ssthresh)

    # ---- a scenario ----

    def play(self):
        self.delay, self.jitter = 0, self.random.choice((0, 0, self.trip // 50, self.trip // 5))
        self.drift = self.random.choice((0, 0, self.trip // 10, self.trip // 4))
        self.rtt(self.trip_now())
        if self.random.random() < 0.4:
            self.large()
        for _ in range(self.random.randrange(5, 40)):
            if self.flow.undecided:
                break
            self.delay = max(0, self.delay + self.random.choice((-1, 1, 1, 1)) * self.drift) % (4 * self.trip)
            step = self.random.random()
            if step < 0.82:
                self.round(self.random.random() < 0.5)
            elif step < 0.87:
                self.limited()
            elif step < 0.91:
                self.pause()
            else:
                self.congestion()
        return self


def compare(scenario, answers):
    """The first difference, or None."""
    for i, (line, expected, answer) in enumerate(zip(scenario.lines, scenario.expected, answers)):
        cwnd, ssthresh, rto = map(int, answer.split())
        close = abs(cwnd - expected[0]) <= scenario.mss and abs(ssthresh - expected[1]) <= scenario.mss
        if not close or rto != expected[2]:
            return (f"event {i}: {line}\n#   core:  cwnd {cwnd} ssthresh {ssthresh} rto {rto}\n"
                    f"#   model: cwnd {expected[0]:.1f} ssthresh {expected[1]:.1f} rto {expected[2]}\n"
                    f"#   MSS {scenario.mss}, {CONTROLLERS[scenario.controller].__name__}")
    return None


def run(seeds):
    """Events, and the first seed whose scenario differs with what differs, or None."""
    scenarios = [Scenario(seed).play() for seed in seeds]
    text = "".join(line + "\n" for scenario in scenarios for line in scenario.lines)
    done = subprocess.run([DRIVER], input=text, stdout=subprocess.PIPE, text=True, check=True)
    answers = done.stdout.splitlines()
    events = at = 0
    for scenario in scenarios:
        count = len(scenario.lines)
        difference = compare(scenario, answers[at:at + count])
        at += count
        events += count
        if difference is not None:
            return events, (scenario.seed, difference)
    return events, None


def main():
    first = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    count = int(sys.argv[2]) if len(sys.argv) > 2 else (1 if len(sys.argv) > 1 else 3000)
    events, failure = run(range(first, first + count))
    print(f"{'ok' if failure is None else 'not ok'} 1 - {count} scenarios, {events} events: core and model agree")
    if failure is not None:
        print(f"# again: tests/model/model.test.py {failure[0]}\n#   {failure[1]}")
    print("1..1")
    sys.exit(0 if failure is None else 1)


if __name__ == "__main__":
    main()
