"""Announcements of servers: a file for each in a folder, which clients read on any host."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
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

    A folder that does not exist yet is empty.
    """
    path = Path(folder)
    if not path.is_dir():
        return
    for file in sorted(path.glob(f"*{_SUFFIX}")):
        try:
            with file.open("rb") as opened:
                facts = json.loads(opened.read(_MAX_BYTES))
            found = Announcement(**facts)
            if not isinstance(found.address, str):
                raise TypeError(f"address is {found.address!r:.60}")
        except FileNotFoundError:
            continue  # Its server has just stopped.
        except (OSError, ValueError, TypeError) as error:
            yield file.name, f"{type(error).__name__}: {error}"
        else:
            yield file.name, found
