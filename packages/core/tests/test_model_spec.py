"""ModelSpec on the wire: optional fields, additions of a newer spec, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rlmesh_proto.model.v1 import spec_pb2

from rlmesh import spaces
from rlmesh._wire.dynamic import DynamicEncoder
from rlmesh._wire.model_spec import (
    model_spec_from_wire,
    model_spec_to_wire,
    predict_form_from_wire,
    predict_form_to_wire,
)
from rlmesh.adapters import (
    Adaptation,
    Feature,
    MeanStd,
    MinMax,
    ModelInput,
    ModelOutput,
    ModelSpec,
    PredictForm,
)
from rlmesh.backends import NATIVE
from rlmesh.dtypes import DTYPES
from rlmesh.errors import CodecError, NewerSpecError

SPEC = ModelSpec(
    id="pi",
    inputs=(
        ModelInput(
            "image",
            Feature("image/primary"),
            DTYPES["bfloat16"],
            (2, 3, 224, 224),
            MeanStd((0.5, 0.25, 1.0), (2.0,)),
            optional=True,
            entrypoint="a.b:c",
            history=2,
        ),
        ModelInput("any", Feature("state/x")),
        ModelInput("number", Feature("state/y"), shape=()),
    ),
    outputs=(ModelOutput("", Feature("action"), shape=(0,), normalization=MinMax((0.0,), (1.0,))),),
    predict_forms=(PredictForm.CHUNK, PredictForm.SINGLE),
    chunk_length=50,
    adaptation=Adaptation.DELEGATED,
    observation_space=spaces.Dict({"a": spaces.Text(3)}),
    action_space=spaces.Discrete(4),
    metadata={"license": "MIT", "steps": 2**70},
    stateful=True,
    spec_version="1.0.0",
)


def written(spec: ModelSpec) -> spec_pb2.ModelSpec:
    message = spec_pb2.ModelSpec()
    model_spec_to_wire(spec, message, DynamicEncoder(NATIVE))
    return spec_pb2.ModelSpec.FromString(message.SerializeToString())


def read(message: spec_pb2.ModelSpec) -> ModelSpec:
    return model_spec_from_wire(message, NATIVE)


@pytest.mark.parametrize("spec", [SPEC, ModelSpec(), ModelSpec(adaptation=Adaptation.NONE)])
def test_a_spec_comes_back_as_it_was(spec: ModelSpec) -> None:
    assert read(written(spec)) == spec


def test_the_message_says_what_the_schema_means() -> None:
    message = written(SPEC)
    image, anything, number = message.inputs
    assert image.dtype == 11 and list(image.shape) == [2, 3, 224, 224] and not image.any_shape
    assert anything.dtype == 0 and not anything.shape and anything.any_shape
    assert not number.shape and not number.any_shape
    assert list(message.predict_forms) == [3, 1] and message.adaptation == 3
    assert not written(ModelSpec()).HasField("observation_space")


def test_the_least_message_is_a_model_that_adapts_nothing() -> None:
    assert read(spec_pb2.ModelSpec(predict_forms=[1])) == ModelSpec(adaptation=Adaptation.NONE)
    unknown = spec_pb2.ModelSpec(predict_forms=[1], adaptation=77)
    with pytest.raises(NewerSpecError, match="adaptation: T-4: Adaptation 77 is one of a newer"):
        read(unknown)


def test_predict_forms_of_a_newer_spec_are_ignored() -> None:
    assert read(spec_pb2.ModelSpec(predict_forms=[9, 2])).predict_forms == (PredictForm.BATCH,)
    assert read(spec_pb2.ModelSpec(predict_forms=[9])).predict_forms == ()
    assert predict_form_from_wire(9) is predict_form_from_wire(0) is None
    assert all(predict_form_from_wire(predict_form_to_wire(form)) is form for form in PredictForm)


def changed(change: Callable[[Any], object]) -> spec_pb2.ModelSpec:
    message = written(SPEC)
    change(message)
    return message


BROKEN: dict[str, tuple[Callable[[Any], object], str]] = {
    "no forms": (lambda m: m.ClearField("predict_forms"), "predict_forms"),
    "a form that is none": (lambda m: m.predict_forms.append(0), "predict_forms"),
    "a shape beside any": (lambda m: m.inputs[1].shape.append(3), r"inputs\['any'\]: .*any_shape"),
    "a name twice": (lambda m: m.inputs.add(name="any"), r"inputs\['any'\]: .*distinct"),
    "an empty name beside others": (
        lambda m: m.outputs.add(name="x"),
        r"outputs\[''\]: .*only one",
    ),
    "an unknown dtype": (lambda m: setattr(m.inputs[1], "dtype", 99), r"inputs\['any'\]: .*99"),
    "an unknown normalization": (
        lambda m: m.outputs[0].normalization.Clear(),
        r"outputs\[''\]: .*no kind",
    ),
    "no statistics": (
        lambda m: m.outputs[0].normalization.min_max.ClearField("low"),
        "one number each, or one an element, got 0 and 1",
    ),
    "a std of 0": (
        lambda m: m.inputs[0].normalization.mean_std.std.append(0.0),
        r"inputs\['image'\]: .*3 and 2",
    ),
    "low above high": (
        lambda m: m.outputs[0].normalization.min_max.low.__setitem__(0, 9e9),
        "low <= high",
    ),
    "an extent too large": (lambda m: m.inputs[2].shape.append(2**63), "extents from 0"),
    "a shape too large": (lambda m: m.inputs[2].shape.extend([2**62, 8]), r"2\*\*63 - 1 bytes"),
    "a long name": (lambda m: setattr(m.inputs[1], "name", "x" * 65_537), "65536 bytes"),
    "a range of NaN": (
        lambda m: setattr(m.inputs[1].feature.range, "low", float("nan")),
        "without NaN",
    ),
    "a space of no kind": (lambda m: m.action_space.Clear(), "action_space"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_messages_that_break_the_contract_are_refused(name: str) -> None:
    change, words = BROKEN[name]
    with pytest.raises(CodecError, match=words) as caught:
        read(changed(change))
    assert caught.value.path


def test_a_spec_that_breaks_the_contract_is_not_sent() -> None:
    with pytest.raises(CodecError, match=r"predict_forms: .* \(and 1 more\)"):
        written(ModelSpec(predict_forms=(), chunk_length=-1))
