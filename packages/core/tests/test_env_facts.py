"""What an environment states of itself: converted, or refused with the name of the fact."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from rlmesh import spaces
from rlmesh._env_host.describe_env import describe_env
from rlmesh._wire.dynamic import DynamicEncoder
from rlmesh.specs import AutoresetMode, EnvContract


class Plain:
    observation_space = action_space = spaces.Discrete(2)

    def reset(self, seed: Any = None, options: Any = None) -> Any: ...
    def step(self, action: Any) -> Any: ...
    def close(self) -> None: ...


class Lanes(Plain):
    single_observation_space = single_action_space = spaces.Discrete(2)
    num_envs: Any = 2


def described(cls: type, **facts: Any) -> EnvContract:
    return describe_env(type("Stated", (cls,), facts)()).contract


def spec(**facts: Any) -> SimpleNamespace:
    return SimpleNamespace(id="Stated-v0", **facts)


WRONG: list[tuple[type, str, dict[str, Any]]] = [
    *(
        (Plain, 'metadata["render_fps"]', {"metadata": {"render_fps": value}})
        for value in ("fps", [30], object(), 10**400, float("nan"), float("inf"), -1)
    ),
    *(
        (Plain, 'metadata["render_modes"]', {"metadata": {"render_modes": value}})
        for value in ("human", 3, b"human", ["\ud800"])
    ),
    *((Plain, "metadata", {"metadata": value}) for value in ([1, 2], "abc", 3)),
    *(
        (Lanes, 'metadata["autoreset_mode"]', {"metadata": {"autoreset_mode": value}})
        for value in ("next_step", True, [], 7)
    ),
    *((Plain, "render_mode", {"render_mode": value}) for value in (3, object(), "\ud800")),
    *((Lanes, "num_envs", {"num_envs": value}) for value in ("x", None, 2.5, 0, -1, 10**6)),
    *(
        (Plain, "spec.max_episode_steps", {"spec": spec(max_episode_steps=value)})
        for value in ("many", 1.5, 2**64)
    ),
    (Plain, "spec.reward_threshold", {"spec": spec(reward_threshold="high")}),
]


@pytest.mark.parametrize(("cls", "name", "facts"), WRONG)
def test_a_wrong_fact_is_named(cls: type, name: str, facts: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match=rf"^{re.escape(name)} of the environment is .+; expected "
    ):
        described(cls, **facts)


def test_right_facts_are_converted() -> None:
    metadata = {"render_fps": "30", "render_modes": {"human": 1}, "other": 1}
    contract = described(
        Plain, metadata=metadata, render_mode="human", spec=spec(reward_threshold=475)
    )
    assert (contract.render_fps, contract.render_modes) == (30.0, ("human",))
    assert contract.metadata == {"other": 1}
    assert metadata["render_fps"] == "30"
    assert contract.registration is not None
    assert type(contract.registration.reward_threshold) is float
    assert described(Plain, metadata=None).metadata == {}


@pytest.mark.parametrize("mode", AutoresetMode)
def test_every_mode_is_read(mode: AutoresetMode) -> None:
    for value in (mode, mode.value):
        assert described(Lanes, metadata={"autoreset_mode": value}).autoreset_mode is mode
    assert described(Lanes).autoreset_mode is AutoresetMode.NEXT_STEP


@pytest.mark.parametrize("steps", [None, -1])
def test_no_limit_of_steps(steps: Any) -> None:
    registration = described(Plain, spec=spec(max_episode_steps=steps)).registration
    assert registration is not None
    assert registration.max_episode_steps is None


@pytest.mark.parametrize(
    "facts",
    [{}, {"metadata": {"render_fps": 0}}, {"spec": spec(max_episode_steps=2**64 - 1)}],
    ids=str,
)
def test_what_is_accepted_can_be_sent(facts: dict[str, Any]) -> None:
    from rlmesh_proto.env.v1 import contract_pb2

    from rlmesh._wire.contract import contract_to_wire
    from rlmesh.backends import NATIVE

    message = contract_pb2.EnvContract()
    contract_to_wire(described(Plain, **facts), message, DynamicEncoder(NATIVE))
    assert message.SerializeToString()
