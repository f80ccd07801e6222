"""Actions: split, clipped, scaled, snapped, constant, and relative to a state."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.adapters import (
    Adapter,
    EnvTags,
    Feature,
    Gripper,
    MeanStd,
    MinMax,
    ModelInput,
    ModelOutput,
    ModelSpec,
    Reference,
    RotationFormat,
    TaggedLeaf,
    resolve,
)
from rlmesh.errors import AdapterError, InvalidValueError
from rlmesh.specs import EnvContract

np = pytest.importorskip("numpy")
NUMPY = pytest.importorskip("rlmesh_numpy").BACKEND

ARM, HAND = Feature("action/arm"), Feature("action/hand", gripper=Gripper(open=-1, closed=1))
ACTION = spaces.Box(-1, 1, (4,))
TAGS = (TaggedLeaf((), ARM, 0, 3), TaggedLeaf((), HAND, 3, 1))
NOTHING = spaces.Dict({})


def adapter_of(*outputs: ModelOutput, **facts: Any) -> Adapter:
    tags = EnvTags(facts.pop("seen", ()), facts.pop("tags", TAGS))
    observation = facts.pop("observation", NOTHING)
    contract = EnvContract("e", observation, facts.pop("action", ACTION), tags=tags)
    spec = ModelSpec(inputs=facts.pop("inputs", ()), outputs=outputs)
    return resolve(contract, spec, backend=facts.pop("backend", NUMPY))


def problems_of(*outputs: ModelOutput, **facts: Any) -> str:
    with pytest.raises(AdapterError) as caught:
        adapter_of(*outputs, **facts)
    return str(caught.value)


def flat(**hand: Any) -> tuple[ModelOutput, ModelOutput]:
    """A flat vector of seven numbers: one that is not used, three of the hand's and the arm's."""
    feature = hand.pop("feature", Feature("action/hand", gripper=Gripper(open=1, closed=0)))
    return (
        ModelOutput("", ARM, offset=1, length=3),
        ModelOutput("", feature, offset=5, length=1, **hand),
    )


VECTOR = np.array([9, 0.1, 0.2, 0.3, 9, 0.75, 9], "f4")


def test_a_flat_vector_is_split() -> None:
    adapter = adapter_of(*flat())
    np.testing.assert_allclose(adapter.act(VECTOR), [0.1, 0.2, 0.3, -0.5], atol=1e-6)
    batch = np.stack([VECTOR, VECTOR * 0.5])
    np.testing.assert_allclose(adapter.act(batch, 2)[1], [0.05, 0.1, 0.15, 0.25], atol=1e-6)
    chunk, length = adapter.act_chunk(np.stack([batch, batch, batch]), 3)
    assert (chunk.shape, length) == ((6, 4), 2)
    single, length = adapter.act_chunk(batch)
    assert (single.shape, length) == ((2, 4), 2)


def test_a_vector_that_is_too_short_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"outputs\[''\]\[5:6\].*shape \(5,\)"):
        adapter_of(*flat()).act(VECTOR[:5])


@pytest.mark.parametrize(("number", "wanted"), [(0.0, 1), (0.49, 1), (0.5, -1), (1.0, -1), (7, -1)])
def test_a_gripper_snaps_open_or_closed(number: float, wanted: float) -> None:
    vector = VECTOR.copy()
    vector[5] = number
    assert adapter_of(*flat(threshold=0.5)).act(vector)[3] == wanted


def test_the_ends_of_a_gripper_are_exact_both_ways() -> None:
    env, model = Gripper(open=0.08, closed=0.0), Gripper(open=-0.3, closed=0.7)
    space = spaces.Box(0, 0.08, (1,))
    seen = (TaggedLeaf((), Feature("hand", gripper=env)),)
    adapter = adapter_of(
        ModelOutput("", Feature("hand", gripper=model)),
        inputs=(ModelInput("", Feature("hand", gripper=model)),),
        observation=space,
        action=space,
        seen=seen,
        tags=seen,
    )
    for theirs, ours in ((env.open, model.open), (env.closed, model.closed)):
        observed = adapter.episode().observe(np.array([theirs], "f4"))
        assert observed.tolist() == [np.float32(ours)]
        assert adapter.act(np.array([ours], "f4")).tolist() == [np.float32(theirs)]


def test_numbers_are_clipped_scaled_and_shifted_in_this_order() -> None:
    arm = ModelOutput(
        "", ARM, clip=(-1, 1), normalization=MinMax((0.0,), (4.0,)), scale=-0.5, shift=1.0
    )
    adapter = adapter_of(arm, action=spaces.Box(-9, 9, (3,)), tags=(TaggedLeaf((), ARM),))
    # Clipped to 1, -1, 0.5; 4, 0, 3 without the scaling.
    np.testing.assert_allclose(adapter.act(np.array([7, -7, 0.5], "f4")), [-1, 1, -0.5])


def test_an_action_may_be_kept_within_its_space() -> None:
    space = spaces.Box(np.array([-1, -2, 0], "f4"), np.array([1, 2, np.inf], "f4"))
    arm = ModelOutput("", ARM, clip_to_space=True)
    adapter = adapter_of(arm, action=space, tags=(TaggedLeaf((), ARM),))
    found = adapter.act(np.array([5, -5, 1e9], "f4"))
    assert found.tolist() == [1, -2, 1e9] and space.contains(found)
    assert np.isnan(adapter.act(np.array([np.nan, 0, 0], "f4"))[0])


def test_elements_that_no_output_feeds_are_constant() -> None:
    hand = Feature("action/hand", gripper=Gripper(open=1, closed=0))
    adapter = adapter_of(ModelOutput("arm", ARM), ModelOutput("", hand, constant=(0.0,)))
    arm = np.zeros((2, 3, 3), "f4")
    assert adapter.act({"arm": arm[0, 0]}).tolist() == [0, 0, 0, 1]
    assert adapter.act({"arm": arm[0]}, 3)[:, 3].tolist() == [1, 1, 1]
    assert adapter.act_chunk({"arm": arm}, 2)[0].shape == (6, 4)
    assert "action" in problems_of(ModelOutput("arm", ARM))


POSITION = Feature("state/position", unit="m")
TURN = Feature("state/turn", rotation=RotationFormat.QUATERNION_WXYZ)
POSE = spaces.Dict({"position": spaces.Box(-9, 9, (3,)), "turn": spaces.Box(-1, 1, (4,))})
SEEN = (TaggedLeaf(("position",), POSITION), TaggedLeaf(("turn",), TURN))
TARGET = spaces.Dict({"move": spaces.Box(-9, 9, (3,)), "turn": spaces.Box(-9, 9, (3,))})


def pose(x: float, angle: float) -> dict[str, Any]:
    turn = [np.cos(angle / 2), 0, 0, np.sin(angle / 2)]
    return {"position": np.array([x, 0, 0], "f4"), "turn": np.array(turn, "f4")}


def relative(env: Reference, model: Reference, **facts: Any) -> Adapter:
    move = Feature("action/move", reference=env, unit="m")
    turn = Feature("action/turn", reference=env, rotation=RotationFormat.AXIS_ANGLE)
    euler = RotationFormat.EULER
    outputs = (
        ModelOutput(
            "", Feature("action/move", reference=model, unit="cm"), offset=0, length=3,
            relative_to="state/position", **facts,
        ),
        ModelOutput(
            "",
            Feature("action/turn", rotation=euler, euler_axes="xyz", reference=model),
            offset=3,
            length=3,
            relative_to="state/turn",
        ),
    )  # fmt: skip
    return adapter_of(
        *outputs,
        observation=POSE,
        seen=SEEN,
        action=TARGET,
        tags=(TaggedLeaf(("move",), move), TaggedLeaf(("turn",), turn)),
    )


def test_differences_are_added_to_the_state_that_was_observed() -> None:
    adapter = relative(Reference.ABSOLUTE, Reference.DELTA)
    episode = adapter.episode()
    episode.observe(pose(0.5, 0.3))
    action = episode.act(np.array([10, 0, -20, 0, 0, 0.4], "f4"))
    np.testing.assert_allclose(action["move"], [0.6, 0, -0.2], atol=1e-6)
    np.testing.assert_allclose(action["turn"], [0, 0, 0.7], atol=1e-6)


def test_each_action_of_a_chunk_is_relative_to_the_same_state() -> None:
    adapter = relative(Reference.ABSOLUTE, Reference.DELTA)
    episodes = [adapter.episode(), adapter.episode()]
    poses = [pose(1, 0.1), pose(2, 0.2)]
    adapter.observe_batch({k: np.stack([p[k] for p in poses]) for k in poses[0]}, episodes)
    chunk = np.zeros((2, 3, 6), "f4")
    chunk[:, :, 0] = [100, 200, 300]
    actions, length = adapter.act_chunk(chunk, 2, episodes=episodes)
    assert length == 3
    np.testing.assert_allclose(actions["move"][:, 0], [2, 3, 4, 3, 4, 5], atol=1e-6)
    np.testing.assert_allclose(actions["turn"][:, 2], [0.1] * 3 + [0.2] * 3, atol=1e-6)
    episodes[0].observe(poses[1])
    single, _ = adapter.act_chunk(chunk[0], episodes=episodes[:1])
    np.testing.assert_allclose(single["move"][:, 0], [3, 4, 5], atol=1e-6)


def test_absolute_values_become_differences() -> None:
    adapter = relative(Reference.DELTA, Reference.ABSOLUTE)
    episode = adapter.episode()
    episode.observe(pose(0.5, 0.3))
    action = episode.act(np.array([60, 0, 0, 0, 0, 1.0], "f4"))
    np.testing.assert_allclose(action["move"], [0.1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(action["turn"], [0, 0, 0.7], atol=1e-6)


def test_equal_references_need_no_state() -> None:
    adapter = relative(Reference.DELTA, Reference.DELTA)
    action = adapter.act(np.array([10, 0, 0, 0, 0, 0.5], "f4"), episodes=(adapter.episode(),))
    np.testing.assert_allclose(action["move"], [0.1, 0, 0], atol=1e-6)


def test_a_relative_action_needs_its_episode() -> None:
    with pytest.raises(InvalidValueError, match="episode"):
        relative(Reference.ABSOLUTE, Reference.DELTA).act(np.zeros(6, "f4"))


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (flat(threshold=0.5, feature=Feature("action/hand")), ("threshold", "gripper")),
        (flat(feature=Feature("action/hand", gripper=Gripper(1, 1))), ("two different",)),
        (flat(constant=(1.0,)), ("neither offset nor normalization",)),
        (flat(scale=0.0), ("scale other than 0",)),
        (flat(clip=(1.0, -1.0)), ("low <= high",)),
        (flat(relative_to="state/nothing"), ("'state/nothing'", "no tags")),
        ((ModelOutput("", ARM, offset=0, length=2), flat()[1]), ("(3,) elements", "2")),
        ((flat()[0], ModelOutput("", HAND, offset=3, length=1)), ("without common", "3 twice")),
        ((ModelOutput("a", ARM), ModelOutput("", HAND, constant=(1.0, 2.0))), ("(1,)", "2 of")),
        ((ModelOutput("a", ARM), ModelOutput("a", HAND)), ("distinct names",)),
        (
            (ModelOutput("a", ARM, normalization=MeanStd((0, 0), (1, 1))), ModelOutput("b", HAND)),
            ("3", "2 of them"),
        ),
    ],
)
def test_outputs_that_do_not_fit(outputs: tuple[ModelOutput, ...], words: tuple[str, ...]) -> None:
    text = problems_of(*outputs)
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_other_libraries_make_the_same_actions(library: str) -> None:
    backend = pytest.importorskip(f"rlmesh_{library}").BACKEND
    outputs = flat(threshold=0.5, clip=(0, 1), clip_to_space=True)
    found = adapter_of(*outputs, backend=backend).act(VECTOR)
    np.testing.assert_array_equal(np.asarray(found), adapter_of(*outputs).act(VECTOR))
