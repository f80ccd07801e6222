"""Our `contains`, `flatdim` and samples beside Gymnasium's, over awkward spaces and values."""

from __future__ import annotations

import array
import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from rlmesh import spaces as ours
from rlmesh.dtypes import DTYPES
from rlmesh.tensor import Tensor

np = pytest.importorskip("numpy")
theirs = pytest.importorskip("gymnasium.spaces")

GYMNASIUM = tuple(map(int, pytest.importorskip("gymnasium").__version__.split(".")[:2]))

INF = float("inf")
NAN = float("nan")
EXTREME = 2**63


def nested(lib: Any) -> Any:
    """A Dict that other spaces hold."""
    return lib.Dict({"x": lib.Discrete(4), "b": lib.Box(0, 1, (2,))})


def build(lib: Any) -> list[Callable[[], Any]]:
    """The same spaces from either library."""
    f, u = np.array, "uint64"
    return [
        lambda: lib.Box(0, 1),
        lambda: lib.Box(0, 1, ()),
        lambda: lib.Box(-1.5, 2.5, (2, 2), "float64"),
        lambda: lib.Box(-INF, INF, (3,), "float32"),
        lambda: lib.Box(0, INF, (2,), "float16"),
        lambda: lib.Box(-INF, 0.1, (2,), "float32"),
        lambda: lib.Box(f([0.1, -1.0], "float32"), f([0.2, INF], "float32")),
        lambda: lib.Box(f([0, -5], "int8"), f([0, 5], "int8"), dtype="int8"),
        lambda: lib.Box(0, 255, (2, 2, 3), "uint8"),
        lambda: lib.Box(3, 200, (4,), "uint8"),
        lambda: lib.Box(-EXTREME, EXTREME - 1, (2,), "int64"),
        lambda: lib.Box(f([-EXTREME, 0]), f([EXTREME - 2, 7]), dtype="int64"),
        lambda: lib.Box(0, 2**64 - 1, (2,), "uint64"),
        lambda: lib.Box(f([1, 2**63], u), f([2**53 + 1, 2**64 - 1], u), dtype=u),
        lambda: lib.Box(0, 1, (3,), "bool"),
        lambda: lib.Box(0, 1, (0,)),
        lambda: lib.Box(0, 1, (2, 0, 3), "int32"),
        lambda: lib.Discrete(1),
        lambda: lib.Discrete(5),
        lambda: lib.Discrete(3, start=-1),
        lambda: lib.Discrete(3, start=-1, dtype="int8"),
        lambda: lib.Discrete(200, dtype="uint8"),
        lambda: lib.Discrete(2, start=2**62),
        lambda: lib.MultiBinary(3),
        lambda: lib.MultiBinary([3]),
        lambda: lib.MultiBinary((2, 2)),
        lambda: lib.MultiDiscrete([2, 3]),
        lambda: lib.MultiDiscrete([[2, 3], [4, 5]]),
        lambda: lib.MultiDiscrete([3, 3], start=[-1, 5]),
        lambda: lib.MultiDiscrete([3, 3], dtype="int8"),
        lambda: lib.MultiDiscrete([3, 3], dtype="uint64"),
        lambda: lib.MultiDiscrete(f(3)),
        lambda: lib.Text(3),
        lambda: lib.Text(4, min_length=0, charset="añ\U0001f600"),
        lambda: lib.Dict({}),
        lambda: lib.Dict({"a": lib.Discrete(2), "b": lib.Box(0, 1, (2,))}),
        lambda: lib.Tuple([]),
        lambda: lib.Tuple([lib.Discrete(2), lib.Discrete(3)]),
        lambda: lib.Tuple([lib.Box(0, 1, (2,)), lib.Box(0, 1, (2,))]),
        lambda: lib.Tuple([lib.Discrete(2), lib.Tuple([lib.Text(2), nested(lib)])]),
        lambda: lib.OneOf([lib.Discrete(2), lib.Box(0, 1), lib.Text(3)]),
        lambda: lib.OneOf([lib.MultiDiscrete([2, 3]), lib.MultiDiscrete([2, 3])]),
    ]


