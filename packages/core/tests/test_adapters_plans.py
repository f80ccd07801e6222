"""Plans of adapters, as plain data and as JSON."""

from __future__ import annotations

import pickle
from dataclasses import fields, is_dataclass, replace
from types import ModuleType
from typing import Any

import pytest

from packages.core.tests.test_adapters_documents import changed
from rlmesh import spaces
from rlmesh.adapters import (
    Action,
    Adapter,
    Concat,
    Depth,
    Gripper,
    Image,
    MeanStd,
    ModelSpec,
    Plan,
    PlanStep,
    State,
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
