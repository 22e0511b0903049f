#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes seeds for the fuzzers of the wire from the packets that the timelines of tests/ put on it: seeds.py PROGRAM FOLDER.

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
    for text in ADDRESSES:
        write(folder, "address", text.encode())
    for head in ("00000000000000000000", "01000000000014001000", "01011e00e80314001000"):
        write(folder, "virtio", bytes.fromhex(head) + b"\x45" + bytes(31) + b"\x50" + bytes(40))


if __name__ == "__main__":
    main()
