"""Every room handles every kind of space; `test_fields.py` has the fields of the contract.

A new subclass of `Space` fails `test_every_kind_has_an_example` until it is in `EXAMPLES`, and
then one test for each room that does not know it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rlmesh_proto.env.v1 import contract_pb2, handshake_pb2
from rlmesh_proto.spaces.v1 import space_pb2

from rlmesh import spaces, specs
from rlmesh._cli.space_facts import space_facts, space_words
from rlmesh._codec import SpaceCodec
from rlmesh._codec.base import Node
from rlmesh._recording.columns import Columns
from rlmesh._wire.spaces import _Reader, space_from_wire, space_to_wire
from rlmesh.backends import NATIVE
from rlmesh.spaces._base import NumericSpace
from rlmesh.spaces._stacking import stack, unstack
from tests.fuzz.spaces import counts
from tools.vectors import decode, encode

EXAMPLES: dict[str, spaces.Space[Any]] = {
    "box": spaces.Box(-1, 1, (2,), "float32"),
    "discrete": spaces.Discrete(3, start=-1),
    "multi_binary": spaces.MultiBinary(3),
    "multi_discrete": spaces.MultiDiscrete([2, 3]),
    "text": spaces.Text(4),
    "dict": spaces.Dict({"a": spaces.Discrete(2)}),
    "tuple": spaces.Tuple([spaces.Discrete(2), spaces.Discrete(3)]),
    "sequence": spaces.Sequence(spaces.Discrete(2)),
    "graph": spaces.Graph(spaces.Box(-1, 1, (1,), "float32"), spaces.Discrete(2)),
    "one_of": spaces.OneOf([spaces.Discrete(2), spaces.Box(0, 1, (1,), "float32")]),
}


def kinds() -> set[type[spaces.Space[Any]]]:
    """Return every concrete class of spaces."""
    found: set[type[spaces.Space[Any]]] = set()
    waiting: list[Any] = [spaces.Space]
    while waiting:
        children = waiting.pop().__subclasses__()
        waiting += children
        found.update(child for child in children if child.__module__.startswith("rlmesh."))
    return found - {NumericSpace}


def drawn(space: spaces.Space[Any]) -> Any:
    space.seed(0)
    return space.sample()


def on_the_wire(space: spaces.Space[Any]) -> None:
    message = space_pb2.Space()
    space_to_wire(space, message)
    assert space_from_wire(message) == space


def as_slabs(space: spaces.Space[Any]) -> None:
    codec = SpaceCodec(space, NATIVE)
    slabs = codec.encode(drawn(space))
    assert codec.encode(codec.decode(slabs)) == slabs


def as_counted_leaves(space: spaces.Space[Any]) -> None:
    """The limits of M-1 count the same leaves in a space, on the wire and in the compiled plan."""
    message = space_pb2.Space()
    space_to_wire(space, message)
    reader = _Reader()
    reader.space(message, "space", 1)
    assert space._leaves == reader._leaves == counts(message)[0]
    compiled = {node.path for node in leaf_nodes(SpaceCodec(space, NATIVE)._node)}
    assert space._leaves == len(compiled - {"value.edge_links"})  # Links belong to the graph.


def leaf_nodes(node: Node) -> list[Node]:
    """Return the nodes of a compiled plan that have no nodes of their own."""
    below: list[Node] = []
    waiting = list(vars(node).values())
    while waiting:
        part = waiting.pop()
        if isinstance(part, Node):
            below += leaf_nodes(part)
        elif isinstance(part, (list, tuple)):
            waiting += part
    return below or [node]


def as_columns(space: spaces.Space[Any]) -> None:
    columns = Columns(space, "observation")
    value = columns.value(columns.cells(drawn(space)), NATIVE)
    assert columns.cells(value) == columns.cells(drawn(space))


def as_a_stack(space: spaces.Space[Any]) -> None:
    value = drawn(space)
    stacked = stack(space, [value, value])
    parts = unstack(space, stacked)
    assert parts is not None and len(parts) == 2


def in_the_terminal(space: spaces.Space[Any]) -> None:
    assert space_facts(space)["kind"] == space.kind
    assert space_words(space)


def in_gymnasium(space: spaces.Space[Any]) -> None:
    pytest.importorskip("rlmesh_numpy")
    assert spaces.from_gymnasium(spaces.to_gymnasium(space)) == space


def in_the_reference_codec(space: spaces.Space[Any]) -> None:
    message = space_pb2.Space()
    space_to_wire(space, message)
    slabs = [bytes(slab) for slab in SpaceCodec(space, NATIVE).encode(drawn(space))]
    assert encode.encode(message, decode.decode(message, slabs, 1)) == slabs


ROOMS: list[Callable[[spaces.Space[Any]], None]] = [
    on_the_wire,
    as_slabs,
    as_counted_leaves,
    as_columns,
    as_a_stack,
    in_the_terminal,
    in_gymnasium,
    in_the_reference_codec,
]


def test_every_kind_has_an_example() -> None:
    assert {type(space) for space in EXAMPLES.values()} == kinds()
    assert {kind: space.kind for kind, space in EXAMPLES.items()} == {k: k for k in EXAMPLES}


def test_every_kind_is_in_the_schema() -> None:
    (oneof,) = space_pb2.Space.DESCRIPTOR.oneofs
    assert {field.name for field in oneof.fields} == set(EXAMPLES)


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_every_room_handles_every_kind(
    room: Callable[[spaces.Space[Any]], None], kind: str
) -> None:
    room(EXAMPLES[kind])


@pytest.mark.parametrize(
    ("wire", "prefix", "ours"),
    [
        (handshake_pb2.Capability, "CAPABILITY", specs.Capability),
        (handshake_pb2.TransportKind, "TRANSPORT_KIND", specs.TransportKind),
        (contract_pb2.AutoresetMode, "AUTORESET_MODE", specs.AutoresetMode),
    ],
    ids=["Capability", "TransportKind", "AutoresetMode"],
)
def test_every_value_of_an_enumeration_is_a_member(wire: Any, prefix: str, ours: Any) -> None:
    listed = {name.removeprefix(f"{prefix}_") for name, _ in wire.items()} - {"UNSPECIFIED"}
    assert listed == {member.name for member in ours}
