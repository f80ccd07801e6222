"""`Plan`: what an adapter does, as plain data that can be compared, pickled and written as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Union

from rlmesh._documents import read_json
from rlmesh._printable import escape_control_chars
from rlmesh.adapters._advice import Advisory
from rlmesh.errors import CodecError

__all__ = ["KINDS", "Parameter", "Plan", "PlanEntry", "PlanStep"]

Parameter = Union[None, bool, int, float, str, "PlanStep", tuple["Parameter", ...]]
"""A parameter of a step: a number, a text, a flag, a part, or several of these."""


@dataclass(frozen=True, repr=False)
class PlanStep:
    """One conversion of a plan, or a part of one.

    Attributes:
        kind: Name of the conversion ("resize").
        parameters: Names and values of its parameters. Constants of more than one number are
            nested tuples.
    """

    kind: str
    parameters: tuple[tuple[str, Parameter], ...] = ()

    def __getitem__(self, name: str) -> Any:
        """Return a parameter by its name."""
        return dict(self.parameters)[name]

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in self.parameters)
        return f"{self.kind}({inner})"


@dataclass(frozen=True, repr=False)
class PlanEntry:
    """The way of one value: where it comes from, what is done to it, and where it goes.

    Attributes:
        source: Path of the value ("observation['image']", "outputs['actions'][0:3]"),
            "instruction", "constant", "parts", or "observation" for an entry point without parts.
        steps: The conversions, in order.
        target: Path of the result ("inputs['image']"). Of a part: empty, or the role by which an
            entry point gets it.
        parts: The parts that are joined, or that an entry point gets.
    """

    source: str
    steps: tuple[PlanStep, ...]
    target: str
    parts: tuple[PlanEntry, ...] = ()

    def __str__(self) -> str:
        source = f"[{', '.join(map(str, self.parts))}]" if self.parts else self.source
        return " -> ".join((source, *map(repr, self.steps), *filter(None, [self.target])))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


@dataclass(frozen=True, repr=False)
class Plan:
    """What an adapter does; see `Adapter.plan`.

    Equal plans mean equal conversions, except for what an entry point does. A plan has no arrays
    and no callables.

    Attributes:
        inputs: One entry for each input of the model; inputs that are left out are absent.
        outputs: One entry for each output.
        states: One entry for each observation that actions are relative to.
        advisories: What is substituted, dropped, filled or assumed.
    """

    inputs: tuple[PlanEntry, ...] = ()
    outputs: tuple[PlanEntry, ...] = ()
    states: tuple[PlanEntry, ...] = ()
    advisories: tuple[Advisory, ...] = ()

    def __str__(self) -> str:
        """Return one line for each entry, with all numbers, safe to print."""
        lines = map(str, (*self.inputs, *self.outputs, *self.states))
        # A name of a peer must not end a line, and begin one that is not there.
        return "\n".join(map(escape_control_chars, lines))

    def __repr__(self) -> str:
        counts = len(self.inputs), len(self.outputs), len(self.states), len(self.advisories)
        names = "inputs", "outputs", "states", "advisories"
        head = ", ".join(f"{count} {name}" for name, count in zip(names, counts))
        return f"<Plan of {head}>\n{self}"

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as dicts, lists, texts, numbers and bools.

        The parameters of a step are members beside its `kind`. A number that is not finite is
        {"float": "inf"}, and likewise "-inf" and "nan".
        """
        return {
            **{side: list(map(_entry_to_dict, getattr(self, side))) for side in _SIDES},
            "advisories": [{n: getattr(a, n) for n in _ADVISORY} for a in self.advisories],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Plan:
        """Return the plan of a document of `to_dict`.

        Raises:
            ValueError: If a member or a kind of step is unknown or missing, or a value has another
                type. The message has the path, what was expected and what there is.
        """
        read = _members(document, "", (*_SIDES, "advisories"))
        try:
            sides = {side: _list_of(read[side], side, _entry) for side in _SIDES}
            return cls(**sides, advisories=_list_of(read["advisories"], "advisories", _advisory))
        except RecursionError:
            raise CodecError("expected the document of a plan, got one that is too deep") from None

    def to_json(self, *, indent: int | None = None) -> str:
        """Return `to_dict` as text.

        Args:
            indent: Number of spaces for each level; None: all in one line.
        """
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """Return the plan of a text of `to_json`; raises ValueError as `from_dict`."""
        return cls.from_dict(read_json(text))


_SIDES = ("inputs", "outputs", "states")
_ADVISORY = tuple(field.name for field in fields(Advisory))


def _entry_to_dict(entry: PlanEntry) -> dict[str, Any]:
    return {
        "source": entry.source,
        "steps": list(map(_to_json, entry.steps)),
        "target": entry.target,
        "parts": list(map(_entry_to_dict, entry.parts)),
    }


def _to_json(value: Parameter) -> Any:
    if isinstance(value, PlanStep):
        return {"kind": value.kind, **{name: _to_json(part) for name, part in value.parameters}}
    if isinstance(value, tuple):
        return list(map(_to_json, value))
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


# Reading.


def _wrong(path: str, expected: str, value: Any) -> CodecError:
    return CodecError.of_rule("", expected, f"{value!r:.60}", path=path)


def _members(value: Any, path: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    """Return an object that has exactly these members."""
    if not isinstance(value, Mapping):
        raise _wrong(path, f"an object with {', '.join(names)}", value)
    for name in value:
        if name not in names:
            inner = f"{path}.{name}" if path else str(name)
            raise _wrong(inner, f"one of {', '.join(names)}", name)
    for name in names:
        if name not in value:
            raise _wrong(f"{path}.{name}" if path else name, "a value", None)
    return value


def _list_of(value: Any, path: str, read: Callable[[Any, str], Any]) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _wrong(path, "a list", value)
    return tuple(read(part, f"{path}[{i}]") for i, part in enumerate(value))


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong(path, "a text", value)
    return value


def _entry(value: Any, path: str) -> PlanEntry:
    read = _members(value, path, ("source", "steps", "target", "parts"))
    return PlanEntry(
        _text(read["source"], f"{path}.source"),
        _list_of(read["steps"], f"{path}.steps", _step),
        _text(read["target"], f"{path}.target"),
        _list_of(read["parts"], f"{path}.parts", _entry),
    )


def _advisory(value: Any, path: str) -> Advisory:
    read = _members(value, path, _ADVISORY)
    return Advisory(**{name: _text(read[name], f"{path}.{name}") for name in _ADVISORY})


def _step(value: Any, path: str) -> PlanStep:
    if not isinstance(value, Mapping):
        raise _wrong(path, "an object with a kind", value)
    kind = value.get("kind")
    names = KINDS.get(kind) if isinstance(kind, str) else None
    if names is None:
        raise _wrong(f"{path}.kind", f"one of {', '.join(KINDS)}", kind)
    assert isinstance(kind, str)
    read = _members(value, path, ("kind", *names))
    return PlanStep(kind, tuple((n, _parameter(read[n], f"{path}.{n}")) for n in names))


def _parameter(value: Any, path: str) -> Parameter:
    if isinstance(value, (list, tuple)):
        return _list_of(value, path, _parameter)
    if isinstance(value, Mapping):
        if "float" not in value:
            return _step(value, path)
        if dict(value) not in [{"float": name} for name in ("inf", "-inf", "nan")]:
            raise _wrong(path, "a float of inf, -inf or nan", value)
        return float(value["float"])
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise _wrong(path, "a number, a text, a flag, null, a list or an object", value)


KINDS: Mapping[str, tuple[str, ...]] = {
    "affine": ("scale", "shift"),
    "calculate_in": ("dtype",),
    "call": ("function",),
    "cast": ("dtype",),
    "clip": ("low", "high"),
    "constant": ("numbers",),
    "depth": ("near", "far", "encoding"),
    "distance": ("source", "target", "factor"),
    "ends": ("source", "target"),
    "factor": ("factor",),
    "follow": ("key", "form"),
    "form": ("format", "axes", "keeps_sign"),
    "history": ("count", "stride", "zeros", "axis"),
    "image": ("layouts", "colors"),
    "in_source_type": ("step",),
    "interval": ("start", "end", "low", "high", "guarded"),
    "jpeg": ("quality",),
    "pad": ("count", "value"),
    "relative": ("key", "subtracts", "rotation", "local"),
    "reorder": ("order",),
    "reshape": ("shape",),
    "resize": ("crop", "inner", "size", "resampler", "fill", "given"),
    "rotate": ("source", "target", "squares"),
    "round": (),
    "shortest": ("form",),
    "slice": ("start", "stop"),
    "snap": ("threshold", "low", "high"),
    "standardize": ("mean", "std", "undone"),
    "text": ("default", "template", "lower"),
    "turn": ("quarter_turns", "mirrored"),
}
"""The kinds of steps and of their parts, with the names of their parameters."""
