"""Target: bytes of a `Space` message, against the reference of tools/vectors."""

from __future__ import annotations

import math
from typing import Any

from google.protobuf.message import DecodeError
from rlmesh_proto.spaces.v1 import space_pb2

from rlmesh import spaces
from rlmesh._codec import SpaceCodec
from rlmesh._wire.spaces import space_from_wire, space_to_wire
from rlmesh.backends import NATIVE
from rlmesh.errors import CodecError
from tests.fuzz.messages import has_wide_nothing
from tests.fuzz.promises import check_refusal
from tools.vectors.check import check
from tools.vectors.rejected import Rejected

__all__ = ["LEAF_KINDS", "counts", "read_space", "run"]

ROOT = "observation_space"
MAX_LEAVES, MAX_SPACES = 4_096, 16_384


def _has_parts(content: Any) -> bool:
    """Whether a message of the schema holds `Space` messages, itself or in its parts."""
    below = [field.message_type for field in content.fields if field.message_type is not None]
    return space_pb2.Space.DESCRIPTOR in below or any(map(_has_parts, below))


LEAF_KINDS = {
    field.name for field in space_pb2.Space.DESCRIPTOR.fields if not _has_parts(field.message_type)
}
"""Kinds of spaces whose message holds no other space."""


def run(data: bytes) -> None:
    """Whatever the reference takes is taken and comes back the same; all else is a CodecError."""
    message = parse(data)
    if message is None:
        return
    space = read_space(message)
    if space is None:
        return
    again = space_pb2.Space()
    space_to_wire(space, again)
    back = space_from_wire(again, ROOT)
    assert back == space and hash(back) == hash(space)
    third = space_pb2.Space()
    space_to_wire(back, third)
    assert third.SerializeToString() == again.SerializeToString()
    assert repr(back) == repr(space)
    _check_samples(space)


def parse(data: bytes) -> space_pb2.Space | None:
    """The message; None if the bytes are none."""
    message = space_pb2.Space()
    try:
        message.ParseFromString(data)
    except DecodeError:
        return None
    return message


def read_space(message: space_pb2.Space) -> spaces.Space[Any] | None:
    """The space of a message, None if it is refused; the reference must agree."""
    try:
        check(message)
        leaves, messages = counts(message)
        broken = "" if leaves <= MAX_LEAVES and messages <= MAX_SPACES else "over a limit (M-1)"
    except Rejected as rejected:
        broken = str(rejected)
    try:
        space = space_from_wire(message, ROOT)
    except CodecError as error:
        check_refusal(error, ROOT)
        if broken or has_wide_nothing(message):
            return None
        raise
    assert not broken, f"taken, although {broken}"
    return space


def counts(message: space_pb2.Space) -> tuple[int, int]:
    """How many leaves and `Space` messages there are in a message."""
    children = _children(message)
    leaves = int(message.WhichOneof("kind") in LEAF_KINDS)
    messages = 1
    for child in children:
        more = counts(child)
        leaves, messages = leaves + more[0], messages + more[1]
    return leaves, messages


def _children(message: space_pb2.Space) -> list[space_pb2.Space]:
    kind = message.WhichOneof("kind")
    if kind == "dict":
        return [entry.space for entry in message.dict.entries]
    if kind == "tuple":
        return list(message.tuple.spaces)
    if kind == "one_of":
        return list(message.one_of.spaces)
    if kind == "sequence":
        return [message.sequence.space]
    if kind == "graph":
        graph = message.graph
        return [graph.node_space] + ([graph.edge_space] if graph.HasField("edge_space") else [])
    assert kind is None or kind in LEAF_KINDS, f"the parts of a {kind} are not counted"
    return []


def _check_samples(space: spaces.Space[Any]) -> None:
    """A sample is of the space, and comes back from its slabs."""
    if not _is_small(space):
        return
    space.seed(0)
    value = space.sample()
    assert space.contains(value), f"{value!r} is not in {space!r}"
    codec = SpaceCodec(space, NATIVE, validation="strict")
    slabs = codec.encode(value)
    assert codec.encode(codec.decode(slabs)) == slabs


def _is_small(space: spaces.Space[Any], sequences: int = 0) -> bool:
    """Whether a sample takes no time; those of sequences in sequences grow fast."""
    if isinstance(space, spaces.Text):
        return space.max_length <= 1_000
    if space.shape is not None and math.prod(space.shape) > 1_000:
        return False
    sequences += isinstance(space, (spaces.Sequence, spaces.Graph))
    children = space.children
    return (
        len(children) <= 20 and sequences <= 2 and all(_is_small(c, sequences) for _, c in children)
    )
