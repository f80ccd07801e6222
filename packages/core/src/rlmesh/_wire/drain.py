"""The drain time of a `ShutdownRequest`."""

from __future__ import annotations

import contextlib

from rlmesh_proto.env.v1 import env_pb2

from rlmesh._wire.parsing import parse_message
from rlmesh.errors import CodecError

__all__ = ["read_drain_seconds"]


def read_drain_seconds(request: bytes) -> float:
    """Return the seconds that open sessions may continue; 0 if `request` cannot be read."""
    message = env_pb2.ShutdownRequest()  # The model service's message has the same fields.
    with contextlib.suppress(CodecError):
        parse_message(message, request)
    seconds: float = message.drain_ms / 1000
    return seconds
