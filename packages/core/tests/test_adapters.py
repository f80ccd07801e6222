"""Adapters by example: the effect of each conversion, and the messages of refusals."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.adapters import (
    DELEGATED,
    Adaptation,
    Adapter,
    ColorSpace,
    EnvTags,
    Feature,
    FeatureKind,
    ImageLayout,
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
from rlmesh.adapters._units import unit_factor
from rlmesh.backends import NATIVE
from rlmesh.dtypes import DTYPES
from rlmesh.errors import AdapterError, InvalidValueError
from rlmesh.specs import EnvContract

np = pytest.importorskip("numpy")
BACKEND = pytest.importorskip("rlmesh_numpy").BACKEND

FLOAT32, UINT8 = DTYPES["float32"], DTYPES["uint8"]
NOTHING = spaces.Dict({})
IMAGE = {"kind": FeatureKind.IMAGE, "layout": ImageLayout.HWC, "color": ColorSpace.RGB}


def tag(role: str, *path: str | int, at: tuple[int, int] | None = None, **facts: Any) -> TaggedLeaf:
    """A tag of the leaf at `path`, or of `at` = (offset, length) there."""
    offset, length = at or (None, 0)
    return TaggedLeaf(path, Feature(role, **facts), offset, length)


def seeing(space: spaces.Space[Any], *tags: TaggedLeaf) -> EnvContract:
    """An environment with that observation space, and an action space without leaves."""
    return EnvContract("seen", space, NOTHING, tags=EnvTags(observation=tags))


def acting(space: spaces.Space[Any], *tags: TaggedLeaf) -> EnvContract:
    """An environment with that action space, and an observation space without leaves."""
    return EnvContract("acted", NOTHING, space, tags=EnvTags(action=tags))


def observed(contract: EnvContract, observation: Any, **port: Any) -> Any:
    """What the one input of a model gets."""
    feature = port.pop("feature", Feature("x"))
    spec = ModelSpec(inputs=(ModelInput("", feature, **port),))
    return resolve(contract, spec, backend=BACKEND).episode().observe(observation)


def acted(contract: EnvContract, output: Any, **port: Any) -> Any:
    """The action that the one output of a model becomes."""
    feature = port.pop("feature", Feature("x"))
    spec = ModelSpec(outputs=(ModelOutput("", feature, **port),))
    return resolve(contract, spec, backend=BACKEND).act(output)


def numbers(*shape: int, low: float = -math.inf, high: float = math.inf) -> spaces.Box:
    return spaces.Box(low, high, shape)


def test_an_input_is_the_feature_with_its_role_as_it_is() -> None:
    space = spaces.Dict({"arm": numbers(2), "pair": spaces.Tuple([numbers(1), numbers(3)])})
    contract = seeing(space, tag("a", "arm"), tag("x", "pair", 1))
    here = np.arange(3, dtype="f4")
    observation = {"arm": np.ones(2, "f4"), "pair": (np.zeros(1, "f4"), here)}
    assert observed(contract, observation) is here


def test_images_change_layout_color_and_range() -> None:
    contract = seeing(spaces.Box(0, 255, (2, 3, 3), "uint8"), tag("x", **IMAGE))
    image = np.arange(18, dtype="u1").reshape(2, 3, 3) * 15
    chw = observed(contract, image, feature=Feature("x", layout=ImageLayout.CHW))
    assert chw.dtype == np.uint8 and np.array_equal(chw, image.transpose(2, 0, 1))
    bgr = Feature("x", color=ColorSpace.BGR, range=(-1, 1))
    scaled = observed(contract, image, feature=bgr, dtype=FLOAT32)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, image[..., ::-1] / 127.5 - 1, atol=1e-6)


def test_gray_is_the_luminance_and_becomes_three_channels() -> None:
    contract = seeing(spaces.Box(0, 255, (1, 2, 3), "uint8"), tag("x", **IMAGE))
    image = np.array([[[255, 0, 0], [10, 20, 30]]], "u1")
    gray = Feature("x", layout=ImageLayout.HW, color=ColorSpace.GRAY)
    # 0.299 R + 0.587 G + 0.114 B, rounded.
    assert observed(contract, image, feature=gray).tolist() == [[76, 18]]
    blue_first = seeing(contract.observation_space, tag("x", **{**IMAGE, "color": ColorSpace.BGR}))
    assert observed(blue_first, image, feature=gray).tolist() == [[29, 22]]
    grays = TaggedLeaf((), gray)
    back = observed(
        seeing(spaces.Box(0, 255, (1, 2), "uint8"), grays),
        np.array([[7, 9]], "u1"),
        feature=Feature("x", **IMAGE),
    )
    assert back.tolist() == [[[7, 7, 7], [9, 9, 9]]]


def test_normalization_of_an_image_is_by_channel_wherever_the_channels_are() -> None:
    contract = seeing(spaces.Box(0, 255, (2, 3, 3), "uint8"), tag("x", **IMAGE))
    image = np.full((2, 3, 3), 255, "u1")
    statistics = MeanStd((0.5, 0.25, 0.0), (0.5, 0.25, 2.0))
    for layout, channels in ((ImageLayout.CHW, np.s_[:, 0, 0]), (ImageLayout.HWC, np.s_[0, 0, :])):
        feature = Feature("x", layout=layout, range=(0, 1))
        found = observed(contract, image, feature=feature, dtype=FLOAT32, normalization=statistics)
        assert found[channels].tolist() == [1, 3, 0.5]


def test_a_part_of_a_leaf_is_taken_and_its_elements_put_in_order() -> None:
    names = ("x", "y", "z")
    contract = seeing(numbers(8), tag("x", at=(2, 3), element_names=names))
    state = np.arange(8, dtype="f4")
    assert observed(contract, state).tolist() == [2, 3, 4]
    some = Feature("x", element_names=("z", "x"))
    assert observed(contract, state, feature=some, shape=(2,)).tolist() == [4, 2]


def test_elements_of_an_action_are_put_in_the_order_of_the_environment() -> None:
    contract = acting(numbers(3), tag("x", element_names=("x", "y", "z")))
    feature = Feature("x", element_names=("y", "z", "x"))
    assert acted(contract, [20, 30, 10], feature=feature).tolist() == [10, 20, 30]


def test_bounds_of_each_element_are_those_of_the_part() -> None:
    low = np.arange(6, dtype="f4").reshape(2, 3)
    contract = acting(spaces.Box(low, low * 10 + 10), tag("x", at=(1, 2)), tag("rest", at=(0, 1)))
    ports = (ModelOutput("x", Feature("x", range=(0, 1))), ModelOutput("rest", Feature("rest")))
    adapter = resolve(contract, ModelSpec(outputs=ports), backend=BACKEND)
    action = adapter.act({"x": np.array([[0, 1], [1, 0]], "f4"), "rest": np.zeros((2, 1), "f4")})
    assert action.tolist() == [[0, 1, 30], [0, 50, 5]]


def test_numbers_beyond_the_other_type_are_refused() -> None:
    contract = seeing(spaces.Box(-math.inf, math.inf, (2,), "float64"), tag("x"))
    assert observed(contract, np.array([0.5, math.inf]), dtype=FLOAT32).tolist() == [0.5, math.inf]
    with pytest.raises(
        InvalidValueError, match=r"inputs\[''\]: expected numbers of float32, got 1e\+300"
    ):
        observed(contract, np.array([0.5, 1e300]), dtype=FLOAT32)
    with pytest.raises(InvalidValueError, match="float16, got 70000"):
        acted(acting(spaces.Box(-1, 1, (1,), "float16"), tag("x")), np.array([70_000]))


def test_matrices_may_be_square() -> None:
    matrix = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], "f4")
    square = tag("x", rotation=RotationFormat.MATRIX)
    contract = seeing(numbers(3, 3), square)
    assert np.array_equal(observed(contract, matrix), matrix)
    feature = Feature("x", rotation=RotationFormat.MATRIX)
    flat = observed(contract, matrix, feature=feature, shape=(9,))
    assert np.array_equal(flat, matrix.ravel())
    assert np.array_equal(acted(acting(numbers(3, 3), square), flat, shape=(9,)), matrix)
    six = observed(contract, matrix, feature=Feature("x", rotation=RotationFormat.SIX_D))
    assert np.array_equal(six, matrix.T.ravel()[:6])


@pytest.mark.parametrize("element", ["float64", "int32"])
def test_numbers_of_64_bits_are_calculated_in_64(element: str) -> None:
    box = spaces.Box(0, 2**30 + 1, (1,), element)
    feature = Feature("x", unit="cm")
    value = np.array([2**30 + 1], element)
    found = observed(
        seeing(box, tag("x", unit="m")), value, feature=feature, dtype=DTYPES["float64"]
    )
    assert found.tolist() == [(2**30 + 1) * 100]


@pytest.mark.parametrize(
    ("source", "target", "factor"),
    [
        ("m", "cm", 100),
        ("[in_i]", "mm", 25.4),
        ("deg/s", "rad/s", math.pi / 180),
        ("m/s2", "cm/s/s", 100),
        ("m/min", "km/h", 0.06),
        ("%", "1", 0.01),
        ("m", "s", None),
        ("m/s", "m", None),
        ("Cel", "K", None),
        ("m", "parsec", None),
        ("furlong", "furlong", 1),
    ],
)
def test_units(source: str, target: str, factor: float | None) -> None:
    found = unit_factor(source, target)
    assert (found is None) if factor is None else found == pytest.approx(factor, rel=1e-15)


def test_units_turn_amounts_and_leave_ranges_alone() -> None:
    contract = seeing(numbers(2, low=0, high=5), tag("x", unit="m"))
    feature = Feature("x", unit="mm", range=(0, 10_000))
    assert observed(contract, np.array([1, 2], "f4"), feature=feature).tolist() == [1000, 2000]


def test_normalization_in_and_out() -> None:
    limits = MinMax((0.0, -10.0), (4.0, 10.0))
    contract = seeing(numbers(2), tag("x"))
    assert observed(contract, np.array([1, 5], "f4"), normalization=limits).tolist() == [-0.5, 0.5]
    statistics = MeanStd((1.0,), (2.0,))
    assert acted(acting(numbers(2), tag("x")), [3, 0], normalization=statistics).tolist() == [7, 1]


def test_actions_are_scaled_to_the_bounds_of_each_element_and_keep_them() -> None:
    box = spaces.Box(np.array([-0.1, -7], "f4"), np.array([0.3, 9], "f4"))
    feature = Feature("x", range=(-1, 1))
    contract = acting(box, tag("x"))
    ends = [acted(contract, np.full(2, end, "f4"), feature=feature) for end in (-1, 1, 0)]
    assert np.array_equal(ends[0], box.low) and np.array_equal(ends[1], box.high)
    np.testing.assert_allclose(ends[2], [0.1, 1], rtol=1e-6)
    assert acted(contract, np.full(2, 2, "f4"), feature=feature)[1] == 17  # Nothing is clipped.


def test_actions_are_put_together() -> None:
    space = spaces.Dict(
        {"arm": numbers(4), "grip": spaces.Discrete(3), "way": spaces.Tuple([spaces.Text(9)])}
    )
    tags = [tag("turn", "arm", at=(3, 1)), tag("move", "arm", at=(0, 3)), tag("grip", "grip")]
    contract = acting(space, *tags, tag("say", "way", 0))
    ports = [ModelOutput(name, Feature(name)) for name in ("grip", "say", "turn", "move")]
    adapter = resolve(contract, ModelSpec(outputs=tuple(ports)), backend=BACKEND)
    output = {"grip": np.int64(2), "say": "go", "turn": [4.0], "move": (1, 2, 3), "value": 0.5}
    action = adapter.act(output)
    assert action["arm"].tolist() == [1, 2, 3, 4] and action["arm"].dtype == np.float32
    assert action["grip"] == 2 and type(action["grip"]) is int and action["way"] == ("go",)
    batch = {name: np.repeat(np.asarray(x)[None], 5, 0) for name, x in output.items()}
    actions = adapter.act({**batch, "say": tuple("abcde")}, batch=5)
    assert actions["arm"].shape == (5, 4) and actions["way"] == (tuple("abcde"),)
    assert actions["grip"].tolist() == [2] * 5


def test_whole_numbers_are_rounded_where_they_are_scaled_and_never_cut() -> None:
    contract = acting(spaces.Box(0, 255, (3,), "uint8"), tag("x"))
    feature = Feature("x", range=(0, 1))
    assert acted(contract, [0.5, 0.998, 1.0], feature=feature).tolist() == [128, 254, 255]
    same = Feature("x", range=(0, 255))
    assert acted(contract, [0.6, 1.5, 255.0], feature=same).tolist() == [1, 2, 255]
    with pytest.raises(InvalidValueError, match=r"action: expected numbers of uint8, got 510"):
        acted(contract, [0.0, 2.0, 1.0], feature=feature)
    with pytest.raises(InvalidValueError, match=r"got 0\.5"):
        acted(contract, [0.0, 0.5, 1.0])
    with pytest.raises(InvalidValueError, match="got 256"):
        acted(contract, np.array([0, 256, 1]))
    with pytest.raises(InvalidValueError, match="got nan"):
        acted(contract, np.array([0, math.nan, 1]))


def test_history_repeats_the_first_observation_and_keeps_episodes_apart() -> None:
    contract = seeing(numbers(1), tag("x"))
    spec = ModelSpec(inputs=(ModelInput("h", Feature("x"), shape=(3, 1), history=3),))
    adapter = resolve(contract, spec, backend=BACKEND)
    one, two = adapter.episode(), adapter.episode()
    buffer = np.zeros(1, "f4")
    seen = []
    for number in (1, 2, 3, 4):
        buffer[:] = number  # Some environments write over what they have returned.
        seen.append(one.observe(buffer)["h"].ravel().tolist())
    assert seen == [[1, 1, 1], [1, 1, 2], [1, 2, 3], [2, 3, 4]]
    batch = adapter.observe_batch(np.array([[7], [8]], "f4"), [two, one])["h"]
    assert batch[..., 0].tolist() == [[7, 7, 7], [3, 4, 8]]


@pytest.mark.parametrize("history", [0, 1])
def test_a_history_of_one_stacks_nothing(history: int) -> None:
    contract = seeing(numbers(2), tag("x"))
    assert observed(contract, np.ones(2, "f4"), shape=(2,), history=history).shape == (2,)


def text_adapter(contract: EnvContract, **port: Any) -> Adapter:
    port = ModelInput("say", Feature("text/instruction", kind=FeatureKind.TEXT), **port)
    return resolve(contract, ModelSpec(inputs=(port,)), backend=BACKEND)


def test_instructions_are_written_into_text_inputs() -> None:
    adapter = text_adapter(seeing(spaces.Text(9), tag("text/instruction")))
    assert adapter.writes_instruction
    assert adapter.episode().observe("own") == {"say": "own"}
    assert adapter.episode("told").observe("own") == {"say": "told"}
    lanes = [adapter.episode("told"), adapter.episode()]
    assert adapter.observe_batch(("a", "b"), lanes) == {"say": ("told", "b")}


def test_a_text_input_without_a_feature_needs_an_instruction() -> None:
    adapter = text_adapter(seeing(numbers(1)))
    assert adapter.episode("told").observe(None) == {"say": "told"}
    with pytest.raises(AdapterError, match=r"inputs\['say'\]: expected an instruction.*neither"):
        adapter.episode()
    optional = text_adapter(seeing(numbers(1)), optional=True)
    assert optional.episode().observe(None) == {}
    lanes = [optional.episode("told"), optional.episode()]
    assert optional.observe_batch(None, lanes) == {"say": ("told", "")}


def test_an_instruction_for_a_model_without_text_is_refused() -> None:
    contract = seeing(numbers(1), tag("x"))
    adapter = resolve(contract, ModelSpec(inputs=(ModelInput("a", Feature("x")),)), backend=BACKEND)
    assert not adapter.writes_instruction
    with pytest.raises(AdapterError, match="expected a model with a text input"):
        adapter.episode("go")


def test_optional_inputs_are_left_out() -> None:
    ports = (ModelInput("a", Feature("x")), ModelInput("b", Feature("gone"), optional=True))
    contract = seeing(numbers(1), tag("x"))
    adapter = resolve(contract, ModelSpec(inputs=ports), backend=BACKEND)
    assert list(adapter.episode().observe(np.ones(1, "f4"))) == ["a"]


@pytest.mark.parametrize("adaptation", [Adaptation.NONE, DELEGATED])
def test_models_that_adapt_themselves_are_left_alone(adaptation: Adaptation) -> None:
    contract = EnvContract("e", spaces.Discrete(2), numbers(2))
    spec = ModelSpec(adaptation=adaptation, action_space=contract.action_space)
    adapter = resolve(contract, spec, backend=NATIVE)
    thing = object()
    assert adapter.episode().observe(thing) is thing and adapter.act(thing) is thing
    with pytest.raises(AdapterError, match=r"action_space: expected Box.*got Box"):
        resolve(acting(numbers(3)), spec, backend=NATIVE)


def test_chunks() -> None:
    space = spaces.Dict({"arm": numbers(2), "grip": spaces.Discrete(9)})
    contract = acting(space, tag("a", "arm"), tag("g", "grip"))
    ports = (ModelOutput("a", Feature("a")), ModelOutput("g", Feature("g")))
    adapter = resolve(contract, ModelSpec(outputs=ports), backend=BACKEND)
    arm, grip = np.arange(12, dtype="f4").reshape(2, 3, 2), np.arange(6).reshape(2, 3)
    actions, length = adapter.act_chunk({"a": arm[0], "g": grip[0]})
    assert length == 3 and np.array_equal(actions["arm"], arm[0])
    actions, length = adapter.act_chunk({"a": arm, "g": grip}, batch=2, max_length=2)
    assert length == 2 and actions["grip"].tolist() == [0, 1, 3, 4]
    assert np.array_equal(actions["arm"], arm[:, :2].reshape(4, 2))
    with pytest.raises(InvalidValueError, match=r"outputs\['g'\]: expected shape \(3\)"):
        adapter.act_chunk({"a": arm[0], "g": grip[0, :2]})
    with pytest.raises(InvalidValueError, match=r"outputs\['a'\]: expected shape \(3, any, 2\)"):
        adapter.act_chunk({"a": arm, "g": grip}, batch=3)
    with pytest.raises(InvalidValueError, match=r"above 0"):
        adapter.act_chunk({"a": arm[0, :0], "g": grip[0, :0]})


def test_chunks_of_a_model_that_adapts_itself() -> None:
    space = spaces.Tuple([numbers(2), spaces.Text(3)])
    adapter = resolve(acting(space), ModelSpec(adaptation=DELEGATED), backend=NATIVE)
    assert adapter.act_chunk(([1, 2, 3], "abc"), max_length=2) == (([1, 2], "ab"), 2)
    lanes = ([[1, 2], [3, 4]], [("a", "b"), ("c", "d")])
    assert adapter.act_chunk(lanes, batch=2) == (((1, 2, 3, 4), ("a", "b", "c", "d")), 2)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({}, r"outputs\['a'\]: expected an output 'a', got only nothing"),
        ([1, 2], r"outputs\['a'\]: expected a mapping of outputs, got a list"),
        ({"a": [1, 2, 3]}, r"outputs\['a'\]: expected shape \(2\), got shape \(3,\)"),
        ({"a": [[1], [2, 3]]}, r"outputs\['a'\]"),
        ({"a": "no"}, r"outputs\['a'\]"),
        ({"a": np.array([1j, 2])}, r"outputs\['a'\]: expected an array of numbers.*complex128"),
        ({"a": np.array([1, None])}, r"outputs\['a'\]: expected an array of numbers.*object"),
        ({"a": np.array(["1", "2"])}, r"outputs\['a'\]: expected an array of numbers.*str"),
    ],
)
def test_outputs_that_are_not_what_the_spec_says(output: Any, words: str) -> None:
    spec = ModelSpec(outputs=(ModelOutput("a", Feature("x")),))
    adapter = resolve(acting(numbers(2), tag("x")), spec, backend=BACKEND)
    with pytest.raises(InvalidValueError, match=words):
        adapter.act(output)


@pytest.mark.parametrize("observation", [{}, None, {"a": np.ones(3, "f4")}, {"a": {"b": 1}}])
def test_observations_that_are_not_of_the_space(observation: Any) -> None:
    spec = ModelSpec(inputs=(ModelInput("a", Feature("x")),))
    contract = seeing(spaces.Dict({"a": numbers(2)}), tag("x", "a"))
    episode = resolve(contract, spec, backend=BACKEND).episode()
    with pytest.raises(InvalidValueError, match=r"observation\['a'\]"):
        episode.observe(observation)


def test_deltas_and_values_are_told_apart_only_where_both_sides_say() -> None:
    delta = Feature("x", reference=Reference.DELTA)
    silent = acting(numbers(1), tag("x"))
    assert acted(silent, [1.0], feature=delta).tolist() == [1]
    rotation = acting(numbers(3), tag("x", rotation=RotationFormat.EULER_XYZ))
    assert acted(rotation, [0.1, 0, 0]).tolist() == [np.float32(0.1), 0, 0]
