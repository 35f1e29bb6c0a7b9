"""What the cases share, each thing made when it is first asked for: servers, browsers, the internet."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import certs
from chromium import Chromium
from firefox import Firefox
from internet import PRIVATE_IP, PUBLIC_IP, Internet
from server import COTURN_SERVER, Server, options, start_with_flags, start_with_toml

# Servers on one address keep to relay ports of their own.
FIRST_RELAY_PORTS = {"default": 20000, "coturn": 22000, "reference": 24000, "nat": 20000}


@dataclass
class Case:
    """`run` gets the lab and the server that is named; it returns a short report or raises, within `seconds`."""

    name: str
    server: str
    run: Callable[["Lab", Server], str]
    seconds: int = 90


class NotStarted(Exception):
    """The server cannot be had."""


class Lab:
    def __init__(self, program: Path, work: Path):
        self.program = program
        self.work = work
        self.certificates = certs.create(work)
        self._servers: dict[str, Server] = {}
        self._not_started: set[str] = set()
        self._stack = ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def server(self, name: str) -> Server:
        """The one server of that name: `default` (started with a TOML file), `coturn` (with coturn's
        command line), `reference` (Debian's coturn), `nat` (on a private address of the internet)."""
        if name in self._not_started:
            raise NotStarted("the server did not start, see above")
        if name not in self._servers or self._servers[name].has_ended():
            try:
                self._servers[name] = self._stack.enter_context(self._start(name))
            except Exception as error:
                # Every case that needs it fails, but none waits for it again.
                self._not_started.add(name)
                raise NotStarted(f"the server did not start: {error}") from error
        return self._servers[name]

    def require_running(self, name: str) -> None:
        self._servers[name].require_running()

    def tail(self, name: str) -> str:
        return self._servers[name].tail()

    @cached_property
    def internet(self) -> Internet:
        return Internet()

    @cached_property
    def chromium(self) -> Chromium:
        return self._stack.enter_context(Chromium(self.work, self.certificates.authority))

    @cached_property
    def firefox(self) -> Firefox:
        return self._stack.enter_context(Firefox(self.work, self.certificates.authority))

    def _start(self, name: str) -> Server:
        if name == "nat":
            return self.internet.server.call(self._start_here, name, PRIVATE_IP)
        return self._start_here(name, certs.SERVER_IP)

    def _start_here(self, name: str, ip: str) -> Server:
        log = self.work / f"{name}.log"
        chosen = options(ip, self.certificates, FIRST_RELAY_PORTS[name])
        match name:
            case "default":
                return start_with_toml(self.program, chosen, log)
            case "nat":
                return start_with_flags(self.program, chosen | {"external-ip": f"{PUBLIC_IP}/{PRIVATE_IP}"}, log)
            case "coturn":
                return start_with_flags(self.program, chosen | {"allow-loopback-peers": True}, log)
            case "reference":
                return start_with_flags(COTURN_SERVER, chosen | {"allow-loopback-peers": True}, log)
            case _:
                raise ValueError(f"no server is called {name}")
