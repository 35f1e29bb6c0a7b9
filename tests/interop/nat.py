"""The server on a private address behind a 1:1 NAT, its clients behind NATs of their own."""

import asyncio
import queue
import socket
from concurrent import futures
from functools import partial

import aioice
from aioice import turn

import uclient
from internet import PEER_IP, PUBLIC_IP, STRANGER_IP, Internet
from lab import Case, Lab
from server import PASSWORD, USER, Server

MESSAGES = 20
SECONDS = 20


def cases() -> list[Case]:
    return [
        Case("nat: client to plain peer and back", "nat", _to_plain_peer),
        Case("nat: a stranger needs permission", "nat", _stranger),
        Case("nat: client to client udp", "nat", partial(_between_clients, "udp")),
        Case("nat: client to client tcp", "nat", partial(_between_clients, "tcp")),
    ]


def _to_plain_peer(lab: Lab, server: Server) -> str:
    flags = ["-e", PEER_IP, "-r", uclient.PEER_PORT]
    with lab.internet.peer.call(uclient.start_peer, PEER_IP, lab.work / "peer.log"):
        return uclient.require_no_loss(lab.internet.a.call(uclient.measure, PUBLIC_IP, server.port, flags))


def _stranger(lab: Lab, server: Server) -> str:
    with lab.internet.peer.call(_socket, PEER_IP) as peer, lab.internet.stranger.call(_socket, STRANGER_IP) as stranger:
        lab.internet.a.call(_bounded, _permission_story(server.port, peer, stranger))
    return "refused without, let in with it"


async def _permission_story(port: int, peer: socket.socket, stranger: socket.socket) -> None:
    transport, client = await turn.create_turn_endpoint(_Client, (PUBLIC_IP, port), USER, PASSWORD)
    relayed = transport.get_extra_info("sockname")
    assert relayed[0] == PUBLIC_IP, f"relayed address {relayed}"

    transport.sendto(b"hello peer", peer.getsockname())
    assert await _receive(peer) == (b"hello peer", relayed)
    for _ in range(MESSAGES):
        stranger.sendto(b"let me in", relayed)
    peer.sendto(b"hello client", relayed)
    # What comes first tells: the stranger spoke before the peer did.
    assert await client.received.get() == (b"hello client", peer.getsockname())

    transport.sendto(b"hello stranger", stranger.getsockname())
    assert await _receive(stranger) == (b"hello stranger", relayed)
    stranger.sendto(b"thank you", relayed)
    assert await client.received.get() == (b"thank you", stranger.getsockname())
    transport.close()


class _Client(asyncio.DatagramProtocol):
    def __init__(self):
        self.received = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.received.put_nowait((data, addr))


def _between_clients(transport: str, lab: Lab, server: Server) -> str:
    """Each sends to the other's relayed address, which the NAT would not bring back to the server."""
    internet: Internet = lab.internet
    from_a, from_b = queue.Queue(), queue.Queue()
    ends = [
        internet.a.start(_bounded, _ice_agent(True, server.port, transport, from_a, from_b)),
        internet.b.start(_bounded, _ice_agent(False, server.port, transport, from_b, from_a)),
    ]
    # The first complaint is the cause, the other end's a consequence.
    ended, _ = futures.wait(ends, return_when=futures.FIRST_EXCEPTION)
    for end in ended:
        end.result()
    return f"{MESSAGES} messages each way"


async def _ice_agent(controlling: bool, port: int, transport: str, mine: queue.Queue, others: queue.Queue) -> None:
    connection = aioice.Connection(
        ice_controlling=controlling,
        turn_server=(PUBLIC_IP, port),
        turn_username=USER,
        turn_password=PASSWORD,
        turn_transport=transport,
        transport_policy=aioice.TransportPolicy.RELAY,
    )
    try:
        await connection.gather_candidates()
        places = [(candidate.type, candidate.host) for candidate in connection.local_candidates]
        assert places == [("relay", PUBLIC_IP)], f"candidates {places}"
        mine.put((connection.local_username, connection.local_password, connection.local_candidates))
        # The loop has nothing else to do yet, so it may wait here.
        connection.remote_username, connection.remote_password, candidates = others.get(timeout=SECONDS)
        for candidate in [*candidates, None]:
            await connection.add_remote_candidate(candidate)
        await connection.connect()
        await _ping(connection) if controlling else await _echo(connection)
    finally:
        await connection.close()


async def _ping(connection: aioice.Connection) -> None:
    for number in range(MESSAGES):
        await connection.send(b"ping %d" % number)
        assert await connection.recv() == b"ping %d" % number


async def _echo(connection: aioice.Connection) -> None:
    for _ in range(MESSAGES):
        await connection.send(await connection.recv())


def _bounded(story) -> None:
    asyncio.run(asyncio.wait_for(story, SECONDS))


def _socket(ip: str) -> socket.socket:
    udp = socket.socket(type=socket.SOCK_DGRAM)
    udp.bind((ip, 0))
    udp.setblocking(False)
    return udp


async def _receive(udp: socket.socket):
    return await asyncio.get_running_loop().sock_recvfrom(udp, 1500)
