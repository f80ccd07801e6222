"""Rotations by their matrices, from the definitions of rule A-4 alone: slow, and easy to check."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = [
    "Matrix",
    "axis_angle",
    "columns",
    "euler",
    "product",
    "quaternion",
    "rotation_about",
    "transposed",
    "wxyz",
]

Matrix = list[list[float]]


def rotation_about(axis: Sequence[float], angle: float) -> Matrix:
    """Return the matrix of a rotation about an axis of any length, by Rodrigues' formula."""
    length = math.sqrt(sum(part * part for part in axis))
    x, y, z = (part / length for part in axis)
    c, s = math.cos(angle), math.sin(angle)
    t = 1 - c
    return [
        [t * x * x + c, t * x * y - s * z, t * x * z + s * y],
        [t * x * y + s * z, t * y * y + c, t * y * z - s * x],
        [t * x * z - s * y, t * y * z + s * x, t * z * z + c],
    ]


def product(one: Matrix, other: Matrix) -> Matrix:
    """Return the matrix of the rotation `other`, followed by `one`."""
    return [[sum(one[i][k] * other[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


def transposed(matrix: Matrix) -> Matrix:
    """Return the matrix of the rotation back."""
    return [[matrix[j][i] for j in range(3)] for i in range(3)]


def euler(axes: str, angles: Sequence[float]) -> Matrix:
    """Return three rotations: each later one on the left for "xyz", on the right for "XYZ"."""
    result: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    for letter, angle in zip(axes, angles):
        turn = rotation_about([float(letter.lower() == axis) for axis in "xyz"], angle)
        result = product(turn, result) if axes.islower() else product(result, turn)
    return result


def columns(matrix: Matrix, number: int) -> list[float]:
    """Return the first columns of a matrix, one after another."""
    return [matrix[i][j] for j in range(number) for i in range(3)]


def wxyz(axis: Sequence[float], angle: float) -> list[float]:
    """Return the quaternion (cos(angle / 2), axis sin(angle / 2)), w first, whatever its sign."""
    length = math.sqrt(sum(part * part for part in axis))
    half = angle / 2
    return [math.cos(half), *(part / length * math.sin(half) for part in axis)]


def quaternion(matrix: Matrix) -> list[float]:
    """Return the quaternion of a matrix, w first and at least 0."""
    axis, angle = _turn(matrix)
    return wxyz(axis, angle)


def axis_angle(matrix: Matrix) -> list[float]:
    """Return the axis of a rotation, times its angle of at most pi."""
    axis, angle = _turn(matrix)
    return [part * angle for part in axis]


def _turn(matrix: Matrix) -> tuple[list[float], float]:
    """Return the axis of length 1 and the angle, which is neither 0 nor pi."""
    m = matrix
    twice = [m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]]
    length = math.sqrt(sum(part * part for part in twice))
    if length < 1e-6:
        raise ValueError("expected an angle between 0 and pi")
    return [part / length for part in twice], math.atan2(length, m[0][0] + m[1][1] + m[2][2] - 1)