def build_variable(lib: Any) -> list[Callable[[], Any]]:
    """The same spaces from either library, of values that differ in size."""
    return [
        lambda: lib.Sequence(lib.Discrete(3)),
        lambda: lib.Sequence(lib.Box(0, 1, (2,))),
        lambda: lib.Sequence(lib.Box(0, 1, (2,)), stack=True),
        lambda: lib.Sequence(lib.Discrete(3, dtype="int8"), stack=True),
        lambda: lib.Sequence(lib.Box(0, 1, ()), stack=True),
        lambda: lib.Sequence(lib.MultiBinary(2), stack=True),
        lambda: lib.Sequence(nested(lib), stack=True),
        lambda: lib.Graph(lib.Box(0, 1, (2,)), lib.Discrete(3)),
        lambda: lib.Graph(lib.Discrete(3), None),
        lambda: lib.Dict({"g": lib.Graph(lib.Discrete(2), None), "d": lib.Discrete(2)}),
    ]


def pairs(mine: list[Any], other: list[Any]) -> list[tuple[Any, Any]]:
    """Each space of ours with Gymnasium's, as far as the installed version has it."""
    found = []
    for our, their in zip(mine, other, strict=True):
        try:
            found.append((our(), their()))
        except TypeError:  # Discrete has a dtype since Gymnasium 1.2
            assert GYMNASIUM < (1, 2)
    return found


PAIRS = pairs(build(ours), build(theirs))
VARIABLE = pairs(build_variable(ours), build_variable(theirs))
each_pair = pytest.mark.parametrize(
    ("our", "their"), PAIRS + VARIABLE, ids=[repr(our)[:60] for our, _ in PAIRS + VARIABLE]
)


todays_rules = pytest.mark.skipif(
    GYMNASIUM < (1, 2), reason="Gymnasium 1.1 lets unsafe casts into Discrete and MultiDiscrete"
)


def arrays() -> list[Any]:
    """Arrays of every type and many shapes, around the bounds of the spaces above."""
    names = [name for name in DTYPES if name != "bfloat16"]
    shapes: list[tuple[int, ...]] = [
        (),
        (1,),
        (2,),
        (3,),
        (4,),
        (0,),
        (2, 2),
        (2, 2, 3),
        (2, 0, 3),
    ]
    numbers = [0, 1, 2, 5, 127, 200, -1, 0.1, 0.5, 2.5, INF, NAN, 2**53 + 1]
    found = []
    for name in names:
        for shape in shapes:
            for number in numbers:
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("error")
                        found.append(np.full(shape, np.array(number).astype(name), name))
                except (RuntimeWarning, OverflowError, ValueError):
                    continue
    return found


