"""Box, Discrete, MultiBinary and MultiDiscrete."""

from __future__ import annotations

import array
import ctypes
import math
import pickle
import struct
import time
from typing import Any

import pytest

from rlmesh.dtypes import DTYPES
from rlmesh.errors import SpaceError
from rlmesh.spaces import Bounds, Box, Discrete, MultiBinary, MultiDiscrete
from rlmesh.tensor import Tensor

INF = math.inf
NAN = math.nan
LARGEST = {
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
}


class TestBoxBounds:
    def test_uniform_bounds_stay_compact(self) -> None:
        start = time.process_time()
        space = Box(0, 255, (480, 640, 3), "uint8")
        for _ in range(100):
            assert hash(space) == hash(Box(0, 255, (480, 640, 3), "uint8"))
            repr(space)
        assert time.process_time() - start < 1.0
        assert space.low_bounds == Bounds(b"\0", True)
        assert space.high_bounds == Bounds(b"\xff", True)
        assert space.high.nbytes == 480 * 640 * 3
        assert len(pickle.dumps(space)) < 1000

    def test_canonical_form(self) -> None:
        assert Box([1.0, 1.0], [2.0, 3.0]).low_bounds == Bounds(struct.pack("<f", 1.0), True)
        assert Box([1.0, 1.0], [2.0, 3.0]).high_bounds == Bounds(struct.pack("<2f", 2, 3), False)
        assert Box(1, 2, ()).low_bounds.uniform
        assert Box(1, 2, (0, 3)).low_bounds == Bounds(b"", False)
        assert not Box([0.0, -0.0], 1).low_bounds.uniform
        assert Box(0.0, 1) != Box(-0.0, 1)

    def test_bounds_are_accepted_in_both_forms(self) -> None:
        space = Box(
            Bounds(struct.pack("<2f", 0, 0), False), Bounds(struct.pack("<f", 1), True), (2,)
        )
        assert space == Box(0, 1, (2,))
        assert Box(Bounds(b"", False), Bounds(b"\0\0\0\0", True), (0,)) == Box(0, 1, (0,))

    @pytest.mark.parametrize(
        "bounds", [Bounds(b"123", True), Bounds(b"1234", False), Bounds(b"", True)]
    )
    def test_bounds_of_the_wrong_size(self, bounds: Bounds) -> None:
        with pytest.raises(SpaceError, match="bytes"):
            Box(bounds, 1, (2,))

    def test_bounds_need_a_shape(self) -> None:
        with pytest.raises(SpaceError, match="shape"):
            Box(Bounds(b"\0\0\0\0", True), 1)

    def test_shapes(self) -> None:
        assert Box(0, 1).shape == (1,)
        assert Box(0, [1.0, 2.0]).shape == (2,)
        assert Box(Tensor.of([[0], [1]], "int8"), 9).shape == (2, 1)
        assert Box(Tensor.of(3.0, "float32"), 9).shape == ()
        assert Box(0, 1, [2, 3]).shape == (2, 3)

    @pytest.mark.parametrize("name", [n for n, d in DTYPES.items() if d.is_integer])
    def test_integer_extremes_are_exact(self, name: str) -> None:
        low, high = DTYPES[name].limits
        space = Box([low, low + 1], [high, high - 1], dtype=name)
        assert space.low.tolist() == [low, low + 1]
        assert space.high.tolist() == [high, high - 1]
        assert Tensor.of([low, high - 1], name) in space
        assert Tensor.of([low, high], name) not in space
        assert Box(-INF, INF, (2,), name) == Box(low, high, (2,), name)
        with pytest.raises(SpaceError, match=name):
            Box(low - 1, high, (2,), name)
        with pytest.raises(SpaceError, match=name):
            Box(low, high + 1, (2,), name)

    @pytest.mark.parametrize(
        ("args", "words"),
        [
            ((1, 0), "low <= high"),
            (([0, 2], [1, 1]), "element 1"),
            ((NAN, 1), "NaN"),
            (([0.0, NAN], 1), "NaN"),
            ((0, Tensor.of([NAN, 1.0], "float32")), "NaN"),
            ((Bounds(struct.pack("<f", NAN), True), 1, (2,)), "NaN"),
            (([0, 1], 3, (3,)), "shape"),
            (([0, 1], [3, 3, 3]), "shape"),
            (([[0, 1], [2]], 3), "numbers"),
            (("0", 3), "numbers"),
            ((None, 3), "numbers"),
            ((0, 1, (-1,)), "shape"),
            ((0, 1, (1.5,)), "shape"),
            ((0, 1, 3), "shape"),
            ((0, 1, None, "complex64"), "element type"),
            ((INF, INF, None, "int8"), "int8"),
            ((0, 1e300), "float32"),
            ((0, 10**400), "float32"),
            ((0, 70000, None, "float16"), "float16"),
            ((0, 3.4e38, None, "bfloat16"), "bfloat16"),
            ((0, 2, None, "bool"), "bool"),
        ],
    )
    def test_refused(self, args: tuple[Any, ...], words: str) -> None:
        with pytest.raises(SpaceError, match=words):
            Box(*args)

    def test_repr(self) -> None:
        assert repr(Box(0, 255, (2, 2), "uint8")) == "Box(0, 255, (2, 2), uint8)"
        assert repr(Box([0, 1], 2)) == "Box([0.0, 1.0], 2.0, (2,), float32)"
        assert "..." in repr(Box(list(range(100)), 100))


