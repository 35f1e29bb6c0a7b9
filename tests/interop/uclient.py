"""coturn's own client and peer, `turnutils_uclient` and `turnutils_peer`: bulk data and their count of losses."""

import os
import re
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab import Case, Lab
from processes import Process
from server import COTURN, COTURN_LIBRARIES, COTURN_SERVER, PASSWORD, USER, Server

CLIENTS = 4
MESSAGES = 50
PEER_PORT = 3480
SECONDS = 40
TRANSPORTS = {"udp": [], "tcp": ["-t"], "tls": ["-t", "-S"]}
METHODS = {"channels": [], "indications": ["-s"]}


@dataclass
class Count:
    sent: int
    lost: int
    dropped: int


def cases(profiles: list[str]) -> list[Case]:
    to_peer = [
        Case(f"uclient {transport} {method}", "coturn", partial(_to_peer, transport, flags))
        for transport in TRANSPORTS
        for method, flags in METHODS.items()
    ]
    between_clients = [
        Case(f"uclient {transport} client to client", "coturn", partial(_between_clients, transport, []))
        for transport in TRANSPORTS
    ]
    # Other profiles refuse the peer, which is on loopback, and channel numbers beyond those of RFC 8656.
    other_profiles = [
        Case(f"uclient {transport} indications", profile, partial(_between_clients, transport, METHODS["indications"]))
        for profile in profiles
        if profile != "coturn"
        for transport in ("udp", "tcp")
    ]
    return to_peer + between_clients + other_profiles


def start_peer(ip: str, log: Path) -> Process:
    """A UDP echo on the host of the caller."""
    process = Process([COTURN / "bin/turnutils_peer", "-L", ip, "-p", PEER_PORT], log, COTURN_LIBRARIES)
    try:
        process.wait_until("echo", partial(_echoes, ip))
    except BaseException:
        process.stop()
        raise
    return process


def measure(ip: str, port: int, flags: list) -> Count:
    """One run of the client on the host of the caller."""
    command = [COTURN / "bin/turnutils_uclient", "-u", USER, "-w", PASSWORD, "-p", port]
    command += ["-m", CLIENTS, "-n", MESSAGES, "-l", 170, *flags, ip]
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **COTURN_LIBRARIES},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    sent = re.search(r"start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=\d+$", done.stdout, re.MULTILINE)
    lost = re.search(r"Total lost packets (\d+) .* total send dropped (\d+)", done.stdout)
    if done.returncode != 0 or not sent or not lost:
        raise AssertionError(f"uclient ended with status {done.returncode}:\n{done.stdout[-2000:]}")
    return Count(int(sent[1]), int(lost[1]), int(lost[2]))


def require_no_loss(count: Count) -> str:
    if count != Count(CLIENTS * MESSAGES, 0, 0):
        raise AssertionError(f"of {CLIENTS * MESSAGES} messages: {count}")
    return f"{count.sent} messages, none lost"


def _flags(server: Server, transport: str, lab: Lab) -> tuple[int, list]:
    if transport == "tls":
        return server.tls_port, [*TRANSPORTS[transport], "-E", lab.certificates.authority]
    return server.port, TRANSPORTS[transport]


def _to_peer(transport: str, method_flags: list, lab: Lab, server: Server) -> str:
    port, flags = _flags(server, transport, lab)
    with start_peer(server.ip, lab.work / "peer.log"):
        return require_no_loss(measure(server.ip, port, [*flags, *method_flags, "-e", server.ip, "-r", PEER_PORT]))


def _between_clients(transport: str, method_flags: list, lab: Lab, server: Server) -> str:
    """The client counts a record of TLS that carries two messages as one message and one loss. So the
    measure is what Debian's coturn loses in the same run, at the same time."""

    def run(measured: Server) -> Count:
        port, flags = _flags(measured, transport, lab)
        return measure(measured.ip, port, [*flags, *method_flags, "-y"])

    if lab.program == COTURN_SERVER:
        return f"{run(server)}"
    reference = lab.server("reference")
    with ThreadPoolExecutor(1) as beside:
        theirs = beside.submit(run, reference)
        ours = run(server)
        allowed = theirs.result()
    if ours.sent != CLIENTS * MESSAGES or ours.lost > allowed.lost or ours.dropped > allowed.dropped:
        raise AssertionError(f"ours {ours}, Debian's coturn {allowed}")
    return f"{ours.sent} messages, {ours.lost} lost, by Debian's coturn {allowed.lost}"


def _echoes(ip: str) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.2)
        try:
            udp.connect((ip, PEER_PORT))
            udp.send(b"ready?")
            return udp.recv(100) == b"ready?"
        except OSError:
            return False
