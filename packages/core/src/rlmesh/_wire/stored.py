"""Infos and spaces as bytes that are kept: serialised messages of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlmesh_proto.spaces.v1 import space_pb2, value_pb2

from rlmesh._wire.dynamic import DynamicEncoder, map_from_wire
from rlmesh._wire.parsing import parse_message
from rlmesh._wire.spaces import space_from_wire, space_to_wire
from rlmesh.backends import ArrayBackend
from rlmesh.spaces import Space

__all__ = ["InfoWriter", "info_from_bytes", "space_from_bytes", "space_to_bytes"]


class InfoWriter:
    """Writes infos as serialised `rlmesh.proto.spaces.v1.DynamicMap`.

    What no wire type holds is replaced by its repr, with one warning a key.
    """

    def __init__(self, backend: ArrayBackend) -> None:
        self._encoder = DynamicEncoder(backend)

    def to_bytes(self, info: Mapping[Any, Any]) -> bytes:
        """Return the bytes of an info."""
        message = value_pb2.DynamicMap()
        self._encoder.map(info, message, "info")
        return message.SerializeToString()


def info_from_bytes(data: bytes, backend: ArrayBackend) -> dict[Any, Any]:
    """Return the info that `InfoWriter` wrote; the backend makes its arrays and typed scalars.

    Raises:
        CodecError: If the bytes are not one.
    """
    message = value_pb2.DynamicMap()
    parse_message(message, data)
    return map_from_wire(message, backend, "info")


def space_to_bytes(space: Space[Any]) -> bytes:
    """Return a space as a serialised `rlmesh.proto.spaces.v1.Space`."""
    message = space_pb2.Space()
    space_to_wire(space, message)
    return message.SerializeToString()


def space_from_bytes(data: bytes) -> Space[Any]:
    """Return the space that the bytes encode.

    Raises:
        CodecError: If they are not one.
    """
    message = space_pb2.Space()
    parse_message(message, data)
    return space_from_wire(message)
