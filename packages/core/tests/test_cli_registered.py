"""Ids of Gymnasium that a command line names together with the module that registers them."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from rlmesh._cli.sources import UsageProblem, make_env

pytest.importorskip("rlmesh_numpy")
import gymnasium

ARCADE = """
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv


class Own(CartPoleEnv):
    pass


def register(env_id):
    gymnasium.register(env_id, entry_point="arcade:Own")


for name in ("Arcade/MT1", "Arcade/Pong-v5", "Plain", "Own-v3"):
    register(name)
"""


@pytest.fixture(autouse=True)
def arcade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None, None, None]:
    """A module of the working folder that registers ids."""
    (tmp_path / "arcade.py").write_text(ARCADE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [part for part in sys.path if part])
    known = dict(gymnasium.registry)
    yield
    sys.modules.pop("arcade", None)
    gymnasium.registry.clear()
    gymnasium.registry.update(known)


@pytest.mark.parametrize(
    ("name", "env_id"),
    [
        ("arcade:Arcade/MT1", "Arcade/MT1"),
        ("arcade:Arcade/Pong-v5", "Arcade/Pong-v5"),
        ("arcade:Plain", "Plain"),
        ("arcade:Own-v3", "Own-v3"),
        ("arcade:CartPole-v1", "CartPole-v1"),
    ],
)
def test_the_module_is_found_in_the_working_folder(name: str, env_id: str) -> None:
    env = make_env(name, {}, "rgb_array")
    assert env.spec.id == env_id and env.render_mode == "rgb_array"
    env.close()


def test_an_attribute_comes_before_an_id() -> None:
    env = make_env("arcade:Own", {}, None)
    assert env.spec is None and type(env).__name__ == "Own"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "ALE/Pong-v5",
            "package for ALE? The import of its module registers it; try ale_py:ALE/Pong-v5",
        ),
        ("Meta-World/MT1", "try metaworld:Meta-World/MT1"),
        ("Elsewhere/MT1", "try MODULE:Elsewhere/MT1, as in ale_py:ALE/Pong-v5"),
        ("MiniGrid-Empty-8x8-v0", "try MODULE:MiniGrid-Empty-8x8-v0"),
        ("nowhere_to_be_found:ALE/Pong-v5", "No module named 'nowhere_to_be_found'"),
        ("arcade:Arcade/MT2", "arcade:Arcade/MT2: Environment `MT2` doesn't exist"),
        ("arcade:Ownn", "the module 'arcade' has no 'Ownn'; did you mean 'Own'?; and no"),
        ("arcade:a:b", "expected module:name"),
        ("arcade:a b", "arcade:a b: Malformed environment ID: a b"),
        ("arcade:Arcade/Pong-v6", "Environment version `v6`"),
        ("./arcade:Own-v3", "no file"),
        ("arcade.py:Own-v3", "no file"),
        (":Own-v3", "expected module:name"),
    ],
)
def test_an_unknown_id_is_a_problem_of_the_command_line(name: str, words: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        make_env(name, {}, None)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["CartPol-v1", "CartPole-v99"])
def test_a_misspelt_id_gets_no_hint_of_a_module(name: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        make_env(name, {}, None)
    assert "try" not in str(caught.value)


def test_without_gymnasium_a_missing_name_is_still_a_missing_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_env("arcade:Own", {}, None)
    monkeypatch.setitem(sys.modules, "rlmesh_numpy", None)
    with pytest.raises(UsageProblem, match="the module 'arcade' has no 'Ownn'"):
        make_env("arcade:Ownn", {}, None)
    with pytest.raises(ImportError, match=r"making arcade:Own-v3 needs Gymnasium: pip install"):
        make_env("arcade:Own-v3", {}, None)
