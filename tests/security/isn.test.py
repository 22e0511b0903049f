#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`duet isn` on captures of hosts whose numbers are made as RFC 9293 says, at random, by one counter, by a clock,
or always the same; in both byte orders, both formats and several kinds of link; on its own; and on what is no
capture. What duet itself says on the wire is judged, too.
"""
import hashlib
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/repo"))
import tap  # noqa: E402 (found through the line above)

CONNECTIONS, PAIRS = 600, 60
SECOND = 10**9
STEP = 1_700_000  # ns between connections
HOST, OTHER = b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02"
HOST6 = bytes.fromhex("fd" + "00" * 14 + "01")


def offset(pair):
    return int.from_bytes(hashlib.blake2b(str(pair).encode(), key=b"a key", digest_size=4).digest(), "big")


# How the number of connection i, of a pair at a time in ns, comes about; the verdict; is that safe?
RANDOM = random.Random(9293)
HOSTS = {
    "RFC 9293-like": (lambda i, pair, time: time // 4000 + offset(pair), True),
    "random": (lambda i, pair, time: RANDOM.getrandbits(32), True),
    "global counter": (lambda i, pair, time: 64000 * i + 7, False),
    "a clock for all": (lambda i, pair, time: time // 4000, False),
    "constant": (lambda i, pair, time: 0x12345678, False),
}
VERDICTS = {"a clock for all": "global counter"}


def summed(header):
    """The header of IPv4 with its sum."""
    total = sum(struct.unpack(">10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return header[:10] + struct.pack(">H", ~total & 0xFFFF) + header[12:]


def syn(source, number, port):
    """An IP packet with a SYN."""
    tcp = struct.pack(">HHIIBBHHH", port, 80, number % 2**32, 0, 5 << 4, 2, 1000, 0, 0)
    if len(source) == 4:
        return summed(struct.pack(">BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + source + OTHER) + tcp
    return struct.pack(">IHBB", 6 << 28, 20, 6, 64) + source + bytes(15) + b"\x02" + tcp


def story(make, source=HOST):
    """(time, packet) of a host's SYNs; each pair of sockets comes again."""
    found = []
    for i in range(CONNECTIONS):
        pair, time = i % PAIRS, 5 * SECOND + i * STEP
        found.append((time, syn(source, make(i, pair, time), 20000 + pair)))
    return found


