"""Normalizations <-> their message."""

from __future__ import annotations

from typing import Any

from rlmesh_proto.model.v1 import spec_pb2

from rlmesh.adapters import MeanStd, MinMax, Normalization
from rlmesh.errors import CodecError

__all__ = ["normalization_from_wire", "normalization_to_wire"]

_TARGET = MinMax((), ()).target


def normalization_to_wire(given: Normalization | None, port: Any) -> None:
    """Write a normalization into the field of that name of `port`; None leaves it absent."""
    if given is None:
        return
    out: spec_pb2.Normalization = port.normalization
    if isinstance(given, MeanStd):
        out.mean_std.mean.extend(given.mean)
        out.mean_std.std.extend(given.std)
    else:
        out.min_max.low.extend(given.low)
        out.min_max.high.extend(given.high)
        if given.target != _TARGET:
            out.min_max.target.low, out.min_max.target.high = given.target
    out.epsilon = given.epsilon
    out.mask.extend(given.mask)


def normalization_from_wire(port: Any, path: str) -> Normalization | None:
    """Return the normalization of an input, a part or an output; None if it has none.

    Raises:
        CodecError: If it is of no kind, or of one of a newer spec.
    """
    if not port.HasField("normalization"):
        return None
    message: spec_pb2.Normalization = port.normalization
    form = message.WhichOneof("form")
    rest = (message.epsilon, tuple(message.mask))
    if form == "mean_std":
        return MeanStd(tuple(message.mean_std.mean), tuple(message.mean_std.std), *rest)
    if form == "min_max":
        found = message.min_max
        target = (found.target.low, found.target.high) if found.HasField("target") else _TARGET
        return MinMax(tuple(found.low), tuple(found.high), *rest, target)
    words = "a normalization of no kind (or one of a newer spec)"
    raise CodecError(words, path=path, rule="A-7")
