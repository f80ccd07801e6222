"""Tags, specs and plans as JSON, and plans as plain data."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

import rlmesh
from rlmesh import spaces
from rlmesh.adapters import (
    Action,
    Concat,
    Depth,
    DepthEncoding,
    EnvTags,
    Feature,
    Gripper,
    Image,
    InputPart,
    ModelInput,
    ModelSpec,
    Plan,
    Text,
    feature,
    output,
    tags,
)

TAGS = tags(
    {
        "front": feature("image/primary", layout="hwc", color="rgb", rotate=180),
        ("arm", 0): [feature("state/eef_rotation", rotation="quaternion_xyzw"), ("state/x", 2)],
    },
    {"grip": feature("action/gripper", gripper=Gripper(open=-1, closed=1))},
    labels=["robot:panda"],
)
TAGS_DOCUMENT = {
    "observation": [
        {
            "path": [{"name": "front"}],
            "feature": {
                "role": "image/primary",
                "kind": "FEATURE_KIND_IMAGE",
                "layout": "IMAGE_LAYOUT_HWC",
                "color": "COLOR_SPACE_RGB",
                "orientation": {"quarterTurns": 2},
            },
        },
        {
            "path": [{"name": "arm"}, {"index": "0"}],
            "offset": 0,
            "length": 4,
            "feature": {
                "role": "state/eef_rotation",
                "kind": "FEATURE_KIND_STATE",
                "rotation": "ROTATION_FORMAT_QUATERNION_XYZW",
            },
        },
        {
            "path": [{"name": "arm"}, {"index": "0"}],
            "offset": 4,
            "length": 2,
            "feature": {"role": "state/x", "kind": "FEATURE_KIND_STATE"},
        },
    ],
    "action": [
        {
            "path": [{"name": "grip"}],
            "feature": {
                "role": "action/gripper",
                "kind": "FEATURE_KIND_ACTION",
                "gripper": {"open": -1.0, "closed": 1.0},
            },
        }
    ],
    "labels": ["robot:panda"],
}
SPEC = ModelSpec(
    "m",
    (
        Image("image", "image/primary", size=(2, 3)),
        Concat("state", "state/x", 0.5, pad_to=8, history=2),
        Text("prompt", lower=True),
    ),
    Action("a", output(feature("action/gripper", gripper=Gripper(1, 0)), threshold=0.5)),
    action_space=spaces.Box(-1, 1, (1,)),
    metadata={"step": 3},
)
SPEC_DOCUMENT = {
    "id": "m",
    "inputs": [
        {
            "name": "image",
            "feature": {
                "role": "image/primary",
                "kind": "FEATURE_KIND_IMAGE",
                "layout": "IMAGE_LAYOUT_HWC",
                "color": "COLOR_SPACE_RGB",
            },
            "anyShape": True,
            "image": [
                {
                    "cropArea": 1.0,
                    "height": 2,
                    "width": 3,
                    "fit": "IMAGE_FIT_STRETCH",
                    "resampler": "RESAMPLER_PILLOW_BILINEAR",
                }
            ],
            "historyStride": 1,
            "historyPadding": "HISTORY_PADDING_REPEAT",
        },
        {
            "name": "state",
            "feature": {"role": "state", "kind": "FEATURE_KIND_STATE"},
            "dtype": "D_TYPE_FLOAT32",
            "anyShape": True,
            "history": 2,
            "parts": [
                {"feature": {"role": "state/x", "kind": "FEATURE_KIND_STATE"}},
                {"constant": {"values": [0.5]}},
            ],
            "padTo": 8,
            "historyStride": 1,
            "historyPadding": "HISTORY_PADDING_REPEAT",
        },
        {
            "name": "prompt",
            "feature": {"role": "text/instruction", "kind": "FEATURE_KIND_TEXT"},
            "anyShape": True,
            "historyStride": 1,
            "historyPadding": "HISTORY_PADDING_REPEAT",
            "text": {"lower": True},
        },
    ],
    "outputs": [
        {
            "name": "a",
            "feature": {
                "role": "action/gripper",
                "kind": "FEATURE_KIND_ACTION",
                "gripper": {"open": 1.0},
            },
            "anyShape": True,
            "offset": 0,
            "length": 1,
            "scale": 1.0,
            "threshold": 0.5,
        }
    ],
    "predictForms": ["PREDICT_FORM_SINGLE"],
    "adaptation": "ADAPTATION_RESOLVED",
    "actionSpace": {
        "box": {
            "dtype": "D_TYPE_FLOAT32",
            "shape": ["1"],
            "low": {"uniform": "AACAvw=="},
            "high": {"uniform": "AACAPw=="},
        }
    },
    "metadata": {"entries": [{"name": "step", "value": {"intValue": "3"}}]},
}


def test_tags_and_specs_are_the_schema_s_messages_in_protobuf_s_json() -> None:
    assert TAGS.to_dict() == TAGS_DOCUMENT
    assert SPEC.to_dict() == SPEC_DOCUMENT
    assert EnvTags.from_dict(TAGS_DOCUMENT) == TAGS
    assert ModelSpec.from_dict(SPEC_DOCUMENT) == SPEC
    assert EnvTags.from_json(TAGS.to_json(indent=2)) == TAGS
    assert ModelSpec.from_json(SPEC.to_json().encode()) == SPEC


def test_another_language_may_write_names_of_the_schema_and_null() -> None:
    document = {"any_shape": True, "feature": None, "name": "x"}
    found = ModelSpec.from_dict({"inputs": [document], "predict_forms": ["PREDICT_FORM_SINGLE"]})
    assert found.inputs == (ModelInput("x", Feature("")),)


def test_a_depth_of_no_encoding_is_one_of_distances() -> None:
    assert Depth(0.5, 2, DepthEncoding.UNSPECIFIED) == Depth(0.5, 2, DepthEncoding.DISTANCE)


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of a document with another value at a path."""
    copy = json.loads(json.dumps(document))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return copy


