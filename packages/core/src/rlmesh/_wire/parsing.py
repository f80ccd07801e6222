"""Parses the bytes of a peer into messages, within the limits of the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from rlmesh._messages import env as m
from rlmesh._wire.fast_path import NotCanonical, sequence_of
from rlmesh._wire.parts import too_many_parts
from rlmesh.backends import Buffer
from rlmesh.errors import CodecError

__all__ = ["parse_message", "request_of"]


def parse_message(message: Any, data: Buffer) -> None:
    """Read a frame into a message; CodecError if it is none, or has too many parts."""
    data = bytes(data)
    if reason := too_many_parts(data, message.DESCRIPTOR):
        raise CodecError(reason, rule="M-9")
    _parse(message, data)


def _parse(message: Any, data: bytes) -> None:
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise CodecError(f"not a {message.DESCRIPTOR.full_name}: {error}", rule="G-1") from None


def request_of(
    frame: Any, data: Buffer, readers: Mapping[str, Callable[[Any], m.RequestBody]]
) -> m.Request:
    """Return the request of a frame by the reader of its kind; `Malformed` if it breaks a rule.

    Raises:
        CodecError: If it is not a frame.
    """
    data = bytes(data)
    if reason := too_many_parts(data, frame.DESCRIPTOR):
        return _request_of_many_parts(data, reason)
    _parse(frame, data)
    kind = frame.WhichOneof("request") or ""
    reader = readers.get(kind)
    if reader is None:
        return m.Request(frame.sequence, m.Unsupported(kind or "a request of a newer spec"))
    try:
        return m.Request(frame.sequence, reader(getattr(frame, kind)))
    except CodecError as error:
        return m.Request(frame.sequence, m.Malformed(kind, str(error), error.path))


def _request_of_many_parts(data: bytes, reason: str) -> m.Request:
    """Describe a request that is not read; its session goes on if its number can be read."""
    try:
        sequence, _ = sequence_of(data)
    except (IndexError, NotCanonical):
        raise CodecError(reason, rule="M-9") from None
    return m.Request(sequence, m.Malformed("request", f"M-9: {reason}"))
