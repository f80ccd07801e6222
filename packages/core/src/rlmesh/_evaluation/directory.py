"""`Directory`: the endpoints that servers announce by files in a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rlmesh._announcements import Announcement, announced
from rlmesh._evaluation.endpoint import Endpoint
from rlmesh._logs import logger
from rlmesh._transport.address import parse_address
from rlmesh.errors import AddressError

__all__ = ["Announced", "Directory", "Pool"]

_log = logger("rlmesh.evaluate")


@runtime_checkable
class Pool(Protocol):
    """A source of endpoints that join and leave a run.

    Attributes:
        name: Name for logs.
        at_least: Number of endpoints that a run waits for before it begins.
        patience: Seconds that a run waits for them, and later for an endpoint if it has none.
    """

    name: str
    at_least: int
    patience: float

    def poll(self) -> Sequence[Endpoint]:
        """Return the present endpoints; each has a name of its own."""
        ...


@dataclass(frozen=True)
class Announced:
    """An endpoint with the address that its file has.

    Attributes:
        name: Its address.
        address: Its address.
        file: Name of its file, which is another one if the server starts again.
    """

    name: str
    address: str
    file: str

    def resolve(self) -> str:
        """Return the address."""
        return self.address


class Directory:
    """The environments of the servers that announce themselves in a folder.

    `rlmesh serve ENV --announce DIR` and `EnvServer(env, announce=DIR)` write a file when clients
    can connect, and remove it when they stop: so the jobs of a Slurm array, or workers that are
    started by hand, join a run while it plays. A new one plays within about two seconds. The
    file of a server that is gone (it was killed) is left out after one warning.

    Pass a directory to `evaluate` wherever it takes an address. All its servers serve the same
    environment.

    Args:
        path: The folder, which all hosts see; it need not exist yet.
        at_least: Number of endpoints that a run waits for before it begins.
        patience: Seconds that a run waits for them; it begins with fewer after that, and ends if
            there is none. During the run, seconds that it waits for a new endpoint if it has none.

    Raises:
        ValueError: If `at_least` is below 1, or `patience` is negative.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, at_least: int = 1, patience: float = 60.0
    ) -> None:
        if at_least < 1:
            raise ValueError(f"expected at_least of 1 or more, got {at_least}")
        if not patience >= 0:
            raise ValueError(f"expected a patience of 0 s or more, got {patience}")
        self.path = os.fspath(path)
        self.name = f"directory {self.path}"
        self.at_least = at_least
        self.patience = patience
        self._refused: set[str] = set()

    def poll(self) -> Sequence[Endpoint]:
        """Return the endpoints that are announced at present."""
        # Of two files with one address, the older one is of a server that was killed.
        found: dict[str, Endpoint] = {}
        for name, facts in announced(self.path):
            why = _refusal(facts)
            if why is None:
                assert isinstance(facts, Announcement)
                found[facts.address] = Announced(facts.address, facts.address, name)
            elif name not in self._refused:
                self._refused.add(name)
                _log.warning("%s: %s is no announcement: %s", self.name, name, why)
        return list(found.values())

    def __repr__(self) -> str:
        return f"Directory({self.path!r}, at_least={self.at_least}, patience={self.patience:g})"


def _refusal(facts: Announcement | str) -> str | None:
    """Return why a file is no announcement; None: it is one."""
    if isinstance(facts, str):
        return facts
    try:
        parse_address(facts.address)
    except AddressError as error:
        return str(error)
    return None
