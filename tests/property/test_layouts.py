"""A value in whatever form a caller gives it has the bytes of its plain arrays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from rlmesh._codec import SpaceCodec
from rlmesh.backends import NATIVE
from tests.backends.libraries import Library
from tests.property.strategies import spaces_and_values

pytest.importorskip("rlmesh_numpy")

from rlmesh.numpy import BACKEND
from tests.property.layouts import relaid


@given(drawn=spaces_and_values(most=2), data=st.data())
def test_values(
    libraries: dict[str, Library], drawn: tuple[Any, list[Any]], data: st.DataObject
) -> None:
    space, values = drawn
    slabs = SpaceCodec(space, NATIVE, validation="off").encode_values(values)
    plain = SpaceCodec(space, BACKEND, validation="off").decode_values(slabs, len(values))
    given_values = [data.draw(relaid(value)) for value in plain]
    for library in libraries.values():
        codec = SpaceCodec(space, library.backend, validation="off")
        assert codec.encode_values(given_values) == slabs, library.name


@given(drawn=spaces_and_values(), data=st.data())
def test_batches(
    libraries: dict[str, Library], drawn: tuple[Any, list[Any]], data: st.DataObject
) -> None:
    space, values = drawn
    slabs = SpaceCodec(space, NATIVE, validation="off").encode_values(values)
    plain = SpaceCodec(space, BACKEND, validation="off").decode_batch(slabs, len(values))
    batch = data.draw(relaid(plain))
    event(type(batch).__name__)
    for library in libraries.values():
        codec = SpaceCodec(space, library.backend, validation="off")
        assert codec.encode_batch(batch, len(values)) == slabs, library.name
