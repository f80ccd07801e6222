"""Rotations by example: what is known by heart, poles, half turns, and what is no rotation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from rlmesh.adapters import RotationFormat
from rlmesh.adapters._rotations import LENGTHS, convert_rotation
from tests.cases import for_each

np = pytest.importorskip("numpy")

FORMATS = tuple(form for form in LENGTHS if form is not RotationFormat.EULER)
ROOT, PI = math.sqrt(0.5), math.pi

# One rotation a row: quaternion (w x y z), roll pitch yaw, axis times angle, matrix by rows.
KNOWN: dict[str, tuple[list[float], list[float], list[float], list[float]]] = {
    "none": ([1, 0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0, 0, 1, 0, 0, 0, 1]),
    "quarter about x": (
        [ROOT, ROOT, 0, 0],
        [PI / 2, 0, 0],
        [PI / 2, 0, 0],
        [1, 0, 0, 0, 0, -1, 0, 1, 0],
    ),
    "quarter about z": (
        [ROOT, 0, 0, ROOT],
        [0, 0, PI / 2],
        [0, 0, PI / 2],
        [0, -1, 0, 1, 0, 0, 0, 0, 1],
    ),
    "third about the diagonal, x to y to z": (
        [0.5, 0.5, 0.5, 0.5],
        [PI / 2, 0, PI / 2],
        [2 * PI / 3 / math.sqrt(3)] * 3,
        [0, 0, 1, 1, 0, 0, 0, 1, 0],
    ),
    "minus a quarter about y: a pole": (
        [ROOT, 0, -ROOT, 0],
        [0, -PI / 2, 0],
        [0, -PI / 2, 0],
        [0, 0, -1, 0, 1, 0, 1, 0, 0],
    ),
    "roll, then a pole": (
        [ROOT * math.cos(0.2), ROOT * math.sin(0.2), ROOT * math.cos(0.2), -ROOT * math.sin(0.2)],
        [0.4, PI / 2, 0],
        [2 * math.acos(ROOT * math.cos(0.2)) * x / math.sqrt(1 - 0.5 * math.cos(0.2) ** 2)
         for x in (ROOT * math.sin(0.2), ROOT * math.cos(0.2), -ROOT * math.sin(0.2))],
        [0, math.sin(0.4), math.cos(0.4), 0, math.cos(0.4), -math.sin(0.4), -1, 0, 0],
    ),
}  # fmt: skip


def forms(name: str) -> dict[RotationFormat, Any]:
    """A rotation in every form."""
    quaternion, euler, axis_angle, matrix = map(np.array, KNOWN[name])
    return {
        RotationFormat.QUATERNION_WXYZ: quaternion,
        RotationFormat.QUATERNION_XYZW: np.roll(quaternion, -1),
        RotationFormat.EULER_XYZ: euler,
        RotationFormat.AXIS_ANGLE: axis_angle,
        RotationFormat.SIX_D: matrix.reshape(3, 3).T.ravel()[:6],
        RotationFormat.SIX_D_ROWS: matrix[:6],
        RotationFormat.SIX_D_INTERLEAVED: matrix.reshape(3, 3)[:, :2].ravel(),
        RotationFormat.MATRIX: matrix,
    }


def converted(array: Any, source: RotationFormat, target: RotationFormat) -> Any:
    return convert_rotation(array, source, target, np)


@for_each("name", KNOWN)
@pytest.mark.parametrize(("source", "target"), [*itertools.permutations(FORMATS, 2)])
def test_known_rotations(name: str, source: RotationFormat, target: RotationFormat) -> None:
    known = forms(name)
    found = converted(known[source].astype("f8"), source, target)
    np.testing.assert_allclose(found, known[target], atol=1e-7)


@pytest.mark.parametrize("target", FORMATS)
def test_half_turns_and_almost_none(target: RotationFormat) -> None:
    for axis in ([PI, 0, 0], [0, PI, 0], [0, 0, PI], [PI * 0.6, PI * 0.8, 0], [1e-9, 0, -2e-9]):
        if target is RotationFormat.AXIS_ANGLE:
            continue
        there = converted(np.array(axis), RotationFormat.AXIS_ANGLE, target)
        back = converted(there, target, RotationFormat.AXIS_ANGLE)
        # Of a half turn both axes are right.
        closest = min(np.abs(back - axis).max(), np.abs(back + axis).max())
        assert closest < 1e-7
        length = np.linalg.norm(back)
        assert abs(length - np.linalg.norm(axis)) < 1e-9 or length == pytest.approx(PI, abs=1e-7)


@pytest.mark.parametrize("target", FORMATS)
def test_quaternions_of_both_signs_and_any_length_are_the_same_rotation(
    target: RotationFormat,
) -> None:
    wxyz = RotationFormat.QUATERNION_WXYZ
    if target in (wxyz, RotationFormat.QUATERNION_XYZW):
        return
    quaternion = np.array([0.1, -0.7, 0.3, 0.2])
    same = [converted(k * quaternion, wxyz, target) for k in (1, -1, 5)]
    np.testing.assert_allclose(same[1], same[0], atol=1e-12)
    np.testing.assert_allclose(same[2], same[0], atol=1e-12)


def test_the_order_of_a_quaternion_is_changed_bit_by_bit() -> None:
    odd = np.array([0.3, -0.0, 7.0, -1e-30], "f4")  # Neither of length 1 nor with w >= 0.
    wxyz, xyzw = RotationFormat.QUATERNION_WXYZ, RotationFormat.QUATERNION_XYZW
    assert converted(odd, wxyz, xyzw).tobytes() == np.roll(odd, -1).tobytes()
    assert converted(odd, xyzw, wxyz).tobytes() == np.roll(odd, 1).tobytes()


def test_six_numbers_need_not_be_columns_of_a_rotation() -> None:
    six = np.array([2.0, 0, 0, 5, 0.5, 0])
    matrix = converted(six, RotationFormat.SIX_D, RotationFormat.MATRIX)
    assert matrix.tolist() == np.eye(3).ravel().tolist()


@pytest.mark.parametrize(
    ("source", "array"),
    [
        (RotationFormat.QUATERNION_WXYZ, [0.0] * 4),
        (RotationFormat.SIX_D, [0.0] * 6),
        (RotationFormat.SIX_D, [1.0, 0, 0, 2, 0, 0]),
    ],
)
def test_what_is_no_rotation_becomes_nan(source: RotationFormat, array: list[float]) -> None:
    assert np.isnan(converted(np.array(array), source, RotationFormat.MATRIX)).any()
