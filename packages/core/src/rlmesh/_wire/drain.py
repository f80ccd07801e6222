"""What a client asks of a server that is to stop."""

from __future__ import annotations

import contextlib

from rlmesh_proto.env.v1 import env_pb2

from rlmesh._wire.env_codec import parse_message
from rlmesh.errors import CodecError

__all__ = ["read_drain_seconds"]


def read_drain_seconds(request: bytes) -> float:
    """Return how long open sessions may go on, of a `ShutdownRequest`; 0 if it is none."""
    message = env_pb2.ShutdownRequest()  # That of the model's service is the same.
    with contextlib.suppress(CodecError):
        parse_message(message, request)
    seconds: float = message.drain_ms / 1000
    return seconds
