"""`Listening`: a bound listener, and its admission of clients."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rlmesh._transport.socket.server import Admit

__all__ = ["Listening"]


class Listening(NamedTuple):
    """A listener of a server.

    Attributes:
        listener: The bound socket.
        admit: Returns the frames of a connected socket; see `Admit`.
        address: Address for clients.
    """

    listener: socket.socket
    admit: Admit
    address: str
