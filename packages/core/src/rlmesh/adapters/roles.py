"""Roles: the names by which features of an environment and of a model are matched.

Any text is a legal role; these have a meaning that both sides can rely on. Whether an action is a
value or a change of one is no part of its role: `Feature.reference` has it, so that the one can be
converted to the other. A robot with several arms adds the part to each role:

    of_part(EEF_POSITION, "left")  # "state/left/eef_position"

| role | shape | unit | meaning |
|---|---|---|---|
| `IMAGE_PRIMARY` | image | | The camera that shows the scene. |
| `IMAGE_SECONDARY` | image | | A second camera that shows the scene. |
| `IMAGE_TOP` | image | | A camera above the scene. |
| `IMAGE_WRIST` | image | | The camera at the wrist. |
| `DEPTH_PRIMARY` | image | m | Distances from the camera that shows the scene. |
| `DEPTH_WRIST` | image | m | Distances from the camera at the wrist. |
| `EEF_POSITION` | (3,) | m | Position of the end effector. |
| `EEF_ROTATION` | rotation | rad | Rotation of the end effector. |
| `GRIPPER` | (1,) | | Opening of the gripper. |
| `JOINT_POSITIONS` | (n,) | rad | Angles of the joints. |
| `JOINT_VELOCITIES` | (n,) | rad/s | Velocities of the joints. |
| `BASE_POSITION` | (n,) | m | Position of a mobile base. |
| `BASE_VELOCITY` | (n,) | m/s | Velocity of a mobile base. |
| `INSTRUCTION` | text | | The task in natural language. |
| `ACTION_EEF_POSITION` | (3,) | m | Command for the position of the end effector. |
| `ACTION_EEF_ROTATION` | rotation | rad | Command for the rotation of the end effector. |
| `ACTION_GRIPPER` | (1,) | | Command for the gripper. |
| `ACTION_JOINT_POSITIONS` | (n,) | rad | Command for the angles of the joints. |
| `ACTION_JOINT_VELOCITIES` | (n,) | rad/s | Command for the velocities of the joints. |
| `ACTION_BASE_VELOCITY` | (n,) | m/s | Command for the velocity of a mobile base. |
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ACTION_BASE_VELOCITY",
    "ACTION_EEF_POSITION",
    "ACTION_EEF_ROTATION",
    "ACTION_GRIPPER",
    "ACTION_JOINT_POSITIONS",
    "ACTION_JOINT_VELOCITIES",
    "BASE_POSITION",
    "BASE_VELOCITY",
    "DEPTH_PRIMARY",
    "DEPTH_WRIST",
    "EEF_POSITION",
    "EEF_ROTATION",
    "GRIPPER",
    "IMAGE_PRIMARY",
    "IMAGE_SECONDARY",
    "IMAGE_TOP",
    "IMAGE_WRIST",
    "INSTRUCTION",
    "JOINT_POSITIONS",
    "JOINT_VELOCITIES",
    "SIZES",
    "UNITS",
    "nearest",
    "of_part",
]

IMAGE_PRIMARY = "image/primary"
IMAGE_SECONDARY = "image/secondary"
IMAGE_TOP = "image/top"
IMAGE_WRIST = "image/wrist"
DEPTH_PRIMARY = "depth/primary"
DEPTH_WRIST = "depth/wrist"
EEF_POSITION = "state/eef_position"
EEF_ROTATION = "state/eef_rotation"
GRIPPER = "state/gripper"
JOINT_POSITIONS = "state/joint_positions"
JOINT_VELOCITIES = "state/joint_velocities"
BASE_POSITION = "state/base_position"
BASE_VELOCITY = "state/base_velocity"
INSTRUCTION = "text/instruction"
ACTION_EEF_POSITION = "action/eef_position"
ACTION_EEF_ROTATION = "action/eef_rotation"
ACTION_GRIPPER = "action/gripper"
ACTION_JOINT_POSITIONS = "action/joint_positions"
ACTION_JOINT_VELOCITIES = "action/joint_velocities"
ACTION_BASE_VELOCITY = "action/base_velocity"

SIZES = {EEF_POSITION: 3, GRIPPER: 1, ACTION_EEF_POSITION: 3, ACTION_GRIPPER: 1}
"""Number of elements of the roles that have the same in every environment; not of rotations."""

UNITS = {
    DEPTH_PRIMARY: "m",
    DEPTH_WRIST: "m",
    EEF_POSITION: "m",
    JOINT_POSITIONS: "rad",
    JOINT_VELOCITIES: "rad/s",
    BASE_POSITION: "m",
    BASE_VELOCITY: "m/s",
    ACTION_EEF_POSITION: "m",
    ACTION_JOINT_POSITIONS: "rad",
    ACTION_JOINT_VELOCITIES: "rad/s",
    ACTION_BASE_VELOCITY: "m/s",
}
"""Unit in which the numbers of a role usually are; a feature may specify another one."""

_ALL = tuple(
    value
    for name, value in globals().items()
    if name.isupper() and isinstance(value, str) and "/" in value
)


def of_part(role: str, part: str) -> str:
    """Return a role of one part of a robot.

    Args:
        role: The role ("state/eef_position").
        part: Name of the part ("left"); empty: the role of the whole robot.
    """
    area, slash, name = role.partition("/")
    return f"{area}/{part}{slash}{name}" if part else role


def nearest(role: str, known: Iterable[str] = ()) -> str | None:
    """Return the known role that is most like a text; None if none is.

    Args:
        role: The text.
        known: Roles that are preferred to those of this module.
    """
    found = difflib.get_close_matches(role, list(known), 1)
    if not found and role not in _ALL:
        found = difflib.get_close_matches(role, _ALL, 1)
    return found[0] if found else None
