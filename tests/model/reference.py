# SPDX-License-Identifier: MIT
"""What congestion control is to do, written from the RFCs alone, in floating point and in segments where the RFC
has segments: NewReno (5681 with the byte counting of 3465), CUBIC (9438), HyStart++ (9406), and the retransmission
timeout (6298). Where an RFC leaves a choice, the comment says which is taken; they are those of docs/CONGESTION.md.

Bytes and microseconds outside. The caller says of each acknowledgement whether its data was in a window that was in
use, so that the rule by which the core finds that out is tested and not repeated.
"""
INFINITE = 1 << 30  # ssthresh at first, and the largest window
BETA, C = 0.7, 0.4
ALPHA = 3 * (1 - BETA) / (1 + BETA)


class Timeout:
    """RFC 6298, 2. Fixed point: SRTT in eighths of a microsecond and RTTVAR in quarters; what is subtracted, and SRTT
    and 4 * RTTVAR where they are added, is rounded down to a microsecond."""

    LEAST, MOST, GRANULARITY = 200_000, 120_000_000, 1000

    def __init__(self):
        self.srtt8 = self.rttvar4 = 0
        self.rto = 1_000_000

    def sample(self, r):
        if self.srtt8 == 0:
            self.srtt8, self.rttvar4 = 8 * r, 4 * r // 2
        else:
            self.rttvar4 += abs(self.srtt8 // 8 - r) - self.rttvar4 // 4
            self.srtt8 += r - self.srtt8 // 8
        rto = self.srtt8 // 8 + max(self.GRANULARITY, self.rttvar4)
        self.rto = min(max(rto, self.LEAST), self.MOST)

    def back_off(self):
        self.rto = min(2 * self.rto, self.MOST)

    def seconds(self):
        return self.srtt8 / 8 / 1e6


class HyStart:
    """RFC 9406, 4.2 and 4.3. A round ends when everything sent before its start is acknowledged; one that began with
    nothing in flight when everything is that was sent before the first acknowledgement in it."""

    def __init__(self, limit):
        self.limit = limit  # L, in bytes
        self.last = self.current = None
        self.samples = 0
        self.window_end = 0
        self.baseline = None
        self.css_rounds = 0

    def growth(self, n):
        n = min(n, self.limit)
        return n if self.baseline is None else n / 4

    def sample(self, rtt):
        self.current = rtt if self.current is None else min(self.current, rtt)
        self.samples += 1

    def after_ack(self, una, nxt):
        """True: congestion avoidance begins."""
        if self.samples >= 8 and self.current is not None:
            if self.baseline is not None:
                if self.current < self.baseline:
                    self.baseline = None
            elif self.last is not None:
                threshold = max(4000, min(self.last / 8, 16000))
                # the core rounds an eighth down to a microsecond
                if self.current >= self.last + int(threshold):
                    self.baseline, self.css_rounds = self.current, 0
        if una < self.window_end:
            return False
        self.last, self.current, self.samples, self.window_end = self.current, None, 0, nxt
        if self.baseline is None:
            return False
        self.css_rounds += 1
        return self.css_rounds == 5


class NewReno:
    """RFC 5681, 3.1, equations 2 and 4; RFC 3465: avoidance counts bytes and takes whole steps."""

    beta = 0.5

    def __init__(self, flow):
        self.flow = flow
        self.bytes_acked = 0

    def avoid(self, n, now):
        flow = self.flow
        self.bytes_acked += min(n, flow.cwnd)
        if self.bytes_acked >= flow.cwnd:
            self.bytes_acked -= flow.cwnd
            flow.cwnd += flow.mss

    def congestion(self, kind):
        self.bytes_acked = 0

    def slow_start(self):
        pass

    def paused(self, since, until):
        pass

    def forget_stage(self):
        self.bytes_acked = 0

    def forget(self):
        self.bytes_acked = 0

    def in_use(self, flight):
        return flight

    def saved(self):
        return self.bytes_acked

    def restore(self, saved):
        self.bytes_acked = 0


class Cubic:
    """RFC 9438, section 4. Windows in segments, times in seconds."""

    beta = BETA

    def __init__(self, flow):
        self.flow = flow
        self.w_max = self.cwnd_prior = None
        self.epoch = None  # t_epoch; None: not in congestion avoidance
        self.k = self.w_est = 0.0
        self.fresh = True  # 4.8, 4.10: the next stage begins with K = 0
        self.converged = self.at_ssthresh = False

    def w_cubic(self, t):
        return C * (t - self.k) ** 3 + self.w_max

    def begin(self, now):
        cwnd = self.flow.cwnd / self.flow.mss
        if self.fresh:
            self.w_max, self.fresh, self.at_ssthresh = cwnd, False, True
        if self.cwnd_prior is None:
            self.cwnd_prior = cwnd
        # Beyond W_max the root is negative: the same curve, later.
        height = (self.w_max - cwnd) / C
        self.k = abs(height) ** (1 / 3) * (1 if height >= 0 else -1)
        self.epoch, self.w_est = now, cwnd

    def avoid(self, n, now):
        flow = self.flow
        cwnd = flow.cwnd / flow.mss
        segments = min(n / flow.mss, cwnd)
        if self.epoch is None:
            self.begin(now)
        t = now - self.epoch
        alpha = 1 if self.w_est >= self.cwnd_prior else ALPHA
        self.w_est += alpha * segments / cwnd
        target = min(max(self.w_cubic(t + flow.timeout.seconds()), cwnd), 1.5 * cwnd)
        by_reno = max(cwnd, self.w_est)  # never down
        by_curve = cwnd + (target - cwnd) / cwnd * segments
        flow.cwnd = (by_reno if self.w_cubic(t) < self.w_est else by_curve) * flow.mss
        # Bytes are whole in the core: where the two regions meet it may be in the other one.
        if abs(self.w_cubic(t) - self.w_est) * flow.mss < 4 and abs(by_reno - by_curve) > 0.2:
            flow.undecided = True

    def congestion(self, kind):
        cwnd = self.flow.cwnd / self.flow.mss
        self.cwnd_prior, self.epoch = cwnd, None
        if kind == "timeout":
            self.fresh = True
            return
        self.converged = self.w_max is not None and cwnd < self.w_max
        self.w_max = cwnd * (1 + BETA) / 2 if self.converged else cwnd
        self.fresh = self.at_ssthresh = False

    def in_use(self, flight):
        """4.6: the flight, or cwnd where measures keep it from growing unused: here where both differ by the part of
        a segment that cannot be sent."""
        part = self.flow.cwnd - flight
        return self.flow.cwnd if 0 < part < self.flow.mss else flight

    def slow_start(self):
        self.epoch = None

    def paused(self, since, until):
        if self.epoch is not None:
            self.epoch += until - since

    def forget_stage(self):
        self.epoch = None

    def forget(self):
        """Only cwnd, ssthresh and what kind of congestion there was are known."""
        before = self.flow.ssthresh / BETA / self.flow.mss
        self.epoch = None
        if self.fresh:
            self.w_max = self.cwnd_prior = None
        elif self.at_ssthresh:
            self.w_max = self.cwnd_prior = before * BETA
        else:
            self.cwnd_prior = before
            self.w_max = before * (1 + BETA) / 2 if self.converged else before

    def saved(self):
        return dict(self.__dict__)

    def restore(self, saved):
        self.__dict__.update(saved)


class Flow:
    """A connection's congestion control. Times in seconds."""

    def __init__(self, controller, hystart, paced, mss, syn_lost):
        self.mss, self.syn_lost = mss, syn_lost
        self.timeout = Timeout()
        self.cwnd = self.initial_window()
        self.ssthresh = INFINITE
        self.hystart_wanted, self.limit = hystart, INFINITE if paced else 8 * mss
        self.hystart = HyStart(self.limit)
        self.controller = controller(self)
        self.una = self.nxt = 0
        self.sent_at = 0.0
        self.clock = 0.0  # up to here t has been accounted for
        self.risky_until = self.cwnd if self.cwnd > 4096 else 0
        self.small_restarts = False
        self.undo_to = None
        self.undecided = False  # less than the tolerance has decided: from here on both are right

    # ---- windows (RFC 6928, 2; RFC 5681, 3.1 and 4.1) ----

    def initial_window(self):
        return self.mss if self.syn_lost else min(10 * self.mss, max(2 * self.mss, 14600))

    def restart_window(self):
        if self.small_restarts:
            return min(self.initial_window(), min(4 * self.mss, max(2 * self.mss, 4380)))
        return self.initial_window()

    def send(self, n, now):
        if self.una == self.nxt:
            self.controller.paused(self.clock, now)
            self.clock = now
            idle_ms = int(now * 1e6 + 0.5) // 1000 - int(self.sent_at * 1e6 + 0.5) // 1000
            if idle_ms * 1000 > self.timeout.rto and self.cwnd > self.restart_window():
                self.cwnd = self.restart_window()
                self.controller.forget_stage()
                self.risky_until = self.nxt + self.cwnd if self.cwnd > 4096 else 0
        self.nxt += n
        self.sent_at = now

    # ---- growth ----

    def in_hystart(self):
        return self.hystart_wanted and self.ssthresh == INFINITE

    def slow_start(self, n):
        """What is left of n."""
        if self.in_hystart():
            self.cwnd += self.hystart.growth(n)
            return 0
        n = min(n, self.mss)
        growth = min(n, self.ssthresh - self.cwnd)
        self.cwnd += growth
        return n - growth

    def rtt(self, us):
        self.timeout.sample(us)
        self.hystart.sample(us)

    def ack(self, n, now, used):
        if self.hystart.window_end == self.una:
            self.hystart.window_end = self.nxt
        self.una += n
        if self.cwnd < self.ssthresh:
            self.controller.slow_start()
        if not used:
            self.controller.paused(self.clock, now)
        elif self.cwnd < INFINITE:
            left = self.slow_start(n) if self.cwnd < self.ssthresh else n
            if left > 0 and self.cwnd >= self.ssthresh:
                self.controller.avoid(left, now)
            self.cwnd = min(self.cwnd, INFINITE)
        self.clock = now
        if self.in_hystart() and self.hystart.after_ack(self.una, self.nxt):
            self.ssthresh = self.cwnd

    def repaired(self, n):
        self.una += n

    # ---- congestion ----

    def congestion(self, kind, flight):
        self.undo_to = (self.cwnd, self.ssthresh, self.controller.saved(), self.clock)
        in_use = self.controller.in_use(flight)
        if kind != "ecn" and self.una < self.risky_until:
            self.small_restarts = True
        self.controller.congestion(kind)
        self.hystart.baseline = None
        left = int(in_use * self.controller.beta + 1e-9)
        self.ssthresh = max(left, 2 * self.mss)
        if kind == "loss":
            self.cwnd = self.ssthresh
        elif kind == "ecn":
            self.cwnd = min(self.cwnd, max(left, self.mss))

    def timed_out(self, flight, again):
        if not again:
            self.congestion("timeout", flight)
        self.cwnd = self.mss
        self.timeout.back_off()

    def undo(self):
        if self.undo_to is not None and self.cwnd < self.undo_to[0]:
            self.cwnd, self.ssthresh, saved, self.clock = self.undo_to
            self.controller.restore(saved)
        self.undo_to = None

    def idle(self):
        self.controller.forget()
        self.hystart = HyStart(self.limit)
        self.hystart.window_end = self.nxt
        self.undo_to = None
        if self.una > 0:  # what is lost later is lost of another window
            self.risky_until = 0
