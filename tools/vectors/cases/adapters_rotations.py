"""Adapters: rotations in every form, and their signs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from ..adapters import (
    AdapterCase,
    Facts,
    Moment,
    feature,
    floats,
    leaf,
    named,
    numbers,
    reading,
    spec_of,
    tags_of,
    unbounded,
)
from ..rotations import (
    Matrix,
    axis_angle,
    columns,
    euler,
    quaternion,
    rotation_about,
    transposed,
    wxyz,
)
from ..spaces import dict_
from ..values import Tagged, entries

__all__ = ["ROTATIONS"]

AXES = [
    "".join(axes)
    for letters in ("xyz", "XYZ")
    for axes in itertools.product(letters, repeat=3)
    if axes[0] != axes[1] != axes[2]
]
ROTATION = rotation_about((1.0, -2.0, 3.0), 2.0)


def xyzw(numbers_of: Sequence[float]) -> list[float]:
    return [*numbers_of[1:], numbers_of[0]]


def rows(matrix: Matrix) -> list[float]:
    return [x for row in matrix for x in row]


def forms(matrix: Matrix) -> dict[str, list[float]]:
    """Return a rotation's numbers in each form, those of quaternions with w >= 0."""
    one = quaternion(matrix)
    six = columns(matrix, 2)
    return {
        "quaternion_wxyz": one,
        "quaternion_xyzw": xyzw(one),
        "axis_angle": axis_angle(matrix),
        "six_d": six,
        "six_d_rows": columns(transposed(matrix), 2),
        "six_d_interleaved": [x for pair in zip(six[:3], six[3:]) for x in pair],
        "matrix": rows(matrix),
    }


def rotation(form: str, **facts: object) -> Facts:
    return feature("state/x", kind="state", rotation=form, **facts)


def as_forms(matrix: Matrix) -> dict[str, tuple[Facts, list[Tagged]]]:
    """Return an input for each form, with its numbers for one rotation."""
    read = {
        form: ({"feature": rotation(form)}, [floats(*values)])
        for form, values in forms(matrix).items()
    }
    square = {"feature": rotation("matrix"), "shape": [3, 3]}
    return {**read, "square": (square, [numbers((3, 3), rows(matrix))])}


def of_form(form: str) -> AdapterCase:
    given = forms(ROTATION)[form]
    read = as_forms(ROTATION)
    if form.startswith("quaternion"):
        # A quaternion with w < 0 keeps its sign if the form, but for the order, is the same.
        given = [-x for x in given]
        for other in ("quaternion_wxyz", "quaternion_xyzw"):
            read[other] = (read[other][0], [floats(*(-x for x in forms(ROTATION)[other]))])
    return reading(f"form/of-{form}", "A-4", rotation(form), [given], read, tolerance=2e-6)


def of_euler_xyz() -> AdapterCase:
    angles = (0.5, -1.0, 2.5)
    matrix = euler("xyz", angles)
    read = as_forms(matrix)
    read["euler_xyz"] = ({"feature": rotation("euler_xyz")}, [floats(*angles)])
    read["xyz"] = ({"feature": rotation("euler", euler_axes="xyz")}, [floats(*angles)])
    return reading(
        "form/of-euler_xyz", "A-4", rotation("euler_xyz"), [angles], read, tolerance=2e-6
    )


def of_square() -> AdapterCase:
    """Return rotations as matrices of (2, 3, 3)."""
    both = [ROTATION, transposed(ROTATION)]
    flat = [x for matrix in both for x in rows(matrix)]
    turned = [x for matrix in both for x in quaternion(matrix)]
    same = {"name": "square", "feature": rotation("matrix"), "any_shape": True}
    other = {"name": "turned", "feature": rotation("quaternion_wxyz"), "any_shape": True}
    return AdapterCase(
        "form/of-square",
        "A-4",
        tags_of([leaf(["x"], rotation("matrix"))]),
        spec_of([same, other]),
        (
            Moment(
                {"square": numbers((2, 3, 3), flat), "turned": numbers((2, 4), turned)},
                entries(("x", numbers((2, 3, 3), flat))),
            ),
        ),
        dict_(("x", unbounded(2, 3, 3))),
        tolerance=2e-6,
    )


def repaired() -> list[AdapterCase]:
    """Return quaternions of another length, and six numbers that are no columns."""
    double = [2 * x for x in quaternion(ROTATION)]
    first, second = columns(ROTATION, 2)[:3], columns(ROTATION, 2)[3:]
    six = [*(2 * x for x in first), *(3 * y + 0.5 * x for x, y in zip(first, second))]
    return [
        reading(
            f"repaired/{name}",
            "A-4",
            rotation(form),
            [given],
            {"x": ({"feature": rotation("matrix")}, [floats(*rows(ROTATION))])},
            tolerance=2e-6,
        )
        for name, form, given in (
            ("quaternion", "quaternion_wxyz", double),
            ("six", "six_d", six),
        )
    ]


