"""The rules of requests in CONTRACT.md, sections 8 and 9, G-5 and G-8, as a model knows them."""

from __future__ import annotations

from typing import Any

from rlmesh_proto.spaces.v1 import value_pb2

from tests.fuzz.dynamic import has_equal_keys
from tests.fuzz.environments import LANES
from tools.vectors.dynamic import examine
from tools.vectors.rejected import Rejected

__all__ = ["ATTRIBUTES", "is_malformed"]

ATTRIBUTES = ("call", "get_attribute", "set_attribute")
"""Requests about attributes."""


def is_malformed(body: Any, kind: str, vector: bool | None) -> bool:
    """Whether a request breaks a rule of its message.

    Args:
        body: The message.
        kind: Which it is.
        vector: Whether the environment is a vector; None: lanes are not checked.
    """
    if kind in ATTRIBUTES:
        return not body.name or _breaks_attribute_rule(body, kind)
    if kind == "step":
        return not body.HasField("action")
    if kind == "step_many":
        each = LANES if vector else 1
        counted = vector is None or (
            body.actions.HasField("batch_size") and body.actions.batch_size == body.count * each
        )
        return not (body.HasField("actions") and body.count and counted)
    if kind == "render":
        lanes = list(body.lanes)
        distinct = len(set(lanes)) == len(lanes) and all(lane < LANES for lane in lanes)
        return vector is not None and bool(lanes) and not (vector and distinct)
    if body.HasField("lane_seeds"):
        seeds = body.lane_seeds
        if body.HasField("seed") or (
            seeds.present and not _is_mask(seeds.present, len(seeds.seeds))
        ):
            return True
        # A server without PARTIAL_RESET refuses a mask before it compares seeds with the contract.
        counted = vector is None or (vector and len(seeds.seeds) == LANES)
        if not (body.lane_mask or counted):
            return True
    if not _is_mask(body.lane_mask, len(body.lane_mask)):
        return True
    return not _takes(value_pb2.DynamicValue(map_value=body.options), level=0)


def _breaks_attribute_rule(body: Any, kind: str) -> bool:
    if kind == "set_attribute":
        return not (body.HasField("value") and _takes(body.value))
    if kind == "get_attribute":
        return False
    if not all(entry.WhichOneof("key") == "name" for entry in body.kwargs.entries):
        return True
    kwargs = value_pb2.DynamicValue(map_value=body.kwargs)
    return not (all(map(_takes, body.args.elements)) and _takes(kwargs, level=0))


def _is_mask(mask: bytes, size: int) -> bool:
    return len(mask) == size and set(mask) <= {0, 1}


def _takes(value: Any, level: int = 1) -> bool:
    """Whether a dynamic value keeps the rules."""
    try:
        tagged = examine(value, level=level)
    except Rejected:
        return False
    return not has_equal_keys(tagged)
