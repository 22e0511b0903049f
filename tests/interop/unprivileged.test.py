#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel's TCP as a peer without root: the interop programs and `duet show --peer kernel`, run by
an ordinary user, and the states that both ends went through.

timeout: 300
"""
import ctypes
import os
import pathlib
import platform
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "repo"))
import tap  # noqa: E402

BUILD = pathlib.Path(os.environ["DUET_BUILD"])
PROGRAM = pathlib.Path(os.environ["DUET_PROGRAM"])
NOBODY = 65534
TIMEOUT = 120  # seconds; each program takes a fraction of it

# What each end of the ladder went through, by its part in the connection.
CLIENT = ["CLOSED", "SYN-SENT", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT"]
SERVER = ["CLOSED", "LISTEN", "SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED"]


def ordinary(command):
    """The command as an ordinary user runs it."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] + command


def run(command, before=None):
    env = {name: value for name, value in os.environ.items() if name != "DUET_COVERAGE_DIR"}
    env["CMOCKA_MESSAGE_OUTPUT"] = "TAP"
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=TIMEOUT, check=False, env=env, preexec_fn=before)
    return done.returncode, done.stdout, done.stderr


def why_not():
    """Why an ordinary user cannot have namespaces here, or None."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "there is no setpriv to become an ordinary user with"
    status, _, errors = run(ordinary(["unshare", "--user", "--net", "true"]))
    return None if status == 0 else errors.strip()


def states(ladder, side):
    """The states in the left (0) or right (1) column of a ladder, each once in a row."""
    found = []
    for line in ladder.splitlines():
        columns = re.split("[│├┤●▶◀]", line)
        if len(columns) < 3:
            continue
        word = columns[0 if side == 0 else -1].strip()
        if re.fullmatch(r"~?[A-Z][A-Z0-9-]+", word) and (not found or found[-1] != word):
            found.append(word)
    return found


def is_passage(seen, wanted):
    """True if the states seen are those wanted. An end may first appear in its first or second state."""
    return seen in (wanted, wanted[1:])


def problems_of_show(command, role):
    status, ladder, errors = run(command)
    problems = [f"exit status {status}: {errors.strip()}"] if status != 0 else []
    if "Verified: " not in ladder:
        problems.append("no bytes were verified")
    client, server = states(ladder, 0), states(ladder, 1)
    end = ["CLOSED"] if role == "client" else []  # the kernel's TIME-WAIT is not waited for
    if not is_passage(client, CLIENT + end):
        problems.append(f"the client went through {client}")
    if not is_passage(server, SERVER):
        problems.append(f"the server went through {server}")
    return problems + ([ladder] if problems else [])


def test_show(test, program):
    for role in ("client", "server"):
        for family in ([], ["--ipv6"]):
            words = ["--role", role] + family
            command = [str(program), "show", "--peer", "kernel", "--columns", "100"] + words
            test.clean(f"show --peer kernel {' '.join(words)}, as an ordinary user",
                       problems_of_show(ordinary(command), role))


def problems_of_refusal(command, word):
    """A command that must fail with one sentence that has the word, and draw nothing."""
    status, output, errors = run(command)
    problems = []
    if status != 1 or output != "":
        problems.append(f"exit status {status}, output {output!r}")
    if len(errors.splitlines()) != 1 or word not in errors:
        problems.append(f"said {errors!r}")
    return problems


def test_no_namespaces(test, program):
    """In a user namespace whose root has forbidden network namespaces."""
    shell = f"echo 0 >/proc/sys/user/max_net_namespaces && exec {program} show --peer kernel"
    test.clean("show --peer kernel, where there can be no namespace", problems_of_refusal(
        ordinary(["unshare", "--user", "--map-root-user", "sh", "-c", shell]), "namespace"))


def forbid_sock_diag():
    """Makes socket(AF_NETLINK, ..., NETLINK_SOCK_DIAG) fail with EACCES, by seccomp, from now on."""
    load, equal, answer = 0x20, 0x15, 0x06  # BPF: load a word, jump if equal, return
    allow, refuse = 0x7fff0000, 0x00050000 | 13
    program = [(load, 0, 0, 0), (equal, 0, 5, 41),    # the call: socket, on x86-64
               (load, 0, 0, 16), (equal, 0, 3, 16),   # its first argument: AF_NETLINK
               (load, 0, 0, 32), (equal, 0, 1, 4),    # its third: NETLINK_SOCK_DIAG
               (answer, 0, 0, refuse), (answer, 0, 0, allow)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program),
                                                     ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, header, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def test_inferred(test, program):
    """Where the kernel does not tell of a closed socket, the states are concluded, and marked so."""
    name = "show --peer kernel, where there is no sock_diag: concluded states are marked"
    if platform.machine() != "x86_64":
        test.skip(name, "the filter is written for x86-64")
        return
    # Until the server's program has accepted there is no socket to ask, nor after it was closed; and a
    # socket does not know of TIME-WAIT.
    passages = {"client": (1, ["~LISTEN", "~SYN-RECEIVED", "~ESTABLISHED", "CLOSE-WAIT",
                               "~LAST-ACK", "~CLOSED"]),
                "server": (0, ["SYN-SENT", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2",
                               "~TIME-WAIT"])}
    problems = []
    for role, (side, wanted) in passages.items():
        status, ladder, errors = run([str(program), "show", "--peer", "kernel", "--role", role],
                                     before=forbid_sock_diag)
        seen = []
        for state in states(ladder, side)[1:]:  # without CLOSED in the beginning
            if not seen or state.strip("~") != seen[-1].strip("~"):
                seen.append(state)
        if status != 0:
            problems.append(f"{role}: exit status {status}: {errors.strip()}")
        if seen != wanted:
            problems += [f"{role}: the kernel went through {seen}", ladder]
    test.clean(name, problems)


def test_closed_tun(test, program):
    """Where TUN is closed to the user, one sentence says so."""
    name = "show --peer kernel --link tun, where the device is closed to the user"
    if os.geteuid() != 0 or os.stat("/dev/net/tun").st_mode & 0o006:
        test.skip(name, "it is open to the user")
        return
    test.clean(name, problems_of_refusal(
        ordinary([str(program), "show", "--peer", "kernel", "--link", "tun"]), "TUN device"))


def test_capture(test, program, folder):
    """Real packets in a capture have right checksums, whatever the kernel left to its link."""
    name = "pcapng of a connection with the kernel passes tshark"
    if shutil.which("tshark") is None:
        test.skip(name, "there is no tshark")
        return
    capture = folder / "peer.pcapng"
    status, _, errors = run([str(program), "show", "--peer", "kernel", "--format", "pcapng",
                             "--output", str(capture)])
    problems = [errors] if status != 0 else []
    status, packets, errors = run(
        ["tshark", "-r", str(capture), "-o", "tcp.check_checksum:TRUE", "-o",
         "ip.check_checksum:TRUE", "-T", "fields", "-e", "tcp.checksum.status", "-e",
         "ip.checksum.status", "-e", "_ws.malformed"])
    lines = packets.splitlines()
    if status != 0 or len(lines) < 10:
        problems.append(f"tshark: status {status}, {len(lines)} packets: {errors}")
    problems += [f"packet {number}: {line}" for number, line in enumerate(lines, 1)
                 if line.split() != ["1", "1"]]
    test.clean(name, problems)


def test_program(test, program):
    """One line for a TAP program that is run as an ordinary user."""
    status, output, errors = run(ordinary([str(program)]))
    cases = [line for line in output.splitlines()
             if re.match(r"(not )?ok\b", line) and "# SKIP" not in line]
    bad = [line for line in cases if line.startswith("not")]
    passed = [line for line in cases if line.startswith("ok")]
    problems = bad + ([f"exit status {status}", errors] if status != 0 else [])
    if not passed:
        problems.append("no case passed: " + output)
    test.clean(f"{program.name}, as an ordinary user: {len(passed)} passed", problems)


def main():
    test = tap.Tap()
    reason = why_not()
    if reason is not None:
        test.skip("the kernel as a peer, as an ordinary user", reason)
        test.finish()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)  # the build may be where only its owner may look
        copies = [pathlib.Path(shutil.copy(program, folder)) for program in
                  (PROGRAM, BUILD / "tests/interop/kernel_links",
                   BUILD / "tests/interop/kernel_transfer")]
        test_show(test, copies[0])
        test_no_namespaces(test, copies[0])
        test_closed_tun(test, copies[0])
        test_inferred(test, copies[0])
        test_capture(test, copies[0], folder)
        for copy in copies[1:]:
            test_program(test, copy)
    test.finish()


if __name__ == "__main__":
    main()