def pcap(packets, order="<", magic=0xA1B2C3D4, link=101, around=b""):
    unit = 1000 if magic == 0xA1B2C3D4 else 1
    text = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for time, packet in packets:
        packet = around + packet
        text += struct.pack(order + "IIII", time // SECOND, time % SECOND // unit, len(packet), len(packet)) + packet
    return text


def block(kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def pcapng(packets, resolution=9):
    ticks = 2 ** (resolution - 128) if resolution > 127 else 10**resolution
    option = b"" if resolution == 6 else struct.pack("<HHB3xHH", 9, 1, resolution, 0, 0)
    text = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    text += block(1, struct.pack("<HHI", 101, 0, 0) + option)
    for time, packet in packets:
        time = time * ticks // SECOND
        text += block(6, struct.pack("<IIIII", 0, time >> 32, time % 2**32, len(packet), len(packet)) + packet)
    return text


ETHERNET = bytes(12) + b"\x08\x00"
FORMS = {
    "pcap": pcap,
    "pcap, big-endian": lambda packets: pcap(packets, order=">"),
    "pcap in nanoseconds": lambda packets: pcap(packets, magic=0xA1B23C4D),
    "pcap of Ethernet": lambda packets: pcap(packets, link=1, around=ETHERNET),
    "pcapng in microseconds": lambda packets: pcapng(packets, 6),
    "pcapng in nanoseconds": pcapng,
    "pcapng in 2^-20 of a second": lambda packets: pcapng(packets, 128 + 20),
}


def run(*arguments):
    done = subprocess.run([os.environ["DUET_PROGRAM"], "isn", *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def judge(folder, text):
    """(status, {host: what is said of it}) for the bytes of a capture."""
    path = folder / "capture"
    path.write_bytes(text)
    status, out, _ = run("--json", str(path))
    return status, {row["host"]: row for row in map(json.loads, out.splitlines())}


def check_hosts(test, folder):
    for name, (make, safe) in HOSTS.items():
        status, hosts = judge(folder, pcap(story(make)))
        row = hosts.get("10.0.0.1", {})
        print(f"# {name}: {row}")
        test.check(f"{name}: the verdict is {VERDICTS.get(name, name)}",
                   row.get("verdict") == VERDICTS.get(name, name))
        test.check(f"{name}: the status says whether that is safe", status == (0 if safe else 1))
        # The same number of the same pair is a SYN that was sent again.
        most = PAIRS if name == "constant" else CONNECTIONS
        test.check(f"{name}: every SYN was counted", row.get("samples") == most and row.get("pairs") == PAIRS)
    row = judge(folder, pcap(story(HOSTS["RFC 9293-like"][0])))[1]["10.0.0.1"]
    test.check("the clock within a pair is that of the RFC", abs(row["pair_rate"] - 250000) < 500)
    test.check("pairs say nothing of each other", row["spread_bits"] > 27 and row["pair_spread_bits"] < 4)
    row = judge(folder, pcap(story(HOSTS["global counter"][0])))[1]["10.0.0.1"]
    test.check("of a counter hardly anything is left to guess", row["spread_bits"] < 12)


def check_forms(test, folder):
    make = HOSTS["RFC 9293-like"][0]
    first = judge(folder, pcap(story(make)))[1]["10.0.0.1"]
    for name, form in FORMS.items():
        status, hosts = judge(folder, form(story(make)))
        row = hosts.get("10.0.0.1", {})
        same = all(row.get(key) == first[key] for key in ("verdict", "samples", "pairs", "distinct", "repeats"))
        test.check(f"{name} says the same", status == 0 and same and abs(row["pair_rate"] - 250000) < 1000)
    both = sorted(story(make, HOST6) + story(HOSTS["constant"][0]))
    status, hosts = judge(folder, pcap(both))
    test.check("two hosts are judged apart, IPv6 and IPv4",
               status == 1 and {name: row["verdict"] for name, row in hosts.items()} ==
               {"fd00::1": "RFC 9293-like", "10.0.0.1": "constant"})
    again = [packet for packet in story(make) for _ in range(3)]
    test.check("a SYN that is sent again counts once", judge(folder, pcap(again))[1]["10.0.0.1"]["samples"] == CONNECTIONS)


def check_little(test, folder):
    few = story(HOSTS["constant"][0])[:15]
    status, hosts = judge(folder, pcap(few))
    test.check("of a few numbers nothing is said", status == 0 and hosts["10.0.0.1"]["verdict"] == "too few numbers")
    whole = pcap(few)
    (folder / "cut").write_bytes(whole[:-30])
    status, _, errors = run(str(folder / "cut"))
    test.check("a capture that is cut off says so", status == 2 and "cut" in errors)
    for name, text in {"empty": b"", "text": b"hello, this is no capture at all, is it?", "zeros": bytes(400)}.items():
        (folder / name).write_bytes(text)
        status, _, errors = run(str(folder / name))
        test.check(f"what is no capture is refused: {name}", status == 2 and len(errors.splitlines()) == 1)
    test.check("a file that is not there", run(str(folder / "nowhere"))[0] == 2)
    test.check("a file or oneself must be named", run()[0] == 2 and run("--self", str(folder / "cut"))[0] == 2)


def check_duet(test, folder):
    status, out, _ = run("--self", "--json")
    row = json.loads(out)
    test.check("duet judges itself", status == 0 and row["verdict"] == "RFC 9293-like" and row["samples"] == 100000)
    path = folder / "shown.pcapng"
    subprocess.run([os.environ["DUET_PROGRAM"], "show", "--format", "pcapng", "-o", str(path)], check=True,
                   stdout=subprocess.DEVNULL)
    status, out, _ = run("--json", str(path))
    rows = [json.loads(line) for line in out.splitlines()]
    test.check("a recording of duet is read: two hosts, one number each",
               status == 0 and [row["samples"] for row in rows] == [1, 1])


def main():
    test = tap.Tap()
    with tempfile.TemporaryDirectory(prefix="duet-isn-") as scratch:
        folder = pathlib.Path(scratch)
        for check in (check_hosts, check_forms, check_little, check_duet):
            check(test, folder)
    test.finish()


if __name__ == "__main__":
    main()
