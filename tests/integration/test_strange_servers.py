"""What a client does with a server in another language, which may look at nothing."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import pytest

from rlmesh import EnvServer, RemoteEnv, ServeOptions, spaces
from rlmesh._codec import ValidationWarning
from rlmesh._codec.validate import VALIDATION_KEY
from rlmesh.errors import CodecError
from rlmesh.tensor import Tensor

BOX = spaces.Box(-1.0, 1.0, (2,), "float32")
SPACE = spaces.Dict({"box": BOX, "name": spaces.Text(3, charset="abc")})


class Strange:
    """Shows what a test puts into it."""

    observation_space = SPACE
    action_space = spaces.Discrete(2)

    def __init__(self) -> None:
        self.shown: Any = {"box": [0.0, 0.0], "name": "a"}

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        return self.shown, {}

    def step(self, action: int) -> Any:
        return self.shown, 0.0, False, False, {"step": 1}

    def close(self) -> None: ...


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers report another implementation."""
    from rlmesh._server import env_server

    ours = env_server.this_server
    monkeypatch.setattr(
        env_server, "this_server", lambda *given: replace(ours(*given), implementation="sim/1.0")
    )


def test_its_bad_observations_are_reported_once_a_path(foreign: None) -> None:
    env = Strange()
    with (
        EnvServer(env, options=ServeOptions(validation="off")) as server,
        RemoteEnv(server.address) as client,
    ):
        client.reset()
        env.shown = {"box": [float("nan"), 0.0], "name": "a"}
        with pytest.warns(ValidationWarning, match=r"observation\['box'\]"):
            observation, *_, info = client.step(0)
        assert observation["box"].tolist()[0] != observation["box"].tolist()[0]
        assert list(info) == ["step", VALIDATION_KEY]
        assert list(info[VALIDATION_KEY]) == ["observation['box']"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert client.step(0)[4] == {"step": 1}
        env.shown = {"box": [5.0, 0.0], "name": "xyz"}
        with pytest.warns(ValidationWarning, match=r"observation\['name'\]"):
            info = client.reset()[1]
        assert list(info[VALIDATION_KEY]) == ["observation['name']"]


@pytest.mark.parametrize("level", ["off", "strict"])
def test_the_other_levels_are_what_they_say(foreign: None, level: Any) -> None:
    env = Strange()
    env.shown = {"box": Tensor.of([9.0, 0.0], "float32"), "name": "a"}
    with (
        EnvServer(env, options=ServeOptions(validation="off")) as server,
        RemoteEnv(server.address, validation=level) as client,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        if level == "off":
            assert client.reset()[1] == {}
        else:
            with pytest.raises(CodecError, match="F-1: expected elements within the bounds"):
                client.reset()


def test_a_server_of_ours_decides_by_its_own_option() -> None:
    env = Strange()
    env.shown = {"box": [9.0, 0.0], "name": "a"}
    with (
        EnvServer(env, options=ServeOptions(validation="off")) as server,
        RemoteEnv(server.address) as client,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        assert client.reset()[1] == {}