FEATURE = ("observation", 0, "feature")
WRONG_TAGS = [
    (("extra",), 1, r"extra: expected a field of EnvTags: observation, action, labels, got 'ext"),
    (("observation",), {}, r"observation: expected a list, got \{\}"),
    (("observation", 0), None, r"observation\[0\]: expected an object, a TaggedLeaf, got None"),
    (("labels",), "robot", r"labels: expected a list, got 'robot'"),
    (("labels",), ["\ud800"], r"labels\[0\]: expected a text, got"),
    (
        (*FEATURE, "kind"),
        "image",
        r"feature.kind: expected one of FEATURE_KIND_UNSP.*, got 'image'",
    ),
    ((*FEATURE, "kind"), 1, r"feature.kind: expected one of FEATURE_KIND_UNSPECIFIED.*, got 1"),
    ((*FEATURE, "elementNames"), "abc", r"feature.elementNames: expected a list, got 'abc'"),
    ((*FEATURE, "orientation"), {"mirrored": 1}, r"mirrored: expected true or false, got 1"),
    ((*FEATURE, "orientation"), {"quarterTurns": 4}, r"observation\[0\].feature: A-2: .*, got 4"),
    ((*FEATURE, "range"), {"low": "1"}, r"range.low: expected a number, or one of.*, got '1'"),
    ((*FEATURE, "range"), {"low": 10**400}, r"range.low: expected a number within the range"),
    (("observation", 1, "offset"), -1, r"offset: expected an integer from 0 to 4294967295, got -1"),
    (("observation", 1, "offset"), True, r"offset: expected an integer .*, got True"),
    (("observation", 1, "offset"), 1.5, r"offset: expected an integer .*, got 1.5"),
    (("observation", 1, "path", 1), {"index": "x"}, r"path\[1\].index: expected an integer"),
    (("observation", 1, "path", 1), {"index": "1", "name": "a"}, r"one of index and name, got 'bo"),
    (("observation", 1, "path", 1), {}, r"observation\[1\].path\[1\]: T-1: expected a segment"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG_TAGS)
def test_a_wrong_document_of_tags_is_refused_with_path_expected_and_got(
    path: tuple[Any, ...], value: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        EnvTags.from_dict(changed(TAGS_DOCUMENT, path, value))


WRONG_SPECS = [
    (("inputs", 0, "fit"), 1, r"inputs\[0\].fit: expected a field of ModelInput: name, .*"),
    (("inputs", 0, "dtype"), "float32", r"inputs\[0\].dtype: expected one of D_TYPE_UNSPECIFIED"),
    (("predictForms",), [], r"predict_forms: T-4: expected predict forms"),
    (
        ("inputs", 0, "image", 0, "height"),
        0,
        r"inputs\['image'\]: T-4: expected a height and width",
    ),
    (("actionSpace", "box", "low", "uniform"), "?", r"low.uniform: expected bytes as base64"),
    (("actionSpace", "box", "low", "uniform"), "AAA=", r"action_space: S-"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG_SPECS)
def test_a_wrong_document_of_a_spec_is_refused_with_path_expected_and_got(
    path: tuple[Any, ...], value: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ModelSpec.from_dict(changed(SPEC_DOCUMENT, path, value))


def test_what_breaks_a_rule_is_not_written() -> None:
    with pytest.raises(ValueError, match="A-2: expected two different numbers"):
        tags(feature("state/x", gripper=Gripper(1, 1))).to_dict()
    with pytest.raises(ValueError, match="T-4: expected"):
        ModelSpec("m", predict_forms=()).to_dict()
    with pytest.raises(ValueError, match=r"metadata\['x'\]: expected a value of a wire type"):
        ModelSpec("m", metadata={"x": object()}).to_dict()


@pytest.mark.parametrize("kind", [EnvTags, ModelSpec, Plan])
def test_a_text_that_is_no_document_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="expected JSON, got"):
        kind.from_json("{")
    with pytest.raises(ValueError, match="expected distinct names of members, got 'a' twice"):
        kind.from_json('{"a": 1, "a": 2}')
    with pytest.raises(ValueError, match="expected an object"):
        kind.from_json("[]")


def test_a_name_that_comes_twice_is_found_in_one_pass() -> None:
    """Compared with each other, these names would take an hour."""
    members = [f'"{i}":0' for i in range(300_000)]
    begun = time.monotonic()
    with pytest.raises(ValueError, match="got '299999' twice"):
        EnvTags.from_json("{" + ",".join([*members, members[-1]]) + "}")
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("kind", [EnvTags, ModelSpec, Plan])
def test_a_document_that_is_too_deep_is_refused(kind: Any) -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    name = "observation" if kind is EnvTags else "inputs"
    part: Any = {"kind": "clip", "low": deep, "high": 1}
    part = {"source": "", "target": "", "parts": [], "steps": [part]}
    document = {"inputs": [part], "outputs": [], "states": [], "advisories": []}
    with pytest.raises(ValueError, match="expected"):
        kind.from_dict(document if kind is Plan else {name: deep})
    with pytest.raises(ValueError, match="expected JSON, got"):
        kind.from_json("[" * 100_000)


def test_the_repr_has_what_is_declared_alone() -> None:
    found = TAGS.observation[0]
    assert repr(found) == (
        "TaggedLeaf(('front',), feature=Feature('image/primary', kind=FeatureKind.IMAGE, "
        "layout=ImageLayout.HWC, color=ColorSpace.RGB, orientation=Orientation(2)))"
    )
    assert eval(repr(TAGS), vars(rlmesh.adapters)) == TAGS  # noqa: S307 - our own text
    assert repr(InputPart(constant=(1.0,))) == "InputPart(constant=(1.0,))"
