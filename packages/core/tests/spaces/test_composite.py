"""Text, Dict, Tuple, Sequence, Graph, OneOf, flatdim and the bridge to Gymnasium."""

from __future__ import annotations

import importlib
from collections import OrderedDict
from typing import Any

import pytest

from rlmesh.errors import SpaceError
from rlmesh.spaces import (
    Box,
    Dict,
    Discrete,
    Graph,
    GraphInstance,
    MultiBinary,
    MultiDiscrete,
    OneOf,
    Sequence,
    Text,
    Tuple,
    flatdim,
    from_gymnasium,
    to_gymnasium,
)
from rlmesh.tensor import Tensor


class TestText:
    def test_values(self) -> None:
        space = Text(3, min_length=1, charset="ab")
        assert "ab" in space and "aaa" in space
        assert "" not in space and "aaaa" not in space and "c" not in space and 1 not in space
        assert {len(space.sample()) for _ in range(100)} == {1, 2, 3}
        assert "" in Text(0, min_length=0)

    def test_charset(self) -> None:
        assert Text(1).charset == ("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
        assert Text(1, charset="ba").charset == "ba"
        assert Text(1, charset={"b", "a"}).charset == "ab"
        assert Text(1, charset=frozenset("ba")) == Text(1, charset="ab")
        assert Text(1, charset="ba") != Text(1, charset="ab")
        assert "\0" in Text(1, charset="\0\U0010ffff")

    @pytest.mark.parametrize(
        "kwargs",
        [
            {"max_length": -1, "min_length": -1},
            {"max_length": 1, "min_length": 2},
            {"max_length": 2**32},
            {"max_length": 1.0},
            {"max_length": 1, "charset": "aba"},
            {"max_length": 1, "charset": ""},
            {"max_length": 1, "charset": {"ab"}},
            {"max_length": 1, "charset": "a\ud800"},
            {"max_length": 1, "charset": 5},
            {"max_length": 1, "charset": [1, 2]},
            {"max_length": 1, "charset": {1, "a"}},
        ],
    )
    def test_refused(self, kwargs: Any) -> None:
        with pytest.raises(SpaceError):
            Text(**kwargs)


class TestDict:
    def test_order_is_kept(self) -> None:
        space = Dict({"b": Discrete(2), "a": Discrete(3)}, c=Discrete(4))
        assert list(space) == list(space.keys()) == ["b", "a", "c"]
        assert list(space.sample()) == ["b", "a", "c"]
        assert space != Dict(a=Discrete(3), b=Discrete(2), c=Discrete(4))
        assert space == Dict([("b", Discrete(2)), ("a", Discrete(3)), ("c", Discrete(4))])
        assert space == Dict(OrderedDict(space.items()))

    def test_mapping(self) -> None:
        space = Dict({1: Discrete(2), "1": Discrete(3)})
        assert len(space) == 2 and space[1] == Discrete(2) and space["1"] == Discrete(3)
        assert dict(space) == space.spaces == dict(space.items())
        assert list(space.values()) == [Discrete(2), Discrete(3)]
        space.spaces.clear()
        assert len(space) == 2
        assert repr(space) == "Dict(1: Discrete(2), '1': Discrete(3))"

    def test_values(self) -> None:
        space = Dict(a=Discrete(2), b=Discrete(3))
        assert {"b": 2, "a": 1} in space
        assert {"a": 1} not in space and {"a": 1, "b": 3} not in space and [1, 2] not in space
        assert {"a": 1, "b": 2, "c": 0} not in space
        assert {} in Dict()

    @pytest.mark.parametrize(
        "given",
        [
            {True: Discrete(2)},
            {1.5: Discrete(2)},
            {("a",): Discrete(2)},
            {2**63: Discrete(2)},
            {"\ud800": Discrete(2)},
            [("a", Discrete(2)), ("a", Discrete(2))],
            ["ab", "cd"],
            [1, 2],
            5,
        ],
    )
    def test_refused(self, given: Any) -> None:
        with pytest.raises(SpaceError):
            Dict(given)

    def test_keyword_that_is_there_already(self) -> None:
        with pytest.raises(SpaceError, match="twice"):
            Dict({"a": Discrete(2)}, a=Discrete(2))


class TestTuple:
    def test_sequence(self) -> None:
        space = Tuple([Discrete(2), Text(3)])
        assert len(space) == 2 and space[0] == Discrete(2) and space[-1] == Text(3)
        assert list(space) == [Discrete(2), Text(3)] and space[1:] == (Text(3),)
        assert repr(Tuple([Discrete(2)])) == "Tuple(Discrete(2))"

    def test_values(self) -> None:
        space = Tuple([Discrete(2), Discrete(3)])
        assert (1, 2) in space and [1, 2] in space
        assert Tensor.of([1, 2], "int64") in space
        assert (1,) not in space and (1, 3) not in space and 1 not in space
        assert Tensor.of(1, "int64") not in space
        assert () in Tuple([])

    @pytest.mark.parametrize("given", [5, [None], None])
    def test_refused(self, given: Any) -> None:
        with pytest.raises(SpaceError):
            Tuple(given)


class TestSequence:
    def test_values(self) -> None:
        space = Sequence(Discrete(3), seed=0)
        assert () in space and (0, 2) in space
        assert (3,) not in space and [0] not in space
        lengths = [len(space.sample()) for _ in range(4000)]
        assert min(lengths) == 1 and abs(sum(lengths) / 4000 - 4) < 0.3

    def test_stacked_numbers(self) -> None:
        space = Sequence(Box(0, 1, (2, 3)), stack=True)
        value = space.sample()
        assert isinstance(value, Tensor) and value.shape[1:] == (2, 3)
        assert value in space
        assert Tensor(b"", "float32", (0, 2, 3)) in space
        assert Tensor(b"", "float32", (0, 3)) not in space
        assert [[[0, 0, 0], [1, 1, 1]]] in space
        assert Tensor.of([[[0, 0, 0], [1, 1, 2]]], "float32") not in space

    def test_stacked_discrete_keeps_its_type(self) -> None:
        space = Sequence(Discrete(3, dtype="int8"), stack=True)
        value = space.sample()
        assert isinstance(value, Tensor) and value.dtype.name == "int8" and value.ndim == 1
        assert value in space
        assert Tensor.of([1, 2], "int8") in space
        assert Tensor.of([1, 2], "int64") not in space
        assert Tensor.of(1, "int8") not in space

    def test_stacked_composites(self) -> None:
        inner = Dict(
            a=Box(0, 1, ()),
            b=Tuple([MultiBinary(2), MultiDiscrete([3])]),
            t=Text(2),
            s=Sequence(Discrete(2)),
            g=Graph(Discrete(2), None),
            o=OneOf([Discrete(2)]),
        )
        space = Sequence(inner, stack=True, seed=1)
        value = space.sample()
        assert value in space
        n = len(value["t"])
        assert value["a"].shape == (n,) and value["b"][0].shape == (n, 2)
        assert all(type(value[key]) is tuple and len(value[key]) == n for key in "tsgo")
        assert {**value, "t": value["t"] + ("a",)} not in space
        assert {**value, "x": 1} not in space
        assert {**value, "b": value["b"][:1]} not in space

    def test_stack_within_stack(self) -> None:
        space = Sequence(Sequence(Discrete(3), stack=True), stack=True, seed=2)
        value = space.sample()
        assert type(value) is tuple and all(isinstance(v, Tensor) for v in value)
        assert value in space

    def test_stacked_spaces_without_leaves(self) -> None:
        space = Sequence(Tuple([Dict(), Discrete(3), Tuple([Dict()])]), stack=True)
        value = space.sample()
        assert value[0] == {} and value[2] == ({},) and value in space
        assert ({"a": 1}, *value[1:]) not in space
        assert {} in Sequence(Dict(), stack=True)
        assert {"a": 1} not in Sequence(Dict(), stack=True)

    def test_stack_is_part_of_the_space(self) -> None:
        assert Sequence(Discrete(2)) != Sequence(Discrete(2), stack=True)


class TestGraph:
    space = Graph(Box(0, 1, (2,)), Discrete(3))

    def test_sample(self) -> None:
        graph = self.space.sample(num_nodes=4, num_edges=6)
        assert graph.nodes.shape == (4, 2) and graph.edges.shape == (6,)
        assert graph.edge_links.shape == (6, 2) and graph.edge_links.dtype.name == "int32"
        assert graph in self.space
        assert self.space.sample().nodes.shape == (10, 2)
        assert self.space.sample(num_nodes=1)[1:] == (None, None)
        assert Graph(Discrete(2), None).sample(num_edges=3)[1:] == (None, None)
        with pytest.raises(ValueError, match="node"):
            self.space.sample(num_nodes=0)

    def test_contains(self) -> None:
        nodes, edges = Tensor.of([[0, 1], [1, 0]], "float32"), Tensor.of([2], "int64")
        links = Tensor.of([[0, 1]], "int32")
        none = Tensor(b"", "int64", (0,)), Tensor(b"", "int32", (0, 2))
        assert GraphInstance(nodes, edges, links) in self.space
        assert GraphInstance(nodes, None, None) in self.space
        assert GraphInstance(nodes, *none) in self.space
        assert GraphInstance(Tensor(b"", "float32", (0, 2)), None, None) in self.space
        for wrong in (
            GraphInstance(nodes, edges, None),
            GraphInstance(nodes, None, links),
            GraphInstance(None, None, None),
            GraphInstance(nodes, edges, Tensor.of([[0, 2]], "int32")),
            GraphInstance(nodes, edges, Tensor.of([[0, -1]], "int32")),
            GraphInstance(nodes, edges, Tensor.of([[0.0, 1.0]], "float32")),
            GraphInstance(nodes, edges, Tensor.of([0, 1], "int32")),
            GraphInstance(nodes, edges, [[0, 1]]),
            GraphInstance(nodes, Tensor.of([3], "int64"), links),
            (nodes, edges, links),
            5,
        ):
            assert wrong not in self.space
        assert GraphInstance(nodes, edges, links) not in Graph(Box(0, 1, (2,)), None)


class TestOneOf:
    def test_values(self) -> None:
        space = OneOf([Discrete(2), Text(3)], seed=0)
        assert {space.sample()[0] for _ in range(50)} == {0, 1}
        assert (0, 1) in space and (1, "a") in space
        assert (0, "a") not in space and (2, 0) not in space and (-1, "a") not in space
        assert [0, 1] not in space and (0, 1, 2) not in space and (0.0, 1) not in space
        assert len(space) == 2 and space[1] == Text(3) and next(iter(space)) == Discrete(2)

    def test_empty_is_refused(self) -> None:
        with pytest.raises(SpaceError, match="at least one"):
            OneOf([])


def test_flatdim_of_spaces_that_differ_in_size() -> None:
    for space in (Sequence(Discrete(2)), Graph(Discrete(2), None), Tuple([Sequence(Discrete(2))])):
        with pytest.raises(ValueError, match="differ in size"):
            flatdim(space)


class TestBridge:
    def test_delegates(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Bridge:
            spaces_from_gymnasium = staticmethod(lambda space: ("from", space))
            spaces_to_gymnasium = staticmethod(lambda space: ("to", space))

        monkeypatch.setattr(importlib, "import_module", {"rlmesh_numpy": Bridge}.__getitem__)
        assert from_gymnasium(1) == ("from", 1)
        assert to_gymnasium(Discrete(2)) == ("to", Discrete(2))

    @pytest.mark.parametrize(("name", "helps"), [("rlmesh_numpy", True), ("numpy", False)])
    def test_missing(self, monkeypatch: pytest.MonkeyPatch, name: str, helps: bool) -> None:
        def missing(_: str) -> None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        monkeypatch.setattr(importlib, "import_module", missing)
        with pytest.raises(ImportError) as caught:
            to_gymnasium(Discrete(2))
        assert ('pip install "rlmesh-core[gymnasium]"' in str(caught.value)) is helps
        assert caught.value.name == name

    def test_a_space_of_gymnasium_is_named(self) -> None:
        gymnasium = pytest.importorskip("gymnasium")
        with pytest.raises(SpaceError, match="from_gymnasium"):
            Tuple([gymnasium.spaces.Discrete(2)])


def test_the_flag_of_a_dict_is_no_sub_space() -> None:
    with pytest.raises(SpaceError, match="expected a bool for sort_keys"):
        Dict(sort_keys=Discrete(2))  # type: ignore[call-overload]
    assert Dict({"sort_keys": Discrete(2)}, sort_keys=False).sort_keys is False
