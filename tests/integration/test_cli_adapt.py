"""`rlmesh serve --tags` and `rlmesh adapt`, as processes."""

from __future__ import annotations

import json
from collections.abc import Generator

import pytest

from rlmesh import spaces
from rlmesh.adapters import ModelSpec, State, feature, output, tags
from tests.integration.cli_processes import COMMAND, serving, told
from tests.integration.envs import CounterEnv
from tests.processes import finished

pytest.importorskip("rich")
pytest.importorskip("typer")
pytest.importorskip("rlmesh_numpy")

HERE = "tests.integration.test_cli_adapt"


class Arm(CounterEnv):
    """Two numbers, seen and commanded."""

    observation_space = action_space = spaces.Box(-1, 1, (2,))


TAGS = tags(feature("state/arm", unit="m"), feature("action/arm"))
SPEC = ModelSpec("m", (State("x", "state/arm", unit="cm"),), (output("action/arm"),))
UNFIT = ModelSpec("m", (State("x", "state/leg"), State("y", "state/arm", unit="s")))


@pytest.fixture(autouse=True)
def transport() -> str:
    """Processes choose their transport by themselves; once is enough."""
    return "auto"


@pytest.fixture(scope="module")
def address() -> Generator[str, None, None]:
    with serving(f"{HERE}:Arm", "--tags", f"{HERE}:TAGS", "--max-sessions", "2") as (where, _):
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


def test_what_has_no_spec_is_refused(address: str) -> None:
    for name in ("tests.integration.cli_subjects:one", f"{HERE}:TAGS", address):
        done = finished([*COMMAND, "adapt", address, name])
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    done = finished([*COMMAND, "serve", f"{HERE}:Arm", "--tags", f"{HERE}:SPEC"])
    assert done.returncode == 2 and "--tags: expected" in done.stderr
