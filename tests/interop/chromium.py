"""Headless Chromium, driven through chromedriver's HTTP interface."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import certs
from nss import trust
from processes import Process, free_port

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--no-proxy-server",
    f"--host-resolver-rules=MAP {certs.SERVER_NAME} {certs.SERVER_IP}",
]
SCRIPT_SECONDS = 30


class Chromium:
    def __init__(self, work: Path, authority: Path):
        # Chromium trusts what the user's certificate database trusts, so it gets a home of its own.
        home = work / "chromium"
        trust(authority, home / ".pki/nssdb")
        port = free_port()
        self._http = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._base = f"http://127.0.0.1:{port}"
        self._driver = Process(
            ["chromedriver", f"--port={port}"], work / "chromedriver.log", {"HOME": str(home), "TMPDIR": str(home)}
        )
        try:
            self._driver.wait_until("chromedriver", self._ready)
            session = self._request("POST", "/session", {"capabilities": {"alwaysMatch": _capabilities()}})
        except BaseException:
            self._driver.stop()
            raise
        self._session = f"/session/{session['sessionId']}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._request("DELETE", self._session)
        finally:
            self._driver.stop()

    def execute(self, script: str, *arguments):
        return self._request("POST", f"{self._session}/execute/sync", {"script": script, "args": arguments})

    def _ready(self) -> bool:
        try:
            return self._request("GET", "/status")["ready"]
        except OSError:
            return False

    def _request(self, method: str, path: str, body: dict | None = None):
        request = urllib.request.Request(
            self._base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with self._http.open(request, timeout=SCRIPT_SECONDS + 10) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"chromedriver: {error.read().decode(errors='replace')[:2000]}") from None


def _capabilities() -> dict:
    return {
        "browserName": "chrome",
        "goog:chromeOptions": {"args": FLAGS},
        "timeouts": {"script": SCRIPT_SECONDS * 1000},
    }
