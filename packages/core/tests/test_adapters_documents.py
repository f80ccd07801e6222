"""Tags, specs and plans as JSON, and plans as plain data."""

from __future__ import annotations

import json
import pickle
import time
from dataclasses import fields, is_dataclass, replace
from types import ModuleType
from typing import Any

import pytest

import rlmesh
from rlmesh import spaces
from rlmesh.adapters import (
    Action,
    Adapter,
    Concat,
    Depth,
    DepthEncoding,
    EnvTags,
    Feature,
    Gripper,
    Image,
    InputPart,
    MeanStd,
    ModelInput,
    ModelSpec,
    Plan,
    PlanStep,
    State,
    Text,
    _image_steps,
    _images,
    _stateful_steps,
    _steps,
    feature,
    output,
    resolve,
    tags,
)
from rlmesh.adapters._parts import History
from rlmesh.adapters._plan import KINDS
from rlmesh.adapters._rotations import Form
from rlmesh.adapters._transforms import TextTransform
from rlmesh.specs import EnvContract

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


# Plans.


def adapter_of(backend: Any) -> Adapter:
    contract = EnvContract(
        "e",
        spaces.Dict(
            {
                "camera": spaces.Box(0, 255, (4, 6, 3), "uint8"),
                "state": spaces.Box(-1, 1, (2,)),
            }
        ),
        spaces.Box(-1, 1, (1,)),
        tags=tags(
            {"camera": feature("image/primary", layout="hwc"), "state": "state/x"},
            feature("action/gripper", gripper=Gripper(-1, 1)),
        ),
    )
    norm = MeanStd((1.0, 2.0), (3.0, 4.0))
    spec = ModelSpec(
        "m",
        (
            Image("image", "image/primary", size=(2, 3), layout="chw", color=""),
            State("scaled", "state/x", normalization=norm, history=2),
            Concat("state", "state/x", (0.5, 1)),
        ),
        Action("", output(feature("action/gripper", gripper=Gripper(1, 0)), threshold=0.5)),
    )
    return resolve(contract, spec, backend=backend)


PLAN_DOCUMENT = {
    "inputs": [
        {
            "source": "observation['camera']",
            "steps": [
                {
                    "kind": "in_source_type",
                    "step": {
                        "kind": "image",
                        "layouts": ["hwc", "hwc"],
                        "colors": ["unspecified", "unspecified"],
                    },
                },
                {
                    "kind": "resize",
                    "crop": [0, 0, 4, 6],
                    "inner": [2, 3],
                    "size": [2, 3],
                    "resampler": "pillow_bilinear",
                    "fill": [0.0],
                    "given": [4, 6],
                },
                {
                    "kind": "image",
                    "layouts": ["hwc", "chw"],
                    "colors": ["unspecified", "unspecified"],
                },
                {"kind": "cast", "dtype": "uint8"},
            ],
            "target": "inputs['image']",
            "parts": [],
        },
        {
            "source": "observation['state']",
            "steps": [
                {"kind": "calculate_in", "dtype": "float32"},
                {"kind": "standardize", "mean": [1.0, 2.0], "std": [3.0, 4.0], "undone": False},
                {"kind": "cast", "dtype": "float32"},
                {"kind": "history", "count": 2, "stride": 1, "zeros": False, "axis": None},
            ],
            "target": "inputs['scaled']",
            "parts": [],
        },
        {
            "source": "parts",
            "steps": [
                {"kind": "calculate_in", "dtype": "float32"},
                {"kind": "cast", "dtype": "float32"},
            ],
            "target": "inputs['state']",
            "parts": [
                {
                    "source": "observation['state']",
                    "steps": [{"kind": "calculate_in", "dtype": "float32"}],
                    "target": "",
                    "parts": [],
                },
                {
                    "source": "constant",
                    "steps": [{"kind": "constant", "numbers": [0.5, 1.0]}],
                    "target": "",
                    "parts": [],
                },
            ],
        },
    ],
    "outputs": [
        {
            "source": "outputs[''][0:1]",
            "steps": [
                {"kind": "calculate_in", "dtype": "float32"},
                {"kind": "snap", "threshold": 0.5, "low": 0, "high": 1},
                {"kind": "ends", "source": [0, 1], "target": [1, -1]},
                {"kind": "cast", "dtype": "float32"},
            ],
            "target": "action",
            "parts": [],
        }
    ],
    "states": [],
    "advisories": [],
}


