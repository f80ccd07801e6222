"""Ids of Gymnasium that the server's program has registered, in the processes of environments."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from rlmesh import EnvServer, RemoteEnv, errors
from rlmesh.spaces import Discrete

gym: Any = pytest.importorskip("gymnasium")
pytest.importorskip("rlmesh_numpy")

CLASS = "gymnasium.envs.classic_control.cartpole:CartPoleEnv"

PACKAGE = """
import gymnasium
from arcade.games import Pong

for i in range(3):
    gymnasium.register(f"Arcade/Pong{i}-v5", entry_point="arcade.games:Pong")
gymnasium.register("Arcade/MT1", entry_point=lambda **given: Pong(**given))
"""

GAMES = """
from gymnasium.envs.classic_control.cartpole import CartPoleEnv


class Pong(CartPoleEnv):
    metadata = {**CartPoleEnv.metadata, "game": "pong"}
"""


@pytest.fixture(autouse=True)
def transport() -> str:
    """Which transport is used makes no difference; once is enough."""
    return "auto"


@pytest.fixture(autouse=True)
def arcade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path, None, None]:
    """The folder of a package whose import registers ids, as `ale_py` does."""
    folder = tmp_path / "arcade"
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "games.py").write_text(GAMES)
    monkeypatch.syspath_prepend(str(tmp_path))
    known = dict(gym.registry)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "arcade"]:
        del sys.modules[name]
    gym.registry.clear()
    gym.registry.update(known)


def served_id(factory: Any) -> str:
    with EnvServer(factory=factory, workers="process") as server, RemoteEnv(server.address) as env:
        env.reset(seed=0)
        return env.env_contract.id


@pytest.mark.parametrize("env_id", ["Arcade/Pong1-v5", "Arcade/MT1"])
def test_a_process_knows_what_an_import_has_registered(
    env_id: str, capfd: pytest.CaptureFixture[str]
) -> None:
    importlib.import_module("arcade")
    assert served_id(lambda: gym.make(env_id)) == env_id
    assert "Overriding" not in capfd.readouterr().err


def test_a_process_knows_what_the_program_has_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    gym.register("Long-v0", entry_point=CLASS, max_episode_steps=7)
    gym.register("Made-v0", entry_point=lambda: gym.make("Long-v0").unwrapped)
    gym.register("Arcade/Own-v0", entry_point="arcade.games:Pong", kwargs={})
    monkeypatch.setattr(gym.spec("CartPole-v1"), "max_episode_steps", 9)

    def limit(env_id: str) -> int:
        with (
            EnvServer(factory=lambda: gym.make(env_id), workers="process") as server,
            RemoteEnv(server.address) as env,
        ):
            known = env.env_contract.registration
            assert known is not None and known.max_episode_steps is not None
            return known.max_episode_steps

    assert limit("Long-v0") == 7
    assert limit("CartPole-v1") == 9
    assert served_id(lambda: gym.make("Made-v0")) == "Made-v0"
    assert served_id(lambda: gym.make("Arcade/Own-v0")) == "Arcade/Own-v0"


def test_a_factory_may_import_gymnasium_itself() -> None:
    importlib.import_module("arcade")

    def make_late() -> Any:
        import gymnasium

        return gymnasium.make("Arcade/Pong0-v5")

    assert served_id(make_late) == "Arcade/Pong0-v5"


def test_what_a_process_cannot_have_is_in_the_error() -> None:
    class Unsendable:
        def __reduce__(self) -> Any:
            raise TypeError("this handle stays here")

    gym.register("Bound-v0", entry_point=CLASS, kwargs={"handle": Unsendable()})
    with pytest.raises(errors.EnvError) as caught:
        EnvServer(factory=lambda: gym.make("Bound-v0"), workers="process")
    assert "Environment `Bound` doesn't exist" in caught.value.message
    assert "this handle stays here" in caught.value.message
    with pytest.raises(errors.EnvError) as caught:
        EnvServer(factory=lambda: gym.make("Nowhere/Pong-v5"), workers="process")
    assert "Namespace Nowhere not found" in caught.value.message
    assert "import the module that registers it" in caught.value.message


def test_a_module_that_a_process_cannot_import_is_in_the_error(arcade: Path) -> None:
    importlib.import_module("arcade")
    (arcade / "__init__.py").write_text("raise RuntimeError('one process has the arcade')")
    with pytest.raises(errors.EnvError) as caught:
        EnvServer(factory=lambda: gym.make("Arcade/Pong0-v5"), workers="process")
    assert "one process has the arcade" in caught.value.message


def test_an_environment_without_gymnasium_does_not_wait_for_its_import() -> None:
    assert "gymnasium" in sys.modules
    for name, spec in list(gym.registry.items()):  # Other tests import packages that register ids.
        if not str(spec.entry_point).startswith("gymnasium."):
            del gym.registry[name]

    class Native:
        observation_space = action_space = Discrete(2)

        def reset(self, seed: Any = None, options: Any = None) -> Any:
            return 0, {"imported": "gymnasium" in sys.modules}

        def step(self, action: Any) -> Any:
            return 0, 0.0, False, False, {}

        def close(self) -> None: ...

    with (
        EnvServer(factory=Native, workers="process") as server,
        RemoteEnv(server.address) as env,
    ):
        assert env.reset()[1] == {"imported": False}
