"""The thin host on the Python and the releases of gym that old simulators need."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlmesh.numpy import RemoteEnv
from tests.processes import ROOT, finished
from tests.size import LONG

from .thin_hosts import hosted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RELEASES = {"0.25.2": ("pygame",), "0.21.0": ()}
"""Releases of gym, and what else their CartPole needs to be drawn."""

LOCAL = """
import json, sys, warnings
warnings.simplefilter("ignore")
import gym, numpy
env = gym.make("CartPole-v1")
seen = []
for seed in range(20):
    draws = numpy.random.RandomState(seed)
    if gym.__version__ == "0.21.0":
        env.seed(seed)
        observation = env.reset()
    else:
        observation = env.reset(seed=seed)
    seen.append(observation.tolist())
    done = False
    while not done:
        observation, reward, done, info = env.step(int(draws.randint(2)))
        cut = bool(info.get("TimeLimit.truncated", False))
        seen.append([observation.tolist(), reward, done and not cut, cut])
print("RESULT" + json.dumps(seen))
"""


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of Python 3.8 that pyenv has."""
    if not LONG:
        pytest.skip("runs in `make test-long`: it installs gym and NumPy from PyPI")
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(root.glob("3.8.*/bin/python"))
    if not found:
        pytest.skip("pyenv has no Python 3.8")
    return found[-1]


def installed(python: Path, gym: str) -> Path:
    """The interpreter of an environment with a release of gym, kept in build/ from one run on."""
    folder = ROOT / "build" / "thin" / f"gym-{gym}"
    program = folder / "bin" / "python"
    done = folder / "installed"
    if done.exists():
        return program
    # gym 0.21's metadata is refused by newer releases of pip and setuptools.
    tools = ["pip<24.1", "setuptools<66", "wheel<0.40"]
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True, timeout=120)
    pip = [program, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    for packages in (
        tools,
        ["numpy==1.22.4", *RELEASES[gym]],
        ["--no-build-isolation", f"gym=={gym}"],
    ):
        subprocess.run([*pip, *packages], check=True, timeout=300)
    done.touch()
    return program


@pytest.mark.parametrize("instances", [1, 2])
@pytest.mark.parametrize("gym", RELEASES)
def test_old_gym_plays_as_it_does_locally(
    gym: str, instances: int, python: Path, tmp_path: Path
) -> None:
    program = str(installed(python, gym))
    arguments = ["gym:make", "--args", '{"id": "CartPole-v1"}', "--instances", str(instances)]
    with (
        hosted(tmp_path, *arguments, program=program) as (address, _),
        RemoteEnv(address) as remote,
    ):
        seen: list[Any] = []
        for seed in range(20):
            draws = np.random.RandomState(seed)
            seen.append(remote.reset(seed=seed)[0].tolist())
            ended = False
            while not ended:
                result = remote.step(int(draws.randint(2)))
                seen.append([result[0].tolist(), *result[1:4]])
                ended = result[2] or result[3]
        if RELEASES[gym]:
            assert remote.render().shape == (400, 600, 3)
    printed = finished(["-c", LOCAL], program=program).stdout
    assert seen == json.loads(printed.partition("RESULT")[2])