class TestBoxContains:
    def test_nan_is_never_contained(self) -> None:
        for space in (Box(-INF, INF, (2,)), Box(0, 1, (2,)), Box([0, -1], 1)):
            assert Tensor.of([0.5, 0.5], "float32") in space
            assert Tensor.of([0.5, NAN], "float32") not in space
            assert Tensor.of([NAN, 0.5], "float32") not in space
            assert [NAN, 0.5] not in space

    def test_opposite_infinities_are_not_nan(self) -> None:
        assert Tensor.of([INF, -INF], "float32") in Box(-INF, INF, (2,))
        assert Tensor.of([INF, -INF], "float32") not in Box(-INF, 5, (2,))

    def test_types_must_cast_safely(self) -> None:
        assert Tensor.of([1], "uint8") in Box(0, 9, (1,), "int16")
        assert Tensor.of([1], "int64") not in Box(0, 9, (1,), "int16")
        assert Tensor.of([1.0], "float64") not in Box(0, 9, (1,), "float32")
        assert Tensor.of([1.0], "bfloat16") in Box(0, 9, (1,), "float32")

    def test_lists_are_taken_as_the_dtype(self) -> None:
        assert [0.1] in Box(0, 0.1)
        assert [0.1] in Box(0.1, 1)
        assert [[1, 2], (3, 4)] in Box(0, 255, (2, 2), "uint8")
        assert [256] not in Box(0, 255, (1,), "uint8")
        assert 3 in Box(0, 5, ())
        assert True in Box(0, 5, ())
        assert 3 not in Box(0, 5, (1,))
        assert "3" not in Box(0, 5, ())
        assert None not in Box(0, 5, ())
        assert [[1], [2, 3]] not in Box(0, 5, (2, 1))

    def test_buffers(self) -> None:
        space = Box(0, 200, (4,), "uint8")
        assert bytearray(b"\x01\x02\x03\xc8") in space
        assert memoryview(b"\x01\x02\x03\xc9") not in space
        assert memoryview(bytes(range(8)))[::2] in space
        assert array.array("H", [1, 2, 3, 4]) in space
        assert (ctypes.c_float * 2)(0.5, 1.0) in Box(0, 1, (2,))
        big = (ctypes.c_int32.__ctype_be__ * 2)(1, 2)
        assert big in Box(0, 3, (2,), "int32")
        assert big not in Box(3, 2**30, (2,), "int32")

    def test_whole_range_does_not_look_at_the_elements(self) -> None:
        frame = Tensor(bytes(480 * 640 * 3), "uint8", (480, 640, 3))
        space = Box(0, 255, frame.shape, "uint8")
        start = time.process_time()
        assert all(space.contains(frame) for _ in range(1000))
        assert time.process_time() - start < 0.5

    def test_a_list_in_itself(self) -> None:
        loop: list[Any] = []
        loop.append(loop)
        assert loop not in Box(0, 1)


