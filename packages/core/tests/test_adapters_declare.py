"""Short forms of tags and specs, tags as an attribute, and what an adapter says of itself."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.adapters import (
    Action,
    Adapter,
    Concat,
    EnvTags,
    Feature,
    FeatureKind,
    Gripper,
    HistoryPadding,
    Image,
    ImageFit,
    InputPart,
    MeanStd,
    ModelInput,
    ModelSpec,
    Orientation,
    RotationFormat,
    State,
    TaggedLeaf,
    Text,
    feature,
    output,
    plan_text,
    resolve,
    roles,
    tag,
    tags,
)
from rlmesh.adapters.roles import (
    ACTION_EEF_POSITION,
    ACTION_EEF_ROTATION,
    ACTION_GRIPPER,
    EEF_POSITION,
    EEF_ROTATION,
    GRIPPER,
    IMAGE_PRIMARY,
    IMAGE_WRIST,
)
from rlmesh.errors import AdapterError
from rlmesh.specs import EnvContract

np = pytest.importorskip("numpy")
Pillow = pytest.importorskip("PIL.Image")
NUMPY = pytest.importorskip("rlmesh_numpy").BACKEND
INF = float("inf")

# An environment like LIBERO's: cameras upside down, a quaternion, a flat action.
CAMERA = spaces.Box(0, 255, (64, 48, 3), "uint8")
ROBOT = EnvContract(
    "robot",
    spaces.Dict(
        {
            "front": CAMERA,
            "hand": CAMERA,
            "position": spaces.Box(-INF, INF, (3,)),
            "quaternion": spaces.Box(-1, 1, (4,)),
            "fingers": spaces.Box(-1, 1, (2,)),
        }
    ),
    spaces.Box(-1, 1, (7,)),
    tags=tags(
        {
            "front": feature(IMAGE_PRIMARY, layout="hwc", color="rgb", rotate=180),
            "hand": feature(IMAGE_WRIST, layout="hwc", color="rgb", rotate=180),
            "position": feature(EEF_POSITION, unit="m"),
            "quaternion": feature(EEF_ROTATION, rotation="quaternion_xyzw"),
            "fingers": GRIPPER,
        },
        [
            feature(ACTION_EEF_POSITION, reference="delta"),
            feature(ACTION_EEF_ROTATION, reference="delta", rotation="axis_angle"),
            feature(ACTION_GRIPPER, gripper=Gripper(open=-1, closed=1)),
        ],
    ),
)

# fmt: off
VLA = ModelSpec("vla", (
    Image("image", IMAGE_PRIMARY, size=(32, 32), fit="pad"),
    Image("wrist", IMAGE_WRIST, size=(32, 32), fit="pad", optional=True),
    Concat("state", EEF_POSITION, feature(EEF_ROTATION, rotation="axis_angle"), GRIPPER, pad_to=9),
    Text("prompt", lower=True),
), Action("actions",
    feature(ACTION_EEF_POSITION, reference="delta"),
    feature(ACTION_EEF_ROTATION, reference="delta", rotation="axis_angle"),
    output(feature(ACTION_GRIPPER, gripper=Gripper(open=1, closed=0)), threshold=0.5)))
# fmt: on


def robot_adapter(spec: ModelSpec = VLA) -> Adapter:
    return resolve(ROBOT, spec, backend=NUMPY)


def observation() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    return {
        "front": rng.integers(0, 256, CAMERA.shape, "u1"),
        "hand": rng.integers(0, 256, CAMERA.shape, "u1"),
        "position": np.array([0.1, 0.2, 0.3], "f4"),
        "quaternion": np.array([0, 0, 0.6, 0.8], "f4"),
        "fingers": np.array([0.04, -0.04], "f4"),
    }


def test_a_vla_and_its_environment_fit() -> None:
    adapter = robot_adapter()
    seen = observation()
    episode = adapter.episode("Pick UP")
    found = episode.observe(seen)
    upright = np.ascontiguousarray(seen["front"][::-1, ::-1])
    resized = np.asarray(Pillow.fromarray(upright).resize((24, 32), Pillow.Resampling.BILINEAR))
    assert found["image"].shape == (32, 32, 3)
    np.testing.assert_array_equal(found["image"][:, 4:28], resized)
    assert not found["image"][:, :4].any() and not found["image"][:, 28:].any()
    angle = 2 * np.arctan2(0.6, 0.8)
    state = [0.1, 0.2, 0.3, 0, 0, angle, 0.04, -0.04, 0]
    np.testing.assert_allclose(found["state"], state, rtol=1e-6)
    assert found["prompt"] == "pick up"
    action = episode.act({"actions": np.array([0.1, 0, 0, 0, 0, 0.2, 0.7], "f4")})
    np.testing.assert_allclose(action, [0.1, 0, 0, 0, 0, 0.2, -1], atol=1e-7)


def test_the_plan_is_explained() -> None:
    text = str(robot_adapter().explain())
    for words in (
        "turned by 180 degrees, resized to 32x24 by pillow_bilinear, padded to 32x32 with 0",
        "quaternion_xyzw to axis_angle",
        "part of inputs['state']",
        "filled with 1 times 0",
        "in lower case",
        "1 from 0.5 on, else 0, closed 0 to 1, open 1 to -1",
        "outputs['actions'][6:7]",
    ):
        assert words in text, words
    assert text.splitlines()[0].startswith("observation['front']")
    assert repr(robot_adapter()) == "Adapter(4 inputs, 3 outputs, 2 advisories)"


def test_a_notebook_shows_a_table_without_markup_of_a_peer() -> None:
    spec = ModelSpec(inputs=(ModelInput("<b>", Feature(GRIPPER)),), outputs=VLA.outputs)
    page = robot_adapter(spec).explain()._repr_html_()
    assert "<b>" not in page and "&lt;b&gt;" in page
    assert page.count("<tr>") == 5


def test_an_explanation_is_safe_to_print_whatever_a_peer_has_written() -> None:
    """Y-10: keys, roles and texts of a peer act on no terminal and begin no line."""
    space = spaces.Dict({"a\x1b[2J\n": CAMERA, "b": CAMERA})
    made = tags({"a\x1b[2J\n": feature("x\x07", layout="hwc"), "b": "y\x1b[1m"})
    contract = EnvContract("e", space, spaces.Dict({}), tags=made)
    inputs = (Image("i\x1b", "x\x07"), Text("t\x1b", default="d\x1b", template="\x1b{text}"))
    explained = resolve(contract, ModelSpec("m", inputs), backend=NUMPY).explain()
    for text in (str(explained), explained._repr_html_()):
        assert text.replace("\n", "").isprintable()
        assert r"a\x1b[2J\n" in text


def test_an_adapter_that_changes_nothing_says_so() -> None:
    adapter = Adapter(None, spaces.Discrete(2))
    assert str(adapter.explain()) == "values pass through unchanged"
    assert adapter.advisories == () and repr(adapter) == "Adapter(unchanged)"


def advised(spec: ModelSpec, contract: EnvContract = ROBOT) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in resolve(contract, spec, backend=NUMPY).advisories:
        found.setdefault(one.level, []).append(f"{one.path}: {one.message}")
    return found


def test_what_is_substituted_dropped_filled_and_assumed() -> None:
    spec = ModelSpec(
        inputs=(
            Image("large", IMAGE_PRIMARY, size=(96, 96)),
            Image("gray", IMAGE_WRIST, color="gray"),
            Image("no", "image/none", optional=True),
            Concat("state", EEF_ROTATION, pad_to=6),
            Text("text", default="wait"),
        ),
        outputs=(
            *Action("", output(feature(ACTION_EEF_POSITION), clip_to_space=True), length_three()),
            output(ACTION_GRIPPER, "grip", constant=(1.0,)),
        ),
    )
    found = advised(spec)
    caution, info = "\n".join(found["caution"]), "\n".join(found["info"])
    for words in (
        "inputs['large']: substituted: enlarged to 96x96",
        "inputs['no']: left out",
        "inputs['state']: assumed: the model does not specify the form of the rotation",
        "outputs['']: assumed: the model does not specify whether numbers are values or differ",
        "outputs['grip']: assumed: the model does not specify which number opens the gripper",
    ):
        assert words in caution, words
    for words in (
        "inputs['large']: substituted: stretched from 64x48 to 96x96",
        "inputs['gray']: dropped: the color",
        "observation['position']: 'state/eef_position' is not read",
        "observation['fingers']: 'state/gripper' is not read",
        "inputs['state']: filled: 2 elements",
        "inputs['text']: filled: 'wait'",
        "action[0:3]: substituted: numbers outside are limited",
        "action[6:7]: filled: a constant",
    ):
        assert words in info, words
    assert len(found["caution"]) == 7


def length_three() -> Any:
    return output(ACTION_EEF_ROTATION, length=3)


def test_a_pair_that_specifies_everything_has_no_caution() -> None:
    assert advised(VLA).keys() == {"info"}


def test_words_become_members() -> None:
    found = feature("image/top", layout="chw", color="bgr", rotate=-90, mirror=True, part="left")
    assert found.role == "image/left/top" and found.kind is FeatureKind.IMAGE
    assert found.orientation == Orientation(3, mirrored=True)
    assert feature("state/x", rotation="ZYX").euler_axes == "ZYX"
    assert feature("state/x", rotation="ZYX").rotation is RotationFormat.EULER
    assert Image("x", "image/x", size=(1, 2), fit="crop").image[0].fit is ImageFit.CROP
    assert Image("x", "image/x").image == ()
    part = InputPart(feature("state/x"))
    assert Concat("x", part, 1, (2, 3)).parts == (
        part,
        InputPart(constant=(1.0,)),
        InputPart(constant=(2.0, 3.0)),
    )
    zeros = State("x", "state/x", history=3, history_padding="zeros", unit="m")
    assert zeros.history_padding is HistoryPadding.ZEROS and zeros.feature.unit == "m"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: feature("x", layout="whc"), "layout: expected one of chw, hw, hwc, got 'whc'"),
        (lambda: feature("x", rotate=45), "multiple of 90 degrees, got 45"),
        (lambda: Image("x", "y", fit="cover"), "fit: expected one of crop, pad, stretch"),
        (lambda: Image("x", "y", dtype="float"), "dtype: expected one of"),
        (lambda: Action("x", "action/joint_positions"), "use output(..., length=n)"),
        (lambda: tags({"x": ["state/joint_positions"]}), "use output(..., length=n)"),
    ],
)
def test_words_that_are_none(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        make()


def test_the_normalization_of_a_vector_is_that_of_its_parts() -> None:
    scaling = MeanStd(tuple(range(4)), (1.0,), mask=(True, True, True, False))
    position, gripper = Action("", ACTION_EEF_POSITION, ACTION_GRIPPER, normalization=scaling)
    assert position.normalization == MeanStd((0, 1, 2), (1.0,), mask=(True, True, True))
    assert gripper.normalization == MeanStd((3,), (1.0,), mask=(False,))


def test_roles_are_documented_and_a_near_miss_is_named() -> None:
    for name in roles.__all__:
        value = getattr(roles, name)
        if isinstance(value, str):
            assert f"`{name}`" in (roles.__doc__ or "")
    assert roles.nearest("state/eef_pos") == EEF_POSITION
    assert roles.nearest("image/primary") is None and roles.nearest("zzz") is None
    with pytest.raises(AdapterError, match="nearest is 'state/gripper'"):
        resolve(ROBOT, ModelSpec(inputs=(State("x", "state/griper"),)), backend=NUMPY)


class Plain:
    """An environment of the smallest kind."""

    observation_space = spaces.Dict({"x": spaces.Box(-1, 1, (2,))})
    action_space = spaces.Discrete(2)


def test_tags_are_an_attribute() -> None:
    own = tags({"x": "state/x"})
    env = Plain()
    assert tag(env, own) is env and env.rlmesh_tags == own  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="tags: observation"):
        tag(env, EnvTags((TaggedLeaf(("y",), Feature("y")),)))


def test_wrappers_pass_tags_on() -> None:
    gymnasium = pytest.importorskip("gymnasium")
    from rlmesh._env_host.describe_env import describe_env

    def make() -> Any:
        env = gymnasium.make("CartPole-v1")
        env.unwrapped.rlmesh_tags = tags(feature("state/cart"))
        return env

    assert describe_env(make()).contract.tags == tags(feature("state/cart"))
    lanes = gymnasium.vector.SyncVectorEnv([make, make])
    assert describe_env(lanes).contract.tags == tags(feature("state/cart"))
    given = tags(feature("state/other"))
    assert describe_env(make(), given).contract.tags == given
    env = make()
    env.unwrapped.rlmesh_tags = "state"
    with pytest.raises(TypeError, match="rlmesh_tags: expected"):
        describe_env(env)
    assert describe_env(gymnasium.make("CartPole-v1")).contract.tags is None


def test_a_name_with_a_line_end_makes_no_line_of_the_plan() -> None:
    odd = "x\nforged -> inputs['y']\x1b[2J"
    space = spaces.Dict({odd: spaces.Box(-1, 1, (2,))})
    contract = EnvContract("e", space, spaces.Dict({}), tags=tags({odd: "state/x"}))
    adapter = resolve(contract, ModelSpec(inputs=(State("", "state/x"),)), backend=NUMPY)
    (line,) = plan_text(adapter).splitlines()
    assert "\x1b" not in line and "forged" in line


def test_a_state_and_an_output_take_a_feature() -> None:
    known = feature(EEF_ROTATION, rotation="quaternion_xyzw")
    assert State("rotation", known) == State("rotation", EEF_ROTATION, rotation="quaternion_xyzw")
    assert State("rotation", known, history=2).history == 2
    assert output(known).feature is known
    with pytest.raises(TypeError, match="expected no argument 'unit'"):
        State("rotation", known, unit="rad")


@pytest.mark.parametrize("declare", [feature, lambda x: Image("a", x), lambda x: Text("a", x)])
def test_a_role_is_a_text(declare: Any) -> None:
    with pytest.raises(TypeError, match=f"role: expected a text, got a feature; .*{IMAGE_WRIST}"):
        declare(feature(IMAGE_WRIST))


@pytest.mark.parametrize("declare", [feature, output, lambda x: State("a", x)])
def test_what_is_no_role_is_refused(declare: Any) -> None:
    with pytest.raises(TypeError, match="role: expected a text, got 3"):
        declare(3)