def odd_values() -> list[Any]:
    """Values that are no arrays, or strange ones."""
    n = np
    return [
        *(
            0,
            1,
            2,
            -1,
            0.0,
            0.5,
            1.5,
            2**62,
            2**64,
            10**400,
            -(2**63),
            True,
            False,
            None,
            INF,
            NAN,
        ),
        *(
            [0],
            [1],
            [0.1],
            [1.5],
            [256],
            [-1],
            [0.9999999999],
            [True],
            [INF],
            [NAN],
            ["a"],
            [None],
        ),
        *([0, 1], [1, 2], [0.1, 0.2], [0, 7], [-1, 5], [2, 7], [True, False], [0, True], [0.5, 1]),
        *([0, 2**63], [2**63, 2**63], [-(2**63), 7], [1, 2**64 - 1], [0, 2**64], [1e300, 0]),
        *(
            [0, 1, 0],
            [0.0, 1.0, 1.0],
            [1, 1, 2],
            [[0, 1], [1, 0]],
            ((0, 1), (1, 1)),
            [[1], [1, 2]],
        ),
        *([], (), [[]], [[], []], {}, set(), "", "a", "ab", "añ", "\U0001f600", "abcd", "abcde"),
        *(range(2), range(3), [range(2), range(2)], object(), b"", lambda: 0),
        *({"a": 1, "b": [0, 1]}, {"a": 1}, {"b": [0.5, 0.5], "a": 0}, {"a": 2, "b": [0, 0]}),
        *((0, 1), (1, 2), (1, [0.5]), (2, "ab"), (3, 0), (True, [0.5]), (0, 1, 2), (0, [1, 2])),
        *(
            (0, ("a", {"x": 3, "b": [0, 1]})),
            (0, ["a", {"x": 4, "b": [0, 1]}]),
            ([0, 1], [1, 1]),
            [[0, 1], (1, 1)],
        ),
        *(n.int8(1), n.int64(1), n.uint8(1), n.int64(-1), n.float32(0.5), n.float64(0.5)),
        *(n.bool_(True), n.float64(1.5), n.uint64(2**64 - 1), n.str_("a"), n.float16(1)),
        *((n.int64(0), 1), (n.int32(0), 1), (n.int64(1), n.array([0.5], "float32"))),
        *([n.int8(1), n.int8(2)], [n.float32(0.1), n.float32(0.2)], [n.array(1), n.array(2)]),
        *([n.array([0, 1]), n.array([1, 1])], (n.array([0, 1], "float32"), [1, 0])),
        *(n.array([0, 1], ">i2"), n.array([0.1, 0.2], ">f4"), n.array([5, 6, 7, 8], ">u4")),
        *(
            n.arange(8)[::2],
            n.arange(4, dtype="uint8")[::-1],
            n.eye(2).T,
            n.eye(2, dtype="i1")[:, ::-1],
        ),
        *(n.array(["a", "b"]), n.array([0, 1], object), n.array([0, 1], complex)),
        *(
            n.array([0, 1], n.longdouble),
            n.array([0, 1], "M8[s]"),
            n.array([0, EXTREME], "uint64"),
        ),
        *(n.array([2**53 + 1, 2**63], "uint64"), n.array([2**53 + 2, 2**63], "uint64")),
        *(array.array("d", [0.1, 0.2]), array.array("B", [3, 4, 200, 5]), bytearray(b"\3\4\5\6")),
        *({"x": n.array([1, 2]), "b": n.zeros((2, 2), "f4")}, {"x": [1], "b": [[0, 1]]}),
        *((n.array([0, 1], "f4"),), (n.array([0, 1], "f4"), n.array([0, 2], "f4"))),
    ]


def graphs(lib: Any) -> list[Any]:
    """Graph values, right and wrong ones."""
    g, f = lib.GraphInstance, np.array
    nodes, edges, links = np.ones((2, 2), "f4"), f([0, 2]), f([[0, 1], [1, 1]], "int32")
    return [
        g(nodes, edges, links),
        g(nodes, edges, f([[0, 1], [1, 2]])),
        g(nodes, edges, f([[0, 1]])),
        g(nodes, f([0, 3]), links),
        g(nodes * 2, edges, links),
        g(nodes, None, None),
        g(nodes, edges, None),
        g(nodes, np.zeros((0,), int), np.zeros((0, 2), "int32")),
        g(np.zeros((0, 2), "f4"), None, None),
        g(f([0, 1, 2]), None, None),
        g(f([0, 1, 3]), None, None),
        g(f([0, 1, 2]), edges, links),
        {"g": g(f([0, 1]), None, None), "d": 1},
    ]


