"""Self-describing values (info, options, metadata, frames) <-> `DynamicValue`.

Python's own types map one to one; arrays and typed scalars go through the backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._logs import warn
from rlmesh._wire.bounded_repr import bounded_repr, clean
from rlmesh._wire.dynamic_reader import dynamic_from_wire, map_from_wire
from rlmesh._wire.dynamic_writer import Path, Writer
from rlmesh.backends import ArrayBackend
from rlmesh.errors import InvalidValueError

__all__ = ["DynamicEncoder", "InexactValueWarning", "dynamic_from_wire", "map_from_wire"]

_MAX_WARNINGS = 1024
"""Most places of which an endpoint warns, since it remembers each."""

_MAX_KEY_CHARACTERS = 200
"""Longest text of a key in a path."""


class InexactValueWarning(UserWarning):
    """A value that no wire type holds was replaced by its repr."""


class DynamicEncoder:
    """Writes dynamic values for one endpoint.

    Args:
        backend: Backend of the arrays and typed scalars.
        exact: Whether a value that cannot be written exactly raises InvalidValueError; otherwise
            its repr is written, with one warning for each key.
    """

    def __init__(self, backend: ArrayBackend, *, exact: bool = False) -> None:
        self._backend = backend
        self._exact = exact
        self._warned: set[str] = set()

    def map(self, values: Mapping[Any, Any], out: value_pb2.DynamicMap, root: str) -> None:
        """Write entries into `out`; `root` names the map in warnings ("info")."""
        Writer(self._backend, self._report, self._exact).map(values, out.entries, root)

    def value(self, value: object, out: value_pb2.DynamicValue, root: str) -> None:
        """Write one value into `out`."""
        Writer(self._backend, self._report, self._exact).value(value, out, root, 1)

    def _report(self, value: object, path: Path, reason: str, instead: str) -> None:
        """Report that a value is not written as it is."""
        if len(self._warned) >= _MAX_WARNINGS:
            return
        path_text = _path_text(path)
        if self._exact:
            actual = reason.removeprefix("no wire type holds ")
            raise InvalidValueError(path_text, "a value of a wire type", actual)
        if path_text not in self._warned:
            self._warned.add(path_text)
            warn(f"{path_text}: {reason}; {instead}", InexactValueWarning, stacklevel=2)


def _path_text(path: Path) -> str:
    steps: list[str] = []
    while not isinstance(path, str):
        path, key = path
        steps.append(f"[{bounded_repr(key, _MAX_KEY_CHARACTERS)}]")
    return clean(path) + "".join(reversed(steps))
