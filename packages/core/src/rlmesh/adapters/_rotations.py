"""Conversions between rotations written as numbers.

Every function but the first works on components: arrays with one number of each rotation. Angles
are in radians, rotations are active, matrices act on column vectors. Results are those of the
shortest way: quaternions have w >= 0, angles about an axis lie in [0, pi], roll and yaw in
[-pi, pi], pitch in [-pi/2, pi/2]. Numbers that are not a rotation (a quaternion or a column of
length 0) become NaN.

Sources: quaternion <-> axis and angle, quaternion -> matrix: K. Shoemake, "Animating rotation with
quaternion curves", SIGGRAPH 1985, and J. Diebel, "Representing attitude", Stanford 2006, sections 5
and 6. Matrix -> quaternion: F. L. Markley, "Unit quaternion from rotation matrix", Journal of
Guidance, Control and Dynamics 31(2), 2008. Quaternion -> Euler angles: E. Bernardes and S. Viollet,
"Quaternion to Euler angles conversion", PLOS ONE 17(11), 2022, here for roll, pitch and yaw. Six
numbers: Y. Zhou et al., "On the continuity of rotation representations in neural networks", CVPR
2019, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from rlmesh.adapters._tags import RotationFormat

__all__ = ["LENGTHS", "REORDERED", "convert_rotation"]

LENGTHS = {
    RotationFormat.QUATERNION_WXYZ: 4,
    RotationFormat.QUATERNION_XYZW: 4,
    RotationFormat.EULER_XYZ: 3,
    RotationFormat.AXIS_ANGLE: 3,
    RotationFormat.SIX_D: 6,
    RotationFormat.MATRIX: 9,
}
"""Number of numbers in each form."""

REORDERED = frozenset({RotationFormat.QUATERNION_WXYZ, RotationFormat.QUATERNION_XYZW})
"""The forms that differ only in the order of their numbers."""

Parts = Sequence[Any]
_SMALL = 1e-6
"""Length below which a direction is only rounding error."""


def convert_rotation(array: Any, source: RotationFormat, target: RotationFormat, xp: Any) -> Any:
    """Return the numbers of rotations in another form.

    Args:
        array: Rotations, their numbers along the last axis; float32 or float64.
        source: The form of `array`.
        target: The form to convert to.
        xp: Functions of the array's library.

    Returns:
        The rotations, the numbers of the new form along the last axis, in the same dtype.
    """
    # Slices instead of elements, because NumPy 1 promotes scalars of one rotation to float64.
    parts = [array[..., i : i + 1] for i in range(LENGTHS[source])]
    return xp.concatenate(_converted(parts, source, target, xp), axis=-1)


def _converted(
    parts: Parts, source: RotationFormat, target: RotationFormat, xp: Any
) -> Sequence[Any]:
    if source is target:
        return parts
    if {source, target} == REORDERED:
        first = 1 if source is RotationFormat.QUATERNION_WXYZ else 3
        return [*parts[first:], *parts[:first]]
    if source in _COLUMNS and target in _OF_COLUMNS:
        return _OF_COLUMNS[target](_COLUMNS[source](parts, xp))
    quaternion = (
        _of_columns(_COLUMNS[source](parts, xp), xp)
        if source in _COLUMNS
        else _QUATERNION_OF[source](parts, xp)
    )
    if target in _OF_COLUMNS:
        return _OF_COLUMNS[target](_columns(quaternion))
    return _FROM_QUATERNION[target](quaternion, xp)


def _unit(parts: Parts, xp: Any) -> list[Any]:
    """Return a vector of length 1; NaN if it has no direction."""
    length = xp.sqrt(sum(part * part for part in parts))
    length = xp.where(length > 0, length, math.nan)
    return [part / length for part in parts]


def _positive(quaternion: Parts, xp: Any) -> list[Any]:
    """Return the one with w >= 0 of a rotation's two quaternions."""
    flipped = quaternion[0] < 0
    return [xp.where(flipped, -part, part) for part in quaternion]


def _of_wxyz(parts: Parts, xp: Any) -> list[Any]:
    return _positive(_unit(parts, xp), xp)


def _of_xyzw(parts: Parts, xp: Any) -> list[Any]:
    x, y, z, w = parts
    return _of_wxyz([w, x, y, z], xp)


def _of_euler(parts: Parts, xp: Any) -> list[Any]:
    """Return the quaternion of roll about x, then pitch about fixed y, then yaw about fixed z."""
    (cr, sr), (cp, sp), (cy, sy) = ((xp.cos(a / 2), xp.sin(a / 2)) for a in parts)
    quaternion = [
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    ]
    return _positive(quaternion, xp)


def _of_axis_angle(parts: Parts, xp: Any) -> list[Any]:
    angle = xp.sqrt(sum(part * part for part in parts))
    small = angle < _SMALL
    # sin(a/2)/a is 1/2 - a^2/48 + ...; for a small angle the square is below the rounding error.
    scale = xp.where(small, 0.5, xp.sin(angle / 2) / xp.where(small, 1.0, angle))
    return _positive([xp.cos(angle / 2), *(part * scale for part in parts)], xp)


