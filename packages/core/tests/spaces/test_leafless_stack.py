"""CONTRACT V-15: a stack without leaves has length 0, because it could show no other."""

from __future__ import annotations

import pytest

from rlmesh import spaces
from rlmesh._codec import SpaceCodec
from rlmesh.backends import NATIVE
from rlmesh.errors import CodecError


def test_a_length_that_nothing_shows_is_refused() -> None:
    codec = SpaceCodec(spaces.Sequence(spaces.Dict({}), stack=True), NATIVE)
    assert codec.decode([bytes(4)]) == {}
    with pytest.raises(CodecError, match="V-15: expected lengths of 0"):
        codec.decode([b"\1\0\0\0"])


def test_a_tuple_shows_its_length() -> None:
    codec = SpaceCodec(spaces.Sequence(spaces.Dict({}), stack=False), NATIVE)
    assert codec.decode([b"\2\0\0\0"]) == ({}, {})
