"""Wire codecs as sessions use them, implemented for environments and for models."""

from __future__ import annotations

from typing import Any, Protocol

from rlmesh._buffers import Frame, FrameAllocator, join_parts
from rlmesh._messages import env as m
from rlmesh.backends import Buffer
from rlmesh.specs import PeerInfo, SessionTerms

__all__ = ["ClientWireCodec", "ServerWireCodec"]


class ClientWireCodec(Protocol):
    """The wire codec of a client."""

    def write_request(
        self, request: m.Request, allocate: FrameAllocator = join_parts, *, aligned: int = 0
    ) -> Frame:
        """Return the frame of a request; `allocate` chooses the memory of a large one.

        The slabs of a value are aligned (B-17) if they have `aligned` bytes together; 0: never.
        """
        ...

    def read_reply(self, data: Buffer) -> tuple[int, m.Reply]:
        """Return the sequence number and the reply of a frame; raise CodecError if malformed."""
        ...


class ServerWireCodec(Protocol):
    """The wire codec of a server."""

    def read_request(self, data: Buffer) -> m.Request:
        """Return the request of a frame; raise CodecError if it is malformed."""
        ...

    def write_reply(
        self,
        sequence: int,
        reply: m.Reply,
        call_us: int = 0,
        allocate: FrameAllocator = join_parts,
        *,
        aligned: int = 0,
    ) -> Frame:
        """Return the frame of the reply to request `sequence`."""
        ...

    def write_description(self, server: PeerInfo, served: Any, terms: SessionTerms, /) -> bytes:
        """Return the answer to `Describe`."""
        ...
