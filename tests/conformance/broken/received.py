"""Servers that take actions that are no values of their space: §12."""

from __future__ import annotations

from typing import Any

from rlmesh_proto.spaces.v1 import value_pb2

from tests.conformance.broken.env_service import RightEnv
from tests.conformance.broken.frames_server import failure
from tests.conformance.broken.registry import broken

own = RightEnv


class Lenient(RightEnv):
    """Checks an action in its own way: `takes` returns a better action, or None."""

    def bad_action(self, value: Any, batch: int | None, root: str = "action") -> Any:
        better = self.takes(value) if root == "action" else None
        if better is not None:
            value.CopyFrom(better)
        return super().bad_action(value, batch, root)

    def takes(self, value: Any) -> Any:
        return None


def taking(when: Any) -> Any:
    """Return a `takes` that takes a wrong action as the first one."""

    def made(self: Any, value: Any) -> Any:
        return value_pb2.Value(slabs=[bytes(8)]) if when(value.slabs) else None

    return made


def number(slabs: Any) -> int:
    whole = len(slabs) == 1 and len(slabs[0]) == 8
    return int.from_bytes(slabs[0], "little", signed=True) if whole else 0


broken(
    "V-3",
    "takes an action without a slab",
    base=Lenient,
    takes=taking(lambda s: not s),
    first="missing-slab-is-invalid",
)
broken(
    "V-3",
    "takes more slabs",
    base=Lenient,
    takes=taking(lambda s: len(s) == 2),
    first="additional-slab-is-invalid",
)
broken(
    "V-4",
    "takes a short slab",
    base=Lenient,
    takes=taking(lambda s: len(s) == 1 and 0 < len(s[0]) < 8),
    first="short-slab-is-invalid",
)
broken(
    "V-4",
    "takes a long slab",
    base=Lenient,
    takes=taking(lambda s: len(s) == 1 and len(s[0]) > 8),
    first="long-slab-is-invalid",
)
broken(
    "V-4",
    "takes an empty slab",
    base=Lenient,
    takes=taking(lambda s: len(s) == 1 and not s[0]),
    first="empty-slab-is-invalid",
)
broken(
    "V-8",
    "takes an integer above its range",
    base=Lenient,
    takes=taking(lambda s: number(s) > 2),
    first="integer-above-its-range-is-invalid",
)
broken(
    "V-8",
    "takes an integer below its range",
    base=Lenient,
    takes=taking(lambda s: number(s) < 0),
    first="integer-below-its-range-is-invalid",
)


class NoPath(RightEnv):
    def bad_action(self, value: Any, batch: int | None, root: str = "action") -> Any:
        found = super().bad_action(value, batch, root)
        if found is not None:
            found.path = "Discrete"
        return found


class NoReason(RightEnv):
    def bad_action(self, value: Any, batch: int | None, root: str = "action") -> Any:
        found = super().bad_action(value, batch, root)
        if found is not None:
            found.expected = ""
        return found


class Unpadded(RightEnv):
    def bad_action(self, value: Any, batch: int | None, root: str = "action") -> Any:
        if value.padding:
            return failure("INVALID_VALUE", "padding", path=root, expected="none", actual="some")
        return super().bad_action(value, batch, root)


broken("X-6", "sends a path from no root", base=NoPath)
broken("V-14", "does not say what it expected", base=NoReason)
broken("B-17", "refuses padding", base=Unpadded)