class TestBoxSample:
    def test_distributions(self) -> None:
        bounded = Box(-2, 3, (20000,), seed=0).sample().tolist()
        assert -2 <= min(bounded) < -1.9 and 2.9 < max(bounded) <= 3
        above = Box(5, INF, (20000,), seed=0).sample().tolist()
        assert min(above) >= 5 and abs(sum(above) / 20000 - 6) < 0.05
        below = Box(-INF, 5, (20000,), seed=0).sample().tolist()
        assert max(below) <= 5 and abs(sum(below) / 20000 - 4) < 0.05
        free = Box(-INF, INF, (20000,), seed=0).sample().tolist()
        assert abs(sum(free) / 20000) < 0.05
        assert abs(sum(x * x for x in free) / 20000 - 1) < 0.05

    def test_integers_are_inclusive(self) -> None:
        assert set(Box(-1, 1, (500,), "int8", seed=0).sample()) == {-1, 0, 1}
        assert set(Box([-1] * 500, [1] * 499 + [0], dtype="int8", seed=0).sample()) == {-1, 0, 1}
        assert set(Box(False, True, (500,), "bool", seed=0).sample()) == {False, True}

    @pytest.mark.parametrize("name", list(DTYPES))
    def test_extreme_bounds(self, name: str) -> None:
        if DTYPES[name].is_float:
            top = LARGEST[name]
            pairs: list[tuple[float, float]] = [(-top, top), (top, INF), (-INF, -top)]
            pairs += [(INF, INF), (-INF, -INF)]
        else:
            least, most = DTYPES[name].limits
            pairs = [(least, most), (most, most), (least, least + 1), (least, most - 1)]
        for low, high in pairs:
            space = Box(low, high, (50,), name)
            assert space.contains(space.sample())


class TestDiscrete:
    def test_values(self) -> None:
        space = Discrete(3, start=-1, dtype="int8")
        assert [x for x in range(-5, 5) if x in space] == [-1, 0, 1]
        assert {space.sample() for _ in range(100)} == {-1, 0, 1}
        assert type(space.sample()) is int
        assert (space.shape, space.n, space.start) == ((), 3, -1)
        assert True in space  # Python's bool is an int, as Gymnasium has it
        assert 1.0 not in space and "1" not in space and [1] not in space
        assert Tensor.of(1, "int8") in space
        assert Tensor.of(1, "int64") not in space
        assert Tensor.of([1], "int8") not in space
        assert Tensor.of(True, "bool") not in space

    def test_extremes(self) -> None:
        assert 2**64 - 1 in Discrete(1, start=2**64 - 1, dtype="uint64")
        assert Discrete(256, dtype="uint8").n == 256
        assert Discrete(2**64 - 1, dtype="uint64").sample() >= 0

    @pytest.mark.parametrize(
        "kwargs",
        [
            {"n": 0},
            {"n": -1},
            {"n": 1.0},
            {"n": True},
            {"n": 2**64, "dtype": "uint64"},
            {"n": 2**63 + 1},
            {"n": 257, "dtype": "uint8"},
            {"n": 2, "start": 127, "dtype": "int8"},
            {"n": 2, "start": -1, "dtype": "uint8"},
            {"n": 2, "start": 0.5},
            {"n": 2, "dtype": "float32"},
            {"n": 2, "dtype": "bool"},
        ],
    )
    def test_refused(self, kwargs: Any) -> None:
        with pytest.raises(SpaceError):
            Discrete(**kwargs)

    def test_repr(self) -> None:
        assert repr(Discrete(3)) == "Discrete(3)"
        assert repr(Discrete(3, start=1, dtype="int8")) == "Discrete(3, start=1, dtype=int8)"


