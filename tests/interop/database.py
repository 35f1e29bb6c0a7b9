"""A user database that Debian's `turnadmin` makes, fills and changes, or that the server under test made: both servers
let the same users in, one after the other, on the same file."""

import os
import subprocess
import time
from functools import partial
from pathlib import Path

from lab import Case, Lab
from processes import free_port
from server import COTURN, COTURN_LIBRARIES, COTURN_SERVER, Server, start_with_flags
from uclient import PEER_PORT, start_peer

REALM = "turn.test"
SECRET = "a-secret-of-this-test-51"
# How long a user is remembered whom nobody gets wrong, how long secrets are, how soon a wrong password has the database
# asked again, and what a busy machine takes on top.
KNOWN_SECONDS, SECRET_SECONDS, AGAIN_SECONDS, MARGIN = 60, 5, 1, 30
SECONDS = 180
# Where turnadmin leaves a log of its own.
LOG_FOLDERS = ("/var/log", "/var/tmp", "/tmp", ".")


def cases() -> list[Case]:
    return [
        Case("turnadmin users", "coturn", _users, SECONDS),
        Case("turnadmin secrets", "coturn", _secrets, SECONDS),
        Case("turnadmin on a database of ours", "coturn", _made_by_us, SECONDS),
    ]


def turnadmin(database: Path, *arguments: str) -> str:
    """Runs it and takes its log away again."""
    command = [COTURN / "bin/turnadmin", *arguments, "-b", database, "-r", REALM]
    child = subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, **COTURN_LIBRARIES},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output, _ = child.communicate(timeout=20)
    for folder in LOG_FOLDERS:
        for log in Path(folder).glob(f"turn_{child.pid}_*.log"):
            log.unlink(missing_ok=True)
    if child.returncode != 0:
        raise AssertionError(f"turnadmin {arguments} ended with status {child.returncode}:\n{output}")
    return output


def _start(program: Path, lab: Lab, like: Server, database: Path, changes: dict) -> Server:
    """Another server on the address of `like`, whose users are those of the database."""
    chosen = {
        "listening-ip": [like.ip],
        "relay-ip": [like.ip],
        "listening-port": free_port(like.ip),
        "tls-listening-port": free_port(like.ip),
        "min-port": 26000,
        "max-port": 26999,
        "realm": REALM,
        "log-file": "stdout",
        "pidfile": "",
        "verbose": True,
        "allow-loopback-peers": True,
        "no-tls": True,
        "no-dtls": True,
        **changes,
    }
    # Debian's coturn is given a database beside its log: this one.
    name = "theirs" if program == COTURN_SERVER else "ours"
    log = lab.work / f"{database.stem}.log" if name == "theirs" else lab.work / f"{database.stem}-ours.log"
    ours = {} if name == "theirs" else {"userdb": str(database)}
    return start_with_flags(program, chosen | ours, log)


def _is_let_in(server: Server, credentials: list[str]) -> bool:
    command = [COTURN / "bin/turnutils_uclient", *credentials, "-p", server.port, "-m", 1, "-n", 2]
    command += ["-e", server.ip, "-r", PEER_PORT, server.ip]
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env={**os.environ, **COTURN_LIBRARIES},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=20,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and "Total lost packets 0 " in done.stdout


def _user(name: str, password: str) -> list[str]:
    return ["-u", name, "-w", password]


def _require(server: Server, credentials: list[str], expected: bool = True) -> None:
    if _is_let_in(server, credentials) != expected:
        outcome = "was refused" if expected else "was let in"
        raise AssertionError(f"{server.name}: {credentials} {outcome}; its log ends\n{server.tail(15)}")


def _require_within(seconds: int, server: Server, credentials: list[str], expected: bool = True) -> float:
    begun = time.monotonic()
    while _is_let_in(server, credentials) != expected:
        if time.monotonic() - begun > seconds + MARGIN:
            _require(server, credentials, expected)
        time.sleep(1)
    return time.monotonic() - begun


def _users(lab: Lab, like: Server) -> str:
    database = lab.work / "users.turndb"
    add = partial(turnadmin, database, "-a")
    add("-u", "alice", "-p", "secret")
    add("-u", "bob", "-p", "builder")
    turnadmin(database, "-g", "--user-quota=1000", "--max-bps=10000000")
    turnadmin(database, "-O", "-o", "an-origin")
    with start_peer(like.ip, lab.work / "peer.log"):
        with _start(lab.program, lab, like, database, {"lt-cred-mech": True}) as server:
            _require(server, _user("alice", "secret"))
            _require(server, _user("bob", "builder"))
            _require(server, _user("alice", "guess"), False)
            _require(server, _user("carol", "carols"), False)
            add("-u", "carol", "-p", "carols")
            added = _require_within(AGAIN_SECONDS, server, _user("carol", "carols"))
            add("-u", "alice", "-p", "another")
            turnadmin(database, "-d", "-u", "bob")
            changed = _require_within(AGAIN_SECONDS, server, _user("alice", "another"))
            deleted = _require_within(KNOWN_SECONDS, server, _user("bob", "builder"), False)
            _require(server, _user("alice", "secret"), False)
        with _start(COTURN_SERVER, lab, like, database, {"lt-cred-mech": True}) as server:
            _require(server, _user("alice", "another"))
            _require(server, _user("bob", "builder"), False)
    return f"added after {added:.0f} s, changed {changed:.0f} s, deleted {changed + deleted:.0f} s"


def _secrets(lab: Lab, like: Server) -> str:
    database = lab.work / "secrets.turndb"
    turnadmin(database, "-s", SECRET)
    timed = ["-u", "alice", "-W", SECRET]
    with start_peer(like.ip, lab.work / "peer.log"):
        with _start(lab.program, lab, like, database, {"use-auth-secret": True}) as server:
            _require(server, timed)
            turnadmin(database, "-X", SECRET)
            _require_within(SECRET_SECONDS, server, timed, False)
            turnadmin(database, "-s", SECRET)
            _require_within(SECRET_SECONDS, server, timed)
        with _start(COTURN_SERVER, lab, like, database, {"use-auth-secret": True}) as server:
            _require(server, timed)
    return "let in, deleted, let in again; by coturn as well"


def _made_by_us(lab: Lab, like: Server) -> str:
    database = lab.work / "ours.turndb"
    with start_peer(like.ip, lab.work / "peer.log"):
        with _start(lab.program, lab, like, database, {"lt-cred-mech": True}) as server:
            turnadmin(database, "-a", "-u", "alice", "-p", "secret")
            _require(server, _user("alice", "secret"))
        listed = turnadmin(database, "-l")
        if f"alice[{REALM}]" not in listed:
            raise AssertionError(f"turnadmin lists\n{listed}")
        turnadmin(database, "-s", SECRET)
        turnadmin(database, "-g", "--total-quota=100")
        turnadmin(database, "-A", "-u", "admin", "-p", "pw")
        with _start(COTURN_SERVER, lab, like, database, {"lt-cred-mech": True}) as server:
            _require(server, _user("alice", "secret"))
    return "turnadmin and coturn take it"
