"""A probe finds most wrong declarations in one episode, and none where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("numpy")
pytest.importorskip("rlmesh_numpy")

import numpy as np

from packages.core.tests.probed_pairs import PAIRS, STEPS, Pair
from packages.core.tests.right_declarations import OTHER_ENVS, OTHER_MODELS
from packages.core.tests.wrong_declarations import BLIND, WRONG
from rlmesh import spaces
from rlmesh.adapters import Finding, ModelSpec, Probe, State, output, resolve, tags
from rlmesh.errors import AdapterError
from rlmesh.specs import EnvContract
from rlmesh_numpy import BACKEND


def probed(pair: Pair, shift: int = 0) -> tuple[Finding, ...]:
    adapter = resolve(pair.contract(), pair.spec, backend=BACKEND)
    probe, episode = Probe(adapter, pair.spec), adapter.episode()
    with np.errstate(all="ignore"):
        for step in range(shift, shift + STEPS):
            seen = pair.seen(step)
            probe.observed(seen, episode.observe(seen))
            output: Any = pair.returned(step)
            length = 4 if pair.spec.chunk_length else None
            probe.acted(episode.act(output), length)
    probe.ended()
    return probe.findings


@pytest.mark.parametrize("name", PAIRS)
def test_a_right_declaration_has_no_finding(name: str) -> None:
    for shift in range(4):
        assert probed(PAIRS[name], shift) == ()


@pytest.mark.parametrize("name", OTHER_ENVS)
def test_another_form_of_the_same_numbers_has_no_finding(name: str) -> None:
    form = OTHER_ENVS[name]
    pair, usual = form.applied(), PAIRS[form.pair]
    for shift in range(4):
        assert probed(pair, shift) == ()
    given, expected = (
        resolve(one.contract(), one.spec, backend=BACKEND).episode().observe(one.seen(5))
        for one in (pair, usual)
    )
    assert given.keys() == expected.keys()
    for key, array in given.items():
        np.testing.assert_allclose(array, expected[key], atol=2e-4)


@pytest.mark.parametrize("name", OTHER_MODELS)
def test_another_form_for_the_model_has_no_finding(name: str) -> None:
    for shift in range(4):
        assert probed(OTHER_MODELS[name].applied(), shift) == ()


def test_there_are_enough_right_pairs() -> None:
    assert len(PAIRS) + len(OTHER_ENVS) + len(OTHER_MODELS) >= 20
    assert {form.pair for form in OTHER_ENVS.values()} == set(PAIRS)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_declaration_is_found(name: str) -> None:
    wrong = WRONG[name]
    if wrong.refused:
        with pytest.raises(AdapterError):
            probed(wrong.applied())
        return
    found = probed(wrong.applied())
    assert bool(found) is (name not in BLIND), found
    assert all(one.path and one.rule and one.seen and one.check for one in found)


def test_most_are_found() -> None:
    assert len(WRONG) >= 40 and len(WRONG) - len(BLIND) >= 0.9 * len(WRONG)


def test_a_finding_names_what_to_check() -> None:
    (one,) = probed(WRONG["numbers of a quaternion scaled"].applied())
    assert str(one) == (
        "observation['quaternion']: unit_quaternion: length 2; "
        "check the form of the rotation, and the elements"
    )


def test_a_finding_comes_once_for_a_path_and_rule() -> None:
    found = probed(WRONG["joints in degrees"].applied())
    assert len({(one.path, one.rule) for one in found}) == len(found)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_bounds_that_are_infinite_or_equal_are_no_limits(scale: float) -> None:
    pair = PAIRS["floats"]
    bounds = spaces.Box([-1, -np.inf, 0], [1, np.inf, 0], (3,), "float32")
    adapter = resolve(replace(pair, action=bounds).contract(), pair.spec, backend=BACKEND)
    probe = Probe(adapter, pair.spec)
    for _ in range(STEPS):
        probe.acted(np.array([scale, 100, 0], "f4"))
    probe.ended()
    assert [one.rule for one in probe.findings] == (
        ["action_range", "saturated"] if scale > 1 else []
    )


def test_a_button_is_at_no_bound() -> None:
    contract = EnvContract(
        "game", spaces.Box(0, 1, (2,)), spaces.Discrete(3), tags=tags("state/x", "action/button")
    )
    spec = ModelSpec("m", (State("", "state/x"),), (output("action/button"),))
    probe = Probe(resolve(contract, spec, backend=BACKEND), spec)
    for _ in range(STEPS):
        probe.acted(2)
    probe.ended()
    assert probe.findings == ()


def test_a_still_gripper_needs_time_to_move() -> None:
    pair = WRONG["a gripper that never moves"].applied()
    adapter = resolve(pair.contract(), pair.spec, backend=BACKEND)
    probe, episode = Probe(adapter, replace(pair.spec, chunk_length=0)), adapter.episode()
    for step in range(3):
        seen = pair.seen(step)
        probe.observed(seen, episode.observe(seen))
        probe.acted(episode.act(pair.returned(step)))
    probe.ended()
    assert probe.findings == ()
