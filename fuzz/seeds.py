#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes seeds for the fuzzers of the wire from the packets that the timelines of tests/ put on it, and for that of the
doors from a few stories: seeds.py PROGRAM FOLDER.

Each timeline is played with the program `duet`; its packets go, in the form in which each fuzzer takes its input, to
FOLDER/NAME/. Many are alike: fuzz/run.py --minimise keeps those that reach something."""
import hashlib
import pathlib
import struct
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parent.parent
TCP, ICMP, ICMPV6 = 6, 1, 58


def packets(pcapng):
    """The packets of a pcapng file: of its Enhanced Packet Blocks."""
    data = pcapng.read_bytes()
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            captured = struct.unpack_from("<I", data, at + 20)[0]
            yield data[at + 28:at + 28 + captured]
        at += length


def forms(packet):
    """Pairs of a fuzzer and its input: see the head of each fuzzer."""
    if packet[0] >> 4 == 4:
        header, protocol, family = (packet[0] & 15) * 4, packet[9], 0
        yield "ipv4", b"\x01" + packet[:96]
    else:
        header, protocol, family = 40, packet[6], 1
        yield "ipv6", packet[:96]
    payload = packet[header:]
    if protocol == TCP:
        yield "tcp", payload[:80]
        yield "checksum", b"\x03\x07\x02" + payload[:96]
    elif protocol in (ICMP, ICMPV6):
        yield "icmp", bytes([2 | family]) + payload[:96]
        quoted = payload[8:104]
        if quoted:
            yield ("ipv6", quoted) if family else ("ipv4", b"\x00" + quoted)


ADDRESSES = ["10.0.0.1", "255.255.255.255", "0.0.0.0", "1.02.3.4", "256.1.1.1", "1.2.3", "::", "::1", "fd00::1",
             "2001:db8::8:800:200c:417a", "::ffff:192.0.2.1", "64:ff9b::192.0.2.33", "1:2:3:4:5:6:7:8",
             "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::2::3", "fe80::1%eth0", "12345::", "FFFF::AbCd"]


# Steps of the fuzzer of the doors (fuzz/doors.c): the kind in five bits, a number in two, the end in the highest.
OUTPUT, DELIVER, EXCHANGE, LOSE, SEGMENT, CHANGE, ICMP, WAIT = 0, 3, 6, 7, 8, 10, 11, 13
SEND, RECEIVE, LISTEN, CONNECT, ACCEPT, SHUTDOWN, CLOSE, ABORT, SET = 16, 18, 20, 21, 22, 24, 25, 26, 27
HERE, THERE, ALL = 0, 128, 96
OPEN = [THERE | LISTEN, 0, 2, HERE | CONNECT, 0, 0, 0, ALL | EXCHANGE, THERE | ACCEPT, 0]
FAST = [THERE | LISTEN, 0, 10, HERE | CONNECT, 0, 16, 0, ALL | EXCHANGE, HERE | CLOSE, 0, 0, ALL | EXCHANGE,
        HERE | CONNECT, 0, 16, 0, HERE | SEND, 0, 0, 9, ALL | EXCHANGE, THERE | ACCEPT, 0]
TALK = [HERE | SEND, 0, 0, 120, ALL | EXCHANGE, THERE | RECEIVE, 0, 255, THERE | SEND, 0, 1, 90, ALL | EXCHANGE]
LOSS = [HERE | SEND, 0, 0, 200, ALL | OUTPUT, ALL | OUTPUT, THERE | LOSE, THERE | DELIVER, THERE | DELIVER,
        ALL | EXCHANGE, HERE | WAIT, 0, ALL | EXCHANGE, HERE | WAIT, 0, ALL | EXCHANGE]
STORIES = [
    OPEN + TALK + [HERE | SHUTDOWN, 0, 0, ALL | EXCHANGE, THERE | CLOSE, 0, 0, ALL | EXCHANGE, HERE | WAIT, 0],
    OPEN + LOSS + TALK, FAST + TALK, OPEN + TALK + [HERE | ABORT, 0, 0, ALL | EXCHANGE],
    OPEN + [THERE | SEGMENT, 0, 64, 0, 3, 0, 0, 9, HERE | ICMP, 2, 2, 0, 1, 0, ALL | EXCHANGE] + TALK,
    OPEN + [HERE | SET, 0, 11, 100] + LOSS + [THERE | CHANGE, 0, 200, 3, 7, ALL | EXCHANGE] + TALK,
    [HERE | CONNECT, 0, 14, 129, THERE | CONNECT, 0, 14, 129, ALL | EXCHANGE] + TALK + LOSS,
]
WORLDS = [[0, 255, 0, 0, 0, 255, 0, 0, 0], [8, 255, 0, 3, 0, 255, 0, 3, 0], [1, 255, 0, 2, 31, 255, 0, 1, 31],
          [2, 255, 1, 0, 16, 255, 2, 0, 16], [3, 255, 255, 255, 255, 255, 255, 255, 255], [9, 109, 8, 5, 7, 85, 8, 5, 135]]


def write(folder, name, data):
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    (place / hashlib.sha1(data).hexdigest()).write_bytes(data)


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    seen = set()
    with tempfile.TemporaryDirectory() as scratch:
        capture = pathlib.Path(scratch) / "packets.pcapng"
        for script in sorted(SOURCE.glob("tests/lifecycle/*/*.pkt")):
            capture.unlink(missing_ok=True)
            subprocess.run([program, "script", f"--pcapng={capture}", str(script)], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if capture.exists():
                seen.update(form for packet in packets(capture) if packet for form in forms(packet))
    for name, data in seen:
        write(folder, name, data)
    for world in WORLDS:
        for story in STORIES:
            write(folder, "doors", bytes(world + story))
    for text in ADDRESSES:
        write(folder, "address", text.encode())
    for head in ("00000000000000000000", "01000000000014001000", "01011e00e80314001000"):
        write(folder, "virtio", bytes.fromhex(head) + b"\x45" + bytes(31) + b"\x50" + bytes(40))


if __name__ == "__main__":
    main()
