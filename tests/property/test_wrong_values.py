"""Values that may be none of the space: each is sent or refused by path, alike in every library."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from rlmesh import spaces
from rlmesh._codec import SpaceCodec
from rlmesh.backends import NATIVE
from rlmesh.errors import InvalidValueError
from rlmesh.spaces import GraphInstance
from tests.backends.libraries import Library
from tests.property.strategies import paths_of, spaces_and_values

pytest.importorskip("rlmesh_numpy")

from tests.property.near import near_members
from tests.property.sameness import as_numpy


def sent_or_refused(codec: SpaceCodec, value: Any, count: int | None) -> tuple[Any, str]:
    """The slabs, and the path of the error if the value was refused."""
    try:
        return codec.encode(value) if count is None else codec.encode_batch(value, count), ""
    except InvalidValueError as error:
        return None, error.path


def check(libraries: dict[str, Library], space: Any, value: Any, count: int | None) -> None:
    slabs, refused = sent_or_refused(SpaceCodec(space, NATIVE, validation="off"), value, count)
    event(f"refused: {bool(refused)}")
    assert not refused or refused in paths_of(space)
    for name, library in libraries.items():
        codec = SpaceCodec(space, library.backend, validation="off")
        assert sent_or_refused(codec, value, count) == (slabs, refused), name
        if slabs is not None:
            decoded = codec.decode(slabs) if count is None else codec.decode_batch(slabs, count)
            again = codec.encode(decoded) if count is None else codec.encode_batch(decoded, count)
            assert again == slabs


@given(drawn=spaces_and_values(), data=st.data())
def test_values(
    libraries: dict[str, Library], drawn: tuple[Any, list[Any]], data: st.DataObject
) -> None:
    space, values = drawn
    for value in values:
        check(libraries, space, data.draw(near_members(as_numpy(value))), None)


@given(drawn=spaces_and_values(), data=st.data())
def test_batches(
    libraries: dict[str, Library], drawn: tuple[Any, list[Any]], data: st.DataObject
) -> None:
    space, values = drawn
    codec = SpaceCodec(space, libraries["numpy"].backend, validation="off")
    batch = codec.decode_batch(codec.encode_values(values), len(values))
    check(libraries, space, data.draw(near_members(batch)), data.draw(st.integers(0, 3)))


CHOICE, TEXT = spaces.Discrete(2), spaces.Text(3)
FOUND = [
    (spaces.Sequence(spaces.MultiBinary(1), stack=True), None, None, "value[0]"),
    (spaces.Sequence(TEXT, stack=True), None, None, "value[0]"),
    (spaces.Sequence(CHOICE), None, 0, "value"),
    (spaces.Sequence(CHOICE), 7, 0, "value"),
    (spaces.Graph(CHOICE, None), GraphInstance([0], None, 0), None, "value.edge_links"),
    (spaces.Graph(CHOICE, CHOICE), GraphInstance([0], 0, None), None, "value.edges"),
    (spaces.Dict({"a": CHOICE, "t": TEXT}), {"a": [0, 1], "t": ("x", "y", "z")}, 2, "value['t']"),
    (spaces.Dict({"a": CHOICE, "t": TEXT}), {"a": [0, 1]}, 2, "value"),
    (spaces.Tuple([CHOICE]), (0,), 1, "value[0]"),
    (TEXT, "ab", 2, "value"),
    (TEXT, {"ab": 1}, 1, "value"),
]


@pytest.mark.parametrize(("space", "value", "count", "path"), FOUND)
def test_what_is_no_batch_is_refused(
    libraries: dict[str, Library], space: Any, value: Any, count: int | None, path: str
) -> None:
    for library in libraries.values():
        codec = SpaceCodec(space, library.backend)
        with pytest.raises(InvalidValueError) as caught:
            codec.encode(value) if count is None else codec.encode_batch(value, count)
        assert caught.value.path == path


@pytest.mark.parametrize("shape", [(0, 2), (2, 0, 3), (2, 3, 0)])
def test_lists_of_nothing(libraries: dict[str, Library], shape: tuple[int, ...]) -> None:
    np = pytest.importorskip("numpy")
    space = spaces.Box(0, 1, shape)
    for library in libraries.values():
        codec = SpaceCodec(space, library.backend)
        for nothing in ([], np.zeros(shape).tolist()):
            assert codec.encode(nothing) == [b""]
        for wrong in ([[]], np.zeros((0,)), np.zeros((0, 9)), np.zeros(shape, object)):
            if np.shape(wrong) != np.shape(np.zeros(shape).tolist()) or hasattr(wrong, "dtype"):
                with pytest.raises(InvalidValueError):
                    codec.encode(wrong)
