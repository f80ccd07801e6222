"""Slabs in memory that another process may write to while they are decoded, or after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rlmesh._codec import SpaceCodec
from rlmesh._codec.lanes import LaneIO
from rlmesh._messages.env import LaneOutcomes
from rlmesh.backends import Buffer, Leaf, NativeBackend
from rlmesh.errors import CodecError
from rlmesh.spaces import Box, Graph, OneOf, Sequence, Space, Text
from rlmesh.tensor import Tensor

BOX = Box(0, 255, (3,), "uint8")


class Between(NativeBackend):
    """Calls something before or after each array is made, as another process might come then."""

    def __init__(self) -> None:
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None

    def from_bytes(self, data: Buffer, leaf: Leaf, count: int | None, copy: bool) -> Tensor:
        self.before()
        made = super().from_bytes(data, leaf, count, copy)
        self.after()
        return made


def foreign(slabs: list[Buffer]) -> tuple[list[bytearray], list[Buffer]]:
    """Slabs in memory that can be written to, and views of it."""
    memory = [bytearray(slab) for slab in slabs]
    return memory, [memoryview(one) for one in memory]


def test_truth_values_are_those_that_were_checked() -> None:
    backend = Between()
    codec = SpaceCodec(Box(0, 1, (3,), "bool"), backend)
    (memory,), slabs = foreign([b"\0\1\0"])
    backend.before = lambda: memory.__setitem__(0, 7)
    assert codec.decode(slabs).tobytes() == b"\0\1\0"


def test_edges_are_those_that_were_checked() -> None:
    backend = Between()
    graph = Graph(BOX, BOX)
    codec = SpaceCodec(graph, backend)
    nodes = Tensor(bytes(6), "uint8", (2, 3))
    edges = Tensor(bytes(3), "uint8", (1, 3))
    links = Tensor(bytes(8), "int32", (1, 2))
    sent = codec.encode(backend.graph_type(nodes, edges, links))
    memory, slabs = foreign(sent)
    memory[3][0] = 9  # A node that there is not.

    def hide() -> None:
        memory[3][0] = 0

    backend.after = hide
    with pytest.raises(CodecError, match="V-11: expected ends from 0 to 1, got 9"):
        codec.decode(slabs)


@pytest.mark.parametrize(
    ("space", "value", "telling"),
    [
        (Text(8), "word", [0]),
        (Sequence(BOX), (bytes(3), bytes(3)), [0]),
        (Sequence(Text(3)), ("a", "bc"), [0, 1]),
        (OneOf([BOX, Text(3)]), (1, "a"), [0, 2]),
    ],
)
def test_what_tells_sizes_is_the_same_for_whoever_reads_it_again(
    space: Space[Any], value: Any, telling: list[int]
) -> None:
    """As the model's thread does, which joins observations of several sessions."""
    backend = NativeBackend()
    codec = SpaceCodec(space, backend)
    if isinstance(value[0], bytes):
        value = tuple(Tensor(part, "uint8", (3,)) for part in value)
    sent = codec.encode(value)
    memory, slabs = foreign(sent)
    codec.decode(slabs)
    for slab in memory:
        slab[:] = bytes(len(slab))
    for index in telling:
        assert bytes(slabs[index]) == bytes(sent[index])


def test_flags_of_a_graph_too() -> None:
    backend = NativeBackend()
    codec = SpaceCodec(Graph(BOX, None), backend)
    sent = codec.encode(backend.graph_type(Tensor(bytes(6), "uint8", (2, 3)), None, None))
    memory, slabs = foreign(sent)
    codec.decode(slabs)
    memory[0][:], memory[1][:] = b"\7", b"\7\0\0\0"
    assert list(map(bytes, slabs[:3])) == list(map(bytes, sent[:3]))


def test_flags_of_lanes_are_those_that_were_checked() -> None:
    backend = Between()
    rewards = bytes(16)
    (memory,), (flags,) = foreign([b"\0\1"])
    written = iter([0, 7, 7])  # Before the rewards, and the flags of either kind.
    backend.before = lambda: memory.__setitem__(0, next(written))
    _, terminated, _ = LaneIO(backend, 2).arrays(LaneOutcomes(rewards, flags, b"\0\0"))
    assert terminated.tobytes() == b"\0\1"
