#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`duet script` as its users see it: verdicts, messages, exit codes, formats, and what it must not do.

language/*.pkt shows each part of the language once and must pass; what must fail stands below.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "repo"))
from tap import SOURCE, Tap  # noqa: E402

PROGRAM = os.environ["DUET_PROGRAM"]
LANGUAGE = SOURCE / "tests" / "script" / "language"

OPENED = """--profile=duet 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0    bind(3, ..., ...) = 0
+0    listen(3, 5) = 0
+0    < S 0:0(0) win 65535 <mss 1000>
+0    > S. 0:0(0) ack 1 <mss 1460>
+0.1  < . 1:1(0) ack 1 win 65535
+0    accept(3, ..., ...) = 4
"""

# name, script behind OPENED ("!": without it), options, exit code, words of the output.
FAILURES = [
    ("a field that differs is named", "+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 2\n", [], 1,
     ":9:1: failed: not the packet expected: ack is 1, not 2|"
     "expected: +0 > P. 1:11(10) ack 2|actual:   0.100000 > P. 1:11(10) ack 1 win|SEND 10 bytes"),
    ("a packet that does not come", "+0.1 > . 1:1(0) ack 1\n", [], 1, "no packet was sent up to 0.204000 s"),
    ("a packet that comes too late", "+0 < P. 1:11(10) ack 1 win 65535\n+0.01 > . 1:1(0) ack 11\n",
     [], 1, "no packet was sent up to 0.114000 s"),
    ("a packet that comes too early", "+0 < P. 1:11(10) ack 1 win 65535\n+0.06 > . 1:1(0) ack 11\n",
     [], 1, "sent at 0.140000 s, 0.016000 s too early"),
    ("a range that is missed", "+0 < P. 1:11(10) ack 1 win 65535\n+0.05~+0.06 > . 1:1(0) ack 11\n",
     [], 1, "too early"),
    ("a packet that nothing expects, at the end", "+0 write(4, ..., 10) = 10\n+1 pause()\n", [], 1,
     "sent a packet that nothing in the script expects|> P. 1:11(10) ack 1"),
    ("a packet that nothing expects, before another line",
     "+0 write(4, ..., 10) = 10\n+.1 < P. 1:11(10) ack 11 win 65535\n+.04 > . 11:11(0) ack 11\n", [], 1,
     "not the packet expected: the sequence numbers are 1:11(10), not 11:11(0)"),
    ("segments are not put together when asked not to",
     "+0 write(4, ..., 2000) = 2000\n+0 > P. 1:2001(2000) ack 1\n", ["--strict_segments"], 1,
     "the sequence numbers are 1:1001(1000), not 1:2001(2000)"),
    ("less than a long line wants", "+0 write(4, ..., 2000) = 2000\n+0 > P. 1:2101(2100) ack 1\n", [], 1,
     "the sequence numbers are 1:2001(2000), not 1:2101(2100)"),
    ("no PSH at the end of the text", "+0 write(4, ..., 2000) = 2000\n+0 > . 1:2001(2000) ack 1\n", [], 1,
     "the flags differ"),
    ("a packet of another connection", "+0 < 5 > 6 . 1:1(0) ack 1\n+0 > R 1:1(0)\n", [], 1,
     "a packet of another connection, from port 6 to port 5"),
    ("a result that differs", "+0 read(4, ..., 10) = 5\n+0.1 pause()\n", [], 1, "read() blocks for ever"),
    ("an errno that differs", "+0 recv(4, ..., 10, MSG_DONTWAIT) = -1 ENOTCONN\n", [], 1,
     "recv() returned -1 EAGAIN (Resource temporarily unavailable), not -1 ENOTCONN"),
    ("a call that returns too early", "+0...0.2 read(4, ..., 10) = 5\n+.1 < P. 1:6(5) ack 1\n+1 pause()\n",
     [], 1, ":8:1: failed: read() returned at 0.200000 s, not at 0.300000 s"),
    ("a call that does not block", "+0...0.2 write(4, ..., 10) = 10\n", [], 1,
     "write() returned at once, not at 0.300000 s"),
    ("a call that blocks too long", "+0...0.2 read(4, ..., 10) = 5\n+1 close(3) = 0\n", [], 1,
     ":8:1: failed: read() still blocks at 0.304000 s"),
    ("a state that differs", "+0 state(4) = CLOSE_WAIT\n", [], 1, "state() returned ESTABLISHED, not CLOSE_WAIT"),
    ("a rule that was not applied", "+0 rule(RST_CHALLENGED)\n", [], 1,
     "the rule RST_CHALLENGED was not applied"),
    ("revents that differ", "+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLIN}], 1, 0) = 1\n", [], 1,
     "revents is 4, not 1"),
    ("an option that differs", "+0 getsockopt(4, SOL_SOCKET, SO_KEEPALIVE, [1], [4]) = 0\n", [], 1,
     "SO_KEEPALIVE is 0, not 1"),
    ("a script that cannot be parsed", "!0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 < S 0:0 win 5\n",
     [], 2, ":2:12: broken: expected '(', got 'win'"),
    ("an unknown call", "+0 frobnicate(4)\n", [], 2, ":8:1: broken: there is no call frobnicate()"),
    ("an unknown constant", "+0 recv(4, ..., 10, MSG_BOGUS)\n", [], 2,
     "argument 4 of recv() is no number or known constant: MSG_BOGUS"),
    ("a wrong number of arguments", "+0 close(4, 5)\n", [], 2, "close() takes 1 to 1 arguments, not 2"),
    ("an unknown option line", "!--bogus=1\n0 pause()\n", [], 2, ":1:1: broken: there is no option --bogus"),
    ("a field of the configuration out of its range", "!--config ttl=0\n0 pause()\n", [], 2,
     "the configuration has a field out of its range"),
    ("what duet does not have", "+0 < udp (1000)\n", [], 0, "skipped: it needs UDP|0 passed, 0 failed, 1 skipped"),
    ("IPv6 on IPv4", "+0 < [2001:db8::1]:5 > 192.168.0.1:6 . 1:1(0) ack 1\n", [], 2,
     "a packet of another IP version"),
]


def duet(*arguments, **options):
    done = subprocess.run([PROGRAM, "script", *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, timeout=120, **options)
    return done.returncode, done.stdout


def check_language(test):
    for path in sorted(LANGUAGE.glob("*.pkt")):
        status, output = duet(path)
        test.check(f"language: {path.stem}", status == 0)
        if status != 0:
            print("# " + output.replace("\n", "\n# "))


def check_failures(test, folder):
    for name, text, options, code, words in FAILURES:
        path = folder / "failing.pkt"
        path.write_text(text[1:] if text.startswith("!") else OPENED + text)
        status, output = duet(*options, path)
        good = status == code and all(word in output for word in words.split("|"))
        test.check(name, good)
        if not good:
            print(f"# exit code {status}\n# " + output.replace("\n", "\n# "))


def check_command_line(test, folder):
    status, output = duet(folder / "missing.pkt")
    test.check("a file that is not there", status == 2 and "No such file" in output)
    (folder / "empty").mkdir()
    status, output = duet(folder / "empty")
    test.check("a folder without scripts", status == 2 and "no *.pkt files" in output)
    for option in ("--against=bogus", "--jobs=0", "-Dx", "--no-such-option", "--color=blue"):
        status, output = duet(option, LANGUAGE / "corks_and_more.pkt")
        test.check(f"{option} is refused in one line", status == 2 and output)
    status, output = duet("-", input=OPENED)
    test.check("a script from standard input", status == 0 and "1 passed, 0 failed, 0 skipped" in output)
    (folder / "defined.pkt").write_text(OPENED + "+0 write(4, ..., LENGTH) = LENGTH\n+0 > P. RANGE ack 1\n")
    status, _ = duet("-D", "LENGTH=10", "-D", "RANGE=1:11(10)", folder / "defined.pkt")
    test.check("definitions of the command line", status == 0)
    status, output = duet("--dry-run", "--verbose", folder / "defined.pkt")
    test.check("--dry-run finds what is not defined", status == 2 and "expected seq:end(length)" in output)
    status, output = duet("--config", "delayed_ack=10ms", "-", input=OPENED + "+0 < P. 1:11(10) ack 1 win 5\n"
                          "+0.01 > . 1:1(0) ack 11\n")
    test.check("--config sets a field", status == 0)
    status, output = duet("--ladder", LANGUAGE / "resets_and_errors.pkt")
    test.check("--ladder draws a script that passes", status == 0 and "ESTABLISHED" in output)
    status, output = duet("--verbose", LANGUAGE / "settings_in_commands.pkt")
    test.check("--verbose says what was obeyed and what not",
               status == 0 and "obeyed: net.ipv4.tcp_sack=0" in output and "not run" in output)


def check_formats(test, folder):
    bad = folder / "bad.pkt"
    bad.write_text(OPENED + "+0 > . 1:1(0) ack 1 <sackOK>\n")
    status, output = duet("--json", LANGUAGE / "corks_and_more.pkt", bad)
    rows = [json.loads(line) for line in output.splitlines()]
    test.check("JSON: one object a script, then the sums",
               status == 1 and len(rows) == 3 and rows[0]["verdict"] == "passed" and
               rows[1]["verdict"] == "failed" and rows[1]["line"] == 8 and
               rows[2] == {"passed": 1, "failed": 1, "skipped": 0, "code_skipped": 0})
    report = folder / "report.xml"
    status, _ = duet("--junit", report, LANGUAGE / "corks_and_more.pkt", bad)
    suite = xml.etree.ElementTree.parse(report).getroot()
    test.check("JUnit: the sums and the failure", status == 1 and suite.get("tests") == "2" and
               suite.get("failures") == "1" and suite.find(".//failure") is not None)
    packets = folder / "packets.pcapng"
    status, _ = duet("--pcapng", packets, LANGUAGE / "corks_and_more.pkt")
    test.check("pcapng: begins as such", status == 0 and packets.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a")
    if shutil.which("tshark"):
        done = subprocess.run(["tshark", "-r", packets, "-o", "tcp.check_checksum:TRUE", "-o",
                               "ip.check_checksum:TRUE", "-Y",
                               "_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        test.check("pcapng: nothing malformed, no bad checksum", done.returncode == 0 and not done.stdout)
    else:
        test.skip("pcapng: nothing malformed, no bad checksum", "tshark is not installed")
    status, output = duet("--pcapng", folder / "none" / "x", LANGUAGE / "corks_and_more.pkt")
    test.check("pcapng: a place that cannot be written", status == 2 and "No such file" in output)


def without_times(text):
    rows = [json.loads(line) for line in text.splitlines()]
    for row in rows:
        row.pop("seconds", None)
    return rows


def check_repeatable(test):
    runs = [without_times(duet("--json", "--ladder", f"--jobs={jobs}", LANGUAGE)[1]) for jobs in (1, 1, 4)]
    test.check("two runs are the same to the last byte", runs[0] == runs[1])
    test.check("jobs change nothing", runs[0] == runs[2])
    seeds = [duet(f"--seed={seed}", LANGUAGE)[0] for seed in (1, 2, 3)]
    test.check("other sequence numbers change nothing", seeds == [0, 0, 0])
    status, output = duet("--remote_isn=4294967290", "--profile=duet", SOURCE / "tests" / "lifecycle")
    test.check("numbers of the peer that wrap at once change nothing", status == 0)
    if status != 0:
        print("# " + output.replace("\n", "\n# "))


def check_confinement(test, folder):
    """Without leave, a script starts no process and opens no file but itself."""
    mark = folder / "mark"
    script = folder / "busy.pkt"
    script.write_text(f"`touch {mark}`\n0 pause()\n+0 `touch {mark}`\n%{{\nopen('{mark}', 'w')\n}}%\n")
    status, output = duet(script)
    test.check("commands and code are not run", status == 0 and not mark.exists())
    test.check("code that was not run is counted", "1 pieces of code were not run" in output)
    if shutil.which("strace"):
        traced = subprocess.run(["strace", "-f", "-e", "trace=execve,open,openat", "-o", folder / "trace",
                                 PROGRAM, "script", script], stdout=subprocess.PIPE, check=False,
                                env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        calls = (folder / "trace").read_text()
        test.check("one program is executed: ours", traced.returncode == 0 and calls.count("execve(") == 1)
    else:
        test.skip("one program is executed: ours", "strace is not installed")
    status, _ = duet("--allow-shell", script)
    test.check("--allow-shell runs commands", status == 0 and mark.exists())
    mark.unlink()
    status, _ = duet("--allow-python", script)
    test.check("--allow-python runs code", status == 0 and mark.exists())
    script.write_text("0 `exit 3`\n0 pause()\n")
    status, output = duet("--allow-shell", script)
    test.check("a command that fails", status == 1 and "failed with status 3" in output)
    script.write_text(OPENED + "%{ assert tcpi_state == 1 }%\n%{\nassert tcpi_snd_mss == 5, tcpi_snd_mss\n}%\n")
    status, output = duet("--allow-python", script)
    test.check("code that fails says where and why",
               status == 1 and ":9:1: failed: the code failed: AssertionError: 1000" in output)
    status, _ = duet("--allow-python", LANGUAGE / "code_is_skipped_without_leave.pkt")
    test.check("code over tcpi_ values", status == 0)


def main():
    test = Tap()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_language(test)
        check_failures(test, folder)
        check_command_line(test, folder)
        check_formats(test, folder)
        check_repeatable(test)
        check_confinement(test, folder)
    test.finish()


if __name__ == "__main__":
    main()