def _of_columns(columns: Parts, xp: Any) -> list[Any]:
    """Return the quaternion of a matrix, from the longest of four multiples of it.

    Each of the rows is a multiple of the quaternion; the longest has the largest square.
    """
    r00, r10, r20, r01, r11, r21, r02, r12, r22 = columns
    squares = [1 + r00 + r11 + r22, 1 + r00 - r11 - r22, 1 - r00 + r11 - r22, 1 - r00 - r11 + r22]
    x, y, z = r21 - r12, r02 - r20, r10 - r01
    xy, xz, yz = r10 + r01, r20 + r02, r21 + r12
    rows = [
        [squares[0], x, y, z],
        [x, squares[1], xy, xz],
        [y, xy, squares[2], yz],
        [z, xz, yz, squares[3]],
    ]
    best, largest = rows[0], squares[0]
    for row, square in zip(rows[1:], squares[1:]):
        larger = square > largest
        best = [xp.where(larger, new, old) for new, old in zip(row, best)]
        largest = xp.where(larger, square, largest)
    return _positive(_unit(best, xp), xp)


def _to_wxyz(quaternion: Parts, xp: Any) -> list[Any]:
    return list(quaternion)


def _to_xyzw(quaternion: Parts, xp: Any) -> list[Any]:
    return [*quaternion[1:], quaternion[0]]


def _to_euler(quaternion: Parts, xp: Any) -> list[Any]:
    """Return roll, pitch and yaw of a quaternion.

    The tangents of (roll + yaw) / 2 and (roll - yaw) / 2 are exact up to the poles. At a pitch of
    +-pi/2 only one of the two is known, and yaw is set to 0.
    """
    w, x, y, z = quaternion
    plus, minus = xp.hypot(x + z, w - y), xp.hypot(x - z, w + y)
    half_sum, half_difference = xp.arctan2(x + z, w - y), xp.arctan2(x - z, w + y)
    half_sum, half_difference = (
        xp.where(plus < _SMALL, half_difference, half_sum),
        xp.where(minus < _SMALL, half_sum, half_difference),
    )
    pitch = 2 * xp.arctan2(minus, plus) - math.pi / 2
    return [
        _wrapped(half_sum + half_difference, xp),
        pitch,
        _wrapped(half_sum - half_difference, xp),
    ]


def _wrapped(angle: Any, xp: Any) -> Any:
    """Return an angle of [-2 pi, 2 pi] in [-pi, pi]."""
    turn = 2 * math.pi
    lower = xp.where(angle > math.pi, angle - turn, angle)
    return xp.where(lower < -math.pi, lower + turn, lower)


def _to_axis_angle(quaternion: Parts, xp: Any) -> list[Any]:
    w, *axis = quaternion
    length = xp.sqrt(sum(part * part for part in axis))
    small = length < _SMALL
    # The angle is 2 asin(length), which is 2 length for a small length.
    scale = xp.where(small, 2.0, 2 * xp.arctan2(length, w) / xp.where(small, 1.0, length))
    return [part * scale for part in axis]


def _columns(quaternion: Parts) -> list[Any]:
    """Return the matrix of a quaternion, column by column."""
    w, x, y, z = quaternion
    xx, yy, zz = x * x, y * y, z * z
    xy, xz, yz, wx, wy, wz = x * y, x * z, y * z, w * x, w * y, w * z
    first = [1 - 2 * (yy + zz), 2 * (xy + wz), 2 * (xz - wy)]
    second = [2 * (xy - wz), 1 - 2 * (xx + zz), 2 * (yz + wx)]
    return [*first, *second, 2 * (xz + wy), 2 * (yz - wx), 1 - 2 * (xx + yy)]


def _columns_of_six(parts: Parts, xp: Any) -> list[Any]:
    """Return the matrix of six numbers by Gram-Schmidt; the third column is a cross product."""
    first = _unit(parts[:3], xp)
    along = sum(a * b for a, b in zip(first, parts[3:]))
    second = _unit([b - along * a for a, b in zip(first, parts[3:])], xp)
    (a, b, c), (d, e, f) = first, second
    return [*first, *second, b * f - c * e, c * d - a * f, a * e - b * d]


def _columns_of_matrix(parts: Parts, xp: Any) -> list[Any]:
    """Convert between row by row and column by column, which are inverse to each other."""
    return [parts[3 * row + column] for column in range(3) for row in range(3)]


Conversion = Callable[[Parts, Any], list[Any]]

_QUATERNION_OF: dict[RotationFormat, Conversion] = {
    RotationFormat.QUATERNION_WXYZ: _of_wxyz,
    RotationFormat.QUATERNION_XYZW: _of_xyzw,
    RotationFormat.EULER_XYZ: _of_euler,
    RotationFormat.AXIS_ANGLE: _of_axis_angle,
}
_FROM_QUATERNION: dict[RotationFormat, Conversion] = {
    RotationFormat.QUATERNION_WXYZ: _to_wxyz,
    RotationFormat.QUATERNION_XYZW: _to_xyzw,
    RotationFormat.EULER_XYZ: _to_euler,
    RotationFormat.AXIS_ANGLE: _to_axis_angle,
}
_COLUMNS: dict[RotationFormat, Conversion] = {
    RotationFormat.SIX_D: _columns_of_six,
    RotationFormat.MATRIX: _columns_of_matrix,
}
_OF_COLUMNS: dict[RotationFormat, Callable[[Parts], list[Any]]] = {
    RotationFormat.SIX_D: lambda columns: list(columns[:6]),
    RotationFormat.MATRIX: lambda columns: _columns_of_matrix(columns, None),
}
