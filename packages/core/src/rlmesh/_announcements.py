"""Announcements of servers: a file for each in a folder, which clients read on any host."""

from __future__ import annotations

import json
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

__all__ = ["Announcement", "announce", "announced", "withdraw"]

_SUFFIX = ".rlmesh.json"
_MAX_BYTES = 65_536


@dataclass(frozen=True)
class Announcement:
    """The facts about a server that its file has.

    Attributes:
        address: Its address.
        id: Id of its environment.
        host: Name of its host.
        pid: Number of its process there.
    """

    address: str
    id: str
    host: str
    pid: int


def announce(folder: str | os.PathLike[str], address: str, title: str) -> Path:
    """Write the file of a server that accepts clients, and return its path.

    The folder is made if it does not exist. The file appears as a whole, by a rename.

    Args:
        folder: The folder.
        address: Address of the server; one that stands for every interface of the host is announced
            with the host's name.
        title: Id of its environment.

    Raises:
        OSError: If the folder cannot be written.
    """
    host = socket.gethostname()
    for wildcard in ("//0.0.0.0:", "//[::]:"):
        address = address.replace(wildcard, f"//{host}:")
    facts = Announcement(address, title, host, os.getpid())
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    name = f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
    written = path / f".{name}.tmp"
    written.write_text(json.dumps(asdict(facts)), encoding="utf-8")
    final = path / f"{name}{_SUFFIX}"
    written.replace(final)
    return final


def withdraw(path: Path) -> None:
    """Remove the file of a server; do nothing if it is gone."""
    path.unlink(missing_ok=True)


def announced(folder: str | os.PathLike[str]) -> Iterator[tuple[str, Announcement | str]]:
    """Yield the name of each file in a folder with its facts, or why it has none.

    The oldest is first. A folder that does not exist yet is empty.
    """
    path = Path(folder)
    if not path.is_dir():
        return
    found: list[tuple[int, str, Announcement | str]] = []
    for file in path.glob(f"*{_SUFFIX}"):
        try:
            facts, changed_ns = _read(file)
        except FileNotFoundError:
            continue  # Its server has just stopped.
        # Files are anybody's: json raises RecursionError for one that is too deep.
        except (OSError, ValueError, TypeError, RecursionError) as error:
            found.append((0, file.name, f"{type(error).__name__}: {error}"))
        else:
            found.append((changed_ns, file.name, facts))
    yield from ((name, one) for _, name, one in sorted(found, key=lambda entry: entry[:2]))


def _read(file: Path) -> tuple[Announcement, int]:
    """Return the facts of a file, and when it was written (nanoseconds)."""
    # Neither open nor read waits: the file may be a pipe by now, or a link to one of the system's.
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise TypeError("it is no regular file")
        read = json.loads(os.read(descriptor, _MAX_BYTES))
    finally:
        os.close(descriptor)
    if not isinstance(read, dict):
        raise TypeError(f"expected an object, got a {type(read).__name__}")
    names = [field.name for field in fields(Announcement)]
    missing = [name for name in names if name not in read]
    if missing:
        raise ValueError(f"it has no {missing[0]}")
    facts = Announcement(**{name: read[name] for name in names})  # A later version may have more.
    if not isinstance(facts.address, str):
        raise TypeError(f"address is {facts.address!r:.60}")
    facts.address.encode()  # JSON has surrogates, which no address has.
    return facts, status.st_mtime_ns
