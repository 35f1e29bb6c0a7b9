"""The server under test, or Debian's coturn in its place: options, start, readiness, end."""

import json
import os
import socket
from functools import cached_property
from pathlib import Path

from certs import Certificates
from processes import Process, free_port

ROOT = Path(__file__).resolve().parents[2]
COTURN = ROOT / "target/peers/coturn/usr"
COTURN_SERVER = COTURN / "bin/turnserver"
COTURN_LIBRARIES = {"LD_LIBRARY_PATH": ":".join(map(str, COTURN.glob("lib/*-linux-gnu")))}

USER, PASSWORD = "alice", "secret"
MAGIC_COOKIE = bytes.fromhex("2112a442")


def options(ip: str, certificates: Certificates, first_relay_port: int = 20000) -> dict:
    """Options by coturn's long names, which are also the keys of our TOML file."""
    return {
        "listening-ip": [ip],
        "relay-ip": [ip],
        "listening-port": free_port(ip),
        "tls-listening-port": free_port(ip),
        "min-port": first_relay_port,
        "max-port": first_relay_port + 1999,
        "realm": "turn.test",
        "user": [f"{USER}:{PASSWORD}"],
        "lt-cred-mech": True,
        "cert": str(certificates.certificate),
        "pkey": str(certificates.key),
        "log-file": "stdout",
        "pidfile": "",
        "verbose": True,
    }


def as_flags(chosen: dict) -> list[str]:
    flags = []
    for name, value in chosen.items():
        if value is True:
            flags.append(f"--{name}")
        else:
            values = value if isinstance(value, list) else [value]
            flags += [f"--{name}={one}" for one in values]
    return flags


def as_toml(chosen: dict) -> str:
    # Strings, numbers, booleans and lists of them are written alike in JSON and TOML.
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in chosen.items())


class Server(Process):
    """A running server that has answered a Binding request. It runs on the host that constructs it."""

    def __init__(self, program: Path, arguments: list, chosen: dict, log: Path):
        self.ip = chosen["listening-ip"][0]
        self.port = chosen["listening-port"]
        self._tls_port = chosen["tls-listening-port"]
        super().__init__([program, *arguments], log, COTURN_LIBRARIES if program == COTURN_SERVER else None)
        try:
            self.wait_until("answer to a Binding request", lambda: _answers_binding(self.ip, self.port))
        except BaseException:
            self.stop()
            raise

    @cached_property
    def tls_port(self) -> int:
        """Where clients of TLS connect: looked at only when a case needs it, so that others do without."""
        self.wait_until("TLS listener", lambda: _accepts(self.ip, self._tls_port), 5)
        return self._tls_port


def start_with_flags(program: Path, chosen: dict, log: Path) -> Server:
    """Started as coturn is: `-n` and `no-cli` keep files and the console out, ours takes them as well."""
    arguments = ["-n", "--no-cli", *as_flags(chosen)]
    if program == COTURN_SERVER:
        arguments.append(f"--userdb={log.with_suffix('.turndb')}")
    return Server(program, arguments, chosen, log)


def start_with_toml(program: Path, chosen: dict, log: Path) -> Server:
    file = log.with_suffix(".toml")
    file.write_text(as_toml(chosen))
    return Server(program, ["-c", file], chosen, log)


def _answers_binding(ip: str, port: int) -> bool:
    transaction = os.urandom(12)
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.2)
        try:
            udp.connect((ip, port))
            udp.send(b"\x00\x01\x00\x00" + MAGIC_COOKIE + transaction)
            answer = udp.recv(1500)
        except OSError:
            return False
    return answer[:2] == b"\x01\x01" and answer[4:20] == MAGIC_COOKIE + transaction


def _accepts(ip: str, port: int) -> bool:
    try:
        socket.create_connection((ip, port), timeout=0.2).close()
    except OSError:
        return False
    return True