class TestMultiBinary:
    def test_flat(self) -> None:
        assert MultiBinary(5).flat and MultiBinary(5).n == 5 and MultiBinary(5).shape == (5,)
        assert not MultiBinary([5]).flat and MultiBinary([5]).n == (5,)
        assert MultiBinary(5) != MultiBinary([5])
        assert MultiBinary(Tensor.of([2, 3], "int64")).shape == (2, 3)

    def test_values(self) -> None:
        space = MultiBinary((2, 2))
        assert set(bytes(MultiBinary(500, seed=0).sample().buffer)) == {0, 1}
        assert [[0, 1], [True, 1.0]] in space
        assert Tensor.of([[0, 1], [1, 1]], "float64") in space
        assert [[0, 1], [1, 2]] not in space
        assert [[0, 1], [1, 0.5]] not in space
        assert [0, 1] not in space and 1 not in space and "01" not in MultiBinary(2)

    @pytest.mark.parametrize("n", [[], [2, -1], -1, 1.5, "ab", True])
    def test_refused(self, n: Any) -> None:
        with pytest.raises(SpaceError):
            MultiBinary(n)


class TestMultiDiscrete:
    def test_a_range_that_ends_at_the_limit(self) -> None:
        space = MultiDiscrete([100, 3], "int8", start=[28, -128])
        assert Tensor.of([127, -126], "int8") in space
        assert Tensor.of([27, -126], "int8") not in space
        assert Tensor.of([88, 100], "int8") not in space

    def test_values(self) -> None:
        space = MultiDiscrete([2, 3], start=[0, -1])
        assert space.nvec == Tensor.of([2, 3], "int64")
        assert space.start.tolist() == [0, -1]
        assert {tuple(space.sample()) for _ in range(300)} == {
            (a, b) for a in (0, 1) for b in (-1, 0, 1)
        }
        assert [1, 1] in space and (0, -1) in space
        assert [1, 2] not in space and [-1, 0] not in space
        assert [1.0, 1.0] not in space
        assert [[1, 1]] not in space and 1 not in space
        assert Tensor.of([1, 1], "int32") in space
        assert [True, False] in MultiDiscrete([2, 2], "int8")
        assert [1, 0] not in MultiDiscrete([2, 2], "int8")  # a list is int64, as in Gymnasium

    def test_extremes(self) -> None:
        space = MultiDiscrete([2**64 - 1], "uint64", start=[1])
        assert Tensor.of([2**64 - 1], "uint64") in space
        assert Tensor.of([0], "uint64") not in space
        assert space.contains(space.sample())

    def test_shapes(self) -> None:
        assert MultiDiscrete(3).shape == ()
        assert MultiDiscrete([]).shape == (0,)
        assert MultiDiscrete([[2, 3], [4, 5]]).shape == (2, 2)
        assert MultiDiscrete([2, 2]) == MultiDiscrete(Tensor.of([2, 2], "uint8"), start=[0, 0])

    @pytest.mark.parametrize(
        "args",
        [
            ([0],),
            ([-1],),
            ([2.5],),
            ([NAN],),
            ("ab",),
            (None,),
            ([[1], [2, 3]],),
            ([256], "uint8"),
            ([2], "float32"),
            ([2], "int8", None, [127]),
            ([2], "int8", None, [[0]]),
            ([2], "uint8", None, [-1]),
        ],
    )
    def test_refused(self, args: Any) -> None:
        with pytest.raises(SpaceError):
            MultiDiscrete(*args)
