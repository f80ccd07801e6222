"""The first episode of a run shows wrong declarations before a second one begins."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

pytest.importorskip("numpy")
pytest.importorskip("rlmesh_numpy")

import numpy as np

import rlmesh
from packages.core.tests.probed_pairs import PAIRS, STEPS, Pair
from packages.core.tests.wrong_declarations import BLIND, WRONG, of_input
from rlmesh._codec import ValidationWarning
from rlmesh.adapters import Finding, ImageTransform, Resampler
from rlmesh.errors import JournalError, RunError
from rlmesh.numpy import Model
from rlmesh.results import EpisodeEnd, RunResult, merge

SCALED = "numbers of a quaternion scaled"
SHOWN = "observation['quaternion']: unit_quaternion: length 2"
SOME = (
    SCALED,
    "joints in degrees",
    "left for right",
    "depth in millimetres",
    "255 where 1 is the largest",
)


class Env:
    """The environment of a pair, which counts its resets."""

    def __init__(self, pair: Pair) -> None:
        self.observation_space = pair.observation
        self.action_space = pair.action
        self.rlmesh_tags = pair.tags
        self.resets = 0
        self.steps = 0
        self._pair = pair

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.resets += 1
        self.steps = 0
        return self._pair.seen(0), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return self._pair.seen(self.steps), 1.0, self.steps == STEPS, False, {}

    def close(self) -> None:
        pass


def model_of(pair: Pair) -> Model:
    if pair.spec.chunk_length:

        class Chunks(Model):
            def predict_chunk(self, observation: Any, context: Any) -> Any:
                return np.stack([pair.returned(context.step + i) for i in range(4)])

        return Chunks(spec=pair.spec)

    class Single(Model):
        def predict(self, observation: Any, context: Any) -> Any:
            return pair.returned(context.step)

    return Single(spec=pair.spec)


def played(name: str, envs: Any = None, **arguments: Any) -> RunResult:
    pair = PAIRS[name] if name in PAIRS else WRONG[name].applied()
    arguments.setdefault("seeds", [1, 2, 3])
    return rlmesh.evaluate(model_of(pair), Env(pair) if envs is None else envs, **arguments)


@pytest.fixture
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValidationWarning)
        yield


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("level", ["warn", "strict"])
def test_a_right_declaration_shows_nothing(name: str, level: str) -> None:
    assert played(name, validation=level).findings == ()


@pytest.mark.parametrize("name", SOME)
def test_a_strict_run_ends_before_the_second_episode(name: str) -> None:
    assert name not in BLIND
    pair = WRONG[name].applied()
    envs = [Env(pair), Env(pair)]
    with pytest.raises(RunError, match="validation='strict'") as caught:
        played(name, envs, validation="strict")
    assert sum(env.resets for env in envs) == 1
    result = caught.value.result
    assert [episode.steps for episode in result.episodes] == [STEPS]
    assert result.findings
    assert all(str(one) in str(caught.value) for one in result.findings)


def test_endpoints_that_waited_play_on() -> None:
    events: list[str] = []

    class Logged(Env):
        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            events.append("reset")
            return super().reset()

        def step(self, action: Any) -> Any:
            result = super().step(action)
            events.extend(["end"] * result[2])
            return result

    pair = PAIRS["joints"]
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(rlmesh.EnvServer(kind(pair), "127.0.0.1:0"))
            for kind in (Logged, Logged, Env)
        ]
        a, b, other = (server.address for server in servers)
        suite = {"a": [a, b], "b": other}
        result = played("joints", suite, seeds=range(8), validation="strict")
    assert [episode.task for episode in result.episodes] == ["a"] * 8 + ["b"] * 8
    assert {episode.end for episode in result.episodes} == {EpisodeEnd.TERMINATED}
    assert events[:3] == ["reset", "end", "reset"] and events.count("reset") == 8


def test_a_warning_names_what_to_check_and_the_run_goes_on() -> None:
    with pytest.warns(ValidationWarning) as caught:
        result = played(SCALED)
    assert len(caught) == len(result.findings) == 1
    assert str(caught[0].message) == (
        f"a declaration is probably wrong: {SHOWN}; check the form of the rotation, and the "
        f"elements"
    )
    assert [episode.steps for episode in result.episodes] == [STEPS] * 3
    (one,) = result.findings
    assert (one.level, one.rule, one.task) == ("caution", "unit_quaternion", "")


def test_a_look_changes_nothing(quiet: None) -> None:
    outcomes = []
    levels: tuple[Literal["off", "warn"], ...] = ("off", "warn")
    for level in levels:
        env = Env(WRONG[SCALED].applied())
        result = played(SCALED, env, validation=level)
        outcomes.append([(one.index, one.seed, one.reward, one.steps) for one in result.episodes])
        assert env.resets == 3 and bool(result.findings) is (level == "warn")
        assert result.settings.validation == (level,)
    assert outcomes[0] == outcomes[1]


def test_an_info_is_no_warning_and_ends_no_run() -> None:
    result = played("a gripper that never moves", validation="strict")
    (one,) = result.findings
    assert (one.level, one.rule) == ("info", "gripper_still")
    assert len(result.episodes) == 3


def test_each_task_of_a_suite_is_looked_at_once(quiet: None) -> None:
    pair = WRONG[SCALED].applied()
    suite = {name: [Env(pair), Env(pair)] for name in ("a", "b")}
    result = played(SCALED, suite)
    assert [one.task for one in result.findings] == ["a", "b"]
    assert [one.task for one in result.by_task()["b"].findings] == ["b"]
    assert str(result.findings[0]).startswith(f"task 'a': {SHOWN}")


def test_findings_are_in_every_form_of_a_result(quiet: None, tmp_path: Path) -> None:
    journal = tmp_path / "run.journal"
    result = played(SCALED, journal=journal)
    for form in (
        RunResult.from_json(result.to_json()),
        RunResult.from_bytes(result.to_bytes()),
        RunResult.from_journal(journal),
        merge([result]),
    ):
        assert form.findings == result.findings != ()
    for text in (str(result), result.to_html(), result._repr_html_()):
        assert "caution" in text and "unit_quaternion: length 2" in text


def test_a_resumed_run_has_the_findings_of_its_journal(tmp_path: Path) -> None:
    journal = tmp_path / "run.journal"
    with pytest.warns(ValidationWarning):
        found = played(SCALED, journal=journal).findings
    # Nothing is left to play, and nothing is warned of that the journal has.
    assert played(SCALED, journal=journal, resume=True).findings == found
    with pytest.raises(JournalError, match="validation: expected"):
        played(SCALED, journal=journal, resume=True, validation="strict")


def test_a_strict_run_does_not_resume_after_a_caution(tmp_path: Path) -> None:
    journal = tmp_path / "run.journal"
    env = Env(WRONG[SCALED].applied())
    for resume in (False, True):
        with pytest.raises(RunError, match="unit_quaternion") as caught:
            played(SCALED, env, journal=journal, resume=resume, validation="strict")
        assert len(caught.value.result.episodes) == 1
    assert env.resets == 1


def test_a_vector_is_looked_at_in_one_lane(quiet: None) -> None:
    pytest.importorskip("gymnasium")
    import gymnasium as gym

    from rlmesh_numpy import spaces_to_gymnasium

    pair = WRONG[SCALED].applied()

    class Single(gym.Env[Any, Any]):
        def __init__(self) -> None:
            self.observation_space = spaces_to_gymnasium(pair.observation)
            self.action_space = spaces_to_gymnasium(pair.action)
            self.rlmesh_tags = pair.tags
            self._env = Env(pair)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            return self._env.reset()

        def step(self, action: Any) -> Any:
            return self._env.step(action)

    with rlmesh.EnvServer(
        gym.vector.SyncVectorEnv([Single] * 3), "127.0.0.1:0", tags=pair.tags
    ) as server:
        result = played(SCALED, server.address)
        assert len(result.findings) == 1 and len(result.episodes) == 3
        with pytest.raises(RunError) as caught:
            played(SCALED, server.address, validation="strict")
        assert len(caught.value.result.episodes) == 1


@pytest.mark.parametrize("name", ["blue for red", "a black image", "statistics of 0 to 1 for 255"])
def test_a_view_of_observations_is_looked_at(name: str, quiet: None) -> None:
    size = (ImageTransform(size=(12, 16), resampler=Resampler.NEAREST),)
    pair = WRONG[name].applied()
    pair = replace(pair, spec=of_input("image", image=size)(pair.spec))
    with rlmesh.EnvServer(Env(pair), "127.0.0.1:0") as server:
        model = model_of(pair)
        whole, viewed = (
            rlmesh.evaluate(model, server.address, seeds=[1], observe=how).findings
            for how in ("all", "read")
        )
    assert {one.rule for one in viewed} == {one.rule for one in whole} != set()


def test_a_jump_within_a_chunk_is_seen(quiet: None) -> None:
    name = "a sign that jumps by a turn"
    with rlmesh.EnvServer(Env(WRONG[name].applied()), "127.0.0.1:0") as server:
        result = played(name, server.address, seeds=[1])
    assert "inputs['rotation']: jump: a jump of 5." in str(result.findings[0])


def test_a_served_model_is_looked_at(quiet: None) -> None:
    pair = WRONG[SCALED].applied()
    with rlmesh.ModelServer(model_of(pair), "127.0.0.1:0") as server:
        result = rlmesh.evaluate(server.address, Env(pair), seeds=[1])
    assert [one.rule for one in result.findings] == ["unit_quaternion"]


def test_an_episode_that_fails_is_looked_at_when_it_is_played_again(quiet: None) -> None:
    class Failing(Env):
        def step(self, action: Any) -> Any:
            if self.resets == 1:
                raise OSError("a cable is loose")
            return super().step(action)

    env = Failing(WRONG[SCALED].applied())
    with pytest.raises(RunError, match="unit_quaternion"):
        played(SCALED, env, validation="strict")
    assert env.resets == 2


def test_the_level_reaches_clients_and_environments(quiet: None) -> None:
    for level in ("off", "warn", "strict"):
        pair = PAIRS["joints"]
        with rlmesh.EnvServer(Env(pair), "127.0.0.1:0") as server:
            result = played("joints", server.address, validation=level)
            assert result.settings.validation == (level,)
            again = model_of(pair).run(server.address, seeds=[1], validation=level)
            assert again.settings.validation == (level,)


def test_a_level_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="validation='loud'"):
        played("joints", validation="loud")


def test_a_finding_of_an_unknown_level_is_a_caution() -> None:
    from rlmesh_proto.eval.v1 import result_pb2

    message = result_pb2.RunResult(spec_version=rlmesh.__version__)
    message.findings.add(path="a", rule="b", seen="c", check="d", level="grave")
    (one,) = RunResult.from_bytes(message.SerializeToString()).findings
    assert one == Finding("a", "b", "c", "d")
