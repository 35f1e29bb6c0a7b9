"""Two ICE agents of libnice exchange datagrams, each through a relay of its own and nothing else.

    /usr/bin/python3 nice_agents.py SERVER_IP PORT udp|tcp USER PASSWORD

A program of its own, since Debian's bindings are for Debian's Python. It runs on the server's host.
"""

import ctypes
import sys
import time

import gi

gi.require_version("Nice", "0.1")
from gi.repository import GLib, Nice  # noqa: E402

MESSAGES = 50
SECONDS = 30
COMPONENT = 1
RELAY_TYPES = {"udp": Nice.RelayType.UDP, "tcp": Nice.RelayType.TCP}
RELAYED = Nice.CandidateType.RELAYED

# The bindings leave this function out, as they cannot tell whose the bytes are that its callback gets.
_RECEIVE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_uint] * 3, ctypes.c_void_p, ctypes.c_void_p)
_attach_recv = ctypes.CDLL("libnice.so.10").nice_agent_attach_recv
_attach_recv.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, _RECEIVE, ctypes.c_void_p]
_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.argtypes, _pointer_of.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p

_end = time.monotonic() + SECONDS


class Complaint(Exception):
    pass


class Agent:
    def __init__(self, name: str, controlling: bool, relay: tuple):
        self.name = name
        self._gathered = False
        self._state = Nice.ComponentState.DISCONNECTED
        self._pair: list[Nice.CandidateType] = []
        self._received: list[bytes] = []
        self._agent = Nice.Agent(controlling_mode=controlling, force_relay=True, upnp=False)
        self._agent.connect("candidate-gathering-done", self._on_gathered)
        self._agent.connect("component-state-changed", self._on_state)
        self._agent.connect("new-selected-pair-full", self._on_pair)
        # Left to itself it gathers from no loopback address, and asks no UDP server there from another.
        local = Nice.Address()
        local.set_from_string(relay[0])
        self._agent.add_local_address(local)

        self._stream = self._agent.add_stream(COMPONENT)
        self._agent.set_relay_info(self._stream, COMPONENT, *relay)
        self._receive = _RECEIVE(self._on_datagram)
        pointer = _pointer_of(self._agent.__gpointer__, None)
        _attach_recv(pointer, self._stream, COMPONENT, None, self._receive, None)

    def gather(self) -> None:
        self._agent.gather_candidates(self._stream)
        wait_until(f"{self.name}: end of gathering", lambda: self._gathered)
        types = [candidate.type for candidate in self._candidates()]
        if types != [RELAYED]:
            raise Complaint(f"{self.name}: not one relay candidate: {types}")

    def learn(self, other: "Agent") -> None:
        _, user, password = other._agent.get_local_credentials(other._stream)
        self._agent.set_remote_credentials(self._stream, user, password)
        self._agent.set_remote_candidates(self._stream, COMPONENT, other._candidates())

    def connected(self) -> None:
        wait_until(f"{self.name}: connection", self._is_ready)
        if self._pair != [RELAYED, RELAYED]:
            raise Complaint(f"{self.name}: connected through {self._pair}")

    def send(self, message: bytes) -> None:
        if self._agent.send(self._stream, COMPONENT, len(message), message.decode()) != len(message):
            raise Complaint(f"{self.name}: could not send")

    def receive(self) -> bytes:
        wait_until(f"{self.name}: message", lambda: self._received)
        return self._received.pop(0)

    def close(self) -> None:
        closed = []
        self._agent.close_async(lambda *_: closed.append(True))
        wait_until(f"{self.name}: end of the allocation", lambda: closed)

    def _candidates(self) -> list:
        return self._agent.get_local_candidates(self._stream, COMPONENT)

    def _is_ready(self) -> bool:
        if self._state == Nice.ComponentState.FAILED:
            raise Complaint(f"{self.name}: the connectivity checks failed")
        return self._state == Nice.ComponentState.READY

    def _on_gathered(self, _agent, _stream: int) -> None:
        self._gathered = True

    def _on_state(self, _agent, _stream: int, _component: int, state: int) -> None:
        self._state = state

    def _on_pair(self, _agent, _stream: int, _component: int, local, remote) -> None:
        self._pair = [local.type, remote.type]

    def _on_datagram(self, _agent, _stream: int, _component: int, length: int, datagram: int, _data) -> None:
        self._received.append(ctypes.string_at(datagram, length))


def wait_until(what: str, probe) -> None:
    while not probe():
        if time.monotonic() > _end:
            raise Complaint(f"no {what} within {SECONDS} s")
        GLib.MainContext.default().iteration(True)


def main(ip: str, port: str, transport: str, user: str, password: str) -> None:
    # What waits for events gets some, so that it sees the time pass.
    GLib.timeout_add(100, lambda: True)
    relay = (ip, int(port), user, password, RELAY_TYPES[transport])
    caller, callee = Agent("caller", True, relay), Agent("callee", False, relay)
    caller.gather()
    callee.gather()
    caller.learn(callee)
    callee.learn(caller)
    caller.connected()
    callee.connected()
    for number in range(MESSAGES):
        ping = (b"ping %d" % number).ljust(1000, b".")
        caller.send(ping)
        callee.send(callee.receive())
        if caller.receive() != ping:
            raise Complaint("another message came back")
    caller.close()
    callee.close()
    print(f"{MESSAGES} messages echoed")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Complaint as complaint:
        sys.exit(str(complaint))
