"""Damaged slabs, of values and batches of every family: refused by path, or another value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from rlmesh._codec import SpaceCodec
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import CodecError
from rlmesh.spaces import GraphInstance
from tests.backends.libraries import Library
from tests.property.strategies import paths_of, spaces_and_values

Slabs = list[bytes]


def flipped(draw: st.DrawFn, slab: bytes) -> bytes:
    if not slab:
        return b"\0"
    changed = bytearray(slab)
    changed[draw(st.integers(0, len(slab) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


_DAMAGES: dict[str, Callable[[st.DrawFn, bytes], bytes]] = {
    "cut": lambda draw, slab: slab[: draw(st.integers(0, len(slab)))],
    "cut in front": lambda draw, slab: slab[draw(st.integers(0, len(slab))) :],
    "longer": lambda draw, slab: slab + draw(st.binary(min_size=1, max_size=9)),
    "flipped": flipped,
    "random": lambda draw, slab: draw(st.binary(max_size=40)),
    "random, as long": lambda draw, slab: draw(st.binary(min_size=len(slab), max_size=len(slab))),
    "zeros": lambda draw, slab: bytes(len(slab)),
    "ones": lambda draw, slab: b"\xff" * len(slab),
}


@st.composite
def damaged(draw: st.DrawFn, slabs: Slabs) -> Slabs:
    """The slabs with one or two damages."""
    changed = list(slabs)
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from([*_DAMAGES, "lost", "added", "swapped"]))
        index = draw(st.integers(0, max(len(changed) - 1, 0)))
        if kind == "added":
            changed.insert(index, draw(st.binary(max_size=8)))
        elif kind == "lost":
            del changed[index : index + 1]
        elif kind == "swapped":
            changed[index:] = changed[index:][::-1]
        elif changed:
            changed[index] = _DAMAGES[kind](draw, changed[index])
    return changed


def decoded_or_refused(decode: Callable[[], Any]) -> tuple[Any, str]:
    """What was decoded, and the path of the error if it was refused."""
    try:
        return decode(), ""
    except CodecError as error:
        return None, error.path


@given(spaces_and_values(), st.data())
def test_values_and_batches(
    libraries: dict[str, Library], drawn: tuple[Any, list[Any]], data: st.DataObject
) -> None:
    space, values = drawn
    count = len(values)
    codec = SpaceCodec(space, NATIVE, validation="off")
    slabs = data.draw(damaged(codec.encode_values(values)))
    if data.draw(st.booleans()):
        count = data.draw(st.integers(0, 4))
    decoded, refused = decoded_or_refused(lambda: codec.decode_values(slabs, count))
    event(f"refused: {bool(refused)}")
    if refused:
        assert refused in paths_of(space)
    else:
        assert codec.encode_values(decoded) == slabs
    for library in libraries.values():
        check_batch(space, library.backend, slabs, count, refused)


def check_batch(space: Any, backend: ArrayBackend, slabs: Slabs, count: int, expected: str) -> None:
    """Check that every library treats a batch as the native one treats its values."""
    codec = SpaceCodec(space, backend, validation="off")
    batch, refused = decoded_or_refused(lambda: codec.decode_batch(slabs, count))
    assert refused == expected
    if not refused:
        assert codec.encode_batch(batch, count) == slabs


@given(spaces_and_values(most=2), st.data())
def test_strict_values_are_of_the_space(
    libraries: dict[str, Library], drawn: tuple[Any, list[Any]], data: st.DataObject
) -> None:
    space, values = drawn
    count = len(values)
    slabs = SpaceCodec(space, NATIVE, validation="off").encode_values(values)
    if data.draw(st.booleans()):
        slabs = data.draw(damaged(slabs))
    strict = SpaceCodec(space, NATIVE, validation="strict")
    decoded, refused = decoded_or_refused(lambda: strict.decode_values(slabs, count))
    event(f"refused: {bool(refused)}")
    for library in libraries.values():
        codec = SpaceCodec(space, library.backend, validation="strict")
        assert decoded_or_refused(lambda c=codec: c.decode_values(slabs, count))[1] == refused
    for value in decoded or ():
        assert space.contains(whole_graphs(value))


def whole_graphs(value: Any) -> Any:
    """The value with graphs that have both edges and links, or neither, as members have them."""
    if isinstance(value, GraphInstance):
        both = value.edges is not None and value.edge_links is not None
        nodes = whole_graphs(value.nodes)
        if not both:
            return GraphInstance(nodes, None, None)
        return GraphInstance(nodes, whole_graphs(value.edges), value.edge_links)
    if isinstance(value, dict):
        return {key: whole_graphs(part) for key, part in value.items()}
    return tuple(map(whole_graphs, value)) if isinstance(value, tuple) else value


@given(drawn=spaces_and_values(most=1), data=st.data())
def test_single_values(drawn: tuple[Any, list[Any]], data: st.DataObject) -> None:
    space, values = drawn
    codec = SpaceCodec(space, NATIVE, validation="off")
    for value in values:
        slabs = data.draw(damaged(codec.encode(value)))
        decoded, refused = decoded_or_refused(lambda slabs=slabs: codec.decode(slabs))
        assert refused in paths_of(space) if refused else codec.encode(decoded) == slabs
