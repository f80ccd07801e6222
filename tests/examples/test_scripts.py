"""The examples by task, each run with a small budget; `make test-long` runs them whole."""

from __future__ import annotations

import hashlib
import os
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, finished
from tests.size import LONG, only_long
from tools.pythons import fresh_venv, made_once, pip_install

pytest.importorskip("gymnasium")
pytest.importorskip("rlmesh_numpy")

FOLDER = ROOT / "examples/python"
SCRIPTS = sorted(
    path for name in ("training", "policies", "scale") for path in (FOLDER / name).glob("*.py")
)


def main_of(name: str) -> Any:
    """The function `main` of an example."""
    return runpy.run_path(str(FOLDER / f"{name}.py"))["main"]


def test_ppo_learns_on_a_served_vector() -> None:
    pytest.importorskip("torch")
    before, after = main_of("training/ppo")(updates=60 if LONG else 8, episodes=6)
    assert after > (150 if LONG else before + 10)


@pytest.mark.slow
@only_long
@pytest.mark.timeout(900)
def test_the_dqn_of_stable_baselines3_learns() -> None:
    pytest.importorskip("stable_baselines3")
    done = finished([str(FOLDER / "training/dqn_sb3.py")], timeout=800)
    assert done.returncode == 0, done.stderr
    (reward,) = re.findall(r"mean reward ([\d.]+) in ", done.stdout)
    assert float(reward) > 150


def test_a_policy_in_torch_plays_in_chunks() -> None:
    pytest.importorskip("torch")
    rewards = main_of("policies/torch_chunks")(**({} if LONG else {"seeds": 1}))
    assert set(rewards) == {0, 1, 4, 8}
    assert rewards[1] > rewards[0] + 200


def test_a_policy_in_jax_learns_on_a_served_vector() -> None:
    pytest.importorskip("jax")
    before, after = main_of("policies/jax_policy")(rounds=60 if LONG else 8, episodes=6)
    assert after > before + (100 if LONG else 10)


def test_a_controller_moves_an_arm_by_its_tags(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("mujoco")
    controlled, random = main_of("policies/mujoco_arm")(episodes=5)
    assert controlled.mean_reward > -15 > -30 > random.mean_reward
    assert "times 1000, as float32  inputs['error_mm']" in capsys.readouterr().out


def test_a_suite_has_a_report_and_continues(tmp_path: Path) -> None:
    main = main_of("scale/suite")
    first, again = (main(folder=tmp_path, episodes=2) for _ in range(2))
    assert list(first.by_task()) == ["near", "tilted", "far"]
    assert first.by_task()["near"].mean_reward > first.by_task()["far"].mean_reward
    assert first.rewards == again.rewards
    assert "tilted" in (tmp_path / "suite.html").read_text()


def test_the_thin_host_is_started_and_played() -> None:
    done = finished([str(FOLDER / "scale/thin_host.py")])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 episodes, mean reward ")


@only_long
def test_a_host_that_does_not_start_is_reported() -> None:
    done = finished([str(FOLDER / "scale/thin_host.py"), "--env", "no_such_module:make"])
    assert done.returncode == 1
    assert "no_such_module" in done.stderr and "the host did not start" in done.stderr


@pytest.mark.slow
@only_long
@pytest.mark.timeout(900)
def test_actors_of_ray_play_a_run() -> None:
    # The environment of packages/core/tests/test_ray_pool.py.
    lock = ROOT / "requirements/peers-ray.txt"
    folder = ROOT / "build" / "ray" / "{}.{}".format(*sys.version_info[:2])
    with made_once(folder, hashlib.sha256(lock.read_bytes()).hexdigest()) as needed:
        if needed:
            venv = fresh_venv(sys.executable, folder)
            pip_install(venv, ["--require-hashes", "-r", lock])
            pip_install(venv, ["grpcio", "grpcio-health-checking", "protobuf"])
    sources = ("packages/core/src", "packages/numpy/src", "gen/python/src")
    done = finished(
        [str(FOLDER / "scale/ray_pool.py"), "--actors", "2", "--episodes", "40"],
        program=str(folder / "bin" / "python"),
        timeout=300,
        PYTHONPATH=os.pathsep.join(str(ROOT / source) for source in sources),
        RAY_USAGE_STATS_ENABLED="0",
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "40 episodes, mean reward " in done.stdout and "actor 1: " in done.stdout


def test_each_is_in_the_documentation_and_has_a_test() -> None:
    page, tests = (ROOT / "docs/examples.md").read_text(), Path(__file__).read_text()
    assert len(SCRIPTS) == 8
    for path in SCRIPTS:
        assert f"`{path.name}`" in page
        assert f"{path.parent.name}/{path.stem}" in tests
