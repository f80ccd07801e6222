"""The thin host on the Python and the releases of gym that old simulators need."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rlmesh_proto.spaces.v1 import space_pb2

from rlmesh.numpy import RemoteEnv
from rlmesh_thin.dtypes import NUMPY as NUMBERS
from tests.conformance import vectors
from tests.processes import ROOT, finished
from tests.size import LONG
from tools.thin.bundle import TARGET

from .thin_hosts import hosted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RELEASES = {"0.25.2": ("pygame",), "0.21.0": ()}
"""Releases of gym, and what else their CartPole needs to be drawn."""

NUMPY = {"3.6": "1.19.5", "3.7": "1.21.6", "3.8": "1.22.4"}
"""Release of NumPy that the codec is checked with, by the version of Python."""

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


def python_of(version: str) -> Path:
    """The interpreter of a version ("3.8") that pyenv has."""
    if not LONG:
        pytest.skip("runs in `make test-long`: it installs gym and NumPy from PyPI")
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(root.glob(f"{version}.*/bin/python"))
    if not found:
        pytest.skip(f"pyenv has no Python {version}")
    return found[-1]


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of Python 3.8 that pyenv has."""
    return python_of("3.8")


def installed(python: Path, name: str, *groups: tuple[str, ...]) -> Path:
    """The interpreter of an environment with packages, kept in build/ from one run on.

    Args:
        python: Interpreter that the environment is made with.
        name: Name of its folder.
        groups: Arguments of `pip install`, for one call after the other.
    """
    folder = ROOT / "build" / "thin" / name
    program = folder / "bin" / "python"
    done = folder / "installed"
    if done.exists():
        return program
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True, timeout=120)
    pip = [program, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    for packages in groups:
        subprocess.run([*pip, *packages], check=True, timeout=300)
    done.touch()
    return program


def with_gym(python: Path, gym: str) -> Path:
    """The interpreter of an environment with a release of gym."""
    # gym 0.21's metadata is refused by newer releases of pip and setuptools.
    return installed(
        python,
        f"gym-{gym}",
        ("pip<24.1", "setuptools<66", "wheel<0.40"),
        ("numpy==1.22.4", *RELEASES[gym]),
        ("--no-build-isolation", f"gym=={gym}"),
    )


@pytest.mark.parametrize("instances", [1, 2])
@pytest.mark.parametrize("gym", RELEASES)
def test_old_gym_plays_as_it_does_locally(
    gym: str, instances: int, python: Path, tmp_path: Path
) -> None:
    program = str(with_gym(python, gym))
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


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def plan_of(space: space_pb2.Space) -> list[Any]:
    """The kind of a space and the arguments of its constructor, as JSON."""
    kind = space.WhichOneof("kind")
    made: Any = getattr(space, kind or "")
    if kind == "box":
        ends = [
            (end.WhichOneof("form"), encoded(getattr(end, end.WhichOneof("form"))), end.unbounded)
            for end in (made.low, made.high)
        ]
        ends = [(form, data, encoded(marks)) for form, data, marks in ends]
        return [kind, made.dtype, list(made.shape), ends]
    if kind == "discrete":
        start = np.frombuffer(made.start, NUMBERS[made.dtype]) if made.start else [0]
        return [kind, made.dtype, made.n, int(start[0])]
    if kind == "multi_binary":
        return [kind, list(made.shape), made.flat]
    if kind == "multi_discrete":
        return [kind, made.dtype, list(made.shape), encoded(made.nvec), encoded(made.start)]
    if kind == "text":
        return [kind, made.min_length, made.max_length, made.charset]
    if kind == "dict":
        entries = [(getattr(e, e.WhichOneof("key")), plan_of(e.space)) for e in made.entries]
        return [kind, entries, made.insertion_ordered]
    if kind == "sequence":
        return [kind, plan_of(made.space), made.stacked]
    if kind == "graph":
        edges = plan_of(made.edge_space) if made.HasField("edge_space") else None
        return [kind, plan_of(made.node_space), edges]
    return [str(kind), [plan_of(child) for child in made.spaces]]


def all_cases() -> dict[str, list[dict[str, Any]]]:
    """The vectors of spaces, values and self-describing values, for `old_codec.py`."""

    def planned(proto: bytes) -> list[Any]:
        return plan_of(space_pb2.Space.FromString(proto))

    def value(case: Any, *, refused: bool) -> dict[str, Any]:
        count = 1 if case.batch_size is None else case.batch_size
        slabs = [encoded(slab) for slab in case.slabs]
        facts = {"name": case.name, "plan": planned(case.space_proto)}
        return {**facts, "count": count, "slabs": slabs, "refused": refused}

    return {
        "spaces": [
            {
                "name": c.name,
                "plan": planned(c.space_proto),
                "canonical": encoded(c.canonical_proto),
            }
            for c in vectors.space_cases()
        ],
        "values": [
            *(value(case, refused=False) for case in vectors.value_cases()),
            *(value(case, refused=True) for case in vectors.invalid_value_cases()),
        ],
        "dynamic": [
            *(
                {
                    "name": c.name,
                    "proto": encoded(c.proto),
                    "canonical": encoded(c.canonical_proto),
                    "refused": False,
                }
                for c in vectors.dynamic_cases()
            ),
            *(
                {"name": c.name, "proto": encoded(c.proto), "refused": True}
                for c in vectors.invalid_dynamic_cases()
            ),
        ],
    }


@pytest.mark.parametrize("version", NUMPY)
def test_the_codec_keeps_the_vectors_on_old_pythons(version: str, tmp_path: Path) -> None:
    python = python_of(version)
    program = installed(python, f"numpy-{version}", (f"numpy=={NUMPY[version]}",))
    host, cases = tmp_path / "host.py", tmp_path / "cases.json"
    host.write_text(TARGET.read_text(encoding="utf-8"), encoding="utf-8")
    cases.write_text(json.dumps(all_cases()))
    arguments = [str(Path(__file__).with_name("old_codec.py")), str(host), str(cases)]
    done = finished(arguments, program=str(program))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.partition("RESULT")[2])
    assert result["wrong"] == []
    assert result["versions"][0].startswith(version) and result["versions"][1] == NUMPY[version]
