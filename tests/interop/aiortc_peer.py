"""aiortc, a WebRTC implementation in Python: two peer connections in this process."""

import asyncio
import os
from functools import partial

from aiortc import RTCConfiguration, RTCIceServer, RTCIceTransportPolicy, RTCPeerConnection

import certs
from browser import TRANSPORTS, url
from lab import Case, Lab
from server import PASSWORD, USER, Server

MESSAGES = 50
SECONDS = 30


def cases(profiles: list[str]) -> list[Case]:
    return [
        Case(f"aiortc {transport}", profile, partial(_run, transport))
        for profile in profiles
        for transport in TRANSPORTS
    ]


def _run(transport: str, lab: Lab, server: Server) -> str:
    os.environ["SSL_CERT_FILE"] = str(lab.certificates.authority)
    # The address, not the name: the resolver of this machine knows no `turn.test`.
    ice_server = RTCIceServer(url(server, transport, certs.SERVER_IP), username=USER, credential=PASSWORD)
    asyncio.run(asyncio.wait_for(_ping_pong(ice_server), SECONDS))
    return f"{MESSAGES} messages echoed"


async def _ping_pong(ice_server: RTCIceServer) -> None:
    configuration = RTCConfiguration(iceServers=[ice_server], iceTransportPolicy=RTCIceTransportPolicy.RELAY)
    caller, callee = RTCPeerConnection(configuration), RTCPeerConnection(configuration)
    try:
        answers = asyncio.Queue()
        channel = caller.createDataChannel("echo")
        channel.on("open", lambda: answers.put_nowait("open"))
        channel.on("message", answers.put_nowait)
        callee.on("datachannel", lambda other: other.on("message", other.send))

        await caller.setLocalDescription(await caller.createOffer())
        await callee.setRemoteDescription(caller.localDescription)
        await callee.setLocalDescription(await callee.createAnswer())
        await caller.setRemoteDescription(callee.localDescription)
        for peer in caller, callee:
            _require_relay_candidates(peer.localDescription.sdp)

        assert await answers.get() == "open"
        for number in range(MESSAGES):
            ping = f"ping {number}".ljust(1000, ".")
            channel.send(ping)
            assert await answers.get() == ping, "another message came back"
    finally:
        await asyncio.gather(caller.close(), callee.close())


def _require_relay_candidates(sdp: str) -> None:
    candidates = [line for line in sdp.splitlines() if line.startswith("a=candidate:")]
    if not candidates or any(" typ relay " not in line for line in candidates):
        raise AssertionError(f"not relay candidates: {candidates}")
