"""What both browsers are asked to do, and what is expected of them."""

from pathlib import Path

import certs
from server import PASSWORD, USER, Server

RELAY_SCRIPT = (Path(__file__).parent / "relay.js").read_text()
SCRIPT_SECONDS = 30
TRANSPORTS = ("udp", "tcp", "tls")


def url(server: Server, transport: str, tls_host: str = certs.SERVER_NAME) -> str:
    if transport == "tls":
        return f"turns:{tls_host}:{server.tls_port}?transport=tcp"
    return f"turn:{server.ip}:{server.port}?transport={transport}"


def ping_pong(browser, server: Server, transport: str) -> str:
    ice_servers = [{"urls": url(server, transport), "username": USER, "credential": PASSWORD}]
    report = browser.execute(RELAY_SCRIPT, ice_servers)
    expected = [{"type": "relay", "relayProtocol": transport}] * 2
    if not report["completed"] or report["candidates"] != expected:
        raise AssertionError(f"{browser.name}: {report}")
    return f"{report['messages']} messages echoed"
