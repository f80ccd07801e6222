"""What sessions ask of frames: those of an environment and of a model are both such."""

from __future__ import annotations

from typing import Any, Protocol

from rlmesh._buffers import Frame, FrameAllocator, join_parts
from rlmesh._messages import env as m
from rlmesh.backends import Buffer
from rlmesh.specs import PeerInfo, SessionTerms

__all__ = ["ClientWireCodec", "ServerWireCodec"]


class ClientWireCodec(Protocol):
    """The client's part."""

    def write_request(self, request: m.Request, allocate: FrameAllocator = join_parts) -> Frame:
        """The frame of a request; `allocate` puts a large one where the transport wants it."""
        ...

    def read_reply(self, data: Buffer) -> tuple[int, m.Reply]:
        """Sequence number and reply of a frame; raises CodecError."""
        ...


class ServerWireCodec(Protocol):
    """The server's part."""

    def read_request(self, data: Buffer) -> m.Request:
        """The request of a frame; raises CodecError."""
        ...

    def write_reply(
        self, sequence: int, reply: m.Reply, call_us: int = 0, allocate: FrameAllocator = join_parts
    ) -> Frame:
        """The frame of the reply to request `sequence`."""
        ...

    def write_description(self, server: PeerInfo, served: Any, terms: SessionTerms, /) -> bytes:
        """The answer of `Describe`."""
        ...
