"""Declarations of adapters' cases, and their JSON; see "adapters" in spec/vectors/README.md."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rlmesh_proto.adapters.v1 import tags_pb2
from rlmesh_proto.model.v1 import spec_pb2
from rlmesh_proto.spaces.v1 import dtype_pb2, space_pb2

from .check import check
from .elements import ELEMENTS, Number, count
from .encode import encode
from .spaces import Key, box, dict_
from .values import Tagged, array, b64, entries

__all__ = [
    "NOTHING",
    "AdapterCase",
    "BadAdapterCase",
    "Facts",
    "Moment",
    "adapter_json",
    "bad_adapter_json",
    "feature",
    "floats",
    "leaf",
    "named",
    "numbers",
    "reading",
    "single",
    "spec_of",
    "tags_of",
    "unbounded",
]

Space = space_pb2.Space
Facts = dict[str, Any]
"""Fields of a message: members of enums by the end of their name in lower case ("hwc")."""

NOTHING = dict_()
"""The space without leaves, of a side that a case is not about."""

_NO_VALUE = entries()


@dataclass(frozen=True)
class Moment:
    """One observation, what the model reads, and what becomes of what it returns.

    Attributes:
        inputs: What the model reads, by the names of its inputs.
        observation: The observation.
        outputs: What the model returns, by the names of its outputs; None: it is not asked.
        actions: The environment's action, or those of a chunk.
    """

    inputs: Mapping[str, Tagged]
    observation: Tagged = field(default_factory=lambda: _NO_VALUE)
    outputs: Mapping[str, Tagged] | None = None
    actions: tuple[Tagged, ...] = ()


@dataclass(frozen=True)
class AdapterCase:
    """A pair that fits, and the numbers of an episode.

    Attributes:
        name: Unique name.
        rules: The rules of CONTRACT.md that it proves.
        tags: Meaning of both spaces.
        spec: The model's spec.
        moments: The episode.
        observation: Observation space.
        action: Action space.
        instruction: Instruction of the episode; None: there is none.
        tolerance: Largest difference of a float, relative to the larger of 1 and its magnitude.
        library: Library that calculates the pixels; empty: none does.
        shades: Largest difference of a pixel without the library.
    """

    name: str
    rules: str
    tags: tags_pb2.EnvTags
    spec: spec_pb2.ModelSpec
    moments: tuple[Moment, ...]
    observation: Space = field(default_factory=lambda: NOTHING)
    action: Space = field(default_factory=lambda: NOTHING)
    instruction: str | None = None
    tolerance: float = 0.0
    library: str = ""
    shades: int = 1


@dataclass(frozen=True)
class BadAdapterCase:
    """A declaration that is refused alone, a pair that does not fit, or a value that is refused.

    Attributes:
        name: Unique name.
        rule: The broken rule of CONTRACT.md.
        path: Path of what is wrong.
        refused: "tags" or "spec" for a declaration that is refused without the other side, "pair",
            "episode" for one without an instruction, or "outputs" for those of a model.
        tags: Meaning of both spaces.
        spec: The model's spec.
        observation: Observation space.
        action: Action space.
        outputs: What the model returns.
    """

    name: str
    rule: str
    path: str
    refused: str
    tags: tags_pb2.EnvTags = field(default_factory=tags_pb2.EnvTags)
    spec: spec_pb2.ModelSpec = field(default_factory=lambda: spec_of())
    observation: Space = field(default_factory=lambda: NOTHING)
    action: Space = field(default_factory=lambda: NOTHING)
    outputs: Mapping[str, Tagged] = field(default_factory=dict)


# Declarations.


def _fill(message: Any, facts: Mapping[str, Any]) -> Any:
    """Write fields into a message; raises KeyError for a field that it has not."""
    for name, value in facts.items():
        kind = message.DESCRIPTOR.fields_by_name[name]
        if isinstance(value, (list, tuple)):
            for part in value:
                if kind.message_type is not None:
                    _fill(getattr(message, name).add(), part)
                else:
                    getattr(message, name).append(_scalar(kind, part))
        elif isinstance(value, Message):
            getattr(message, name).CopyFrom(value)
        elif isinstance(value, Mapping):
            _fill(getattr(message, name), value).SetInParent()
        else:
            setattr(message, name, _scalar(kind, value))
    return message


def _scalar(kind: Any, value: Any) -> Any:
    if kind.enum_type is None or isinstance(value, int):
        return value
    prefix = kind.enum_type.values[0].name.removesuffix("UNSPECIFIED")
    return kind.enum_type.values_by_name[prefix + value.upper()].number


def feature(role: str, **facts: Any) -> Facts:
    """Return a Feature."""
    return {"role": role, **facts}


def leaf(path: Sequence[Key], of: Facts, part: tuple[int, int] | None = None) -> Facts:
    """Return a TaggedLeaf; `part` is its offset and length."""
    steps = [{"name": key} if isinstance(key, str) else {"index": key} for key in path]
    span = {} if part is None else {"offset": part[0], "length": part[1]}
    return {"path": steps, "feature": of, **span}


def tags_of(observation: Sequence[Facts] = (), action: Sequence[Facts] = ()) -> tags_pb2.EnvTags:
    """Return an environment's tags."""
    made: tags_pb2.EnvTags = _fill(
        tags_pb2.EnvTags(), {"observation": list(observation), "action": list(action)}
    )
    return made


