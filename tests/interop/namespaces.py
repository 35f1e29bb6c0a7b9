"""Networks of this process's own: nothing here reaches the machine's network, nothing there reaches us.

The namespaces have no names. Each lives as long as the threads and processes in it, so there is
nothing to remove afterwards, however the run ends.
"""

import ctypes
import os
import threading
from concurrent.futures import ThreadPoolExecutor

from processes import run

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    if _libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare: " + os.strerror(ctypes.get_errno()))


def ip(*arguments: str) -> None:
    run("ip", *arguments)


def isolate() -> None:
    """Moves this process, which must have one thread yet, to a network with one cable that leads nowhere.

    The default route is for WebRTC clients: they gather no candidate on a machine without one.
    """
    if os.geteuid() == 0:
        unshare(CLONE_NEWNET)
    else:
        _become_root_of_a_user_namespace()
    ip("link", "set", "lo", "up")
    ip("link", "add", "outside", "type", "veth", "peer", "name", "nowhere")
    ip("address", "add", "10.255.255.1/24", "dev", "outside")
    ip("link", "set", "nowhere", "up")
    ip("link", "set", "outside", "up")
    ip("route", "add", "default", "dev", "outside")


def _become_root_of_a_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    for name, line in ("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1"):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(line)


class Host:
    """A host of its own. `call` runs a function there: sockets it opens and programs it starts stay there."""

    def __init__(self, name: str):
        self.name = name
        self._neighbours = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._namespace = self.call(self._enter)

    def _enter(self) -> str:
        unshare(CLONE_NEWNET)
        ip("link", "set", "lo", "up")
        return f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net"

    def start(self, function, *arguments, **options):
        return self._thread.submit(function, *arguments, **options)

    def call(self, function, *arguments, **options):
        return self.start(function, *arguments, **options).result()

    def link(self, address: str, other: "Host", other_address: str) -> None:
        """A cable: each end is an interface named after the host at the other end, which lives as long as this."""
        far_end = ("peer", "name", self.name, "netns", other._namespace)
        self.call(ip, "link", "add", "name", other.name, "type", "veth", *far_end)
        for host, interface, own in (self, other.name, address), (other, self.name, other_address):
            host.call(ip, "address", "add", own, "dev", interface)
            host.call(ip, "link", "set", "dev", interface, "up")
        self._neighbours.append(other)
        other._neighbours.append(self)

    def default_route(self, gateway: str) -> None:
        self.call(ip, "route", "add", "default", "via", gateway)

    def forward(self) -> None:
        self.call(_write, "/proc/sys/net/ipv4/ip_forward", "1")

    def firewall(self, rules: str) -> None:
        self.call(run, "nft", "-f", "-", stdin=rules)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
