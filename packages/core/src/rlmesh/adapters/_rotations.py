"""Conversions between rotations written as numbers.

Every private function works on components: arrays with one number of each rotation. Angles are in
radians, rotations are active, matrices act on column vectors. Results are those of the shortest
way, unless the sign of a quaternion is kept: quaternions have w >= 0, angles about an axis lie in
[0, pi]. The first and the last Euler angle lie in [-pi, pi], the middle one in [-pi/2, pi/2], or in
[0, pi] if the first and the last axis are the same. Numbers that are not a rotation (a quaternion
or a column of length 0) become NaN.

Sources: quaternion <-> axis and angle, quaternion -> matrix: K. Shoemake, "Animating rotation with
quaternion curves", SIGGRAPH 1985, and J. Diebel, "Representing attitude", Stanford 2006, sections 5
and 6. Matrix -> quaternion: F. L. Markley, "Unit quaternion from rotation matrix", Journal of
Guidance, Control and Dynamics 31(2), 2008. Quaternion -> Euler angles: E. Bernardes and S. Viollet,
"Quaternion to Euler angles conversion", PLOS ONE 17(11), 2022. Six
numbers: Y. Zhou et al., "On the continuity of rotation representations in neural networks", CVPR
2019, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rlmesh.adapters._tags import RotationFormat

__all__ = ["LENGTHS", "REORDERED", "Form", "compose", "convert_rotation", "nearest_sign"]

LENGTHS = {
    RotationFormat.QUATERNION_WXYZ: 4,
    RotationFormat.QUATERNION_XYZW: 4,
    RotationFormat.EULER_XYZ: 3,
    RotationFormat.AXIS_ANGLE: 3,
    RotationFormat.SIX_D: 6,
    RotationFormat.MATRIX: 9,
    RotationFormat.SIX_D_ROWS: 6,
    RotationFormat.SIX_D_INTERLEAVED: 6,
    RotationFormat.EULER: 3,
}
"""Number of numbers in each form."""

REORDERED = frozenset({RotationFormat.QUATERNION_WXYZ, RotationFormat.QUATERNION_XYZW})
"""The forms that differ only in the order of their numbers."""

Parts = Sequence[Any]
_SMALL = 1e-6
"""Length below which a direction is only rounding error."""


@dataclass(frozen=True)
class Form:
    """A form in which rotations are written.

    Attributes:
        format: The format.
        axes: Axes of EULER.
        keeps_sign: Whether the sign of a quaternion is kept, when it is converted to this form.
    """

    format: RotationFormat
    axes: str = ""
    keeps_sign: bool = False

    @property
    def euler(self) -> str:
        """Axes of the Euler angles; empty if the form is another one."""
        return "xyz" if self.format is RotationFormat.EULER_XYZ else self.axes

    def moves_only(self, other: Form) -> bool:
        """Return whether the numbers of both forms are the same, if need be in another order."""
        formats = {self.format, other.format}
        return formats <= REORDERED or (len(formats) == 1 and self.axes == other.axes)


def convert_rotation(
    array: Any, source: Form | RotationFormat, target: Form | RotationFormat, xp: Any
) -> Any:
    """Return the numbers of rotations in another form.

    Args:
        array: Rotations, their numbers along the last axis; float32 or float64.
        source: The form of `array`.
        target: The form to convert to.
        xp: Functions of the array's library.

    Returns:
        The rotations, the numbers of the new form along the last axis, in the same dtype.
    """
    one, other = (f if isinstance(f, Form) else Form(f) for f in (source, target))
    return xp.concatenate(_converted(_parts(array), one, other, xp), axis=-1)


def compose(
    state: Any, change: Any, form: Form, xp: Any, *, local: bool = False, undo: bool = False
) -> Any:
    """Return the rotations of a state, followed by changes of them, or the changes between both.

    Args:
        state: Rotations in `form`, that broadcast against `change`.
        change: Changes in `form`; with `undo`, rotations.
        form: Form of all three.
        xp: Functions of the arrays' library.
        local: Whether changes are in the moving frame, so that they are applied before the state.
        undo: Whether to return the changes that lead from the state to `change`.
    """
    one, other = (_quaternion(_parts(array), form, xp) for array in (state, change))
    if undo:
        one = [one[0], *(-part for part in one[1:])]
    parts = _product(one, other) if local else _product(other, one)
    return xp.concatenate(_written(_positive(parts, xp), form, xp), axis=-1)


def nearest_sign(array: Any, before: Any, form: RotationFormat, xp: Any) -> Any:
    """Return quaternions or axis-angles, with the sign or turn that is nearest to earlier ones.

    Args:
        array: Quaternions, or angles about axes, in their shortest form.
        before: The rotations of the observation before, likewise, with a sign chosen.
        form: Form of both.
        xp: Functions of the arrays' library.
    """
    dot = (array * before).sum(-1)[..., None]
    if form in REORDERED:
        return xp.where(dot < 0, -array, array)
    angle = xp.sqrt((array * array).sum(-1))[..., None]
    length = xp.sqrt((before * before).sum(-1))[..., None]
    small = angle < _SMALL
    # The axis of no rotation is unknown: it stays the one that it was.
    axis = xp.where(
        small,
        before / xp.where(length < _SMALL, 1.0, length),
        array / xp.where(small, 1.0, angle),
    )
    along = xp.where(small, length, dot / xp.where(small, 1.0, angle))
    turns = xp.round((along - angle) / (2 * math.pi))
    return axis * (angle + turns * (2 * math.pi))


def _parts(array: Any) -> list[Any]:
    # Slices instead of elements, because NumPy 1 promotes scalars of one rotation to float64.
    return [array[..., i : i + 1] for i in range(array.shape[-1])]


def _converted(parts: Parts, source: Form, target: Form, xp: Any) -> Sequence[Any]:
    if source.moves_only(target):
        if source.format is target.format:
            return parts
        first = 1 if source.format is RotationFormat.QUATERNION_WXYZ else 3
        return [*parts[first:], *parts[:first]]
    if source.format in _COLUMNS and target.format in _OF_COLUMNS:
        return _OF_COLUMNS[target.format](_COLUMNS[source.format](parts, xp))
    return _written(_quaternion(parts, source, xp, target.keeps_sign), target, xp)


def _quaternion(parts: Parts, source: Form, xp: Any, keeps_sign: bool = False) -> list[Any]:
    """Return rotations as unit quaternions, w first."""
    if source.format in _COLUMNS:
        return _of_columns(_COLUMNS[source.format](parts, xp), xp)
    if source.euler:
        return _positive(_of_euler(parts, source.euler, xp), xp)
    quaternion = _QUATERNION_OF[source.format](parts, xp)
    return quaternion if keeps_sign else _positive(quaternion, xp)


def _written(quaternion: Parts, target: Form, xp: Any) -> list[Any]:
    """Return unit quaternions, w first, in another form."""
    if target.format in _OF_COLUMNS:
        return _OF_COLUMNS[target.format](_columns(quaternion))
    if target.euler:
        return _to_euler(quaternion, target.euler, xp)
    return _FROM_QUATERNION[target.format](quaternion, xp)


def _product(one: Parts, other: Parts) -> list[Any]:
    """Return the product of quaternions: the rotation `other`, followed by `one`."""
    (a, b, c, d), (e, f, g, h) = one, other
    return [
        a * e - b * f - c * g - d * h,
        a * f + b * e + c * h - d * g,
        a * g - b * h + c * e + d * f,
        a * h + b * g - c * f + d * e,
    ]


def _unit(parts: Parts, xp: Any) -> list[Any]:
    """Return a vector of length 1; NaN if it has no direction."""
    length = xp.sqrt(sum(part * part for part in parts))
    length = xp.where(length > 0, length, math.nan)
    return [part / length for part in parts]


def _positive(quaternion: Parts, xp: Any) -> list[Any]:
    """Return the one with w >= 0 of a rotation's two quaternions."""
    flipped = quaternion[0] < 0
    return [xp.where(flipped, -part, part) for part in quaternion]


