"""The certificate databases that Chromium and Firefox read."""

from pathlib import Path

from processes import run


def trust(authority: Path, database: Path) -> None:
    """Makes a database in which the authority may sign servers' certificates."""
    database.mkdir(parents=True, exist_ok=True)
    run("certutil", "-N", "--empty-password", "-d", f"sql:{database}")
    run("certutil", "-A", "-d", f"sql:{database}", "-n", "interop", "-t", "C,,", "-i", str(authority))
