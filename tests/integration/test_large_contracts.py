"""What no message can carry is refused when a server is made, not at the first request."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh import EnvServer, Model, ModelServer, errors, spaces
from rlmesh.adapters import ModelSpec

LARGE = 2**27


class StillEnv:
    """Has the spaces that it is given, and is never reset."""

    def __init__(
        self,
        observation_space: spaces.Space[Any] | None = None,
        action_space: spaces.Space[Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.observation_space = observation_space or spaces.Discrete(2)
        self.action_space = action_space or spaces.Discrete(2)
        self.metadata = metadata or {}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        raise AssertionError("no client has come")

    step = close = reset


def image(size: int) -> spaces.Box:
    return spaces.Box(0, 255, (size,), "uint8")


HUGE: tuple[spaces.Space[Any], ...] = (
    spaces.Dict({"left": image(LARGE), "right": image(LARGE + 1)}),
    spaces.Tuple([image(LARGE), spaces.Tuple([image(LARGE), spaces.Discrete(2)])]),
    spaces.OneOf([spaces.Dict({"a": image(LARGE), "b": image(LARGE + 1)}), image(2 * LARGE)]),
)


@pytest.mark.parametrize("space", HUGE[:2], ids=["dict", "nested"])
def test_spaces_with_values_over_the_limit_are_refused(space: spaces.Space[Any]) -> None:
    with pytest.raises(errors.SpaceError, match="observation_space: expected values of at most"):
        EnvServer(StillEnv(space))
    with pytest.raises(errors.SpaceError, match="action_space: expected values of at most"):
        EnvServer(StillEnv(action_space=space))
    with pytest.raises(errors.SpaceError, match="observation_space: expected values of at most"):
        EnvServer(factory=lambda: StillEnv(space))


def test_a_space_with_smaller_values_is_served() -> None:
    for space in (HUGE[2], spaces.Sequence(image(2 * LARGE))):
        with EnvServer(StillEnv(space)):
            pass


def test_the_lanes_of_a_vector_count_together() -> None:
    class Lanes(StillEnv):
        num_envs = 4
        single_observation_space = image(2**26 + 1)
        single_action_space = spaces.Discrete(2)

    words = "single_observation_space: .* got values of 4 lanes of 268435460 bytes"
    with pytest.raises(errors.SpaceError, match=words):
        EnvServer(Lanes())


def test_contracts_over_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "cannot be described to clients: 1[0-9]{5} bytes, and a message has at most 100000"
    monkeypatch.setattr("rlmesh._server.env_server.MAX_MESSAGE_BYTES", 100_000)
    closed: list[int] = []

    class Closing(StillEnv):
        def close(self) -> None:
            closed.append(1)

    for arguments in (
        {"env": StillEnv(metadata={"maps": b"x" * 100_000})},
        {"factory": lambda: Closing(metadata={"maps": b"x" * 100_000})},
    ):
        with pytest.raises(errors.LimitError, match=words):
            EnvServer(**arguments)
    assert closed == [1]
    monkeypatch.setattr("rlmesh._server.model_server.MAX_MESSAGE_BYTES", 100_000)
    spec = ModelSpec(id="m", metadata={"weights": b"x" * 100_000})
    with pytest.raises(errors.LimitError, match=words):
        ModelServer(Model(int, spec=spec))


def test_contracts_with_more_parts_than_a_receiver_takes_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rlmesh._wire.parts.SPARE_BYTES", 0)
    with pytest.raises(errors.LimitError, match="has more parts than the limit"):
        EnvServer(StillEnv(metadata={"list": [None] * 20_000}))
