"""ModelSpec <-> its message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Union

from rlmesh_proto.model.v1 import spec_pb2

from rlmesh._wire.dtypes import dtype_from_wire, dtype_to_wire
from rlmesh._wire.dynamic import DynamicEncoder, map_from_wire
from rlmesh._wire.enums import EnumMap
from rlmesh._wire.normalization import normalization_from_wire, normalization_to_wire
from rlmesh._wire.spaces import space_from_wire, space_to_wire
from rlmesh._wire.tags import feature_from_wire, feature_to_wire
from rlmesh._wire.transforms import (
    image_from_wire,
    image_to_wire,
    padding_from_wire,
    padding_to_wire,
    text_from_wire,
    text_to_wire,
)
from rlmesh.adapters import (
    Adaptation,
    InputPart,
    ModelInput,
    ModelOutput,
    ModelSpec,
    PredictForm,
    spec_problems,
)
from rlmesh.backends import ArrayBackend
from rlmesh.dtypes import DType
from rlmesh.errors import CodecError
from rlmesh.spaces import path_text

__all__ = [
    "model_spec_from_wire",
    "model_spec_to_wire",
    "predict_form_from_wire",
    "predict_form_to_wire",
]

_FORMS = EnumMap(PredictForm, spec_pb2.PredictForm, "PREDICT_FORM")
_ADAPTATIONS = EnumMap(Adaptation, spec_pb2.Adaptation, "ADAPTATION", "T-4")
_UNSPECIFIED_FORM = 0

Port = Union[spec_pb2.ModelInput, spec_pb2.ModelOutput]


def predict_form_to_wire(form: PredictForm) -> Any:
    """Return the wire enum's number."""
    return _FORMS.to_wire(form)


def predict_form_from_wire(number: int) -> PredictForm | None:
    """Return the form; None for a number that is 0 or of a newer spec."""
    return _FORMS.known(number)


def model_spec_to_wire(spec: ModelSpec, out: spec_pb2.ModelSpec, encoder: DynamicEncoder) -> None:
    """Write a model's spec into `out`.

    Raises:
        CodecError: If it breaks a rule of the contract (T-4, M-1); names every one.
    """
    _check(spec)
    out.id = spec.id
    out.spec_version = spec.spec_version
    for given in spec.inputs:
        _write_input(given, out.inputs.add())
    for returned in spec.outputs:
        _write_output(returned, out.outputs.add())
    out.predict_forms.extend(map(_FORMS.to_wire, spec.predict_forms))
    out.chunk_length = spec.chunk_length
    out.adaptation = _ADAPTATIONS.to_wire(spec.adaptation)
    if spec.observation_space is not None:
        space_to_wire(spec.observation_space, out.observation_space)
    if spec.action_space is not None:
        space_to_wire(spec.action_space, out.action_space)
    encoder.map(spec.metadata, out.metadata, "metadata")
    out.stateful = spec.stateful


def _check(spec: ModelSpec) -> None:
    problems = spec_problems(spec)
    if problems:
        first, *others = problems
        more = f" (and {len(others)} more)" if others else ""
        message = f"expected {first.expected}, got {first.actual}{more}"
        raise CodecError(message, path=first.path, rule="T-4")


def _write_port(port: ModelInput | ModelOutput, out: Port) -> None:
    out.name = port.name
    feature_to_wire(port.feature, out.feature)
    if port.dtype is not None:
        out.dtype = dtype_to_wire(port.dtype)
    if port.shape is None:
        out.any_shape = True
    else:
        out.shape.extend(port.shape)
    normalization_to_wire(port.normalization, out)


def _write_input(given: ModelInput, out: spec_pb2.ModelInput) -> None:
    _write_port(given, out)
    out.optional = given.optional
    out.entrypoint = given.entrypoint
    out.history = given.history
    out.history_stride = given.history_stride
    out.history_padding = padding_to_wire(given.history_padding)  # type: ignore[assignment]
    out.history_joined = given.history_joined
    for transform in given.image:
        image_to_wire(transform, out.image.add())
    for part in given.parts:
        _write_part(part, out.parts.add())
    out.pad_to = given.pad_to
    out.pad_value = given.pad_value
    if given.text is not None:
        text_to_wire(given.text, out.text)


def _write_part(part: InputPart, out: spec_pb2.InputPart) -> None:
    if part.feature is not None:
        feature_to_wire(part.feature, out.feature)
    elif part.previous_output is not None:
        out.previous_output = part.previous_output
    else:
        out.constant.values.extend(part.constant)
    if part.offset is not None:
        out.offset = part.offset
    out.length = part.length
    normalization_to_wire(part.normalization, out)


