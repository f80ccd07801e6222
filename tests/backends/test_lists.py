"""Lists of arrays in place of a leaf."""

from __future__ import annotations

import math
import struct

import pytest

from rlmesh import spaces
from rlmesh._codec import SpaceCodec
from rlmesh.backends import NATIVE
from rlmesh.errors import InvalidValueError
from rlmesh.tensor import Tensor

CODEC = SpaceCodec(
    spaces.Box(-math.inf, math.inf, (2, 2), "float16"), NATIVE, root="x", validation="off"
)
ROWS = [Tensor(struct.pack("<2H", 0x7E01 + i, 0xFC00), "float16", (2,)) for i in range(2)]


@pytest.mark.parametrize("make", [list, tuple])
def test_arrays_of_the_leafs_own_type_keep_their_bits(make: type) -> None:
    (slab,) = CODEC.encode(make(ROWS))
    assert bytes(slab) == b"".join(row.tobytes() for row in ROWS)


def test_a_mixed_list_is_taken_as_numbers() -> None:
    (slab,) = CODEC.encode([Tensor(struct.pack("<2e", 1, 2), "float16", (2,)), [3, 4.5]])
    assert struct.unpack("<4e", bytes(slab)) == (1, 2, 3, 4.5)


@pytest.mark.parametrize("rows", [[ROWS[0]], [ROWS[0], ROWS[0].tolist()[:1]], [[ROWS[0]], ROWS[1]]])
def test_arrays_of_another_shape_are_refused(rows: list[object]) -> None:
    with pytest.raises(InvalidValueError, match="x: expected"):
        CODEC.encode(rows)
