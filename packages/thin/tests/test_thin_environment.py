"""Environments of old and new gym, and of none, as the thin host adapts them."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from rlmesh_proto.env.v1 import contract_pb2
from rlmesh_proto.session.v1 import error_pb2
from rlmesh_proto.spaces.v1 import space_pb2

from rlmesh._wire.contract import contract_from_wire
from rlmesh._wire.spaces import space_to_wire
from rlmesh.backends import NATIVE
from rlmesh.spaces import from_gymnasium
from rlmesh_thin.convert import convert_space
from rlmesh_thin.environment import Environment
from rlmesh_thin.faults import Fault
from rlmesh_thin.spaces import decode_values

from .thin_envs import Bare, New, Old, Wrapper, spaces_of_bare
from .thin_hosts import Bench

INVALID_RESULT = error_pb2.ERROR_CODE_INVALID_RESULT
s = gymnasium.spaces

FAMILIES: list[Any] = [
    s.Box(-1, 1, (2,), np.float32),
    s.Box(np.array([0, 1]), np.array([5, 255]), dtype=np.uint8),
    s.Box(-np.inf, np.inf, (), np.float64),
    s.Box(0, np.inf, (3,), np.int64),
    s.Box(np.array([-np.inf, 0]), np.array([3, np.inf]), dtype=np.int32),
    s.Discrete(5, start=-2),
    s.MultiBinary(3),
    s.MultiBinary([2, 2]),
    s.MultiDiscrete([3, 4], start=[1, -1]),
    s.Text(5, min_length=1, charset="abcé"),
    s.Dict({"b": s.Discrete(2), "a": s.Tuple([s.MultiBinary(1), s.Dict({})])}),
    s.Sequence(s.Text(3)),
    s.Sequence(s.Box(0, 1, (2,), np.float32), stack=True),
    s.Graph(s.Box(0, 1, (2,)), s.Discrete(3)),
    s.Graph(s.Discrete(3), None),
    s.OneOf([s.Discrete(2), s.Box(0, 1, (1,))]),
]


@pytest.mark.parametrize("space", FAMILIES, ids=str)
def test_a_space_is_the_one_that_the_whole_server_sends(space: Any) -> None:
    expected = space_pb2.Space()
    space_to_wire(from_gymnasium(space), expected)
    made = convert_space(space, "observation").proto
    assert space_pb2.Space.FromString(made) == expected


@pytest.mark.parametrize("space", FAMILIES, ids=str)
def test_samples_arrive_and_come_back(space: Any) -> None:
    thin = convert_space(space, "observation")
    space.seed(0)
    values = [space.sample() for _ in range(5)]
    slabs: list[Any] = []
    thin.encode(values, slabs)
    decoded = decode_values(thin, slabs, 5)
    again: list[Any] = []
    thin.encode(decoded, again)
    assert list(map(bytes, again)) == list(map(bytes, slabs))
    if not isinstance(space, (s.Graph, s.OneOf, s.Dict, s.Tuple)):
        assert all(space.contains(value) for value in decoded)


def test_old_spaces_lack_what_newer_ones_have() -> None:
    class Discrete:
        n = 3

    class Box:
        low, high, shape, dtype = np.array([0.0]), np.array([np.inf]), (1,), np.dtype(np.uint8)

    class Dict:
        def __init__(self) -> None:
            self.spaces = {"a": Discrete(), "b": Box()}

    made = space_pb2.Space.FromString(convert_space(Dict(), "action").proto)
    assert [entry.name for entry in made.dict.entries] == ["a", "b"]
    assert made.dict.entries[0].space.discrete.n == 3
    assert made.dict.entries[1].space.box.high.uniform == b"\xff"


def test_a_space_of_another_kind_is_refused_with_its_path() -> None:
    with pytest.raises(Fault, match=r"expected a Box.* got a builtins\.object") as caught:
        convert_space(type("Dict", (), {"spaces": {"a": object()}})(), "observation")
    assert caught.value.path == "observation['a']"


@pytest.mark.parametrize("wrap", [lambda env: env, Wrapper], ids=["bare", "wrapped"])
def test_old_gym(wrap: Any) -> None:
    inner = Old()
    env = Environment(wrap(inner))
    observation, info = env.reset(5, {"ignored": 1})
    assert list(observation) == [5.0, 0.0] and info == {} and inner.seeded == 5
    env.reset(None, None)
    assert inner.seeded == 5
    assert env.step(1)[1:] == (0.5, False, False, {})
    env.step(1)
    assert env.step(1)[2:4] == (True, False)
    assert env.render().shape == (2, 3, 3)


@pytest.mark.parametrize(
    ("info", "done", "expected"),
    [
        ({}, "terminated", (True, False)),
        ({}, "truncated", (False, True)),
        ({"TimeLimit.truncated": True}, "terminated", (False, True)),
        ({"TimeLimit.truncated": False}, "truncated", (True, False)),
    ],
)
def test_done_of_old_gym(info: Any, done: str, expected: Any) -> None:
    env = Environment(Old(1, info), done=done)
    env.reset(None, None)
    assert env.step(0)[2:4] == expected


def test_new_gym() -> None:
    env = Environment(New())
    assert env.reset(3, {"a": 1})[1] == {"seed": 3, "options": {"a": 1}}
    assert env.step(0)[1:4] == (1.5, False, False)
    assert env.render() == "drawn"


def test_a_pair_that_is_an_observation_is_none_of_observation_and_info() -> None:
    class Pairs:
        observation_space = s.Tuple([s.Discrete(3), s.Dict({"a": s.Discrete(2)})])
        action_space = s.Discrete(2)

        def reset(self) -> Any:
            return 1, {"a": 0}

    assert Environment(Pairs()).reset(None, None) == ((1, {"a": 0}), {})


def test_the_contract_says_what_the_environment_says() -> None:
    message = contract_pb2.EnvContract.FromString(Environment(Old()).contract(["length"]))
    contract = contract_from_wire(message, NATIVE)
    assert contract.id == "Old" and contract.exposed == ("length",)
    assert contract.render_mode == "rgb_array" and contract.render_fps == 30
    assert contract.reward_range == (-1.0, 1.0)
    made = gymnasium.make("CartPole-v1")
    known = contract_from_wire(
        contract_pb2.EnvContract.FromString(Environment(made).contract([])), NATIVE
    ).registration
    assert known is not None and known.max_episode_steps == 500


def test_spaces_are_guessed_and_reported_field_by_field(capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench(Bare())
    lines = capsys.readouterr().err.splitlines()
    assert any("observation['position']: float64 of shape (1,)" in line for line in lines)
    assert any("observation['image']: uint8 of shape (2, 2, 3)" in line for line in lines)
    assert any("action: float64 of shape (2,)" in line for line in lines)
    assert not bench.ask("reset").HasField("error")
    bench.env.env.shape = (2, 2, 4)
    error = bench.ask("reset").error
    assert error.code == INVALID_RESULT and error.path == "observation['image']"
    assert "(2, 2, 3)" in error.expected and "(2, 2, 4)" in error.actual


def test_spaces_may_be_named() -> None:
    env = Environment(Bare(), spaces_of_bare)
    made = space_pb2.Space.FromString(env.observation_space.proto)
    kinds = {entry.name: entry.space.WhichOneof("kind") for entry in made.dict.entries}
    assert kinds == {"position": "box", "image": "box", "count": "discrete"}
    assert env.action_space.shape == (2,)


def test_an_environment_without_actions_is_refused() -> None:
    class Nothing:
        def reset(self) -> Any:
            return np.zeros(2)

    with pytest.raises(Fault, match="action_space or action_spec"):
        Environment(Nothing())
