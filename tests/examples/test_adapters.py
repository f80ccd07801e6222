"""The examples of adapters, each played as its reader does."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from tests.processes import ROOT

pytest.importorskip("gymnasium")
pytest.importorskip("numpy")
pytest.importorskip("rlmesh_numpy")

import numpy as np

FOLDER = ROOT / "examples/python/adapters"


def example(name: str) -> Any:
    return runpy.run_path(str(FOLDER / f"{name}.py"))


def printed(module: Any, capsys: pytest.CaptureFixture[str]) -> list[str]:
    module["main"]()
    return capsys.readouterr().out.splitlines()


def test_a_vla_plays_in_an_environment_like_libero(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("PIL")
    assert printed(example("vla"), capsys) == [
        "success 100% in 12 steps",
        "signs of wrong declarations: 0",
    ]
    text = (FOLDER / "vla.py").read_text()
    spec = text[text.index("# What the model needs") : text.index("class Policy")]
    assert 0 < len(spec.strip().splitlines()[1:]) <= 10


def test_two_arms_are_never_exchanged(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(example("bimanual"), capsys) == [
        "left: joints 0.00 rad, gripper 1.0 (1 is open)",
        "right: joints 1.57 rad, gripper 0.0 (1 is open)",
    ]


def test_pong_is_that_of_gymnasiums_wrappers(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ale_py")
    pytest.importorskip("cv2")
    import gymnasium as gym
    from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation

    import rlmesh_numpy
    from rlmesh.adapters import resolve
    from rlmesh.specs import EnvContract

    module = example("pong")
    raw = module["make"]()
    plain = AtariPreprocessing(gym.make("ALE/Pong-v5"), noop_max=0, frame_skip=1, screen_size=84)
    wrapped = FrameStackObservation(plain, 4)
    with raw, wrapped:
        contract = EnvContract(
            "pong",
            rlmesh_numpy.spaces_from_gymnasium(raw.observation_space),
            rlmesh_numpy.spaces_from_gymnasium(raw.action_space),
            tags=raw.rlmesh_tags,
        )
        episode = resolve(contract, module["spec"], backend=rlmesh_numpy.BACKEND).episode()
        seen, expected = raw.reset(seed=3)[0], wrapped.reset(seed=3)[0]
        shades = set()
        for step in range(120):
            np.testing.assert_array_equal(episode.observe(seen), expected)
            shades.update(np.unique(expected))
            seen, expected = raw.step(step % 6)[0], wrapped.step(step % 6)[0]
    assert len(shades) > 5  # The ball and the paddles were there.
    (line,) = printed(module, capsys)
    assert line.endswith("in 200 steps")


def test_one_model_gets_the_same_from_two_robots(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("mujoco")
    module = example("two_robots")
    try:
        robots = module["Desk"](), module["Ceiling"]()
    except Exception as error:
        pytest.skip(f"MuJoCo cannot render here: {error}")
    front, above = robots[0].reset()[0]["front"], robots[1].reset()[0]["overhead_cam"]
    for robot in robots:
        robot.close()
    if not np.array_equal(front, above.transpose(1, 2, 0)[::-1, ::-1]):
        pytest.skip("this renderer draws another image with the camera upside down")
    assert front.std() > 10 and (front != front[::-1, ::-1]).any()
    lines = printed(module, capsys)
    assert lines[0].partition(": ")[2] == lines[1].partition(": ")[2]
    assert lines[2] == "equal inputs: True"
