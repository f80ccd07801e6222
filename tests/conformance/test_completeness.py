"""Every room handles every kind of space; `test_fields.py` has the fields of the contract.

A new subclass of `Space` fails `test_every_kind_has_an_example` until it is in `EXAMPLES`, and
then one test for each room that does not know it.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import isabstract
from typing import Any

import pytest
from rlmesh_proto.env.v1 import contract_pb2
from rlmesh_proto.session.v1 import handshake_pb2
from rlmesh_proto.spaces.v1 import space_pb2

from rlmesh import errors, spaces, specs
from rlmesh._cli.description import Description
from rlmesh._cli.space_facts import space_facts
from rlmesh._codec import SpaceCodec
from rlmesh._codec.base import Node
from rlmesh._codec.split_batch import split_batch
from rlmesh._recording.columns import Columns
from rlmesh._recording.minari import space_json
from rlmesh._wire.spaces import _Reader, space_from_wire, space_to_wire
from rlmesh.adapters import Feature
from rlmesh.adapters._slots import LeafSlot
from rlmesh.backends import NATIVE
from rlmesh.spaces._base import NumericSpace
from rlmesh.spaces._stacking import stack, unstack
from tests.conformance.inspected import inspected
from tests.fuzz.spaces import counts
from tests.property import strategies
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


# For each kind, spaces that differ from the example: each fact of the definition in at least one.
VARIANTS: dict[str, list[spaces.Space[Any]]] = {
    "box": [
        spaces.Box(-1, 1, (3,), "float32"),
        spaces.Box(-1, 1, (2,), "float64"),
        spaces.Box(-2, 1, (2,), "float32"),
        spaces.Box(-1, 2, (2,), "float32"),
    ],
    "discrete": [
        spaces.Discrete(4, start=-1),
        spaces.Discrete(3, start=0),
        spaces.Discrete(3, start=-1, dtype="int8"),
    ],
    "multi_binary": [spaces.MultiBinary([4]), spaces.MultiBinary([3])],
    "multi_discrete": [
        spaces.MultiDiscrete([2, 4]),
        spaces.MultiDiscrete([2, 3], start=[0, 1]),
        spaces.MultiDiscrete([2, 3], "int8"),
    ],
    "text": [spaces.Text(5), spaces.Text(4, min_length=0), spaces.Text(4, charset="ab")],
    "dict": [spaces.Dict({"b": spaces.Discrete(2)}), spaces.Dict({"a": spaces.Discrete(3)})],
    "tuple": [
        spaces.Tuple([spaces.Discrete(4), spaces.Discrete(3)]),
        spaces.Tuple([spaces.Discrete(2), spaces.Discrete(4)]),
    ],
    "sequence": [
        spaces.Sequence(spaces.Discrete(3)),
        spaces.Sequence(spaces.Discrete(2), stack=True),
    ],
    "graph": [
        spaces.Graph(spaces.Box(-1, 1, (2,), "float32"), spaces.Discrete(2)),
        spaces.Graph(spaces.Box(-1, 1, (1,), "float32"), None),
    ],
    "one_of": [
        spaces.OneOf([spaces.Discrete(3), spaces.Box(0, 1, (1,), "float32")]),
        spaces.OneOf([spaces.Discrete(2), spaces.Box(0, 2, (1,), "float32")]),
    ],
}

NOT_IN_MINARI = {"sequence", "graph", "one_of"}
"""Kinds that Minari lacks; a recording in its format is refused."""

DIFFERENT_SIZES = {"sequence", "graph"}
"""Kinds whose values differ in size, so that they have no flattened size."""


def kinds() -> set[type[spaces.Space[Any]]]:
    """Return every concrete class of spaces."""
    found: set[type[spaces.Space[Any]]] = set()
    waiting: list[Any] = [spaces.Space]
    while waiting:
        children = waiting.pop().__subclasses__()
        waiting += children
        found.update(child for child in children if child.__module__.startswith("rlmesh."))
    return {kind for kind in found if not isabstract(kind)}


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


def as_batches(space: spaces.Space[Any]) -> None:
    codec = SpaceCodec(space, NATIVE)
    values = [drawn(space), space.sample()]
    slabs = codec.encode_values(values)
    batch = codec.decode_batch(slabs, 2)
    assert codec.length(batch) == 2
    assert codec.encode_batch(batch, 2) == slabs
    assert codec.encode_values(codec.decode_values(slabs, 2)) == slabs
    assert split_batch(space, slabs, [1, 1]) == [codec.encode(value) for value in values]


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
    codec = SpaceCodec(space, NATIVE)
    value = codec.decode(codec.encode(drawn(space)))
    columns = Columns(space, "observation")
    assert columns.value(columns.cells(value), NATIVE) == value


def in_minari(space: spaces.Space[Any]) -> None:
    if space.kind in NOT_IN_MINARI:
        with pytest.raises(errors.SpaceError, match="for format='minari'"):
            space_json(space, "observation")
        return
    given = space_json(space, "observation")
    assert given["type"] == type(space).__name__
    assert any(space_json(other, "observation") != given for other in VARIANTS[space.kind])


def as_a_flat_size(space: spaces.Space[Any]) -> None:
    if space.kind in DIFFERENT_SIZES:
        with pytest.raises(ValueError, match="differ in size"):
            spaces.flatdim(space)
        return
    size = spaces.flatdim(space)
    assert size > 0
    gymnasium = pytest.importorskip("gymnasium")
    pytest.importorskip("rlmesh_numpy")
    assert size == gymnasium.spaces.flatdim(spaces.to_gymnasium(space))


def as_an_interval(space: spaces.Space[Any]) -> None:
    if isinstance(space, NumericSpace):
        slot = LeafSlot("observation", (), space, Feature("state"))
        assert slot.interval() is not None


def as_a_stack(space: spaces.Space[Any]) -> None:
    value = drawn(space)
    stacked = stack(space, [value, value])
    parts = unstack(space, stacked)
    assert parts is not None and len(parts) == 2


def in_the_terminal(space: spaces.Space[Any]) -> None:
    assert space_facts(space)["kind"] == space.kind
    tree, facts = shown(space)
    for other in VARIANTS[space.kind]:
        assert shown(other)[0] != tree, f"the tree lacks what differs in {other!r}"
        assert shown(other)[1] != facts, f"the JSON lacks what differs in {other!r}"


def shown(space: spaces.Space[Any]) -> tuple[str, str]:
    """Return what `rlmesh inspect` prints of a space."""
    contract = specs.EnvContract("", space, spaces.Discrete(1))
    return inspected(Description("", specs.PeerInfo(""), contract, specs.SessionTerms()))


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
    as_batches,
    as_counted_leaves,
    as_columns,
    in_minari,
    as_a_stack,
    as_a_flat_size,
    as_an_interval,
    in_the_terminal,
    in_gymnasium,
    in_the_reference_codec,
]


def test_every_kind_has_an_example() -> None:
    assert {type(space) for space in EXAMPLES.values()} == kinds()
    assert {kind: space.kind for kind, space in EXAMPLES.items()} == {k: k for k in EXAMPLES}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_every_fact_of_a_kind_has_a_variant(kind: str) -> None:
    ours = EXAMPLES[kind]._definition()
    differing = {
        place
        for other in VARIANTS[kind]
        for place, (fact, changed) in enumerate(zip(ours, other._definition(), strict=True))
        if fact != changed
    }
    assert differing == set(range(len(ours)))


def test_the_strategies_draw_every_kind() -> None:
    leaves = {kind for kind, space in EXAMPLES.items() if space.is_leaf}
    assert set(strategies.LEAF_KINDS) == leaves
    assert set(strategies.composites_by_kind(strategies.LEAVES)) == set(EXAMPLES) - leaves
    assert set(strategies.VALUES) == set(EXAMPLES)


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
