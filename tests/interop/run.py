"""Runs real clients against the server and prints a table; ends with 1 when a case is red.

    target/peers/venv/bin/python tests/interop/run.py [--only TEXT] [--server PATH | --coturn]

`tests/interop/peers.sh` brings what this needs, `cargo build --release` the server.
"""

import argparse
import os
import signal
import sys
import tempfile
import textwrap
import time
import traceback
from pathlib import Path

import aiortc_peer
import browser
import database
import namespaces
import nat
import programs
import uclient
from lab import Case, Lab, NotStarted
from server import COTURN_SERVER, ROOT


def main() -> int:
    arguments = _arguments()
    program = COTURN_SERVER if arguments.coturn else arguments.server.resolve()
    if not program.exists():
        sys.exit(f"no server to test: {program} is missing")
    cases = [case for case in _cases(arguments.coturn) if arguments.only in _title(case)]
    if not cases:
        sys.exit(f"no case has {arguments.only!r} in its name")

    # Where nft is, and where the PATH of an ordinary user does not lead.
    os.environ["PATH"] += ":/usr/sbin"
    try:
        namespaces.isolate()
    except OSError as error:
        sys.exit(f"no network of its own ({error}): run as root, or allow user namespaces")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped by SIGTERM"))
    signal.signal(signal.SIGALRM, _out_of_time)
    scratch = tempfile.TemporaryDirectory(prefix="interop-", ignore_cleanup_errors=True)
    with scratch as work, Lab(program, Path(work)) as lab:
        failed = sum(not _passes(case, lab) for case in cases)
    print(f"interop: {len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs real clients against the server.")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases with TEXT in their title")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--server", type=Path, default=ROOT / "target/release/turnserver", metavar="PATH")
    target.add_argument("--coturn", action="store_true", help="test Debian's coturn instead, to compare")
    return parser.parse_args()


def _cases(coturn: bool) -> list[Case]:
    # Debian's coturn reads no TOML file.
    profiles = ["coturn"] if coturn else ["default", "coturn"]
    with_profiles = [case for module in (uclient, aiortc_peer, programs, browser) for case in module.cases(profiles)]
    # It is told apart from Debian's coturn, which it is compared with.
    databases = [] if coturn else database.cases()
    return [*with_profiles, *databases, *nat.cases()]


def _title(case: Case) -> str:
    return f"{case.name} ({case.server})"


def _passes(case: Case, lab: Lab) -> bool:
    begun = time.monotonic()
    report = details = ""
    signal.alarm(case.seconds)
    try:
        report = case.run(lab, lab.server(case.server))
        lab.require_running(case.server)
    except NotStarted as error:
        details = str(error)
    except Exception as error:
        report = str(error).partition("\n")[0]
        details = f"{traceback.format_exc()}the server's log ends\n{lab.tail(case.server)}"
    finally:
        signal.alarm(0)
    outcome = "FAILED" if details else "passed"
    print(f"{outcome}  {_title(case):44}{time.monotonic() - begun:5.1f} s  {report}", flush=True)
    if details:
        print(textwrap.indent(details, "    | "), flush=True)
    return not details


def _out_of_time(*_):
    raise TimeoutError("the case took too long")


if __name__ == "__main__":
    sys.exit(main())