def _write_output(returned: ModelOutput, out: spec_pb2.ModelOutput) -> None:
    _write_port(returned, out)
    if returned.offset is not None:
        out.offset = returned.offset
    out.length = returned.length
    if returned.clip is not None:
        out.clip.low, out.clip.high = returned.clip
    out.scale, out.shift = returned.scale, returned.shift
    if returned.threshold is not None:
        out.threshold = returned.threshold
    out.constant.extend(returned.constant)
    out.relative_to = returned.relative_to
    out.relative_local = returned.relative_local
    out.clip_to_space = returned.clip_to_space


def model_spec_from_wire(message: spec_pb2.ModelSpec, backend: ArrayBackend) -> ModelSpec:
    """Return the spec of a message, without predict forms of a newer spec.

    Args:
        message: The spec.
        backend: Backend of the arrays in the metadata.

    Raises:
        CodecError: If it breaks a rule of the contract, with the path, or if an element type or a
            kind of normalization, is one of a newer spec.
    """
    forms = [_FORMS.known(number) for number in message.predict_forms]
    if not forms or _UNSPECIFIED_FORM in message.predict_forms:
        raise CodecError(
            "expected predict forms, none of them unspecified", path="predict_forms", rule="T-4"
        )
    spec = ModelSpec(
        id=message.id,
        inputs=tuple(map(_read_input, message.inputs)),
        outputs=tuple(map(_read_output, message.outputs)),
        predict_forms=tuple(form for form in forms if form is not None),
        chunk_length=message.chunk_length,
        adaptation=_ADAPTATIONS.read(message.adaptation, Adaptation.NONE, "adaptation"),
        observation_space=space_from_wire(message.observation_space, "observation_space")
        if message.HasField("observation_space")
        else None,
        action_space=space_from_wire(message.action_space, "action_space")
        if message.HasField("action_space")
        else None,
        metadata=map_from_wire(message.metadata, backend, "metadata"),
        stateful=message.stateful,
        spec_version=message.spec_version,
    )
    _check(spec if spec.predict_forms else replace(spec, predict_forms=(PredictForm.SINGLE,)))
    return spec


def _read_input(message: spec_pb2.ModelInput) -> ModelInput:
    path = "inputs" + path_text((message.name,))
    return ModelInput(
        **_port_facts(message, path),
        optional=message.optional,
        entrypoint=message.entrypoint,
        history=message.history,
        image=tuple(image_from_wire(one, path) for one in message.image),
        parts=tuple(_read_part(part, path) for part in message.parts),
        pad_to=message.pad_to,
        pad_value=message.pad_value,
        history_stride=message.history_stride or 1,
        history_padding=padding_from_wire(message.history_padding, path),
        history_joined=message.history_joined,
        text=text_from_wire(message.text) if message.HasField("text") else None,
    )


def _read_part(message: spec_pb2.InputPart, path: str) -> InputPart:
    source = message.WhichOneof("source")
    if source is None:
        raise CodecError("a part of no source (or one of a newer spec)", path=path, rule="T-4")
    return InputPart(
        feature=feature_from_wire(message.feature) if source == "feature" else None,
        constant=tuple(message.constant.values),
        previous_output=message.previous_output if source == "previous_output" else None,
        offset=message.offset if message.HasField("offset") else None,
        length=message.length,
        normalization=normalization_from_wire(message, path),
    )


def _read_output(message: spec_pb2.ModelOutput) -> ModelOutput:
    return ModelOutput(
        **_port_facts(message, "outputs" + path_text((message.name,))),
        offset=message.offset if message.HasField("offset") else None,
        length=message.length,
        clip=(message.clip.low, message.clip.high) if message.HasField("clip") else None,
        scale=message.scale or 1.0,
        shift=message.shift,
        threshold=message.threshold if message.HasField("threshold") else None,
        constant=tuple(message.constant),
        relative_to=message.relative_to,
        relative_local=message.relative_local,
        clip_to_space=message.clip_to_space,
    )


def _port_facts(message: Port, path: str) -> dict[str, Any]:
    """Return the fields that inputs and outputs share."""
    if message.any_shape and message.shape:
        raise CodecError("expected no shape beside any_shape", path=path, rule="T-4")
    return {
        "name": message.name,
        "feature": feature_from_wire(message.feature),
        "dtype": _read_dtype(message.dtype, path),
        "shape": None if message.any_shape else tuple(message.shape),
        "normalization": normalization_from_wire(message, path),
    }


def _read_dtype(number: int, path: str) -> DType | None:
    if number == 0:
        return None
    try:
        return dtype_from_wire(number)
    except CodecError as error:
        raise error.at(path) from None
