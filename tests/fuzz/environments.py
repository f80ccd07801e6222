"""Environments for hostile sessions: they note what no client may make them see."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from rlmesh import spaces
from rlmesh._messages import env as m
from rlmesh.spaces._stacking import unstack
from rlmesh.specs import Capability, PeerInfo
from rlmesh.tensor import Tensor

__all__ = ["LANES", "PEER", "SPACE", "LaneEnv", "NotingEnv", "ScriptedPlayer", "one_version"]

LANES = 2

PEER = PeerInfo("1.0.0rc1", name="fuzz", capabilities=frozenset({Capability.RESUME}))
"""Both ends. Its version is the one that is in the corpus, which outlives that of the spec."""

SPACE = spaces.Dict(
    {
        "arm": spaces.Box(-1.0, 1.0, (2,)),
        "gripper": spaces.Discrete(3, start=-1, dtype="int8"),
        "words": spaces.Sequence(spaces.Text(4, min_length=0, charset="aé😀")),
        7: spaces.OneOf([spaces.MultiBinary(3), spaces.Tuple([])]),
        "plan": spaces.Graph(spaces.Discrete(4, dtype="uint8"), spaces.Box(0, 1, (), "bool")),
    }
)
"""One of nearly every family."""


@contextmanager
def one_version() -> Generator[None, None, None]:
    """Both ends speak the version of `PEER`."""
    with (
        mock.patch("rlmesh._session.session_manager.SPEC_VERSION", PEER.spec_version),
        mock.patch("rlmesh._session.session_link.SPEC_VERSION", PEER.spec_version),
    ):
        yield


class NotingEnv:
    """A single environment.

    Attributes:
        faults: What came although it is not of the action space.
        calls: Number of calls.
    """

    observation_space: Any = SPACE
    action_space: Any = SPACE
    render_mode = "ansi"

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.calls = 0
        self._observation: Any = self._first()

    def _first(self) -> Any:
        self.observation_space.seed(0)
        return self.observation_space.sample()

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[Any, Any]]:
        self.calls += 1
        self._note(seed is None or self._is_seed(seed), "seed", seed)
        self._note(options is None or isinstance(options, dict), "options", options)
        return self._observation, {"options": options}

    def _is_seed(self, seed: Any) -> bool:
        return isinstance(seed, int) and 0 <= seed < 2**64

    def step(self, action: Any) -> Any:
        self.calls += 1
        self._note(self._is_action(action), "action", action)
        return self._observation, 1.0, False, False, {}

    def _is_action(self, action: Any) -> bool:
        half = isinstance(action, dict) and (
            (action["plan"].edges is None) != (action["plan"].edge_links is None)
        )
        return half or self.action_space.contains(action)

    def render(self) -> str:
        self.calls += 1
        return "drawn"

    def close(self) -> None:
        self.calls += 1

    def _note(self, good: bool, name: str, value: Any) -> None:
        if not good:
            self.faults.append(f"{name} {value!r}")


class LaneEnv(NotingEnv):
    """A vector of two lanes."""

    num_envs = LANES
    single_observation_space = spaces.Dict({"eye": spaces.Box(0, 255, (2, 2), "uint8")})
    single_action_space = spaces.Tuple(
        [spaces.Discrete(3), spaces.Text(3, charset="ab"), spaces.Box(0, 1, (2,), "bool")]
    )

    def _first(self) -> Any:
        return {"eye": Tensor(bytes(range(8)), "uint8", (LANES, 2, 2))}

    def _is_seed(self, seed: Any) -> bool:
        lanes = seed if isinstance(seed, list) else [seed] * LANES
        return len(lanes) == LANES and all(s is None or 0 <= s < 2**64 for s in lanes)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[Any, Any]]:
        mask = (options or {}).get("reset_mask")
        if isinstance(mask, Tensor) and mask.dtype.name == "bool":
            self._note(set(mask.tobytes()) <= {0, 1}, "reset_mask", mask.tobytes())
        return super().reset(seed=seed, options=options)

    def step(self, actions: Any) -> Any:
        super().step(actions)
        rewards = Tensor(bytes(8 * LANES), "float64", (LANES,))
        flags = Tensor(bytes(LANES), "bool", (LANES,))
        return self._observation, rewards, flags, flags, {}

    def _is_action(self, action: Any) -> bool:
        lanes = unstack(self.single_action_space, action)
        return (
            lanes is not None
            and len(lanes) == LANES
            and all(map(self.single_action_space.contains, lanes))
        )

    def render(self) -> Any:
        self.calls += 1
        return ("drawn",) * LANES


class ScriptedPlayer:
    """An `EnvPlayer` that gives the same replies in turn, some of which cannot be written."""

    def __init__(self) -> None:
        self.calls = 0
        value = m.Encoded([b"\0" * 8], None)
        lanes = m.LaneOutcomes(bytes(16), bytes(2), bytes(2))
        self._replies: tuple[m.Reply, ...] = (
            m.StepDone(value, 1.0, info={"a": [1, None]}),
            m.ResetDone(value, {"\ud800": object()}),
            m.StepDone(m.Encoded([b""], 2), lanes=lanes, final_mask=b"\0\1", final=value),
            m.Failure(m.ErrorCode.USER_EXCEPTION, "\ud800", traceback="x" * 300_000),
            m.Rendered({(1, 2): {"nested": (b"", 2**70)}}),
            m.StepDone(value, reward="not a number"),  # type: ignore[arg-type]
        )

    def play(self, body: m.RequestBody) -> m.Reply:
        self.calls += 1
        return self._replies[self.calls % len(self._replies)]
