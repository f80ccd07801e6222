"""Checks one feature on its own, for tags (T-1) and for specs (T-4)."""

from __future__ import annotations

import math

from rlmesh._problem import Problem
from rlmesh.adapters._arrays import LARGEST
from rlmesh.adapters._tags import DepthEncoding, Feature, RotationFormat

__all__ = ["feature_problem", "range_problem"]


def feature_problem(feature: Feature, path: str, fix: str) -> Problem | None:
    """Return the first problem that a feature has on its own, or None if it is in order."""
    return (
        range_problem(feature.range, path, fix)
        or _rotation(feature, path, fix)
        or _image(feature, path, fix)
        or _gripper(feature, path, fix)
    )


def range_problem(interval: tuple[float, float] | None, path: str, fix: str) -> Problem | None:
    """Return the problem of an interval, or None if it is in order."""
    if interval is None or interval[0] <= interval[1]:
        return None
    return Problem(path, "a range with low <= high, without NaN", str(interval), fix)


def _rotation(feature: Feature, path: str, fix: str) -> Problem | None:
    axes = feature.euler_axes
    if feature.rotation is not RotationFormat.EULER:
        if not axes:
            return None
        return Problem(path, "euler_axes only for rotation euler", repr(axes)[:100], fix)
    known = len(axes) == 3 and (set(axes) <= set("xyz") or set(axes) <= set("XYZ"))
    if known and axes[0] != axes[1] and axes[1] != axes[2]:
        return None
    expected = "three euler_axes of 'xyz' (fixed) or 'XYZ' (moving), no two equal ones in a row"
    return Problem(path, expected, repr(axes)[:100], fix)


def _image(feature: Feature, path: str, fix: str) -> Problem | None:
    turns = feature.orientation.quarter_turns
    if not 0 <= turns <= 3:
        return Problem(path, "0 to 3 quarter turns", str(turns), fix)
    depth = feature.depth
    if depth is None:
        return None
    positive = depth.near > 0 or depth.encoding is not DepthEncoding.Z_BUFFER
    if 0 <= depth.near < depth.far < math.inf and positive:
        return None
    expected = "distances 0 <= near < far, finite (0 < near for a z_buffer)"
    return Problem(path, expected, f"{depth.near} and {depth.far}", fix)


def _gripper(feature: Feature, path: str, fix: str) -> Problem | None:
    gripper = feature.gripper
    if gripper is None:
        return None
    ends = gripper.open, gripper.closed
    if all(abs(end) < LARGEST for end in ends) and gripper.open != gripper.closed:
        return None
    expected = "two different numbers for open and closed that float32 holds"
    return Problem(path, expected, str(ends), fix)
