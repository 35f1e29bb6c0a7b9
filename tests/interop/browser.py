"""What both browsers are asked to do, and what is expected of them."""

from functools import partial
from pathlib import Path

import certs
from lab import Case, Lab
from server import PASSWORD, USER, Server

RELAY_SCRIPT = (Path(__file__).parent / "relay.js").read_text()
TRANSPORTS = ("udp", "tcp", "tls")


def cases(profiles: list[str]) -> list[Case]:
    return [
        Case(f"{browser} {transport}", profile, partial(_run, browser, transport))
        for browser in ("chromium", "firefox")
        for profile in profiles
        for transport in TRANSPORTS
    ]


def url(server: Server, transport: str, tls_host: str = certs.SERVER_NAME) -> str:
    if transport == "tls":
        return f"turns:{tls_host}:{server.tls_port}?transport=tcp"
    return f"turn:{server.ip}:{server.port}?transport={transport}"


def _run(browser: str, transport: str, lab: Lab, server: Server) -> str:
    session = getattr(lab, browser)
    ice_servers = [{"urls": url(server, transport), "username": USER, "credential": PASSWORD}]
    report = session.execute(RELAY_SCRIPT, ice_servers)
    expected = [{"type": "relay", "relayProtocol": transport}] * 2
    if not report["completed"] or report["candidates"] != expected:
        raise AssertionError(f"the page reports {report}")
    return f"{report['messages']} messages echoed"
