"""ModelSpec <-> its message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Union

from rlmesh_proto.model.v1 import spec_pb2

from rlmesh._wire.dtypes import dtype_from_wire, dtype_to_wire
from rlmesh._wire.dynamic import DynamicEncoder, map_from_wire
from rlmesh._wire.enums import EnumMap
from rlmesh._wire.spaces import space_from_wire, space_to_wire
from rlmesh._wire.tags import feature_from_wire, feature_to_wire
from rlmesh.adapters import (
    Adaptation,
    MeanStd,
    MinMax,
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
_ADAPTATIONS = EnumMap(Adaptation, spec_pb2.Adaptation, "ADAPTATION")
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
        message = out.inputs.add()
        _write_port(given, message)
        message.optional = given.optional
        message.entrypoint = given.entrypoint
        message.history = given.history
    for returned in spec.outputs:
        _write_port(returned, out.outputs.add())
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
    if isinstance(port.normalization, MeanStd):
        out.normalization.mean_std.mean.extend(port.normalization.mean)
        out.normalization.mean_std.std.extend(port.normalization.std)
    elif port.normalization is not None:
        out.normalization.min_max.low.extend(port.normalization.low)
        out.normalization.min_max.high.extend(port.normalization.high)


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
        outputs=tuple(ModelOutput(**_port_facts(port, "outputs")) for port in message.outputs),
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
    return ModelInput(
        **_port_facts(message, "inputs"),
        optional=message.optional,
        entrypoint=message.entrypoint,
        history=message.history,
    )


def _port_facts(message: Port, side: str) -> dict[str, Any]:
    """Write the fields that inputs and outputs share."""
    path = side + path_text((message.name,))
    if message.any_shape and message.shape:
        raise CodecError("expected no shape beside any_shape", path=path)
    return {
        "name": message.name,
        "feature": feature_from_wire(message.feature),
        "dtype": _read_dtype(message.dtype, path),
        "shape": None if message.any_shape else tuple(message.shape),
        "normalization": _read_normalization(message, path),
    }


def _read_dtype(number: int, path: str) -> DType | None:
    if number == 0:
        return None
    try:
        return dtype_from_wire(number)
    except CodecError as error:
        raise error.at(path) from None


def _read_normalization(message: Port, path: str) -> MeanStd | MinMax | None:
    if not message.HasField("normalization"):
        return None
    form = message.normalization.WhichOneof("form")
    if form == "mean_std":
        found = message.normalization.mean_std
        return MeanStd(tuple(found.mean), tuple(found.std))
    if form == "min_max":
        limits = message.normalization.min_max
        return MinMax(tuple(limits.low), tuple(limits.high))
    raise CodecError("a normalization of no kind (or one of a newer spec)", path=path)