@pytest.fixture(name="plan")
def _plan() -> Plan:
    found = adapter_of(pytest.importorskip("rlmesh_numpy").BACKEND).plan
    assert found is not None
    return found


def test_a_plan_lists_the_steps_in_order_with_their_parameters(plan: Plan) -> None:
    assert plan.to_dict() == PLAN_DOCUMENT
    assert plan.inputs[0].steps[1]["size"] == (2, 3)
    lines = str(plan).splitlines()
    assert [line.rpartition(" -> ")[2] for line in lines] == [
        "inputs['image']",
        "inputs['scaled']",
        "inputs['state']",
        "action",
    ]
    assert repr(plan).startswith("<Plan of 3 inputs, 1 outputs, 0 states, 0 advisories>\n")
    assert "resize(crop=(0, 0, 4, 6), inner=(2, 3)" in repr(plan)


def test_a_plan_is_frozen_data(plan: Plan) -> None:
    other = adapter_of(pytest.importorskip("rlmesh_numpy").BACKEND).plan
    assert other == plan and other is not plan and hash(other) == hash(plan)
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert Plan.from_json(plan.to_json()) == plan
    assert replace(plan, outputs=()) != plan
    with pytest.raises(AttributeError):
        plan.inputs = ()  # type: ignore[misc]


def test_numbers_that_are_not_finite_are_kept() -> None:
    step = PlanStep("clip", (("low", float("-inf")), ("high", (1.0, float("inf")))))
    entry = replace(Plan.from_dict(PLAN_DOCUMENT).outputs[0], steps=(step,))
    plan = Plan(outputs=(entry,))
    assert plan.to_dict()["outputs"][0]["steps"][0]["low"] == {"float": "-inf"}
    assert Plan.from_json(plan.to_json()) == plan


STEP = ("inputs", 0, "steps", 1)
WRONG_PLANS = [
    (("extra",), [], "extra: expected one of inputs, outputs, states, advisories, got 'extra'"),
    (("states",), {}, r"states: expected a list, got \{\}"),
    (("inputs", 0), 1, r"inputs\[0\]: expected an object with source, steps, .*, got 1"),
    (("inputs", 0, "target"), None, r"inputs\[0\].target: expected a text, got None"),
    (("inputs", 0, "steps", 0), [], r"steps\[0\]: expected an object with a kind, got \[\]"),
    ((*STEP, "kind"), "zoom", r"steps\[1\].kind: expected one of affine, .*, got 'zoom'"),
    ((*STEP, "zoom"), 1, r"steps\[1\].zoom: expected one of kind, crop, .*, got 'zoom'"),
    ((*STEP, "fill"), {"float": "?"}, r"fill: expected a float of inf, -inf or nan"),
    ((*STEP, "kind"), "jpeg", r"steps\[1\].crop: expected one of kind, quality, got 'crop'"),
    (("advisories",), [{"path": ""}], r"advisories\[0\].level: expected a value, got None"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG_PLANS)
def test_a_wrong_document_of_a_plan_is_refused_with_path_expected_and_got(
    path: tuple[Any, ...], value: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Plan.from_dict(changed(PLAN_DOCUMENT, path, value))


def steps_of(module: ModuleType) -> dict[str, type]:
    """The classes of steps that a module defines."""
    return {
        name: kind
        for name, kind in vars(module).items()
        if is_dataclass(kind) and hasattr(kind, "calculates") and kind.__module__ == module.__name__
    }


def test_every_kind_of_step_is_known_with_its_parameters() -> None:
    classes: dict[str, Any] = {"Depth": Depth, "Form": Form, "Text": TextTransform}
    for module in (_steps, _image_steps, _images, _stateful_steps):
        classes.update(steps_of(module))
    for name, kind in classes.items():
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).removeprefix("_")
        own = [field.name for field in fields(kind) if field.compare]
        assert sorted(KINDS[snake]) == sorted(own), name
    assert set(KINDS["history"]) == {f.name for f in fields(History)} - {"key"}
    assert not any("kind" in names for names in KINDS.values())
