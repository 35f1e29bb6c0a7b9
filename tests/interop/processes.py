"""Programs run to their end or in the background, and waiting without fixed sleeps."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path


def run(*command: str, stdin: str = "") -> None:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def free_port(ip: str = "127.0.0.1") -> int:
    """A port number that is free for TCP and for UDP."""
    while True:
        with socket.socket(type=socket.SOCK_STREAM) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind((ip, 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


class Process:
    """A program in a session of its own, its output in `log`. Ending it ends what it started itself, too."""

    def __init__(self, command: list, log: Path, environment: dict | None = None):
        self.log = log
        self.name = Path(command[0]).name
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def has_ended(self) -> bool:
        return self._child.poll() is not None

    def require_running(self) -> None:
        if self.has_ended():
            raise RuntimeError(f"{self.name} ended with status {self._child.returncode}; its log ends\n{self.tail()}")

    def wait_until(self, what: str, probe, seconds: float = 20):
        """Polls `probe` until it returns something true, and returns that."""
        deadline = time.monotonic() + seconds
        while not (found := probe()):
            self.require_running()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name}: no {what} within {seconds} s; its log ends\n{self.tail()}")
            time.sleep(0.02)
        return found

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        if self.has_ended():
            return
        # Until the child has been waited for, its group's number cannot be another's.
        os.killpg(self._child.pid, signal.SIGTERM)
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait(5)
