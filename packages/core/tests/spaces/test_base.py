"""What all spaces share: equality, hashing, pickling, seeds, depth, errors with paths."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.errors import SpaceError
from rlmesh.spaces import (
    Box,
    Dict,
    Discrete,
    Graph,
    MultiBinary,
    MultiDiscrete,
    OneOf,
    Sequence,
    Space,
    Text,
    Tuple,
    path_text,
)


def corpus() -> list[Space[Any]]:
    """Spaces of every family, each built anew."""
    return [
        Box(0, 255, (4, 4, 3), "uint8"),
        Box([-1.0, 0.0], [1.0, float("inf")], dtype="float64"),
        Box(-1, 1, (), "bfloat16"),
        Box(0, 1, (2, 0), "float16"),
        Box(-(2**63), 2**63 - 1, (2,), "int64"),
        Box(False, True, (3,), "bool"),
        Discrete(5),
        Discrete(3, start=-1, dtype="int8"),
        MultiBinary(5),
        MultiBinary([5]),
        MultiBinary((2, 3)),
        MultiDiscrete([2, 3]),
        MultiDiscrete([[2], [3]], "uint8", start=[[1], [0]]),
        Text(5),
        Text(4, min_length=0, charset="zña\U0001f600"),
        Dict({"b": Discrete(2), "a": Box(0, 1)}),
        Dict({"a": Box(0, 1), "b": Discrete(2)}),
        Dict({1: Discrete(2), "1": Discrete(3)}),
        Dict(),
        Tuple([]),
        Tuple([Discrete(2), Tuple([Text(3)])]),
        Sequence(Box(0, 1, (2,))),
        Sequence(Box(0, 1, (2,)), stack=True),
        Sequence(Dict(a=Discrete(3), t=Text(2)), stack=True),
        Graph(Box(0, 1, (2,)), Discrete(4)),
        Graph(Discrete(4), None),
        OneOf([Discrete(2), Box(0, 1), Text(3)]),
        OneOf([Discrete(2), Discrete(2)]),
    ]


IDS = [f"{i}-{space.kind}" for i, space in enumerate(corpus())]
each_space = pytest.mark.parametrize("index", range(len(IDS)), ids=IDS)


def test_all_is_exact() -> None:
    assert spaces.__all__ == sorted(spaces.__all__)
    assert {n for n in vars(spaces) if not n.startswith("_") and n[0].isupper()} <= set(
        spaces.__all__
    )


def test_no_array_library_is_imported() -> None:
    code = "import sys, rlmesh.spaces; print({'numpy', 'gymnasium'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


@each_space
def test_sample_is_contained(index: int) -> None:
    space = corpus()[index]
    for _ in range(20):
        value = space.sample()
        assert space.contains(value)
        assert value in space


@each_space
def test_equality_and_hash(index: int) -> None:
    ours, again = corpus()[index], corpus()
    again[index].seed(1)
    assert [space == ours for space in again] == [i == index for i in range(len(again))]
    assert hash(again[index]) == hash(ours)
    assert ours != "space" and ours is not None
    assert len({ours, again[index]}) == 1


@each_space
@pytest.mark.parametrize("clone", [lambda s: pickle.loads(pickle.dumps(s)), copy.deepcopy])
def test_copies_keep_definition_and_sampler(index: int, clone: Any) -> None:
    space = corpus()[index]
    space.seed(3)
    space.sample()
    copied = clone(space)
    assert copied == space and hash(copied) == hash(space) and repr(copied) == repr(space)
    assert copied.depth == space.depth
    assert same(copied.sample(), space.sample())


@each_space
def test_seeded_samples_repeat(index: int) -> None:
    first, second = corpus()[index], corpus()[index]
    assert first.seed(7) == second.seed(7)
    assert all(same(first.sample(), second.sample()) for _ in range(5))
    assert same(_restart(first), _restart(second))


def _restart(space: Space[Any]) -> Any:
    space.seed(11)
    return space.sample()


def same(a: Any, b: Any) -> bool:
    """Equality by bits: a NaN never comes out of a sample."""
    return type(a) is type(b) and bool(a == b)


def test_seed_argument_of_constructors() -> None:
    a = Dict({"x": Box(0, 1, (3,)), "y": Discrete(100)}, seed=4)
    b = Dict({"x": Box(0, 1, (3,)), "y": Discrete(100)})
    b.seed(4)
    assert a.sample() == b.sample()


def test_seed_results_follow_the_space() -> None:
    assert Discrete(2).seed(5) == 5
    assert isinstance(Discrete(2).seed(), int)
    seeds: Any = Dict(a=Discrete(2), b=Tuple([Discrete(2), Discrete(2)])).seed(5)
    assert list(seeds) == ["a", "b"] and len(seeds["b"]) == 2
    assert len({seeds["a"], *seeds["b"]}) == 3
    assert len(Sequence(Discrete(2)).seed(5)) == 2  # type: ignore[arg-type]
    assert len(Graph(Discrete(2), Discrete(2)).seed(5)) == 3  # type: ignore[arg-type]
    assert len(OneOf([Discrete(2)] * 3).seed(5)) == 4  # type: ignore[arg-type]
    assert Dict().seed(5) == {} and Tuple([]).seed(5) == []


def test_children_get_seeds_of_their_own() -> None:
    space = Tuple([Box(0, 1, (4,)) for _ in range(4)], seed=0)
    assert len(set(space.sample())) == 4


@pytest.mark.parametrize(("seed", "error"), [(-1, ValueError), (1.5, TypeError)])
def test_bad_seed(seed: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Discrete(2).seed(seed)


@each_space
def test_definition_is_immutable(index: int) -> None:
    space = corpus()[index]
    with pytest.raises(AttributeError):
        space.kind = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        space.anything = 1
    with pytest.raises(AttributeError):
        del space._depth


def test_depth_and_children() -> None:
    leaf = Discrete(2)
    assert leaf.depth == 1 and leaf.children == ()
    assert Dict().depth == 1
    graph = Graph(leaf, Box(0, 1))
    assert [key for key, _ in graph.children] == ["nodes", "edges"]
    assert Sequence(leaf).children == ((0, leaf),)
    assert Dict({"b": leaf, "a": graph}).children == (("b", leaf), ("a", graph))
    assert Dict({"b": leaf, "a": graph}).depth == 3
    assert OneOf([leaf, graph]).children == ((0, leaf), (1, graph))


def test_depth_limit() -> None:
    space: Space[Any] = Discrete(2)
    for _ in range(23):
        space = Tuple([Discrete(3), space])
    assert space.depth == 24
    assert hash(space) == hash(pickle.loads(pickle.dumps(space)))
    with pytest.raises(SpaceError, match="24 levels") as caught:
        Dict({"a": space})
    assert caught.value.path == "['a']" + "[1]" * 22 + "[0]"


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (lambda: Dict({"a": 5}), "['a']"),  # type: ignore[dict-item]
        (lambda: Dict([("a", Discrete(2)), ("a", Discrete(2))]), "['a']"),
        (lambda: Tuple([Discrete(2), None]), "[1]"),  # type: ignore[list-item]
        (lambda: OneOf(["x"]), "[0]"),  # type: ignore[list-item]
        (lambda: Sequence("x"), "[0]"),  # type: ignore[arg-type]
        (lambda: Graph("x", None), "['nodes']"),  # type: ignore[arg-type]
        (lambda: Graph(Dict({"a": Tuple([])}), None), "['nodes']"),
        (lambda: Graph(Discrete(2), Tuple([])), "['edges']"),
    ],
)
def test_errors_carry_the_path(build: Any, path: str) -> None:
    with pytest.raises(SpaceError) as caught:
        build()
    assert caught.value.path == path
    assert str(caught.value).startswith(path)


def test_path_text() -> None:
    assert path_text(("a", 0)) == "['a'][0]"
    assert path_text(()) == ""
    assert path_text(["it's"]) == r"['it\'s']"