def _of_xyzw(parts: Parts, xp: Any) -> list[Any]:
    x, y, z, w = parts
    return _unit([w, x, y, z], xp)


def _of_euler(parts: Parts, axes: str, xp: Any) -> list[Any]:
    """Return the quaternion of three rotations about axes, one after another."""
    result: list[Any] | None = None
    for angle, letter in zip(parts, axes):
        cosine, sine, none = xp.cos(angle / 2), xp.sin(angle / 2), xp.zeros_like(angle)
        turn = [cosine, *(sine if letter.lower() == axis else none for axis in "xyz")]
        # Axes that move along are those of the rotations before.
        if result is None:
            result = turn
        else:
            result = _product(turn, result) if axes.islower() else _product(result, turn)
    assert result is not None
    return result


def _of_axis_angle(parts: Parts, xp: Any) -> list[Any]:
    angle = xp.sqrt(sum(part * part for part in parts))
    small = angle < _SMALL
    # sin(a/2)/a is 1/2 - a^2/48 + ...; for a small angle the square is below the rounding error.
    scale = xp.where(small, 0.5, xp.sin(angle / 2) / xp.where(small, 1.0, angle))
    return [xp.cos(angle / 2), *(part * scale for part in parts)]


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


def _to_euler(quaternion: Parts, axes: str, xp: Any) -> list[Any]:
    """Return the three angles of a quaternion about axes.

    The tangents of half the sum and half the difference of the outer angles are exact up to the
    poles. At a pole only one of the two is known, and the last angle is set to 0.
    """
    fixed = axes.islower()
    # Rotations about axes that move along are those about fixed axes in the opposite order.
    first, middle, last = ("xyz".index(axis) for axis in (axes if fixed else axes[::-1].lower()))
    w, v = quaternion[0], quaternion[1:]
    proper = first == last
    third = 3 - first - middle if proper else last
    sign = (first - middle) * (middle - third) * (third - first) / 2
    if proper:
        a, b, c, d = w, v[first], v[middle], v[third] * sign
    else:
        a, b = w - v[middle], v[first] + v[third] * sign
        c, d = v[middle] + w, v[third] * sign - v[first]
    plus, minus = xp.hypot(a, b), xp.hypot(c, d)
    half_sum, half_difference = xp.arctan2(b, a), xp.arctan2(d, c)
    known = 1.0 if not fixed else -1.0
    half_sum, half_difference = (
        xp.where(plus < _SMALL, half_difference * known, half_sum),
        xp.where(minus < _SMALL, half_sum * known, half_difference),
    )
    middle_angle = 2 * xp.arctan2(minus, plus) - (0.0 if proper else math.pi / 2)
    outer = [
        _wrapped(half_sum - half_difference, xp),
        _wrapped((half_sum + half_difference) * (1.0 if proper else sign), xp),
    ]
    return [outer[0], middle_angle, outer[1]] if fixed else [outer[1], middle_angle, outer[0]]


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


