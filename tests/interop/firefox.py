"""Headless Firefox, driven through its Marionette port: messages are `<length>:<JSON>`."""

import json
import socket
from pathlib import Path

import certs
from nss import trust
from processes import Process, free_port

MOST_BYTES = 1 << 20
SCRIPT_SECONDS = 30


class Firefox:
    def __init__(self, work: Path, authority: Path):
        profile = work / "firefox"
        trust(authority, profile)
        port = free_port()
        (profile / "user.js").write_text(_preferences(port))
        command = ["firefox-esr", "--headless", "--marionette", "--no-remote", "--profile", profile]
        self._process = Process(command, work / "firefox.log", {"HOME": str(profile)})
        self._message = 0
        try:
            self._socket = self._process.wait_until("Marionette port", lambda: _connect(port), 60)
            self._socket.settimeout(SCRIPT_SECONDS + 10)
            self._receive()
            timeouts = {"script": SCRIPT_SECONDS * 1000}
            self._command("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"timeouts": timeouts}}})
        except BaseException:
            self._process.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()
        self._process.stop()

    def execute(self, script: str, *arguments):
        return self._command("WebDriver:ExecuteScript", {"script": script, "args": arguments})["value"]

    def _command(self, name: str, parameters: dict):
        self._message += 1
        body = json.dumps([0, self._message, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(body), body))
        _, answered, error, result = self._receive()
        if error is not None or answered != self._message:
            raise RuntimeError(f"firefox: {name}: {error}")
        return result

    def _receive(self):
        digits = b""
        while not digits.endswith(b":"):
            digits += self._read(1)
        length = int(digits[:-1])
        if length > MOST_BYTES:
            raise RuntimeError(f"firefox: a message of {length} bytes")
        return json.loads(self._read(length))

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            piece = self._socket.recv(length - len(data))
            if not piece:
                raise ConnectionError("firefox closed the Marionette connection")
            data += piece
        return data


def _connect(port: int) -> socket.socket | None:
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=1)
    except OSError:
        return None


def _preferences(port: int) -> str:
    preferences = {
        "marionette.port": port,
        # Every name is the server's, so nothing else is ever looked up.
        "network.dns.forceResolve": certs.SERVER_IP,
        "network.proxy.type": 0,
        "media.peerconnection.ice.loopback": True,
    }
    return "".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items())
