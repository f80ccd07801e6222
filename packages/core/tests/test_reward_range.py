"""The reward range of an environment reaches its clients, if it can be true."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer
from rlmesh._env_host.describe_env import describe_env
from rlmesh._session.versions import this_peer
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.backends import NATIVE
from rlmesh.specs import SessionTerms


class Coin:
    observation_space = rlmesh.spaces.Discrete(2)
    action_space = rlmesh.spaces.Discrete(2)

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        return 0, {}

    def step(self, action: int) -> Any:
        return 0, 0.0, True, False, {}

    def close(self) -> None:
        pass


def said(reward_range: Any) -> Coin:
    coin = Coin()
    coin.reward_range = reward_range  # type: ignore[attr-defined]
    return coin


def test_a_client_reads_it() -> None:
    with EnvServer(said((-1, 2.5))) as server, rlmesh.RemoteEnv(server.address) as remote:
        assert remote.env_contract.reward_range == (-1.0, 2.5)
    with EnvServer(Coin()) as server, rlmesh.RemoteEnv(server.address) as remote:
        assert remote.env_contract.reward_range is None


@pytest.mark.parametrize("pair", [[0, 0], (-math.inf, math.inf), (Fraction(1, 2), 1)], ids=str)
def test_any_pair_of_real_numbers_is_one(pair: Any) -> None:
    found = describe_env(said(pair)).contract.reward_range
    assert found == tuple(pair) and found is not None
    assert [type(end) for end in found] == [float, float]


@pytest.mark.parametrize(
    "none",
    [None, 1.0, (1,), (1, 2, 3), (2, 1), (math.nan, 1), (0, math.nan), ("0", "1"), "01"]
    + [(0, 10**400), (0j, 1j), (False, True)],
    ids=lambda value: repr(value)[:20],
)
def test_anything_else_is_not_said(none: Any) -> None:
    assert describe_env(said(none)).contract.reward_range is None


def test_numpy_says_it_too() -> None:
    np = pytest.importorskip("numpy")
    for pair in [np.array([-1, 1], "i4"), (np.float32(-1), np.int64(1))]:
        assert describe_env(said(pair)).contract.reward_range == (-1.0, 1.0)


def test_it_is_found_below_wrappers_that_leave_the_reward_alone() -> None:
    gym = pytest.importorskip("gymnasium")

    class Paid(gym.Env[Any, Any]):  # type: ignore[misc]
        observation_space = gym.spaces.Discrete(2)
        action_space = gym.spaces.Discrete(2)
        reward_range = (0.0, 9.0)

    class Stepped(gym.Wrapper[Any, Any, Any, Any]):  # type: ignore[misc]
        def step(self, action: Any) -> Any:
            return super().step(action)

    def found(env: Any) -> Any:
        return describe_env(env).contract.reward_range

    wrappers = gym.wrappers
    plain = wrappers.TimeLimit(wrappers.OrderEnforcing(Paid()), 5)
    assert found(plain) == found(wrappers.TransformAction(plain, abs, None)) == (0.0, 9.0)
    for changed in (wrappers.TransformReward(plain, abs), wrappers.NormalizeReward(plain)):
        assert found(changed) is None
    assert found(Stepped(plain)) is None
    again = Stepped(plain)
    again.reward_range = (1, 2)
    assert found(again) == (1.0, 2.0)


@pytest.mark.parametrize("pair", [(1.0, 0.0), (math.nan, 1.0)], ids=str)
def test_a_reader_ignores_one_that_is_none_and_warns(pair: tuple[float, float]) -> None:
    frames = EnvWireCodec(NATIVE)
    contract = replace(describe_env(Coin()).contract, reward_range=pair)
    sent = frames.write_description(this_peer("", frozenset()), contract, SessionTerms())
    with pytest.warns(RuntimeWarning, match="reward_range"):
        _, read, _ = frames.read_description(sent)
    assert read == replace(contract, reward_range=None)
