"""A backend of another package is found by its entry point, without a line of ours."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlmesh import EnvServer, ModelServer, RemoteEnv, RemoteModel, backends, evaluate
from rlmesh._models.base import ModelBase
from rlmesh.backends._registry import _entry_points
from rlmesh.spaces import Box
from tests.integration.envs import CounterEnv

PACKAGE = '''
"""An array library of a third party, whose arrays are lists with a name."""

from rlmesh import Model as NativeModel
from rlmesh.backends import BackendRegistration, NativeBackend


class Toy(list):
    """An array of the toy library."""


class ToyBackend(NativeBackend):
    name = "toy"

    def __init__(self, device="cpu"):
        self.device = device

    def from_bytes(self, data, leaf, count, copy):
        return Toy(super().from_bytes(data, leaf, count, copy).tolist())


class Model(NativeModel):
    def __init__(self, source=None, *, device="cpu", **options):
        super().__init__(source, backend=ToyBackend(device), **options)


BACKEND = ToyBackend()
REGISTRATION = BackendRegistration(BACKEND, "rlmesh_toy:Model", ToyBackend)
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the package is installed."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "rlmesh_toy.py").write_text(PACKAGE)
    (folder / "rlmesh_wrong.py").write_text("REGISTRATION = 7\n")
    installed = folder / "rlmesh_toy-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: rlmesh-toy\nVersion: 1\n")
    (installed / "entry_points.txt").write_text(
        "[rlmesh.backends]\ntoy = rlmesh_toy:REGISTRATION\nwrong = rlmesh_wrong:REGISTRATION\n"
    )
    return folder


@pytest.fixture
def toy(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(site))
    _entry_points.cache_clear()
    yield
    _entry_points.cache_clear()
    for module in ("rlmesh_toy", "rlmesh_wrong"):
        sys.modules.pop(module, None)


class BoxEnv(CounterEnv):
    """Rewards an action of the toy library."""

    action_space = Box(-1, 1, (2,), "float32")  # type: ignore[assignment]

    def step(self, action: Any) -> Any:
        return super().step(1)[0], float(type(action).__name__ == "Toy"), True, False, {}


class SeesBox(CounterEnv):
    """Has observations of two numbers."""

    observation_space = Box(-1, 1, (2,), "float32")  # type: ignore[assignment]

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        super().reset()
        return [0.5, -0.5], {}

    def step(self, action: Any) -> Any:
        return [0.5, -0.5], *super().step(action)[1:]


@pytest.mark.usefixtures("toy")
def test_a_server_gives_its_environment_actions_of_a_registered_library() -> None:
    with (
        EnvServer(BoxEnv(), framework="toy") as server,
        RemoteEnv(server.address) as remote,
    ):
        remote.reset()
        assert remote.step([0.5, -0.5])[1] == 1.0


@pytest.mark.usefixtures("toy")
def test_a_registered_library_is_listed_and_has_devices() -> None:
    first, *others = backends.backend_names()
    assert first == "native" and others == sorted(others) and {"toy", "wrong"} <= set(others)
    assert backends.backend_of("toy", "gpu").device == "gpu"  # type: ignore[attr-defined]
    assert issubclass(backends.registration("toy").model_class(), ModelBase)


@pytest.mark.usefixtures("toy")
def test_a_model_of_a_registered_library_reads_its_arrays() -> None:
    seen: list[Any] = []
    model = backends.registration("toy").model_class()(lambda x: seen.append(x) or 1)
    with EnvServer(SeesBox()) as server:
        model.run(server.address, max_episodes=1, max_episode_steps=2)
        with ModelServer(model) as served:
            remote = RemoteModel(served.address, framework="toy")
            result = evaluate(remote, server.address, max_episodes=1, max_episode_steps=2)
    assert result.total_steps == 2
    assert {type(value).__name__ for value in seen} == {"Toy"}


@pytest.mark.usefixtures("toy")
def test_an_entry_point_to_something_else_is_refused() -> None:
    with pytest.raises(TypeError, match=r"rlmesh_wrong:REGISTRATION.*BackendRegistration, got int"):
        backends.registration("wrong")


WORLD = """
import sys

import rlmesh
from rlmesh import spaces
from rlmesh._cli.main import main


class Env:
    observation_space = spaces.Box(-1, 1, (2,), "float32")
    action_space = spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        return [0.5, 0.5], {}

    def step(self, action):
        return [0.5, 0.5], 1.0, True, False, {}

    def close(self):
        pass


sys.path.insert(0, sys.argv[1])
with rlmesh.EnvServer(Env()) as server:
    words = ["policy:predict", server.address, "--seeds", "0:3", "--backend", "toy", "--json"]
    sys.argv = ["rlmesh", "eval", *words]
    main()
"""

POLICY = """
def predict(observation):
    assert type(observation).__name__ == "Toy", type(observation)
    return 0
"""


def test_the_command_line_takes_a_registered_library(site: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.py").write_text(POLICY)
    (tmp_path / "world.py").write_text(WORLD)
    done = subprocess.run(
        [sys.executable, "world.py", str(site)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["episodes"]) == 3


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
def test_our_own_libraries_are_registered(name: str) -> None:
    pytest.importorskip(f"rlmesh_{name}")
    found = backends.registration(name)
    assert found.backend is backends.backend_of(name)
    assert found.model_class().__module__ == f"rlmesh_{name}._model"


def test_a_name_that_nothing_registers_lists_the_others() -> None:
    with pytest.raises(ValueError, match=r"no framework 'smoke'; there are native, "):
        RemoteModel("127.0.0.1:1", framework="smoke")


def test_a_library_without_devices_refuses_one() -> None:
    with pytest.raises(ValueError, match="has no devices"):
        backends.backend_of("native", "cpu")