def verdict(space: Any, value: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return space.contains(value)
        except Exception as error:  # Gymnasium raises for some values that it does not foresee
            return f"raises {type(error).__name__}"


def only_gymnasium_takes(space: Any, value: Any) -> bool:
    """Whether it is an empty stack, but not of the shape, or stacked with a dtype not of ours."""
    if isinstance(value, theirs.GraphInstance) and space.kind == "graph":
        nodes: Any = value.nodes
        return isinstance(nodes, np.ndarray) and not len(nodes) and nodes.ndim == 2
    if space.kind != "sequence" or not space.stack or not hasattr(value, "__len__"):
        return False
    if isinstance(value, np.ndarray) and value.dtype.name not in DTYPES:
        return True
    if getattr(value, "shape", (1,)) == () or len(value):
        return False
    shape: tuple[int, ...] = space.feature_space.shape
    return not isinstance(value, np.ndarray) or bool(value.shape[1:] != shape)


@todays_rules
@each_pair
@pytest.mark.filterwarnings("ignore")
def test_contains_agrees(our: Any, their: Any) -> None:
    values = [*arrays(), *odd_values(), *graphs(theirs)]
    for value in values:
        mine, expected = verdict(our, value), verdict(their, value)
        if isinstance(expected, str) or (not mine and only_gymnasium_takes(our, value)):
            expected = False
        assert mine is bool(expected), (
            f"{value!r} ({type(value).__name__}, {getattr(value, 'dtype', '')})"
        )


@each_pair
@pytest.mark.filterwarnings("ignore")
def test_each_contains_samples_of_the_other(our: Any, their: Any) -> None:
    their.seed(0)
    our.seed(0)
    for _ in range(10):
        drawn = draw(their)
        assert drawn is None or our.contains(drawn)
        assert their.contains(as_numpy(our.sample()))


@todays_rules
@each_pair
@pytest.mark.filterwarnings("ignore")
def test_perturbed_samples(our: Any, their: Any) -> None:
    rng = random.Random(0)
    their.seed(1)
    for _ in range(50):
        value = perturb(draw(their), rng)
        expected = verdict(their, value)
        if not isinstance(expected, str):
            assert our.contains(value) == bool(expected), repr(value)


@pytest.mark.parametrize(("our", "their"), PAIRS, ids=[repr(our)[:60] for our, _ in PAIRS])
def test_flatdim_agrees(our: Any, their: Any) -> None:
    assert ours.flatdim(our) == theirs.flatdim(their)


@pytest.mark.parametrize(("our", "their"), VARIABLE)
def test_flatdim_refuses_alike(our: Any, their: Any) -> None:
    for lib, space in ((ours, our), (theirs, their)):
        with pytest.raises(ValueError):  # noqa: PT011
            lib.flatdim(space)


def draw(space: Any) -> Any:
    """A sample; None if Gymnasium cannot draw one that it contains itself.

    It cannot for uint64 boxes beyond int64, and draws a scalar for a 0-d MultiDiscrete.
    """
    try:
        value = space.sample()
    except ValueError:
        return None
    return value if space.contains(value) else None


def as_numpy(value: Any) -> Any:
    """A native value with NumPy arrays for its Tensors."""
    if isinstance(value, Tensor):
        return np.asarray(value)
    if isinstance(value, ours.GraphInstance):
        return theirs.GraphInstance(*map(as_numpy, value))
    if isinstance(value, tuple):
        return tuple(map(as_numpy, value))
    if isinstance(value, dict):
        return {key: as_numpy(item) for key, item in value.items()}
    return value


def perturb(value: Any, rng: random.Random) -> Any:
    """Something near a value: another element, type or order."""
    if isinstance(value, np.ndarray) and value.size and value.ndim:
        value = value.copy()
        value.flat[rng.randrange(value.size)] = rng.choice([0, 1, 2, 5, 100])
        return rng.choice([value, value.astype("float64"), value.tolist(), value[..., ::-1]])
    if isinstance(value, str):
        return value + rng.choice(["a", "!", ""])
    if isinstance(value, dict):
        return {key: perturb(item, rng) for key, item in reversed(value.items())}
    if type(value) is tuple:
        return tuple(perturb(item, rng) for item in value)
    return value


def test_text_default_charset() -> None:
    from gymnasium.spaces.text import alphanumeric

    assert ours.Text(5).charset == "".join(sorted(alphanumeric))
