"""Vectors that inputs join, histories, texts and custom inputs."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.adapters import (
    Adapter,
    EnvTags,
    Feature,
    FeatureKind,
    HistoryPadding,
    InputPart,
    MeanStd,
    MinMax,
    ModelInput,
    ModelOutput,
    ModelSpec,
    RotationFormat,
    RotationSign,
    Statistics,
    TaggedLeaf,
    TextTransform,
    resolve,
)
from rlmesh.dtypes import DTYPES
from rlmesh.errors import AdapterError
from rlmesh.specs import EnvContract

np = pytest.importorskip("numpy")
NUMPY = pytest.importorskip("rlmesh_numpy").BACKEND

POSITION, GRIPPER = Feature("state/position", unit="m"), Feature("state/gripper")
TURN = Feature("state/rotation", rotation=RotationFormat.QUATERNION_XYZW)
SPACE = spaces.Dict(
    {
        "position": spaces.Box(-9, 9, (3,)),
        "turn": spaces.Box(-1, 1, (4,)),
        "gripper": spaces.Box(0, 1, (1,)),
    }
)
TAGS = tuple(
    TaggedLeaf((key,), feature)
    for key, feature in (("position", POSITION), ("turn", TURN), ("gripper", GRIPPER))
)
OBSERVATION = {
    "position": np.array([0.1, 0.2, 0.3], "f4"),
    "turn": np.array([0, 0, 0.6, 0.8], "f4"),
    "gripper": np.array([0.5], "f4"),
}
AXIS_ANGLE = Feature("state/rotation", rotation=RotationFormat.AXIS_ANGLE)
FLOAT32 = DTYPES["float32"]


def adapter_of(*inputs: ModelInput, outputs: tuple[ModelOutput, ...] = (), **facts: Any) -> Adapter:
    action = facts.pop("action", spaces.Dict({}))
    tags = EnvTags(facts.pop("tags", TAGS), facts.pop("action_tags", ()))
    contract = EnvContract("e", facts.pop("space", SPACE), action, tags=tags)
    spec = ModelSpec(inputs=inputs, outputs=outputs)
    return resolve(contract, spec, backend=NUMPY, **facts)


def joined(*parts: InputPart, **facts: Any) -> ModelInput:
    return ModelInput("", Feature("state"), parts=parts, **facts)


def problems_of(*inputs: ModelInput, **facts: Any) -> str:
    with pytest.raises(AdapterError) as caught:
        adapter_of(*inputs, **facts)
    return str(caught.value)


def test_parts_are_joined_in_order() -> None:
    port = joined(
        InputPart(Feature("state/position", unit="cm")),
        InputPart(AXIS_ANGLE),
        InputPart(constant=(7.0, 8.0)),
        InputPart(GRIPPER),
    )
    found = adapter_of(port).episode().observe(OBSERVATION)
    angle = 2 * np.arctan2(0.6, 0.8)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [10, 20, 30, 0, 0, angle, 7, 8, 0.5], rtol=1e-6)


def test_parts_are_cut_scaled_filled_and_shaped() -> None:
    port = joined(
        InputPart(POSITION, offset=1, length=2, normalization=MeanStd((0.2,), (0.1,))),
        InputPart(TURN, offset=2, length=2),
        normalization=MinMax((0, 0, 0, 0), (1, 1, 0.6, 1), mask=(False, True, True, True)),
        pad_to=6,
        pad_value=-3,
        shape=(2, 3),
        dtype=DTYPES["float64"],
    )
    found = adapter_of(port).episode().observe(OBSERVATION)
    assert found.dtype == np.float64
    # Positions become 0 and 1 by their own scaling; the first is masked in that of the vector.
    np.testing.assert_allclose(found, [[0, 1, 1], [0.6, -3, -3]], atol=1e-6)


def test_a_single_feature_is_filled_too() -> None:
    port = ModelInput("", POSITION, pad_to=5)
    found = adapter_of(port).episode().observe(OBSERVATION)
    np.testing.assert_allclose(found, [0.1, 0.2, 0.3, 0, 0], rtol=1e-6)


def test_batches_are_joined_like_single_ones() -> None:
    port = joined(InputPart(AXIS_ANGLE), InputPart(constant=(1.0,)), InputPart(POSITION))
    adapter = adapter_of(port)
    episodes = [adapter.episode() for _ in range(3)]
    stacked = {key: np.stack([value, value * 0.5, value]) for key, value in OBSERVATION.items()}
    found = adapter.observe_batch(stacked, episodes)
    for lane in range(3):
        one = {key: value[lane] for key, value in stacked.items()}
        np.testing.assert_array_equal(found[lane], adapter.episode().observe(one))


def test_a_missing_part_leaves_an_optional_input_out() -> None:
    port = ModelInput("x", Feature("x"), parts=(InputPart(Feature("none")),), optional=True)
    assert adapter_of(port, ModelInput("p", POSITION)).episode().observe(OBSERVATION).keys() == {
        "p"
    }


@pytest.mark.parametrize(
    ("port", "words"),
    [
        (joined(InputPart(POSITION), pad_to=2), ("pad_to of at least 3", "2")),
        (joined(InputPart(POSITION), shape=(2, 2)), ("shape (2, 2)", "3 elements")),
        (joined(InputPart(POSITION, offset=2, length=2)), ("elements 2 to 3", "(3,)")),
        (joined(InputPart(Feature("state/positon"))), ("state/positon", "'state/position'")),
        (joined(InputPart(POSITION), dtype=DTYPES["int32"]), ("float dtype", "int32")),
        (joined(InputPart()), ("one of feature, constant and previous_output", "0")),
        (joined(InputPart(POSITION, (1.0,))), ("one of feature", "2")),
        (joined(InputPart(previous_output="act")), ("name of an output", "'act'")),
        (joined(InputPart(POSITION, length=2)), ("offset and length together",)),
        (joined(InputPart(POSITION), normalization=MeanStd((0, 0), (1, 1))), ("3", "2 of them")),
    ],
)
def test_parts_that_do_not_fit(port: ModelInput, words: tuple[str, ...]) -> None:
    text = problems_of(port)
    assert [word for word in words if word not in text] == []


def test_histories_have_a_stride_and_a_padding() -> None:
    port = ModelInput(
        "", GRIPPER, history=3, history_stride=2, history_padding=HistoryPadding.ZEROS
    )
    adapter = adapter_of(port)
    assert adapter.histories == (5,)
    episode = adapter.episode()
    seen = [episode.observe({**OBSERVATION, "gripper": np.array([i], "f4")}) for i in range(1, 7)]
    assert [x.ravel().tolist() for x in seen] == [
        [0, 0, 1],
        [0, 0, 2],
        [0, 1, 3],
        [0, 2, 4],
        [1, 3, 5],
        [2, 4, 6],
    ]


def test_the_forks_of_an_episode_have_histories_of_their_own() -> None:
    adapter = adapter_of(ModelInput("", GRIPPER, history=2))
    episode = adapter.episode()
    episode.observe(OBSERVATION)
    fork = episode.fork()
    fork.observe({**OBSERVATION, "gripper": np.array([9], "f4")})
    assert episode.observe(OBSERVATION).ravel().tolist() == [0.5, 0.5]


ACTION = spaces.Dict({"move": spaces.Box(-9, 9, (2,))})
MOVE = Feature("action/move")
MOVED = (TaggedLeaf(("move",), MOVE),)


def test_the_output_of_the_step_before_is_an_input() -> None:
    port = joined(InputPart(GRIPPER), InputPart(previous_output="out"))
    adapter = adapter_of(
        port, outputs=(ModelOutput("out", MOVE),), action=ACTION, action_tags=MOVED
    )
    episode = adapter.episode()
    seen = []
    for step in range(3):
        seen.append(episode.observe(OBSERVATION).tolist())
        episode.act({"out": np.array([step, step + 1], "f4")})
    assert seen == [[0.5, 0, 0], [0.5, 0, 1], [0.5, 1, 2]]


def test_the_output_of_the_step_before_is_found_in_a_chunk() -> None:
    port = joined(InputPart(previous_output="out", offset=1, length=1))
    adapter = adapter_of(
        port, outputs=(ModelOutput("out", MOVE),), action=ACTION, action_tags=MOVED
    )
    episodes = [adapter.episode() for _ in range(2)]
    stacked = {key: np.stack([value, value]) for key, value in OBSERVATION.items()}
    adapter.observe_batch(stacked, episodes)
    chunk = np.arange(12, dtype="f4").reshape(2, 3, 2)
    adapter.act_chunk({"out": chunk}, 2, episodes=episodes)
    for episode in episodes:
        episode.step = 2
    assert adapter.observe_batch(stacked, episodes).tolist() == [[3], [9]]


def test_signs_of_rotations() -> None:
    turns = [np.array([0, 0, np.sin(a / 2), np.cos(a / 2)], "f8") for a in (3.0, 3.3, 3.6, -3.0)]
    space = spaces.Box(-1, 1, (4,), "float64")
    seen: dict[RotationSign, list[float]] = {}
    for sign in RotationSign:
        feature = Feature("state/rotation", rotation=RotationFormat.AXIS_ANGLE, sign=sign)
        adapter = adapter_of(ModelInput("", feature), space=space, tags=(TaggedLeaf((), TURN),))
        episode = adapter.episode()
        seen[sign] = [round(float(episode.observe(turn)[2]), 6) for turn in turns]
    short = [3.0, round(3.3 - 2 * np.pi, 6), round(3.6 - 2 * np.pi, 6), -3.0]
    assert seen[RotationSign.SHORTEST] == seen[RotationSign.UNSPECIFIED] == short
    assert seen[RotationSign.AS_GIVEN] == [3.0, 3.3, 3.6, -3.0]
    assert seen[RotationSign.CONTINUOUS] == [3.0, 3.3, 3.6, round(2 * np.pi - 3.0, 6)]


def test_a_quaternion_may_keep_its_sign_or_lose_it() -> None:
    space = spaces.Box(-1, 1, (4,), "float64")
    given = np.array([0, 0, 0.6, -0.8])
    for sign, wanted in ((RotationSign.AS_GIVEN, given), (RotationSign.SHORTEST, -given)):
        feature = Feature("state/rotation", rotation=RotationFormat.QUATERNION_XYZW, sign=sign)
        adapter = adapter_of(ModelInput("", feature), space=space, tags=(TaggedLeaf((), TURN),))
        np.testing.assert_allclose(adapter.episode().observe(given), wanted, atol=1e-12)


TEXT = Feature("text/instruction", FeatureKind.TEXT)


def test_texts_are_written_as_the_model_was_trained() -> None:
    transform = TextTransform("wait", "In: {text}?\nOut:", lower=True)
    adapter = adapter_of(ModelInput("", TEXT, text=transform))
    assert adapter.episode("Pick UP").observe(OBSERVATION) == "In: pick up?\nOut:"
    assert adapter.episode().observe(OBSERVATION) == "In: wait?\nOut:"
    with pytest.raises(AdapterError, match="instruction"):
        adapter_of(ModelInput("", TEXT, text=TextTransform(template="{text}"))).episode()


def test_a_template_has_the_text_once() -> None:
    assert "{text}" in problems_of(ModelInput("", TEXT, text=TextTransform(template="do it")))


def test_a_custom_input_gets_the_declared_features() -> None:
    port = ModelInput(
        "",
        Feature("state"),
        entrypoint=f"{__name__}:reach",
        parts=(InputPart(Feature("state/position", unit="cm")), InputPart(AXIS_ANGLE)),
        dtype=FLOAT32,
    )
    adapter = adapter_of(port, trust_entrypoints=True)
    np.testing.assert_allclose(adapter.episode().observe(OBSERVATION), [30 + 1.287], atol=1e-3)
    stacked = {key: np.stack([value, value]) for key, value in OBSERVATION.items()}
    episodes = [adapter.episode(), adapter.episode()]
    assert adapter.observe_batch(stacked, episodes).shape == (2, 1)


def reach(features: dict[str, Any]) -> Any:
    return features["state/position"][2:] + features["state/rotation"][2:]


def test_elements_that_never_change_are_normal() -> None:
    for scaling, wanted in (
        (MeanStd((0.1, 0.2, 0.0), (0.0, 0.0, 0.1)), [0, 0, 3]),
        (MinMax((0.1, 0.0, 0.3), (0.1, 0.4, 0.3)), [-1, 0, -1]),
        (MinMax((0.1, 0.0, 0.3), (0.1, 0.4, 0.3), target=(0.0, 1.0)), [0, 0.5, 0]),
        (MeanStd((0.0,) * 3, (0.5,) * 3, epsilon=0.5), [0.1, 0.2, 0.3]),
    ):
        adapter = adapter_of(ModelInput("", POSITION, normalization=scaling))
        np.testing.assert_allclose(adapter.episode().observe(OBSERVATION), wanted, atol=1e-6)


def test_statistics_of_lerobot_and_openpi(tmp_path: Any) -> None:
    lerobot = tmp_path / "stats.json"
    lerobot.write_text(
        '{"observation.state": {"mean": [1, 2], "std": [3, 4], "min": [0, 0], "max": [5, 6],'
        ' "count": [9]}, "observation.image": {"mean": [[[0.5]], [[0.4]], [[0.3]]],'
        ' "std": [[[0.1]], [[0.2]], [[0.3]]]}}'
    )
    found = Statistics.from_json(lerobot)
    assert found.mean_std("observation.state") == MeanStd((1, 2), (3, 4))
    assert found.min_max("observation.state") == MinMax((0, 0), (5, 6))
    assert found.mean_std("observation.image").mean == (0.5, 0.4, 0.3)
    openpi = {"norm_stats": {"state": {"mean": [0], "std": [1], "q01": [-2], "q99": [2]}}}
    scaling = Statistics.from_json(openpi).quantiles("state", epsilon=1e-6)
    assert scaling == MinMax((-2,), (2,), 1e-6)
    with pytest.raises(KeyError, match="q01"):
        found.quantiles("observation.state")
    with pytest.raises(KeyError, match="'action'"):
        found.mean_std("action")
    with pytest.raises(ValueError, match="got none"):
        Statistics.from_json({})
