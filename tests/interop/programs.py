"""Clients that are programs beside this one: libnice with Debian's Python, pion in Go. Each is two clients that
talk through two relays, so that no profile refuses the peer."""

import subprocess
from functools import partial
from pathlib import Path

from lab import Case, Lab
from server import PASSWORD, ROOT, USER, Server

COMMANDS = {
    "libnice": ["/usr/bin/python3", "-I", Path(__file__).parent / "nice_agents.py"],
    "pion": [ROOT / "target/peers/pion"],
}
TRANSPORTS = ("udp", "tcp")
SECONDS = 40


def cases(profiles: list[str]) -> list[Case]:
    return [
        Case(f"{program} {transport}", profile, partial(_run, program, transport))
        for program in COMMANDS
        for profile in profiles
        for transport in TRANSPORTS
    ]


def _run(program: str, transport: str, _lab: Lab, server: Server) -> str:
    command = [*COMMANDS[program], server.ip, str(server.port), transport, USER, PASSWORD]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode != 0:
        raise AssertionError(done.stderr.strip() or f"{program} ended with status {done.returncode}")
    return done.stdout.strip()