def _columns_of_rows(parts: Parts, xp: Any) -> list[Any]:
    """Return the matrix with these first two rows: the transpose of that of columns."""
    return _columns_of_matrix(_columns_of_six(parts, xp), xp)


def _columns_of_interleaved(parts: Parts, xp: Any) -> list[Any]:
    return _columns_of_six([*parts[0::2], *parts[1::2]], xp)


Conversion = Callable[[Parts, Any], list[Any]]

_QUATERNION_OF: dict[RotationFormat, Conversion] = {
    RotationFormat.QUATERNION_WXYZ: _unit,
    RotationFormat.QUATERNION_XYZW: _of_xyzw,
    RotationFormat.AXIS_ANGLE: _of_axis_angle,
}
_FROM_QUATERNION: dict[RotationFormat, Conversion] = {
    RotationFormat.QUATERNION_WXYZ: _to_wxyz,
    RotationFormat.QUATERNION_XYZW: _to_xyzw,
    RotationFormat.AXIS_ANGLE: _to_axis_angle,
}
_COLUMNS: dict[RotationFormat, Conversion] = {
    RotationFormat.SIX_D: _columns_of_six,
    RotationFormat.SIX_D_ROWS: _columns_of_rows,
    RotationFormat.SIX_D_INTERLEAVED: _columns_of_interleaved,
    RotationFormat.MATRIX: _columns_of_matrix,
}
_OF_COLUMNS: dict[RotationFormat, Callable[[Parts], list[Any]]] = {
    RotationFormat.SIX_D: lambda columns: list(columns[:6]),
    RotationFormat.SIX_D_ROWS: lambda columns: _columns_of_matrix(columns, None)[:6],
    RotationFormat.SIX_D_INTERLEAVED: lambda c: [c[0], c[3], c[1], c[4], c[2], c[5]],
    RotationFormat.MATRIX: lambda columns: _columns_of_matrix(columns, None),
}
