"""`rlmesh serve --tags` and `rlmesh adapt`, as processes."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest

from rlmesh import Tensor, spaces
from rlmesh.adapters import ModelSpec, State, feature, output, tags
from tests.integration.cli_processes import COMMAND, serving, told
from tests.integration.envs import CounterEnv
from tests.processes import finished

pytest.importorskip("rich")
pytest.importorskip("typer")
np = pytest.importorskip("numpy")
Model = pytest.importorskip("rlmesh_numpy").Model

HERE = "tests.integration.cli.test_cli_adapt"


class Arm(CounterEnv):
    """Two numbers, seen and commanded."""

    observation_space = action_space = spaces.Box(-1, 1, (2,))


TAGS = tags(feature("state/arm", unit="m"), feature("action/arm"))
SPEC = ModelSpec("m", (State("x", "state/arm", unit="cm"),), (output("action/arm"),))
UNFIT = ModelSpec("m", (State("x", "state/leg"), State("y", "state/arm", unit="s")))


class Turning(CounterEnv):
    """A quaternion that is not of unit length."""

    observation_space = spaces.Box(-9, 9, (4,))
    action_space = spaces.Box(-1, 1, (2,))
    rlmesh_tags = tags(feature("state/turn", rotation="quaternion_wxyz"), feature("action/arm"))

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return Tensor.of([2.0, 0, 0, 0], "float32"), {}

    def step(self, action: Any) -> Any:
        self.step_count += 1
        return Tensor.of([2.0, 0, 0, 0], "float32"), 0.0, self.step_count == 3, False, {}


TURN = ModelSpec("t", (State("x", "state/turn", rotation="matrix"),), (output("action/arm"),))
Still = Model(lambda seen: np.zeros(2, "f4"), spec=TURN)


@pytest.fixture(scope="module")
def address() -> Generator[str, None, None]:
    options = ["--max-sessions", "2", "--address", "frames://127.0.0.1:0"]
    with serving(f"{HERE}:Arm", "--tags", f"{HERE}:TAGS", *options) as (where, _):
        yield where


def test_a_plan_is_shown_before_anything_runs(address: str) -> None:
    done = finished([*COMMAND, "adapt", address, f"{HERE}:SPEC"])
    assert done.returncode == 0, done.stderr
    assert "times 100" in done.stdout and "inputs['x']" in done.stdout
    document = told("adapt", address, f"{HERE}:SPEC")
    assert document["fits"] and document["plan"][0]["steps"] == ["times 100", "as float32"]
    assert document["advisories"] == []
    assert told("inspect", address)["contract"]["tags"]["action"] == [
        {"feature": {"role": "action/arm", "kind": "action"}}
    ]


def test_every_problem_is_shown_at_once(address: str) -> None:
    done = finished([*COMMAND, "adapt", address, f"{HERE}:UNFIT"])
    assert done.returncode == 1 and done.stdout == ""
    for words in ("state/leg", "'state/arm'", "a unit that becomes 's'", "an output that makes it"):
        assert words in done.stderr, words
    done = finished([*COMMAND, "adapt", address, f"{HERE}:UNFIT", "--json"])
    document = json.loads(done.stdout)
    assert done.returncode == 1 and document["fits"] is False
    assert {p["path"] for p in document["problems"]} == {"inputs['x']", "inputs['y']", "action"}


def test_a_probe_looks_at_an_episode(address: str) -> None:
    with serving(f"{HERE}:Turning") as (where, _):
        for name in ("Still", "TURN"):
            done = finished([*COMMAND, "adapt", where, f"{HERE}:{name}", "--probe", "9", "--json"])
            (found,) = json.loads(done.stdout)["findings"]
            assert done.returncode == 1 and found["rule"] == "unit_quaternion"
            assert found["path"] == "observation" and found["seen"] == "length 2"
        done = finished([*COMMAND, "adapt", where, f"{HERE}:Still", "--probe", "9"])
        assert done.returncode == 1 and "unit_quaternion: length 2; check" in done.stdout


def test_a_run_looks_at_its_first_episode() -> None:
    with serving(f"{HERE}:Turning", "--max-sessions", "2") as (where, _):
        run = ["eval", f"{HERE}:Still", where, "--seeds", "0:2"]
        document: Any = told(*run)
        (found,) = document["findings"]
        assert found["rule"] == "unit_quaternion" and found["level"] == "caution"
        assert document["settings"]["validation"] == ["warn"] and len(document["episodes"]) == 2
        assert told(*run, "--validation", "off")["findings"] == []
        shown = finished([*COMMAND, *run])
        assert "caution   observation: unit_quaternion: length 2" in shown.stdout
        assert "warning: a declaration is probably wrong: observation" in shown.stderr
        strict = finished([*COMMAND, *run, "--validation", "strict"])
    assert strict.returncode == 1 and "observation: unit_quaternion: length 2" in strict.stderr
    wrong = finished([*COMMAND, "eval", "random", "127.0.0.1:1", "--validation", "loud"])
    assert wrong.returncode == 2 and "--validation" in wrong.stderr


def test_what_has_no_spec_is_refused(address: str) -> None:
    for name in ("tests.integration.cli_subjects:one", f"{HERE}:TAGS", address):
        done = finished([*COMMAND, "adapt", address, name])
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    done = finished([*COMMAND, "serve", f"{HERE}:Arm", "--tags", f"{HERE}:SPEC"])
    assert done.returncode == 2 and "--tags: expected" in done.stderr