def every_euler() -> list[AdapterCase]:
    """Return angles of each order from quaternions, and matrices of angles."""
    angles = {axes: (0.75, 1.25 if axes[0] == axes[2] else -1.25, -2.0) for axes in AXES}
    orders = {axes: feature(f"state/{axes}", rotation="euler", euler_axes=axes) for axes in AXES}
    plain = {
        form: {axes: feature(f"state/{axes}", rotation=form) for axes in AXES}
        for form in ("quaternion_wxyz", "matrix")
    }
    quaternions = {axes: quaternion(euler(axes, angles[axes])) for axes in AXES}

    def case(
        name: str,
        env: dict[str, Facts],
        given: dict[str, Sequence[float]],
        model: dict[str, Facts],
        wanted: dict[str, Sequence[float]],
    ) -> AdapterCase:
        size = len(given[AXES[0]])
        tags = [leaf(["x"], env[axes], (i * size, size)) for i, axes in enumerate(AXES)]
        inputs = [{"name": axes, "feature": model[axes]} for axes in AXES]
        flat = [x for axes in AXES for x in given[axes]]
        results = {axes: floats(*wanted[axes]) for axes in AXES}
        return AdapterCase(
            name,
            "A-2 A-4",
            tags_of(tags),
            spec_of(inputs),
            (Moment(results, entries(("x", floats(*flat)))),),
            dict_(("x", unbounded(len(flat)))),
            tolerance=2e-6,
        )

    matrices: dict[str, Sequence[float]] = {a: rows(euler(a, angles[a])) for a in AXES}
    return [
        case(
            "euler/from-quaternions", plain["quaternion_wxyz"], {**quaternions}, orders, {**angles}
        ),
        case("euler/to-matrices", orders, {**angles}, plain["matrix"], matrices),
    ]


def pole(axes: str) -> AdapterCase:
    """Return rotations of which only the sum or difference of the outer angles is known."""
    middle = (0.0,) if axes[0] == axes[2] else (math.pi / 2, -math.pi / 2)
    angles = [(outer, angle, 0.0) for outer in (1.0, -2.5) for angle in middle]
    given = [quaternion(euler(axes, one)) for one in angles]
    read = {"x": ({"feature": rotation("euler", euler_axes=axes)}, [floats(*a) for a in angles])}
    return reading(
        f"euler/pole-{axes}", "A-4", rotation("quaternion_wxyz"), given, read, tolerance=1e-5
    )


AXIS = (2.0, -1.0, 2.0)


def turn(angle: float, sign: int = 1) -> list[float]:
    return [sign * x for x in wxyz(AXIS, angle)]


def along(angle: float) -> list[float]:
    return [x / 3 * angle for x in AXIS]


def signs() -> list[AdapterCase]:
    """Return the policies for signs over an episode in which the angle passes pi and 2 pi."""
    given = [turn(1.0), turn(2.0, -1), turn(3.0), turn(4.0), turn(5.5, -1), turn(7.0)]
    shortest = [turn(1.0), turn(2.0), turn(3.0), turn(4.0, -1), turn(5.5, -1), turn(7.0, -1)]
    two_pi = 2 * math.pi
    policies: dict[str, list[list[float]]] = {
        "unspecified": given,
        "shortest": shortest,
        "as_given": given,
        # Each has a positive product with the one before.
        "continuous": [turn(1.0), turn(2.0), turn(3.0), turn(4.0), turn(5.5), turn(7.0)],
    }
    read = {
        sign: ({"feature": rotation("quaternion_wxyz", sign=sign)}, [floats(*x) for x in wanted])
        for sign, wanted in policies.items()
    }
    least = [
        along(1),
        along(2),
        along(3),
        along(4 - two_pi),
        along(5.5 - two_pi),
        along(7 - two_pi),
    ]
    angles: dict[str, list[list[float]]] = {
        "unspecified": least,
        "shortest": least,
        # 2 acos(w) is 2 pi - 2 about the other axis if the sign of the second is the other one.
        "as_given": [
            along(1),
            along(2 - two_pi),
            along(3),
            along(4),
            along(5.5 - two_pi),
            along(7 - 2 * two_pi),
        ],
        "continuous": [along(1), along(2), along(3), along(4), along(5.5), along(7)],
    }
    turned = {
        sign: ({"feature": rotation("axis_angle", sign=sign)}, [floats(*x) for x in wanted])
        for sign, wanted in angles.items()
    }
    rest = wxyz(AXIS, 0.0)
    still = {
        "continuous": (
            {"feature": rotation("axis_angle", sign="continuous")},
            [floats(*along(3)), floats(*along(6)), floats(*along(two_pi)), floats(*along(6.5))],
        ),
        "shortest": (
            {"feature": rotation("axis_angle", sign="shortest")},
            [
                floats(*along(3)),
                floats(*along(6 - two_pi)),
                floats(0, 0, 0),
                floats(*along(6.5 - two_pi)),
            ],
        ),
    }
    spun = [along(1.0), along(4.0), along(-4.0)]
    kept = {
        "unspecified": ({"feature": rotation("axis_angle")}, [floats(*x) for x in spun]),
        "shortest": (
            {"feature": rotation("axis_angle", sign="shortest")},
            [floats(*along(1)), floats(*along(4 - two_pi)), floats(*along(two_pi - 4))],
        ),
    }
    env = rotation("quaternion_wxyz")
    return [
        reading("sign/quaternion", "A-4", env, given, read, tolerance=2e-6),
        reading("sign/axis-angle", "A-4", env, given, turned, tolerance=1e-5),
        reading(
            "sign/no-rotation",
            "A-4",
            env,
            [turn(3), turn(6), rest, turn(6.5)],
            still,
            tolerance=1e-5,
        ),
        reading("sign/of-axis-angle", "A-4", rotation("axis_angle"), spun, kept, tolerance=2e-6),
    ]


ROTATIONS = named(
    "rotation",
    *map(of_form, forms(ROTATION)),
    of_euler_xyz(),
    of_square(),
    *repaired(),
    *every_euler(),
    *map(pole, ("xyz", "XYZ", "yxz", "ZYX", "zxz", "XYX")),
    *signs(),
)