def spec_of(
    inputs: Sequence[Facts] = (), outputs: Sequence[Facts] = (), **facts: Any
) -> spec_pb2.ModelSpec:
    """Return a spec; an input or output without `shape` takes any, one with `dtype` has a name."""
    ports = {"inputs": [_port(one) for one in inputs], "outputs": [_port(one) for one in outputs]}
    rest = {"predict_forms": ["single"], "adaptation": "resolved", **facts}
    made: spec_pb2.ModelSpec = _fill(spec_pb2.ModelSpec(), {**ports, **rest})
    return made


def _port(facts: Facts) -> Facts:
    made = dict(facts)
    if isinstance(made.get("dtype"), str):
        made["dtype"] = dtype_pb2.DType.Value(f"D_TYPE_{made['dtype'].upper()}")
    return made if "shape" in made else {**made, "any_shape": True}


def named(prefix: str, *cases: AdapterCase) -> list[AdapterCase]:
    """Return cases with a prefix before their names."""
    return [replace(case, name=f"{prefix}/{case.name}") for case in cases]


# Values.


def numbers(shape: Sequence[int], values: Sequence[float], dtype: str = "float32") -> Tagged:
    """Return an array, each number rounded to the dtype."""
    if len(values) != count(shape):
        raise ValueError(f"{len(values)} numbers for shape {shape}")
    return array(dtype, shape, [_rounded(dtype, value) for value in values])


def _rounded(dtype: str, value: float) -> Number:
    if not ELEMENTS[dtype].is_float:
        return int(value)
    code = ELEMENTS[dtype].code
    rounded: float = struct.unpack(f"<{code}", struct.pack(f"<{code}", value))[0]
    return rounded


def floats(*values: float) -> Tagged:
    """Return a vector of float32."""
    return numbers((len(values),), values)


def unbounded(*shape: int, dtype: str = "float32") -> Space:
    """Return a Box of floats without bounds."""
    return box(dtype, shape, -math.inf, math.inf)


def single(*values: float) -> Tagged:
    """Return the value of an environment with the one leaf `x`, a vector of float32."""
    return entries(("x", floats(*values)))


def reading(
    name: str,
    rules: str,
    env: Facts,
    given: Sequence[Sequence[float]],
    read: Mapping[str, tuple[Facts, Sequence[Tagged]]],
    **facts: Any,
) -> AdapterCase:
    """Return a case of a vector `x` of float32 that inputs read.

    Args:
        name: Unique name.
        rules: The rules that it proves.
        env: The feature that `x` is.
        given: The vector of each observation.
        read: Each input's fields by its name, with what the model reads for each observation.
        facts: Other attributes of the case.
    """
    inputs = [{"name": key, **port} for key, (port, _) in read.items()]
    moments = tuple(
        Moment({key: results[i] for key, (_, results) in read.items()}, single(*values))
        for i, values in enumerate(given)
    )
    space = dict_(("x", unbounded(len(given[0]))))
    return AdapterCase(
        name, rules, tags_of([leaf(["x"], env)]), spec_of(inputs), moments, space, **facts
    )


# JSON.


def _sides(case: AdapterCase | BadAdapterCase) -> dict[str, Any]:
    spaces = {"observation_space": case.observation, "action_space": case.action}
    for space in spaces.values():
        check(space)
    wire = {
        f"{name}_proto": b64(space.SerializeToString(deterministic=True))
        for name, space in spaces.items()
    }
    return {**wire, "tags": MessageToDict(case.tags), "spec": MessageToDict(case.spec)}


def _slabs(space: Space, value: Tagged) -> list[str]:
    return [b64(slab) for slab in encode(space, [value])]


def adapter_json(case: AdapterCase) -> dict[str, Any]:
    """Return the JSON of a pair that fits."""
    steps = [
        {
            "observation": _slabs(case.observation, one.observation),
            "inputs": dict(one.inputs),
            "outputs": None if one.outputs is None else dict(one.outputs),
            "actions": [_slabs(case.action, action) for action in one.actions],
        }
        for one in case.moments
    ]
    pixels = {"library": case.library, "shades": case.shades} if case.library else None
    return {
        "name": case.name,
        "rules": case.rules.split(),
        **_sides(case),
        "instruction": case.instruction,
        "tolerance": case.tolerance,
        **({"pixels": pixels} if pixels is not None else {}),
        "steps": steps,
    }


def bad_adapter_json(case: BadAdapterCase) -> dict[str, Any]:
    """Return the JSON of a declaration, or of a pair, that is refused."""
    rest = {"outputs": dict(case.outputs)} if case.outputs else {}
    facts = {"name": case.name, "rule": case.rule, "path": case.path, "refused": case.refused}
    return {**facts, **_sides(case), **rest}
